//! Histories that were rewritten, and databases that others have filled: nothing runs twice, and there is a way on.

use database_migration_operator::api::{DatabaseMigration, reasons};
use serde_json::{Value, json};

use crate::harness::*;

/// The resource `shop` with an image of the tests on one database, called `main`.
fn shop_of(image: &str, secret: &str) -> Value {
    let databases = [("main", secret, "prisma/schema.prisma")];
    resource("shop", &variant(image), &databases)
}

/// Does the first thing that is offered, which is a baseline.
async fn baseline(stage: &Stage, blocked: &DatabaseMigration, migration: &str) {
    let status = status(blocked);
    let first = &status.choices[0].command;
    let expected = format!("--database main --migration {migration} --reason ...");
    assert!(
        first.starts_with("kubectl dbm baseline shop -n ") && first.ends_with(&expected),
        "{first}"
    );
    let more =
        json!({"database": "main", "migrationName": migration, "planHash": status.plan_hash});
    stage.done(action(blocked, "Baseline", &more)).await;
}

/// Whatever the policy of the history says.
fn all_allowed(object: &mut Value) {
    object["spec"]["preflight"] = json!({"history": {
        "unknown": "Ignore", "ahead": "Ignore", "outOfOrder": "Ignore", "edited": "Ignore"}});
}

#[tokio::test]
async fn a_renamed_migration_does_not_run_again() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let first = shop_of("renamed-v1", &db.secret);
        stage.apply(&first).await;
        stage.until_ready("shop").await;
        db.run("INSERT INTO \"Item\" VALUES (1, 5), (2, 7)").await;
        let price = "SELECT sum(\"price\")::bigint FROM \"Item\"";

        for allowed in [true, false] {
            let mut renamed = shop_of("renamed-v2", &db.secret);
            if allowed {
                all_allowed(&mut renamed);
            }
            stage.apply(&renamed).await;
            let blocked = stage.until_reason("shop", reasons::RENAMED_FOUND).await;
            let text = message(&blocked);
            for part in [
                "main: ",
                "20260201000000_cents",
                "20260301000000_cents",
                "has run already",
            ] {
                assert!(text.contains(part), "{part} is not in: {text}");
            }
            // Under its old name there is nothing to do.
            stage.apply(&first).await;
            stage.until_ready("shop").await;
        }
        stage.apply(&shop_of("renamed-v2", &db.secret)).await;
        let blocked = stage.until_reason("shop", reasons::RENAMED_FOUND).await;
        baseline(stage, &blocked, "20260201000000_cents").await;
        let ready = stage.until_ready("shop").await;
        assert_eq!(
            reason(&ready),
            reasons::SUCCEEDED,
            "the old name is accounted for"
        );
        assert_eq!(database(&ready, "main").findings_count, 0);
        assert_eq!(db.number(price).await, 12);
        assert_eq!(stage.attempts("shop"), 1, "no Job since the first release");
    })
    .await;
}

#[tokio::test]
async fn a_squashed_history_is_marked_and_not_run() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        stage.apply(&shop_of("squashed-v1", &db.secret)).await;
        stage.until_ready("shop").await;
        db.run("INSERT INTO \"Item\" (\"id\", \"name\") VALUES (7, 'seven'), (8, 'eight')")
            .await;

        let mut squashed = shop_of("squashed-v2", &db.secret);
        all_allowed(&mut squashed);
        stage.apply(&squashed).await;
        let blocked = stage.until_reason("shop", reasons::SQUASHED_FOUND).await;
        let text = message(&blocked);
        for part in [
            "main: ",
            "000000000000_squashed_migrations",
            "20250101000000_stock",
            "squashed",
        ] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        // What it makes is compared.
        db.run("ALTER TABLE \"Item\" RENAME COLUMN \"stock\" TO \"store\"")
            .await;
        let status = status(&blocked);
        let more = json!({"database": "main", "migrationName": "000000000000_squashed_migrations",
            "planHash": status.plan_hash});
        let why = stage.refused(action(&blocked, "Baseline", &more)).await;
        assert!(
            why.contains("\"stock\"") && why.contains("--force"),
            "{why}"
        );
        db.run("ALTER TABLE \"Item\" RENAME COLUMN \"store\" TO \"stock\"")
            .await;
        baseline(stage, &blocked, "000000000000_squashed_migrations").await;
        let ready = stage.until_ready("shop").await;
        assert_eq!(reason(&ready), reasons::SUCCEEDED);
        assert_eq!(db.number("SELECT count(*) FROM \"Item\"").await, 2);
        assert_eq!(stage.attempts("shop"), 1, "no Job since the first release");
    })
    .await;
}

