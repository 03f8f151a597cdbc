//! A migration that fails because somebody applied it by hand in psql: what is there is compared, and what is offered first is
//! what is right.

use database_migration_operator::api::{ActionKind, reasons};
use database_migration_operator::decide::Snapshot;
use rstest::rstest;

use super::cases::settle;
use super::gives_way::asked;
use super::still_known::{NAME, fails, known, row, with};

const SCRIPT: &str = "CREATE TABLE \"A\" (\"id\" INTEGER NOT NULL);\nALTER TABLE \"Customer\" ADD COLUMN \"fax\" TEXT;";
const BEFORE: &str = "CREATE TABLE \"Customer\" (\"id\" INTEGER);";
const TABLE: &str = "CREATE TABLE \"A\" (\"id\" INTEGER);";
const FAX: &str = "ALTER TABLE \"Customer\" ADD COLUMN \"fax\" TEXT;";
const EXISTS: &str = "ERROR: relation \"A\" already exists";

fn failed(script: &str, there: &[&str]) -> Snapshot {
    let there = there.concat();
    let mut snapshot = with(script, &there);
    let row = row("row", script, "42P07", EXISTS);
    fails(&mut snapshot, row, "42P07", &there);
    snapshot
}

fn takes(snapshot: &Snapshot, kind: ActionKind) -> bool {
    let mut snapshot = snapshot.clone();
    let mut action = asked(&snapshot, kind);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = NAME.to_owned();
    action.spec.ledger_row = "row".to_owned();
    snapshot.actions = vec![action];
    !settle(&mut snapshot).is_empty()
}

#[test]
fn all_of_it_is_there() {
    let snapshot = failed(SCRIPT, &[BEFORE, TABLE, FAX]);
    let status = &snapshot.resource.status;
    assert!(
        status.message.contains("All that it does is there already"),
        "{}",
        status.message
    );
    let first = &status.choices[0];
    assert!(
        first.command.starts_with("kubectl dbm mark-applied"),
        "{first:?}"
    );
    assert!(!first.command.contains("--force"), "{first:?}");
    assert!(status.next_command.starts_with("kubectl dbm mark-applied"));
    assert!(known(&snapshot).compared.as_ref().unwrap().is_done());
    // It is checked, and passes.
    assert!(takes(&snapshot, ActionKind::MarkApplied));
    assert!(status.choices[1].command.contains("mark-rolled-back"));
    assert!(takes(&snapshot, ActionKind::MarkRolledBack));
}

/// What is missing, or cannot be seen, is listed, and that all of it is there is not said.
#[rstest]
#[case::missing(SCRIPT, &[BEFORE, TABLE], "column \"Customer\".\"fax\" is not there")]
#[case::unseen(
    "CREATE TABLE \"A\" (\"id\" INTEGER);\nINSERT INTO \"A\" VALUES (1);",
    &[BEFORE, TABLE],
    "statement 2 (INSERT INTO \"A\""
)]
fn a_part_of_it_is_there(#[case] script: &str, #[case] there: &[&str], #[case] said: &str) {
    let snapshot = failed(script, there);
    let status = &snapshot.resource.status;
    assert!(status.message.contains(said), "{}", status.message);
    assert!(!known(&snapshot).compared.as_ref().unwrap().is_done());
    let choices = &status.choices;
    // Somebody may have applied the rest of it by hand.
    assert!(choices[0].command.contains("mark-applied"), "{choices:?}");
    assert!(choices[0].title.contains(said), "{choices:?}");
    assert!(choices[1].command.contains("mark-rolled-back"));
    assert!(!takes(&snapshot, ActionKind::MarkApplied));
    assert_eq!(super::cases::reason(status), reasons::MIGRATION_FAILED);
}
