//! What a decision is made from, and what it consists of.

use std::collections::{BTreeMap, BTreeSet};

use dbm_protocol::{Configured, DatabaseInventory, InventoryReport, Planned};
use jiff::Timestamp;

use crate::api::{
    ANNOTATION_RECONCILE, ANNOTATION_RETRY, ANNOTATION_SUSPEND, DatabaseMigration,
    DatabaseMigrationSpec, DatabaseMigrationStatus, FINALIZER, MigrationActionStatus, Resolution,
    StepKind,
};
use crate::facts::ServerFacts;
use crate::facts::{
    ActionFacts, DatabaseFacts, HeldPod, JobFacts, OldJob, Reading, RestorePointFacts,
};

/// What an image holds, by database.
pub(super) type Inventories = BTreeMap<String, DatabaseInventory>;

/// The world as it was read for one resource, and the time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The time of this decision.
    pub now: Timestamp,
    /// The resource itself.
    pub resource: Resource,
    /// What the image holds, by database; only what was found stored.
    pub inventories: BTreeMap<String, DatabaseInventory>,
    /// What the ended inventory Job of this run printed, or why nothing could be made of it.
    pub report: Option<Result<InventoryReport, String>>,
    /// The databases that were looked at in this pass.
    pub databases: BTreeMap<String, Reading<DatabaseFacts>>,
    /// The Jobs of the run's steps. `None`: the API server itself says that there is no such Job.
    pub jobs: BTreeMap<String, Option<JobFacts>>,
    /// Of these Jobs, those that this process made itself: such a one was there, whether or not anybody saw it.
    pub made: BTreeSet<String>,
    /// The ended Jobs of this resource's other runs.
    pub old_jobs: Vec<OldJob>,
    /// Its pods that something else in them keeps from ending.
    pub held_pods: Vec<HeldPod>,
    /// Leases that could not be had, by name.
    pub leases: BTreeMap<String, LeaseFacts>,
    /// What else is at work on the servers of the databases that were looked at, by [`super::server_name`]; empty where
    /// that is not limited.
    pub servers: BTreeMap<String, ServerFacts>,
    /// Turns that the journal has given back and that still stand, with their holder, a run of this resource.
    pub left_turns: Vec<(String, String)>,
    /// What the API server refused a moment ago, by the name of the step's Job.
    pub refusals: BTreeMap<String, Refusal>,
    /// The MigrationActions for this resource that are not over, oldest first.
    pub actions: Vec<ActionFacts>,
    /// The restore points that were made a moment ago, by database.
    pub restore_points: BTreeMap<String, Reading<RestorePointFacts>>,
    /// A finished resource is to be looked at again.
    pub look_due: bool,
}

/// The resource, without what only Kubernetes needs.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// It is being deleted.
    pub deleting: bool,
    /// Its namespace is being deleted, too.
    pub namespace_deleting: bool,
    /// It carries our finalizer.
    pub finalizer: bool,
    /// The value of the retry annotation.
    pub retry: Option<String>,
    /// Suspended, by spec or annotation.
    pub suspended: bool,
    /// The emergency stop is on.
    pub frozen: bool,
    /// What is asked for.
    pub spec: DatabaseMigrationSpec,
    /// What was last written.
    pub status: DatabaseMigrationStatus,
}

impl From<&DatabaseMigration> for Resource {
    /// Whether its namespace is being deleted does not stand in it.
    fn from(object: &DatabaseMigration) -> Self {
        let annotation = |key: &str| {
            object
                .metadata
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(key).cloned())
        };
        Resource {
            name: object.metadata.name.clone().unwrap_or_default(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            deleting: object.metadata.deletion_timestamp.is_some(),
            namespace_deleting: false,
            finalizer: object
                .metadata
                .finalizers
                .iter()
                .flatten()
                .any(|finalizer| finalizer == FINALIZER),
            retry: annotation(ANNOTATION_RETRY),
            suspended: object.spec.suspend
                || annotation(ANNOTATION_SUSPEND).as_deref() == Some("true"),
            frozen: annotation(ANNOTATION_RECONCILE).as_deref() == Some("disabled"),
            spec: object.spec.clone(),
            status: object.status.clone().unwrap_or_default(),
        }
    }
}

/// A Lease that another run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFacts {
    /// `spec.holderIdentity`: `<namespace>/<name>/<uid>/<run>`.
    pub holder: String,
    /// Another run came after that one, or its resource is gone, or its journal names this Lease at no database: it was
    /// killed between the journal and giving it back. Read from the API server after the Lease, never from a cache: a run
    /// journals a Lease before it takes it, and taking it writes it, also where the holder stays the same.
    pub holder_gone: bool,
    /// The holder's resource may not be read: whether its run is over cannot be known.
    pub holder_hidden: bool,
    /// For a take-over that nobody else may have made first.
    pub resource_version: String,
}

/// What the API server refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// To make the Job.
    Job,
    /// To make it, because there is a Job of that name, which is not ours.
    Foreign,
    /// To show the log of the ended inventory Job.
    Log,
    /// To store what that Job found.
    Inventory,
}

