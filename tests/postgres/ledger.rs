//! The ledger: there, not there, not for us to read, and what its rows say.

use database_migration_operator::database::{Look, Target};
use database_migration_operator::facts::{Ledger, LedgerRow, UnreadableReason};
use database_migration_operator::tools::prisma::{RowState, row_state};

use crate::harness::{Db, PASSWORD, create_ledger, known, run, unknown, until};

fn rows(ledger: Ledger) -> Vec<LedgerRow> {
    match ledger {
        Ledger::Rows(rows) => rows,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn absent_in_an_empty_schema() {
    Db::with(async |db| {
        let facts = db.look().await;
        assert_eq!(facts.ledger, Ledger::default());
        assert_eq!(facts.identity.database, db.name);
        assert_eq!(facts.identity.schema, "public");
        assert!(facts.identity.database_oid > 0);
        assert!(facts.identity.system_identifier.parse::<u64>().is_ok());
        assert!(facts.server_version >= 110_000);
        assert!(facts.sees_activity);
        assert_eq!(facts.lock_holder, None);
        assert!(
            facts.our_sessions.is_empty()
                && facts.waits.is_empty()
                && facts.invalid_indexes.is_empty()
        );
        assert_eq!(facts.catalog, None);
    })
    .await;
}

/// The names of an absent ledger's tables.
fn tables(ledger: Ledger) -> Vec<String> {
    match ledger {
        Ledger::Absent { tables } => tables
            .iter()
            .map(|table| format!("{}.{}", table.schema, table.name))
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Prisma counts ordinary tables, and among them partitions and those of extensions: no views, no partitioned parents.
#[tokio::test]
async fn absent_beside_the_objects_of_others() {
    Db::with(async |db| {
        db.run(
            "CREATE TABLE a (id int); CREATE VIEW b AS SELECT 1 AS one; CREATE MATERIALIZED VIEW c AS SELECT 1 AS one; \
             CREATE TABLE parent (id int) PARTITION BY RANGE (id); \
             CREATE TABLE part PARTITION OF parent FOR VALUES FROM (1) TO (2); CREATE UNLOGGED TABLE quick (id int); \
             CREATE TEMPORARY TABLE passing (id int); \
             CREATE SCHEMA app; CREATE TABLE app._prisma_migrations (id int); CREATE TABLE app.\"d.e\" (id int); \
             CREATE SEQUENCE not_counted; CREATE TYPE not_counted_either AS (x int);",
        )
        .await;
        let expected = [
            "public.a",
            "public.part",
            "public.quick",
            "app._prisma_migrations",
            "app.d.e",
        ];
        assert_eq!(tables(db.look().await.ledger), expected);
        let no_schema = Target { schema: "nowhere".to_owned(), ..db.as_admin() };
        let mut sorted = expected;
        sorted.sort_unstable();
        assert_eq!(tables(known(&no_schema, Look::default()).await.ledger), sorted);
        // A role that may not look into the schema sees the same: it is in the catalog.
        db.run("REVOKE ALL ON SCHEMA public FROM public").await;
        assert_eq!(tables(known(&db.as_role(), Look::default()).await.ledger), expected);
        db.run(&create_ledger("public")).await;
        assert_eq!(db.look().await.ledger, Ledger::Rows(Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn views_of_an_extension_do_not_count_and_its_tables_do() {
    Db::with(async |db| {
        let mut session = db.session("test").await;
        let available: bool = sqlx::query_scalar(
            "SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'pg_stat_statements'",
        )
        .fetch_one(&mut session)
        .await
        .unwrap();
        if available {
            run(&mut session, "CREATE EXTENSION pg_stat_statements").await;
        }
        assert_eq!(db.look().await.ledger, Ledger::default());
        if available {
            let sql = "CREATE TABLE its (id int); ALTER EXTENSION pg_stat_statements ADD TABLE its";
            run(&mut session, sql).await;
            assert_eq!(tables(db.look().await.ledger), ["public.its"]);
        }
    })
    .await;
}

/// Whatever stands under the ledger's name, one database does not take the memory in which all are read.
#[tokio::test]
async fn more_rows_than_a_ledger_can_have_are_not_held() {
    Db::with(async |db| {
        db.run(
            "CREATE VIEW _prisma_migrations AS SELECT md5(n::text) AS id, repeat('c', 64) AS checksum, \
               n || repeat('m', 300) AS migration_name, now() AS started_at, now() AS finished_at, \
               NULL::timestamptz AS rolled_back_at, 1 AS applied_steps_count, NULL::text AS logs \
               FROM generate_series(1, 100000) n",
        )
        .await;
        let why = unknown(&db.as_admin(), None).await;
        assert_eq!(why.reason, UnreadableReason::QueryFailed);
        assert!(why.message.contains("_prisma_migrations"), "{}", why.message);
    })
    .await;
}

/// A table that was altered to hold more than Prisma writes: one value does not take the memory either.
#[tokio::test]
async fn more_text_than_prisma_writes_is_not_read() {
    Db::with(async |db| {
        db.run(
            "CREATE VIEW _prisma_migrations AS SELECT 'a' AS id, repeat('c', 40000000) AS checksum, \
               '1_init' AS migration_name, now() AS started_at, now() AS finished_at, \
               NULL::timestamptz AS rolled_back_at, 1 AS applied_steps_count, NULL::text AS logs",
        )
        .await;
        let Ledger::Rows(rows) = known(&db.as_admin(), Look::default()).await.ledger else { panic!() };
        assert_eq!(rows[0].migration_name, "1_init");
        assert_eq!(rows[0].checksum.len(), 256);
    })
    .await;
}

#[tokio::test]
async fn no_right_names_the_grant_that_mends_it() {
    Db::with(async |db| {
        // An odd name for a schema, too: quotes, a blank, a semicolon, no ASCII.
        for schema in ["public", "Odd \"one; é'--"] {
            let name = schema.replace('"', "\"\"");
            db.run(&format!("CREATE SCHEMA IF NOT EXISTS \"{name}\"; REVOKE ALL ON SCHEMA \"{name}\" FROM public")).await;
            db.run(&create_ledger(&name)).await;
            let target = Target { schema: schema.to_owned(), ..db.as_role() };

            let grant = match known(&target, Look::default()).await.ledger {
                Ledger::NoRight { grant } => grant,
                other => panic!("{other:?}"),
            };
            assert!(grant.contains(&db.quoted_role()), "{grant}");
            assert_eq!(grant.matches("GRANT").count(), 2, "{grant}");
            db.run(&grant).await;
            assert_eq!(known(&target, Look::default()).await.ledger, Ledger::Rows(vec![]));

            db.run(&format!("REVOKE SELECT ON \"{name}\"._prisma_migrations FROM {}", db.quoted_role())).await;
            let Ledger::NoRight { grant } = known(&target, Look::default()).await.ledger else { panic!() };
            assert_eq!(grant.matches("GRANT").count(), 1, "only what lacks: {grant}");
        }
    })
    .await;
}

#[tokio::test]
async fn rights_on_the_columns_are_enough() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let role = db.quoted_role();
        let seven = "id, checksum, migration_name, started_at, finished_at, rolled_back_at, applied_steps_count";
        db.run(&format!("GRANT SELECT ({seven}) ON _prisma_migrations TO {role}")).await;
        assert!(matches!(known(&db.as_role(), Look::default()).await.ledger, Ledger::NoRight { .. }));
        db.run(&format!("GRANT SELECT (logs) ON _prisma_migrations TO {role}")).await;
        assert_eq!(known(&db.as_role(), Look::default()).await.ledger, Ledger::Rows(vec![]));
    })
    .await;
}

#[tokio::test]
async fn rows_in_every_state_come_in_order() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run(
            "INSERT INTO _prisma_migrations \
               (id, checksum, migration_name, started_at, finished_at, rolled_back_at, applied_steps_count, logs) VALUES \
             ('g', 'c', '7 rolled back, finished', '2026-01-07', '2026-01-07 00:00:01', '2026-01-08', 1, NULL), \
             ('a', 'c', '1 applied', '2026-01-01 10:00:00.123456+02', '2026-01-01 10:00:01+02', NULL, 1, NULL), \
             ('b', 'c', '2 by hand', '2026-01-02', '2026-01-02', NULL, 0, ''), \
             ('d', 'c', '4 unfinished', '2026-01-04', NULL, NULL, 0, NULL), \
             ('c', 'c', '3 failed', '2026-01-03', NULL, NULL, 0, E'ERROR: \"x\"\\n\\ttab ' || repeat('é', 5000)), \
             ('e', 'c', '5 script done', '2026-01-05', NULL, NULL, 1, NULL), \
             ('f', 'c', '6 rolled back', '2026-01-06', NULL, '2026-01-08', 0, 'text'), \
             ('B', 'c', '1b same time', '2026-01-02', NULL, '2026-01-08', 0, NULL)",
        )
        .await;
        let rows = rows(db.look().await.ledger);
        let seen: Vec<(&str, RowState)> = rows.iter().map(|row| (row.id.as_str(), row_state(row))).collect();
        assert_eq!(
            seen,
            [
                ("a", RowState::Applied),
                ("B", RowState::RolledBack),
                ("b", RowState::AppliedByHand),
                ("c", RowState::Failed),
                ("d", RowState::Unfinished),
                ("e", RowState::ScriptDone),
                ("f", RowState::RolledBack),
                ("g", RowState::RolledBack),
            ]
        );
        assert_eq!(rows[0].started_at, "2026-01-01T08:00:00.123456Z".parse().unwrap());
        assert_eq!(rows[0].migration_name, "1 applied");
        assert_eq!(rows[3].logs.as_ref().unwrap().chars().count(), 4096, "cut by characters, on the server");
        assert!(rows[3].logs.as_ref().unwrap().starts_with("ERROR: \"x\"\n\ttab é"));
    })
    .await;
}

#[tokio::test]
async fn a_ledger_that_is_none_says_which_column_it_lacks() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("ALTER TABLE _prisma_migrations DROP COLUMN rolled_back_at")
            .await;
        let unreadable = unknown(&db.as_admin(), None).await;
        assert_eq!(unreadable.reason, UnreadableReason::QueryFailed);
        assert!(
            unreadable.message.contains("rolled_back_at"),
            "{}",
            unreadable.message
        );
    })
    .await;
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_not_taken_for_no_rows() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let role = db.quoted_role();
        db.run(&format!(
            "ALTER TABLE _prisma_migrations ENABLE ROW LEVEL SECURITY; GRANT SELECT ON _prisma_migrations TO {role}"
        ))
        .await;
        let unreadable = unknown(&db.as_role(), None).await;
        assert_eq!(unreadable.reason, UnreadableReason::QueryFailed);
        assert!(unreadable.message.contains("row-level security"), "{}", unreadable.message);
    })
    .await;
}

