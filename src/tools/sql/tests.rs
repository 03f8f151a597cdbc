#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::{only_catalog, statements};

#[rstest]
#[case("", &[])]
#[case(" ; ;; -- nothing\n /* ; */ ", &[])]
#[case("a;b", &["a", "b"])]
#[case("-- x;y\nSELECT 1; /* a /* b; */ c; */ SELECT 2 -- end", &["SELECT 1", "SELECT 2"])]
#[case("SELECT ';', 'it''s;', \"a;\"\"b\"; x", &["SELECT ';', 'it''s;', \"a;\"\"b\"", "x"])]
#[case(r"SELECT E'\';'; x", &[r"SELECT E'\';'", "x"])]
#[case(r"SELECT '\'; x", &[r"SELECT '\'", "x"])]
#[case("DO $$ BEGIN a; END $$; x", &["DO $$ BEGIN a; END $$", "x"])]
#[case("DO $a_1$ ; $$ ; $b$ $a_1$; x", &["DO $a_1$ ; $$ ; $b$ $a_1$", "x"])]
#[case("SELECT a$b;c$b; x", &["SELECT a$b", "c$b", "x"])]
#[case("SELECT $1; $2", &["SELECT $1", "$2"])]
#[case("CREATE RULE r AS ON INSERT TO t DO (a; b); x", &["CREATE RULE r AS ON INSERT TO t DO (a; b)", "x"])]
#[case(
    "create or replace function f() returns int begin atomic select case when a then b end; select 1; end; x",
    &["create or replace function f() returns int begin atomic select case when a then b end; select 1; end", "x"]
)]
#[case("BEGIN; a; END; x", &["BEGIN", "a", "END", "x"])]
#[case("SELECT 1--2;\n;x", &["SELECT 1", "x"])]
#[case("SELECT 'never closed; x", &["SELECT 'never closed; x"])]
#[case("\u{feff}SELECT 'é;ü'; Ä", &["SELECT 'é;ü'", "Ä"])]
fn splits(#[case] sql: &str, #[case] expected: &[&str]) {
    assert_eq!(statements(sql), expected);
}

#[rstest]
#[case::prisma_table(
    "-- CreateTable\nCREATE TABLE \"User\" (\n \"id\" SERIAL NOT NULL,\n \"email\" VARCHAR(255) NOT NULL DEFAULT 'x;y',\n \
     \"at\" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,\n CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\")\n);\n\n\
     -- CreateIndex\nCREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\");\n\
     -- AddForeignKey\nALTER TABLE \"Post\" ADD CONSTRAINT \"Post_fkey\" FOREIGN KEY (\"a\", \"b\") \
     REFERENCES \"User\"(\"id\", \"email\") ON DELETE RESTRICT ON UPDATE CASCADE;"
)]
#[case("CREATE TABLE IF NOT EXISTS s.t (a int) WITH (fillfactor = 70)")]
#[case("CREATE TABLE t (a int) PARTITION BY RANGE (a)")]
#[case("CREATE INDEX ON t USING gin (a) WHERE (a IS NOT NULL)")]
#[case("CREATE INDEX i ON t (lower(\"email\"), b DESC NULLS LAST) INCLUDE (c)")]
#[case("CREATE TYPE \"Role\" AS ENUM ('A', 'B')")]
#[case("CREATE TYPE pair AS (a int, b numeric(10, 2))")]
#[case("ALTER TYPE \"Role\" ADD VALUE IF NOT EXISTS 'C' AFTER 'B'")]
#[case(
    "ALTER TABLE t ADD COLUMN a TEXT NOT NULL DEFAULT '', ADD b numeric(65,30) DEFAULT 0.0, ADD COLUMN c uuid DEFAULT gen_random_uuid()"
)]
#[case("ALTER TABLE t ADD CONSTRAINT c CHECK (n >= 0 AND (m < 5 OR m IS NULL)) NOT VALID")]
#[case("ALTER TABLE t VALIDATE CONSTRAINT c")]
#[case("ALTER TABLE ONLY t ADD CONSTRAINT u UNIQUE USING INDEX i")]
#[case(
    "ALTER TABLE t ALTER COLUMN a SET NOT NULL, ALTER b DROP DEFAULT, ALTER COLUMN c SET DEFAULT my_function()"
)]
#[case("ALTER TABLE t DROP CONSTRAINT IF EXISTS c")]
#[case("ALTER TABLE t RENAME COLUMN a TO b")]
#[case("ALTER TABLE t ENABLE ROW LEVEL SECURITY")]
#[case(
    "SET lock_timeout = '5s'; SET LOCAL statement_timeout TO 0; RESET lock_timeout; COMMENT ON TABLE t IS 'x'"
)]
#[case("BEGIN; CREATE SCHEMA IF NOT EXISTS s; COMMIT;")]
#[case("/* ; DELETE FROM t; */ CREATE TABLE u (a int)")]
#[case("-- makes the table; see DBM-7\nCREATE TABLE t (a int)")]
#[case(
    "-- a; end of part 1\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; CREATE TABLE t (a int)"
)]
#[case("GRANT SELECT (a), UPDATE ON \"database\" TO app; REVOKE ALL ON SCHEMA s FROM app")]
#[case(
    "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$"
)]
#[case(
    "CREATE VIEW v AS SELECT * FROM t; DROP INDEX \"i\"; DROP VIEW IF EXISTS v; GRANT SELECT ON t TO r"
)]
fn changes_only_the_catalog(#[case] sql: &str) {
    assert!(only_catalog(sql), "{sql}");
}

