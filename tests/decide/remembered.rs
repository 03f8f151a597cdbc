//! What was applied when a run ended, and is missing when the next one is planned.

use std::collections::BTreeSet;

use database_migration_operator::api::{DatabasePhase, Phase, reasons};
use database_migration_operator::decide::Snapshot;
use database_migration_operator::facts::{
    Ledger, LedgerRow, Reading, Unreadable, UnreadableReason,
};
use rstest::rstest;

use super::cases::{finished, inventory, reason, row, settle};

fn ledger(snapshot: &mut Snapshot, change: impl FnOnce(&mut Vec<LedgerRow>)) {
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00")
        && let Ledger::Rows(rows) = &mut facts.ledger
    {
        change(rows);
    }
}

/// A release of two, after one of one that succeeded.
fn release(snapshot: &mut Snapshot) {
    snapshot.look_due = false;
    snapshot.inventories.insert("db00".to_owned(), inventory(2));
    snapshot.resource.spec.image.push_str("-next");
    snapshot.resource.generation += 1;
}

#[test]
fn a_release_runs_what_is_new() {
    let mut snapshot = finished();
    release(&mut snapshot);
    assert!(!settle(&mut snapshot).is_empty());
    let entry = &snapshot.resource.status.databases[0];
    assert_eq!(entry.phase, DatabasePhase::Migrating);
}

/// The rows were deleted, or marked rolled back by hand, or it is another database.
#[rstest]
#[case::deleted(|rows: &mut Vec<LedgerRow>| rows.clear())]
#[case::marked(|rows: &mut Vec<LedgerRow>| rows[0].rolled_back_at = rows[0].finished_at)]
fn what_was_applied_is_not_run_again_because_the_spec_changed(
    #[case] change: fn(&mut Vec<LedgerRow>),
) {
    let mut snapshot = finished();
    ledger(&mut snapshot, change);
    release(&mut snapshot);
    assert_eq!(settle(&mut snapshot), "", "nothing is started");
    let status = &snapshot.resource.status;
    assert_eq!(status.phase, Some(Phase::Blocked));
    assert_eq!(reason(status), reasons::PENDING_FOUND);
    let name = &inventory(1).migrations[0].name;
    assert!(status.message.contains(&name[..5]), "{}", status.message);
    // What runs nothing comes first.
    let verbs = ["kubectl dbm baseline", "kubectl dbm retry"];
    assert_eq!(status.choices.len(), verbs.len());
    for (choice, verb) in status.choices.iter().zip(verbs) {
        assert!(choice.command.starts_with(verb), "{choice:?}");
    }
    assert_eq!(status.next_command, status.choices[0].command);
    assert_eq!(status.databases[0].pending_count, 2);

    // The rows come back: it goes on by itself.
    let mut back = snapshot.clone();
    ledger(&mut back, |rows| {
        *rows = vec![row(&inventory(1).migrations[0])]
    });
    assert!(!settle(&mut back).is_empty());

    // A human asks for it.
    snapshot.resource.retry = Some("again".to_owned());
    assert!(!settle(&mut snapshot).is_empty());
}

/// A resource that has migrated this many, and whose next release holds one more.
fn migrated(migrations: usize) -> Snapshot {
    let mut snapshot = super::cases::snapshot(1);
    let image = inventory(migrations);
    let rows: Vec<LedgerRow> = image.migrations.iter().map(row).collect();
    snapshot.inventories.insert("db00".to_owned(), image);
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Rows(rows);
    }
    settle(&mut snapshot);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    snapshot.look_due = false;
    let next = inventory(migrations + 1);
    snapshot.inventories.insert("db00".to_owned(), next);
    snapshot.resource.spec.image.push_str("-next");
    snapshot.resource.generation += 1;
    snapshot
}

/// Also one of long ago, whose name is not among the newest, and also where somebody applied another one since.
#[rstest]
#[case::gone(false)]
#[case::one_for_another(true)]
fn an_old_one_that_is_gone_is_not_run_again(#[case] another: bool) {
    let mut snapshot = migrated(820);
    ledger(&mut snapshot, |rows| {
        rows.remove(7);
        if another {
            let mut other = rows[0].clone();
            other.migration_name = "90000 by somebody".to_owned();
            other.started_at = super::world::at(super::world::START + 5);
            rows.push(other);
        }
    });
    assert_eq!(settle(&mut snapshot), "", "nothing is started");
    let status = &snapshot.resource.status;
    // What is applied and not in the image has the first word.
    if !another {
        assert_eq!(reason(status), reasons::PENDING_FOUND, "{}", status.message);
        assert!(status.message.contains("50007 "), "{}", status.message);
    }
    assert!(
        status.databases[0]
            .remembered
            .as_ref()
            .unwrap()
            .newest
            .len()
            <= 20
    );
    // Nor because of yet another release.
    snapshot.resource.spec.image.push_str("-next");
    snapshot.resource.generation += 1;
    assert_eq!(settle(&mut snapshot), "");
}

