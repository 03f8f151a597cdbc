//! The operator that `local-cluster/operator-up` has installed: it works in every namespace, so a test has either that one or
//! operators of its own.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use tokio::sync::OnceCell;

use super::report::OPERATOR_NAMESPACE;

const DEPLOYMENT: &str = "dbm-database-migration-operator";

async fn deployment(client: &Client) -> Option<Deployment> {
    Api::namespaced(client.clone(), OPERATOR_NAMESPACE)
        .get_opt(DEPLOYMENT)
        .await
        .unwrap()
}

/// It is not there, or scaled to 0 and gone.
pub async fn is_aside(client: &Client) {
    static ASKED: OnceCell<()> = OnceCell::const_new();
    let ask = async || {
        let pods = deployment(client).await.and_then(|it| it.status?.replicas);
        assert!(
            pods.unwrap_or(0) == 0,
            "the installed operator would work on the resources of these tests, too; put it aside with: \
             tests/operator aside"
        );
    };
    ASKED.get_or_init(ask).await;
}

/// It is there and works.
pub async fn is_ready(client: &Client) {
    let ready = deployment(client)
        .await
        .and_then(|it| it.status?.ready_replicas);
    assert!(
        ready.unwrap_or(0) > 0,
        "the operator is not installed, or not ready: make operator-up, or tests/operator back"
    );
}
