//! Something exists already, maybe because an earlier try of the same migration left it: who made it is not claimed, and what
//! is offered does not lead to the same error again.

use database_migration_operator::api::{ActionKind, Phase, Traces};
use database_migration_operator::decide::{Snapshot, was_there};
use database_migration_operator::facts::{JobProgress, Ledger};

use super::cases::{ended, job, settle};
use super::gives_way::asked;
use super::still_known::{BEFORE, NAME, PHONE, facts, fails, known, row, stands, with};
use super::world::{START, at};

const SCRIPT: &str = "ALTER TABLE \"Customer\" ADD COLUMN \"phone\" TEXT;\nALTER TABLE \"Customer\" ADD COLUMN \"fax\" TEXT;";
const EXISTS: &str = "ERROR: column \"phone\" of relation \"Customer\" already exists";
const WHAT: &str = "column \"Customer\".\"phone\"";

/// It failed because the column is there; `tried`: an earlier try is marked rolled back.
fn failed(tried: bool) -> Snapshot {
    let mut snapshot = with(SCRIPT, PHONE);
    let mut before = row("before", SCRIPT, "57014", "ERROR: canceling statement");
    before.rolled_back_at = Some(at(START));
    facts(&mut snapshot).ledger = Ledger::Rows(if tried { vec![before] } else { Vec::new() });
    let row = row("row", SCRIPT, "42701", EXISTS);
    fails(&mut snapshot, row, "42701", PHONE);
    snapshot
}

/// The Job of a mark, where it is taken up.
fn mark(snapshot: &mut Snapshot, force: bool) -> String {
    let mut action = asked(snapshot, ActionKind::MarkRolledBack);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = NAME.to_owned();
    action.spec.ledger_row = "row".to_owned();
    action.spec.force = force;
    snapshot.actions = vec![action];
    settle(snapshot)
}

#[test]
fn who_made_it_is_not_claimed() {
    for tried in [false, true] {
        let snapshot = failed(tried);
        let failed = known(&snapshot);
        assert_eq!(
            (failed.was_there.as_str(), failed.tried_before),
            (WHAT, tried)
        );
        let text = was_there(failed);
        assert!(
            text.contains("may have left it, or somebody else made it"),
            "{text}"
        );
        assert_eq!(
            text.contains("was tried before and marked rolled back"),
            tried
        );
        assert!(
            snapshot
                .resource
                .status
                .message
                .contains(&text["column".len()..])
        );
    }
}

#[test]
fn what_an_earlier_try_may_have_left_is_to_be_removed_first() {
    let snapshot = failed(true);
    assert_eq!(known(&snapshot).traces, Traces::None);
    let choices = &snapshot.resource.status.choices;
    let first = &choices[0];
    assert!(
        first.title.starts_with("if the earlier try left column"),
        "{first:?}"
    );
    assert!(first.title.contains("remove it by hand"));
    assert!(
        first.command.contains("mark-rolled-back")
            && first.command.contains(" && kubectl dbm retry")
    );
    assert!(!first.command.contains("--force"));
    assert!(
        choices[1].command.contains("mark-rolled-back") && choices[1].command.ends_with("--force")
    );
    assert!(choices[1].title.contains("corrected image"));
    // It stands there still.
    let mut there = snapshot.clone();
    assert_eq!(mark(&mut there, false), "");
    assert_ne!(mark(&mut snapshot.clone(), true), "");
    let mut removed = snapshot;
    stands(&mut removed, BEFORE);
    assert_ne!(mark(&mut removed, false), "");
    // Somebody else's is no reason to insist.
    assert_ne!(mark(&mut failed(false), false), "");
}

/// What was left when somebody insisted is not said to be gone.
#[test]
fn what_was_left_when_it_was_marked_stays_shown() {
    for force in [false, true] {
        let mut snapshot = with(SCRIPT, BEFORE);
        let row = row("row", SCRIPT, "57014", "ERROR: canceling statement");
        fails(&mut snapshot, row, "57014", PHONE);
        let left = known(&snapshot).left.clone();
        assert!(left[0].contains("phone\" added"), "{left:?}");
        if !force {
            stands(&mut snapshot, BEFORE);
        }
        let name = mark(&mut snapshot, force);
        assert_ne!(name, "");
        if let Ledger::Rows(rows) = &mut facts(&mut snapshot).ledger {
            rows[0].rolled_back_at = Some(at(START));
        }
        let done: JobProgress = ended();
        let found = job(&snapshot, &name, done);
        snapshot.jobs.insert(name, found);
        settle(&mut snapshot);
        let status = &snapshot.resource.status;
        assert_eq!(status.phase, Some(Phase::RolledBack), "{}", status.message);
        let shown = known(&snapshot).left.clone();
        assert_eq!(shown, if force { left } else { Vec::new() });
    }
}
