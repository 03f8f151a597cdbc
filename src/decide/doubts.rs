//! What of a migration that failed cannot be compared with the catalog: by it marking it needs more than one look.

use dbm_protocol::DatabaseInventory;

use super::evidence::{self, script};
use super::status;
use crate::api::FailedStatus;
use crate::facts::{DatabaseFacts, LedgerRow};
use crate::tools::{prisma, prisma::RowState, sql};

/// Lines of each kind.
const LIMIT: usize = 5;

/// Where its text is not known: the image does not hold it, or it was too big to be kept.
const NO_TEXT: &str = "its SQL is not known here, so nothing of it can be compared";

/// Where the image holds another text under the name by now.
const OTHER_TEXT: &str = "what its earlier text did, which the image does not hold any more, is known from the time of its failure only";

/// Whether a row is of the text that the image holds under its name.
pub(super) fn is_of_image(inventory: &DatabaseInventory, row: &LedgerRow) -> bool {
    let found = inventory
        .migrations
        .iter()
        .find(|m| m.name == row.migration_name);
    let checksum = row.checksum.trim().to_ascii_lowercase();
    found.is_none_or(|migration| {
        let known = prisma::checksums(migration);
        known.is_empty() || known.contains(&checksum)
    })
}

fn is_held(inventory: &DatabaseInventory, row: &LedgerRow) -> bool {
    let mut all = inventory.migrations.iter();
    all.any(|migration| migration.name == row.migration_name)
}

/// Fills in what a human has to look at before marking it, as far as it is known.
pub(super) fn fill(
    failed: &mut FailedStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    row: &LedgerRow,
) {
    failed.corrected = !is_of_image(inventory, row) || !is_held(inventory, row);
    failed.unchecked = unchecked(inventory, facts, row);
    failed.again = again(inventory, facts, row);
}

/// What does not show whether it was finished.
pub(super) fn unchecked(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    row: &LedgerRow,
) -> Vec<String> {
    // Prisma wrote down that all of its script was executed.
    if prisma::row_state(row) == RowState::ScriptDone {
        return Vec::new();
    }
    match script(inventory, &row.migration_name) {
        None => vec![NO_TEXT.to_owned()],
        Some(script) => {
            let schema = &facts.identity.schema;
            // Of another text nothing of this one has run.
            let from = match is_of_image(inventory, row) {
                false => 1,
                true => {
                    let failure = evidence::failure(inventory, row);
                    let stopped = evidence::stopped(&failure, row, script, facts);
                    let failed = prisma::row_state(row) == RowState::Failed;
                    let stopped = Some(&stopped).filter(|_| failed);
                    sql::not_run_from(script, schema, facts.objects.as_ref(), stopped)
                }
            };
            cut(sql::unchecked(script, schema, from))
        }
    }
}

/// What of a migration stands there still of which the image holds another text by now, as far as it was known when it failed: what
/// takes it back, and what may have taken effect to stay. None where nothing was known of it.
pub(super) fn still(
    known: &FailedStatus,
    facts: &DatabaseFacts,
) -> Option<(Vec<String>, Vec<String>)> {
    let of_text = !known
        .again
        .iter()
        .any(|line| line == OTHER_TEXT || line == NO_TEXT);
    let whole = known.undo_lacks.is_empty() && !known.undo.is_empty();
    let objects = facts.objects.as_ref().filter(|_| of_text && whole)?;
    let schema = &facts.identity.schema;
    let stands = |text: &&String| !sql::took_effect(text, schema, objects);
    let undo = known.undo.iter().filter(stands).cloned().collect();
    Some((undo, known.again.clone()))
}

/// What may have taken effect to stay, and would do so a second time.
pub(super) fn again(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    row: &LedgerRow,
) -> Vec<String> {
    let Some(script) = script(inventory, &row.migration_name) else {
        return vec![NO_TEXT.to_owned()];
    };
    if !is_of_image(inventory, row) {
        return vec![OTHER_TEXT.to_owned()];
    }
    let state = prisma::row_state(row);
    // PostgreSQL undid all of it.
    let undone = sql::transactions(script).whole || sql::is_one_undone(script);
    if state == RowState::Failed && undone {
        return Vec::new();
    }
    let failure = evidence::failure(inventory, row);
    let stopped = evidence::stopped(&failure, row, script, facts);
    let stopped = Some(&stopped).filter(|_| state == RowState::Failed);
    let schema = &facts.identity.schema;
    let found = sql::may_run_twice(script, schema, facts.objects.as_ref(), stopped);
    let line = |found: sql::StatementRef| format!("statement {} ({})", found.number, found.text);
    cut(found.into_iter().map(line).collect())
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    lines.truncate(LIMIT);
    lines.iter().map(|line| status::cut(line, 300)).collect()
}
