//! Marking rolled back by itself, and what a human marks beside another failure.

use database_migration_operator::api::{
    ActionKind, ActionState, OnMigrationFailure, Phase, RestoreTarget, StepKind, Time, reasons,
};
use database_migration_operator::decide::{Effect, Snapshot, decide, status};
use database_migration_operator::facts::{
    ContainerEnd, JobProgress, Ledger, LedgerRow, Reading, Session, Unreadable, UnreadableReason,
};

use super::cases::{ended, inventory, job, reason, settle, snapshot, write};
use super::gives_way::asked;
use super::world::{START, at};

pub(super) fn killed() -> JobProgress {
    JobProgress::Ended(ContainerEnd {
        exit_code: 137,
        reason: "OOMKilled".to_owned(),
        said: String::new(),
        finished_at: at(START),
        summary: None,
    })
}

fn ledger(snapshot: &mut Snapshot, database: &str, row: LedgerRow) {
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(database) {
        facts.ledger = Ledger::Rows(vec![row]);
    }
}

fn row() -> LedgerRow {
    LedgerRow {
        id: "row".to_owned(),
        migration_name: inventory(1).migrations[0].name.clone(),
        checksum: "old".to_owned(),
        started_at: at(START),
        ..LedgerRow::default()
    }
}

/// A migration was cut off and left no trace: its row is to be marked rolled back, by the Job that is named.
pub(super) fn reverting() -> (Snapshot, String) {
    reverting_beside(0)
}

/// The same in the first of several databases.
fn reverting_beside(others: usize) -> (Snapshot, String) {
    let mut snapshot = snapshot(1 + others);
    snapshot.resource.spec.rollback.on_migration_failure = OnMigrationFailure::RevertIfClean;
    for inventory in snapshot.inventories.values_mut() {
        inventory.migrations[0].sql = Some("CREATE TABLE a (id int);".to_owned());
    }
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.catalog = Some("as before".to_owned());
    }
    let name = settle(&mut snapshot);
    let found = job(&snapshot, &name, killed());
    snapshot.jobs.insert(name, found);
    ledger(&mut snapshot, "db00", row());
    // The turn was let go, as it is where a database cannot be read for long.
    snapshot.resource.status.databases[0].lease.clear();
    let resolve = settle(&mut snapshot);
    let steps = &snapshot.resource.status.run.as_ref().unwrap().steps;
    assert_eq!(steps.last().unwrap().name, StepKind::Resolve);
    (snapshot, resolve)
}

/// Both containers ran out of memory, so nobody wrote down how the migration ended: the row is unfinished and not failed,
/// and keeps Prisma from going on all the same.
#[test]
fn a_row_that_nobody_finished_and_nobody_marked_is_not_said_to_be_rolled_back() {
    let (mut snapshot, resolve) = reverting();
    assert_ne!(
        snapshot.resource.status.databases[0].lease, "",
        "the turn is journaled"
    );

    let found = job(&snapshot, &resolve, killed());
    snapshot.jobs = [(resolve, found)].into();
    let session = Session {
        pid: 42,
        ..Session::default()
    };
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.our_sessions = vec![session];
    }
    snapshot.now = at(START + 10);
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(
        reason(&snapshot.resource.status),
        reasons::WAITING_FOR_BACKEND
    );
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.our_sessions.clear();
    }
    let decision = decide(&snapshot);
    let gives_back = |e: &Effect| matches!(e, Effect::ReleaseLease { .. });
    assert!(decision.effects.iter().any(gives_back));
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Failed), reasons::ROLLBACK_FAILED)
    );
}

/// The row is marked while another database cannot be read: the run has ended as rolled back, and says so from then on.
#[test]
fn a_reverted_run_keeps_its_words_beside_a_database_that_cannot_be_read() {
    let (mut snapshot, resolve) = reverting_beside(1);
    let unreachable = Unreadable {
        reason: UnreadableReason::ConnectionRefused,
        message: "no answer".to_owned(),
    };
    let blind = Reading::Unknown(unreachable);
    snapshot.databases.insert("db01".to_owned(), blind.clone());
    snapshot.now = at(START + 5);
    // While it is marked, the database that cannot be read has the word.
    let running = JobProgress::Running { since: at(START) };
    let found = job(&snapshot, &resolve, running);
    snapshot.jobs = [(resolve.clone(), found)].into();
    settle(&mut snapshot);
    assert_eq!(
        reason(&snapshot.resource.status),
        reasons::CONNECTION_REFUSED
    );

    let found = job(&snapshot, &resolve, ended());
    snapshot.jobs = [(resolve, found)].into();
    let rolled_back = LedgerRow {
        rolled_back_at: Some(at(START + 5)),
        ..row()
    };
    ledger(&mut snapshot, "db00", rolled_back);
    for seconds in [6, 7, 60, 2_000] {
        snapshot.now = at(START + seconds);
        settle(&mut snapshot);
        let said = &snapshot.resource.status;
        assert_eq!(
            (said.phase, reason(said)),
            (Some(Phase::RolledBack), reasons::ROLLED_BACK),
            "{seconds}: {}",
            said.message
        );
        assert!(said.message.starts_with("db00: "), "{}", said.message);
        let run = said.run.as_ref().unwrap();
        assert!(run.finished_at.is_some());
        let observed = status::get(said, reasons::OBSERVED).unwrap();
        assert_eq!(observed.reason, reasons::CONNECTION_REFUSED);
    }
}

