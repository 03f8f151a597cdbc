//! What is corrected while a run waits: it is seen, and nothing goes on by what was read before.

use database_migration_operator::api::reasons;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::bad_input::{small, until_said};
use crate::harness::*;

/// Row 36: a release is tried on staging, suspended, and then pointed at production. "Nothing pending" was said of staging.
#[tokio::test]
async fn a_suspended_resource_that_is_pointed_elsewhere_is_planned_there() {
    Stage::with(async |stage| {
        let (staging, production) = (
            stage.database(Server::Identity, "staging").await,
            stage.database(Server::Identity, "production").await,
        );
        stage.apply(&small("first", &staging.secret)).await;
        stage.until_ready("first").await;

        let mut object = small("shop", &staging.secret);
        object["spec"]["suspend"] = true.into();
        stage.apply(&object).await;
        until_said(stage, "shop", reasons::SUSPENDED, &["nothing is pending"]).await;
        stage.apply(&small("shop", &production.secret)).await;
        stage.until_ready("shop").await;
        assert_eq!(production.applied().await.len(), 2);
    })
    .await;
}

/// Row 39: the Secret is corrected in place, as the message says, while nothing of the spec changes and the database could be read
/// all the time.
#[tokio::test]
async fn a_secret_that_led_to_the_wrong_database_is_read_again() {
    Stage::with(async |stage| {
        let (one, other) = (
            stage.database(Server::Identity, "one").await,
            stage.database(Server::Identity, "other").await,
        );
        stage
            .secret("second", &[("DATABASE_URL", &one.url())])
            .await;
        let schema = "prisma/schema.prisma";
        let both = [
            ("main", one.secret.as_str(), schema),
            ("second", "second", schema),
        ];
        stage
            .apply(&resource("shop", &variant("small"), &both))
            .await;
        until_said(stage, "shop", reasons::DUPLICATE_DATABASE, &["by itself"]).await;
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 0);

        stage
            .secret("second", &[("DATABASE_URL", &other.url())])
            .await;
        stage.until_ready("shop").await;
        for db in [&one, &other] {
            assert_eq!(db.applied().await.len(), 2, "{}", db.name);
        }
    })
    .await;
}

fn tested(db: &Db, image: &str) -> Value {
    let mut object = small("shop", &db.secret);
    object["spec"]["validation"] = json!({"smokeTests": [
        {"name": "portal", "image": image, "command": ["node", "-e", ""]}
    ]});
    object
}

/// The message names the field to correct, and the corrected spec does not wait for a pod that never starts. Nor does an
/// Abort.
#[tokio::test]
async fn a_smoke_test_whose_image_is_not_there_gives_way() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let field = ["spec.validation.smokeTests[0].image", "by itself"];
        stage.apply(&tested(&db, "localhost/portal:typo")).await;
        until_said(stage, "shop", reasons::IMAGE_PULL_FAILED, &field).await;
        stage
            .apply(&tested(&db, "localhost/portal:typo-again"))
            .await;
        let second = stage
            .until("shop", "in its second run", |object| {
                run_id(object).starts_with("r2-") && reason(object) == reasons::IMAGE_PULL_FAILED
            })
            .await;
        stage.done(action(&second, "Abort", &json!({}))).await;
        let aborted = stage.until_reason("shop", reasons::ABORTED).await;
        assert_eq!(holds(&aborted, reasons::MIGRATED), Some(true));
        stage.apply(&tested(&db, &variant("small"))).await;
        stage.until_ready("shop").await;
    })
    .await;
}

/// What an image holds is kept in ConfigMaps, and a namespace may have no room for them.
#[tokio::test]
async fn an_inventory_that_the_quota_has_no_room_for_is_said_and_waits() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let quotas = stage.api::<ResourceQuota>();
        let quota: ResourceQuota = serde_json::from_value(json!({
            "metadata": {"name": "no-room"}, "spec": {"hard": {"count/configmaps": "0"}},
        }))
        .unwrap();
        quotas.create(&PostParams::default(), &quota).await.unwrap();
        stage.apply(&small("shop", &db.secret)).await;
        let parts = ["ConfigMap", "ResourceQuota", "by itself"];
        until_said(stage, "shop", reasons::QUOTA_EXCEEDED, &parts).await;
        let gone = quotas.delete("no-room", &DeleteParams::default()).await;
        gone.unwrap();
        stage.until_ready("shop").await;
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 1);
    })
    .await;
}
