//! What was found of a migration that failed stays known for as long as its row stands, whatever run looks at it, and is
//! corrected by what the catalog shows now.

use std::collections::BTreeSet;

use database_migration_operator::api::{ActionKind, FailedStatus, Traces, digest, reasons};
use database_migration_operator::decide::Snapshot;
use database_migration_operator::facts::{
    ContainerEnd, DatabaseFacts, JobProgress, Ledger, LedgerRow, Object, Reading,
};
use database_migration_operator::tools::sql;
use dbm_protocol::{DatabaseInventory, InventoryReport, Migration, Outcome, VERSION};
use rstest::rstest;

use super::cases::{job, reason, settle, snapshot};
use super::gives_way::asked;
use super::pods::summary;
use super::world::{START, at};

pub(super) const NAME: &str = "2_phone";
pub(super) const BEFORE: &str = "CREATE TABLE \"Customer\" (id int, email text);";
pub(super) const PHONE: &str = "CREATE TABLE \"Customer\" (id int, email text, phone text);";
const SCRIPT: &str = "ALTER TABLE \"Customer\" ADD COLUMN \"phone\" TEXT;\nALTER TABLE \"Customer\" ALTER COLUMN \"email\" SET NOT NULL;\nALTER TABLE \"Customer\" ADD COLUMN \"fax\" TEXT;";
const NULLS: &str = "ERROR: column \"email\" of relation \"Customer\" contains null values";

pub(super) fn facts(snapshot: &mut Snapshot) -> &mut DatabaseFacts {
    match snapshot.databases.get_mut("db00") {
        Some(Reading::Known(facts)) => facts,
        _ => panic!("no facts"),
    }
}

/// A resource whose image holds this one migration, on a database in which this stands.
pub(super) fn with(script: &str, there: &str) -> Snapshot {
    let mut snapshot = snapshot(1);
    holds(&mut snapshot, script);
    facts(&mut snapshot).identity.schema = "public".to_owned();
    stands(&mut snapshot, there);
    snapshot
}

fn holds(snapshot: &mut Snapshot, script: &str) {
    let migration = Migration {
        name: NAME.to_owned(),
        sha256: digest(script.as_bytes()),
        sql: Some(script.to_owned()),
        ..Migration::default()
    };
    let inventory = DatabaseInventory {
        hash: digest(script.as_bytes()),
        migrations: vec![migration],
        ..DatabaseInventory::default()
    };
    snapshot.inventories = [("db00".to_owned(), inventory)].into();
}

/// What stands in the catalog now.
pub(super) fn stands(snapshot: &mut Snapshot, there: &str) {
    let objects: BTreeSet<Object> = sql::expected(&[("", there)], "public");
    let facts = facts(snapshot);
    facts.objects = Some(objects);
    facts.catalog = Some(digest(there.as_bytes()));
}

/// The row of a try that failed with this SQLSTATE and message.
pub(super) fn row(id: &str, script: &str, state: &str, message: &str) -> LedgerRow {
    LedgerRow {
        id: id.to_owned(),
        migration_name: NAME.to_owned(),
        checksum: digest(script.as_bytes()),
        started_at: at(START),
        logs: Some(format!(
            "Migration name: {NAME}\n\nDatabase error code: {state}\n\nDatabase error:\n{message}\n"
        )),
        ..LedgerRow::default()
    }
}

