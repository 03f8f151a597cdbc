//! What every test stands on.

mod action;
mod db;
pub mod host;
mod installed;
mod left;
mod look;
mod operator;
mod own_server;
mod processes;
mod record;
mod relay;
mod report;
mod resource;
mod stage;

pub use action::action;
pub use db::{Db, LedgerRow, Server, backend_pid, encoded, run};
pub use left::{LABEL_PROCESS, process};
pub use operator::{Operator, Options, answer_of, metrics_at};
pub use own_server::OwnServer;
pub use processes::{Audit, LEADER_LEASE, holder};
pub use record::{Recorder, Seen};
pub use relay::{Gate, NODE, Relay};
pub use report::OPERATOR_NAMESPACE;
pub use resource::*;
pub use stage::{Stage, required};

use std::time::Duration;

/// How long anything may take: an operator that was killed comes back within twenty seconds.
pub const LIMIT: Duration = Duration::from_secs(120);
