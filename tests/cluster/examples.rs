//! What stands in `examples/` is taken by the API server.

use std::path::Path;

use database_migration_operator::api::MigrationAction;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::PostParams;
use serde_json::Value;

use crate::harness::*;

/// The objects of a kind in a folder.
fn examples(folder: &str, kind: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for document in text.split("\n---") {
            let object: Value = serde_saphyr::from_str(document)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if object["kind"] == kind {
                found.push((path.display().to_string(), object));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_example_is_accepted() {
    Stage::with(async |stage| {
        let resources = examples("examples", "DatabaseMigration");
        assert!(!resources.is_empty(), "there are examples");
        for (path, mut object) in resources {
            object["metadata"]["namespace"] = stage.namespace.clone().into();
            let accepted = stage.dry_run(&object).await;
            accepted.unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        let who = Api::<SelfSubjectReview>::all(stage.client.clone())
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .unwrap();
        let who = who.status.unwrap().user_info.unwrap().username.unwrap();
        let actions = examples("examples/actions", "MigrationAction");
        assert_eq!(actions.len(), 8, "one of each");
        for (path, mut object) in actions {
            object["metadata"]["namespace"] = stage.namespace.clone().into();
            object["spec"]["requestedBy"] = who.clone().into();
            let action: MigrationAction = serde_json::from_value(object).unwrap();
            let asked = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            let accepted = stage.api::<MigrationAction>().create(&asked, &action).await;
            accepted.unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    })
    .await;
}
