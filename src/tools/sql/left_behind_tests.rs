#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rstest::rstest;

use super::tests::pieces;
use super::*;
use crate::facts::{Object, ObjectKind};

/// What stands after some SQL, as far as it is read; what stood there before is told the same way.
fn there(sql: &str) -> BTreeSet<Object> {
    expected(&[("", sql)], "public")
}

const SPLIT_NAME: &str = "ALTER TABLE \"User\" ADD COLUMN \"first_name\" TEXT;\n\
    ALTER TABLE \"User\" ADD COLUMN \"last_name\" TEXT;\n\
    UPDATE \"User\" SET \"first_name\" = split_part(\"full_name\", ' ', 1);\n\
    ALTER TABLE \"User\" DROP COLUMN \"name\";";
const BEFORE: &str = "CREATE TABLE \"User\" (id int, name text);";
/// The enum's values change, as Prisma writes it.
const ENUM: &str = "BEGIN; CREATE TYPE \"Role_new\" AS ENUM ('A', 'B'); \
    ALTER TABLE t ALTER COLUMN r TYPE \"Role_new\" USING (r::text::\"Role_new\"); \
    ALTER TYPE \"Role\" RENAME TO \"Role_old\"; ALTER TYPE \"Role_new\" RENAME TO \"Role\"; \
    DROP TYPE \"Role_old\"; COMMIT; CREATE TABLE after (id int);";
/// A table is filled by way of another one that does not stay.
const PASSING: &str =
    "CREATE TABLE x (a int); INSERT INTO x VALUES (1); DROP TABLE x; CREATE TABLE y (a int);";

