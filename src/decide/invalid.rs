//! Indexes that a migration of this resource left invalid: remembered over runs, for as long as they are there. Queries
//! do not use them and `IF NOT EXISTS` skips them, so nothing that is said of a migration is true before they are gone.

use super::evidence::{left_invalid, named_invalid_indexes};
use super::pass::Pass;
use super::snapshot::Inventories;
use super::status::{NAMES_LIMIT, names};
use crate::api::{StepKind, StepStatus, reasons};
use crate::facts::DatabaseFacts;

/// Forgets those that are not invalid, or not there, any more.
pub(super) fn forget(pass: &mut Pass<'_>, database: &str, facts: &DatabaseFacts) {
    if let Some(entry) = pass.database_mut(database) {
        let known = &mut entry.invalid_indexes;
        known.retain(|index| facts.invalid_indexes.contains(index));
    }
    not_valid(pass, database);
}

/// Remembers those that a step left that has ended.
pub(super) fn remember(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    step: &StepStatus,
    facts: &DatabaseFacts,
) {
    forget(pass, &step.database, facts);
    let Some(inventory) = inventories.get(&step.database) else {
        return;
    };
    let found = if step.name == StepKind::Migrate {
        left_invalid(step, inventory, facts)
    } else {
        named_invalid_indexes(inventory, facts, &|migration| {
            migration.name == step.migration
        })
    };
    let Some(entry) = pass.database_mut(&step.database) else {
        return;
    };
    for index in found {
        if entry.invalid_indexes.len() < NAMES_LIMIT && !entry.invalid_indexes.contains(&index) {
            entry.invalid_indexes.push(index);
        }
    }
    not_valid(pass, &step.database);
}

/// Says on `Validated` that one of a database is there.
fn not_valid(pass: &mut Pass<'_>, database: &str) {
    if let Some(text) = said(pass, database) {
        pass.condition(
            reasons::VALIDATED,
            false,
            reasons::INVALID_INDEX_FOUND,
            &text,
        );
    }
}

/// What is said of those of a database, if there is one.
fn said(pass: &Pass<'_>, database: &str) -> Option<String> {
    let entry = pass.database(database)?;
    let list: Vec<&str> = entry.invalid_indexes.iter().map(String::as_str).collect();
    let (verb, it) = if list.len() == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    (!list.is_empty()).then(|| {
        format!(
            "{database}: a migration left index {}, which {verb} INVALID: queries do not use {it}, and IF NOT EXISTS skips {it}",
            names(&list)
        )
    })
}

/// Of all databases, the first of which there is one.
pub(super) fn found(pass: &Pass<'_>) -> Option<String> {
    let databases = pass.spec.databases.iter();
    let text = databases
        .filter_map(|database| said(pass, &database.name))
        .next()?;
    Some(format!(
        "{text}. Every migration is applied. Build it again (REINDEX INDEX CONCURRENTLY), or drop it and build it by hand; then ask for a new run."
    ))
}
