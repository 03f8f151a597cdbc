#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::tests::pieces;
use super::*;

/// What one statement does, in words: `+` for what it adds, `-` for what it removes.
fn said(sql: &str) -> Vec<String> {
    let found = effects(sql, "public");
    let last = found.last().expect("a statement");
    assert_eq!(last.number, found.len());
    let adds = last.adds.iter().map(|object| ("+", object));
    let removes = last.removes.iter().map(|object| ("-", object));
    let mut said: Vec<String> = removes
        .chain(adds)
        .map(|(sign, object)| format!("{sign}{}", describe(object, "public")))
        .collect();
    if last.conditional {
        said.push("?".to_owned());
    }
    if let Some(unseen) = last.unseen {
        said.push(format!("{unseen:?}"));
    }
    said
}

#[rstest]
#[case(
    "CREATE TABLE \"User\" (\"id\" SERIAL NOT NULL, Email VARCHAR(255) DEFAULT 'a,b', CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\"))",
    &["+table \"User\"", "+column \"User\".\"id\"", "+column \"User\".\"email\"", "+constraint \"User\".\"User_pkey\"",
      "+index \"User_pkey\""]
)]
#[case("create unlogged table if not exists Shop.T (a int)", &["+table \"shop\".\"t\"", "+column \"shop\".\"t\".\"a\"", "?"])]
#[case("CREATE TABLE t AS SELECT 1 AS one", &["+table \"t\""])]
#[case("CREATE TABLE t (LIKE u, CHECK (a > 0), a int CONSTRAINT c CHECK (a > 1))", &["+table \"t\"", "+column \"t\".\"a\"", "+constraint \"t\".\"c\""])]
#[case("CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (2)", &["+table \"p\""])]
#[case("CREATE TEMP TABLE t (a int)", &[])]
#[case("CREATE TEMP TABLE t (a int); ALTER TABLE t ADD b int", &["Other"])]
#[case("SELECT * INTO t FROM u", &["+table \"t\""])]
#[case("ALTER TABLE t ADD COLUMN a int, ADD b text DEFAULT 'x', ADD COLUMN IF NOT EXISTS \"C\" int",
    &["+column \"t\".\"a\"", "+column \"t\".\"b\"", "+column \"t\".\"C\"", "?"])]
#[case("ALTER TABLE ONLY t DROP a, DROP COLUMN b CASCADE, DROP CONSTRAINT c",
    &["-column \"t\".\"a\"", "-column \"t\".\"b\"", "-constraint \"t\".\"c\""])]
