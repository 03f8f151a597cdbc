//! `specHash`: the digest of what makes a run. Fields equal to their default are left out, so that a release of the
//! operator that adds fields changes no hash. A golden test holds it.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    DatabaseMigrationSpec, DatabaseSpec, JobSpec, PreflightSpec, RollbackSpec, SmokeTestSpec,
    TimeoutsSpec, ValidationSpec, defaults,
};

/// The digest of the run-relevant part of a spec: image, databases, job, timeouts, preflight,
/// validation, rollback.
pub fn spec_hash(spec: &DatabaseMigrationSpec) -> String {
    digest(canonical(spec).to_string().as_bytes())
}

/// sha256 in lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The run-relevant part without defaults, keys sorted.
fn canonical(spec: &DatabaseMigrationSpec) -> Value {
    let database_default = value(&DatabaseSpec {
        env_var: super::defaults::database_url(),
        ..DatabaseSpec::default()
    });
    let databases: Vec<Value> = spec
        .databases
        .iter()
        .map(|database| {
            let mut kept = strip(value(database), &database_default);
            // The default key of a Secret is inside an object that has no default of its own.
            let key = &mut kept["connection"]["secretKeyRef"];
            if key["key"] == super::defaults::database_url()
                && let Some(selector) = key.as_object_mut()
            {
                selector.remove("key");
            }
            kept
        })
        .collect();
    let mut parts = Map::new();
    parts.insert("image".into(), json!(spec.image));
    parts.insert("databases".into(), Value::Array(databases));
    // Its smoke tests stand in a list, which has no default of its own.
    let test_default = value(&SmokeTestSpec {
        name: String::new(),
        command: Vec::new(),
        image: String::new(),
        after: String::new(),
        timeout: defaults::five_minutes(),
        attempts: defaults::one(),
    });
    let mut validation = value(&spec.validation);
    validation["smokeTests"] = spec
        .validation
        .smoke_tests
        .iter()
        .map(|test| strip(value(test), &test_default))
        .collect();
    let mut rollback = value(&spec.rollback);
    if rollback["restore"]["timeout"] == value(&defaults::two_hours())
        && let Some(restore) = rollback["restore"].as_object_mut()
    {
        restore.remove("timeout");
    }
    for (name, part, default) in [
        ("job", value(&spec.job), value(&JobSpec::default())),
        (
            "timeouts",
            value(&spec.timeouts),
            value(&TimeoutsSpec::default()),
        ),
        (
            "preflight",
            value(&spec.preflight),
            value(&PreflightSpec::default()),
        ),
        ("validation", validation, value(&ValidationSpec::default())),
        ("rollback", rollback, value(&RollbackSpec::default())),
    ] {
        let kept = strip(part, &default);
        if !is_unset(&kept) {
            parts.insert(name.into(), kept);
        }
    }
    Value::Object(parts)
}

/// These types have no map with keys that are not text and no fallible serializer, the only causes of an error.
fn value<T: serde::Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

/// `value` without what is unset or equal to its place in `default`.
fn strip(value: Value, default: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(key, field)| default.get(key) != Some(field))
                .map(|(key, field)| {
                    let stripped = strip(field, default.get(&key).unwrap_or(&Value::Null));
                    (key, stripped)
                })
                .filter(|(_, field)| !is_unset(field))
                .collect(),
        ),
        other => other,
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(text: Value) -> DatabaseMigrationSpec {
        serde_json::from_value(text).unwrap()
    }

    fn minimal() -> Value {
        json!({"image": "shop:1", "databases": [
            {"name": "identity", "connection": {"secretKeyRef": {"name": "identity-db"}}}]})
    }

    #[test]
    fn a_minimal_spec_keeps_its_hash_in_every_release() {
        assert_eq!(
            canonical(&spec(minimal())).to_string(),
            r#"{"databases":[{"connection":{"secretKeyRef":{"name":"identity-db"}},"name":"identity"}],"image":"shop:1"}"#
        );
        assert_eq!(
            spec_hash(&spec(minimal())),
            "b1eadcf522c9fdff773892434e5d9b93fae94363bcd8d7eb4ad05e92ecbfffa5"
        );
    }

    #[test]
    fn defaults_written_out_change_nothing() {
        let mut full = minimal();
        full["timeouts"] = json!({"lock": "5s", "observe": "10s"});
        full["job"] = json!({"env": [], "workingDir": ""});
        full["databases"][0]["envVar"] = json!("DATABASE_URL");
        full["databases"][0]["prisma"] = json!({"schema": "prisma/schema.prisma"});
        full["databases"][0]["connection"]["secretKeyRef"]["key"] = json!("DATABASE_URL");
        full["preflight"] =
            json!({"history": {"unknown": "Deny"}, "backup": {"restorePoint": "BestEffort"}});
        full["validation"] = json!({"smokeTests": [], "watch": "0s", "logs": {"policy": "Warn"}});
        full["rollback"] = json!({"onMigrationFailure": "Halt", "onValidationFailure": "Halt"});
        assert_eq!(spec_hash(&spec(full)), spec_hash(&spec(minimal())));
    }

    #[test]
    fn what_makes_no_run_is_not_in_it() {
        let mut other = minimal();
        other["suspend"] = json!(true);
        other["interval"] = json!("5m");
        other["historyLimit"] = json!(3);
        other["parallelism"] = json!(2);
        other["imagePullPolicy"] = json!("Always");
        assert_eq!(spec_hash(&spec(other)), spec_hash(&spec(minimal())));
    }

    #[rstest::rstest]
    #[case(json!({"image": "shop:2"}))]
    #[case(json!({"timeouts": {"lock": "6s"}}))]
    #[case(json!({"job": {"env": [{"name": "A", "value": "1"}]}}))]
    #[case(json!({"preflight": {"history": {"edited": "Deny"}}}))]
    #[case(json!({"preflight": {"backup": {"restorePoint": "Required"}}}))]
    #[case(json!({"validation": {"smokeTests": [{"name": "login", "command": ["node", "login.mjs"]}]}}))]
    #[case(json!({"validation": {"watch": "1m"}}))]
    #[case(json!({"rollback": {"onMigrationFailure": "RevertIfClean"}}))]
    #[case(json!({"rollback": {"restore": {"image": "restore:1", "command": ["restore"]}}}))]
    #[case(json!({"databases": [{"name": "identity", "connection": {"secretKeyRef": {"name": "other"}}}]}))]
    fn what_makes_a_run_is_in_it(#[case] change: Value) {
        let mut other = minimal();
        for (key, field) in change.as_object().unwrap() {
            other[key] = field.clone();
        }
        assert_ne!(spec_hash(&spec(other)), spec_hash(&spec(minimal())));
    }
}