#[rstest]
#[case("")]
#[case("-- only a comment")]
#[case("SELECT 1")]
#[case("CREATE TABLE t AS SELECT 1")]
#[case("CREATE TABLE t (a) AS SELECT f()")]
#[case("CREATE TABLE t (a int) AS SELECT 1")]
#[case("CREATE TABLE p PARTITION OF t DEFAULT")]
#[case("CREATE TEMP TABLE t (a int)")]
#[case("CREATE MATERIALIZED VIEW m AS SELECT delete_all()")]
#[case("CREATE EXTENSION pgcrypto")]
#[case("CREATE INDEX CONCURRENTLY i ON t (a)")]
#[case("CREATE INDEX i ON t (my_function(a))")]
#[case("CREATE INDEX i ON t (\"myFunction\"(a))")]
#[case("CREATE INDEX i ON t (s.lower_too(a))")]
#[case("CREATE INDEX i ON t (a) WHERE my_check(a)")]
#[case("ALTER TABLE t ADD COLUMN a int DEFAULT my_function()")]
#[case("ALTER TABLE t ADD COLUMN a int DEFAULT nextval('other')")]
#[case("ALTER TABLE t ADD CONSTRAINT c CHECK (a === b)")]
#[case("ALTER TABLE t ADD CONSTRAINT c CHECK (a OPERATOR(s.=) b)")]
#[case("ALTER TABLE t ADD COLUMN a int, DROP COLUMN b")]
#[case("ALTER TABLE t DROP b")]
#[case("ALTER TABLE t DROP CONSTRAINT c CASCADE")]
#[case("ALTER TABLE t ALTER COLUMN a TYPE bigint")]
#[case("ALTER TABLE t ALTER COLUMN a SET DATA TYPE int USING a::int")]
#[case("ALTER TABLE t SET UNLOGGED")]
#[case("ALTER TABLE t ATTACH PARTITION p DEFAULT")]
#[case("ALTER SEQUENCE s RESTART WITH 5")]
#[case("ALTER TYPE pair DROP ATTRIBUTE a")]
#[case("ALTER TABLE t RENAME COLUMN a TO b; DROP TABLE x")]
#[case("DROP TABLE t")]
#[case("DROP VIEW v CASCADE")]
#[case("DROP SCHEMA s")]
#[case("DROP SEQUENCE s")]
#[case("DROP INDEX CONCURRENTLY i")]
#[case("TRUNCATE t")]
#[case("INSERT INTO t VALUES (1)")]
#[case("UPDATE t SET a = 1")]
#[case("DELETE FROM t")]
#[case("WITH x AS (DELETE FROM t RETURNING 1) SELECT 1")]
#[case("DO $$ BEGIN END $$")]
#[case("CALL p()")]
#[case("COPY t FROM '/x'")]
#[case("VACUUM t")]
#[case("CLUSTER t")]
#[case("LOCK TABLE t")]
#[case("ROLLBACK")]
#[case("SET search_path = evil")]
#[case("SET lock_timeout = (SELECT 1)")]
#[case("SET ROLE x")]
#[case("CREATE TABLE t (a int); SELECT pg_terminate_backend(1)")]
#[case("CREATE TABLE t (a text DEFAULT 'x); DROP TABLE u; --")]
#[case(r"CREATE TABLE t (a text DEFAULT '\'); DROP TABLE u; --')")]
#[case("CREATE SCHEMA s CREATE TABLE t (a int)")]
#[case("CREATE TABLE t (a int) /* never closed")]
#[case("CREATE RULE r AS ON INSERT TO t DO INSTEAD DELETE FROM u")]
#[case("\"CREATE\" TABLE t (a int)")]
#[case("Запрос")]
// A client that splits at every ';' executes what stands behind one in a comment.
#[case("-- was: UPDATE a SET x = 1; UPDATE b SET x = x * 100;\nALTER TABLE t ADD COLUMN a int")]
#[case("-- was: x; UPDATE t SET p = regexp_replace(p, '\\D', '');\nALTER TABLE t ADD COLUMN a int")]
#[case("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT begin FROM p; END; UPDATE t SET a = 1")]
#[case("CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; UPDATE t SET a = 1")]
#[case("GRANT admin TO app")]
#[case("GRANT CREATE ON TABLESPACE x TO app")]
#[case("REVOKE CONNECT ON DATABASE d FROM app")]
#[case("COMMENT ON ROLE app IS 'x'")]
#[case("ALTER TABLE t ADD COLUMN a timestamptz DEFAULT audit.now()")]
fn may_change_more(#[case] sql: &str) {
    assert!(!only_catalog(sql), "{sql}");
}

