//! The operator as the chart installs it, in its own pod: what a process of this machine cannot show. `cargo test --test
//! installed` after `make operator-up` and `eval "$(local-cluster/env)"`; all else is tested by `tests/cluster.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Each test binary uses a part of what the stage offers.
#[allow(dead_code, unused_imports)]
#[path = "cluster/harness/mod.rs"]
mod harness;

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

use harness::*;

#[tokio::test]
async fn a_killed_operator_resumes_and_runs_nothing_twice() {
    Stage::installed(async |stage| {
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
        assert_eq!(stage.attempts("slow"), 1);
        stage.until_events("slow", "Succeeded", 1).await;
    })
    .await;
}
