//! Roles that may not do what Prisma or a migration has to: each gets the statement that gives it the right.

use database_migration_operator::api::{DatabaseMigration, reasons};

use crate::bad_input::{small, until_said};
use crate::harness::*;

#[tokio::test]
async fn a_ledger_that_may_not_be_read_comes_with_the_grant_that_mends_it() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        stage.apply(&small("first", &db.secret)).await;
        stage.until_ready("first").await;
        db.run("ALTER TABLE _prisma_migrations OWNER TO postgres")
            .await;

        stage.apply(&small("second", &db.secret)).await;
        let found = until_said(
            stage,
            "second",
            reasons::LEDGER_FORBIDDEN,
            &["main", "GRANT SELECT"],
        )
        .await;
        let text = message(&found);
        let grant = text.split("Run as the table's owner: ").nth(1).unwrap();
        let grant = grant.split(" It goes on by itself").next().unwrap();
        db.run(grant).await;
        stage.until_ready("second").await;
    })
    .await;
}

/// Prisma could not begin, so no Job is made; with the rights it goes on by itself. What a migration itself lacks is told
/// with its grant, too.
#[tokio::test]
async fn a_role_that_lacks_what_prisma_needs_gets_the_grant_before_any_job() {
    Stage::with(async |stage| {
        let grant_of = |found: &DatabaseMigration| {
            let text = message(found);
            let from = text
                .find("GRANT ")
                .unwrap_or_else(|| panic!("no GRANT in: {text}"));
            let to = text[from..].find(';').unwrap();
            text[from..=from + to].to_owned()
        };
        let schema = stage.database(Server::Identity, "schema").await;
        schema
            .run(
                "ALTER SCHEMA public OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            )
            .await;
        let ledger = stage.database(Server::Identity, "ledger").await;
        let table = stage.database(Server::Identity, "table").await;
        // As they were before the last migration, and somebody else's.
        for (name, db, owned) in [
            ("first-ledger", &ledger, "_prisma_migrations"),
            ("first-table", &table, "\"Note\""),
        ] {
            stage.apply(&small(name, &db.secret)).await;
            stage.until_ready(name).await;
            db.run(&format!(
                "DELETE FROM _prisma_migrations WHERE migration_name LIKE '%pinned';
                 ALTER TABLE \"Note\" DROP COLUMN pinned; ALTER TABLE {owned} OWNER TO postgres;
                 GRANT SELECT ON _prisma_migrations TO {}",
                db.role()
            ))
            .await;
        }
        for (name, db, part) in [
            ("schema", &schema, "USAGE, CREATE ON SCHEMA public"),
            (
                "ledger",
                &ledger,
                "INSERT, UPDATE ON TABLE public._prisma_migrations",
            ),
        ] {
            stage.apply(&small(name, &db.secret)).await;
            let found = until_said(stage, name, reasons::RIGHT_MISSING, &["main: ", part]).await;
            assert_eq!(stage.jobs_of(name, "migrate").len(), 0, "{name}");
            db.run(&grant_of(&found)).await;
            stage.until_ready(name).await;
        }
        stage.apply(&small("table", &table.secret)).await;
        let advice = format!("ALTER TABLE \"Note\" OWNER TO {}", table.role());
        let parts = ["20260102090000_pinned", "42501", &advice];
        until_said(stage, "table", reasons::MIGRATION_FAILED, &parts).await;
    })
    .await;
}
