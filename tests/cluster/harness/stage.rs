//! A namespace, its databases, and what is watched in it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use database_migration_operator::api::{ANNOTATION_RETRY, DatabaseMigration, MigrationAction};
use futures::FutureExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, ValidationDirective};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::db::{Db, Server, encoded, run};
use super::operator::{Operator, Options};
use super::record::Recorder;
use super::{installed, left};

/// What a test works with.
pub struct Stage {
    pub client: Client,
    pub namespace: String,
    pub role: String,
    /// With every character that a URL does not take as it is.
    pub password: String,
    pub resources: Recorder<DatabaseMigration>,
    pub jobs: Recorder<Job>,
    pub pods: Recorder<Pod>,
    pub events: Recorder<Event>,
    pub actions: Recorder<MigrationAction>,
    /// A process of its own; none where the test starts it, or works with the installed operator.
    pub operator: Mutex<Option<Operator>>,
    pub(super) began: std::time::Instant,
    databases: Mutex<Vec<(Server, String)>>,
    /// What was seen before this generation is of an older spec.
    pub(super) least: Mutex<HashMap<String, i64>>,
}

/// An environment variable that must be there.
pub fn required(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: these tests need the local cluster. Start it with `make operator-up`, then \
             eval \"$(local-cluster/env)\""
        )
    })
}

async fn client() -> Client {
    required("KUBECONFIG");
    Client::try_default()
        .await
        .unwrap_or_else(|error| panic!("the cluster of KUBECONFIG: {error}"))
}

fn random() -> String {
    let number = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish();
    format!("{:08x}", number & 0xffff_ffff)
}

impl Stage {
    /// Runs a test with an operator of its own, and takes everything away again, whatever its end.
    pub async fn with(test: impl AsyncFnOnce(&Stage)) {
        let client = client().await;
        installed::is_aside(&client).await;
        Self::play(client, test, true).await;
    }

    /// The same for a test that starts its operators itself.
    pub async fn without_operator(test: impl AsyncFnOnce(&Stage)) {
        let client = client().await;
        installed::is_aside(&client).await;
        Self::play(client, test, false).await;
    }

    /// The same with the operator that the chart has installed.
    pub async fn installed(test: impl AsyncFnOnce(&Stage)) {
        let client = client().await;
        installed::is_ready(&client).await;
        Self::play(client, test, false).await;
    }

    async fn play(client: Client, test: impl AsyncFnOnce(&Stage), process: bool) {
        left::take_away(&client).await;
        let stage = Stage::new(client, process).await;
        let ended = AssertUnwindSafe(test(&stage)).catch_unwind().await;
        if ended.is_err() {
            stage.diagnose().await;
        }
        let leaks = stage.leaks().await;
        let keep = ended.is_err() && std::env::var("DBM_TEST_KEEP").is_ok();
        let left = if keep {
            Vec::new()
        } else {
            stage.clean_up().await
        };
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
        assert!(leaks.is_empty(), "the password stands in {leaks:#?}");
        assert!(left.is_empty(), "not gone after the test: {left:?}");
    }

    async fn new(client: Client, process: bool) -> Stage {
        let id = random();
        let namespace = format!("t-{id}");
        let object: Namespace = serde_json::from_value(json!({"metadata": {
            "name": namespace,
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                left::LABEL_PROCESS: left::process(),
            },
        }}))
        .unwrap();
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let stage = Stage {
            resources: Recorder::start(Api::namespaced(client.clone(), &namespace)),
            jobs: Recorder::start(Api::namespaced(client.clone(), &namespace)),
            pods: Recorder::start(Api::namespaced(client.clone(), &namespace)),
            events: Recorder::start(Api::namespaced(client.clone(), &namespace)),
            actions: Recorder::start(Api::namespaced(client.clone(), &namespace)),
            client,
            operator: Mutex::new(process.then(|| Operator::start(Options::of(&namespace)))),
            role: format!("t_{id}"),
            password: format!("p@ss/w:rd%1 {id}"),
            namespace,
            began: std::time::Instant::now(),
            databases: Mutex::default(),
            least: Mutex::default(),
        };
        for server in Server::ALL {
            let mut session = server.session("postgres", "test").await;
            let sql = format!(
                "CREATE ROLE {} LOGIN PASSWORD '{}'",
                stage.role, stage.password
            );
            run(&mut session, &sql).await;
        }
        stage
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes a database of the test's role, and the Secret `<name>-db` with its URL.
    pub async fn database(&self, server: Server, name: &str) -> Db {
        let db = self.database_without_secret(server, name).await;
        self.secret(&db.secret, &[("DATABASE_URL", &db.url())])
            .await;
        db
    }

