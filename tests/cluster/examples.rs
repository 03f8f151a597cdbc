//! What stands in `examples/` is taken by the API server.

use std::path::Path;

use serde_json::Value;

use crate::harness::*;

#[tokio::test]
async fn every_example_is_accepted() {
    Stage::with(async |stage| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut number = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for document in text.split("\n---") {
                let object: Value = serde_saphyr::from_str(document)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                if object["kind"] != "DatabaseMigration" {
                    continue;
                }
                let mut object = object;
                object["metadata"]["namespace"] = stage.namespace.clone().into();
                let accepted = stage.dry_run(&object).await;
                accepted.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                number += 1;
            }
        }
        assert!(number > 0, "there are examples");
    })
    .await;
}