/// What nobody pends on is nobody's worry: rows that no image holds are tidied away.
#[test]
fn what_no_image_holds_may_go() {
    let mut snapshot = migrated(5);
    let held = snapshot.inventories["db00"].migrations[1..5].to_vec();
    let image = snapshot.inventories.get_mut("db00").unwrap();
    image.migrations = held;
    "other".clone_into(&mut image.hash);
    ledger(&mut snapshot, |rows| {
        rows.remove(0);
    });
    settle(&mut snapshot);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    let known = snapshot.resource.status.databases[0].remembered.clone();
    assert_eq!(known.unwrap().count, 4);
}

/// A dump of another environment was loaded, or the Secret leads elsewhere: it says which, and the printed command ends it.
#[rstest]
#[case::loaded(false, "was the database restored")]
#[case::elsewhere(true, "it is another database than then")]
fn the_printed_way_ends_it(#[case] elsewhere: bool, #[case] said: &str) {
    let mut snapshot = migrated(40);
    ledger(&mut snapshot, |rows| rows.truncate(10));
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00")
        && elsewhere
    {
        "another server".clone_into(&mut facts.identity.system_identifier);
    }
    assert_eq!(settle(&mut snapshot), "");
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::PENDING_FOUND);
    assert!(status.message.contains(said), "{}", status.message);
    snapshot.resource.retry = Some("again".to_owned());
    assert!(!settle(&mut snapshot).is_empty());
}

/// A retry for another reason accepts nothing that nobody was told of.
#[test]
fn a_retry_accepts_only_what_was_told() {
    let mut snapshot = migrated(3);
    ledger(&mut snapshot, |rows| {
        rows.remove(0);
    });
    snapshot.resource.retry = Some("for another reason".to_owned());
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::PENDING_FOUND);
    snapshot.resource.retry = Some("for this".to_owned());
    assert!(!settle(&mut snapshot).is_empty());
}

/// What is asked is not shown while the database cannot be read: a retry then is no answer to it.
#[test]
fn a_retry_in_an_outage_answers_nothing() {
    let mut snapshot = migrated(3);
    ledger(&mut snapshot, |rows| {
        rows.remove(0);
    });
    snapshot.resource.retry = Some("for another reason".to_owned());
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::PENDING_FOUND);
    let gone = Unreadable {
        reason: UnreadableReason::ConnectionRefused,
        message: "db:5432 refuses connections: check the port, and that the server runs".to_owned(),
    };
    let back = snapshot
        .databases
        .insert("db00".to_owned(), Reading::Unknown(gone))
        .unwrap();
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(
        reason(&snapshot.resource.status),
        reasons::CONNECTION_REFUSED
    );
    snapshot.resource.retry = Some("in the outage".to_owned());
    assert_eq!(settle(&mut snapshot), "");
    snapshot.databases.insert("db00".to_owned(), back);
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::PENDING_FOUND);
    snapshot.resource.retry = Some("for this".to_owned());
    assert!(!settle(&mut snapshot).is_empty());
}

/// The status of an earlier release knows the newest names only: they count until the next run has looked.
#[test]
fn a_status_of_an_earlier_release_counts() {
    let mut snapshot = migrated(3);
    let names: Vec<String> = inventory(3)
        .migrations
        .into_iter()
        .map(|m| m.name)
        .collect();
    let entry = &mut snapshot.resource.status.databases[0];
    entry.remembered = None;
    entry.verified = names
        .iter()
        .map(|name| database_migration_operator::decide::status::cut(name, 128))
        .collect();
    let whole = snapshot.clone();
    ledger(&mut snapshot, |rows| {
        rows.remove(0);
    });
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::PENDING_FOUND);

    let mut snapshot = whole;
    assert!(!settle(&mut snapshot).is_empty());
    let entry = &snapshot.resource.status.databases[0];
    let known: BTreeSet<_> = entry.remembered.iter().map(|known| known.count).collect();
    assert_eq!((entry.verified.len(), known), (0, BTreeSet::from([3])));
}