/// The migration runs, fails and leaves this.
pub(super) fn fails(snapshot: &mut Snapshot, row: LedgerRow, state: &str, there: &str) {
    let name = settle(snapshot);
    assert!(!name.is_empty(), "{}", snapshot.resource.status.message);
    if let Ledger::Rows(rows) = &mut facts(snapshot).ledger {
        rows.push(row);
    } else {
        facts(snapshot).ledger = Ledger::Rows(vec![row]);
    }
    stands(snapshot, there);
    let end = JobProgress::Ended(ContainerEnd {
        exit_code: 1,
        reason: "Error".to_owned(),
        said: String::new(),
        finished_at: at(START),
        summary: Some(Box::new(summary(Outcome::Failed, "P3018", state))),
    });
    let found = job(snapshot, &name, end);
    snapshot.jobs.insert(name, found);
    assert_eq!(settle(snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::MIGRATION_FAILED);
}

fn failed() -> Snapshot {
    let mut snapshot = with(SCRIPT, BEFORE);
    let row = row("row", SCRIPT, "23502", NULLS);
    fails(&mut snapshot, row, "23502", PHONE);
    snapshot
}

pub(super) fn retry(snapshot: &mut Snapshot) {
    let before = snapshot.resource.retry.clone().unwrap_or_default();
    snapshot.resource.retry = Some(before + "again");
}

pub(super) fn known(snapshot: &Snapshot) -> &FailedStatus {
    let database = &snapshot.resource.status.databases[0];
    assert_eq!(database.earlier, None);
    database.failed.as_ref().unwrap()
}

fn blocked(snapshot: &mut Snapshot) {
    assert_eq!(settle(snapshot), "");
    // And looked at once more.
    assert_eq!(settle(snapshot), "");
    assert_eq!(reason(&snapshot.resource.status), reasons::FAILED_ROW_FOUND);
}

/// How another run comes to look at the row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Again {
    Retried,
    /// Another field of the spec was changed.
    Edited,
    /// Another image, which has to be read first.
    Released,
}

#[rstest]
#[case(Again::Retried)]
#[case(Again::Edited)]
#[case(Again::Released)]
fn what_was_found_stays_known_in_another_run(#[case] again: Again) {
    let mut snapshot = failed();
    let before = known(&snapshot).clone();
    let undo = "ALTER TABLE \"public\".\"Customer\" DROP COLUMN IF EXISTS \"phone\"";
    assert_eq!(before.undo, [undo]);
    assert!(before.left[0].contains("column \"Customer\".\"phone\" added"));
    match again {
        Again::Retried => retry(&mut snapshot),
        Again::Edited => {
            snapshot.resource.spec.timeouts.statement = serde_json::from_str("\"2h\"").unwrap();
        }
        Again::Released => {
            snapshot.resource.spec.image = "app@sha256:2".to_owned();
            let read = std::mem::take(&mut snapshot.inventories);
            let name = settle(&mut snapshot);
            assert!(!name.is_empty());
            // While the image is read, it is not said of this run that it failed.
            assert_eq!(snapshot.resource.status.databases[0].failed, None);
            let mut found = read["db00"].clone();
            found.database = "db00".to_owned();
            snapshot.report = Some(Ok(InventoryReport {
                version: VERSION,
                databases: vec![found],
            }));
            snapshot.inventories = read;
            let found = job(&snapshot, &name, super::cases::ended());
            snapshot.jobs.insert(name, found);
        }
    }
    blocked(&mut snapshot);
    let after = known(&snapshot);
    assert_eq!(
        (&after.code, &after.sql_state, &after.summary),
        (&before.code, &before.sql_state, &before.summary)
    );
    // Whether the rows were corrected since is not known.
    let remedy = before.remedy.replacen(
        "Correct",
        "Unless that was done since it failed: correct",
        1,
    );
    assert_eq!(after.remedy, remedy);
    assert_eq!(after.statement, before.statement);
    let first = "statement 1 took effect: column \"Customer\".\"phone\" added";
    assert!(after.left[0].starts_with(first), "{:?}", after.left);
    assert_eq!(after.undo, [undo]);
    let choices = &snapshot.resource.status.choices;
    let by_hand = choices
        .iter()
        .find(|it| it.title.contains("undo it by hand"));
    let command = &by_hand.unwrap().command;
    let (sql, mark) = command.split_once(" && ").unwrap();
    assert!(
        sql.starts_with("kubectl dbm psql ") && sql.contains(" --single-transaction --if-open "),
        "{sql}"
    );
    assert!(sql.ends_with(&format!("-c '{undo}'")), "{sql}");
    assert!(mark.starts_with("kubectl dbm mark-rolled-back "), "{mark}");
    assert_ne!(after.traces, Traces::None);
}

