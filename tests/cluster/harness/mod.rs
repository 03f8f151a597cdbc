//! What every test stands on.

mod action;
mod db;
mod record;
mod report;
mod resource;
mod stage;

pub use action::action;
pub use db::{Db, LedgerRow, Server, backend_pid, encoded, run};
pub use report::OPERATOR_NAMESPACE;
pub use resource::*;
pub use stage::Stage;

use std::time::Duration;

/// How long anything may take: an operator that was killed comes back within twenty seconds.
pub const LIMIT: Duration = Duration::from_secs(120);
