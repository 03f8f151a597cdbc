//! What a migration that failed leaves, whichever way it was sent, and what is said of it.

use database_migration_operator::facts::{Ledger, LedgerRow, TableName};
use database_migration_operator::tools::prisma::{
    RowState, latest_by_name, parse_failure, position_in,
};
use database_migration_operator::tools::sql::{
    Doubt, LeftBehind, Stopped, failed_statement, left_behind_after, not_there, statements,
};
use dbm_protocol::raised::Raised;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::harness::{Db, create_ledger, run, until};
use crate::objects::objects;

/// How an engine sends a migration.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// The file as one message: one transaction, unless it has its own.
    Whole,
    /// Each statement in a message of its own.
    Split,
}

/// Sends a migration that fails, and writes its ledger row as the native engine does.
async fn fail(session: &mut PgConnection, name: &str, sql: &str, sent: Sent) -> String {
    let insert = format!(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('{name}', 'c', '{name}')"
    );
    run(session, &insert).await;
    let parts = match sent {
        Sent::Whole => vec![sql],
        Sent::Split => statements(sql),
    };
    for part in parts {
        let ran = session
            .execute(sqlx::raw_sql(AssertSqlSafe(part.to_owned())))
            .await;
        if let Err(error) = ran {
            return logs(part, &error);
        }
    }
    panic!("it did not fail: {sql}");
}

/// The form of the native engine's logs.
fn logs(sql: &str, error: &sqlx::Error) -> String {
    let error: &PgDatabaseError = error.as_database_error().unwrap().downcast_ref();
    let (block, position) = match error.position() {
        Some(PgErrorPosition::Original(at)) => {
            let mut seen = 0;
            let (number, line) = (1..)
                .zip(sql.lines())
                .find(|(_, line)| {
                    seen += line.len() + 1;
                    at <= seen
                })
                .unwrap();
            (
                format!("\n\nPosition:\n{number:>3} {line}"),
                format!("Some(Original({at}))"),
            )
        }
        _ => (String::new(), "None".to_owned()),
    };
    format!(
        "A migration failed to apply.\n\nMigration name: x\n\nDatabase error code: {code}\n\nDatabase error:\nERROR: \
         {message}{block}\n\nDbError {{ severity: \"ERROR\", code: SqlState(E{code}), message: {message:?}, detail: None, \
         hint: None, position: {position}, where_: None }}\n",
        code = error.code(),
        message = error.message(),
    )
}

/// What is said of a failure, from the ledger's logs, the migration's text and the catalog.
async fn judged(db: &Db, sql: &str, logs: &str) -> (Option<(usize, String)>, LeftBehind) {
    let failure = parse_failure(logs, &Raised::default());
    let stopped = Stopped {
        position: position_in(logs, sql),
        sql_state: failure.sql_state.as_deref(),
        message: &failure.summary,
    };
    let failed = failed_statement(sql, "public", &stopped);
    let left = left_behind_after(sql, "public", &objects(&db.as_admin()).await, &stopped);
    (failed.map(|found| (found.number, found.text)), left)
}

pub fn left(statements: &[usize], changes: &[&str], unseen: &[&str]) -> LeftBehind {
    let doubt = |said: &&str| {
        let (text, look) = match said.split_once("; to see: ") {
            Some((text, look)) => (text, Some(look.to_owned())),
            None => (*said, None),
        };
        Doubt {
            text: text.to_owned(),
            look,
            of_index: text.contains(", which failed, left index"),
        }
    };
    LeftBehind {
        statements: statements.to_vec(),
        changes: changes.iter().map(|text| (*text).to_owned()).collect(),
        unseen: unseen.iter().map(doubt).collect(),
    }
}

#[tokio::test]
async fn the_second_of_three_fails_in_both_ways_of_sending() {
    const SQL: &str = "-- é\nALTER TABLE \"User\" ADD COLUMN \"first_name\" TEXT;\n\n\
        UPDATE \"User\"\nSET \"first_name\" = \"full_name\" || 'secret';\n\
        CREATE INDEX \"User_first\" ON \"User\" (\"first_name\");\n";
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("CREATE TABLE \"User\" (id int, name text)").await;
        let mut session = db.session("dbm/r1-aaaaaaaa/shop").await;

        let logs = fail(&mut session, "whole", SQL, Sent::Whole).await;
        let (failed, found) = judged(db, SQL, &logs).await;
        assert_eq!(failed, Some((2, "UPDATE \"User\" ...".to_owned())));
        assert_eq!(
            found,
            LeftBehind::default(),
            "one transaction leaves nothing"
        );

        let logs = fail(&mut session, "split", SQL, Sent::Split).await;
        let (failed, found) = judged(db, SQL, &logs).await;
        assert_eq!(
            failed, None,
            "the position counts in the statement, not in the file"
        );
        let added = "column \"User\".\"first_name\" added";
        assert_eq!(
            found,
            left(
                &[1],
                &[added],
                &["unknown: whether statement 2 changed rows: UPDATE \"User\" ...; to see: SELECT * FROM \"User\" LIMIT 20"]
            )
        );

        // Tried again on what it left: the first statement now finds its own column.
        let logs = fail(&mut session, "again", SQL, Sent::Split).await;
        let (failed, found) = judged(db, SQL, &logs).await;
        assert_eq!(failed.map(|(number, _)| number), Some(1));
        assert_eq!(found, LeftBehind::default(), "this time it changed nothing");
    })
    .await;
}