/// Pieces that are hard to tell apart, in any order.
pub(super) fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        "$1",
        ";",
        "(",
        ")",
        "--",
        "\n",
        "/*",
        "*/",
        "\\",
        "E'",
        "U&'",
        "é",
        " ",
        "a",
        "BEGIN",
        "END",
        "CREATE FUNCTION",
        "CREATE TABLE t (a int)",
        "DROP TABLE t",
        ",",
        ".",
        "::",
        "=",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_split_into_slices_in_order(sql in prop_oneof![pieces(), any::<String>()]) {
        let mut from = 0;
        for statement in statements(&sql) {
            let found = sql[from..].find(statement).expect("a slice of the text") + from;
            prop_assert!(!statement.trim().is_empty());
            from = found + statement.len();
        }
        only_catalog(&sql);
    }

    #[test]
    fn a_statement_split_again_is_itself(sql in pieces()) {
        for statement in statements(&sql) {
            prop_assert_eq!(statements(statement), vec![statement]);
        }
    }

    #[test]
    fn quoted_text_never_ends_a_statement(text in any::<String>()) {
        let literal = format!("SELECT '{}'", text.replace('\'', "''"));
        let name = format!("SELECT \"{}\"", text.replace('"', "\"\""));
        let sql = format!("{literal};{name};x");
        prop_assert_eq!(statements(&sql), vec![literal.as_str(), name.as_str(), "x"]);
    }

    #[test]
    fn nothing_hides_a_drop(before in pieces(), after in pieces()) {
        // A statement of its own that drops a table is found, whatever stands around it.
        let sql = format!("{before};\nDROP TABLE t;\n{after}");
        if statements(&sql).contains(&"DROP TABLE t") {
            prop_assert!(!only_catalog(&sql));
        }
    }

    #[test]
    fn all_of_two_is_each_of_both(a in 0_usize..6, b in 0_usize..6) {
        let samples = [
            "CREATE TABLE t (a int)", "CREATE INDEX i ON t (a)", "SET lock_timeout = '1s'", "DROP TABLE t", "SELECT 1",
            "ALTER TABLE t DROP COLUMN a",
        ];
        let both = format!("{};{}", samples[a], samples[b]);
        prop_assert_eq!(only_catalog(&both), only_catalog(samples[a]) && only_catalog(samples[b]));
    }
}
