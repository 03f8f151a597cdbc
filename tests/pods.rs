//! What a resource says about its Jobs reaches the pod.
#![allow(clippy::unwrap_used)]

use database_migration_operator::api::{DatabaseMigrationSpec, Resolution, StepKind};
use database_migration_operator::build::{Settings, job};
use database_migration_operator::decide::{DownPlan, JobPlan, Resource, RestorePlan};
use serde_json::{Value, json};

/// A resource of two databases, with these parts of its spec changed.
fn resource(changes: Value) -> Resource {
    let mut spec = json!({"image": "shop:1", "databases": [
        {
            "name": "identity",
            "envVar": "DIRECT_URL",
            "env": [{"name": "POOLED_URL", "value": "pooled"}],
            "connection": {
                "secretKeyRef": {"name": "identity-db"},
                "caFrom": {"configMapKeyRef": {"name": "pg-ca"}}},
            "prisma": {"schema": "packages/db/schema.prisma", "migrate": ["pnpm", "migrate"]},
        },
        {"name": "tasks-db", "connection": {"secretKeyRef": {"name": "tasks", "key": "url"}}},
    ]});
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let spec: DatabaseMigrationSpec = serde_json::from_value(spec).unwrap();
    Resource {
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
    }
}

fn plan(step: StepKind, database: &str) -> JobPlan {
    JobPlan {
        name: "shop-1".into(),
        step,
        database: database.into(),
        run: "r1-u".into(),
        expect: "h".into(),
        connection_check: true,
        ..JobPlan::default()
    }
}

/// The Job as the API server gets it. Whatever the step, it meets the Pod Security level restricted.
fn made(resource: &Resource, plan: &JobPlan) -> Value {
    made_with(resource, plan, &[])
}

/// The same, where `job.envFrom` takes these variables from Secrets.
fn made_with(resource: &Resource, plan: &JobPlan, from_secrets: &[&str]) -> Value {
    let settings = Settings {
        agent_image: "operator:1".into(),
        agent_image_pull_policy: "IfNotPresent".into(),
    };
    let from_secrets: Vec<String> = from_secrets.iter().map(|&name| name.to_owned()).collect();
    let job = serde_json::to_value(job(resource, plan, &settings, &from_secrets)).unwrap();
    assert!(job["metadata"].get("ownerReferences").is_none());
    assert_eq!(
        job["metadata"]["labels"]["dbops.dev/step"],
        plan.step.as_str()
    );
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let init = pod["initContainers"].as_array().into_iter().flatten();
    for container in pod["containers"].as_array().unwrap().iter().chain(init) {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
    }
    job
}

fn pod_of(job: &Value) -> Value {
    job["spec"]["template"]["spec"].clone()
}

fn main_of(job: &Value) -> Value {
    let pod = pod_of(job);
    let containers = pod["containers"].as_array().unwrap();
    let main = containers.iter().find(|one| one["name"] == "migrate");
    main.unwrap().clone()
}

/// The agent's words: its options, the request, and the user's command.
fn words(job: &Value) -> (Vec<String>, Value, Vec<String>) {
    let words: Vec<String> = serde_json::from_value(main_of(job)["args"].clone()).unwrap();
    let at = words.iter().position(|word| word.starts_with('{')).unwrap();
    let request = serde_json::from_str(&words[at]).unwrap();
    let command = words[at + 1..].to_vec();
    if let Some(first) = command.first() {
        assert_eq!(first, "--");
    }
    (
        words[..at].to_vec(),
        request,
        command.into_iter().skip(1).collect(),
    )
}

