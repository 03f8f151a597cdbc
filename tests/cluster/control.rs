//! Suspending, freezing, retrying, editing, and a Job that is somebody else's.

use std::time::Duration;

use database_migration_operator::api::{
    ANNOTATION_RECONCILE, ANNOTATION_SUSPEND, DatabaseMigration, Phase, RunOutcome, StepKind,
    reasons,
};
use database_migration_operator::decide::job_name;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::harness::*;

fn is_suspended(object: &DatabaseMigration) -> bool {
    status(object).phase == Some(Phase::Suspended) && reason(object) == reasons::SUSPENDED
}

async fn shows_and_starts_nothing(stage: &Stage, name: &str) -> DatabaseMigration {
    let found = stage.until(name, "suspended", is_suspended).await;
    assert_eq!(status(&found).pending_count, Some(7));
    assert_eq!(database(&found, "identity").pending.len(), 7);
    assert!(
        message(&found).contains("7 migrations pending"),
        "{}",
        message(&found)
    );
    assert_eq!(stage.jobs_of(name, "migrate").len(), 0);
    found
}

#[tokio::test]
async fn suspended_it_plans_and_shows_and_starts_nothing() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = identity_resource("shop", &shop("1.0.0"));
        object["spec"]["suspend"] = true.into();
        stage.apply(&object).await;
        shows_and_starts_nothing(stage, "shop").await;

        // The annotation alone suspends as well.
        stage
            .annotate("shop", ANNOTATION_SUSPEND, Some("true"))
            .await;
        object["spec"]["suspend"] = false.into();
        stage.apply(&object).await;
        shows_and_starts_nothing(stage, "shop").await;
        assert_eq!(db.ledger().await, []);

        stage.annotate("shop", ANNOTATION_SUSPEND, None).await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 7);
    })
    .await;
}

#[tokio::test]
async fn frozen_it_is_not_touched_at_all() {
    Stage::with(async |stage| {
        stage.database(Server::Identity, "identity").await;
        let mut frozen = identity_resource("frozen", &shop("1.0.0"));
        frozen["metadata"]["annotations"] = json!({ANNOTATION_RECONCILE: "disabled"});
        stage.apply(&frozen).await;
        // One that came later is done: the frozen one would be, too.
        stage
            .apply(&identity_resource("other", &shop("1.0.0")))
            .await;
        stage.until_ready("other").await;
        let all = stage.resources.all();
        let versions = all.iter().filter(|seen| seen.object.name_any() == "frozen");
        assert_eq!(versions.count(), 1, "nothing was written");

        stage.annotate("frozen", ANNOTATION_RECONCILE, None).await;
        stage.until_ready("frozen").await;
    })
    .await;
}

#[tokio::test]
async fn a_retry_is_one_new_run_for_one_value() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        let first = stage.until_ready("shop").await;
        let ledger = db.ledger().await;
        assert!(run_id(&first).starts_with("r1-"), "{}", run_id(&first));
        for (value, counter) in [("monday", "r2-"), ("monday", "r2-"), ("tuesday", "r3-")] {
            stage.retry("shop", value).await;
            // Something else to look at, so that the same value is looked at, too.
            stage
                .annotate("shop", "example.com/nudge", Some(counter))
                .await;
            let done = stage
                .until("shop", &format!("Ready in run {counter}"), |object| {
                    is_ready(object)
                        && run_id(object).starts_with(counter)
                        && status(object).last_handled_retry == value
                })
                .await;
            assert_eq!(database(&done, "identity").applied_by_run, 0);
        }
        let done = stage.until_ready("shop").await;
        let runs: Vec<String> = status(&done)
            .history
            .iter()
            .map(|run| run.id.clone())
            .collect();
        assert_eq!(runs.len(), 3, "{runs:?}");
        assert_eq!(db.ledger().await, ledger);
        assert_eq!(stage.attempts("shop"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_foreign_job_of_the_same_name_is_left_alone() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = identity_resource("shop", &shop("1.0.0"));
        object["spec"]["suspend"] = true.into();
        stage.apply(&object).await;
        let waiting = stage.until("shop", "suspended", is_suspended).await;
        let name = job_name(
            "shop",
            &waiting.uid().unwrap(),
            &run_id(&waiting),
            "identity",
            StepKind::Migrate,
            1,
        );
        let foreign: Job = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"suspend": true, "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "none", "image": "localhost/none:1"}],
            }}},
        }))
        .unwrap();
        let jobs = stage.api::<Job>();
        let made = jobs.create(&PostParams::default(), &foreign).await.unwrap();

        object["spec"]["suspend"] = false.into();
        stage.apply(&object).await;
        let blocked = stage.until_reason("shop", reasons::FOREIGN_JOB).await;
        assert!(message(&blocked).contains(&name), "{}", message(&blocked));
        let still = jobs.get(&name).await.unwrap();
        assert_eq!(still.uid(), made.uid());
        assert_eq!(still.owner_references().len(), 0);
        assert_eq!(db.ledger().await, []);

        jobs.delete(&name, &DeleteParams::background())
            .await
            .unwrap();
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 7);
    })
    .await;
}

#[tokio::test]
async fn a_spec_edited_mid_run_waits_for_the_running_job_and_is_a_new_run() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object: Value = slow("shop");
        stage.apply(&object).await;
        let running = until_slow(stage, "shop").await;
        object["spec"]["timeouts"]["overdue"] = "29m".into();
        stage.apply(&object).await;
        let done = stage
            .until("shop", "Ready in a new run", |object| {
                is_ready(object) && run_id(object) != run_id(&running)
            })
            .await;
        let before = &status(&done).history[1];
        assert_eq!(before.id, run_id(&running));
        assert_eq!(before.outcome, RunOutcome::Superseded);
        assert_eq!(before.applied, 8);
        assert_eq!(db.applied().await.len(), 8);
        assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
        let ends = stage.migrations_of("shop").await;
        assert_eq!(ends.last().unwrap().exit_code, 0, "the Job finished");
    })
    .await;
}

/// The operator's work queue and its reconciliations say that they go on: where they do not, a probe ends the process.
#[tokio::test]
async fn what_healthz_watches_beats() {
    Stage::with(async |stage| {
        let address = stage.with_operator(|operator| operator.http_address());
        // The first beats come within 15 s of the start; more is a machine that is busy.
        let beats = async {
            loop {
                let text = answer_of(address, "/healthz?verbose").await;
                if text.contains("work queue of ") && text.contains("reconciliations of ") {
                    return text;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let text = tokio::time::timeout(LIMIT, beats).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    })
    .await;
}
