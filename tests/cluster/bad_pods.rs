//! Pods that are refused, that do not start, or that have too little memory: each says so by its own reason, with what to
//! do, and what is mended goes on by itself.

use std::sync::Arc;

use database_migration_operator::api::{DatabaseMigration, Phase, reasons};
use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::*;

/// Resources that hold a database's turn while they wait, or need it to come to their end: each has its own database.
const OWN: [&str; 3] = ["environment", "other-architecture", "little-memory"];

/// The smallest image, with these parts of `spec.job`.
fn with_job(name: &str, job: &Value) -> Value {
    let own = format!("{name}-db");
    let secret = if OWN.contains(&name) { &own } else { "main-db" };
    let databases = [("main", secret, "prisma/schema.prisma")];
    let mut object = resource(name, &variant("small"), &databases);
    object["spec"]["job"] = job.clone();
    object
}

/// What a resource must say, and what it says of what comes next.
struct Case<'a> {
    name: &'a str,
    resource: Value,
    reason: &'a str,
    parts: &'a [&'a str],
}

async fn until_said(stage: &Stage, case: &Case<'_>) -> DatabaseMigration {
    let found = stage.until_reason(case.name, case.reason).await;
    let text = message(&found);
    for part in case.parts {
        assert!(
            text.contains(part),
            "{}: {part:?} is not in: {text}",
            case.name
        );
    }
    found
}

/// It is waited for: not Stalled, with the command that shows more.
fn assert_waits(case: &Case<'_>, found: &DatabaseMigration, command: &str) {
    let (name, text) = (case.name, message(found));
    assert_eq!(holds(found, reasons::RECONCILING), Some(true), "{name}");
    assert_eq!(holds(found, reasons::STALLED), None, "{name}");
    assert!(text.contains("goes on by itself"), "{name}: {text}");
    let next = status(found).next_command;
    assert!(next.starts_with(command), "{name}: {next}");
}

