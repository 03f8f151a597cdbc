//! An API server of a few resources, for the command line as people call it: its program, its exit code, what it prints.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use database_migration_operator::api::DatabaseMigration;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What came in: method and path, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub what: String,
    pub user: String,
    pub groups: Vec<String>,
}

/// A server; dropped, it is gone.
pub struct Server {
    kubeconfig: PathBuf,
    inner: Arc<Inner>,
    work: tokio::task::JoinHandle<()>,
}

struct Inner {
    resources: Vec<DatabaseMigration>,
    asked: Mutex<Vec<Asked>>,
}

/// How a call of the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.work.abort();
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

impl Server {
    /// Serves these, whatever namespace is asked for.
    pub async fn of(resources: Vec<DatabaseMigration>) -> Self {
        let inner = Arc::new(Inner {
            resources,
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        let work = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        let kubeconfig = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "kubeconfig-{}-{}",
            std::process::id(),
            address.port()
        ));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "production"}}],
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        Server {
            kubeconfig,
            inner,
            work,
        }
    }

    /// Calls the program, as kubectl does.
    pub async fn call(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-dbm"));
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What came in up to now.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let headers = request.headers();
    let header = |name: &str| -> Vec<String> {
        let all = headers.get_all(name).iter();
        all.map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    let (user, groups) = (header("impersonate-user"), header("impersonate-group"));
    let user = user.first().cloned().unwrap_or_else(|| "me".to_owned());
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let what = format!("{} {path}", request.method());
    inner.asked.lock().unwrap().push(Asked {
        what: what.clone(),
        user: user.clone(),
        groups,
    });
    if user == "nobody" {
        let message = r#"users "nobody" is forbidden: User "me" cannot impersonate resource "users" in API group """#;
        return refusal(StatusCode::FORBIDDEN, message);
    }
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    if what.ends_with("/selfsubjectreviews") {
        let answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
            "status": {"userInfo": {"username": user}}});
        return answered(&answer);
    }
    if what.starts_with("POST") && path.ends_with("/migrationactions") {
        let mut object: Value = serde_json::from_slice(&body).unwrap();
        object["metadata"]["name"] = "shop-x1".into();
        object["metadata"]["managedFields"] = json!([{"manager": "kubectl-dbm"}]);
        return answered(&object);
    }
    if query.contains("watch=true") {
        // Nothing happens any more.
        let silence = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        return Body::from_stream(silence).into_response();
    }
    let resources = &inner.resources;
    let named = |name: &str| {
        resources
            .iter()
            .find(|r| r.metadata.name.as_deref() == Some(name))
    };
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [.., "databasemigrations"] => {
            let of_name = query.split("metadata.name%3D").nth(1);
            let wanted = of_name.map(|rest| rest.split('&').next().unwrap_or_default());
            let all = resources.iter();
            let items: Vec<&DatabaseMigration> = all
                .filter(|r| wanted.is_none_or(|name| r.metadata.name.as_deref() == Some(name)))
                .collect();
            listed("dbops.dev/v1alpha1", "DatabaseMigrationList", &json!(items))
        }
        [.., "databasemigrations", name] => match named(name) {
            Some(resource) => answered(&json!(resource)),
            None => refusal(StatusCode::NOT_FOUND, "not found"),
        },
        // A viewer who has the chart's role and no other.
        [.., "configmaps"] if user == "viewer" => refusal(
            StatusCode::FORBIDDEN,
            r#"configmaps is forbidden: User "viewer" cannot list resource "configmaps" in API group "" in the namespace "production""#,
        ),
        [.., "configmaps"] => listed("v1", "ConfigMapList", &json!([])),
        _ => refusal(StatusCode::NOT_FOUND, &what),
    }
}

fn listed(version: &str, kind: &str, items: &Value) -> Response {
    let metadata = json!({"resourceVersion": "1"});
    answered(&json!({"apiVersion": version, "kind": kind, "metadata": metadata, "items": items}))
}

fn answered(value: &Value) -> Response {
    let json = [("content-type", "application/json")];
    (json, value.to_string()).into_response()
}

fn refusal(code: StatusCode, message: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
        "reason": "Refused", "details": {"name": "x"}, "code": code.as_u16()});
    (code, answered(&status)).into_response()
}
