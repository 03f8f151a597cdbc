//! `DatabaseMigration`: what people and programs read of one database. A cache for readers, bounded like [`super::RunStatus`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AcceptedStatus, Policy, Time};

/// One database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// Its name in the spec.
    pub name: String,
    /// The digest of what the image holds for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inventory_hash: String,
    /// How far it is.
    #[serde(default)]
    pub phase: DatabasePhase,
    /// Where it is RolledBack: how it came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub went_back: Option<WentBack>,
    /// Migrations in the image.
    #[serde(default)]
    pub total: u32,
    /// Of those, applied.
    #[serde(default)]
    pub applied: u32,
    /// The first of those that are to be applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub pending: Vec<String>,
    /// How many are to be applied.
    #[serde(default)]
    pub pending_count: u32,
    /// Applied by this run.
    #[serde(default)]
    pub applied_by_run: u32,
    /// The migration that runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentStatus>,
    /// The migration that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedStatus>,
    /// What an earlier run knew of the migration that failed in it, until this run has looked whether its row still stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<FailedStatus>>,
    /// What was found and is worth a look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub findings: Vec<FindingStatus>,
    /// How many findings there are.
    #[serde(default)]
    pub findings_count: u32,
    /// Its history does not fit the image, or a failed row blocks, so that its objects are looked at by name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_name: bool,
    /// What a human said has run, by a baseline beside a ledger, and is not marked applied yet. It is not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub marks: Vec<String>,
    /// Where a baseline is needed: the last migration up to which the database holds already what they make. Where rows of the ledger are
    /// gone: the last migration that is known to be among them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub baseline: String,
    /// Of what a baseline up to there marks the catalog shows nothing of one or more, so that it needs `force`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub baseline_unseen: bool,
    /// Where applied migrations that the image does not have are denied as unknown: the value of spec.preflight.history.since that
    /// passes over them. Empty where something that is pending may be one of them, which that would let run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// The Lease that this run holds for it, by which runs of one database take turns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lease: String,
    /// The server of its last turn. Runs that hold a turn are counted by it (maxRunsPerServer of the chart).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The Lease by which runs on it take turns, as of the last time it was read: a restore takes its turn also where the
    /// database cannot be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub turn: String,
    /// The digest of the image's inventory of it as of the plan that was shown last while the resource was suspended in this run, or
    /// when the run was forced: nothing else runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shown_inventory_hash: String,
    /// Another entry of the spec, whose database this one leads to since the Secrets or the spec changed. A retry accepts that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub exchanged_with: String,
    /// Where the database can be brought back to: made before the first statement of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<RestorePointStatus>,
    /// What else is in its PostgreSQL instance, which a restore of the whole instance takes back with it; only where
    /// spec.rollback.restore is set, as of when the commits since the restore point were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatus>,
    /// Indexes that a migration of this resource's runs left invalid. Validated is False while one of them is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub invalid_indexes: Vec<String>,
    /// Migrations that a run applied and its plan did not contain, and that no image held since. While one is there, no run
    /// starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub unplanned: Vec<String>,
    /// Those of them that a human accepted as they are, by a retry with force: until an image holds them, or they are gone, they
    /// are shown as unknown or ahead and hold nothing up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub accepted: Vec<String>,
    /// What the ledger held when a run of this resource last saw it. Where something of it is gone later, nothing that is
    /// pending runs because the spec changed, but by a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<RememberedStatus>,
    /// The newest migrations of the image that were applied when a run last succeeded, as earlier releases wrote it: it counts
    /// until `remembered` is there, and is not written any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub verified: Vec<String>,
    /// When it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_observed_at: Option<Time>,
}

/// What a ledger held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RememberedStatus {
    /// How many migrations were applied.
    pub count: u32,
    /// The sum of the digests of their names, modulo 2^128, in hex: their order does not matter.
    pub digest: String,
    /// The last of them by name, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub newest: Vec<String>,
    /// The `turn` of the database whose ledger it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub turn: String,
    /// People were told that something of it is gone, and what is pending: a retry accepts that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

