//! Migrations that a run applied and that its plan did not contain: remembered over runs, until an image holds them, they are
//! gone from the ledger, or a human accepts them. A new run with nothing to do must not make a success of them.

use dbm_protocol::DatabaseInventory;

use super::database_plan::Blocker;
use super::evidence;
use super::history;
use super::pass::Pass;
use super::status::{NAMES_LIMIT, names};
use crate::api::{DatabaseStatus, StepStatus, reasons};
use crate::facts::{DatabaseFacts, Ledger};

/// What is to be done about them.
pub(super) const ADVICE: &str = "Look at what they changed, then release an image, with a spec by which the operator reads of it what Prisma reads, that holds all of the ledger. Until then every run is blocked, unless a retry with --force accepts them as they are: then they hold nothing up.";

/// Remembers those that a step left that has ended. `inventory` is what it was planned with.
pub(super) fn remember(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) {
    let Ledger::Rows(rows) = &facts.ledger else {
        return;
    };
    let found = evidence::unplanned(step, inventory, rows);
    let Some(entry) = pass.database_mut(&step.database) else {
        return;
    };
    for name in found {
        let known = entry.unplanned.iter().any(|known| known == name);
        if entry.unplanned.len() < NAMES_LIMIT && !known {
            entry.unplanned.push(name.to_owned());
        }
    }
}

/// Forgets those that the image holds, and those that are not applied any more.
pub(super) fn forget(
    pass: &mut Pass<'_>,
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) {
    let rows: &[_] = match &facts.ledger {
        Ledger::Rows(rows) => rows,
        Ledger::Absent { .. } => &[],
        Ledger::NoRight { .. } => return,
    };
    if let Some(entry) = pass.database_mut(database)
        && !(entry.unplanned.is_empty() && entry.accepted.is_empty())
    {
        let lost = history::lost(inventory, rows);
        let is_lost = |name: &String| lost.contains_key(name.as_str());
        entry.unplanned.retain(is_lost);
        entry.accepted.retain(is_lost);
    }
}

/// A human accepted them as they are.
pub(super) fn accept(entry: &mut DatabaseStatus) {
    for name in std::mem::take(&mut entry.unplanned) {
        if entry.accepted.len() < NAMES_LIMIT && !entry.accepted.contains(&name) {
            entry.accepted.push(name);
        }
    }
}

/// That they are there, and nothing starts.
pub(super) fn blocker(database: &str, unplanned: &[String]) -> Option<Blocker> {
    if unplanned.is_empty() {
        return None;
    }
    let list: Vec<&str> = unplanned.iter().map(String::as_str).collect();
    let were = if list.len() == 1 { "was" } else { "were" };
    Some(Blocker {
        reason: reasons::UNPLANNED_MIGRATIONS,
        message: format!(
            "{database}: {} {were} applied by an earlier run without having been planned, and the image as it was read does not hold all of that, so nothing was started. {ADVICE}",
            names(&list)
        ),
        next: String::new(),
    })
}