/// A whole instance was restored: all of its databases are told of at once, and one retry accepts them.
#[test]
fn what_was_told_of_several_is_accepted_at_once() {
    let mut snapshot = super::cases::snapshot(2);
    let image = inventory(3);
    let rows: Vec<LedgerRow> = image.migrations.iter().map(row).collect();
    for (number, name) in ["db00", "db01"].into_iter().enumerate() {
        snapshot.inventories.insert(name.to_owned(), image.clone());
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(name) {
            facts.identity.database_oid = u32::try_from(number).unwrap();
            facts.ledger = Ledger::Rows(rows.clone());
        }
    }
    settle(&mut snapshot);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    for name in ["db00", "db01"] {
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(name) {
            facts.ledger = Ledger::Rows(rows[..2].to_vec());
        }
    }
    snapshot.look_due = false;
    snapshot.resource.spec.image.push_str("-next");
    snapshot.resource.generation += 1;
    assert_eq!(settle(&mut snapshot), "");
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::PENDING_FOUND);
    assert!(status.message.starts_with("db00: "), "{}", status.message);
    assert!(
        status
            .databases
            .iter()
            .all(|entry| entry.remembered.as_ref().unwrap().told)
    );
    snapshot.resource.retry = Some("again".to_owned());
    assert!(!settle(&mut snapshot).is_empty());
    let known = &snapshot.resource.status.databases[1].remembered;
    assert!(known.is_none(), "{known:?}");
}

/// What is known of a database goes with the database, and not with its name in the spec.
#[rstest]
#[case::renamed(true, false)]
#[case::renamed_and_back(true, true)]
#[case::away_and_back(false, true)]
fn what_is_known_goes_with_the_database(#[case] renamed: bool, #[case] back: bool) {
    let mut snapshot = migrated(3);
    let known = snapshot.databases["db00"].clone();
    let image = snapshot.inventories["db00"].clone();
    let mut name = "db00";
    if renamed {
        name = "other";
        snapshot.resource.spec.databases[0].name = name.to_owned();
        snapshot.inventories.insert(name.to_owned(), image.clone());
        snapshot.databases.insert(name.to_owned(), known.clone());
        snapshot.databases.remove("db00");
    }
    // It leads to an empty database for a while, where all of it runs.
    if back {
        let mut elsewhere = known.clone();
        if let Reading::Known(facts) = &mut elsewhere {
            "another server".clone_into(&mut facts.identity.system_identifier);
            facts.ledger = Ledger::Rows(Vec::new());
        }
        snapshot.databases.insert(name.to_owned(), elsewhere);
        let mut name_of_job = settle(&mut snapshot);
        if name_of_job.is_empty() {
            snapshot.resource.retry = Some("it is the right one".to_owned());
            name_of_job = settle(&mut snapshot);
        }
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(name) {
            facts.ledger = Ledger::Rows(image.migrations.iter().map(row).collect());
        }
        let over = super::cases::job(&snapshot, &name_of_job, super::cases::ended());
        snapshot.jobs.insert(name_of_job, over);
        settle(&mut snapshot);
        assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
        snapshot.databases.insert(name.to_owned(), known);
    }
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(name)
        && let Ledger::Rows(rows) = &mut facts.ledger
    {
        rows.remove(1);
    }
    snapshot.resource.spec.image.push_str("-more");
    snapshot.resource.generation += 1;
    assert_eq!(settle(&mut snapshot), "", "nothing is started");
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::PENDING_FOUND, "{}", status.message);
    assert!(
        status
            .former
            .iter()
            .all(|it| it.turn != status.databases[0].turn)
    );
}

/// The printed baseline is taken as it is printed: of what the catalog does not show it has `--force`, and says to look.
#[rstest]
#[case::rows("UPDATE a SET b = 1;", true)]
#[case::a_table("CREATE TABLE a (b int);", false)]
fn the_printed_baseline_needs_nothing_more(#[case] text: &str, #[case] unseen: bool) {
    let mut snapshot = finished();
    ledger(&mut snapshot, Vec::clear);
    release(&mut snapshot);
    let image = snapshot.inventories.get_mut("db00").unwrap();
    for migration in &mut image.migrations {
        migration.sql = Some(text.to_owned());
    }
    assert_eq!(settle(&mut snapshot), "");
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::PENDING_FOUND);
    let first = &status.choices[0];
    assert!(
        first.command.starts_with("kubectl dbm baseline"),
        "{first:?}"
    );
    assert_eq!(first.command.ends_with(" --force"), unseen, "{first:?}");
    assert_eq!(first.title.contains("look yourself"), unseen, "{first:?}");
}