/// What is known of a database that no entry of the spec leads to. A database is known by its turn, not by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerDatabaseStatus {
    /// Its `turn`.
    pub turn: String,
    /// The entry of the spec whose database it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its `remembered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<RememberedStatus>,
    /// Its `marks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub marks: Vec<String>,
    /// Its `unplanned`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub unplanned: Vec<String>,
    /// Its `accepted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub accepted: Vec<String>,
}

/// How far one database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatabasePhase {
    /// It has not been read, or cannot be.
    #[default]
    Unknown,
    /// It has been read, and nothing was started.
    Planned,
    /// Its migrations run, or their end is being judged.
    Migrating,
    /// Every migration of the image is applied, verified in its ledger.
    Succeeded,
    /// A migration failed, or the end could not be verified.
    Failed,
    /// It was not started, because a database before it failed.
    Skipped,
    /// What the run did was undone.
    RolledBack,
}

/// How a database came to be rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WentBack {
    /// It was brought back by a restore, of its own or of the very same database.
    Restored,
    /// A migration was undone with its down.sql.
    Undone,
    /// A migration is marked rolled back; nothing of it was left, or somebody undid it.
    Marked,
}

impl DatabaseStatus {
    /// The restore point, where it is in the history of the very database that was read last.
    #[must_use]
    pub fn own_restore_point(&self) -> Option<&RestorePointStatus> {
        let point = self.restore_point.as_ref();
        point.filter(|point| point.is_of(&self.turn))
    }
}

impl RestorePointStatus {
    /// Whether it is in the history of the database of this turn. One of an earlier release does not say it, and counts.
    #[must_use]
    pub fn is_of(&self, turn: &str) -> bool {
        self.turn.is_empty() || self.turn == turn
    }
}

/// A place in the database's history to which it can be brought back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestorePointStatus {
    /// The run before whose first statement it was made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Its name, where the role may make one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The `turn` of the database in whose history it is: its Secret may lead to another one by now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub turn: String,
    /// The position in the write-ahead log.
    pub lsn: String,
    /// The server's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The database's count of committed transactions then.
    #[serde(default)]
    pub commits: i64,
    /// How many were committed since, when the database was last read; only where spec.rollback.restore is set. A restore
    /// loses about as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_since: Option<i64>,
}

/// What else is in the PostgreSQL instance of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// The other databases that can be seen, templates left out: those of this resource first, then by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub others: Vec<OtherDatabaseStatus>,
    /// How many others there are; `others` names the first ones.
    pub others_count: u32,
    /// The databases of this resource that are in the very same database, in another schema: they go back with it in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub same_database: Vec<String>,
}

/// Another database of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherDatabaseStatus {
    /// Its name on the server.
    pub name: String,
    /// The databases of this resource that are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub of_resource: Vec<String>,
}

/// The migration that runs now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentStatus {
    /// Its name.
    pub name: String,
    /// When Prisma started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// What its session does, and how much of that is left, as far as PostgreSQL tells.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub activity: String,
}

/// The migration that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedStatus {
    /// Its name; empty where Prisma failed before it came to one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The id of its row in `_prisma_migrations`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ledger_row: String,
    /// Prisma's code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// PostgreSQL's SQLSTATE.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sql_state: String,
    /// What the error says, without values of rows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Whether it left anything behind.
    #[serde(default)]
    pub traces: Traces,
    /// What ran did so elsewhere, or was not planned: what it left is not seen here, and the message says what is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// The digest of the catalog in which nothing of it was left.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub catalog: String,
    /// Which of its statements failed, where that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<FailedStatement>,
    /// Of an error that something exists already: what was there before the migration ran.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub was_there: String,
    /// The same: how the catalog compares with all that the migration does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedStatus>,
    /// An earlier row of the same migration is marked rolled back: that try, which did not meet it itself, may have left what was there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tried_before: bool,
    /// Another row says that it is applied: this one is left over, and Prisma does not run it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_over: bool,
    /// The image holds another text under its name by now, as a corrected one does, or none: what failed is the one before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub corrected: bool,
    /// The time-out that ended it is set by its own file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_time_out: bool,
    /// What makes it succeed the next time, where that is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// What took effect, and what may have and is unknown, with how to see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub left: Vec<String>,
    /// The statements that take back what it made and left, what was made last first: only of what was surely not there before
    /// this run. Nobody but a person runs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub undo: Vec<String>,
    /// What it did, too, and those do not take back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub undo_lacks: Vec<String>,
    /// What does not show in the catalog whether it was finished, with how to see it: with it `mark-applied` needs `force`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub unchecked: Vec<String>,
    /// What may have taken effect to stay, and would do so a second time, unless `traces` is None: with it
    /// `mark-rolled-back` needs `force`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub again: Vec<String>,
    /// Indexes of its own that it left invalid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub invalid_indexes: Vec<String>,
    /// Who held the lock that it waited for when it was last seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub blocked_by: String,
    /// The image holds a down.sql beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_down: bool,
}