/// Names of variables, each with its value or the key of a Secret that it comes from, in order.
fn variables(job: &Value) -> Vec<(String, String)> {
    let main = main_of(job);
    let found: Vec<(String, String)> = main["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| {
            let secret = &variable["valueFrom"]["secretKeyRef"];
            let value = match variable["value"].as_str() {
                Some(value) => value.to_owned(),
                None => format!(
                    "{}/{}",
                    secret["name"].as_str().unwrap(),
                    secret["key"].as_str().unwrap()
                ),
            };
            (variable["name"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    let mut names: Vec<&String> = found.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), found.len(), "{found:?}");
    found
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn pod(more: Value) -> Value {
    pod_of(&made(
        &resource(json!({"job": more})),
        &plan(StepKind::Migrate, "identity"),
    ))
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
        main["env"][1]["valueFrom"]["secretKeyRef"]["name"],
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

/// A quota on limits wants them of every container; the words of ours, when it fails, stand where they can be read.
#[test]
fn the_agents_container_has_the_limits_that_the_users_has() {
    let agent = |job: Value| pod(job)["containers"][0].clone();
    let free = agent(json!({}));
    assert!(free["resources"].get("limits").is_none());
    assert_eq!(free["terminationMessagePolicy"], "FallbackToLogsOnError");
    let limits = json!({"resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}}});
    assert_eq!(
        agent(limits.clone())["resources"]["limits"],
        json!({"memory": "64Mi"})
    );
    // Of the user's own, whose log may say anything, never.
    assert!(
        pod(limits)["containers"][1]
            .get("terminationMessagePolicy")
            .is_none()
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

#[test]
fn a_migration_is_told_what_to_look_for_in_its_output() {
    let logs = |policy: &str| {
        let changes =
            json!({"validation": {"logs": {"policy": policy, "patterns": ["(?i)deprecated"]}}});
        let job = made(&resource(changes), &plan(StepKind::Migrate, "identity"));
        let (options, request, command) = words(&job);
        assert_eq!(options, ["exec", "--expect", "h"]);
        assert_eq!(command, ["pnpm", "migrate"]);
        assert_eq!(request["timeoutSeconds"], 0);
        request["logPatterns"].clone()
    };
    assert_eq!(logs("Warn"), json!(["(?i)deprecated"]));
    assert_eq!(logs("Deny"), json!(["(?i)deprecated"]));
    assert_eq!(logs("Ignore"), json!([]));
}

#[test]
fn a_resolve_step_settles_each_migration_and_nothing_else() {
    let mut plan = plan(StepKind::Resolve, "identity");
    plan.migrations = vec!["0_init".into(), "1 a".into()];
    plan.resolution = Some(Resolution::Applied);
    let job = made(&resource(json!({})), &plan);
    let (options, request, command) = words(&job);
    assert_eq!(options, ["exec", "--expect", "h"]);
    assert_eq!(
        request["prismaCalls"],
        json!([
            ["migrate", "resolve", "--applied=0_init"],
            ["migrate", "resolve", "--applied=1 a"]
        ])
    );
    assert_eq!(request["project"]["schema"], "packages/db/schema.prisma");
    assert_eq!(request["envVar"], "DIRECT_URL");
    assert_eq!(request["logPatterns"], json!([]));
    assert_eq!(request["script"], Value::Null);
    // The command that migrates is not for this.
    assert!(command.is_empty());
    assert_eq!(pod_of(&job)["terminationGracePeriodSeconds"], 3600);
    assert_eq!(job["metadata"]["labels"]["dbops.dev/database"], "identity");

    // No call at all would be a deploy.
    plan.migrations.clear();
    let (_, request, _) = words(&made(&resource(json!({})), &plan));
    assert_eq!(request["prismaCalls"], json!([["migrate", "resolve"]]));
}

#[test]
fn a_down_step_runs_the_script_in_its_transaction() {
    let mut plan = plan(StepKind::Down, "identity");
    plan.migrations = vec!["1 a".into()];
    plan.down = Some(DownPlan {
        transaction: true,
        ledger_row: "row-1".into(),
        schema: "app".into(),
    });
    let resource = resource(json!({"job": {"terminationGracePeriod": "10m"}}));
    let job = made(&resource, &plan);
    let (options, request, command) = words(&job);
    assert_eq!(options, ["exec", "--expect", "h"]);
    assert!(command.is_empty());
    assert_eq!(request["script"]["migration"], "1 a");
    assert!(
        request["script"]["before"]
            .as_str()
            .unwrap()
            .starts_with("BEGIN;")
    );
    let after = request["script"]["after"].as_str().unwrap();
    assert!(
        after.contains(r#""app"."_prisma_migrations""#) && after.contains("'row-1'"),
        "{after}"
    );
    assert_eq!(request["lockTimeoutMs"], 5000);
    assert_eq!(request["applicationName"], "dbm/r1-u/identity");
    let pod = pod_of(&job);
    assert_eq!(pod["terminationGracePeriodSeconds"], 600);
    assert!(pod["volumes"].to_string().contains("pg-ca"));

    // It runs a statement CONCURRENTLY, which waits for as long as it takes.
    plan.unlimited_locks = true;
    let (_, request, _) = words(&made(&resource, &plan));
    assert_eq!(request["lockTimeoutMs"], 0);
    plan.down = Some(DownPlan::default());
    let (_, request, _) = words(&made(&resource, &plan));
    assert_eq!(
        request["script"],
        json!({"migration": "1 a", "before": "", "after": ""})
    );
}

fn with_tests() -> Resource {
    resource(json!({
        "job": {
            "env": [{"name": "MODE", "value": "smoke"}, {"name": "TASKS_DB_DATABASE_URL", "value": "overruled"}],
            "envFrom": [{"secretRef": {"name": "group"}}],
            "writablePaths": ["/app/engines"],
            "workingDir": "/app",
            "agentPath": "/opt/dbm-agent",
            "runAsUser": 1000,
        },
        "validation": {"smokeTests": [
            {"name": "login", "command": ["node", "login.mjs"], "timeout": "90s"},
            {"name": "tasks", "command": ["/probe"], "image": "probe:2", "after": "identity"},
        ]},
    }))
}

fn smoke_test(name: &str, database: &str) -> Value {
    let mut plan = plan(StepKind::SmokeTest, database);
    plan.test = name.into();
    made(&with_tests(), &plan)
}

#[test]
fn a_smoke_test_runs_in_the_image_with_every_url() {
    let job = smoke_test("login", "");
    let (options, request, command) = words(&job);
    // Without a project there is no inventory to compare.
    assert_eq!(options, ["exec"]);
    assert_eq!(command, ["node", "login.mjs"]);
    assert_eq!(
        (&request["envVar"], &request["project"]["schema"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(request["timeoutSeconds"], 90);
    assert_eq!(
        variables(&job),
        pairs(&[
            ("MODE", "smoke"),
            ("IDENTITY_DATABASE_URL", "identity-db/DATABASE_URL"),
            ("TASKS_DB_DATABASE_URL", "tasks/url"),
        ])
    );
    let main = main_of(&job);
    assert_eq!(main["image"], "shop:1");
    assert_eq!(main["command"], json!(["/opt/dbm-agent"]));
    assert_eq!(main["workingDir"], "/app");
    assert_eq!(main["envFrom"][0]["secretRef"]["name"], "group");
    let pod = pod_of(&job);
    assert_eq!(pod["initContainers"][0]["name"], "seed");
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    assert!(!pod["volumes"].to_string().contains("pg-ca"));
    for of in [&job["metadata"], &job["spec"]["template"]["metadata"]] {
        assert_eq!(of["labels"]["dbops.dev/test"], "login");
        assert!(of["labels"].get("dbops.dev/database").is_none());
    }
}

#[test]
fn a_smoke_test_after_a_database_has_its_environment_too() {
    for job in [smoke_test("tasks", ""), smoke_test("tasks", "identity")] {
        assert_eq!(
            variables(&job),
            pairs(&[
                ("MODE", "smoke"),
                ("POOLED_URL", "pooled"),
                ("IDENTITY_DATABASE_URL", "identity-db/DATABASE_URL"),
                ("TASKS_DB_DATABASE_URL", "tasks/url"),
                ("DIRECT_URL", "identity-db/DATABASE_URL"),
            ])
        );
        assert_eq!(job["metadata"]["labels"]["dbops.dev/database"], "identity");
        let (_, request, command) = words(&job);
        assert_eq!(
            (request["timeoutSeconds"].as_u64(), command),
            (Some(300), vec!["/probe".into()])
        );
        assert_eq!(request["caFile"], "");
        // Another image has neither the paths nor the agent of the first one.
        let (main, pod) = (main_of(&job), pod_of(&job));
        assert_eq!(main["image"], "probe:2");
        assert_eq!(main["command"], json!(["/dbm/dbm-agent"]));
        assert!(main.get("workingDir").is_none());
        assert_eq!(main["securityContext"]["runAsUser"], 1000);
        assert!(pod.get("initContainers").is_none());
        assert_eq!(pod["containers"][0]["image"], "operator:1");
        assert!(!pod["volumes"].to_string().contains("writable"));
    }
}

#[test]
fn a_smoke_test_that_is_gone_runs_nothing() {
    let (_, request, command) = words(&smoke_test("other", ""));
    assert!(command.is_empty());
    assert_eq!(request["project"]["schema"], "");
}

#[test]
fn a_restore_is_told_where_to_go_back_to() {
    let mut plan = plan(StepKind::Restore, "tasks-db");
    plan.restore = Some(RestorePlan {
        database: "tasks-db".into(),
        point: "dbm-r1".into(),
        lsn: "0/16B3748".into(),
        time: String::new(),
    });
    let resource = resource(json!({
        "job": {"writablePaths": ["/app/engines"], "terminationGracePeriod": "2h"},
        "rollback": {"restore": {"image": "restore:3", "command": ["/restore", "--now"], "timeout": "3h"}},
    }));
    let from = |key: &str| json!({"secretKeyRef": {"name": "backup", "key": key}});
    let mut with_backup = resource.clone();
    with_backup.spec.job.env = serde_json::from_value(json!([
        {"name": "PGBACKREST_REPO1", "valueFrom": from("repo")},
        {"name": "BACKUP_USER", "valueFrom": from("user")},
        {"name": "MODE", "value": "fast"},
    ]))
    .unwrap();
    let env_from = ["AZURE_STORAGE_KEY"];
    let (_, request, _) = words(&made_with(&with_backup, &plan, &env_from));
    let secret = [
        "PGBACKREST_REPO1",
        "BACKUP_USER",
        "IDENTITY_DATABASE_URL",
        "TASKS_DB_DATABASE_URL",
        "AZURE_STORAGE_KEY",
    ];
    assert_eq!(request["secretVariables"], json!(secret));
    let job = made(&resource, &plan);
    assert_eq!(
        variables(&job),
        pairs(&[
            ("IDENTITY_DATABASE_URL", "identity-db/DATABASE_URL"),
            ("TASKS_DB_DATABASE_URL", "tasks/url"),
            ("DBM_RESTORE_DATABASE", "tasks-db"),
            ("DBM_RESTORE_POINT", "dbm-r1"),
            ("DBM_RESTORE_LSN", "0/16B3748"),
            ("DBM_RESTORE_TIME", ""),
        ])
    );
    let (options, request, command) = words(&job);
    assert_eq!(options, ["exec"]);
    assert_eq!(command, ["/restore", "--now"]);
    assert_eq!(request["timeoutSeconds"], 10_800);
    assert_eq!(main_of(&job)["image"], "restore:3");
    assert_eq!(job["metadata"]["labels"]["dbops.dev/database"], "tasks-db");
    let pod = pod_of(&job);
    assert_eq!(pod["terminationGracePeriodSeconds"], 7200);
    assert!(!pod["volumes"].to_string().contains("writable"));
}

#[test]
fn reading_an_image_needs_no_credential() {
    let job = made(&with_tests(), &plan(StepKind::Inventory, ""));
    let main = main_of(&job);
    assert_eq!((&main["env"], main.get("envFrom")), (&json!([]), None));
    assert_eq!(main["args"][0], "inventory");
    assert_eq!(pod_of(&job)["terminationGracePeriodSeconds"], 5);
}
