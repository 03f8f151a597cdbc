//! What a look after a migration shows: what is missing, what is not as it should be, what was left behind.

use dbm_agent::protocol::{DatabaseInventory, Migration};

use crate::api::{StepStatus, Traces};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};
use crate::tools::{prisma, sql};

/// Whether the catalog shows that it left something, or that it cannot have.
pub(super) fn traces(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    name: &str,
) -> Traces {
    let Some(catalog) = &facts.catalog else {
        return Traces::Unknown;
    };
    if step.catalog.is_empty() {
        return Traces::Unknown;
    }
    if *catalog != step.catalog {
        // Migrations that the same step applied before this one changed the catalog, too; only a first one's
        // difference is its own for certain.
        let alone = !applied_since(step, inventory, facts);
        return if alone { Traces::Some } else { Traces::Unknown };
    }
    let script = inventory
        .migrations
        .iter()
        .find(|m| m.name == name)
        .and_then(|m| m.sql.as_deref());
    if script.is_some_and(sql::only_catalog) {
        Traces::None
    } else {
        Traces::Unknown
    }
}

/// Whether the step applied a migration before the one that failed.
pub(super) fn applied_since(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> bool {
    let Ledger::Rows(rows) = &facts.ledger else {
        return false;
    };
    let applied = inventory.migrations.len() - missing(inventory, rows).len();
    applied > step.applied.map_or(0, |before| before as usize)
}

/// What the image holds and the ledger has not as applied, in order.
pub(super) fn missing<'a>(inventory: &'a DatabaseInventory, rows: &[LedgerRow]) -> Vec<&'a str> {
    let applied: std::collections::BTreeSet<&str> = rows
        .iter()
        .filter(|row| prisma::row_state(row).is_applied())
        .map(|row| row.migration_name.as_str())
        .collect();
    let names = inventory
        .migrations
        .iter()
        .map(|migration| migration.name.as_str());
    names.filter(|name| !applied.contains(name)).collect()
}

/// What was applied since the step began with a checksum that is not the image's. What was edited before is the plan's
/// to judge.
pub(super) fn other_content<'a>(
    step: &StepStatus,
    inventory: &'a DatabaseInventory,
    rows: &[LedgerRow],
) -> Vec<&'a str> {
    let since = step.started_at.as_ref().map(|time| time.0.as_second());
    let differs = |migration: &&Migration| {
        rows.iter().any(|row| {
            row.migration_name == migration.name
                && prisma::row_state(row).is_applied()
                && since.is_some_and(|since| row.started_at.as_second() >= since)
                && !prisma::checksum_matches(&row.checksum, migration)
        })
    };
    let all = inventory.migrations.iter();
    all.filter(differs)
        .map(|migration| migration.name.as_str())
        .collect()
}

pub(super) fn new_invalid_indexes<'a>(step: &StepStatus, facts: &'a DatabaseFacts) -> Vec<&'a str> {
    let new = facts
        .invalid_indexes
        .iter()
        .filter(|index| !step.invalid_indexes.contains(index));
    new.map(String::as_str).collect()
}
