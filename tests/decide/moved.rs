//! What was believed of a database or of an image, and is not so any more: the Secret leads elsewhere, the tag was pushed again.

use database_migration_operator::api::{
    ActionKind, ActionState, DatabasePhase, RestorePointPolicy, RestoreTarget, StepKind, reasons,
};
use database_migration_operator::decide::{Decision, Effect, Snapshot, decide, status};
use database_migration_operator::facts::{Ledger, LedgerRow, Reading, RestorePointFacts};
use dbm_protocol::{InventoryReport, Migration, VERSION};

use super::cases::{
    applied, ended, finished, inventory, job, reason, row, settle, snapshot, write,
};
use super::gives_way::asked;
use super::world::{START, at};

fn point(refused: Option<&str>) -> Reading<RestorePointFacts> {
    Reading::Known(RestorePointFacts {
        name: refused.is_none().then(|| "dbm-point".to_owned()),
        refused: refused.map(str::to_owned),
        lsn: "0/1".to_owned(),
        at: at(START),
        commits: 0,
    })
}

fn facts(snapshot: &mut Snapshot, database: &str, oid: u32, rows: Vec<LedgerRow>) {
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(database) {
        facts.identity.database_oid = oid;
        facts.ledger = Ledger::Rows(rows);
    }
}

/// One database is migrated, whose restore point and the other one's are made.
fn between_two() -> Snapshot {
    let mut snapshot = snapshot(2);
    snapshot.resource.spec.preflight.backup.restore_point = RestorePointPolicy::Required;
    let points = ["db00", "db01"].map(|name| (name.to_owned(), point(None)));
    snapshot.restore_points = points.into();
    let name = settle(&mut snapshot);
    snapshot.restore_points.clear();
    let done = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, done);
    let migration = &inventory(1).migrations[0];
    facts(&mut snapshot, "db00", 0, vec![row(migration)]);
    snapshot
}

fn pointed(decision: &Decision) -> Vec<&str> {
    let effects = decision.effects.iter();
    let databases = effects.filter_map(|effect| match effect {
        Effect::MakeRestorePoint { database, .. } => Some(database.as_str()),
        _ => None,
    });
    databases.collect()
}

/// The Secret of a database that waits is corrected while another one is migrated. No point in the old one's history is one
/// in the new one's.
#[test]
fn a_database_that_is_another_one_by_now_gets_a_restore_point_of_its_own() {
    let mut snapshot = between_two();
    let mut same = snapshot.clone();
    assert!(!settle(&mut same).is_empty(), "it has its point");

    facts(&mut snapshot, "db01", 7, Vec::new());
    let decision = decide(&snapshot);
    assert_eq!(pointed(&decision), ["db01"]);
    assert_eq!(write(&mut snapshot, &decision), "");
    let entry = &snapshot.resource.status.databases[1];
    assert_eq!(entry.own_restore_point(), None);

    let refused = point(Some("the role may not."));
    snapshot.restore_points = [("db01".to_owned(), refused)].into();
    assert_eq!(settle(&mut snapshot), "");
    let said = reason(&snapshot.resource.status);
    assert_eq!(said, reasons::RESTORE_POINT_FORBIDDEN);
    snapshot.restore_points = [("db01".to_owned(), point(None))].into();
    assert!(!settle(&mut snapshot).is_empty());
    let entry = &snapshot.resource.status.databases[1];
    assert_eq!(entry.phase, DatabasePhase::Migrating);
    assert!(entry.own_restore_point().is_some());
    let preflight = status::get(&snapshot.resource.status, reasons::PREFLIGHT_PASSED);
    assert_eq!(preflight.unwrap().status, "True");
}

/// What a role may by default is no news of a run: the place stands in the status, and of a name alone an Event tells.
#[test]
fn a_restore_point_without_a_name_is_no_news() {
    for (made, told) in [
        (point(Some("the role may not.")), false),
        (point(None), true),
    ] {
        let mut snapshot = snapshot(1);
        let backup = &mut snapshot.resource.spec.preflight.backup;
        backup.restore_point = RestorePointPolicy::BestEffort;
        snapshot.restore_points = [("db00".to_owned(), made)].into();
        let decision = decide(&snapshot);
        let all = format!("{:?}", decision.events).to_lowercase();
        assert_eq!(all.contains("restore point"), told, "{all}");
        assert!(!all.contains("no name"), "{all}");
        assert!(!write(&mut snapshot, &decision).is_empty(), "it starts");
        let entry = &snapshot.resource.status.databases[0];
        assert_eq!(entry.own_restore_point().unwrap().lsn, "0/1");
    }
}