#[test]
fn what_was_undone_by_hand_is_not_listed_any_more() {
    // Something else was changed meanwhile: nothing is proven.
    let mut snapshot = failed();
    retry(&mut snapshot);
    blocked(&mut snapshot);
    stands(
        &mut snapshot,
        &format!("{BEFORE} CREATE TABLE other (id int);"),
    );
    blocked(&mut snapshot);
    let left = &known(&snapshot).left;
    assert!(
        !left.is_empty() && !left.join("; ").contains("phone\" added"),
        "{left:?}"
    );
    assert_ne!(known(&snapshot).traces, Traces::None);
    // The catalog is the one from before the migration.
    stands(&mut snapshot, BEFORE);
    blocked(&mut snapshot);
    assert_eq!(known(&snapshot).traces, Traces::None);
    assert_eq!(known(&snapshot).left, Vec::<String>::new());
    assert_eq!(known(&snapshot).undo, Vec::<String>::new());
}

/// A corrected image says nothing of what the old file left: what takes that back is known from its failure, and whether it was done
/// the catalog tells.
#[rstest]
#[case::all_of_it(
    "ALTER TABLE \"Customer\" ADD COLUMN \"phone\" TEXT;\nALTER TABLE nope ADD COLUMN x int;",
    false
)]
#[case::rows_too(
    "ALTER TABLE \"Customer\" ADD COLUMN \"phone\" TEXT;\nUPDATE other SET a = a + 1;\nALTER TABLE nope ADD COLUMN x int;",
    true
)]
fn what_takes_back_an_earlier_text_is_known_from_its_failure(
    #[case] script: &str,
    #[case] force: bool,
) {
    let mut snapshot = with(script, BEFORE);
    let no = "ERROR: relation \"nope\" does not exist";
    let row = row("row", script, "42P01", no);
    fails(&mut snapshot, row, "42P01", PHONE);
    let before = known(&snapshot).clone();
    assert_eq!(before.undo.len(), 1);
    assert_eq!(before.again.is_empty(), !force, "{:?}", before.again);
    retry(&mut snapshot);
    holds(
        &mut snapshot,
        "ALTER TABLE \"Customer\" ADD COLUMN \"fax\" TEXT;",
    );
    // Its down.sql is not that of what ran.
    for inventory in snapshot.inventories.values_mut() {
        inventory.migrations[0].down_sql =
            Some("ALTER TABLE \"Customer\" DROP COLUMN IF EXISTS \"email\";".to_owned());
    }
    blocked(&mut snapshot);
    let after = known(&snapshot);
    assert!(!after.has_down);
    assert_eq!(
        (&after.left, &after.undo, &after.again),
        (&before.left, &before.undo, &before.again)
    );
    let choices = &snapshot.resource.status.choices;
    let by_hand = choices.iter().find(|it| it.title.contains("undo it"));
    let command = &by_hand.unwrap().command;
    assert_eq!(command.contains(" --force"), force, "{command}");
    assert!(command.contains(" && kubectl dbm retry "), "{command}");
    let taken = |snapshot: &Snapshot, kind: ActionKind| {
        let mut snapshot = snapshot.clone();
        let mut action = asked(&snapshot, kind);
        action.spec.database = "db00".to_owned();
        action.spec.migration_name = NAME.to_owned();
        action.spec.ledger_row = "row".to_owned();
        snapshot.actions = vec![action];
        !settle(&mut snapshot).is_empty()
    };
    let mark = |snapshot: &Snapshot| taken(snapshot, ActionKind::MarkRolledBack);
    assert!(!mark(&snapshot), "it is not undone");
    assert!(!taken(&snapshot, ActionKind::DownMigration));
    // Somebody undid it, and something else came meanwhile.
    stands(
        &mut snapshot,
        &format!("{BEFORE} CREATE TABLE other (id int);"),
    );
    assert_eq!(mark(&snapshot), !force);
    blocked(&mut snapshot);
    let after = known(&snapshot);
    assert_eq!(after.undo, Vec::<String>::new());
    assert_eq!(after.traces == Traces::None, !force, "{:?}", after.left);
}