#[rstest]
#[case::nothing(SPLIT_NAME, BEFORE, &[], &[], &[])]
#[case::two_of_four(
    SPLIT_NAME, "CREATE TABLE \"User\" (id int, name text, first_name text, last_name text)",
    &[1, 2], &["column \"User\".\"first_name\" added", "column \"User\".\"last_name\" added"], &["unknown: whether statement 3 changed rows: UPDATE \"User\" SET ...; to see: SELECT * FROM \"User\" LIMIT 20"]
)]
#[case::all(
    SPLIT_NAME, "CREATE TABLE \"User\" (id int, first_name text, last_name text)",
    &[1, 2, 3, 4],
    &["column \"User\".\"first_name\" added", "column \"User\".\"last_name\" added", "column \"User\".\"name\" removed", "rows changed by statement 3"],
    &[]
)]
#[case::somebody_else_was_here(
    SPLIT_NAME, "CREATE TABLE \"User\" (id int, name text, last_name text)", &[], &[],
    &["unknown: whether statement 1 took effect: ALTER TABLE \"User\" ADD COLUMN \"first_name\" TEXT; to see: \\d \"User\"",
      "unknown: whether statement 2 took effect: ALTER TABLE \"User\" ADD COLUMN \"last_name\" TEXT; to see: \\d \"User\"",
      "unknown: whether statement 3 changed rows: UPDATE \"User\" SET ...; to see: SELECT * FROM \"User\" LIMIT 20",
      "unknown: whether statement 4 took effect: ALTER TABLE \"User\" DROP COLUMN \"name\"; to see: \\d \"User\"",
      "the schema is not as any part of this migration alone would leave it: something else changed it, too"]
)]
#[case::an_enum_before_or_after(
    ENUM, "CREATE TABLE t (r int); CREATE TYPE \"Role\" AS ENUM ('A', 'B')", &[], &[],
    &["unknown: whether statement 2 took effect, as the schema looks the same either way: CREATE TYPE \"Role_new\" AS ENUM (?, ?)",
      "unknown: whether statement 3 took effect: ALTER TABLE t ALTER COLUMN r TYPE \"Role_new\" USING (r::text::\"Role_new\"); to see: \\d t",
      "unknown: whether statement 4 took effect, as the schema looks the same either way: ALTER TYPE \"Role\" RENAME TO \"Role_old\"",
      "unknown: whether statement 5 took effect, as the schema looks the same either way: ALTER TYPE \"Role_new\" RENAME TO \"Role\"",
      "unknown: whether statement 6 took effect, as the schema looks the same either way: DROP TYPE \"Role_old\""]
)]
#[case::an_enum_before(ENUM, "CREATE TYPE \"Role\" AS ENUM ('A')", &[], &[], &[])]
#[case::an_enum_in_between(
    ENUM, "CREATE TYPE \"Role_new\" AS ENUM ('A', 'B'); CREATE TYPE \"Role\" AS ENUM ('A')",
    &[2], &["type \"Role_new\" added"],
    &["unknown: whether statement 3 took effect: ALTER TABLE t ALTER COLUMN r TYPE \"Role_new\" USING (r::text::\"Role_new\"); to see: \\d t"]
)]
#[case::an_enum_after(
    ENUM, "CREATE TYPE \"Role\" AS ENUM ('A', 'B'); CREATE TABLE after (id int)", &[2, 3, 4, 5, 6, 8],
    &["type \"Role\" replaced", "table \"after\" added"], &[]
)]
#[case::passing_or_nothing(
    PASSING, "", &[], &[],
    &["unknown: whether statement 1 took effect, as the schema looks the same either way: CREATE TABLE x (a int)",
      "unknown: whether statement 2 changed rows: INSERT INTO x VALUES ...; to see: SELECT * FROM x LIMIT 20",
      "unknown: whether statement 3 took effect, as the schema looks the same either way: DROP TABLE x"]
)]
#[case::passing_stays(
    PASSING, "CREATE TABLE x (a int)", &[1], &["table \"x\" added"],
    &["unknown: whether statement 2 changed rows: INSERT INTO x VALUES ...; to see: SELECT * FROM x LIMIT 20"]
)]
#[case::passing_went(
    PASSING, "CREATE TABLE y (a int)", &[1, 2, 3, 4], &["table \"y\" added", "rows changed by statement 2"], &[]
)]
#[case::conditional_proves_nothing(
    "CREATE TABLE IF NOT EXISTS x (a int)", "CREATE TABLE x (a int)", &[], &[],
    &["unknown: whether statement 1 took effect, as the schema looks the same either way: CREATE TABLE IF NOT EXISTS x (a int)"]
)]
#[case::conditional_and_not_there("CREATE TABLE IF NOT EXISTS x (a int)", "", &[], &[], &[])]
#[case::a_concurrent_build_may_have_failed(
    "CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE TABLE t (a int); CREATE INDEX i ON t (a)", &[], &[],
    &["unknown: whether statement 1 took effect, as the schema looks the same either way: CREATE INDEX CONCURRENTLY i ON t (a)"]
)]
#[case::made_anew(
    "DROP INDEX i; CREATE INDEX i ON t (b)", "CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a)", &[], &[],
    &["unknown: whether statement 1 took effect, as the schema looks the same either way: DROP INDEX i",
      "unknown: whether statement 2 took effect, as the schema looks the same either way: CREATE INDEX i ON t (b)"]
)]
#[case::dropped_and_not_made_anew(
    "DROP INDEX i; CREATE INDEX i ON t (b)", "CREATE TABLE t (a int, b int)", &[1], &["index \"i\" removed"], &[]
)]
#[case::code_may_have_made_what_is_dropped(
    "DO $$ BEGIN EXECUTE 'CREATE TABLE x (a int)'; END $$; DROP TABLE x", "", &[], &[],
    &["unknown: whether statement 1 took effect: DO ...",
      "unknown: whether statement 2 took effect, as the schema looks the same either way: DROP TABLE x"]
)]
#[case::a_sequence_may_be_the_servers(
    "CREATE TABLE x (a serial); ALTER TABLE x ALTER a DROP DEFAULT; DROP SEQUENCE x_a_seq", "", &[], &[], &[]
)]
#[case::an_index_that_a_column_took_along(
    "ALTER TABLE t DROP COLUMN a, ADD COLUMN a text; CREATE INDEX i ON t (a)",
    "CREATE TABLE t (a text); CREATE INDEX i ON t (a)", &[], &[],
    &["unknown: whether statement 1 took effect, as the schema looks the same either way: ALTER TABLE t DROP COLUMN a, ADD COLUMN a text; to see: \\d t",
      "unknown: whether statement 2 took effect, as the schema looks the same either way: CREATE INDEX i ON t (a)"]
)]
#[case::a_table_of_the_same_name(
    "DROP TABLE t; CREATE TABLE t (b int)", "CREATE TABLE t (b int)", &[], &[],
    &["unknown: whether statement 1 took effect, as the schema looks the same either way: DROP TABLE t",
      "unknown: whether statement 2 took effect, as the schema looks the same either way: CREATE TABLE t (b int)"]
)]
#[case::a_temporary_table("CREATE TEMP TABLE x (a int); DROP TABLE x", "", &[], &[],
    &["unknown: whether statement 2 took effect: DROP TABLE x"])]
