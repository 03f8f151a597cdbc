//! What may not disturb a running migration.

use database_migration_operator::api::{DatabaseMigration, reasons};
use kube::api::DeleteParams;

use crate::harness::*;

async fn deleted_mid_migration(stage: &Stage, parameters: DeleteParams) {
    let db = stage.database(Server::Identity, "identity").await;
    stage.apply(&slow("slow")).await;
    until_slow(stage, "slow").await;
    stage
        .api::<DatabaseMigration>()
        .delete("slow", &parameters)
        .await
        .unwrap();
    stage.until_gone("slow").await;
    let applied = db.applied().await;
    assert_eq!(applied.len(), 8);
    assert_eq!(applied[7], SLOW);
    assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
    assert!(stage.ever("slow", |object| message(object).contains("being deleted")));
    assert_eq!(stage.attempts("slow"), 1);
    let end = stage.migrations_of("slow").await.pop().unwrap();
    assert_eq!(end.exit_code, 0, "the Job finished");
}

#[tokio::test]
async fn a_resource_deleted_in_the_foreground_waits_for_its_running_migration() {
    Stage::with(async |stage| deleted_mid_migration(stage, DeleteParams::foreground()).await).await;
}

#[tokio::test]
async fn a_resource_deleted_in_the_background_waits_for_its_running_migration() {
    Stage::with(async |stage| deleted_mid_migration(stage, DeleteParams::background()).await).await;
}

#[tokio::test]
async fn two_resources_on_one_database_by_two_host_names_take_turns() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        // Two ledgers in one database: Prisma's lock is the database's.
        let url = db.url_by("identity-postgres.databases.svc");
        let other = url.replace("schema=public", "schema=other");
        stage.secret("other-db", &[("DATABASE_URL", &other)]).await;
        let mut second = slow("second");
        second["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] = "other-db".into();
        stage.apply(&slow("first")).await;
        until_slow(stage, "first").await;
        stage.apply(&second).await;
        stage
            .until("second", "waiting for its turn", |object| {
                // Prisma's own lock is seen too; the turn is the one that is always seen.
                [reasons::DATABASE_BUSY, reasons::WAITING_LOCK].contains(&reason(object).as_str())
            })
            .await;
        stage.until_ready("first").await;
        stage.until_ready("second").await;
        assert_eq!(db.ledger_of("public").await.len(), 8);
        assert_eq!(db.ledger_of("other").await.len(), 8);
        let (first, second) = (
            stage.migrations_of("first").await,
            stage.migrations_of("second").await,
        );
        assert!(!first.is_empty() && !second.is_empty());
        for one in &first {
            for other in &second {
                let apart =
                    one.finished_at <= other.started_at || other.finished_at <= one.started_at;
                assert!(apart, "{one:?} {other:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_keeps_its_turn_while_its_pod_finds_no_node_and_then_gives_it_on() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let seed = stage.database(Server::Identity, "seed").await;
        let image = shop("1.0.0");
        // What the image holds is known from here on, so the next one's first pod is the one that migrates.
        let mut known = identity_resource("seed", &image);
        known["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] = seed.secret.into();
        stage.apply(&known).await;
        stage.until_ready("seed").await;

        let mut first = identity_resource("first", &image);
        first["spec"]["job"]["nodeSelector"] = serde_json::json!({"example.com/none": "here"});
        stage.apply(&first).await;
        let waiting = stage.until_reason("first", reasons::UNSCHEDULABLE).await;
        assert!(
            message(&waiting).contains("nodeSelector"),
            "{}",
            message(&waiting)
        );

        let other = db.url().replace("schema=public", "schema=other");
        stage.secret("other-db", &[("DATABASE_URL", &other)]).await;
        let mut second = identity_resource("second", &image);
        second["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] = "other-db".into();
        stage.apply(&second).await;
        let busy = stage.until_reason("second", reasons::DATABASE_BUSY).await;
        for part in [&format!("{}/first", stage.namespace), &db.name] {
            assert!(message(&busy).contains(part.as_str()), "{}", message(&busy));
        }
        assert_eq!(stage.jobs_of("second", "migrate").len(), 0);

        stage.apply(&identity_resource("first", &image)).await;
        stage.until_ready("first").await;
        stage.until_ready("second").await;
        assert_eq!(db.ledger_of("public").await.len(), 7);
        assert_eq!(db.ledger_of("other").await.len(), 7);
    })
    .await;
}