#[case("ALTER TABLE IF EXISTS t DROP COLUMN a", &["-column \"t\".\"a\"", "?"])]
#[case("ALTER TABLE t RENAME TO u", &["-table \"t\"", "+table \"u\""])]
#[case("ALTER TABLE t RENAME a TO b", &["-column \"t\".\"a\"", "+column \"t\".\"b\""])]
#[case("ALTER TABLE t RENAME CONSTRAINT a TO b", &["-constraint \"t\".\"a\"", "+constraint \"t\".\"b\""])]
#[case("ALTER TABLE t SET SCHEMA s", &["-table \"t\"", "+table \"s\".\"t\""])]
#[case("ALTER TABLE t ALTER COLUMN a TYPE bigint", &["Other"])]
#[case("ALTER TABLE t ALTER COLUMN a TYPE bigint, ADD b int", &["+column \"t\".\"b\"", "Other"])]
#[case("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (id)", &["+constraint \"t\".\"c\""])]
#[case("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a)", &["+constraint \"t\".\"c\"", "+index \"c\""])]
#[case("ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i", &["-index \"i\"", "+constraint \"t\".\"c\"", "+index \"c\""])]
#[case("ALTER TABLE t ADD UNIQUE (a)", &["Other"])]
#[case("CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\")", &["+index \"User_email_key\""])]
#[case("CREATE INDEX i ON s.t (a)", &["+index \"s\".\"i\""])]
#[case("CREATE INDEX CONCURRENTLY i ON t (a)", &["+index \"i\"", "?"])]
#[case("CREATE INDEX IF NOT EXISTS i ON t (a)", &["+index \"i\"", "?"])]
#[case("CREATE INDEX ON t (a)", &["Other"])]
#[case("DROP INDEX CONCURRENTLY IF EXISTS s.i, j", &["-index \"s\".\"i\"", "-index \"j\"", "?"])]
#[case("ALTER INDEX i RENAME TO j", &["-index \"i\"", "+index \"j\""])]
#[case("CREATE TYPE \"Role\" AS ENUM ('A', 'it''s')", &["+type \"Role\"", "+value \"A\" of type \"Role\"", "+value \"it's\" of type \"Role\""])]
#[case("ALTER TYPE \"Role\" ADD VALUE 'C' BEFORE 'A'", &["+value \"C\" of type \"Role\""])]
#[case("ALTER TYPE r ADD VALUE IF NOT EXISTS 'C'", &["+value \"C\" of type \"r\"", "?"])]
#[case("ALTER TYPE r RENAME VALUE 'A' TO 'B'", &["-value \"A\" of type \"r\"", "+value \"B\" of type \"r\""])]
#[case("ALTER TYPE pair ADD ATTRIBUTE c int", &["Other"])]
#[case("DROP TYPE public.\"Role_old\"", &["-type \"Role_old\""])]
#[case("CREATE OR REPLACE VIEW v AS SELECT 1", &["+view \"v\"", "?"])]
#[case("CREATE MATERIALIZED VIEW m AS SELECT 1", &["+view \"m\""])]
#[case("DROP MATERIALIZED VIEW m", &["-view \"m\""])]
#[case("CREATE SEQUENCE s OWNED BY t.a", &["+sequence \"s\""])]
#[case("CREATE SCHEMA IF NOT EXISTS \"public\"", &["+schema \"public\"", "?"])]
#[case("CREATE SCHEMA AUTHORIZATION joe", &["+schema \"joe\""])]
#[case("DROP SCHEMA a, b CASCADE", &["-schema \"a\"", "-schema \"b\""])]
#[case("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'", &["+function \"f\"", "?"])]
#[case("DROP FUNCTION f(int), g", &["-function \"f\"", "-function \"g\"", "?"])]
#[case("CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f()", &["+trigger \"t\".\"g\""])]
#[case("DROP TRIGGER g ON t", &["-trigger \"t\".\"g\""])]
#[case("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA x", &["+extension \"uuid-ossp\"", "?"])]
#[case("INSERT INTO t VALUES (1)", &["Rows"])]
#[case("WITH x AS (DELETE FROM t RETURNING 1) SELECT 1", &["Rows"])]
#[case("TRUNCATE t", &["Rows"])]
#[case("DO $$ BEGIN CREATE TABLE t (a int); END $$", &["Other"])]
#[case("SELECT f()", &["Other"])]
#[case("GRANT SELECT ON t TO r", &["Other"])]
#[case("BEGIN", &[])]
#[case("SET lock_timeout = '1s'", &[])]
#[case("SET search_path = x; CREATE TABLE t (a int)", &["Other"])]
#[case("SET search_path = x; CREATE TABLE y.t (a int)", &["+table \"y\".\"t\"", "+column \"y\".\"t\".\"a\""])]
#[case("CREATE TABLE U&\"d\\0061t\" (a int)", &["Other"])]
#[case("CREATE TABLE a.b.c (a int)", &["Other"])]
#[case("DROP OWNED BY joe", &["Other"])]
#[case("FROBNICATE t", &["Other"])]
fn what_a_statement_does(#[case] sql: &str, #[case] expected: &[&str]) {
    assert_eq!(said(sql), expected, "{sql}");
}

#[test]
fn names_are_cut_as_the_server_cuts_them() {
    let long = "é".repeat(40);
    let found = effects(&format!("CREATE TABLE \"{long}\" (a int)"), "public");
    assert_eq!(found[0].adds[0].name, "é".repeat(31));
}