#[tokio::test]
async fn a_pod_that_is_refused_says_by_what_and_mended_goes_on_by_itself() {
    Stage::with(async |stage| {
        stage.database(Server::Identity, "main").await;
        let quota = |memory: &str| {
            json!({
                "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"},
                "spec": {"hard": {"requests.memory": memory}},
            })
        };
        made::<ResourceQuota>(stage, quota("1Gi")).await;
        made::<LimitRange>(
            stage,
            json!({
                "metadata": {"name": "containers"},
                "spec": {"limits": [{"type": "Container", "max": {"memory": "2Gi"}}]},
            }),
        )
        .await;
        let little = json!({"requests": {"memory": "16Mi"}});
        let unconfined = "container.apparmor.security.beta.kubernetes.io/migrate";
        let cases = [
            Case {
                name: "quota",
                resource: with_job("quota", &json!({"resources": {"requests": {"memory": "1100Mi"}}})),
                reason: reasons::QUOTA_EXCEEDED,
                parts: &["exceeded quota: team", "requests.memory", "Raise the ResourceQuota"],
            },
            Case {
                name: "limit",
                resource: with_job(
                    "limit",
                    &json!({"resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "4Gi"}}}),
                ),
                reason: reasons::POD_REFUSED,
                parts: &["maximum memory usage per Container is 2Gi", "spec.job"],
            },
            Case {
                name: "security",
                resource: with_job(
                    "security",
                    &json!({"podAnnotations": {unconfined: "unconfined"}, "resources": little}),
                ),
                reason: reasons::POD_SECURITY_VIOLATED,
                parts: &["violates PodSecurity", "AppArmor", "spec.job"],
            },
            Case {
                name: "account",
                resource: with_job("account", &json!({"serviceAccountName": "migrator", "resources": little})),
                reason: reasons::SERVICE_ACCOUNT_MISSING,
                parts: &["migrator", "job.serviceAccountName"],
            },
        ];
        for case in &cases {
            stage.apply(&case.resource).await;
        }
        for case in &cases {
            let found = until_said(stage, case).await;
            // What shows the limit that refuses it, where there is one.
            let command = match case.name {
                "quota" => "kubectl describe quota ",
                "limit" => "kubectl describe limitrange ",
                _ => "kubectl describe job ",
            };
            assert_waits(case, &found, command);
            assert!(message(&found).starts_with("image localhost/dbm-test:small: "));
            assert_eq!(status(&found).phase, Some(Phase::Planning));
        }

        let raised = Patch::Apply(quota("4Gi"));
        let force = PatchParams::apply("test").force();
        stage.api::<ResourceQuota>().patch("team", &force, &raised).await.unwrap();
        stage
            .api::<LimitRange>()
            .delete("containers", &DeleteParams::default())
            .await
            .unwrap();
        made::<ServiceAccount>(stage, json!({"metadata": {"name": "migrator"}})).await;
        stage.apply(&with_job("security", &json!({"resources": little}))).await;
        for case in &cases {
            stage.until_ready(case.name).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_container_that_cannot_start_says_what_is_wrong_with_it() {
    Stage::with(async |stage| {
        let mut databases = vec![stage.database(Server::Identity, "main").await];
        for name in OWN {
            databases.push(stage.database(Server::Tasks, name).await);
        }
        let of_image = |name: &str| {
            let mut object = with_job(name, &json!({}));
            object["spec"]["image"] = variant(name).into();
            object
        };
        let mut own_agent = of_image("other-architecture");
        own_agent["metadata"]["name"] = "own-agent".into();
        own_agent["spec"]["job"]["agentPath"] = "/app/bin/dbm-agent".into();
        let mut no_name = with_job("no-name", &json!({}));
        no_name["spec"]["image"] = "localhost/No-Name:1".into();
        let waiting = [
            Case {
                name: "user-name",
                resource: of_image("user-name"),
                reason: reasons::IMAGE_USER_NOT_NUMERIC,
                parts: &["non-numeric user (node)", "job.runAsUser"],
            },
            Case {
                name: "user-root",
                resource: of_image("user-root"),
                reason: reasons::IMAGE_USER_ROOT,
                parts: &["run as root", "job.runAsUser"],
            },
            Case {
                name: "nowhere",
                resource: with_job("nowhere", &json!({"nodeSelector": {"disk": "none"}})),
                reason: reasons::UNSCHEDULABLE,
                parts: &["no node takes the pod", "nodeSelector"],
            },
            Case {
                name: "environment",
                resource: with_job(
                    "environment",
                    &json!({"envFrom": [{"secretRef": {"name": "later"}}]}),
                ),
                reason: reasons::ENVIRONMENT_MISSING,
                parts: &["main: ", "secret \"later\" not found", "job.envFrom"],
            },
            Case {
                name: "no-name",
                resource: no_name,
                reason: reasons::IMAGE_PULL_FAILED,
                parts: &["No-Name", "spec.image"],
            },
        ];
        let ended = [
            Case {
                name: "other-architecture",
                resource: of_image("other-architecture"),
                reason: reasons::WRONG_ARCHITECTURE,
                parts: &["main: ", "/app/bin/node is built for ", "job.nodeSelector"],
            },
            Case {
                name: "own-agent",
                resource: own_agent,
                reason: reasons::WRONG_ARCHITECTURE,
                parts: &["image ", "exec format error", "job.nodeSelector"],
            },
            Case {
                name: "no-folder",
                resource: with_job("no-folder", &json!({"workingDir": "/etc/passwd"})),
                reason: reasons::CONTAINER_NOT_STARTED,
                parts: &["image ", "/etc/passwd", "job.workingDir"],
            },
            Case {
                name: "no-memory",
                resource: with_job(
                    "no-memory",
                    &json!({"resources": {"limits": {"memory": "1Mi"}}}),
                ),
                reason: reasons::OUT_OF_MEMORY,
                parts: &["image ", "job.resources.limits.memory"],
            },
            Case {
                name: "little-memory",
                resource: with_job(
                    "little-memory",
                    &json!({"resources": {"limits": {"memory": "32Mi"}}}),
                ),
                reason: reasons::OUT_OF_MEMORY,
                // The configuration is asked by node, which needs more.
                parts: &["ran out of memory", "job.resources.limits.memory"],
            },
        ];
        for case in waiting.iter().chain(&ended) {
            stage.apply(&case.resource).await;
        }
        for case in &waiting {
            let found = until_said(stage, case).await;
            // Of an image it is known what to correct.
            let command = match case.reason {
                reasons::IMAGE_PULL_FAILED => "kubectl edit databasemigration ",
                _ => "kubectl describe pod ",
            };
            assert_waits(case, &found, command);
            // Told within seconds, while it is still being worked on.
            if reasons::needs_person(case.reason) {
                let told = stage.until_events(case.name, case.reason, 1).await;
                assert_eq!(told.len(), 1, "{}: {told:?}", case.name);
            }
        }
        for case in &ended {
            let found = until_said(stage, case).await;
            assert_eq!(holds(&found, reasons::STALLED), Some(true), "{}", case.name);
            let next = status(&found).next_command;
            // Lack of memory is mended by an edit, which starts the run.
            let begins = match case.reason {
                reasons::OUT_OF_MEMORY => "kubectl patch databasemigration ",
                _ => "kubectl dbm retry",
            };
            assert!(next.starts_with(begins), "{}: {next}", case.name);
        }
        for db in &databases {
            assert_eq!(db.ledger().await, [], "{}: nothing was executed", db.name);
        }

        stage.secret("later", &[("A", "b")]).await;
        stage.until_ready("environment").await;
        for name in ["user-name", "user-root"] {
            let mut object = of_image(name);
            object["spec"]["job"]["runAsUser"] = 1000.into();
            stage.apply(&object).await;
        }
        for name in [
            "nowhere",
            "no-name",
            "no-folder",
            "no-memory",
            "little-memory",
        ] {
            stage.apply(&with_job(name, &json!({}))).await;
        }
        for case in waiting
            .iter()
            .chain(&ended)
            .filter(|case| case.reason != reasons::WRONG_ARCHITECTURE)
        {
            stage.until_ready(case.name).await;
        }
    })
    .await;
}

/// A registry of this machine that keeps who asks waiting until it is told to answer, and then has no image.
async fn slow_registry() -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, answers) = watch::channel(false);
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut answers = answers.as_ref().clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = answers.wait_for(|answers| *answers).await;
                let answer =
                    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, sender)
}

#[tokio::test]
async fn a_slow_pull_is_no_failure_and_a_late_one_says_which_image_it_waits_for() {
    Stage::with(async |stage| {
        stage.database(Server::Identity, "main").await;
        let (registry, answers) = slow_registry().await;
        let image = format!("{registry}/slow:1");
        let slow = |name: &str, start: &str| {
            let mut object = with_job(name, &json!({}));
            object["spec"]["image"] = image.as_str().into();
            object["spec"]["timeouts"] = json!({"start": start});
            object
        };
        stage.apply(&slow("slow", "10m")).await;
        stage.apply(&slow("late", "20s")).await;
        let found = stage.until_reason("slow", reasons::PULLING_IMAGE).await;
        assert!(
            message(&found).contains(&format!("the image {image} is still being pulled")),
            "{}",
            message(&found)
        );
        assert_eq!(holds(&found, reasons::RECONCILING), Some(true));
        let late = stage.until_reason("late", reasons::START_TIMEOUT).await;
        assert_eq!(holds(&late, reasons::STALLED), Some(true));
        for part in [&image, "timeouts.start (20s)", "nothing was executed"] {
            assert!(
                message(&late).contains(part),
                "{part:?}: {}",
                message(&late)
            );
        }

        answers.send(true).unwrap();
        stage.until_reason("slow", reasons::IMAGE_PULL_FAILED).await;
        for name in ["slow", "late"] {
            stage.apply(&with_job(name, &json!({}))).await;
            stage.until_ready(name).await;
        }
    })
    .await;
}
