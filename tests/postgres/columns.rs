//! What the catalog says of columns tells whether a statement that altered one took effect.

use database_migration_operator::database::Look;
use database_migration_operator::tools::sql::{
    LeftBehind, Seen, Stopped, left_behind_in, otherwise,
};

use crate::failures::left;
use crate::harness::{Db, known, run};

/// What a column was made as; what one statement makes of it; what is said where it ran.
const ALTERED: &[(&str, &str, &str)] = &[
    ("c TEXT", "ALTER c SET NOT NULL", "is NOT NULL now"),
    (
        "c TEXT NOT NULL",
        "ALTER COLUMN c DROP NOT NULL",
        "is not NOT NULL any more",
    ),
    ("c TEXT", "ALTER c SET DEFAULT 'new'", "has its new default"),
    (
        "c \"Mood\" DEFAULT 'SAD'",
        "ALTER c SET DEFAULT 'OK'",
        "has its new default",
    ),
    ("c INT", "ALTER c SET DEFAULT -1", "has its new default"),
    (
        "c INT DEFAULT 1",
        "ALTER c SET DEFAULT 2",
        "has its new default",
    ),
    (
        "c BOOLEAN DEFAULT true",
        "ALTER c SET DEFAULT false",
        "has its new default",
    ),
    (
        "c JSONB",
        "ALTER c SET DEFAULT '{\"a\":1}'",
        "has its new default",
    ),
    (
        "c TEXT[]",
        "ALTER c SET DEFAULT ARRAY[]::TEXT[]",
        "has its new default",
    ),
    (
        "c TIMESTAMP(3) DEFAULT now()",
        "ALTER c SET DEFAULT CURRENT_TIMESTAMP",
        "has its new default",
    ),
    (
        "c TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP",
        "ALTER c DROP DEFAULT",
        "has no default any more",
    ),
    ("c INT", "ALTER c SET DATA TYPE BIGINT", "has its new type"),
    (
        "c VARCHAR(9)",
        "ALTER c TYPE varchar(20)",
        "has its new type",
    ),
    (
        "c DECIMAL(10, 2)",
        "ALTER c TYPE DECIMAL(65,30)",
        "has its new type",
    ),
    (
        "c TIMESTAMP",
        "ALTER c TYPE TIMESTAMPTZ(3) USING c AT TIME ZONE 'UTC'",
        "has its new type",
    ),
    ("c TEXT", "ALTER c TYPE CHAR(4)", "has its new type"),
    (
        "c TEXT",
        "ALTER c TYPE \"Mood\" USING c::\"Mood\"",
        "has its new type",
    ),
    (
        "c \"Mood\"",
        "ALTER c TYPE TEXT[] USING ARRAY[c::text]",
        "has its new type",
    ),
];

#[tokio::test]
async fn the_catalog_tells_what_a_statement_made_of_a_column() {
    const FAILS: &str = "ALTER TABLE nope ADD COLUMN x int;";
    Db::with(async |db| {
        db.run("CREATE TYPE \"Mood\" AS ENUM ('SAD', 'OK')").await;
        for ((made, alter, said), number) in ALTERED.iter().zip(0..) {
            let table = format!("\"T{number}\"");
            let first = format!("CREATE TABLE {table} (id SERIAL, {made}, PRIMARY KEY (id));");
            let alter = format!("ALTER TABLE {table} {alter};");
            let file = format!("{alter} {FAILS}");
            let stopped = Stopped {
                position: Some(alter.chars().count() + 5),
                sql_state: Some("42P01"),
                message: "",
            };
            let before = [("1", first.as_str())];
            db.run(&first).await;
            assert_eq!(
                left_now(db, &file, &before, &stopped).await,
                left(&[], &[], &[]),
                "{alter} did not run"
            );
            db.run(&alter).await;
            let change = format!("column {table}.\"c\" {said}");
            assert_eq!(
                left_now(db, &file, &before, &stopped).await,
                left(&[1], &[change.as_str()], &[]),
                "{alter} ran"
            );
            // Once more it changes nothing.
            let again = [("1", first.as_str()), ("2", alter.as_str())];
            let unknown = left_now(db, &file, &again, &stopped).await;
            assert_eq!(unknown.statements, [] as [usize; 0], "{alter}");
            assert!(
                unknown.unseen[0]
                    .text
                    .contains("the column may have been so before"),
                "{alter}: {unknown:?}"
            );
        }
    })
    .await;
}