#[tokio::test]
async fn a_row_with_an_impossible_time_is_an_error_not_a_panic() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ('x', 'c', 'n', 'infinity')")
            .await;
        assert_eq!(unknown(&db.as_admin(), None).await.reason, UnreadableReason::QueryFailed);
    })
    .await;
}

#[tokio::test]
async fn a_locked_ledger_is_said_to_be_locked() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut other = db.session("other").await;
        run(
            &mut other,
            "BEGIN; LOCK TABLE _prisma_migrations IN ACCESS EXCLUSIVE MODE",
        )
        .await;
        let unreadable = unknown(&db.as_admin(), None).await;
        assert_eq!(unreadable.reason, UnreadableReason::WaitingLock);
        assert!(
            unreadable.message.contains("_prisma_migrations")
                && unreadable.message.contains("other"),
            "{}",
            unreadable.message
        );
    })
    .await;
}

#[tokio::test]
async fn a_look_writes_nothing_and_leaves_no_session() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut session = db.session("watch").await;
        known(
            &db.as_admin(),
            Look {
                catalog: true,
                ..Look::default()
            },
        )
        .await;
        until(async || {
            let left: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'dbm-observer'",
            )
            .fetch_one(&mut session)
            .await
            .unwrap();
            left == 0
        })
        .await;
        assert_eq!(db.look().await.ledger, Ledger::Rows(vec![]));
    })
    .await;
}

