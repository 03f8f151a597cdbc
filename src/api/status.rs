//! `DatabaseMigration`: what people and programs read. `run` is the journal of what is about to be done; the rest is a
//! cache for readers. Strings and lists are bounded by the writer, never by the schema: a value too long must not
//! block a write.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AcceptedStatus, ActionKind, ActionOutcome, ActionState, DatabaseStatus, FormerDatabaseStatus,
};

/// What the operator knows and is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseMigrationStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A word for people; programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What is going on, in one sentence or two.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The command that a human would run now, if any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next_command: String,
    /// Databases that are migrated and verified, of all: `1/2`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub databases_ready: String,
    /// Migrations that are still to be applied, over all databases; absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_count: Option<i64>,
    /// The digest of everything that the run will do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan_hash: String,
    /// The value of the retry annotation that has been acted on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_handled_retry: String,
    /// What a human can do now, safest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub choices: Vec<ChoiceStatus>,
    /// The MigrationAction that was taken up last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<TakenAction>,
    /// The run under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunStatus>,
    /// Each database, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub databases: Vec<DatabaseStatus>,
    /// What is known of databases that the spec named before, or named otherwise, newest first: it counts where it names them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub former: Vec<FormerDatabaseStatus>,
    /// Ready, Reconciling, Stalled (kstatus); Observed; Planned, PreflightPassed, Migrated, Validated, RolledBack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Runs that have ended, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub history: Vec<HistoryStatus>,
}

/// How far a resource is, for people; conditions are for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Something that it needs is missing, or it waits for its turn.
    Pending,
    /// The image's inventory is read and compared with the ledgers.
    Planning,
    /// It must not start: the message says why.
    Blocked,
    /// Migrations run.
    Migrating,
    /// The result is being verified.
    Validating,
    /// All databases are migrated and verified.
    Succeeded,
    /// The run ended without reaching its goal.
    Failed,
    /// What a run did is being undone, by a human's decision or by policy.
    RollingBack,
    /// What a run did was undone. Only a changed spec or a retry starts another run.
    RolledBack,
    /// It plans and shows, and starts nothing.
    Suspended,
}

/// Something that a human can do now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChoiceStatus {
    /// What it does, and what it costs.
    pub title: String,
    /// The command, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Of a restore: what was written since then is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loses_since: Option<Time>,
}

/// A MigrationAction that was taken up: the journal of what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenAction {
    /// `metadata.name` of the MigrationAction.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// What is to be done.
    pub action: ActionKind,
    /// Who asked.
    pub requested_by: String,
    /// The database, for an action that has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// How far it is.
    #[serde(default)]
    pub state: ActionState,
    /// Of one that is Done: whether it reached its goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ActionOutcome>,
    /// What happened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The Job that does it, for an action that has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job: String,
    /// When it was taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// One pass: the journal, written before each effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// `r<counter>-<first 8 characters of the resource's uid>`.
    pub id: String,
    /// The digest of the run-relevant spec.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub spec_hash: String,
    /// The digest of everything that the run will do, once it is planned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan_hash: String,
    /// The digest over the databases' inventories.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inventory_hash: String,
    /// The image.
    #[serde(default, skip_serializing_if = "ImageStatus::is_unset")]
    pub image: ImageStatus,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RunOutcome>,
    /// A human asked to end it before its next step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aborting: bool,
    /// A human asked for it with force: whether a baseline is needed is left to Prisma, where the operator cannot tell, and
    /// what was applied without a plan is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// Since when the databases are watched after the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_since: Option<Time>,
    /// What it waits or waited for that somebody may have to mend, each once: the journal of what was told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub waits: Vec<WaitStatus>,
    /// The step under way, the first of them where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepStatus>,
    /// Every step of this run, in the order of their start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub steps: Vec<StepStatus>,
}

/// Something that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitStatus {
    /// What waits: a database, a smoke test, or the image; or the Job of which something was told while it ran.
    pub subject: String,
    /// Why, as conditions say it.
    pub reason: String,
    /// When it was first seen.
    pub since: Time,
    /// An Event was emitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunOutcome {
    /// All databases are migrated and verified.
    Succeeded,
    /// A migration failed, or its end could not be verified.
    Failed,
    /// The spec changed, or a new run was asked for, before it ended.
    Superseded,
    /// What it did was undone.
    RolledBack,
    /// A human ended it before its next step.
    Aborted,
}

/// The image of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// As the spec names it.
    pub reference: String,
    /// Its repository digest, where the runtime reports one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

impl ImageStatus {
    /// It says nothing.
    fn is_unset(&self) -> bool {
        *self == ImageStatus::default()
    }
}

/// One step of a run: a Job, its state and its result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// Which kind.
    pub name: StepKind,
    /// The database it belongs to; empty where it serves all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// The Job's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job: String,
    /// The Job's uid, once its creation was confirmed.
    #[serde(default, rename = "jobUID", skip_serializing_if = "String::is_empty")]
    pub job_uid: String,
    /// Its Job was deleted before it started, to give way to a new run, an Abort, a suspension, or the end of a run that failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_away: bool,
    /// Its pod was seen being deleted while it ran, by somebody, a drain or an eviction.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pod_deleted: bool,
    /// The migration that it deals with, for a step that has one; of a baseline the last one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub migration: String,
    /// The smoke test that it runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub test: String,
    /// What a resolve step marks the migration as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// The row of _prisma_migrations that it deals with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ledger_row: String,
    /// Digests of the other databases' ledgers before a restore, by database: they must not change.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub other_ledgers: std::collections::BTreeMap<String, String>,
    /// What its end said, where that is not said elsewhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The database's count of committed transactions before a restore, which begins anew with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<i64>,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When its process was seen to be gone, whatever is left of it in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// When its end was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<StepOutcome>,
    /// Of a smoke test that failed, which a human accepted: who, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedStatus>,
    /// Digest of the ledger before it began: what is there afterwards and was not before is its doing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ledger: String,
    /// How many of the image's migrations were applied before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<u32>,
    /// How many migrations that the image does not hold were applied before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<u32>,
    /// Digest of the catalog before it began.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub catalog: String,
    /// Invalid indexes before it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub invalid_indexes: Vec<String>,
    /// How many invalid indexes there were before it began; `invalidIndexes` names the first ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invalid_index_count: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The kinds of step.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// Reads what the image holds.
    #[default]
    Inventory,
    /// Migrates one database.
    Migrate,
    /// Tells Prisma that a migration is applied, or rolled back.
    Resolve,
    /// Runs the down.sql of a migration.
    Down,
    /// Proves something after the migrations.
    SmokeTest,
    /// Brings a database back to a restore point.
    Restore,
}

impl StepKind {
    /// As it is written in labels and names.
    pub fn as_str(self) -> &'static str {
        match self {
            StepKind::Inventory => "inventory",
            StepKind::Migrate => "migrate",
            StepKind::Resolve => "resolve",
            StepKind::Down => "down",
            StepKind::SmokeTest => "smoke-test",
            StepKind::Restore => "restore",
        }
    }
}

/// What `migrate resolve` marks a migration as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Resolution {
    /// It is in the database.
    Applied,
    /// Nothing of it is.
    RolledBack,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepOutcome {
    /// It reached its goal, verified.
    Succeeded,
    /// It did not.
    Failed,
    /// It never began, and left nothing; it may be tried again.
    NeverBegan,
    /// It did not, and a human accepted that.
    Accepted,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryStatus {
    /// The run.
    pub id: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The image's reference.
    pub image: String,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How many migrations it applied.
    pub applied: u32,
}
