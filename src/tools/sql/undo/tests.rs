use rstest::rstest;

use super::super::expected;
use super::*;

/// What stands after some SQL; what took effect of the file, up to the statement that fails; what takes it back, and what is not.
#[rstest]
#[case::a_table("CREATE TABLE \"Note\" (id int); CREATE INDEX i ON \"Note\" (id);", &["DROP TABLE IF EXISTS \"public\".\"Note\""], &[])]
#[case::columns("ALTER TABLE \"User\" ADD COLUMN a TEXT, ADD COLUMN \"b\"\"c\" TEXT;",
    &["ALTER TABLE \"public\".\"User\" DROP COLUMN IF EXISTS \"b\"\"c\"", "ALTER TABLE \"public\".\"User\" DROP COLUMN IF EXISTS \"a\""], &[])]
#[case::in_another_schema("CREATE SCHEMA audit; CREATE TABLE audit.log (id int);", &["DROP TABLE IF EXISTS \"audit\".\"log\"", "DROP SCHEMA IF EXISTS \"audit\""], &[])]
#[case::an_index_and_a_constraint("CREATE INDEX i ON \"User\" (id); ALTER TABLE \"User\" ADD CONSTRAINT u UNIQUE (id);",
    &["ALTER TABLE IF EXISTS \"public\".\"User\" DROP CONSTRAINT IF EXISTS \"u\"", "DROP INDEX IF EXISTS \"public\".\"i\""], &[])]
#[case::an_enum("CREATE TYPE r AS ENUM ('A'); ALTER TABLE \"User\" ADD COLUMN role r;",
    &["ALTER TABLE \"public\".\"User\" DROP COLUMN IF EXISTS \"role\"", "DROP TYPE IF EXISTS \"public\".\"r\""], &[])]
#[case::two_that_refer_to_each_other(
    "CREATE TABLE a (id int, b int, CONSTRAINT ap PRIMARY KEY (id)); CREATE TABLE b (id int, CONSTRAINT bp PRIMARY KEY (id)); \
     ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES b (id);",
    &["ALTER TABLE IF EXISTS \"public\".\"a\" DROP CONSTRAINT IF EXISTS \"f\"", "DROP TABLE IF EXISTS \"public\".\"b\"", "DROP TABLE IF EXISTS \"public\".\"a\""], &[])]
#[case::rows_of_a_new_table("CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\"", "DROP TABLE IF EXISTS \"public\".\"a\""], &[])]
#[case::rows("ALTER TABLE \"User\" ADD COLUMN a TEXT; UPDATE \"User\" SET a = 'secret'; CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\"", "ALTER TABLE \"public\".\"User\" DROP COLUMN IF EXISTS \"a\""], &[])]
#[case::rows_of_other_columns("ALTER TABLE \"User\" ADD COLUMN a TEXT; UPDATE \"User\" SET a = 'secret', b = 1; CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\"", "ALTER TABLE \"public\".\"User\" DROP COLUMN IF EXISTS \"a\""], &["statement 2 (UPDATE \"User\" SET ...)"])]
#[case::what_is_dropped("CREATE TABLE b (id int); ALTER TABLE \"User\" DROP COLUMN name;",
    &["DROP TABLE IF EXISTS \"public\".\"b\""], &["column \"User\".\"name\" removed"])]
#[case::dropped_and_made("DROP TABLE \"Old\"; CREATE TABLE \"Old\" (id int); CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\"", "DROP TABLE IF EXISTS \"public\".\"Old\""], &["table \"Old\" removed"])]
#[case::it_may_have_been_there("CREATE TABLE IF NOT EXISTS c (id int); CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\""], &["statement 1 (CREATE TABLE IF NOT EXISTS c (id int))"])]
#[case::built_concurrently("CREATE INDEX CONCURRENTLY i ON \"User\" (id); CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\"", "DROP INDEX IF EXISTS \"public\".\"i\""], &[])]
#[case::a_value("ALTER TYPE t ADD VALUE 'B'; CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\""], &["statement 1 (ALTER TYPE t ADD VALUE ?)"])]
#[case::another_name("ALTER TABLE \"User\" RENAME COLUMN name TO called; ALTER TABLE \"User\" RENAME TO \"Person\";",
    &["ALTER TABLE \"public\".\"Person\" RENAME TO \"User\"", "ALTER TABLE \"public\".\"User\" RENAME COLUMN \"called\" TO \"name\""], &[])]
#[case::made_and_renamed("CREATE TABLE a (id int); ALTER TABLE a RENAME TO b;",
    &["ALTER TABLE \"public\".\"b\" RENAME TO \"a\"", "DROP TABLE IF EXISTS \"public\".\"a\""], &[])]
