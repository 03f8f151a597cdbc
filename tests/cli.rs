//! What `kubectl dbm` shows and asks for, without a cluster: screens from statuses as the operator writes them, and the
//! MigrationActions that come of what is typed.
#![allow(clippy::unwrap_used)]

#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/exits.rs"]
mod exits;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/pure.rs"]
mod pure;
#[path = "cli/requests.rs"]
mod requests;
#[path = "cli/rights.rs"]
mod rights;
#[path = "cli/screens.rs"]
mod screens;
#[path = "cli/scripts.rs"]
mod scripts;
#[path = "cli/server.rs"]
mod server;
#[path = "cli/widths.rs"]
mod widths;

use std::path::{Path, PathBuf};

use database_migration_operator::api::DatabaseMigration;
use jiff::Timestamp;

/// A status of `tests/cli/statuses`.
pub fn status(name: &str) -> DatabaseMigration {
    let path = statuses().join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where they are.
pub fn statuses() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/statuses")
}

/// The time of every screen: two minutes after the failure.
pub fn now() -> Timestamp {
    "2026-11-22T03:04:20Z".parse().unwrap()
}