/// The API server refused something that a step needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it refused.
    pub what: Refused,
    /// What it said.
    pub message: String,
    /// Since when it refuses it.
    pub since: Timestamp,
    /// It could not ask whom it has to ask: a webhook's server, or the kubelet. They get restarted.
    pub passing: bool,
}

/// For so long nobody is called because a kubelet or a webhook's server is away, seconds.
const HICCUP: i64 = 60;

impl Refusal {
    /// What may well pass before anybody has looked.
    #[must_use]
    pub fn is_hiccup(&self, now: Timestamp) -> bool {
        self.passing && now.as_second() - self.since.as_second() < HICCUP
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// The status to write before the effects; `None` where nothing changed.
    pub status: Option<Box<DatabaseMigrationStatus>>,
    /// What to do, in this order; the first that fails ends the pass.
    pub effects: Vec<Effect>,
    /// What to tell, after the effects.
    pub events: Vec<Event>,
    /// When to look again, milliseconds; `None`: when something changes.
    pub requeue_ms: Option<u64>,
    /// The same for what somebody else has to mend, which nobody tells the operator of: rarer where many wait like this.
    pub poll_ms: Option<u64>,
    /// The next step can be decided at once.
    pub again: bool,
    /// The servers on which it waits for another run's end.
    pub in_line: BTreeSet<String>,
}

impl Decision {
    /// The sooner of `requeue_ms` and `poll_ms`.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.requeue_ms.into_iter().chain(self.poll_ms).min()
    }
}

/// A change of the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Hold the resource while a Job runs; done before the status is written.
    AddFinalizer,
    /// Let it go.
    RemoveFinalizer,
    /// Keep what the image holds for a database, found again by `key`.
    StoreInventory {
        /// See [`crate::decide::inventory_key`].
        key: String,
        /// The content.
        inventory: Box<DatabaseInventory>,
    },
    /// Take the turn on a database.
    AcquireLease {
        /// The Lease's name.
        name: String,
        /// Who we are: [`LeaseFacts::holder`]'s form.
        holder: String,
        /// Take it over from a run that is gone: the version that was read.
        take_over: Option<String>,
    },
    /// Give the turn to the next.
    ReleaseLease {
        /// The Lease's name.
        name: String,
        /// Only if we hold it.
        holder: String,
    },
    /// Make a step's Job.
    CreateJob(Box<JobPlan>),
    /// End a Job; its pod gets its grace period.
    DeleteJob {
        /// Its name.
        name: String,
        /// Only this one.
        uid: String,
    },
    /// End a pod whose own container has ended.
    DeletePod {
        /// Its name.
        name: String,
        /// Only this one.
        uid: String,
        /// How long what is left in it may take.
        grace_seconds: i64,
    },
    /// Say on a MigrationAction how far it is.
    SetAction {
        /// Its name.
        name: String,
        /// Only this one.
        uid: String,
        /// What to say.
        status: Box<MigrationActionStatus>,
    },
    /// Make a restore point on a database; the next snapshot has what came of it.
    MakeRestorePoint {
        /// The database's name in the spec.
        database: String,
        /// The restore point's name.
        name: String,
    },
    /// Tie an ended Job to the resource.
    AdoptJob {
        /// Its name.
        name: String,
        /// Only this one.
        uid: String,
    },
}

/// A Job to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobPlan {
    /// Its name.
    pub name: String,
    /// Which step.
    pub step: StepKind,
    /// Which database; empty for a step that serves all.
    pub database: String,
    /// Which run.
    pub run: String,
    /// The inventory hash that was planned with.
    pub expect: String,
    /// What the configuration was found to say.
    pub configured: Option<Configured>,
    /// What was planned, where Prisma is to be asked whether it reads the same.
    pub confirm: Option<Planned>,
    /// Not to begin after this.
    pub not_after: Option<Timestamp>,
    /// The server knows `client_connection_check_interval` (PostgreSQL 14 and later).
    pub connection_check: bool,
    /// Its sessions wait for locks for as long as it takes, whatever `timeouts.lock` says.
    pub unlimited_locks: bool,
    /// The migrations that a resolve step marks, in this order; the one that a down step undoes.
    pub migrations: Vec<String>,
    /// What a resolve step marks them as.
    pub resolution: Option<Resolution>,
    /// How a down step runs its script.
    pub down: Option<DownPlan>,
    /// The smoke test.
    pub test: String,
    /// Where a restore step goes back to.
    pub restore: Option<RestorePlan>,
}

/// How a `down.sql` is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownPlan {
    /// In one transaction, which also marks the row rolled back: done wholly or not at all.
    pub transaction: bool,
    /// The row of the ledger that the transaction marks.
    pub ledger_row: String,
    /// The ledger's schema.
    pub schema: String,
}

/// Where a restore goes back to; what is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestorePlan {
    /// The database's name in the resource.
    pub database: String,
    /// The restore point's name.
    pub point: String,
    /// Its position in the write-ahead log.
    pub lsn: String,
    /// The time, RFC 3339.
    pub time: String,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Warning` instead of `Normal`.
    pub warning: bool,
    /// The reason.
    pub reason: &'static str,
    /// The message.
    pub message: String,
}