/// Row 40: an error of the database's own may hold what a script had put into it.
#[tokio::test]
async fn a_password_in_the_logs_of_a_row_does_not_leave_the_look() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let encoded = percent_encoding::utf8_percent_encode(PASSWORD, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
        let logs = format!("ERROR: {PASSWORD} and {encoded} and {}", encoded.to_lowercase());
        db.run(&format!(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES ('1', 'x', 'a', '{}'); \
             GRANT SELECT ON _prisma_migrations TO {}",
            logs.replace('\'', "''"),
            db.quoted_role()
        ))
        .await;
        let facts = known(&db.as_role(), Look::default()).await;
        let logs = rows(facts.ledger)[0].logs.clone().unwrap();
        assert_eq!(logs, "ERROR: [redacted] and [redacted] and [redacted]");
    })
    .await;
}

/// Both may be there: Prisma's guide for going from 7 to 8 keeps them side by side.
#[tokio::test]
async fn a_ledger_of_prisma_8_beside_it_is_seen() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("CREATE SCHEMA prisma_contract; CREATE TABLE prisma_contract.notes (a int)")
            .await;
        assert_eq!(db.look().await.prisma_contract, None, "somebody else's");
        db.run("CREATE TABLE prisma_contract.ledger (id int)").await;
        // Whether the role may read it does not matter.
        for target in [db.as_admin(), db.as_role()] {
            let facts = known(&target, Look::default()).await;
            assert_eq!(facts.prisma_contract.as_deref(), Some("prisma_contract"));
        }
    })
    .await;
}
