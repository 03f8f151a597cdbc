//! What was applied when a run succeeded, and is missing when the next one is planned.

use database_migration_operator::api::{DatabasePhase, Phase, reasons};
use database_migration_operator::decide::Snapshot;
use database_migration_operator::facts::{Ledger, LedgerRow, Reading};
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
    assert!(status.next_command.contains("kubectl dbm retry"));
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
