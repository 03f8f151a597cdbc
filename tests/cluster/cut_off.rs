//! Migrations that are cut off: their client killed, their book-keeping lost, their server gone for a while.

use database_migration_operator::api::{DatabaseMigration, FailedStatus, reasons};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::*;

/// Takes the running migration's pod away at once, as a lost node does: its process gets SIGKILL.
async fn kill_pod(stage: &Stage, name: &str) {
    let api = stage.api::<Pod>();
    let pods = api.list(&Default::default()).await.unwrap();
    let pod = pods
        .iter()
        .find(|pod| {
            let label = |key: &str| pod.labels().get(key).map(String::as_str);
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            label("dbops.dev/migration") == Some(name)
                && label("dbops.dev/step") == Some("migrate")
                && phase == Some("Running")
        })
        .unwrap();
    let now = DeleteParams::default().grace_period(0);
    api.delete(&pod.name_any(), &now).await.unwrap();
}

fn row_of(failed: &DatabaseMigration) -> FailedStatus {
    database(failed, "identity").failed.unwrap()
}

fn of_row(failed: &DatabaseMigration, kind: &str) -> serde_json::Value {
    let found = row_of(failed);
    action(
        failed,
        kind,
        &json!({
        "database": "identity", "migrationName": found.name, "ledgerRow": found.ledger_row}),
    )
}

/// By hand, what the status says is left.
async fn undo(db: &Db, failed: &DatabaseMigration) {
    let left = row_of(failed).left.join("; ");
    assert!(
        left.contains("column \"User\".\"last_seen_at\" added"),
        "{left}"
    );
    db.run("ALTER TABLE \"User\" DROP COLUMN \"last_seen_at\"")
        .await;
}

/// Row 13: nothing is judged, and no choice is offered, before the backend is gone; then it pauses.
#[tokio::test]
async fn a_migration_whose_pod_is_killed_pauses_and_a_human_decides() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        kill_pod(stage, "slow").await;
        let failed = stage.until_failed("slow").await;
        let left = db
            .number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dbm/%'")
            .await;
        assert_eq!(left, 0, "judged before its session had ended");
        let rows = db.ledger().await;
        let last = rows.last().unwrap();
        if last.finished {
            // It came to its end before the server noticed that nobody listens any more.
            return;
        }
        assert_eq!(reason(&failed), reasons::MIGRATION_UNFINISHED);
        assert_eq!(row_of(&failed).name, SLOW);
        assert_eq!(stage.attempts("slow"), 1, "it is not run again by itself");
        undo(&db, &failed).await;
        stage.done(of_row(&failed, "MarkRolledBack")).await;
        let back = stage.until_reason("slow", reasons::ROLLED_BACK).await;
        stage.done(action(&back, "Retry", &json!({}))).await;
        stage.until_ready("slow").await;
        assert_eq!(db.applied().await.len(), 8);
    })
    .await;
}

/// Row 15: the script ran to its end, and the client died before it could write that down.
#[tokio::test]
async fn a_script_that_is_done_and_not_recorded_is_told_apart() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&identity_resource("shop", &shop("1.0.0"))).await;
        stage.until_ready("shop").await;
        // The book-keeping of the next migration takes a minute.
        db.run(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$; \
             CREATE TRIGGER dawdle BEFORE UPDATE ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION dawdle()",
        )
        .await;
        let mut object = identity_resource("shop", &variant("lock"));
        object["spec"]["timeouts"] = json!({"observe": "1s"});
        stage.apply(&object).await;
        let done = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL AND applied_steps_count > 0";
        for _ in 0..600 {
            if db.number(done).await == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(db.number(done).await, 1);
        kill_pod(stage, "shop").await;
        let failed = stage.until_reason("shop", reasons::SCRIPT_DONE_NOT_RECORDED).await;
        let first = &status(&failed).choices[0];
        assert!(first.command.starts_with("kubectl dbm mark-applied"), "{first:?}");
        db.run("DROP TRIGGER dawdle ON _prisma_migrations").await;
        stage.done(of_row(&failed, "MarkApplied")).await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 8);
        assert_eq!(stage.attempts("shop"), 2, "its script did not run again");
    })
    .await;
}

/// Row 17: while the server is away nothing is concluded; when it is back, the ledger says what is true.
#[tokio::test]
async fn a_server_that_goes_away_in_mid_migration_is_unknown_and_then_the_ledger_decides() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        // As a restart does it: nobody is let in, and who was in is put out.
        let mut admin = Server::Identity.session("postgres", "test").await;
        let name = &db.name;
        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        )
        .await;
        run(
            &mut admin,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ),
        )
        .await;
        stage
            .until("slow", "unreadable", |object| {
                holds(object, reasons::OBSERVED) == Some(false) && outcome(object).is_none()
            })
            .await;
        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
        )
        .await;
        let failed = stage.until_failed("slow").await;
        assert_eq!(row_of(&failed).name, SLOW);
        assert_eq!(stage.attempts("slow"), 1, "it is not run again by itself");
        let rows = db.ledger().await;
        assert!(!rows.last().unwrap().finished, "{rows:?}");
        undo(&db, &failed).await;
        stage.done(of_row(&failed, "MarkRolledBack")).await;
        let back = stage.until_reason("slow", reasons::ROLLED_BACK).await;
        // Row 24: only a rolled-back row is left of it, and that is not "up to date".
        stage.done(action(&back, "Retry", &json!({}))).await;
        stage.until_ready("slow").await;
        assert_eq!(db.applied().await.len(), 8);
    })
    .await;
}
