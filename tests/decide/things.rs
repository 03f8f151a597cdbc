//! The things of the simulated world.

use std::collections::{BTreeMap, BTreeSet};

use database_migration_operator::api::{MigrationActionStatus, StepKind};
use database_migration_operator::decide::{JobPlan, Resource};
use database_migration_operator::facts::{
    ActionFacts, DatabaseFacts, JobFacts, LedgerRow, NotStarted, Session, UnreadableReason,
};
use dbm_protocol::{DatabaseInventory, ProblemReason, Summary};

/// What becomes of a migration's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It fails as a whole.
    Fails,
    /// Its first statement took effect.
    FailsWithTraces,
    /// It fails once for lack of a lock, and leaves its row only.
    LockTimeout,
    /// It fails and cannot write why.
    FailsSilently,
    /// It is cut off between the script and the book-keeping.
    NotRecorded,
}

/// A migration of an image that is none of the usual row.
#[derive(Clone, Debug)]
pub struct Odd {
    pub name: String,
    /// What its checksum is of.
    pub content: String,
    /// The tables that it makes, where they are not there yet.
    pub makes: Vec<String>,
}

/// What is wrong with images, pods and databases, beside what becomes of scripts.
#[derive(Clone, Default)]
pub struct Trouble {
    /// Why no database can be read.
    pub unread: Option<UnreadableReason>,
    /// Why no image can be migrated with.
    pub problem: Option<ProblemReason>,
    /// What is otherwise so of what images hold, and of what databases show.
    pub inventory: Option<fn(&mut DatabaseInventory)>,
    pub facts: Option<fn(&mut DatabaseFacts)>,
    /// Why pods do not start.
    pub waits: Option<NotStarted>,
    /// How migrations end instead of what they would do.
    pub ending: Option<Ending>,
    /// Pods that read what images hold are lost.
    pub loses: bool,
    /// Jobs are somebody else's.
    pub foreign: bool,
    /// Prisma's resolve ends well and marks nothing.
    pub resolves_nothing: bool,
}

/// How a migration's container ends, and what it leaves.
#[derive(Clone)]
pub struct Ending {
    pub exit_code: i32,
    pub reason: &'static str,
    pub said: &'static str,
    pub summary: Option<Summary>,
    /// A row that is neither finished nor failed.
    pub row: bool,
    /// What the script makes.
    pub makes: bool,
    /// A migration that was applied beside it.
    pub other: Option<&'static str>,
}

/// A resource and what Kubernetes keeps beside it.
pub struct Object {
    pub resource: Resource,
    pub version: u64,
    pub exists: bool,
}

/// A MigrationAction.
pub struct Action {
    pub facts: ActionFacts,
    pub status: MigrationActionStatus,
    pub resource: usize,
    pub exists: bool,
    /// How often it was taken up.
    pub taken: u32,
    /// What its Jobs did to databases.
    pub effects: Vec<String>,
}

/// A Job and its only pod.
pub struct Job {
    pub facts: JobFacts,
    pub plan: JobPlan,
    pub resource: usize,
    pub image: String,
    pub target: String,
    /// The API server has it.
    pub exists: bool,
    /// Deleted, and gone as soon as its pod has ended.
    pub terminating: bool,
    pub process: Option<Process>,
    /// The node is lost: Kubernetes says so, and the process goes on.
    pub lost: bool,
    pub wrote: bool,
    /// It was made with the turn on its database.
    pub turn: bool,
    /// The action whose step it is, by uid.
    pub action: Option<String>,
}

impl Job {
    /// Nobody can know any more whether it is at work: it leaves no session.
    pub fn is_out_of_sight(&self) -> bool {
        self.plan.step == StepKind::Restore && (self.lost || !self.exists || !self.turn)
    }
}

/// Prisma at work; `client` is gone where only its backend is left.
#[derive(Clone, Debug)]
pub struct Process {
    pub session: Session,
    pub client: bool,
    pub content: Vec<String>,
    pub current: Option<String>,
    pub waited: u32,
    pub left: u32,
}

/// What a database holds: its schemas have a ledger each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub ledgers: BTreeMap<String, Option<Vec<LedgerRow>>>,
    pub catalog: BTreeMap<String, BTreeSet<String>>,
}

/// One physical database.
#[derive(Default)]
pub struct Physical {
    pub content: Content,
    /// What it held, since when.
    pub past: Vec<(i64, Content)>,
    /// What it held at a place in the write-ahead log.
    pub places: BTreeMap<String, Content>,
    /// A restore keeps it down until then.
    pub down_until: i64,
    pub lock: Option<Session>,
    /// Another program holds Prisma's lock until then.
    pub stranger: i64,
    pub readable: bool,
}
