//! What a resource says about its Jobs reaches the pod.
#![allow(clippy::unwrap_used)]

use database_migration_operator::api::{DatabaseMigrationSpec, StepKind};
use database_migration_operator::build::{Settings, job};
use database_migration_operator::decide::{JobPlan, Resource};
use serde_json::{Value, json};

fn pod(more: Value) -> Value {
    let mut spec = json!({"image": "shop:1", "databases": [{
        "name": "identity", "connection": {
            "secretKeyRef": {"name": "identity-db"},
            "caFrom": {"configMapKeyRef": {"name": "pg-ca"}}}}]});
    spec["job"] = more;
    let spec: DatabaseMigrationSpec = serde_json::from_value(spec).unwrap();
    let resource = Resource {
        name: "shop".into(),
        namespace: "shop".into(),
        uid: "u".into(),
        generation: 1,
        deleting: false,
        namespace_deleting: false,
        finalizer: true,
        retry: None,
        suspended: false,
        frozen: false,
        spec,
        status: Default::default(),
    };
    let plan = JobPlan {
        name: "shop-identity-1".into(),
        step: StepKind::Migrate,
        database: "identity".into(),
        run: "r1-u".into(),
        expect: "h".into(),
        not_after: None,
        connection_check: true,
        ..JobPlan::default()
    };
    let settings = Settings {
        agent_image: "operator:1".into(),
        agent_image_pull_policy: "IfNotPresent".into(),
    };
    let job = serde_json::to_value(job(&resource, &plan, &settings)).unwrap();
    assert!(job["metadata"].get("ownerReferences").is_none());
    job["spec"]["template"]["spec"].clone()
}

#[test]
fn the_agent_comes_first_and_the_users_container_is_restricted() {
    let pod = pod(json!({"envFrom": [{"secretRef": {"name": "group"}}], "runAsUser": 1000}));
    assert_eq!(pod["containers"][0]["image"], "operator:1");
    let main = &pod["containers"][1];
    assert_eq!(main["name"], "migrate");
    assert_eq!(main["envFrom"][0]["secretRef"]["name"], "group");
    assert_eq!(main["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(main["securityContext"]["runAsUser"], 1000);
    assert_eq!(
        main["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "identity-db"
    );
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert!(main["args"].to_string().contains("/dbm-ca/ca.crt"));
    let volumes = pod["volumes"].to_string();
    assert!(
        volumes.contains(r#""path":"ca.crt""#) && volumes.contains("pg-ca"),
        "{volumes}"
    );
}

#[test]
fn writable_paths_are_filled_before_the_users_container_starts() {
    let pod = pod(json!({"writablePaths": ["/app/engines"]}));
    assert_eq!(pod["initContainers"][0]["command"][1], "place");
    let seed = &pod["initContainers"][1];
    assert_eq!(seed["image"], "shop:1");
    assert_eq!(seed["args"], json!(["seed", "/app/engines", "/dbm-seed/0"]));
    assert!(seed.get("env").is_none(), "it needs no credential");
    let mounts = pod["containers"][0]["volumeMounts"].to_string();
    assert!(mounts.contains("/app/engines"), "{mounts}");
}

#[test]
fn an_agent_of_the_images_own_needs_no_other_image() {
    let pod = pod(json!({"agentPath": "/opt/dbm-agent"}));
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    assert_eq!(pod["containers"][0]["command"], json!(["/opt/dbm-agent"]));
    assert!(!pod.to_string().contains("operator:1"));
}