async fn left_now(
    db: &Db,
    sql: &str,
    before: &[(&str, &str)],
    stopped: &Stopped<'_>,
) -> LeftBehind {
    let what = Look {
        objects: true,
        ..Look::default()
    };
    let facts = known(&db.as_admin(), what).await;
    let seen = Seen {
        objects: facts.objects.as_ref().unwrap(),
        columns: facts.columns.as_ref(),
        before,
    };
    left_behind_in(sql, "public", &seen, stopped)
}

/// Newer servers wait for the table where they are asked for its columns' defaults.
#[tokio::test]
async fn a_table_that_is_locked_keeps_nobody_from_looking() {
    Db::with(async |db| {
        db.run("CREATE TABLE \"T\" (id int DEFAULT 5); CREATE TABLE \"U\" (id int DEFAULT 6)")
            .await;
        let mut holder = db.session("a report").await;
        run(
            &mut holder,
            "BEGIN; LOCK TABLE \"T\" IN ACCESS EXCLUSIVE MODE",
        )
        .await;
        let what = Look {
            objects: true,
            ..Look::default()
        };
        let columns = known(&db.as_admin(), what).await.columns.unwrap();
        let defaults: Vec<Option<&str>> = columns.values().map(|c| c.default.as_deref()).collect();
        assert_eq!(defaults, [Some(""), Some("6")]);
    })
    .await;
}

/// Tables as Prisma makes them are there as they were made; one of other columns under the same names is not.
#[tokio::test]
async fn what_stands_under_the_same_names_is_told_from_what_a_migration_makes() {
    const MAKES: &str = "CREATE TYPE \"Role\" AS ENUM ('USER', 'ADMIN');\n\
        CREATE TABLE \"User\" (\"id\" SERIAL NOT NULL, \"big\" BIGSERIAL NOT NULL, \"email\" TEXT NOT NULL, \"name\" TEXT, \
          \"role\" \"Role\" NOT NULL DEFAULT 'USER', \"at\" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, \
          \"code\" VARCHAR(9), \"price\" DECIMAL(65,30) NOT NULL DEFAULT 0.5, \"tags\" TEXT[], \"roles\" \"Role\"[], \
          \"json\" JSONB NOT NULL DEFAULT '{}', \"raw\" BYTEA, \"uuid\" UUID NOT NULL DEFAULT gen_random_uuid(), \
          \"real\" DOUBLE PRECISION, \"small\" SMALLINT, \"day\" DATE, \"is\" BOOLEAN NOT NULL DEFAULT true, \
          \"c\" CHAR(3), \"z\" TIMESTAMPTZ(6), \"x\" XML, \"own\" INTEGER GENERATED BY DEFAULT AS IDENTITY, \
          \"sum\" INTEGER GENERATED ALWAYS AS (1 + 1) STORED, \
          CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\"));\n\
        CREATE TABLE \"_A\" (\"A\" INTEGER NOT NULL, \"B\" TEXT NOT NULL, CONSTRAINT \"_A_AB_pkey\" PRIMARY KEY (\"A\",\"B\"));\n\
        CREATE TABLE plain (a int, b varchar, primary key (a));\n\
        ALTER TABLE \"User\" ADD COLUMN \"phone\" TEXT;";
    let what = Look {
        objects: true,
        ..Look::default()
    };
    Db::with(async |db| {
        db.run(MAKES).await;
        let differ = async || {
            let facts = known(&db.as_admin(), what).await;
            let (columns, indexes) = (facts.columns.unwrap(), facts.indexes.unwrap());
            otherwise(&[("1", MAKES)], "public", &columns, &indexes).remove(0)
        };
        assert_eq!(differ().await, Vec::<String>::new());
        db.run(
            "ALTER TABLE \"User\" ALTER \"phone\" TYPE varchar(20), ALTER \"phone\" SET NOT NULL, ALTER \"phone\" SET DEFAULT ''; \
             ALTER TABLE plain ALTER b TYPE int USING 1",
        )
        .await;
        let expected = [
            "column \"User\".\"phone\" is of type character varying(20) and is NOT NULL and has another default, not as the migration makes it",
            "column \"plain\".\"b\" is of type integer, not as the migration makes it",
        ];
        assert_eq!(differ().await, expected);
    })
    .await;
}

