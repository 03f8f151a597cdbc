//! A host that is a Service of the application's namespace, by its short name: the operator looks at the database that the
//! Job's pod reaches, whatever stands beside itself.

use database_migration_operator::api::{DatabaseMigration, reasons};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::harness::*;

/// A Service that is another name for a server.
async fn service(stage: &Stage, namespace: &str, name: &str, server: Server) {
    let object: Service = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"type": "ExternalName", "externalName": server.host()},
    }))
    .unwrap();
    Api::<Service>::namespaced(stage.client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

async fn remove(stage: &Stage, namespace: &str, name: &str) {
    let services = Api::<Service>::namespaced(stage.client.clone(), namespace);
    services
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
}

fn small(name: &str, secret: &str) -> serde_json::Value {
    resource(
        name,
        &variant("small"),
        &[("main", secret, "prisma/schema.prisma")],
    )
}

#[tokio::test]
async fn a_short_name_is_meant_from_the_resources_namespace_and_never_from_the_operators() {
    Stage::with(async |stage| {
        // Two servers, on each the same database with the same user, as charts make them.
        let right = stage
            .database_without_secret(Server::Identity, "main")
            .await;
        let beside = stage.database_without_secret(Server::Tasks, "main").await;
        let host = format!("pg-{}", stage.namespace);
        let of_operator = OPERATOR_NAMESPACE;
        service(stage, of_operator, &host, Server::Tasks).await;

        // It is only there beside the operator: nothing is read.
        stage
            .secret("main-db", &[("DATABASE_URL", &right.url_by(&host))])
            .await;
        stage.apply(&small("shop", "main-db")).await;
        let unknown = stage.until_reason("shop", "HostUnknown").await;
        let text = message(&unknown);
        let tried = format!("{host}.{}.svc.cluster.local", stage.namespace);
        for part in [tried.as_str(), "Once that is mended, it goes on by itself"] {
            assert!(text.contains(part), "{part} in: {text}");
        }

        // Both are there.
        service(stage, &stage.namespace, &host, Server::Identity).await;
        stage.until_ready("shop").await;
        remove(stage, of_operator, &host).await;
        assert!(!right.ledger().await.is_empty());
        assert_eq!(beside.ledger().await, [], "nobody's");
        let begun = |object: &DatabaseMigration| reason(object) == reasons::OTHER_DATABASE_MIGRATED;
        assert!(!stage.ever("shop", begun));

        // A Service of a namespace, by a name with one dot.
        let by_namespace = right.url_by("identity-postgres.databases");
        stage
            .secret(
                "dotted-db",
                &[("DATABASE_URL", &format!("{by_namespace}\n"))],
            )
            .await;
        stage.apply(&small("dotted", "dotted-db")).await;
        stage.until_ready("dotted").await;
    })
    .await;
}