/// What of a migration stands in the catalog, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedStatus {
    /// What it makes and is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub there: Vec<String>,
    /// What speaks against its having run: what is not there, or is there still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub against: Vec<String>,
    /// The statements that the catalog does not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub unseen: Vec<String>,
    /// Where only indexes are there otherwise: the statements that replace them. Nobody but a person runs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub replacing: Vec<String>,
}

impl ComparedStatus {
    /// The catalog shows that all of it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.there.is_empty() && self.against.is_empty() && self.unseen.is_empty()
    }
}

/// The statement of a migration that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedStatement {
    /// Its number in the file, from 1.
    pub number: u32,
    /// How many statements the file has.
    pub of: u32,
    /// Its first line, without values.
    pub text: String,
}

/// Whether a failed migration left anything behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Traces {
    /// The catalog is as before, and its statements change nothing else.
    None,
    /// The catalog changed.
    Some,
    /// It cannot be told.
    #[default]
    Unknown,
}

/// Something worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingStatus {
    /// What it is.
    pub kind: FindingKind,
    /// At which migration, or which object; absent of a line of the output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub migration: String,
    /// What it leads to.
    pub policy: Policy,
    /// Of a line of the output: its number, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Of a line of the output its text, redacted; of what is run CONCURRENTLY what to know of it; of what has the SQL of another
    /// one its name; of what was edited when it was applied; of what may stand for applied ones what of it is there, or that this cannot be
    /// seen; of what was forced what contradicts it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Of what may stand for applied ones: the catalog does not show whether it ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// Of what may stand for applied ones, and is there in part: what of it is not there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lacks: String,
    /// Of one that was denied, which a human accepted: who, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedStatus>,
}

impl FindingStatus {
    /// One of a kind at a migration, or an object, and what it leads to.
    #[must_use]
    pub fn new(kind: FindingKind, migration: &str, policy: Policy) -> Self {
        FindingStatus {
            kind,
            migration: migration.to_owned(),
            policy,
            line: None,
            text: String::new(),
            unseen: false,
            lacks: String::new(),
            accepted: None,
        }
    }
}

/// The kinds of finding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FindingKind {
    /// It is pending, and its content was applied under a name that the image does not have, or has for something else: it
    /// has run already.
    Renamed,
    /// It is pending, and may stand for applied migrations that the image does not have: what it makes may be there already.
    Squashed,
    /// It is pending, and has the same SQL as one that is applied and in the image as well: that SQL runs a second time.
    Repeated,
    /// An applied migration's file was changed since.
    Edited,
    /// An applied migration's file holds something else, which has not run, and what was applied stands under the name in
    /// `text` in the image.
    Reused,
    /// The ledger has it, the image does not, and the image has newer ones.
    Unknown,
    /// The ledger has it, and it is newer than all of the image.
    Ahead,
    /// It is pending and older than one that is applied.
    OutOfOrder,
    /// It is pending and runs a statement CONCURRENTLY, which waits for older snapshots as long as it takes.
    Concurrently,
    /// It is applied, and its folder holds no migration.sql any more that Prisma could read.
    Unreadable,
    /// An index that a concurrent build left invalid.
    InvalidIndex,
    /// A constraint that does not hold for the rows that were there before it (NOT VALID).
    NotValidated,
    /// A schema of this name stands in the database: Prisma 8 migrates it, too, and keeps a ledger of its own there.
    PrismaContract,
    /// A human marked it applied with force, and the catalog contradicts that: `text` has what.
    Forced,
    /// A line of the migration's output: a warning of Prisma, or a match of a pattern.
    Log,
}
