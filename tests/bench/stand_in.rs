//! A thousand resources without a thousand containers, for `make bench`: makes databases, Secrets and resources, then does
//! with their pods what a kubelet and Prisma would do. No node takes the pods, so nobody else touches them; the databases,
//! the ledgers in them, the Jobs and the API server are real.
//!
//! usage: bench-stand-in NAMESPACE COUNT WORK_MS; the database server is BENCH_POSTGRES_URL (a superuser's URL), and the
//! operator's way to it BENCH_DATABASE_URL, without a database's name. Prints one line of JSON when all are Ready.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use database_migration_operator::api::{DatabaseMigration, LABEL_MIGRATION, LABEL_STEP, digest};
use database_migration_operator::build::{CONTAINER, config_map};
use database_migration_operator::decide::{Resource, inventory_key};
use dbm_protocol::{DatabaseInventory, Migration, Outcome, Summary, VERSION};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

/// Requests and connections at once.
const WIDTH: usize = 12;
/// Never pulled: its inventory is known, and a digest does not move.
const IMAGE: &str =
    "localhost/bench@sha256:0000000000000000000000000000000000000000000000000000000000000000";
const MIGRATIONS: [(&str, &str); 2] = [
    (
        "20260101090000_init",
        "CREATE TABLE \"Note\" (id serial PRIMARY KEY, body text NOT NULL)",
    ),
    (
        "20260102090000_pinned",
        "ALTER TABLE \"Note\" ADD COLUMN pinned boolean NOT NULL DEFAULT false",
    ),
];
/// As Prisma makes it.
const LEDGER: &str = "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, \
    finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, \
    started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)";

struct Bench {
    client: Client,
    namespace: String,
    count: usize,
    work: Duration,
    admin: PgConnectOptions,
    url: String,
    /// Pods that run now, and the most that ever did.
    running: AtomicUsize,
    most: AtomicUsize,
    seen: Mutex<HashSet<String>>,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: tests/bench/run sets it"))
}

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || {
        words
            .next()
            .expect("usage: bench-stand-in NAMESPACE COUNT WORK_MS")
    };
    let bench = Arc::new(Bench {
        client: Client::try_default().await.unwrap(),
        namespace: word(),
        count: word().parse().unwrap(),
        work: Duration::from_millis(word().parse().unwrap()),
        admin: variable("BENCH_POSTGRES_URL")
            .parse::<PgConnectOptions>()
            .unwrap()
            .disable_statement_logging(),
        url: variable("BENCH_DATABASE_URL"),
        running: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        seen: Mutex::default(),
    });
    bench.databases().await;
    bench.secrets().await;
    bench.inventory().await;
    let pods = tokio::spawn(bench.clone().pods());
    let ready = tokio::spawn(bench.clone().all_ready());
    // The watches stand before anything happens.
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("{}", json!({"prepared": true}));
    let began = Instant::now();
    bench.resources().await;
    let applied = began.elapsed();
    ready.await.unwrap();
    let report = json!({
        "applied": applied.as_secs_f64(),
        "ready": began.elapsed().as_secs_f64(),
        "at_once": bench.most.load(Ordering::SeqCst),
    });
    pods.abort();
    println!("{report}");
}

impl Bench {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn names(&self) -> impl Iterator<Item = String> + use<> {
        let namespace = self.namespace.clone();
        (0..self.count).map(move |number| format!("{namespace}-{number:04}"))
    }

    /// Does something for each resource, several at once.
    async fn each<F: Future<Output = ()>>(&self, work: impl Fn(String) -> F) {
        stream::iter(self.names())
            .for_each_concurrent(WIDTH, work)
            .await;
    }

    /// A copy of files that nobody syncs: some 20 ms each.
    async fn databases(&self) {
        let sessions = stream::iter(0..2).then(|_| async { self.admin.connect().await.unwrap() });
        let sessions: Vec<PgConnection> = sessions.collect().await;
        let names: Vec<String> = self.names().collect();
        let halves = names.chunks(self.count.div_ceil(sessions.len()).max(1));
        let works = halves.zip(sessions).map(|(names, mut session)| async move {
            for name in names {
                let sql = format!(
                    "CREATE DATABASE \"{name}\" OWNER shop TEMPLATE template0 STRATEGY file_copy"
                );
                session.execute(AssertSqlSafe(sql)).await.unwrap();
            }
        });
        futures::future::join_all(works).await;
    }

    async fn secrets(&self) {
        let api: &Api<Secret> = &self.api();
        self.each(|name| async move {
            let secret: Secret = serde_json::from_value(json!({
                "metadata": {"name": name},
                "stringData": {"DATABASE_URL": format!("{}/{name}", self.url)},
            }))
            .unwrap();
            api.create(&PostParams::default(), &secret).await.unwrap();
        })
        .await;
    }

