//! What is taken away under a running migration: its Job, its node, its namespace.

use std::process::{Child, Command, Stdio};

use database_migration_operator::api::{DatabaseMigration, reasons};
use database_migration_operator::build::CONTAINER;
use futures::future::join_all;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::runtime::conditions::is_deleted;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::harness::*;

/// The slow migration on a database of that name.
fn slow_on(db: &Db) -> Value {
    let mut object = slow(db.secret.trim_end_matches("-db"));
    object["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] = db.secret.clone().into();
    object
}

/// It came to its end, once, and nothing was begun beside it.
async fn migrated_once(stage: &Stage, name: &str, db: &Db) -> DatabaseMigration {
    let ready = stage.until_ready(name).await;
    assert_eq!(db.applied().await.len(), 8);
    assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
    assert_eq!(stage.jobs_of(name, "migrate").len(), 1, "{name}");
    assert_eq!(status(&ready).history[0].applied, 8);
    ready
}

/// Row 12: whoever deletes the Job deletes no migration: its pod holds SIGTERM, the statement ends, the ledger decides.
#[tokio::test]
async fn a_job_that_is_deleted_mid_run_is_not_made_again_and_the_database_decides() {
    Stage::with(async |stage| {
        let background = stage.database(Server::Identity, "background").await;
        let foreground = stage.database(Server::Identity, "foreground").await;
        let orphan = stage.database(Server::Tasks, "orphan").await;
        let ways = [
            ("background", &background, PropagationPolicy::Background),
            ("foreground", &foreground, PropagationPolicy::Foreground),
            ("orphan", &orphan, PropagationPolicy::Orphan),
        ];
        for (_, db, _) in &ways {
            stage.apply(&slow_on(db)).await;
        }
        // Each as soon as it is there: the slow migration takes eight seconds, and another one may begin later.
        join_all(ways.iter().map(async |(name, _, policy)| {
            until_slow(stage, name).await;
            let job = stage.jobs_of(name, "migrate").pop().unwrap();
            let parameters = DeleteParams {
                propagation_policy: Some(policy.clone()),
                ..DeleteParams::default()
            };
            stage
                .api::<Job>()
                .delete(&job.name_any(), &parameters)
                .await
                .unwrap();
        }))
        .await;
        for (name, db, _) in &ways {
            migrated_once(stage, name, db).await;
            let end = stage.migrations_of(name).await.pop().unwrap();
            assert_eq!(end.exit_code, 0, "{name}: the statement ended first");
        }
    })
    .await;
}

/// Row 12 again, and nothing of it lives: the row is open, and a human decides.
#[tokio::test]
async fn a_job_that_is_deleted_with_its_processes_pauses() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        let pod = stage.migrating_pod("slow").await;
        let job = stage.jobs_of("slow", "migrate").pop().unwrap();
        stage
            .api::<Job>()
            .delete(&job.name_any(), &DeleteParams::background())
            .await
            .unwrap();
        host::kill(&pod, CONTAINER);
        let failed = stage.until_failed("slow").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_UNFINISHED);
        assert_eq!(
            stage.jobs_of("slow", "migrate").len(),
            1,
            "it is not made again"
        );
        assert!(!db.ledger().await.last().unwrap().finished);
        assert!(
            status(&failed).choices.len() > 1,
            "{:?}",
            status(&failed).choices
        );
    })
    .await;
}