/// Indexes as Prisma makes them are there as they were made; others under the same names are not.
#[tokio::test]
async fn an_index_is_told_from_another_of_the_same_name() {
    const TABLE: &str = "CREATE TABLE \"User\" (\"id\" INTEGER NOT NULL, \"email\" TEXT, \"Name\" TEXT, \"old\" TEXT, \
        CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\"));";
    const MAKES: &str = "ALTER TABLE \"User\" RENAME COLUMN \"old\" TO \"new\";\n\
        CREATE UNIQUE INDEX \"a\" ON \"User\"(\"email\");\n\
        CREATE INDEX \"b\" ON \"User\" USING btree (\"email\" DESC, \"Name\" text_pattern_ops) INCLUDE (\"id\");\n\
        CREATE INDEX \"c\" ON \"User\"(lower(\"email\"));\n\
        CREATE UNIQUE INDEX \"d\" ON \"User\"(\"email\") WHERE \"Name\" IS NULL;\n\
        CREATE INDEX IF NOT EXISTS \"e\" ON \"User\"(\"email\");\n\
        CREATE INDEX CONCURRENTLY \"f\" ON \"User\"(\"new\");\n\
        ALTER TABLE \"User\" ADD CONSTRAINT \"g\" UNIQUE (\"Name\", \"email\");";
    Db::with(async |db| {
        db.run(TABLE).await;
        for statement in MAKES.split('\n') {
            db.run(statement).await;
        }
        let differ = async || {
            let what = Look {
                objects: true,
                ..Look::default()
            };
            let facts = known(&db.as_admin(), what).await;
            let (columns, indexes) = (facts.columns.unwrap(), facts.indexes.unwrap());
            otherwise(&[("1", TABLE), ("2", MAKES)], "public", &columns, &indexes)
        };
        assert_eq!(differ().await, [Vec::<String>::new(), Vec::new()]);
        db.run(
            "ALTER TABLE \"User\" DROP CONSTRAINT \"User_pkey\", DROP CONSTRAINT \"g\"; DROP INDEX a, b, c, d, e, f; \
             CREATE TABLE \"Other\" (\"new\" TEXT); \
             ALTER TABLE \"User\" ADD CONSTRAINT \"User_pkey\" UNIQUE (\"id\", \"email\"); \
             CREATE INDEX \"a\" ON \"User\"(\"email\"); CREATE INDEX \"b\" ON \"User\"(\"Name\", \"email\"); \
             CREATE INDEX \"c\" ON \"User\"(\"email\"); CREATE UNIQUE INDEX \"d\" ON \"User\"(\"email\"); \
             CREATE UNIQUE INDEX \"e\" ON \"User\"(\"Name\"); CREATE INDEX \"f\" ON \"Other\"(\"new\"); \
             CREATE UNIQUE INDEX \"g\" ON \"User\"(\"Name\", \"email\") WHERE \"id\" > 1",
        )
        .await;
        let expected = [
            vec!["index \"User_pkey\" is of (\"id\", \"email\"), not as the migration makes it"],
            vec![
                "index \"a\" is not UNIQUE, not as the migration makes it",
                "index \"b\" is of (\"Name\", \"email\"), not as the migration makes it",
                "index \"c\" is not of an expression, not as the migration makes it",
                "index \"d\" has no WHERE, not as the migration makes it",
                "index \"f\" is on table \"Other\", not as the migration makes it",
                "index \"g\" has a WHERE, not as the migration makes it",
            ],
        ];
        assert_eq!(differ().await, expected);
    })
    .await;
}
