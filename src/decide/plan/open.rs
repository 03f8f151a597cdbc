//! The row of an earlier run that blocks every deploy, and what is known of it.

use dbm_protocol::{DatabaseInventory, Migration};

use super::super::database_plan::Blocker;
use super::super::doubts;
use super::super::evidence::failure;
use crate::api::{FailedStatus, reasons};
use crate::facts::{DatabaseFacts, LedgerRow, OBSERVER, Session};
use crate::tools::prisma::{self, RowState};

/// Whether another row says of a row's migration that it is applied: Prisma runs it no more, whatever becomes of this one.
pub(in super::super) fn is_left_over(row: &LedgerRow, rows: &[LedgerRow]) -> bool {
    let name = &row.migration_name;
    let mut others = rows.iter().filter(|other| other.migration_name == *name);
    others.any(|other| prisma::row_state(other).is_applied())
}

/// Who migrates at this moment. A look takes no lock: what bears its name was left behind on a pooler's connection.
fn at_work(facts: &DatabaseFacts) -> Option<&Session> {
    let holder = facts.lock_holder.as_ref();
    holder.filter(|session| session.application_name != OBSERVER)
}

/// Whether an open row is of a migration that somebody else has under way.
pub(super) fn is_under_way(row: &LedgerRow, facts: &DatabaseFacts) -> bool {
    prisma::row_state(row) != RowState::Failed && at_work(facts).is_some()
}

/// A row that neither finished nor was rolled back: Prisma refuses every deploy (P3009).
pub(super) fn row<'a>(
    database: &str,
    rows: &'a [LedgerRow],
    facts: &DatabaseFacts,
    inventory: &DatabaseInventory,
) -> Option<(&'a LedgerRow, Blocker)> {
    let (row, state) =
        rows.iter()
            .map(|row| (row, prisma::row_state(row)))
            .find(|(_, state)| {
                matches!(
                    state,
                    RowState::Failed | RowState::Unfinished | RowState::ScriptDone
                )
            })?;
    let name = &row.migration_name;
    let blocker = match (state, at_work(facts)) {
        (RowState::Unfinished | RowState::ScriptDone, Some(session)) => Blocker {
            reason: reasons::UNFINISHED_ROW_FOUND,
            message: format!(
                "{database}: {name} is being migrated by somebody else: pid {} ({}) holds Prisma's lock. It goes on by itself when that has ended.",
                session.pid, session.application_name
            ),
            next: String::new(),
        },
        _ if is_left_over(row, rows) => Blocker {
            reason: match state {
                RowState::Failed => reasons::FAILED_ROW_FOUND,
                _ => reasons::UNFINISHED_ROW_FOUND,
            },
            message: format!(
                "{database}: {name} is applied, and a second row of it ({}) is neither finished nor rolled back, as where two deploys ran at once, and blocks every deploy (P3009). Prisma does not run it again: mark this row rolled back; it goes on by itself.",
                row.id
            ),
            next: String::new(),
        },
        (RowState::Unfinished | RowState::ScriptDone, None) => Blocker {
            reason: reasons::UNFINISHED_ROW_FOUND,
            message: format!(
                "{database}: an earlier run of {name} did not come to its end (row {} is neither finished nor rolled back, nothing is running). Look at what it left in the schema, and decide: after mark-applied the run goes on by itself, after mark-rolled-back it ends, and a retry runs it again.",
                row.id
            ),
            next: String::new(),
        },
        _ => {
            let failure = failure(inventory, row);
            Blocker {
                reason: reasons::FAILED_ROW_FOUND,
                message: format!(
                    "{database}: {name} failed in an earlier run (row {}{}{}) and blocks every deploy (P3009). After mark-applied the run goes on by itself; after mark-rolled-back it ends, and a retry runs it again.",
                    row.id,
                    if failure.summary.is_empty() { "" } else { ": " },
                    failure.summary
                ),
                next: String::new(),
            }
        }
    };
    Some((row, blocker))
}

/// What is known of a migration of an earlier run that blocks.
pub(super) fn status(
    row: &LedgerRow,
    rows: &[LedgerRow],
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> FailedStatus {
    let failure = failure(inventory, row);
    let of_name = |m: &&Migration| m.name == row.migration_name;
    let mut found = FailedStatus {
        name: row.migration_name.clone(),
        ledger_row: row.id.clone(),
        sql_state: failure.sql_state.unwrap_or_default(),
        summary: failure.summary,
        left_over: is_left_over(row, rows),
        has_down: inventory
            .migrations
            .iter()
            .find(of_name)
            // That of another text undoes something else.
            .is_some_and(|m| m.down_sql.is_some() && doubts::is_of_image(inventory, row)),
        ..FailedStatus::default()
    };
    doubts::fill(&mut found, inventory, facts, row);
    found
}