/// Rows 13 and 48: the agent holds SIGTERM until the statement has ended; what outlives the grace period is killed.
#[tokio::test]
async fn a_drained_node_waits_for_the_statement_within_the_grace_period() {
    Stage::with(async |stage| {
        let patient = stage.database(Server::Identity, "patient").await;
        let hasty = stage.database(Server::Tasks, "hasty").await;
        stage.apply(&slow_on(&patient)).await;
        let mut object = slow_on(&hasty);
        object["spec"]["job"]["terminationGracePeriod"] = "2s".into();
        stage.apply(&object).await;
        let evict = async |name: &str| {
            let pod = stage.migrating_pod(name).await.name_any();
            let evicted = stage
                .api::<Pod>()
                .evict(&pod, &EvictParams::default())
                .await;
            evicted.unwrap();
        };
        let (_, backend) = tokio::join!(
            async {
                until_slow(stage, "patient").await;
                evict("patient").await;
                migrated_once(stage, "patient", &patient).await
            },
            async {
                until_slow(stage, "hasty").await;
                // However late the kubelet is, the statement is not over before.
                let (_, backend) = stage.stop_backend(&hasty).await;
                evict("hasty").await;
                stage
                    .until_reason("hasty", reasons::WAITING_FOR_BACKEND)
                    .await;
                backend
            },
        );
        drop(backend);
        assert_eq!(
            stage
                .migrations_of("patient")
                .await
                .pop()
                .unwrap()
                .exit_code,
            0
        );
        let waited = stage.pods.all().into_iter().any(|seen| {
            let pod = seen.object;
            let statuses = pod
                .status
                .iter()
                .flat_map(|s| s.container_statuses.iter().flatten());
            let running = |status: &k8s_openapi::api::core::v1::ContainerStatus| {
                status.name == CONTAINER
                    && status.state.as_ref().is_some_and(|s| s.running.is_some())
            };
            let asked = pod.metadata.deletion_timestamp.is_some();
            asked
                && pod.labels().get("dbops.dev/migration").map(String::as_str) == Some("patient")
                && statuses.into_iter().any(running)
        });
        assert!(
            waited,
            "the pod went on running after it had been asked to end"
        );

        let failed = stage.until_failed("hasty").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_UNFINISHED);
        assert_eq!(
            stage.migrations_of("hasty").await.pop().unwrap().exit_code,
            137
        );
        assert_eq!(stage.attempts("hasty"), 1);
    })
    .await;
}

/// A node without a kubelet: what is bound to it nobody starts and nobody ends.
struct LostNode {
    name: String,
}

impl LostNode {
    async fn new(stage: &Stage) -> LostNode {
        let name = stage.namespace.replace("t-", "lost-");
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"example.com/lost": name, LABEL_PROCESS: process()}},
            "spec": {"taints": [{"key": "example.com/lost", "value": name, "effect": "NoSchedule"}]},
        }))
        .unwrap();
        let api: Api<Node> = Api::all(stage.client.clone());
        api.create(&PostParams::default(), &node).await.unwrap();
        let room = json!({"cpu": "1", "memory": "1Gi", "pods": "5"});
        let status = json!({"status": {
            "capacity": room, "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}],
        }});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
        LostNode { name }
    }

    /// Nobody hears of it any more, and an administrator says that it is out of service: its pods are given up.
    async fn lose(&self, client: &kube::Client) {
        let api: Api<Node> = Api::all(client.clone());
        let unknown = json!({"status": {"conditions": [{
            "type": "Ready", "status": "Unknown", "reason": "Test", "message": "",
        }]}});
        api.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(&unknown))
            .await
            .unwrap();
        let taint = json!({"spec": {"taints": [
            {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"},
        ]}});
        api.patch(&self.name, &PatchParams::default(), &Patch::Merge(&taint))
            .await
            .unwrap();
    }

    /// Sends a resource's pods there.
    fn take(&self, object: &mut Value) {
        object["spec"]["job"]["nodeSelector"] = json!({"example.com/lost": self.name});
        object["spec"]["job"]["tolerations"] = json!([{"operator": "Exists"}]);
    }
}

impl Drop for LostNode {
    fn drop(&mut self) {
        let _ = Command::new("kubectl")
            .args(["delete", "node", &self.name, "--wait=false"])
            .stdout(Stdio::null())
            .status();
    }
}

