//! Tests in which operators are processes that can be killed, also where one is installed.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::operator::{Operator, Options};
use super::report::OPERATOR_NAMESPACE;
use super::stage::{OPERATOR, Stage, required};
use super::{LIMIT, operator::ANNOTATION_PROCESS};

const DEPLOYMENT: &str = "dbm-database-migration-operator";
/// The Lease that the operators of one namespace share.
pub const LEADER_LEASE: &str = "database-migration-operator";

impl Stage {
    /// Runs a test alone and without the installed operator: the test starts its own, as processes.
    pub async fn by_processes(test: impl AsyncFnOnce(&Stage)) {
        let _nobody = OPERATOR.write().await;
        let client = Client::try_default().await.unwrap();
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
        let installed = deployments.get_opt(DEPLOYMENT).await.unwrap();
        let replicas = installed.and_then(|it| it.spec?.replicas).unwrap_or(0);
        if replicas > 0 {
            scale(&deployments, 0).await;
            until_no_pod(&client).await;
        }
        let played = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(
            Self::play_with(async |stage: &Stage| {
                // One of the test's own, whatever the others use.
                stage.operator.lock().unwrap().take();
                test(stage).await;
            }),
        ))
        .await;
        if replicas > 0 {
            scale(&deployments, replicas).await;
        }
        if let Err(panic) = played {
            std::panic::resume_unwind(panic);
        }
    }

    /// The only operator of this namespace from here on.
    pub fn start_operator(&self) {
        // The one before it first: both would use one folder.
        self.operator.lock().unwrap().take();
        self.set_operator(Operator::start(Options::of(&self.namespace)));
    }

    /// The operator whose log is searched and printed, and which works until the end.
    pub fn set_operator(&self, operator: Operator) {
        *self.operator.lock().unwrap() = Some(operator);
    }

    /// The operator, for a test that lets it end.
    pub fn take_operator(&self) -> Operator {
        self.operator.lock().unwrap().take().unwrap()
    }

    /// Does something with this namespace's operator.
    pub fn with_operator<T>(&self, with: impl FnOnce(&mut Operator) -> T) -> T {
        with(self.operator.lock().unwrap().as_mut().unwrap())
    }

    /// The operators' Leases.
    pub fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE)
    }

    /// Waits until a Lease, if there is one, is so.
    pub async fn until_lease(&self, name: &str, what: &str, is: impl Fn(Option<&Lease>) -> bool) {
        let mut changes = watcher::watch_object(self.leases(), name)
            .default_backoff()
            .boxed();
        let waited = tokio::time::timeout(LIMIT, async {
            while let Some(change) = changes.next().await {
                if change.is_ok_and(|lease| is(lease.as_ref())) {
                    return;
                }
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("Lease {name} was not {what}"));
    }
}

async fn scale(deployments: &Api<Deployment>, replicas: i32) {
    let patch = json!({"spec": {"replicas": replicas}});
    deployments
        .patch(DEPLOYMENT, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
}

async fn until_no_pod(client: &Client) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/name=database-migration-operator");
    for _ in 0..600 {
        if pods.list(&ours).await.unwrap().items.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the installed operator does not stop");
}

/// The holder of a Lease.
pub fn holder(lease: Option<&Lease>) -> &str {
    lease
        .and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref())
        .unwrap_or_default()
}

/// The API server's own record of who asked for what, from now on.
pub struct Audit {
    path: PathBuf,
    from: u64,
}

impl Audit {
    pub fn from_now() -> Audit {
        let kubeconfig = PathBuf::from(required("KUBECONFIG"));
        let path = kubeconfig.parent().unwrap().join("cluster/audit.log");
        let from = std::fs::metadata(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .len();
        Audit { path, from }
    }

    /// What a process wrote and the API server took: verb and address.
    pub fn writes_of(&self, operator: &str) -> Vec<String> {
        let mut file = std::fs::File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let entries = text.lines().filter_map(|line| {
            let entry: Value = serde_json::from_str(line).ok()?;
            let by = &entry["impersonatedUser"]["extra"][ANNOTATION_PROCESS][0];
            let code = entry["responseStatus"]["code"].as_u64()?;
            let verb = entry["verb"].as_str()?;
            let reads = ["get", "list", "watch"].contains(&verb);
            let done = by == operator && !reads && code < 300;
            done.then(|| {
                format!(
                    "{verb} {}",
                    entry["requestURI"].as_str().unwrap_or_default()
                )
            })
        });
        entries.collect()
    }
}
