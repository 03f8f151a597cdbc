//! Ledgers that were changed behind the operator's back, or by the next release: what changed rows once changes them no second time.

use database_migration_operator::api::reasons;
use serde_json::{Value, json};

use crate::harness::*;

/// A project of the image `ledgers`.
fn project(name: &str) -> Value {
    let schema = format!("{name}/schema.prisma");
    resource("app", &variant("ledgers"), &[("main", "main-db", &schema)])
}

/// What the migration 002_cents would make a hundredfold.
const PRICE: &str = "SELECT sum(\"price\")::bigint FROM \"Item\"";

/// The first release, and rows that came after it.
async fn begun(stage: &Stage) -> Db {
    let db = stage.database(Server::Identity, "main").await;
    stage.apply(&project("one")).await;
    stage.until_ready("app").await;
    db.run("INSERT INTO \"Item\" VALUES (1, 5), (2, 7)").await;
    db
}

/// Expects the parts in the resource's message, and rows that nobody touched.
async fn untouched(stage: &Stage, db: &Db, text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert_eq!(db.number(PRICE).await, 12);
    assert_eq!(stage.attempts("app"), 1, "no Job since the first release");
}

#[tokio::test]
async fn a_migration_inserted_before_one_that_ran_does_not_run_that_one_again() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        for next in ["inserted", "reused"] {
            stage.apply(&project(next)).await;
            let blocked = stage.until_reason("app", reasons::RENAMED_FOUND).await;
            let parts = ["main: ", "002_cents", "003_cents", "has run already"];
            untouched(stage, &db, &message(&blocked), &parts).await;
        }
        // Behind what ran, the new one runs, and nothing else does.
        stage.apply(&project("appended")).await;
        stage.until_ready("app").await;
        assert_eq!(db.number(PRICE).await, 12);
        let applied = ["001_init", "002_cents", "003_stock"];
        assert_eq!(db.applied().await, applied);
    })
    .await;
}

/// Nothing says of such a one that it is the same: it is asked about.
#[tokio::test]
async fn a_migration_inserted_under_the_name_of_one_that_was_reworded_is_asked_about() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        stage.apply(&project("touched")).await;
        let blocked = stage.until_reason("app", reasons::UNSEEN_FOUND).await;
        let parts = ["main: ", "002_cents", "003_cents"];
        untouched(stage, &db, &message(&blocked), &parts).await;
    })
    .await;
}

#[tokio::test]
async fn a_row_that_vanished_from_the_ledger_is_no_reason_to_run_its_migration_again() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        db.run("DELETE FROM _prisma_migrations WHERE migration_name = '002_cents'")
            .await;
        stage.apply(&project("appended")).await;
        let blocked = stage.until_reason("app", reasons::PENDING_FOUND).await;
        untouched(
            stage,
            &db,
            &message(&blocked),
            &["main: ", "002_cents", "was applied and is not any more"],
        )
        .await;
        let plan_hash = status(&blocked).plan_hash;
        let more = json!({"database": "main", "migrationName": "002_cents", "planHash": plan_hash, "force": true});
        stage.done(action(&blocked, "Baseline", &more)).await;
        stage.until_ready("app").await;
        assert_eq!(db.number(PRICE).await, 12);
        assert_eq!(db.applied().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_only_changes_rows_beside_an_unknown_one_does_not_run_where_unknown_is_a_warning() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        let mut reworded = project("reworded");
        reworded["spec"]["preflight"] = json!({"history": {"unknown": "Warn"}});
        stage.apply(&reworded).await;
        let blocked = stage.until_reason("app", reasons::UNSEEN_FOUND).await;
        let parts = ["main: ", "002_cents", "002_pence"];
        untouched(stage, &db, &message(&blocked), &parts).await;
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_drops_the_ledger_is_no_run_in_which_nothing_was_executed() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        stage.apply(&project("dropped")).await;
        let failed = stage.until_failed("app").await;
        let text = message(&failed);
        assert_eq!(reason(&failed), reasons::LEDGER_LOST, "{text}");
        for part in ["main: ", "_prisma_migrations", "while the migration ran"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert!(!text.contains("nothing was executed"), "{text}");
        assert_eq!(db.number(PRICE).await, 12);
    })
    .await;
}