#[rstest]
#[case(1, Some((1, "CREATE TABLE t (a int DEFAULT ?, ...")))]
#[case(50, Some((1, "CREATE TABLE t (a int DEFAULT ?, ...")))]
#[case(70, Some((2, "UPDATE \"User\" SET ...")))]
#[case(92, Some((3, "INSERT INTO t (a) VALUES ...")))]
#[case(151, Some((3, "INSERT INTO t (a) VALUES ...")))]
#[case(152, None)]
#[case(0, None)]
#[case(usize::MAX, None)]
fn the_statement_at_a_character(#[case] at: usize, #[case] expected: Option<(usize, &str)>) {
    // The letters that are no ASCII make bytes and characters differ.
    let sql = "CREATE TABLE t (a int DEFAULT 42,\n -- ééééééééé\n b int);\n\nUPDATE \"User\" SET a = 'é';\n\
               INSERT INTO t (a) VALUES (1, 'secret'), (2, 'secret too') RETURNING";
    let length = sql.chars().count();
    let at = if at == 151 {
        length + 1
    } else if at == 152 {
        length + 2
    } else {
        at
    };
    let found = statement_at(sql, at);
    assert_eq!(
        found.map(|found| (found.number, found.text)),
        expected.map(|(number, text)| (number, text.to_owned()))
    );
}

#[rstest]
#[case("COMMENT ON TABLE t IS 'secret'", "COMMENT ON TABLE t IS ?")]
#[case(
    "CREATE ROLE r PASSWORD 'secret' VALID UNTIL 'x'",
    "CREATE ROLE r PASSWORD ? VALID UNTIL ?"
)]
#[case(
    "ALTER TABLE t ADD a int DEFAULT 4711",
    "ALTER TABLE t ADD a int DEFAULT ?"
)]
#[case(
    "INSERT INTO \"T\" (a)\nVALUES ('secret')",
    "INSERT INTO \"T\" (a) ..."
)]
#[case("INSERT INTO t SELECT \"secret\"", "INSERT INTO t SELECT ...")]
#[case("DELETE FROM t WHERE a = \"secret\"", "DELETE FROM t WHERE ...")]
#[case("SELECT setval('secret', 4711)", "SELECT ...")]
#[case("DO $$ BEGIN secret; END $$", "DO ...")]
#[case("COPY t (a) FROM stdin", "COPY t (a) FROM ...")]
#[case("secret 4711", "...")]
#[case("\"secret\" x", "...")]
#[case(
    r"CREATE TABLE t (a text DEFAULT 'it\'s secret')",
    "CREATE TABLE t (a text DEFAULT ? ..."
)]
#[case(
    "CREATE TABLE t (a text DEFAULT 'never closed",
    "CREATE TABLE t (a text DEFAULT ?"
)]
#[case("DROP TABLE t -- secret", "DROP TABLE t")]
#[case("DROP /* secret */ TABLE t", "DROP TABLE t")]
#[case("TRUNCATE\tt", "TRUNCATE t")]
fn no_value_is_in_a_statements_text(#[case] sql: &str, #[case] expected: &str) {
    assert_eq!(statement(sql, 1).unwrap().text, expected);
}

#[test]
fn a_long_line_is_cut() {
    let sql = format!("CREATE TABLE t ({} int)", "é".repeat(300));
    let text = statement(&sql, 1).unwrap().text;
    assert_eq!(text.chars().count(), 120);
    assert!(text.ends_with(" ..."));
    assert_eq!(statement(&sql, 0), None);
    assert_eq!(statement(&sql, 2), None);
}

