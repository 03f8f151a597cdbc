//! What stands in `examples/`: taken by the CRDs' schemas and by our own types, complete, and about things that there are. What only
//! an API server can say, the rules in CEL, is asked of one in `tests/cluster`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use database_migration_operator::api::{
    ActionKind, DatabaseMigration, MigrationAction, MigrationActionSpec,
};
use database_migration_operator::cli::args::verb;
use database_migration_operator::cli::request::{self, Wish};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::status;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn manifests(folder: &Path) -> Vec<(PathBuf, Value)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|end| end == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let object: Value = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path, object));
        }
    }
    found
}

/// What of a value a CRD's schema does not take.
fn refused(path: &str, value: &Value, schema: &Value, found: &mut Vec<String>) {
    let number = |key: &str| {
        schema[key]
            .as_u64()
            .map(|number| usize::try_from(number).unwrap())
    };
    let mut bounded = |size: usize, least: &str, most: &str| {
        if number(least).is_some_and(|least| size < least)
            || number(most).is_some_and(|most| size > most)
        {
            found.push(format!("{path}: {size} is out of bounds"));
        }
    };
    let kind = schema["type"].as_str().unwrap_or_default();
    match (kind, value) {
        ("string", Value::String(text)) => bounded(text.chars().count(), "minLength", "maxLength"),
        ("array", Value::Array(items)) => {
            bounded(items.len(), "minItems", "maxItems");
            for (at, item) in items.iter().enumerate() {
                refused(&format!("{path}[{at}]"), item, &schema["items"], found);
            }
        }
        ("object", Value::Object(fields)) => {
            for (name, field) in fields {
                let known = &schema["properties"][name];
                if known.is_object() {
                    refused(&format!("{path}.{name}"), field, known, found);
                } else if !schema["additionalProperties"].is_object() {
                    found.push(format!("{path}.{name}: unknown"));
                }
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                if !fields.contains_key(name.as_str().unwrap()) {
                    found.push(format!("{path}.{name}: missing"));
                }
            }
        }
        ("integer", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
        _ => found.push(format!("{path}: {value} is no {kind}")),
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|values| !values.contains(value))
    {
        found.push(format!("{path}: {value} is none of {}", schema["enum"]));
    }
}

fn refused_spec(object: &Value) -> Vec<String> {
    let crd = match object["kind"].as_str() {
        Some("DatabaseMigration") => DatabaseMigration::crd(),
        Some("MigrationAction") => MigrationAction::crd(),
        kind => panic!("{kind:?}"),
    };
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = Vec::new();
    refused("spec", &object["spec"], schema, &mut found);
    found
}

#[test]
fn every_example_fits_the_schema_of_its_kind() {
    let mut all = manifests(&root());
    all.extend(manifests(&root().join("actions")));
    assert!(all.len() >= 10, "{all:?}");
    for (path, object) in &all {
        assert_eq!(object["apiVersion"], "dbops.dev/v1alpha1", "{path:?}");
        let found = refused_spec(object);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
    let wrong =
        json!({"kind": "MigrationAction", "spec": {"migration": "", "action": "Undo", "more": 1}});
    let found = refused_spec(&wrong).join(", ");
    for part in [
        "spec.migration: 0 is out",
        "\"Undo\" is none of",
        "spec.more: unknown",
        "\"run\": missing",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

fn actions() -> Vec<(String, MigrationAction)> {
    let mut found: Vec<_> = manifests(&root().join("actions"))
        .into_iter()
        .map(|(path, object)| {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let action = serde_json::from_value(object);
            let action = action.unwrap_or_else(|error| panic!("{stem}: {error}"));
            (stem, action)
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// Each is named by the command that would make it, and so is the object.
#[test]
fn there_is_a_manifest_for_every_action() {
    let crd = serde_json::to_value(MigrationAction::crd()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let kinds: Vec<ActionKind> =
        serde_json::from_value(spec["properties"]["action"]["enum"].clone()).unwrap();
    let wanted: BTreeSet<String> = kinds.iter().map(|kind| verb(*kind).to_owned()).collect();
    let there: BTreeSet<String> = actions().into_iter().map(|(stem, _)| stem).collect();
    assert_eq!(wanted, there);
    for (stem, action) in actions() {
        assert_eq!(stem, verb(action.spec.action));
        assert_eq!(action.metadata.name, Some(format!("shop-{stem}")));
    }
}

/// The fields that are set, by which the CRD's rules tell the actions apart.
fn set(spec: &MigrationActionSpec) -> BTreeSet<String> {
    let value = serde_json::to_value(spec).unwrap();
    let fields = value.as_object().unwrap().iter();
    fields
        .filter(|(_, value)| !value.is_null() && **value != json!("") && **value != json!(false))
        .map(|(name, _)| name.clone())
        .collect()
}

#[test]
fn each_has_what_the_plug_in_would_say_and_no_more() {
    let mut resource = status("failed");
    let databases = &mut resource.status.as_mut().unwrap().databases;
    assert!(databases[0].failed.is_some() && databases[0].restore_point.is_some());
    for (stem, action) in actions() {
        let wish = Wish {
            kind: action.spec.action,
            database: Some("identity".to_owned()).filter(|_| !action.spec.database.is_empty()),
            migration: (action.spec.action == ActionKind::Baseline).then(|| "0_init".to_owned()),
            reason: Some("see INC-123".to_owned()),
            ..Wish::default()
        };
        let made = request::spec(&resource, &wish, "alice@example.com").unwrap();
        assert_eq!(set(&made), set(&action.spec), "{stem}");
    }
}

/// The names in them are those of the example: its resource, its databases, its migrations.
#[test]
fn what_they_name_is_in_the_example() {
    let (_, shop) = manifests(&root())
        .into_iter()
        .find(|(path, _)| path.ends_with("shop.yaml"))
        .unwrap();
    let shop: DatabaseMigration = serde_json::from_value(shop).unwrap();
    for (stem, action) in actions() {
        assert_eq!(
            Some(&action.spec.migration),
            shop.metadata.name.as_ref(),
            "{stem}"
        );
        assert_eq!(action.metadata.namespace, shop.metadata.namespace, "{stem}");
        if action.spec.database.is_empty() {
            continue;
        }
        let named = |database: &&_| -> bool {
            let database: &database_migration_operator::api::DatabaseSpec = database;
            database.name == action.spec.database
        };
        let database = shop.spec.databases.iter().find(named);
        let schema = &database.unwrap_or_else(|| panic!("{stem}")).prisma.schema;
        let migrations = Path::new(schema).with_file_name("migrations");
        let releases = std::fs::read_dir(root().join("shop/releases")).unwrap();
        let mut folders: Vec<PathBuf> = releases.map(|entry| entry.unwrap().path()).collect();
        folders.push(root().join("shop"));
        let name = &action.spec.migration_name;
        let mut found = folders
            .iter()
            .map(|folder| folder.join(&migrations).join(name));
        assert!(found.any(|path| path.is_dir()), "{stem}: {name}");
    }
}