#[case::made_and_gone("CREATE TABLE x (id int); DROP TABLE x; CREATE TABLE b (id int);", &["DROP TABLE IF EXISTS \"public\".\"b\""], &[])]
#[case::a_type_of_an_old_column("ALTER TABLE \"User\" ALTER name SET NOT NULL; CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\""], &["statement 1 (ALTER TABLE \"User\" ALTER name SET NOT NULL)"])]
#[case::of_a_new_column("ALTER TABLE \"User\" ADD COLUMN a TEXT UNIQUE; ALTER TABLE \"User\" ALTER a SET NOT NULL; CREATE TABLE b (id int);",
    &["DROP TABLE IF EXISTS \"public\".\"b\"", "ALTER TABLE \"public\".\"User\" DROP COLUMN IF EXISTS \"a\""], &[])]
#[case::code("DO $$ BEGIN END $$; CREATE TABLE b (id int);", &["DROP TABLE IF EXISTS \"public\".\"b\""], &["statement 1 (DO ...)"])]
#[case::views("CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW m AS SELECT 1;",
    &["DROP MATERIALIZED VIEW IF EXISTS \"public\".\"m\"", "DROP VIEW IF EXISTS \"public\".\"v\""], &[])]
fn it_is_taken_back_in_reverse_order(
    #[case] file: &str,
    #[case] statements: &[&str],
    #[case] lacks: &[&str],
) {
    let before = "CREATE TABLE \"User\" (id int, name text); CREATE TABLE \"Old\" (id int); CREATE TYPE t AS ENUM ('A');";
    let objects = expected(&[("0", before), ("1", file)], "public");
    let failed = super::super::statements(file).len() + 1;
    let whole = format!("{file} SELECT nope;");
    let found = undo(&whole, "public", &Seen::of(&objects), failed).unwrap_or_default();
    assert_eq!(found.statements, statements);
    assert_eq!(found.lacks, lacks);
}

/// What may have been there before is left alone, and what is not there.
#[rstest]
#[case::nothing_is_left("CREATE TABLE a (id int); SELECT nope;", "", 2)]
#[case::it_was_the_one_that_failed("CREATE TABLE a (id int);", "CREATE TABLE a (id int);", 1)]
#[case::somebody_else_was_here(
    "CREATE TABLE a (id int); CREATE TABLE b (id int); SELECT nope;",
    "CREATE TABLE b (id int);",
    3
)]
fn what_was_there_is_left_alone(#[case] file: &str, #[case] there: &str, #[case] failed: usize) {
    let objects = expected(&[("0", there)], "public");
    assert_eq!(undo(file, "public", &Seen::of(&objects), failed), None);
}

const FILE: &str = "ALTER TABLE \"User\" ADD COLUMN \"first_name\" TEXT; ALTER TABLE \"User\" ADD COLUMN last_name TEXT; \
    UPDATE \"User\" SET first_name = full_name; CREATE UNIQUE INDEX \"i\" ON \"User\" (last_name); \
    ALTER TABLE \"User\" ADD CONSTRAINT c CHECK (nickname <> '');";

/// An error that names something; the first statement that can have failed with it.
#[rstest]
#[case::a_column(
    "42703",
    "ERROR: column \"full_name\" of relation \"User\" does not exist",
    Some(3)
)]
#[case::behind_what_runs_code("42703", "ERROR: column \"nickname\" does not exist", Some(3))]
#[case::of_the_first("42P01", "ERROR: relation \"public.User\" does not exist", Some(1))]
#[case::an_index("23505", "ERROR: could not create unique index \"i\"", Some(3))]
#[case::nothing_of_it("42703", "ERROR: column \"elsewhere\" does not exist", None)]
#[case::nothing_is_named("42703", "ERROR: column u.full_name does not exist", None)]
#[case::whoever_waits_for_a_table(
    "55P03",
    "ERROR: canceling statement due to lock timeout",
    Some(1)
)]
#[case::anything_may_be_cancelled(
    "57014",
    "ERROR: canceling statement due to statement timeout",
    None
)]
fn what_can_have_failed(
    #[case] state: &str,
    #[case] message: &str,
    #[case] expected: Option<usize>,
) {
    let stopped = Stopped {
        position: None,
        sql_state: Some(state),
        message,
    };
    assert_eq!(may_fail_from(FILE, "public", &stopped), expected);
}

#[test]
fn what_only_makes_something_new_waits_for_no_lock() {
    let stopped = Stopped {
        position: None,
        sql_state: Some("55P03"),
        message: "ERROR: canceling statement due to lock timeout",
    };
    let from = |file: &str| may_fail_from(file, "public", &stopped);
    let new = "CREATE TYPE t AS ENUM ('A'); CREATE TABLE a (id int);";
    assert_eq!(
        from(&format!("{new} ALTER TABLE \"User\" ADD COLUMN b t;")),
        Some(3)
    );
    assert_eq!(
        from(&format!("{new} CREATE TABLE b (id int REFERENCES c (id));")),
        Some(3)
    );
}