/// The real Prisma in a container that no kubelet knows of.
fn beyond_the_kubelet(stage: &Stage, db: &Db, run: &str) -> Child {
    let server = std::env::var("PG_IDENTITY_URL").unwrap();
    let address = server
        .rsplit('@')
        .next()
        .unwrap()
        .split(':')
        .next()
        .unwrap()
        .to_owned();
    // As the agent would have it.
    let options = encoded(&format!("-c application_name=dbm/{run}/identity"));
    let url = format!("{}&options={options}", db.url_by(&address));
    Command::new("ctr")
        .args([
            "--address",
            "/run/dbm-local-cluster/containerd.sock",
            "--namespace",
            "k8s.io",
        ])
        .args([
            "run",
            "--rm",
            "--net-host",
            "--env",
            &format!("DATABASE_URL={url}"),
        ])
        .args(["--env", "HOME=/tmp", "--env", "CHECKPOINT_DISABLE=1"])
        .args([&variant("slow"), &stage.role])
        .args(["node", "node_modules/prisma/build/index.js"])
        .args(["migrate", "deploy", "--schema", IDENTITY_SCHEMA])
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Says what the kubelet of the lost node said last.
async fn say_running(stage: &Stage, pod: &str) {
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let status = json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": CONTAINER, "image": variant("slow"), "imageID": "", "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": now}},
    }]}});
    stage
        .api::<Pod>()
        .patch_status(pod, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

/// Row 14: the node is lost and an administrator takes its pod out of the cluster; the process goes on all the same.
#[tokio::test]
async fn a_migration_that_lives_on_after_its_node_is_lost_is_waited_for() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        // What the image holds is known from here on: only the migration's own pod comes to the lost node.
        let mut known = slow("known");
        known["spec"]["suspend"] = true.into();
        stage.apply(&known).await;
        stage.until_reason("known", reasons::SUSPENDED).await;

        let node = LostNode::new(stage).await;
        let mut object = slow("slow");
        node.take(&mut object);
        stage.apply(&object).await;
        let pod = stage
            .pods
            .until(LIMIT, |seen| {
                let bound = seen.iter().rfind(|seen| {
                    let at = seen
                        .object
                        .spec
                        .as_ref()
                        .and_then(|spec| spec.node_name.as_ref());
                    at == Some(&node.name)
                })?;
                Some(bound.object.name_any())
            })
            .await
            .expect("the migration's pod is bound to the lost node");
        say_running(stage, &pod).await;
        let run = stage
            .until("slow", "in a run", |object| !run_id(object).is_empty())
            .await;
        let mut process = beyond_the_kubelet(stage, &db, &run_id(&run));
        until_slow(stage, "slow").await;
        // It stands still for a while, as a node does that is cut off; and nobody can tell that from a dead one.
        let frozen: Vec<host::Stopped> = host::in_group(&stage.role)
            .into_iter()
            .map(host::Stopped::new)
            .collect();
        assert!(!frozen.is_empty());
        node.lose(&stage.client).await;
        stage
            .api::<Pod>()
            .delete(&pod, &DeleteParams::default())
            .await
            .unwrap();
        let waiting = stage
            .until_reason("slow", reasons::WAITING_FOR_BACKEND)
            .await;
        assert_eq!(outcome(&waiting), None);
        assert!(
            message(&waiting).contains("pod is gone"),
            "{}",
            message(&waiting)
        );
        assert!(process.try_wait().unwrap().is_none(), "it still works");
        drop(frozen);
        migrated_once(stage, "slow", &db).await;
        assert!(process.wait().unwrap().success());
    })
    .await;
}

/// Row 49: the finalizer gives way, the statement that runs still ends, and the turn is given back.
#[tokio::test]
async fn a_namespace_that_is_deleted_mid_run_is_not_held_up() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        let running = until_slow(stage, "slow").await;
        let lease = database(&running, "identity").lease;
        assert!(!lease.is_empty());
        let namespaces: Api<Namespace> = Api::all(stage.client.clone());
        namespaces
            .delete(&stage.namespace, &DeleteParams::default())
            .await
            .unwrap();
        let name = stage.namespace.clone();
        let uid = namespaces.get(&name).await.unwrap().uid().unwrap();
        let gone = await_condition(namespaces, &name, is_deleted(&uid));
        let gone = tokio::time::timeout(LIMIT, gone).await;
        gone.expect("the namespace goes").unwrap();
        assert_eq!(db.applied().await.len(), 8, "the statement ended first");
        stage
            .until_lease(stage.leases(), &lease, "given back", |lease| {
                !holder(lease).starts_with(&format!("{}/", stage.namespace))
            })
            .await;
    })
    .await;
}
