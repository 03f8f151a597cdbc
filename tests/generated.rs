//! Files that are generated and checked in. `make generate` writes them; here it shows when they have drifted.
#![allow(clippy::unwrap_used)]

use database_migration_operator::api;

fn read(path: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!("{root}/{path}"))
        .unwrap_or_else(|error| panic!("{path}: {error}; run make generate"))
}

#[test]
fn the_crds_are_what_the_types_say() {
    for (name, text) in api::crds_yaml().unwrap() {
        assert!(
            read(&format!("crds/{name}")) == text,
            "crds/{name} has drifted from src/api; run make generate"
        );
        let chart = read(&format!(
            "charts/database-migration-operator/files/crds/{name}"
        ));
        assert!(
            chart == text,
            "the chart's {name} has drifted from crds/; run make generate"
        );
    }
}

#[test]
fn the_api_reference_is_what_the_crds_say() {
    assert!(
        read("docs/api.md") == api::reference(),
        "docs/api.md has drifted from src/api; run make generate"
    );
}

/// `kubectl explain dbm` and `kubectl explain dbma` say what the kind is for.
#[test]
fn each_kind_is_described() {
    use kube::CustomResourceExt;
    for crd in [api::DatabaseMigration::crd(), api::MigrationAction::crd()] {
        let kind = &crd.spec.names.kind;
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().unwrap();
            let schema = schema.open_api_v3_schema.as_ref().unwrap();
            let text = schema.description.as_deref().unwrap_or_default();
            assert!(text.starts_with(&format!("{kind} ")), "{kind}: {text}");
            assert!(
                !text.contains("Auto-generated") && text.len() > 200,
                "{kind}: {text}"
            );
            let fields = schema.properties.as_ref().unwrap();
            for part in ["spec", "status"] {
                let text = fields[part].description.as_deref().unwrap_or_default();
                assert!(text.len() > 20, "{kind}.{part}: {text}");
            }
        }
    }
}

/// kubectl apply keeps the whole object in an annotation, which holds at most 262,144 bytes.
#[test]
fn each_crd_fits_into_an_annotation() {
    use kube::CustomResourceExt;
    for crd in [api::DatabaseMigration::crd(), api::MigrationAction::crd()] {
        let json = serde_json::to_string(&crd).unwrap();
        assert!(json.len() < 262_144, "{} bytes", json.len());
    }
}

/// Every field says what it is for: `kubectl explain` is the manual at hand.
#[test]
fn every_field_of_the_crds_has_a_description() {
    use kube::CustomResourceExt;
    let mut bare = Vec::new();
    for crd in [api::DatabaseMigration::crd(), api::MigrationAction::crd()] {
        let crd = serde_json::to_value(crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            undescribed(part, &schema[part], &mut bare);
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:?}");
}

fn undescribed(path: &str, schema: &serde_json::Value, bare: &mut Vec<String>) {
    let fields = schema["properties"].as_object().into_iter().flatten();
    for (name, field) in fields {
        let path = format!("{path}.{name}");
        if field["description"].as_str().is_none_or(str::is_empty) {
            bare.push(path.clone());
        }
        undescribed(&path, field, bare);
        undescribed(&format!("{path}[]"), &field["items"], bare);
    }
}

/// A default that says nothing would stand in every object, and in every `kubectl describe`.
#[test]
fn no_default_says_nothing() {
    use kube::CustomResourceExt;
    let mut empty = Vec::new();
    for crd in [api::DatabaseMigration::crd(), api::MigrationAction::crd()] {
        let crd = serde_json::to_value(crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        empty_defaults("", schema, &mut empty);
    }
    assert!(empty.is_empty(), "defaults of nothing: {empty:?}");
}

fn empty_defaults(path: &str, schema: &serde_json::Value, found: &mut Vec<String>) {
    if let Some(default) = schema.get("default") {
        says_nothing(path, default, found);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        empty_defaults(&format!("{path}.{name}"), field, found);
    }
    if schema["items"].is_object() {
        empty_defaults(&format!("{path}[]"), &schema["items"], found);
    }
}

/// The places in a value that hold an empty text, list or map, or null.
fn says_nothing(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    use serde_json::Value;
    let empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    if empty {
        found.push(path.to_owned());
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        says_nothing(&format!("{path}.{name}"), field, found);
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        says_nothing(&format!("{path}[{at}]"), item, found);
    }
}

/// The least that can be written stays the least: nothing is added to it that says nothing.
#[test]
fn the_least_manifest_gets_no_empty_fields() {
    let spec = serde_json::json!({
        "image": "shop:1",
        "databases": [{"name": "identity", "connection": {"secretKeyRef": {"name": "identity-db"}}}],
        "validation": {"smokeTests": [{"name": "a", "command": ["true"]}]},
    });
    let spec: api::DatabaseMigrationSpec = serde_json::from_value(spec).unwrap();
    let mut empty = Vec::new();
    says_nothing("spec", &serde_json::to_value(spec).unwrap(), &mut empty);
    assert!(empty.is_empty(), "{empty:?}");
}