/// Its row is gone by the end of the run that applied it: that run is not believed, and a retry asks first.
#[tokio::test]
async fn a_row_that_a_later_migration_of_the_same_run_deletes_is_missed() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        stage.apply(&project("deletes")).await;
        let failed = stage.until_failed("app").await;
        let text = message(&failed);
        assert_eq!(reason(&failed), reasons::LEDGER_LOST, "{text}");
        assert!(text.contains("002_cents"), "{text}");
        db.run("INSERT INTO \"Item\" VALUES (1, 5), (2, 7)").await;
        stage.retry("app", "again").await;
        let blocked = stage.until_reason("app", reasons::PENDING_FOUND).await;
        untouched(stage, &db, &message(&blocked), &["002_cents"]).await;
    })
    .await;
}

/// What is decided about a migration that failed is no word on a row that is gone.
#[tokio::test]
async fn a_row_that_vanished_is_missed_after_a_mark_too() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        stage.apply(&project("failing")).await;
        let failed = stage.until_failed("app").await;
        let row = database(&failed, "main").failed.unwrap();
        let more = json!({"database": "main", "migrationName": row.name, "ledgerRow": row.ledger_row, "force": true});
        stage.done(action(&failed, "MarkRolledBack", &more)).await;
        db.run("DELETE FROM _prisma_migrations WHERE migration_name = '002_cents'")
            .await;
        stage.apply(&project("appended")).await;
        let blocked = stage.until_reason("app", reasons::PENDING_FOUND).await;
        let text = message(&blocked);
        assert!(text.contains("002_cents"), "{text}");
        assert_eq!(db.number(PRICE).await, 12);
    })
    .await;
}

/// A database's first release, in which the last migration drops the ledger: what Prisma named as applied is asked about before it
/// runs again, also after the baseline that is printed.
#[tokio::test]
async fn what_ran_before_a_migration_dropped_the_ledger_does_not_run_again() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        stage.apply(&project("dropped")).await;
        let failed = stage.until_failed("app").await;
        let text = message(&failed);
        assert_eq!(reason(&failed), reasons::LEDGER_LOST, "{text}");
        db.run("INSERT INTO \"Item\" VALUES (1, 5), (2, 7)").await;
        stage.retry("app", "again").await;
        let blocked = stage.until_reason("app", reasons::BASELINE_NEEDED).await;
        // All that was seen in it, at once.
        let last = database(&blocked, "main").baseline;
        let choices = status(&blocked).choices;
        assert!(choices[0].command.ends_with("003_clean --reason ... --force"), "{choices:?}");
        untouched(stage, &db, &message(&blocked), &["main: ", "003_clean"]).await;
        let plan_hash = status(&blocked).plan_hash;
        let more = json!({"database": "main", "migrationName": last, "planHash": plan_hash, "force": true});
        stage.done(action(&blocked, "Baseline", &more)).await;
        let ready = stage.until_ready("app").await;
        untouched(stage, &db, &message(&ready), &["nothing pending"]).await;
    })
    .await;
}

/// All that a run wrote to the ledger is gone by its end: it was this database, and the migrations have run.
#[tokio::test]
async fn a_run_whose_rows_were_all_deleted_is_no_run_of_another_database() {
    Stage::with(async |stage| {
        let db = begun(stage).await;
        db.run("CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM _prisma_migrations WHERE id = NEW.id; RETURN NULL; END $$")
            .await;
        db.run("CREATE TRIGGER forget AFTER UPDATE ON _prisma_migrations FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION forget()")
            .await;
        stage.apply(&project("appended")).await;
        let failed = stage.until_failed("app").await;
        let text = message(&failed);
        assert_eq!(reason(&failed), reasons::LEDGER_LOST, "{text}");
        for untrue in ["another database", "reads other", "engine was ended"] {
            assert!(!text.contains(untrue), "{text}");
        }
        assert_eq!(db.applied().await, ["001_init", "002_cents"]);
    })
    .await;
}
