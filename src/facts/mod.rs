//! PURE. Plain data that `observe` brings home, known to `database/`, `world/` and `decide/` alike.

mod action;
mod catalog;
mod database;
mod job;
mod reading;
mod server;

pub use action::ActionFacts;
pub use catalog::{Column, Index, Object, ObjectKind, RestorePointFacts};
pub use database::{
    Activity, DatabaseFacts, DatabaseIdentity, LOCAL_SOCKET, Ledger, LedgerRow, OBSERVER,
    OtherDatabase, OtherDatabases, OwnTimeout, Progress, Session, TableName, Wait,
};
pub use job::{
    ContainerEnd, HeldPod, JobFacts, JobProgress, NEVER_RAN, NotStarted, OUT_OF_MEMORY, OldJob,
};
pub use reading::{Reading, Unreadable, UnreadableReason};
pub use server::ServerFacts;
