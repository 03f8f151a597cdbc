//! A container that a webhook adds to the pods of a namespace, as a service mesh does: it is never asked to end, and ends by
//! itself neither.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use database_migration_operator::api::DatabaseMigration;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::harness::*;

/// Answers each review with the patch that stands in a file.
const SERVER: &str = r#"
import base64, http.server, json, ssl, sys
folder = sys.argv[1]
patch = base64.b64encode(open(folder + "/patch.json", "rb").read()).decode()
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
open(folder + "/port.new", "w").write(str(server.server_port))
import os
os.rename(folder + "/port.new", folder + "/port")
server.serve_forever()
"#;

/// A webhook of one namespace; dropped, its server ends.
struct Webhook {
    process: Child,
    folder: PathBuf,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Webhook {
    /// Adds a container to each new pod of the stage's namespace.
    async fn adding(stage: &Stage, container: Value) -> Webhook {
        let folder = std::env::temp_dir().join(format!("dbm-webhook-{}", stage.namespace));
        std::fs::create_dir_all(&folder).unwrap();
        let patch = json!([{"op": "add", "path": "/spec/containers/-", "value": container}]);
        std::fs::write(folder.join("patch.json"), patch.to_string()).unwrap();
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=127.0.0.1",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&folder)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "openssl");
        let process = Command::new("python3")
            .args(["-c", SERVER])
            .arg(&folder)
            .spawn()
            .unwrap();
        let webhook = Webhook { process, folder };
        let began = Instant::now();
        let port = loop {
            match std::fs::read_to_string(webhook.folder.join("port")) {
                Ok(port) => break port,
                Err(_) => assert!(began.elapsed() < LIMIT, "the webhook does not start"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let authority = std::fs::read(webhook.folder.join("cert.pem")).unwrap();
        let object: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": {"name": stage.namespace},
            "webhooks": [{
                "name": "sidecar.test.example",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "clientConfig": {
                    "url": format!("https://127.0.0.1:{port}/"),
                    "caBundle": k8s_openapi::ByteString(authority),
                },
            }],
        }))
        .unwrap();
        Self::all(stage)
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        webhook
    }

    fn all(stage: &Stage) -> Api<MutatingWebhookConfiguration> {
        Api::all(stage.client.clone())
    }

    async fn remove(self, stage: &Stage) {
        Self::all(stage)
            .delete(&stage.namespace, &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// It takes no notice of SIGTERM, as the first process of a container does by default.
fn proxy() -> Value {
    json!({
        "name": "mesh-proxy",
        "image": variant("small"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["node", "-e", "setInterval(() => {}, 1000)"],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
        },
    })
}

async fn pods(stage: &Stage) -> Vec<Pod> {
    let api = stage.api::<Pod>();
    api.list(&Default::default()).await.unwrap().items
}

/// Until no pod is left in which anything runs.
async fn until_tidied(stage: &Stage) {
    let began = Instant::now();
    loop {
        let all = pods(stage).await;
        let over = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
            ["Succeeded", "Failed"]
                .map(|phase| Some(phase.to_owned()))
                .contains(&phase)
        };
        if all.iter().all(over) {
            return;
        }
        assert!(began.elapsed() < LIMIT, "still there: {all:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn the_migration_containers_end_counts_and_what_is_left_in_its_pod_is_ended() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let webhook = Webhook::adding(stage, proxy()).await;
        let schema = "prisma/schema.prisma";
        stage
            .apply(&resource(
                "shop",
                &variant("small"),
                &[("main", &db.secret, schema)],
            ))
            .await;
        stage.until_ready("shop").await;
        assert_eq!(stage.attempts("shop"), 1);
        until_tidied(stage).await;
        stage
            .until("shop", "is let go", |object: &DatabaseMigration| {
                object.metadata.finalizers.iter().flatten().count() == 0
            })
            .await;

        // A migration that fails keeps its pod for a while, to be read; and no longer than the resource.
        let bad = stage.database(Server::Identity, "bad").await;
        let mut object = resource("fails", &variant("small"), &[("main", &bad.secret, schema)]);
        object["spec"]["databases"][0]["prisma"]["migrate"] =
            json!(["node", "-e", "process.exit(3)"]);
        stage.apply(&object).await;
        stage.until_failed("fails").await;
        let running =
            |pod: &Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
        assert!(pods(stage).await.iter().any(running), "its log can be read");
        let began = Instant::now();
        stage
            .api::<DatabaseMigration>()
            .delete("fails", &DeleteParams::default())
            .await
            .unwrap();
        stage.until_gone("fails").await;
        until_tidied(stage).await;
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "not the grace period of a migration"
        );
        webhook.remove(stage).await;
    })
    .await;
}