/// Yesterday's image: that the database is ahead of it stands in the run's Event, too.
#[test]
fn that_a_database_is_ahead_of_its_image_is_said_at_the_end() {
    for ahead in [false, true] {
        let mut snapshot = snapshot(1);
        let mut rows = vec![row(&inventory(1).migrations[0])];
        if ahead {
            let newer = Migration {
                name: "9_newer".to_owned(),
                ..Migration::default()
            };
            rows.push(row(&newer));
        }
        facts(&mut snapshot, "db00", 0, rows);
        let mut told = Vec::new();
        for _ in 0..5 {
            let decision = decide(&snapshot);
            write(&mut snapshot, &decision);
            told.extend(decision.events.into_iter().map(|event| event.message));
        }
        let status = &snapshot.resource.status;
        assert_eq!(reason(status) == reasons::DATABASE_AHEAD, ahead);
        let said = |text: &String| text.ends_with("; the database is ahead of the image");
        assert_eq!(told.iter().any(said), ahead, "{told:?}");
    }
}

#[test]
fn no_database_is_brought_back_to_a_place_in_the_history_of_another_one() {
    let mut snapshot = snapshot(1);
    let spec = &mut snapshot.resource.spec;
    spec.preflight.backup.restore_point = RestorePointPolicy::BestEffort;
    let restore = serde_json::json!({"image": "pgbackrest:1", "command": ["./restore"]});
    spec.rollback.restore = Some(serde_json::from_value(restore).unwrap());
    snapshot.restore_points = [("db00".to_owned(), point(None))].into();
    let name = settle(&mut snapshot);
    let done = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, done);
    let migration = &inventory(1).migrations[0];
    facts(&mut snapshot, "db00", 0, vec![row(migration)]);
    assert_eq!(settle(&mut snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);

    let mut action = asked(&snapshot, ActionKind::Restore);
    action.spec.database = "db00".to_owned();
    action.spec.target = Some(RestoreTarget {
        restore_point: "dbm-point".to_owned(),
        time: None,
    });
    snapshot.actions = vec![action];
    let mut moved = snapshot.clone();
    assert!(!settle(&mut snapshot).is_empty());

    facts(&mut moved, "db00", 7, vec![row(migration)]);
    let decision = decide(&moved);
    let answer = decision.effects.iter().find_map(|effect| match effect {
        Effect::SetAction { status, .. } => Some(status),
        _ => None,
    });
    let answer = answer.unwrap();
    assert_eq!(answer.state, ActionState::Refused, "{}", answer.message);
    assert!(answer.message.contains("leads to another database"));
}

/// Another resource of the same release looked at the image after its tag was pushed again. What this one verified it has.
#[test]
fn a_look_does_not_compare_with_what_was_pushed_since() {
    let mut snapshot = finished();
    let pushed = inventory(2);
    let known = snapshot.inventories.get_mut("db00").unwrap();
    known.migrations = pushed.migrations;
    known.hash = "pushed".to_owned();
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(reason(said), reasons::SUCCEEDED);
    let observed = status::get(said, reasons::OBSERVED).unwrap();
    assert_eq!(observed.status, "False");
    assert!(observed.message.contains("pushed again"));
    assert_eq!(said.databases[0].inventory_hash, "h");
    assert!(decide(&snapshot).status.is_none());
}

/// The image was mended under its tag: what was found in it by an earlier run blocks nothing before it is read again.
#[test]
fn what_blocks_is_looked_for_again_in_an_image_whose_tag_moves() {
    let mut snapshot = snapshot(1);
    let gone = Migration {
        name: "0_gone".to_owned(),
        sha256: "gone".to_owned(),
        ..Migration::default()
    };
    facts(&mut snapshot, "db00", 0, vec![row(&gone)]);
    let mut pinned = snapshot.clone();
    assert_eq!(settle(&mut pinned), "");
    let said = &pinned.resource.status;
    assert_eq!(reason(said), reasons::SQUASHED_FOUND);

    snapshot.resource.spec.image = "app:main".to_owned();
    let name = settle(&mut snapshot);
    let steps = snapshot.resource.status.run.as_ref().unwrap().steps.clone();
    assert_eq!(steps.last().unwrap().name, StepKind::Inventory);
    let done = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, done);
    let mut found = snapshot.inventories["db00"].clone();
    found.database = "db00".to_owned();
    snapshot.report = Some(Ok(InventoryReport {
        version: VERSION,
        databases: vec![found],
    }));
    assert_eq!(settle(&mut snapshot), "");
    let said = &snapshot.resource.status;
    assert_eq!(reason(said), reasons::SQUASHED_FOUND);
    // Once in a run.
    assert_eq!(settle(&mut snapshot), "");
}

/// An applied migration is not undone by marking it, and no such command is printed.
#[test]
fn an_applied_migration_without_a_down_sql_is_not_said_to_be_marked() {
    let mut snapshot = applied();
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let mut action = asked(&snapshot, ActionKind::DownMigration);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = inventory(1).migrations[0].name.clone();
    snapshot.actions = vec![action];
    let decision = decide(&snapshot);
    let answer = decision.effects.iter().find_map(|effect| match effect {
        Effect::SetAction { status, .. } => Some(status.message.clone()),
        _ => None,
    });
    let answer = answer.unwrap();
    assert!(answer.contains("holds no down.sql"), "{answer}");
    assert!(answer.contains("write a new migration"), "{answer}");
    assert!(!answer.contains("mark-rolled-back"), "{answer}");
}
