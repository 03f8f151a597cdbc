//! What one look at a database brings home.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Column, Index, Object};

/// The `application_name` of the operator's own looks, by which they are told apart from a migration's session (`dbm/...`).
pub const OBSERVER: &str = "dbm-observer";

/// Instead of the address of a client that came over a socket of the server's own machine.
pub const LOCAL_SOCKET: &str = "a local socket";

/// Which database it is, whatever name its host was called by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseIdentity {
    /// `pg_control_system().system_identifier`; equal on physical clones, so equality orders runs and proves nothing.
    pub system_identifier: String,
    /// `pg_database.oid` of the database.
    pub database_oid: u32,
    /// Its name.
    pub database: String,
    /// The schema of the ledger: the URL's `schema` parameter, default `public`.
    pub schema: String,
}

/// One look at one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Which database it is.
    pub identity: DatabaseIdentity,
    /// `server_version_num`, e.g. 150018.
    pub server_version: u32,
    /// Our role, as an identifier in SQL.
    pub role: String,
    /// The statement that gives our role what Prisma needs to begin: to make its ledger, or to write to it. `None` where
    /// nothing is lacking, or where that is not known.
    pub lacks: Option<String>,
    /// `_prisma_migrations`.
    pub ledger: Ledger,
    /// Who holds Prisma's advisory lock.
    pub lock_holder: Option<Session>,
    /// The other sessions of this database whose `application_name` begins with `dbm/`, the operator's own looks
    /// left out.
    pub our_sessions: Vec<Session>,
    /// Who waits for whom, among our sessions and Prisma's lock.
    pub waits: Vec<Wait>,
    /// What our sessions do, as far as their role's state is visible.
    pub activities: Vec<Activity>,
    /// Other sessions of this database that have held a snapshot for some seconds, the oldest first: a statement that is
    /// run CONCURRENTLY waits for each that is older than itself. Empty where they cannot be seen.
    pub old_snapshots: Vec<Session>,
    /// The time-outs that the role or the database sets for a session, unless the session says otherwise, and whether it may only read
    /// (`default_transaction_read_only`).
    pub own_timeouts: Vec<OwnTimeout>,
    /// Indexes with `indisvalid = false` that no session is building now, as `schema.index`, sorted.
    pub invalid_indexes: Vec<String>,
    /// Constraints that are not validated (`convalidated = false`), as `schema.table.constraint`, sorted.
    pub not_valid_constraints: Vec<String>,
    /// The schema in which Prisma 8 keeps its ledger, where there is one: `prisma_contract`.
    pub prisma_contract: Option<String>,
    /// How many transactions were committed in this database since its statistics began (`pg_stat_database`).
    pub commits: i64,
    /// What stands in the catalog, by name; only when it was asked for.
    pub objects: Option<BTreeSet<Object>>,
    /// What the columns are like, by their names in `objects`; only when that was asked for, and they are not too many.
    pub columns: Option<BTreeMap<Object, Column>>,
    /// What the indexes are like, by their names in `objects`; known where the columns are.
    pub indexes: Option<BTreeMap<Object, Index>>,
    /// The other databases of its server; only when they were asked for.
    pub others: Option<OtherDatabases>,
    /// A digest of everything that DDL can change, the ledger's own table left out; only when it was asked for.
    pub catalog: Option<String>,
    /// The state and age of other roles' sessions are visible (`pg_monitor`).
    pub sees_activity: bool,
}

/// The databases of a server that take connections and are no templates, without the one that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherDatabases {
    /// How many there are.
    pub count: u32,
    /// The first of them, by name.
    pub first: Vec<OtherDatabase>,
}

/// Another database of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherDatabase {
    /// `pg_database.oid`.
    pub oid: u32,
    /// Its name, made harmless: what cannot be shown is replaced.
    pub name: String,
}

/// A table, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