#[rstest]
#[case("", true)]
#[case(
    "CREATE TABLE t (a int); ALTER TYPE r ADD VALUE 'x'; UPDATE t SET a = 1; FROBNICATE",
    true
)]
#[case("CREATE INDEX concurrently_not ON t (a)", true)]
#[case("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", false)]
#[case("DROP INDEX CONCURRENTLY i", false)]
#[case("REINDEX TABLE CONCURRENTLY t", false)]
#[case("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", false)]
#[case("REINDEX (VERBOSE) DATABASE d", false)]
#[case("REINDEX TABLE t", true)]
#[case("VACUUM t", false)]
#[case("CLUSTER", false)]
#[case("CLUSTER t", true)]
#[case("CREATE DATABASE d", false)]
#[case("DROP TABLESPACE x", false)]
#[case("ALTER SYSTEM SET work_mem = '1MB'", false)]
#[case("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", false)]
#[case("BEGIN; SELECT 1; COMMIT", false)]
#[case("START TRANSACTION; SELECT 1", false)]
#[case("SELECT 1; ROLLBACK", false)]
#[case("SAVEPOINT a; SELECT 1; ROLLBACK TO SAVEPOINT a; RELEASE a", true)]
#[case("PREPARE TRANSACTION 'x'", false)]
#[case("-- by hand: BEGIN; DROP TABLE t; COMMIT;\nDROP TABLE t", false)]
#[case("-- undoes split_name; keeps full_name\nDROP TABLE t", true)]
#[case("-- down.sql; rollback of split_name\nDROP TABLE t", true)]
#[case(
    "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; DROP TABLE t",
    true
)]
#[case(
    "DO $$ BEGIN COMMIT; END $$; COMMENT ON TABLE t IS 'VACUUM; COMMIT'",
    true
)]
fn what_may_run_in_one_transaction(#[case] sql: &str, #[case] expected: bool) {
    assert_eq!(transactional(sql), expected, "{sql}");
}

/// What a list of migrations is expected to leave, in words.
fn stands(migrations: &[&str]) -> Vec<String> {
    let named: Vec<(&str, &str)> = migrations.iter().map(|sql| ("m", *sql)).collect();
    expected(&named, "public")
        .iter()
        .map(|object| describe(object, "public"))
        .collect()
}

#[rstest]
#[case(&["CREATE TABLE t (a int)", "DROP TABLE t"], &[])]
#[case(&["CREATE TABLE t (a int); CREATE INDEX i ON t (a)", "ALTER TABLE t DROP COLUMN a"], &["table \"t\""])]
#[case(&["CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a)", "ALTER TABLE t RENAME a TO c", "ALTER TABLE t DROP COLUMN b"],
    &["table \"t\"", "index \"i\"", "column \"t\".\"c\""])]
#[case(&["CREATE TABLE t (a int); CREATE INDEX i ON t (a)", "ALTER TABLE t RENAME TO u"],
    &["table \"u\"", "index \"i\"", "column \"u\".\"a\""])]
#[case(&["CREATE TABLE t (a int); CREATE INDEX i ON t (a)", "ALTER TABLE t RENAME TO u; DROP TABLE u"], &[])]
#[case(&["CREATE TABLE t (a int); CREATE INDEX i ON t (a)", "ALTER TABLE t SET SCHEMA s"],
    &["table \"s\".\"t\"", "index \"s\".\"i\"", "column \"s\".\"t\".\"a\""])]
#[case(&["CREATE SCHEMA s; CREATE TABLE s.t (a int)", "ALTER SCHEMA s RENAME TO x"],
    &["schema \"x\"", "table \"x\".\"t\"", "column \"x\".\"t\".\"a\""])]
#[case(&["CREATE SCHEMA s; CREATE TABLE s.t (a int)", "DROP SCHEMA s CASCADE"], &[])]
#[case(&["CREATE TYPE r AS ENUM ('a')", "CREATE TYPE n AS ENUM ('b'); ALTER TYPE r RENAME TO o; ALTER TYPE n RENAME TO r; DROP TYPE o"],
    &["type \"r\"", "value \"b\" of type \"r\""])]
#[case(&["CREATE TABLE t (a int, CONSTRAINT p PRIMARY KEY (a))", "ALTER TABLE t DROP CONSTRAINT p"],
    &["table \"t\"", "column \"t\".\"a\""])]
#[case(&["CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t; CREATE TABLE u (a int, CONSTRAINT f FOREIGN KEY (a) REFERENCES t (a))",
    "DROP TABLE t CASCADE"], &["table \"u\"", "column \"u\".\"a\""])]
