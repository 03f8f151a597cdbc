//! Operators as processes that a test starts, stops and kills, and what the API server knows of each.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use super::operator::{ANNOTATION_PROCESS, OPERATOR_ACCOUNT, Operator, Options};
use super::report::OPERATOR_NAMESPACE;
use super::stage::{Stage, required};
use super::{LIMIT, made};

/// The Lease that the operators of one namespace share.
pub const LEADER_LEASE: &str = "database-migration-operator";

impl Stage {
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

    /// Lets operators keep their Leases in this namespace, so that those of another test are none of theirs.
    pub async fn has_leases(&self) {
        let of = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leases"});
        made::<Role>(
            self,
            json!({
                "metadata": {"name": "leases"},
                "rules": [{
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["get", "list", "watch", "create", "update", "delete"],
                }],
            }),
        )
        .await;
        made::<RoleBinding>(
            self,
            json!({
                "metadata": {"name": "leases"},
                "roleRef": of,
                "subjects": [{
                    "kind": "ServiceAccount",
                    "name": OPERATOR_ACCOUNT,
                    "namespace": OPERATOR_NAMESPACE,
                }],
            }),
        )
        .await;
    }

    /// The Leases beside the installed operator, where those of databases are.
    pub fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE)
    }

    /// Waits until a Lease, if there is one, is so.
    pub async fn until_lease(
        &self,
        leases: Api<Lease>,
        name: &str,
        what: &str,
        is: impl Fn(Option<&Lease>) -> bool,
    ) {
        let mut changes = watcher::watch_object(leases, name)
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
