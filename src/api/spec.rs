//! `DatabaseMigration`: what a team writes.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BackupSpec, DatabaseMigrationStatus, DatabaseSpec, Duration, JobSpec, Policy, RollbackSpec,
    ValidationSpec, defaults,
};

/// What is to be migrated and how: the image that holds the Prisma migrations, and the databases in order.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "dbops.dev",
    version = "v1alpha1",
    kind = "DatabaseMigration",
    plural = "databasemigrations",
    shortname = "dbm",
    category = "dbops",
    namespaced,
    doc = "DatabaseMigration runs the Prisma migrations of an image on a list of databases, in order. The operator compares the image with each database's _prisma_migrations table, migrates one database after the other by Jobs, and verifies the result in that table. When a migration fails, it stops, does not touch the databases that come after, and says in .status what failed, what is left of it, and what you can do, safest first. Nothing runs twice, and nothing is repaired by itself. A changed spec, or a MigrationAction, starts a new run. `kubectl dbm status NAME` shows all of it.",
    status = "DatabaseMigrationStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must be a DNS label of at most 63 characters: it becomes a label of the Jobs"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Databases", type_ = "string", json_path = ".status.databasesReady"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.pendingCount"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.validation.smokeTests) || self.validation.smokeTests.all(t, !has(t.after) || t.after == '' || self.databases.exists(d, d.name == t.after))").message("after of a smoke test must be the name of a database of this resource, or empty"))]
pub struct DatabaseMigrationSpec {
    /// The image that holds the Prisma migrations.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.trim() == self && !self.contains(' ')").message("image must be an image reference, without blanks"))]
    pub image: String,
    /// When the image is pulled.
    #[serde(default)]
    pub image_pull_policy: PullPolicy,
    /// Secrets to pull the image with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub image_pull_secrets: Vec<SecretName>,
    /// Plans and shows, starts no migration: the way to adopt the operator on an existing database.
    #[serde(default)]
    pub suspend: bool,
    /// How many databases at once; 1 is the list's order, each after the one before it.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1, max = 64))]
    pub parallelism: u32,
    /// How often a finished resource looks at its databases again, which never starts a run; 0s is never.
    #[serde(default = "defaults::hour")]
    #[x_kube(validation = Rule::new("self == '0s' || (self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && self != '' && duration(self) >= duration('1m'))").message("interval must be at least 1m, or 0s for never"))]
    pub interval: Duration,
    /// How many finished runs are kept, with their Jobs.
    #[serde(default = "defaults::ten")]
    #[schemars(range(min = 0, max = 50))]
    pub history_limit: u32,
    /// The databases; their order is the order of migration.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = Rule::new("self.all(d, self.exists_one(e, e.name == d.name))").message("names of databases must be unique"))]
    #[x_kube(validation = Rule::new("[self.map(d, d.name)].all(names, self.all(d, [names.indexOf(d.name)].all(i, !has(d.dependsOn) || d.dependsOn.all(x, [names.indexOf(x)].all(j, j >= 0 && j < i)))))").message("dependsOn of a database may only name databases that stand before it in spec.databases: look for a name that is in no databases[].name (upper and lower case count), that is the database's own, or that stands further down, and correct it or change the order"))]
    pub databases: Vec<DatabaseSpec>,
    /// What holds for every Job of this resource.
    #[serde(default)]
    pub job: JobSpec,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: TimeoutsSpec,
    /// What must hold before a migration starts.
    #[serde(default)]
    pub preflight: PreflightSpec,
    /// What is verified after the migrations.
    #[serde(default)]
    pub validation: ValidationSpec,
    /// What is done when a run failed.
    #[serde(default)]
    pub rollback: RollbackSpec,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// At every start.
    Always,
    /// When the node does not have it.
    #[default]
    IfNotPresent,
    /// Never: it must be on the node.
    Never,
}

impl PullPolicy {
    /// As Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// The name of a Secret in the namespace of the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretName {
    /// The name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsSpec {
    /// Until a container has started: pod scheduled, image pulled.
    #[serde(default = "defaults::start")]
    #[x_kube(validation = Rule::new("self == '' || self.matches('[1-9]')").message("start must be at least 1s"))]
    pub start: Duration,
    /// After this the resource says that a migration is overdue; nothing is killed.
    #[serde(default = "defaults::overdue")]
    pub overdue: Duration,
    /// After this the migration's pod is ended; 0s is never.
    #[serde(default = "defaults::never")]
    pub kill: Duration,
    /// lock_timeout of the migration's session. Where a pending migration runs a statement CONCURRENTLY there is none:
    /// that statement waits for every older snapshot, and cut short it leaves an invalid index.
    #[serde(default = "defaults::lock")]
    pub lock: Duration,
    /// How often a lock time-out that left no trace is tried.
    #[serde(default = "defaults::five")]
    #[schemars(range(min = 1, max = 100))]
    pub lock_attempts: u32,
    /// statement_timeout of the migration's session; unset leaves the role's own.
    #[serde(default, skip_serializing_if = "Duration::is_unset")]
    pub statement: Duration,
    /// A database that cannot be judged for longer than this makes the resource Stalled; it is still looked at.
    #[serde(default = "defaults::unknown")]
    pub unknown: Duration,
    /// How often a running migration is looked at.
    #[serde(default = "defaults::observe")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("observe must be at least 1s"))]
    pub observe: Duration,
}

impl Default for TimeoutsSpec {
    fn default() -> Self {
        TimeoutsSpec {
            start: defaults::start(),
            overdue: defaults::overdue(),
            kill: defaults::never(),
            lock: defaults::lock(),
            lock_attempts: defaults::five(),
            statement: Duration::default(),
            unknown: defaults::unknown(),
            observe: defaults::observe(),
        }
    }
}

/// What must hold before a migration starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightSpec {
    /// How the ledger's history is compared with the image's.
    #[serde(default)]
    pub history: HistorySpec,
    /// What is proven of backups.
    #[serde(default)]
    pub backup: BackupSpec,
}

/// How the ledger's history is judged against the image's migrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistorySpec {
    /// An applied migration's file was changed since.
    #[serde(default = "HistorySpec::warn")]
    pub edited: Policy,
    /// The ledger has an applied migration, older than the image's newest, that the image does not have.
    #[serde(default = "HistorySpec::deny")]
    pub unknown: Policy,
    /// The ledger has applied migrations newer than the image's newest. Warn: they are shown, and nothing starts while
    /// another migration is pending.
    #[serde(default = "HistorySpec::warn")]
    pub ahead: Policy,
    /// A pending migration is older than one that is applied.
    #[serde(default = "HistorySpec::warn")]
    pub out_of_order: Policy,
    /// Migrations whose name sorts before this are shown, not judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 255))]
    pub since: String,
}

impl HistorySpec {
    fn warn() -> Policy {
        Policy::Warn
    }

    fn deny() -> Policy {
        Policy::Deny
    }
}

impl Default for HistorySpec {
    fn default() -> Self {
        HistorySpec {
            edited: Policy::Warn,
            unknown: Policy::Deny,
            ahead: Policy::Warn,
            out_of_order: Policy::Warn,
            since: String::new(),
        }
    }
}