/// One migration became two, of which one only changes rows: every way that is printed runs them no second time, before somebody
/// says that they are new.
#[tokio::test]
async fn what_only_changes_rows_beside_a_squashed_one_does_not_run_again() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        stage.apply(&shop_of("split-v1", &db.secret)).await;
        stage.until_ready("shop").await;
        db.run("INSERT INTO \"Item\" (\"id\", \"price\") VALUES (1, 5), (2, 7)")
            .await;
        let price = "SELECT sum(\"price\")::bigint FROM \"Item\"";

        let mut split = shop_of("split-v2", &db.secret);
        all_allowed(&mut split);
        stage.apply(&split).await;
        let blocked = stage.until_reason("shop", reasons::SQUASHED_FOUND).await;
        let text = message(&blocked);
        for part in [
            "main: ",
            "20260202000000_a",
            "20260203000000_b",
            "cannot be seen",
        ] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        baseline(stage, &blocked, "20260202000000_a").await;
        let blocked = stage.until_reason("shop", reasons::UNSEEN_FOUND).await;
        let choices = status(&blocked).choices;
        let (first, last) = (&choices[0].command, &choices[choices.len() - 1].command);
        assert!(
            first.contains(" baseline ") && first.ends_with(" --force"),
            "{first}"
        );
        assert!(
            last.contains(" retry ") && last.ends_with(" --force"),
            "{last}"
        );
        let more = json!({"database": "main", "migrationName": "20260203000000_b",
            "planHash": status(&blocked).plan_hash});
        let why = stage.refused(action(&blocked, "Baseline", &more)).await;
        assert!(why.contains("cannot be seen"), "{why}");
        let more = json!({"database": "main", "migrationName": "20260203000000_b",
            "planHash": status(&blocked).plan_hash, "force": true});
        stage.done(action(&blocked, "Baseline", &more)).await;
        stage.until_ready("shop").await;
        assert_eq!(db.number(price).await, 12);
        assert_eq!(stage.attempts("shop"), 1, "no Job since the first release");
    })
    .await;
}

#[tokio::test]
async fn a_table_in_a_schema_of_the_datasource_needs_a_baseline_and_gets_it() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        db.run(
            &format!(
                "SET ROLE {}; CREATE SCHEMA \"app\"; CREATE TABLE \"app\".\"Item\" (\"id\" INTEGER NOT NULL, \
                 CONSTRAINT \"Item_pkey\" PRIMARY KEY (\"id\"))",
                db.role()
            ),
        )
        .await;
        stage.apply(&shop_of("multischema", &db.secret)).await;
        let blocked = stage.until_reason("shop", reasons::BASELINE_NEEDED).await;
        assert!(
            message(&blocked).contains("app.Item"),
            "{}",
            message(&blocked)
        );
        assert_eq!(stage.attempts("shop"), 0, "before any Job");
        baseline(stage, &blocked, "20260101000000_init").await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 2);
        let column = "SELECT count(*) FROM information_schema.columns \
            WHERE table_schema = 'app' AND table_name = 'Item' AND column_name = 'name'";
        assert_eq!(db.number(column).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_view_needs_no_baseline() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        db.run(
            "CREATE VIEW \"server_load\" AS SELECT count(*) AS \"sessions\" FROM pg_stat_activity",
        )
        .await;
        stage.apply(&shop_of("not-empty", &db.secret)).await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 1);
    })
    .await;
}

/// A table that the configuration names as another's: it is deployed, or a person lets Prisma decide.
#[tokio::test]
async fn a_table_that_the_configuration_names_keeps_nobody_from_going_on() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        db.run("CREATE TABLE \"queue_job\" (\"id\" BIGINT PRIMARY KEY, \"state\" TEXT)")
            .await;
        stage.apply(&shop_of("external", &db.secret)).await;
        let found = stage
            .until("shop", "ready or asked", |object| {
                holds(object, reasons::READY) == Some(true)
                    || reason(object) == reasons::BASELINE_NEEDED
            })
            .await;
        if holds(&found, reasons::READY) != Some(true) {
            let text = message(&found);
            assert!(
                text.contains("unless") && text.contains("tables.external"),
                "{text}"
            );
            let offered = status(&found).choices;
            let goes_on = offered
                .iter()
                .any(|choice| choice.command.ends_with(" --force"));
            assert!(goes_on, "{offered:?}");
            stage
                .done(action(&found, "Retry", &json!({"force": true})))
                .await;
        }
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 1);
    })
    .await;
}

/// The same where the configuration does not name it: Prisma refuses, and what it says leads on.
#[tokio::test]
async fn where_prisma_asks_for_a_baseline_after_all_it_is_offered() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        db.run(
            "CREATE TABLE \"Item\" (\"id\" INTEGER NOT NULL, \"name\" TEXT NOT NULL, \
             CONSTRAINT \"Item_pkey\" PRIMARY KEY (\"id\"))",
        )
        .await;
        stage.apply(&shop_of("not-empty", &db.secret)).await;
        let mut blocked = stage.until_reason("shop", reasons::BASELINE_NEEDED).await;
        let may_go_on = status(&blocked).choices.len() > 1;
        if may_go_on {
            stage
                .done(action(&blocked, "Retry", &json!({"force": true})))
                .await;
            blocked = stage.until_failed("shop").await;
            assert_eq!(reason(&blocked), reasons::BASELINE_NEEDED);
            assert!(message(&blocked).contains("P3005"), "{}", message(&blocked));
        }
        baseline(stage, &blocked, "20260101000000_init").await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 1);
    })
    .await;
}