/// The table `_prisma_migrations` of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// There is none.
    Absent {
        /// The ordinary tables of all schemas, those of the URL's first, also other ledgers: because of some of them Prisma
        /// asks for a baseline (P3005).
        tables: Vec<TableName>,
    },
    /// There is one, and our role may not read it.
    NoRight {
        /// The statement that mends it.
        grant: String,
    },
    /// Its rows, oldest `started_at` first.
    Rows(Vec<LedgerRow>),
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::Absent { tables: Vec::new() }
    }
}

/// One row of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerRow {
    /// `id`, a uuid as text.
    pub id: String,
    /// `checksum`, sha256 in hex; very old Prisma wrote it without padding.
    pub checksum: String,
    /// `migration_name`.
    pub migration_name: String,
    /// `started_at`.
    pub started_at: Timestamp,
    /// `finished_at`.
    pub finished_at: Option<Timestamp>,
    /// `rolled_back_at`.
    pub rolled_back_at: Option<Timestamp>,
    /// `applied_steps_count`.
    pub applied_steps_count: i32,
    /// `logs`: the first 4,096 characters.
    pub logs: Option<String>,
}

/// A session of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The backend's pid.
    pub pid: i32,
    /// `application_name`.
    pub application_name: String,
    /// The role, where it is visible.
    pub user: Option<String>,
    /// `active`, `idle in transaction` ..., where it is visible.
    pub state: Option<String>,
    /// For how long it has been in that state, seconds, where that is visible.
    pub state_seconds: Option<i64>,
    /// For how long its transaction is open, seconds, where that is visible.
    pub transaction_seconds: Option<i64>,
    /// When its transaction was begun, by the server's clock, where that is visible.
    pub transaction_since: Option<Timestamp>,
    /// The address of its client, or [`LOCAL_SOCKET`], where that is visible.
    pub client: Option<String>,
    /// It holds a snapshot and has written nothing: a query at work, or a transaction that keeps to one state of the data.
    pub reads: bool,
    /// Its role is a superuser.
    pub superuser: bool,
    /// Whether our role may end it, where that is known.
    pub may_end: Option<bool>,
}

impl Session {
    /// It is a dump, by the name that `pg_dump` and `pg_dumpall` give themselves.
    pub fn is_dump(&self) -> bool {
        ["pg_dump", "pg_dumpall"].contains(&self.application_name.as_str())
    }
}

/// What a session does: `pg_stat_activity`, without its statement, which may hold values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// The backend's pid.
    pub pid: i32,
    /// `active`, `idle in transaction` ..., where it is visible.
    pub state: Option<String>,
    /// For how long it has been in that state, seconds.
    pub seconds: Option<i64>,
    /// `Lock`, `IO`, `Client` ...; none where it waits for nothing.
    pub wait_type: Option<String>,
    /// How far its statement is, where PostgreSQL reports that.
    pub progress: Option<Progress>,
}

/// How far a statement is, by one of PostgreSQL's progress views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// `CREATE INDEX CONCURRENTLY`, `VACUUM FULL`, `COPY FROM` ...
    pub command: String,
    /// PostgreSQL's name for what it does now.
    pub phase: String,
    /// What of `total` is done.
    pub done: i64,
    /// How much this phase has to do; 0 where that is not known.
    pub total: i64,
    /// Of what: `blocks`, `tuples`, `sessions` or `bytes`.
    pub unit: String,
}

/// A time-out that is set for a role or a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTimeout {
    /// `statement_timeout`, `lock_timeout` or `transaction_timeout`.
    pub name: String,
    /// As it was set, e.g. `2s`.
    pub value: String,
    /// What set it, without the setting: `ALTER ROLE app`, `ALTER ROLE app IN DATABASE shop`, `ALTER DATABASE shop`.
    pub set_by: String,
}

/// A session of ours that waits for another session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// The pid that waits.
    pub waiting: i32,
    /// For how long, seconds, as far as can be seen.
    pub seconds: Option<i64>,
    /// The table or index whose lock it waits for, if it is one of those.
    pub relation: Option<String>,
    /// Who holds what it waits for.
    pub blocker: Session,
}
