//! `MigrationAction`: what a human decides about a run. Its spec never changes, it is consumed once, and it outlives
//! the resource: it is the record of who did what and why.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// What is decided, about which run, by whom and why. It never changes, and is carried out once.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "dbops.dev",
    version = "v1alpha1",
    kind = "MigrationAction",
    plural = "migrationactions",
    shortname = "dbma",
    category = "dbops",
    namespaced,
    doc = "MigrationAction is a person's decision about one run of a DatabaseMigration: what, why, who, and on which run. The operator carries it out once, or refuses it, with the reason, when it does not fit the state that it names; .status says which. Its spec never changes, and it outlives the resource as the record of what was done. The commands of `kubectl dbm` create one; so can `kubectl create` or GitOps. The admission policy of the chart decides who may create which action.",
    status = "MigrationActionStatus",
    derive = "PartialEq",
    validation = Rule::new("self.spec == oldSelf.spec").message("spec cannot be changed: make another MigrationAction"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Migration", type_ = "string", json_path = ".spec.migration"),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.outcome"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.requestedBy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.action in ['MarkApplied', 'MarkRolledBack', 'DownMigration', 'Baseline', 'Restore']) == (has(self.database) && self.database != '')").message("database is needed by MarkApplied, MarkRolledBack, DownMigration, Baseline and Restore, and by no other action"))]
#[x_kube(validation = Rule::new("(self.action in ['MarkApplied', 'MarkRolledBack', 'DownMigration', 'Baseline']) == (has(self.migrationName) && self.migrationName != '')").message("migrationName is needed by MarkApplied, MarkRolledBack, DownMigration and Baseline, and by no other action"))]
#[x_kube(validation = Rule::new("(self.action in ['MarkApplied', 'MarkRolledBack']) == (has(self.ledgerRow) && self.ledgerRow != '')").message("ledgerRow, the row that was judged, is needed by MarkApplied and MarkRolledBack, and by no other action"))]
#[x_kube(validation = Rule::new("(self.action == 'Baseline') == (has(self.planHash) && self.planHash != '')").message("planHash, from .status.planHash, is needed by Baseline, and by no other action"))]
#[x_kube(validation = Rule::new("(self.action == 'Restore') == has(self.target)").message("target is needed by Restore, and by no other action"))]
#[x_kube(validation = Rule::new("!has(self.force) || !self.force || self.action in ['MarkApplied', 'MarkRolledBack', 'Baseline', 'Retry']").message("force is for MarkApplied, MarkRolledBack, Baseline and Retry, and for no other action"))]
pub struct MigrationActionSpec {
    /// The DatabaseMigration, in this namespace.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("migration is the name of a DatabaseMigration: a DNS label"))]
    pub migration: String,
    /// The run that was looked at: .status.run.id. In another run it is refused.
    #[schemars(length(min = 1, max = 63))]
    pub run: String,
    /// What is to be done.
    pub action: ActionKind,
    /// Who asks: the name by which the API server knows the caller.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.matches('[\\\\x00-\\\\x1f\\\\x7f]')").message("requestedBy must not hold control characters"))]
    pub requested_by: String,
    /// Why, for those who read it later.
    #[schemars(length(min = 3, max = 500))]
    #[x_kube(validation = Rule::new("self.trim().size() >= 3 && self.matches('[\\\\pL\\\\pN]')").message("reason must say something: 3 to 500 characters, and not only signs"))]
    pub reason: String,
    /// The plan that was looked at: .status.planHash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub plan_hash: String,
    /// The database's name in the resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 30))]
    pub database: String,
    /// The migration; for Baseline the last one that is there already.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 255))]
    pub migration_name: String,
    /// The id of the row in _prisma_migrations that was judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub ledger_row: String,
    /// Where a Restore goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RestoreTarget>,
    /// It is carried out although the catalog contradicts it (MarkApplied, MarkRolledBack, Baseline), or although Prisma may
    /// refuse to deploy (Retry of a run that says BaselineNeeded), or a run applied what was not planned (Retry of one that says
    /// UnplannedMigrations).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// Where a Restore goes back to: a restore point, or an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.restorePoint) && self.restorePoint != '') != has(self.time)").message("target is exactly one of restorePoint and time"))]
pub struct RestoreTarget {
    /// The name of a restore point: .status.databases[].restorePoint.name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub restore_point: String,
    /// An instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// What a human can decide.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ActionKind {
    /// Starts a new run.
    #[default]
    Retry,
    /// Tells Prisma that a migration was finished by hand; the run goes on.
    MarkApplied,
    /// Tells Prisma that nothing of a migration is left; the run ends as RolledBack.
    MarkRolledBack,
    /// Runs the down.sql beside a migration and marks it rolled back; the run ends as RolledBack.
    DownMigration,
    /// Tells Prisma which migrations a database holds that never had a ledger (P3005), or that had run under another name or
    /// before the history was squashed; the run goes on.
    Baseline,
    /// Runs spec.rollback.restore; the run ends as RolledBack.
    Restore,
    /// Accepts a validation that failed; the run goes on as if it had passed.
    AcceptValidation,
    /// Ends the run before its next step; a running migration is not killed.
    Abort,
}

impl ActionKind {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionKind::Retry => "Retry",
            ActionKind::MarkApplied => "MarkApplied",
            ActionKind::MarkRolledBack => "MarkRolledBack",
            ActionKind::DownMigration => "DownMigration",
            ActionKind::Baseline => "Baseline",
            ActionKind::Restore => "Restore",
            ActionKind::AcceptValidation => "AcceptValidation",
            ActionKind::Abort => "Abort",
        }
    }
}

/// What became of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationActionStatus {
    /// How far it is.
    #[serde(default)]
    pub state: ActionState,
    /// Of one that is Done: whether it reached its goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ActionOutcome>,
    /// What happened, and why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The Job that did it, for an action that has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job: String,
    /// When it was taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// How far an action is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActionState {
    /// It was not taken up yet.
    #[default]
    Pending,
    /// It is being carried out.
    Running,
    /// It was carried out; `outcome` says how that went.
    Done,
    /// It does not fit the state it names, and nothing was done.
    Refused,
}

impl ActionState {
    /// It is over.
    pub fn is_final(self) -> bool {
        matches!(self, ActionState::Done | ActionState::Refused)
    }
}

/// How an action that was carried out went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ActionOutcome {
    /// It reached its goal, verified in the database.
    Succeeded,
    /// It did not; the message says what is left.
    Failed,
}