/// Of another row nothing is known.
#[test]
fn another_row_is_told_anew() {
    let mut snapshot = failed();
    retry(&mut snapshot);
    let mut other = row("other", SCRIPT, "23502", NULLS);
    other.checksum = digest(b"else");
    facts(&mut snapshot).ledger = Ledger::Rows(vec![other]);
    blocked(&mut snapshot);
    assert_eq!(known(&snapshot).left, Vec::<String>::new());
    assert_eq!(known(&snapshot).code, "");
}

/// The first that this operator sees of it is its row.
#[test]
fn at_first_sight_it_is_told_what_stands_there_now() {
    let mut snapshot = with(SCRIPT, PHONE);
    facts(&mut snapshot).ledger = Ledger::Rows(vec![row("row", SCRIPT, "23502", NULLS)]);
    blocked(&mut snapshot);
    let failed = known(&snapshot);
    let left = &failed.left;
    assert!(
        left[0].starts_with(
            "statement 1 took effect: column \"Customer\".\"phone\" added (as the schema is now"
        ),
        "{left:?}"
    );
    assert_eq!(failed.traces, Traces::Unknown);
    // Who made that, and when, is not known.
    assert_eq!(failed.undo, Vec::<String>::new());
    // Nothing stands there: that is no proof.
    stands(&mut snapshot, BEFORE);
    blocked(&mut snapshot);
    assert_ne!(known(&snapshot).traces, Traces::None);
    assert!(!known(&snapshot).left.is_empty());
}

/// Message and screen say the same.
#[test]
fn what_is_said_is_what_is_shown() {
    let script = "UPDATE missing SET a = 1;";
    let mut snapshot = with(script, BEFORE);
    let message = "ERROR: relation \"missing\" does not exist";
    let logs = format!("Position:\n\u{1b}[1m  0\u{1b}[0m\n{message}");
    let mut row = row("row", script, "42P01", message);
    row.logs = Some(format!("{}\n{logs}", row.logs.unwrap()));
    fails(&mut snapshot, row, "42P01", BEFORE);
    let status = &snapshot.resource.status;
    for line in &known(&snapshot).left {
        let mut letters = line.chars();
        let first = letters.next().unwrap().to_uppercase().to_string();
        let said = format!("{first}{}", letters.as_str());
        assert!(status.message.contains(&said), "{said}: {}", status.message);
    }
    assert!(
        !status.message.contains("None of its statements") || !known(&snapshot).left.is_empty()
    );
}

/// A right may have been given since, and the migration may connect as another role by now.
#[test]
fn a_right_is_not_said_to_be_missing_still() {
    const SAID: &str = "ERROR: permission denied for schema app";
    let mut snapshot = with(SCRIPT, BEFORE);
    facts(&mut snapshot).role = "\"shop\"".to_owned();
    let row = row("row", SCRIPT, "42501", SAID);
    fails(&mut snapshot, row, "42501", PHONE);
    let give =
        |role: &str| format!("Run as its owner: GRANT USAGE, CREATE ON SCHEMA app TO \"{role}\";");
    assert_eq!(known(&snapshot).remedy, give("shop"));
    retry(&mut snapshot);
    facts(&mut snapshot).role = "\"migrator\"".to_owned();
    blocked(&mut snapshot);
    let given = give("migrator").replacen("Run", "run", 1);
    let unless = format!("Unless that was done since it failed: {given}");
    assert_eq!(known(&snapshot).remedy, unless);
}