#[case::its_own_rollback(
    "CREATE TABLE x (a int); ROLLBACK", "CREATE TABLE x (a int)", &[], &[],
    &["unknown: whether statement 1 took effect: CREATE TABLE x (a int)",
      "the schema is not as any part of this migration alone would leave it: something else changed it, too"]
)]
#[case::another_schema("CREATE TABLE s.x (a int)", "CREATE TABLE s.x (a int)", &[1], &["table \"s\".\"x\" added"], &[])]
#[case::renamed_twice(
    "ALTER TABLE t RENAME a TO b; ALTER TABLE t RENAME b TO c; ALTER TABLE t DROP COLUMN d",
    "CREATE TABLE t (c int)", &[1, 2, 3], &["column \"t\".\"a\" is now column \"t\".\"c\"", "column \"t\".\"d\" removed"], &[]
)]
#[case::empty("", "CREATE TABLE x (a int)", &[], &[], &[])]
fn what_is_left(
    #[case] sql: &str,
    #[case] stands: &str,
    #[case] took_effect: &[usize],
    #[case] changes: &[&str],
    #[case] unseen: &[&str],
) {
    let left = left_behind(sql, "public", &there(stands));
    assert_eq!(left.statements, took_effect);
    assert_eq!(left.changes, changes);
    let said: Vec<String> = left.unseen.iter().map(Doubt::to_string).collect();
    assert_eq!(said, unseen);
}

#[test]
fn only_what_stands_before_the_failure_can_have_taken_effect() {
    // Both tables stood there before; the first statement failed.
    let sql = "UPDATE t SET x = 1; CREATE TABLE a (id int); CREATE TABLE b (id int);";
    let objects = there("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    let at = |position| Stopped {
        position: Some(position),
        sql_state: Some("42703"),
        message: "ERROR: column \"x\" of relation \"t\" does not exist",
    };
    let left = left_behind_after(sql, "public", &objects, &at(14));
    assert_eq!(left, LeftBehind::default());
    let left = left_behind_after(sql, "public", &objects, &at(50));
    assert_eq!(left.statements, [1, 2]);
    assert_eq!(
        left.changes,
        ["table \"a\" added", "rows changed by statement 1"]
    );
    assert!(left.unseen.is_empty());
}

#[rstest]
#[case("42P07", "ERROR: relation \"b\" already exists", Some(2))]
#[case(
    "42701",
    "ERROR: column \"c\" of relation \"a\" already exists",
    Some(3)
)]
#[case("42710", "ERROR: enum label \"x\" already exists", Some(4))]
#[case("42P07", "ERROR: relation \"z\" already exists", None)]
#[case("42703", "ERROR: column \"c\" of relation \"a\" does not exist", None)]
fn something_exists_already(
    #[case] sql_state: &str,
    #[case] message: &str,
    #[case] expected: Option<usize>,
) {
    let sql = "CREATE TABLE a (id int); CREATE TABLE b (id int); ALTER TABLE a ADD COLUMN c int; \
               ALTER TYPE r ADD VALUE 'x';";
    let stopped = Stopped {
        position: None,
        sql_state: Some(sql_state),
        message,
    };
    let found = failed_statement(sql, "public", &stopped);
    assert_eq!(found.map(|found| found.number), expected);
}

