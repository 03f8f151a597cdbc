//! MarkApplied and MarkRolledBack: what cannot be compared with the catalog needs more than one look.

use std::collections::{BTreeMap, BTreeSet};

use database_migration_operator::api::{ActionKind, DatabaseMigrationStatus};
use database_migration_operator::decide::{Effect, Snapshot, decide};
use database_migration_operator::facts::{
    Index, Ledger, LedgerRow, Object, ObjectKind, Reading, TableName,
};
use database_migration_operator::tools::sql;
use rstest::rstest;

use super::cases::{inventory, job, reason, settle, snapshot};
use super::gives_way::asked;
use super::resolves::killed;
use super::world::{START, at};

/// A migration with this script failed, or was cut off, and left this in a catalog that is as before or not.
fn failed(script: &str, logs: Option<&str>, there: &str, as_before: bool) -> Snapshot {
    let mut snapshot = snapshot(1);
    for inventory in snapshot.inventories.values_mut() {
        inventory.migrations[0].sql = Some(script.to_owned());
    }
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.catalog = Some("before".to_owned());
    }
    let name = settle(&mut snapshot);
    let found = job(&snapshot, &name, killed());
    snapshot.jobs.insert(name, found);
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        let objects: BTreeSet<Object> = sql::expected(&[("", there)], &facts.identity.schema);
        facts.objects = Some(objects);
        facts.catalog = Some(if as_before { "before" } else { "after" }.to_owned());
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            id: "row".to_owned(),
            migration_name: inventory(1).migrations[0].name.clone(),
            checksum: inventory(1).migrations[0].sha256.clone(),
            started_at: at(START),
            logs: logs.map(str::to_owned),
            ..LedgerRow::default()
        }]);
    }
    assert_eq!(settle(&mut snapshot), "");
    snapshot
}

/// Whether such a mark is taken up.
fn taken(snapshot: &Snapshot, kind: ActionKind, force: bool) -> bool {
    let mut snapshot = snapshot.clone();
    let mut action = asked(&snapshot, kind);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = inventory(1).migrations[0].name.clone();
    action.spec.ledger_row = "row".to_owned();
    action.spec.force = force;
    snapshot.actions = vec![action];
    !settle(&mut snapshot).is_empty()
}

/// Whether what is printed for a verb has `--force`.
fn printed(status: &DatabaseMigrationStatus, verb: &str) -> bool {
    let verb = format!("kubectl dbm {verb} ");
    let mut choices = status.choices.iter();
    let found = choices.find(|choice| choice.command.contains(&verb));
    let found = found.unwrap_or_else(|| panic!("{verb}: {:?}", status.choices));
    found.command.contains(" --force")
}

const ERROR: Option<&str> = Some("ERROR: no");

/// What the script is, whether it failed (else it was cut off), what of it is there, whether the catalog is as before; whether
/// either mark is taken up without being forced.
#[rstest]
#[case::of_the_catalog("CREATE TABLE a (id int); CREATE TABLE b (id int);", ERROR, "CREATE TABLE a (id int); CREATE TABLE b (id int);", false, (true, false))]
#[case::not_finished("CREATE TABLE a (id int); CREATE TABLE b (id int);", ERROR, "CREATE TABLE a (id int);", false, (false, false))]
#[case::nothing_is_left("CREATE TABLE a (id int);", ERROR, "", true, (false, true))]
#[case::under_another_role("SET ROLE x; CREATE TABLE a (id int); ALTER TABLE nope ADD COLUMN x int;", None, "CREATE TABLE a (id int);", false, (false, false))]
#[case::on_another_path("SET search_path = app; CREATE TABLE a (id int);", None, "", false, (false, false))]
#[case::rows("UPDATE t SET a = a * 100; CREATE TABLE a (id int);", ERROR, "CREATE TABLE a (id int);", false, (true, false))]
#[case::rows_that_were_committed("BEGIN; UPDATE t SET a = a * 100; COMMIT; ALTER TABLE nope ADD COLUMN x int;", ERROR, "", true, (false, false))]
#[case::rows_in_one_transaction("BEGIN; UPDATE t SET a = a * 100; ALTER TABLE nope ADD COLUMN x int; COMMIT;", ERROR, "", true, (false, true))]
#[case::rows_in_one_statement("UPDATE t SET a = a * 100;", ERROR, "", true, (false, true))]
#[case::rows_that_were_cut_off("UPDATE t SET a = a * 100;", None, "", true, (false, false))]
#[case::rows_after_what_did_not_stay("CREATE TABLE a (id int); UPDATE t SET a = 1;", ERROR, "", true, (false, true))]
#[case::code("DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$;", ERROR, "", true, (true, false))]
fn what_cannot_be_compared_is_no_consent(
    #[case] script: &str,
    #[case] logs: Option<&str>,
    #[case] there: &str,
    #[case] as_before: bool,
    #[case] expected: (bool, bool),
) {
    let snapshot = failed(script, logs, there, as_before);
    let found = (
        taken(&snapshot, ActionKind::MarkApplied, false),
        taken(&snapshot, ActionKind::MarkRolledBack, false),
    );
    assert_eq!(found, expected);
    assert!(taken(&snapshot, ActionKind::MarkApplied, true));
    assert!(taken(&snapshot, ActionKind::MarkRolledBack, true));
    // What is printed is not refused for want of --force, once what its title says is done.
    let status = &snapshot.resource.status;
    let failed = status.databases[0].failed.as_ref().unwrap();
    assert_eq!(
        printed(status, "mark-applied"),
        !failed.unchecked.is_empty(),
        "{:?}",
        status.choices
    );
}

