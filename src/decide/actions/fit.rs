//! What may come of the question whether an action fits, and what all kinds of actions ask.

use super::super::pass::Pass;
use crate::api::{DatabaseMigrationStatus, MigrationActionSpec, StepKind, StepOutcome, StepStatus};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};
use crate::tools::prisma::{self, RowState};

/// What is concluded.
pub(super) enum Fit {
    /// It may be carried out.
    Yes,
    /// It does not fit: why, and what to do.
    Refused(String),
    /// Something that passes by itself stands against it: what, and when to look again, milliseconds.
    Wait(String, u64),
}

/// The run that there is by now, if it has moved on from the one that an action was decided on.
pub(super) fn stale(
    status: &DatabaseMigrationStatus,
    spec: &MigrationActionSpec,
) -> Option<String> {
    let run = status.run.as_ref().map_or("", |run| run.id.as_str());
    (run != spec.run).then(|| if run.is_empty() { "none" } else { run }.to_owned())
}

/// The command by which a human says that nothing is left of a migration.
pub(super) fn mark_rolled_back(pass: &Pass<'_>, database: &str, migration: &str) -> String {
    format!(
        "{} --database {database} --migration {} --reason ...",
        pass.command("mark-rolled-back"),
        prisma::shell_quote(migration)
    )
}

/// How a migration is undone without a down.sql, without a last full stop.
pub(super) fn by_hand(
    pass: &Pass<'_>,
    database: &str,
    migration: &str,
    row: Option<&LedgerRow>,
) -> String {
    if row.is_some_and(|row| prisma::row_state(row).is_applied()) {
        return "Prisma does not mark an applied migration rolled back: write a new migration that undoes it"
            .to_owned();
    }
    format!(
        "Undo it by hand, then {}",
        mark_rolled_back(pass, database, migration)
    )
}

pub(super) fn refused<T>(why: String) -> Result<T, Fit> {
    Err(Fit::Refused(why))
}

pub(super) fn rows(facts: &DatabaseFacts) -> &[LedgerRow] {
    match &facts.ledger {
        Ledger::Rows(rows) => rows,
        _ => &[],
    }
}

/// The row that a down migration undoes: the one that blocks, else the one by which it is applied.
pub(super) fn target_row<'a>(facts: &'a DatabaseFacts, name: &str) -> Option<&'a LedgerRow> {
    let latest = prisma::latest_by_name(rows(facts));
    let (state, row) = latest.get(name)?;
    (*state != RowState::RolledBack).then_some(*row)
}

/// What the image holds is being read, or nobody will read it.
pub(super) fn not_read(pass: &Pass<'_>, database: &str) -> Fit {
    let inventory = |step: &&StepStatus| step.name == StepKind::Inventory;
    let last = pass.steps().iter().rfind(inventory);
    let failed = last.is_some_and(|step| step.outcome == Some(StepOutcome::Failed));
    if failed || pass.run().finished_at.is_some() {
        return Fit::Refused(format!(
            "{database}: what the image {} holds is not known, and no run reads it. Ask for a new run first: {}",
            pass.spec.image,
            pass.retry_command()
        ));
    }
    Fit::Wait(
        format!("{database}: what the image holds is not known yet"),
        5_000,
    )
}
