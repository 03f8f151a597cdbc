//! What may not disturb a running migration.

use database_migration_operator::api::{DatabaseMigration, LABEL_STEP, reasons};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::harness::*;

const SLOW: &str = "20261101090000_slow_backfill";

/// 1.0.0 of identity, and a migration of eight seconds.
fn slow(name: &str) -> Value {
    let mut object = identity_resource(name, &variant("slow"));
    object["spec"]["timeouts"]["observe"] = "1s".into();
    object
}

async fn until_slow(stage: &Stage, name: &str) -> DatabaseMigration {
    stage
        .until(name, "in the slow migration", |object| {
            let current = status(object)
                .databases
                .first()
                .and_then(|d| d.current.clone());
            current.is_some_and(|current| current.name == SLOW)
        })
        .await
}

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
    let jobs = stage.jobs_of("slow", "migrate");
    assert_eq!(jobs.len(), 1);
    let succeeded = jobs[0].status.as_ref().and_then(|status| status.succeeded);
    assert_eq!(succeeded, Some(1), "the Job finished");
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
async fn a_killed_operator_resumes_and_runs_nothing_twice() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        let pods = stage.operator_pods().await;
        let api: Api<Pod> = Api::namespaced(stage.client.clone(), OPERATOR_NAMESPACE);
        for pod in &pods {
            let now = DeleteParams::default().grace_period(0);
            // Another test may have been quicker.
            let _ = api.delete(&pod.name_any(), &now).await;
        }
        stage.until_ready("slow").await;
        assert_eq!(db.applied().await.len(), 8);
        assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
        assert_eq!(stage.jobs_of("slow", "migrate").len(), 1);
        stage.until_events("slow", "DatabaseMigrated", 1).await;
    })
    .await;
}

/// When the container of a resource's migration ran.
async fn ran(stage: &Stage, name: &str) -> (Time, Time) {
    let selector = format!("dbops.dev/migration={name},{LABEL_STEP}=migrate");
    let pods = stage
        .api::<Pod>()
        .list(&ListParams::default().labels(&selector))
        .await
        .unwrap();
    assert_eq!(pods.items.len(), 1);
    let containers = pods.items[0].status.clone().unwrap().container_statuses;
    let migrate = containers
        .unwrap()
        .into_iter()
        .find(|container| container.name == "migrate")
        .unwrap();
    let ended = migrate.state.unwrap().terminated.unwrap();
    (ended.started_at.unwrap(), ended.finished_at.unwrap())
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
        let (_, first_ended) = ran(stage, "first").await;
        let (second_began, _) = ran(stage, "second").await;
        assert!(
            first_ended <= second_began,
            "{first_ended:?} {second_began:?}"
        );
    })
    .await;
}