#[test]
fn what_existed_already_is_not_taken_for_what_was_made() {
    let sql = "CREATE TABLE a (id int); CREATE TABLE b (id int);";
    let objects = there(sql);
    let stopped = |message| Stopped {
        position: None,
        sql_state: Some("42P07"),
        message,
    };
    let left = left_behind_after(
        sql,
        "public",
        &objects,
        &stopped("ERROR: relation \"b\" already exists"),
    );
    assert_eq!(left.statements, [1]);
    let left = left_behind_after(
        sql,
        "public",
        &objects,
        &stopped("ERROR: relation \"a\" already exists"),
    );
    assert_eq!(left, LeftBehind::default());
    let left = left_behind_after(
        sql,
        "public",
        &objects,
        &stopped("FEHLER: Relation »a« existiert bereits"),
    );
    assert!(left.statements.is_empty() && left.unseen.len() == 1);
}

#[rstest]
#[case(
    "CREATE INDEX i ON t (a); CREATE UNIQUE INDEX \"u\" ON t (a);",
    Some(2)
)]
#[case("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)", Some(1))]
#[case::two_makers(
    "CREATE UNIQUE INDEX u ON t (a); DROP INDEX u; CREATE UNIQUE INDEX u ON t (b);",
    None
)]
#[case::written_anew("CREATE UNIQUE INDEX u ON t (a); ALTER TABLE t ALTER a TYPE int", None)]
#[case::not_made_here("ALTER TABLE t ALTER a TYPE int", None)]
fn a_unique_index_that_cannot_be_built(#[case] sql: &str, #[case] expected: Option<usize>) {
    let stopped = Stopped {
        position: None,
        sql_state: Some("23505"),
        message: "ERROR: could not create unique index \"u\"",
    };
    let found = failed_statement(sql, "public", &stopped);
    assert_eq!(found.map(|found| found.number), expected);
}

#[test]
fn a_failed_concurrent_build_is_not_nothing() {
    let sql = "CREATE UNIQUE INDEX CONCURRENTLY u ON t (a)";
    let stopped = Stopped {
        position: None,
        sql_state: Some("23505"),
        message: "ERROR: could not create unique index \"u\"",
    };
    let stands = there("CREATE TABLE t (a int); CREATE UNIQUE INDEX u ON t (a)");
    let left = left_behind_after(sql, "public", &stands, &stopped);
    assert!(left.unseen[0].of_index);
    assert_eq!(
        left.unseen.iter().map(Doubt::to_string).collect::<Vec<_>>(),
        ["unknown: whether statement 1, which failed, left index \"u\", which is then INVALID"]
    );
    assert_eq!(
        left_behind_after(sql, "public", &BTreeSet::new(), &stopped),
        LeftBehind::default()
    );
}

/// Statements that can run one after the other in any order of these pairs.
fn script() -> impl Strategy<Value = Vec<String>> {
    let step = (0_usize..7, 0_usize..4);
    prop::collection::vec(step, 1..12).prop_map(|steps| {
        steps
            .into_iter()
            .map(|(kind, n)| match kind {
                0 => format!("CREATE TABLE t{n} (a int, CONSTRAINT p{n} PRIMARY KEY (a))"),
                1 => format!("DROP TABLE t{n}"),
                2 => format!("ALTER TABLE t{n} ADD COLUMN c int"),
                3 => format!("ALTER TABLE t{n} DROP COLUMN c"),
                4 => format!("ALTER TABLE t{n} RENAME TO t{}", (n + 1) % 4),
                5 => format!("CREATE INDEX i{n} ON t{n} (a)"),
                _ => format!("UPDATE t{n} SET a = 1"),
            })
            .collect()
    })
}

/// A database of tables, columns and indexes, which runs what it can as PostgreSQL does.
#[derive(Clone, Default)]
struct Model {
    objects: BTreeSet<Object>,
    /// Of which table an index is, both by name.
    index_of: BTreeMap<String, String>,
}

impl Model {
    fn has_table(&self, name: &str) -> bool {
        self.objects
            .iter()
            .any(|object| object.kind == ObjectKind::Table && object.name == name)
    }