/// Two failed side by side. The one that is marked applied does not take the other one's words.
#[rstest::rstest]
#[case("db00", "db01")]
#[case("db01", "db00")]
fn what_is_marked_applied_leaves_the_other_failure_its_words(
    #[case] marked: &str,
    #[case] other: &str,
) {
    let mut snapshot = snapshot(2);
    snapshot.resource.spec.parallelism = 2;
    for (number, reading) in snapshot.databases.values_mut().enumerate() {
        if let Reading::Known(facts) = reading {
            facts.identity.database_oid = u32::try_from(number).unwrap();
        }
    }
    settle(&mut snapshot);
    let steps = snapshot.resource.status.run.as_ref().unwrap().steps.clone();
    assert_eq!(steps.len(), 2, "{}", snapshot.resource.status.message);
    for step in steps {
        let found = job(&snapshot, &step.job, killed());
        snapshot.jobs.insert(step.job, found);
    }
    let failed = || LedgerRow {
        logs: Some("ERROR: no".to_owned()),
        ..row()
    };
    ledger(&mut snapshot, "db00", failed());
    ledger(&mut snapshot, "db01", failed());
    assert_eq!(settle(&mut snapshot), "");
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Failed), reasons::MIGRATION_FAILED)
    );

    let mut action = asked(&snapshot, ActionKind::MarkApplied);
    action.spec.database = marked.to_owned();
    action.spec.migration_name = row().migration_name;
    action.spec.ledger_row = "row".to_owned();
    // What its SQL does is not known here.
    action.spec.force = true;
    snapshot.actions = vec![action];
    let resolve = settle(&mut snapshot);
    let found = job(&snapshot, &resolve, ended());
    snapshot.jobs = [(resolve, found)].into();
    let by_hand = LedgerRow {
        finished_at: Some(at(START)),
        ..row()
    };
    ledger(&mut snapshot, marked, by_hand);
    assert_eq!(settle(&mut snapshot), "");
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Failed), reasons::MIGRATION_FAILED),
        "{}",
        said.message
    );
    assert!(said.message.starts_with(other), "{}", said.message);
}

/// Another database, whose ledger the restore was not to touch, leaves the spec meanwhile: nobody looks at that one any more,
/// so nobody waits for it, and that it was not looked at is said.
#[test]
fn a_restore_ends_where_another_database_left_the_spec() {
    let mut snapshot = snapshot(2);
    snapshot.resource.spec.rollback.restore = Some(
        serde_json::from_value(serde_json::json!({"image": "restore:1", "command": ["./restore"]}))
            .unwrap(),
    );
    for (name, reading) in &mut snapshot.databases {
        if let Reading::Known(facts) = reading {
            facts.identity.system_identifier.clone_from(name);
        }
    }
    for name in ["db00", "db01"] {
        let by_hand = LedgerRow {
            finished_at: Some(at(START)),
            applied_steps_count: 1,
            ..row()
        };
        ledger(&mut snapshot, name, by_hand);
    }
    settle(&mut snapshot);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    snapshot.now = at(START + 60);
    let mut action = asked(&snapshot, ActionKind::Restore);
    action.spec.database = "db00".to_owned();
    action.spec.target = Some(RestoreTarget {
        restore_point: String::new(),
        time: Some(Time(at(START + 30))),
    });
    snapshot.actions = vec![action];
    let restore = settle(&mut snapshot);
    assert!(!restore.is_empty(), "{}", snapshot.resource.status.message);
    snapshot.resource.spec.databases.truncate(1);
    snapshot.databases.remove("db01");
    let found = job(&snapshot, &restore, ended());
    snapshot.jobs = [(restore, found)].into();
    settle(&mut snapshot);
    let taken = snapshot.resource.status.action.as_ref().unwrap();
    assert_eq!(taken.state, ActionState::Done, "{}", taken.message);
    assert!(
        taken.message.contains("whether db01 changed"),
        "{}",
        taken.message
    );
}
