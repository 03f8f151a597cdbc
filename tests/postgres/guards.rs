//! What `kubectl dbm psql` runs before the statements that it is given: they run only on the right server, and while the row is open.

use database_migration_operator::tools::psql::{is_open, is_server};
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::Db;

/// The error with which a statement ends, if with one.
async fn ends(db: &Db, sql: String) -> Option<String> {
    let mut session = db.session("a person").await;
    let ended = session.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
    ended.err().map(|error| error.to_string())
}

#[tokio::test]
async fn a_row_that_is_not_open_stops_what_follows() {
    Db::with(async |db| {
        db.run(
            "DROP TABLE IF EXISTS _prisma_migrations; \
             CREATE TABLE _prisma_migrations (id text, finished_at timestamptz, rolled_back_at timestamptz); \
             INSERT INTO _prisma_migrations VALUES ('it''s open', null, null), ('done', now(), null), ('back', null, now())",
        )
        .await;
        assert_eq!(ends(db, is_open("it's open")).await, None);
        for row in ["done", "back", "nowhere"] {
            let error = ends(db, is_open(row)).await.unwrap_or_default();
            let said = format!("row {row} of _prisma_migrations is not open any more");
            assert!(error.contains(&said), "{row}: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn another_server_stops_what_follows() {
    Db::with(async |db| {
        let own = db.look().await.identity.system_identifier;
        assert_eq!(ends(db, is_server(&own, "main")).await, None);
        let error = ends(db, is_server("1", "it's main"))
            .await
            .unwrap_or_default();
        let said =
            "the URL leads to another server than that of database it's main: nothing was run";
        assert!(error.contains(said), "{error}");
    })
    .await;
}