#[case(&["CREATE TABLE t (a int); CREATE SEQUENCE s OWNED BY t.a", "ALTER TABLE t DROP COLUMN a"], &["table \"t\""])]
#[case(&["CREATE TABLE t (a int) PARTITION BY RANGE (a); CREATE TABLE p PARTITION OF t DEFAULT; CREATE INDEX i ON p (a)", "DROP TABLE t"], &[])]
#[case(&["CREATE TABLE t (a int); CREATE TABLE u (a int)", "DO $$ BEGIN DROP TABLE T; END $$"], &["table \"u\"", "column \"u\".\"a\""])]
#[case(&["CREATE TABLE t (a int)", "BEGIN; DROP TABLE t; ROLLBACK"], &[])]
#[case(&["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION f()"], &[])]
fn what_is_expected_after_migrations(#[case] migrations: &[&str], #[case] expected: &[&str]) {
    assert_eq!(stands(migrations), expected);
}

#[test]
fn what_is_not_there_names_its_migration_and_only_the_table() {
    let migrations = [
        (
            "1_init",
            "CREATE TABLE t (a int); CREATE INDEX i ON t (a); CREATE TYPE r AS ENUM ('a')",
        ),
        (
            "2_more",
            "ALTER TABLE t ADD COLUMN b int; CREATE INDEX j ON t (b); CREATE TABLE u (a int)",
        ),
    ];
    let mut there = expected(&migrations, "public");
    let all = not_there(&migrations, "public", &there);
    assert!(all.is_empty());
    assert!(not_there(&migrations, "public", &BTreeSet::new()).len() == 3);
    there.retain(|object| !["i", "b"].contains(&own(object)) && object.name != "u");
    assert_eq!(
        not_there(&migrations, "public", &there),
        [
            ("1_init".to_owned(), "index \"i\"".to_owned()),
            ("2_more".to_owned(), "table \"u\"".to_owned()),
            ("2_more".to_owned(), "column \"t\".\"b\"".to_owned()),
        ]
    );
    assert_eq!(
        missing_objects(migrations[0].1, "public", &there),
        ["index \"i\""]
    );
}

fn own(object: &crate::facts::Object) -> &str {
    if object.part.is_empty() {
        &object.name
    } else {
        &object.part
    }
}

proptest! {
    #[test]
    fn any_text_is_read_and_every_name_comes_from_it(sql in prop_oneof![pieces(), any::<String>()]) {
        // Two quotes may be one that is doubled, or two within quotes of the other kind.
        let single = |text: &str| text.replace("\"\"", "\"").replace("''", "'").to_lowercase();
        let text = single(&sql);
        for found in effects(&sql, "public") {
            for object in found.adds.iter().chain(&found.removes) {
                for name in [&object.name, &object.part] {
                    prop_assert!(text.contains(&single(name)), "{name} is not in the text");
                }
            }
            let text = statement(&sql, found.number).expect("it is there").text;
            prop_assert!(text.chars().count() <= 120);
            prop_assert!(!text.chars().any(char::is_control));
        }
        transactional(&sql);
        expected(&[("a", &sql), ("b", &sql)], "public");
    }

    #[test]
    fn any_place_is_in_the_last_statement_that_begins_before_it(sql in pieces(), at in 0_usize..300) {
        if let Some(found) = statement_at(&sql, at) {
            prop_assert!((1..=found.of).contains(&found.number));
            prop_assert_eq!(found.of, statements(&sql).len());
        }
    }

    #[test]
    fn a_literal_is_never_in_a_text(secret in "[a-z0-9;' \n\"\\\\]{0,20}", before in 0_usize..4) {
        let literal = format!("marker{}", secret.replace('\'', "''"));
        let sql = [
            format!("ALTER TABLE t ADD a text DEFAULT '{literal}', ADD b int"),
            format!("INSERT INTO t VALUES ('{literal}')"),
            format!("COMMENT ON TABLE t IS $x${literal}$x$"),
            format!("{literal}; SELECT '{literal}'"),
        ];
        for number in 1..4 {
            if let Some(found) = statement(&sql[before], number) {
                prop_assert!(!found.text.contains("marker"), "{}", found.text);
            }
        }
    }
}