/// An index that it left invalid is something of it, whatever its statement shows.
#[test]
fn an_invalid_index_is_something_that_is_left() {
    let script = "REINDEX INDEX CONCURRENTLY i;";
    let mut snapshot = failed(script, None, "", false);
    let index = "public.i_ccnew".to_owned();
    let entry = &mut snapshot.resource.status.databases[0];
    entry.failed.as_mut().unwrap().invalid_indexes = vec![index.clone()];
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.invalid_indexes = vec![index];
    }
    assert!(!taken(&snapshot, ActionKind::MarkRolledBack, false));
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.invalid_indexes.clear();
    }
    assert!(taken(&snapshot, ActionKind::MarkRolledBack, false));
}

const UNIQUE: &str = "CREATE TABLE t (id int); CREATE UNIQUE INDEX i ON t (id);";

/// What the columns and the indexes are like is known, too; the index `i` is unique, or not.
fn detailed(snapshot: &mut Snapshot, unique: bool) {
    let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") else {
        panic!("it is not read");
    };
    facts.objects = Some(sql::expected(&[("", UNIQUE)], &facts.identity.schema));
    let mut names = facts.objects.iter().flatten();
    let index = names
        .find(|object| object.kind == ObjectKind::Index)
        .cloned();
    let like = Index {
        table: "t".to_owned(),
        unique,
        columns: Some(vec!["id".to_owned()]),
        partial: false,
    };
    facts.indexes = Some(
        index
            .into_iter()
            .map(|index| (index, like.clone()))
            .collect(),
    );
    facts.columns = Some(BTreeMap::new());
}

/// Another index of the same name is not the one that a migration makes.
#[rstest]
fn an_index_that_is_not_unique_is_no_unique_one(#[values(true, false)] unique: bool) {
    let mut snapshot = failed(UNIQUE, ERROR, UNIQUE, false);
    detailed(&mut snapshot, unique);
    assert_eq!(taken(&snapshot, ActionKind::MarkApplied, false), unique);
}

#[rstest]
fn nor_is_it_taken_for_one_by_a_baseline(#[values(true, false)] unique: bool) {
    let mut snapshot = snapshot(1);
    for inventory in snapshot.inventories.values_mut() {
        inventory.migrations[0].sql = Some(UNIQUE.to_owned());
    }
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Absent {
            tables: vec![TableName {
                schema: facts.identity.schema.clone(),
                name: "t".to_owned(),
            }],
        };
    }
    detailed(&mut snapshot, unique);
    assert_eq!(settle(&mut snapshot), "");
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), "BaselineNeeded");
    let mut action = asked(&snapshot, ActionKind::Baseline);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = inventory(1).migrations[0].name.clone();
    action.spec.plan_hash.clone_from(&status.plan_hash);
    snapshot.actions = vec![action];
    assert_eq!(!settle(&mut snapshot).is_empty(), unique);
}

/// What failed was another text than the image holds now: what that one would do says nothing of what is left.
#[test]
fn what_another_text_did_is_not_read_from_the_one_that_the_image_holds_now() {
    let script = "ALTER TABLE a ADD COLUMN b int; DELETE FROM a;";
    let mut snapshot = failed(script, None, "", false);
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00")
        && let Ledger::Rows(rows) = &mut facts.ledger
    {
        rows[0].checksum = "0b".repeat(32);
    }
    settle(&mut snapshot);
    let mut action = asked(&snapshot, ActionKind::MarkRolledBack);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = inventory(1).migrations[0].name.clone();
    action.spec.ledger_row = "row".to_owned();
    snapshot.actions = vec![action];
    let effects = decide(&snapshot).effects;
    let refused = effects.iter().find_map(|effect| match effect {
        Effect::SetAction { status, .. } => Some(status.message.clone()),
        _ => None,
    });
    let text = refused.unwrap();
    assert!(
        text.contains("its earlier text") && !text.contains("DELETE"),
        "{text}"
    );
}