#[tokio::test]
async fn the_third_of_three_fails_with_a_transaction_of_its_own_before_it() {
    const SQL: &str = "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\nCOMMIT;\n\
        CREATE TABLE b (id int);\nALTER TABLE nowhere ADD COLUMN x int;";
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut session = db.session("dbm/r1-aaaaaaaa/shop").await;
        let logs = fail(&mut session, "own", SQL, Sent::Whole).await;
        let (_, found) = judged(db, SQL, &logs).await;
        assert_eq!(
            found,
            left(
                &[2],
                &["table \"a\" added"],
                &["unknown: whether statement 3 changed rows: INSERT INTO a VALUES ...; to see: SELECT * FROM a LIMIT 20"]
            ),
            "what its COMMIT kept stands, what came after it does not"
        );
    })
    .await;
}

#[tokio::test]
async fn a_failure_inside_a_transaction_that_could_not_be_logged_is_not_running() {
    const SQL: &str = "BEGIN;\nCREATE TABLE a (id int);\nUPDATE a SET nothing = 1;\nCOMMIT;";
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut session = db.session("dbm/r1-aaaaaaaa/shop").await;
        run(&mut session, "SELECT pg_advisory_lock(72707369)").await;
        let logs = fail(&mut session, "own", SQL, Sent::Whole).await;
        // In the aborted transaction the row cannot be mended: its logs stay null.
        session
            .execute("UPDATE _prisma_migrations SET logs = 'x'")
            .await
            .unwrap_err();
        let row_state = |ledger: &Ledger| match ledger {
            Ledger::Rows(rows) => latest_by_name(rows)["own"].0,
            other => panic!("{other:?}"),
        };

        let during = db.look().await;
        assert_eq!(row_state(&during.ledger), RowState::Unfinished);
        assert!(during.lock_holder.is_some() && during.our_sessions.len() == 1);

        drop(session);
        until(async || db.look().await.our_sessions.is_empty()).await;
        let after = db.look().await;
        assert_eq!(
            row_state(&after.ledger),
            RowState::Unfinished,
            "the row alone does not tell"
        );
        assert_eq!(
            after.lock_holder, None,
            "nobody holds the lock, so nobody runs"
        );
        let (failed, found) = judged(db, SQL, &logs).await;
        assert_eq!(failed, Some((3, "UPDATE a SET ...".to_owned())));
        assert_eq!(found, LeftBehind::default());
        // Without a word of the engine: only that nothing is left.
        let (_, found) = judged(db, SQL, "").await;
        assert_eq!(found, LeftBehind::default());
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_concurrent_index_is_invalid_and_proves_nothing() {
    const SQL: &str = "CREATE INDEX CONCURRENTLY slow ON busy (id)";
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("CREATE TABLE busy (id int)").await;
        let mut web = db.session("web").await;
        run(&mut web, "BEGIN; INSERT INTO busy VALUES (1)").await;
        let mut migration = db.session("dbm/r1-aaaaaaaa/shop").await;
        let build =
            tokio::spawn(async move { fail(&mut migration, "index", SQL, Sent::Whole).await });
        until(async || !db.look().await.waits.is_empty()).await;
        assert!(db.look().await.invalid_indexes.is_empty(), "it is being built");
        db.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dbm/%'")
            .await;
        let logs = build.await.unwrap();
        run(&mut web, "COMMIT").await;

        assert_eq!(parse_failure(&logs, &Raised::default()).sql_state.as_deref(), Some("57014"));
        assert_eq!(db.look().await.invalid_indexes, ["public.slow"]);
        let (_, found) = judged(db, SQL, &logs).await;
        assert!(found.statements.is_empty(), "it stands there and was not built: {found:?}");
        assert_eq!(found.unseen.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn only_a_rolled_back_row_is_not_applied() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, rolled_back_at, applied_steps_count) VALUES \
             ('1', 'c', 'a', now(), 0); \
             INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at, applied_steps_count) \
             VALUES ('2', 'c', 'b', now(), now(), 1)",
        )
        .await;
        let Ledger::Rows(rows) = db.look().await.ledger else { panic!("rows") };
        let states: Vec<(RowState, &LedgerRow)> = latest_by_name(&rows).into_values().collect();
        assert_eq!(states.len(), 2);
        for (state, _) in states {
            assert_eq!(state, RowState::RolledBack);
            assert!(!state.is_applied() && !state.blocks());
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_ledger_what_a_baseline_would_claim_is_compared_with_what_stands() {
    let migrations = [
        (
            "0_init",
            "CREATE TABLE \"User\" (\"id\" SERIAL NOT NULL, CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\"));",
        ),
        (
            "1_email",
            "ALTER TABLE \"User\" ADD COLUMN \"email\" TEXT; CREATE INDEX \"User_email\" ON \"User\" (\"email\");",
        ),
    ];
    Db::with(async |db| {
        db.run(migrations[0].1).await;
        let absent = Ledger::Absent {
            tables: vec![TableName {
                schema: "public".to_owned(),
                name: "User".to_owned(),
            }],
        };
        assert_eq!(db.look().await.ledger, absent);
        let stands = objects(&db.as_admin()).await;
        assert_eq!(not_there(&migrations[..1], "public", &stands), []);
        let named = |object: &str| ("1_email".to_owned(), object.to_owned());
        assert_eq!(
            not_there(&migrations, "public", &stands),
            [
                named("index \"User_email\""),
                named("column \"User\".\"email\"")
            ]
        );
    })
    .await;
}