    fn run(&mut self, sql: &str) -> bool {
        let found = effects(sql, "public").remove(0);
        let words: Vec<&str> = sql.split([' ', '(']).collect();
        let table = match words[..] {
            ["CREATE", "INDEX", _, "ON", table, ..] | [_, "TABLE", table, ..] => table,
            ["UPDATE", table, ..] => table,
            _ => unreachable!("no such statement in a script"),
        };
        let creates = sql.starts_with("CREATE TABLE");
        let possible = self.has_table(table) != creates
            && found
                .adds
                .iter()
                .all(|object| !self.objects.contains(object))
            && found
                .removes
                .iter()
                .all(|object| self.objects.contains(object));
        if !possible {
            return false;
        }
        for gone in &found.removes {
            self.objects.remove(gone);
            if gone.kind == ObjectKind::Table {
                self.move_parts(&gone.name, found.adds.first().map(|new| new.name.as_str()));
            }
        }
        for new in found.adds {
            if new.kind == ObjectKind::Index {
                self.index_of.insert(new.name.clone(), table.to_owned());
            }
            self.objects.insert(new);
        }
        true
    }

    /// The parts and the indexes of a table follow it, or go with it.
    fn move_parts(&mut self, old: &str, new: Option<&str>) {
        let (parts, others) = std::mem::take(&mut self.objects)
            .into_iter()
            .partition(|object| !object.part.is_empty() && object.name == old);
        let parts: BTreeSet<Object> = parts;
        self.objects = others;
        let moved = |part: Object| {
            new.map(|new| Object {
                name: new.to_owned(),
                ..part
            })
        };
        self.objects.extend(parts.into_iter().filter_map(moved));
        for (index, table) in std::mem::take(&mut self.index_of) {
            if table != old {
                self.index_of.insert(index, table);
            } else if let Some(new) = new {
                self.index_of.insert(index, new.to_owned());
            } else {
                self.objects
                    .retain(|object| object.kind != ObjectKind::Index || object.name != index);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_leaves_something_sayable(sql in prop_oneof![pieces(), any::<String>()], at in 0_usize..100, message in any::<String>()) {
        let objects = there("CREATE TABLE t (a int)");
        left_behind(&sql, "public", &objects);
        for sql_state in ["42P07", "42703"] {
            let stopped = Stopped { position: Some(at), sql_state: Some(sql_state), message: &message };
            left_behind_after(&sql, "public", &objects, &stopped);
        }
    }

    /// Whatever stood there before, and however many statements took effect: no other statement is said to have, and
    /// what is left is never called nothing.
    #[test]
    fn what_is_said_is_so(before in script(), migration in script(), single in any::<bool>()) {
        let mut now = Model::default();
        for sql in &before {
            now.run(sql);
        }
        // The statements up to the first that cannot run.
        let mut all = now.clone();
        let runs = migration.iter().take_while(|sql| all.run(sql)).count();
        prop_assume!(runs < migration.len());
        // As one transaction nothing is left, as single statements all of them.
        let committed = if single { runs } else { 0 };
        for sql in &migration[..committed] {
            now.run(sql);
        }
        let objects = now.objects;
        let text = migration.join(";\n");
        let position = migration[..runs].iter().map(|sql| sql.len() + 2).sum::<usize>() + 1;
        let stopped = Stopped { position: Some(position), sql_state: Some("42P01"), message: "" };
        prop_assert_eq!(failed_statement(&text, "public", &stopped).unwrap().number, runs + 1);
        let left = left_behind_after(&text, "public", &objects, &stopped);
        for number in &left.statements {
            prop_assert!(*number <= committed, "{number} of {committed}: {left:?}\n{text}\n{before:?}");
        }
        if committed > 0 {
            prop_assert!(left != LeftBehind::default(), "{text}\n{before:?}");
        }
    }
}

#[rstest]
#[case::before_the_migration("ALTER TABLE t ADD c int;", Some("column \"t\".\"c\""))]
#[case::by_the_file_itself("ALTER TABLE t ADD c int; ALTER TABLE t ADD c int;", None)]
#[case::perhaps_by_its_code("DO $$ BEGIN END $$; ALTER TABLE t ADD c int;", None)]
fn what_exists_already_was_there_unless_the_file_made_it(
    #[case] sql: &str,
    #[case] expected: Option<&str>,
) {
    let stopped = Stopped {
        position: sql.rfind("ALTER").map(|at| at + 1),
        sql_state: Some("42701"),
        message: "ERROR: column \"c\" of relation \"t\" already exists",
    };
    assert_eq!(was_there(sql, "public", &stopped).as_deref(), expected);
}
