//! What stood in the ledgers when a run last succeeded. What of it is missing later may have run, and a changed spec must not run
//! it again: the database was restored, its ledger changed by hand, or its Secret leads to another one.

use super::pass::Pass;
use super::plan::Blocker;
use super::status::{NAME_LIMIT, NAMES_LIMIT, cut, names};
use crate::api::{ActionKind, TakenAction, reasons};

/// Remembers the newest migrations of every database of a run that succeeded.
pub(super) fn remember(pass: &mut Pass<'_>) {
    for entry in &mut pass.status.databases {
        let inventory = pass.snapshot.inventories.get(&entry.name);
        let Some(inventory) = inventory.filter(|known| known.hash == entry.inventory_hash) else {
            continue;
        };
        let newest = inventory.migrations.iter().rev().take(NAMES_LIMIT);
        entry.verified = newest
            .rev()
            .map(|migration| cut(&migration.name, NAME_LIMIT))
            .collect();
    }
}

/// What a human had changed is no surprise.
pub(super) fn forget(pass: &mut Pass<'_>, taken: &TakenAction) {
    let whole = taken.action == ActionKind::Restore;
    match taken.action {
        ActionKind::Abort | ActionKind::AcceptValidation | ActionKind::Retry => return,
        ActionKind::MarkApplied
        | ActionKind::MarkRolledBack
        | ActionKind::DownMigration
        | ActionKind::Baseline
        | ActionKind::Restore => {}
    }
    for entry in &mut pass.status.databases {
        // A restore may bring back the whole instance.
        if whole || entry.name == taken.database {
            entry.verified.clear();
        }
    }
}

/// Some of it is pending again, in a run that nobody asked for by a retry.
pub(super) fn blocker(pass: &Pass<'_>, database: &str, pending: &[String]) -> Option<Blocker> {
    if pass.run().finished_at.is_some() {
        return None;
    }
    let entry = pass.database(database)?;
    let lost: Vec<&str> = pending
        .iter()
        .filter(|name| entry.verified.contains(&cut(name, NAME_LIMIT)))
        .map(String::as_str)
        .collect();
    if lost.is_empty() {
        return None;
    }
    let (was, it) = match lost.len() {
        1 => ("was", "it"),
        _ => ("were", "them"),
    };
    Some(Blocker {
        reason: reasons::PENDING_FOUND,
        message: format!(
            "{database}: {} {was} applied when the last run succeeded and {} not any more: was the database restored, was its ledger changed, or does its Secret lead to another database? Nothing was started. To run {it}: {}",
            names(&lost),
            if lost.len() == 1 { "is" } else { "are" },
            pass.retry_command()
        ),
        next: pass.retry_command(),
    })
}
