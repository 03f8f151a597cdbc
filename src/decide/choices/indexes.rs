//! What a human can do about an index that a migration left invalid.

use super::commands::{Commands, push};
use crate::api::{ChoiceStatus, DatabaseMigrationStatus, FailedStatus};
use crate::tools::psql::Psql;

/// Of a migration that failed: its index is dropped, and its file runs again.
pub(super) fn of_failed(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    psql: &Psql,
    failed: &FailedStatus,
    at: &[(&str, &str)],
) {
    if failed.invalid_indexes.is_empty() || failed.ledger_row.is_empty() {
        return;
    }
    let drops: Vec<String> = failed
        .invalid_indexes
        .iter()
        .map(|index| format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))
        .collect();
    let drop = psql.run(&drops);
    if failed.left.len() > failed.invalid_indexes.len() {
        let title = "drop the INVALID index that it left; what else it left is then to be undone, or finished, by hand";
        push(list, title, drop);
        return;
    }
    let why = [at, &[("reason", "its INVALID index is dropped")]].concat();
    let title = "mend what made the build fail (see above), then drop the INVALID index that it left, mark it rolled back, and run its file again";
    let command = format!(
        "{drop} && {} && {}",
        commands.dbm("mark-rolled-back", &why),
        commands.dbm("retry", &[])
    );
    push(list, title, command);
}

/// Of a migration that is applied, or marked so: its index is built again.
pub(super) fn of_applied(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
) {
    let databases = now.databases.iter();
    let Some(entry) = databases
        .into_iter()
        .find(|entry| !entry.invalid_indexes.is_empty())
    else {
        let title = "mend what the message says, then ask for a new run";
        return push(list, title, commands.dbm("retry", &[]));
    };
    let psql = commands.psql(&entry.name);
    let builds: Vec<String> = entry
        .invalid_indexes
        .iter()
        .map(|index| rebuild(index))
        .collect();
    if builds.iter().all(|build| build.starts_with("DROP ")) {
        let title = "drop the INVALID index that a rebuild left, the one of before is still there; then ask for a new run";
        let command = format!("{} && {}", psql.run(&builds), commands.dbm("retry", &[]));
        return push(list, title, command);
    }
    let title = format!(
        "build the INVALID index of {} again, then ask for a new run",
        entry.name
    );
    let command = format!("{} && {}", psql.run(&builds), commands.dbm("retry", &[]));
    push(list, title, command);
    let drops: Vec<String> = entry
        .invalid_indexes
        .iter()
        .map(|index| format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))
        .collect();
    let title = "or drop it, where the release does not need it; then ask for a new run";
    let command = format!("{} && {}", psql.run(&drops), commands.dbm("retry", &[]));
    push(list, title, command);
}

/// What a rebuild left of its own is of no use.
fn rebuild(index: &str) -> String {
    let name = index
        .trim_end_matches('"')
        .trim_end_matches(|c: char| c.is_ascii_digit());
    if name.ends_with("_ccnew") || name.ends_with("_ccold") {
        format!("DROP INDEX CONCURRENTLY IF EXISTS {index}")
    } else {
        format!("REINDEX INDEX CONCURRENTLY {index}")
    }
}
