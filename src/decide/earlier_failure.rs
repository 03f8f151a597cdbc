//! What is known of a migration of an earlier run whose row blocks: what was found when it failed, for as long as that row
//! stands, corrected by what the catalog shows now.

use crate::tools::sql_state::NO_RIGHT;
use dbm_protocol::DatabaseInventory;

use super::doubts;
use super::evidence::script;
use super::failure_report::{self, Look};
use crate::api::{DatabaseStatus, FailedStatus, Traces};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};
use crate::tools::{prisma, rights, sql};

/// What the next run has to know of a migration that failed in this one.
pub(super) fn kept(before: &DatabaseStatus) -> Option<Box<FailedStatus>> {
    let has_row = |failed: &&FailedStatus| !failed.ledger_row.is_empty();
    let failed = before.failed.as_ref().filter(has_row);
    failed.cloned().map(Box::new).or(before.earlier.clone())
}

/// Fills in what is known of the row that blocks. `known`: what was known of rows so far, the latest first.
pub(super) fn fill<'a>(
    open: &mut FailedStatus,
    mut known: impl Iterator<Item = &'a FailedStatus>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) {
    if let Some(known) = known.find(|known| known.ledger_row == open.ledger_row) {
        let now = std::mem::take(open);
        *open = FailedStatus {
            has_down: now.has_down,
            left_over: now.left_over,
            unchecked: now.unchecked,
            // What would run a second time was read from the text that failed.
            again: match now.corrected {
                true => known.again.clone(),
                false => now.again,
            },
            corrected: now.corrected,
            ..known.clone()
        };
    }
    let still = |index: &String| facts.invalid_indexes.contains(index);
    open.invalid_indexes.retain(still);
    if open.compared.is_some() {
        // Somebody may have finished, or undone, it since.
        failure_report::compare(open, inventory, facts);
    }
    if open.traces == Traces::None {
        return;
    }
    let Some(row) = row(facts, &open.ledger_row) else {
        return;
    };
    // What the image holds by now may be a corrected one, of which that row says nothing.
    let ran = inventory.migrations.iter().any(|migration| {
        migration.name == row.migration_name && prisma::checksum_matches(&row.checksum, migration)
    });
    let script = script(inventory, &row.migration_name);
    let Some(script) = script.filter(|_| ran) else {
        return taken_back(open, facts);
    };
    let as_before = !open.catalog.is_empty() && facts.catalog.as_ref() == Some(&open.catalog);
    if as_before && sql::only_catalog(script) && open.invalid_indexes.is_empty() {
        open.traces = Traces::None;
        open.left.clear();
        open.undo.clear();
        open.undo_lacks.clear();
        return;
    }
    if facts.objects.is_some() {
        // That the catalog changed was so when it failed: by now somebody may have undone it.
        open.traces = Traces::Unknown;
        let logs = row.logs.as_deref().unwrap_or_default();
        failure_report::statements(open, inventory, facts, logs, Look::Later);
    }
}

/// Of a text that the image does not hold any more: what of what takes it back was done since.
fn taken_back(open: &mut FailedStatus, facts: &DatabaseFacts) {
    let Some((undo, again)) = doubts::still(open, facts) else {
        return;
    };
    open.undo = undo;
    if !open.undo.is_empty() {
        return;
    }
    open.left.retain(|line| line.starts_with("unknown"));
    if again.is_empty() && open.invalid_indexes.is_empty() {
        open.traces = Traces::None;
        open.left.clear();
    }
}

/// What is said in front of what helped against a failure of an earlier run.
const UNLESS: &str = "Unless that was done since it failed: ";

/// Of a failure of an earlier run it is not known whether a right was given, or rows were corrected, since.
pub(super) fn renew(failed: &mut FailedStatus, facts: &DatabaseFacts) {
    let state = failed.sql_state.as_str();
    let of_rows = state.starts_with("22") || state.starts_with("23");
    if failed.remedy.is_empty() || !(of_rows || state == NO_RIGHT) {
        return;
    }
    // The migration may connect as another role by now.
    let right = match state {
        NO_RIGHT => rights::remedy(&failed.summary, &facts.role),
        _ => None,
    };
    let text = match right {
        Some(text) if text.ends_with(';') => text,
        Some(text) => format!("{text}."),
        None => failed.remedy.clone(),
    };
    // What it failed of is so whatever was done since.
    let (because, then) = match text.split_once(sql::CORRECT) {
        Some((because, query)) => (because, format!("{}{query}", sql::CORRECT)),
        None => ("", text.clone()),
    };
    failed.remedy = match text.contains(UNLESS) {
        true => text,
        false => format!("{because}{UNLESS}{}", lower(&then)),
    };
}

/// As it goes on in a sentence; a keyword of SQL stays.
fn lower(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
        }
        _ => text.to_owned(),
    }
}

fn row<'a>(facts: &'a DatabaseFacts, id: &str) -> Option<&'a LedgerRow> {
    match &facts.ledger {
        Ledger::Rows(rows) => rows.iter().find(|row| row.id == id),
        Ledger::Absent { .. } | Ledger::NoRight { .. } => None,
    }
}