    pub async fn database_without_secret(&self, server: Server, name: &str) -> Db {
        let db = Db {
            server,
            name: format!("{}_{}", self.role, name.replace('-', "_")),
            secret: format!("{name}-db"),
            role: self.role.clone(),
            password: self.password.clone(),
        };
        let mut session = server.session("postgres", "test").await;
        run(
            &mut session,
            &format!("CREATE DATABASE {} OWNER {}", db.name, db.role),
        )
        .await;
        self.databases
            .lock()
            .unwrap()
            .push((server, db.name.clone()));
        db
    }

    /// The shop's two databases.
    pub async fn shop(&self) -> (Db, Db) {
        tokio::join!(
            self.database(Server::Identity, "identity"),
            self.database(Server::Tasks, "tasks")
        )
    }

    /// Makes a Secret, or changes it.
    pub async fn secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: BTreeMap<&str, &str> = data.iter().copied().collect();
        let object = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name}, "stringData": data,
        });
        self.api::<Secret>()
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
            .unwrap();
    }

    fn parameters(dry_run: bool) -> PatchParams {
        PatchParams {
            dry_run,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("test").force()
        }
    }

    /// Applies a resource as `kubectl apply --server-side` does.
    pub async fn apply(&self, object: &Value) -> DatabaseMigration {
        let name = object["metadata"]["name"].as_str().unwrap();
        let applied = self
            .api::<DatabaseMigration>()
            .patch(name, &Self::parameters(false), &Patch::Apply(object))
            .await
            .unwrap_or_else(|error| panic!("{object}\n{error}"));
        self.least
            .lock()
            .unwrap()
            .insert(name.to_owned(), applied.metadata.generation.unwrap_or(0));
        applied
    }

    /// What the API server says to it, without doing it.
    pub async fn dry_run(&self, object: &Value) -> Result<(), String> {
        let name = object["metadata"]["name"].as_str().unwrap();
        self.api::<DatabaseMigration>()
            .patch(name, &Self::parameters(true), &Patch::Apply(object))
            .await
            .map(|_| ())
            .map_err(|error| match error {
                kube::Error::Api(status) => status.message.clone(),
                other => panic!("{other}"),
            })
    }

    /// Sets an annotation, or takes it away.
    pub async fn annotate(&self, name: &str, key: &str, value: Option<&str>) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.api::<DatabaseMigration>()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// Asks for a new run.
    pub async fn retry(&self, name: &str, value: &str) {
        self.annotate(name, ANNOTATION_RETRY, Some(value)).await;
    }

    /// Removes everything; answers what did not go.
    async fn clean_up(&self) -> Vec<String> {
        let api = self.api::<DatabaseMigration>();
        let mut left = Vec::new();
        for object in api.list(&ListParams::default()).await.unwrap() {
            let name = object.name_any();
            // What a test froze would stay.
            self.annotate(
                &name,
                database_migration_operator::api::ANNOTATION_RECONCILE,
                None,
            )
            .await;
            let _ = api.delete(&name, &DeleteParams::default()).await;
            if !self.goes(&name).await {
                left.push(name);
            }
        }
        let _ = Api::<Namespace>::all(self.client.clone())
            .delete(&self.namespace, &DeleteParams::default())
            .await;
        let mut databases = std::mem::take(&mut *self.databases.lock().unwrap());
        // A server of the test's own goes with its namespace.
        databases.retain(|(server, _)| Server::ALL.contains(server));
        for (server, name) in databases {
            let mut session = server.session("postgres", "test").await;
            run(&mut session, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
        for server in Server::ALL {
            let mut session = server.session("postgres", "test").await;
            run(&mut session, &format!("DROP ROLE {}", self.role)).await;
        }
        left
    }

    /// The password as it may be written.
    pub(super) fn spellings(&self) -> [String; 3] {
        let encoded = encoded(&self.password);
        [self.password.clone(), encoded.to_lowercase(), encoded]
    }
}