    /// What the operator would have read from the image.
    async fn inventory(&self) {
        let object = self.resource("seed");
        let key = inventory_key(&object.spec, &object.spec.databases[0]);
        let migration = |(name, sql): &(&str, &str)| Migration {
            name: (*name).to_owned(),
            sha256: digest(sql.as_bytes()),
            size: sql.len() as u64,
            sql: Some((*sql).to_owned()),
            ..Migration::default()
        };
        let inventory = DatabaseInventory {
            database: "main".to_owned(),
            hash: digest(b"bench"),
            prisma_version: Some("6.19.3".to_owned()),
            provider: Some("postgresql".to_owned()),
            url_variable: Some("DATABASE_URL".to_owned()),
            migrations: MIGRATIONS.iter().map(migration).collect(),
            ..DatabaseInventory::default()
        };
        let seed = Resource::from(&object);
        let mut map = config_map(&seed, &key, &inventory);
        map.metadata.owner_references = None;
        let api: Api<ConfigMap> = self.api();
        api.create(&PostParams::default(), &map).await.unwrap();
    }

    fn resource(&self, name: &str) -> DatabaseMigration {
        serde_json::from_value(json!({
            "apiVersion": "dbops.dev/v1alpha1", "kind": "DatabaseMigration",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "image": IMAGE,
                "job": {"nodeSelector": {"dbops.dev/bench": "no-node"}},
                "databases": [{"name": "main", "connection": {"secretKeyRef": {"name": name}}}],
            },
        }))
        .unwrap()
    }

    async fn resources(&self) {
        let api: &Api<DatabaseMigration> = &self.api();
        self.each(|name| async move {
            let object = self.resource(&name);
            api.create(&PostParams::default(), &object).await.unwrap();
        })
        .await;
    }

    /// Ends when every resource is Ready.
    async fn all_ready(self: Arc<Self>) {
        let mut ready = HashSet::new();
        let mut changes = watcher(self.api::<DatabaseMigration>(), watcher::Config::default())
            .default_backoff()
            .applied_objects()
            .boxed();
        while ready.len() < self.count {
            let object = changes.try_next().await.unwrap().unwrap();
            let status = object.status.clone().unwrap_or_default();
            let holds = |kind: &str| {
                let found = status.conditions.iter().find(|c| c.type_ == kind);
                found.is_some_and(|condition| condition.status == "True")
            };
            assert!(
                !holds("Stalled"),
                "{}: {}",
                object.name_any(),
                status.message
            );
            if holds("Ready") {
                ready.insert(object.name_any());
            }
        }
    }

    /// Plays the kubelet for every new pod.
    async fn pods(self: Arc<Self>) {
        let of_migrations = watcher::Config::default().labels(&format!("{LABEL_STEP}=migrate"));
        let mut pods = watcher(self.api::<Pod>(), of_migrations)
            .default_backoff()
            .applied_objects()
            .boxed();
        while let Some(pod) = pods.try_next().await.unwrap() {
            if self.seen.lock().unwrap().insert(pod.name_any()) {
                tokio::spawn(self.clone().play(pod));
            }
        }
    }

    async fn play(self: Arc<Self>, pod: Pod) {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let started = jiff::Timestamp::now().to_string();
        let running = json!({"running": {"startedAt": started}});
        self.say(&pod, "Running", &running).await;
        let database = &pod.labels()[LABEL_MIGRATION];
        let (_, ()) = tokio::join!(tokio::time::sleep(self.work), self.migrate(database));
        let ended = jiff::Timestamp::now().to_string();
        let summary = Summary {
            problem: None,
            elsewhere: None,
            begun: None,
            version: VERSION,
            outcome: Outcome::Succeeded,
            exit_code: Some(0),
            signal: None,
            code: None,
            sql_state: None,
            migration: None,
            message: None,
            findings: Vec::new(),
            findings_count: 0,
            timed_out: false,
            started_at: Some(started.clone()),
            finished_at: Some(ended.clone()),
        };
        // What the operator counts as at work ends later than this.
        self.running.fetch_sub(1, Ordering::SeqCst);
        let state = json!({"terminated": {
            "exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": ended,
            "message": serde_json::to_string(&summary).unwrap(),
        }});
        self.say(&pod, "Succeeded", &state).await;
    }

    async fn say(&self, pod: &Pod, phase: &str, state: &Value) {
        let status = |name: &str| {
            json!({"name": name, "image": IMAGE, "imageID": "", "ready": phase == "Running",
                   "restartCount": 0, "state": state})
        };
        let names = pod.spec.iter().flat_map(|spec| &spec.containers);
        let mut all: Vec<Value> = names.map(|container| status(&container.name)).collect();
        all.sort_by_key(|status| status["name"] != CONTAINER);
        let patch = json!({"status": {"phase": phase, "containerStatuses": all}});
        let api: Api<Pod> = self.api();
        api.patch_status(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
        .unwrap();
    }

    /// What Prisma leaves behind.
    async fn migrate(&self, database: &str) {
        let mut session = self
            .admin
            .clone()
            .database(database)
            .connect()
            .await
            .unwrap();
        let rows = MIGRATIONS.iter().map(|(name, sql)| {
            format!(
                "{sql}; INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) \
                 VALUES (gen_random_uuid(), '{}', '{name}', now(), 1)",
                digest(sql.as_bytes())
            )
        });
        let rows: Vec<String> = rows.collect();
        let rights = "GRANT SELECT ON _prisma_migrations TO shop";
        let sql = format!("BEGIN; {LEDGER}; {rights}; {}; COMMIT", rows.join("; "));
        session
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        session.close().await.unwrap();
    }
}
