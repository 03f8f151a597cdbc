//! What the operator undoes by itself: a migration that provably left no trace is marked rolled back, so that it can be
//! tried again (a lock time-out), or so that nothing is left of it (`rollback.onMigrationFailure: RevertIfClean`).

use super::backoff::backoff_seconds;
use super::outcome::{fail_database, lock_timeout, open_row};
use super::pass::Pass;
use super::steps;
use super::turn::{release, set_aside};
use crate::api::{
    DatabasePhase, FailedStatus, OnMigrationFailure, Phase, Resolution, StepKind, StepOutcome,
    StepStatus, Traces, WentBack, reasons,
};
use crate::facts::{ContainerEnd, DatabaseFacts, Ledger, LedgerRow};
use crate::tools::prisma;

/// Begins to mark a failed migration rolled back, where the policy says so and it left no trace. `false`: it does not,
/// and stays failed.
pub(super) fn revert(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    facts: &DatabaseFacts,
    failed: &FailedStatus,
    message: &str,
) -> bool {
    let clean = failed.traces == Traces::None && !failed.ledger_row.is_empty();
    if pass.spec.rollback.on_migration_failure != OnMigrationFailure::RevertIfClean || !clean {
        return false;
    }
    pass.condition(reasons::MIGRATED, false, reasons::MIGRATION_FAILED, message);
    pass.event(true, reasons::MIGRATION_FAILED, message);
    let text = format!("{message} It is marked rolled back (rollback.onMigrationFailure).");
    pass.working(Phase::RollingBack, reasons::ROLLING_BACK, text);
    if let Some(entry) = pass.database_mut(&step.database) {
        entry.failed = Some(failed.clone());
        entry.current = None;
    }
    let mut resolve = StepStatus {
        name: StepKind::Resolve,
        database: step.database.clone(),
        migration: failed.name.clone(),
        ledger_row: failed.ledger_row.clone(),
        resolution: Some(Resolution::RolledBack),
        ..StepStatus::default()
    };
    steps::journal(pass, &mut resolve, Some(facts));
    steps::make_job(pass, &resolve, Some(facts));
    true
}

/// The row is rolled back, or it is not.
pub(super) fn judge_resolve(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
) -> bool {
    if end.is_some_and(ContainerEnd::never_began) && step.attempt < pass.spec.timeouts.lock_attempts
    {
        // Asked to end before it began, as by a drain.
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        let mut next = StepStatus {
            name: StepKind::Resolve,
            database: step.database.clone(),
            migration: step.migration.clone(),
            ledger_row: step.ledger_row.clone(),
            resolution: step.resolution,
            ..StepStatus::default()
        };
        steps::journal(pass, &mut next, Some(facts));
        steps::make_job(pass, &next, Some(facts));
        return true;
    }
    let database = &step.database;
    // Only a revert names the row; a lock time-out's is tried again.
    let reverts = !step.ledger_row.is_empty();
    let row = if reverts {
        still_blocks(facts, &step.ledger_row)
    } else {
        open_row(facts, &step.migration)
    };
    if row.is_empty() {
        pass.end_step(&step.job, StepOutcome::Succeeded);
        if reverts {
            release(pass, database);
            if let Some(entry) = pass.database_mut(database) {
                entry.phase = DatabasePhase::RolledBack;
                entry.went_back = Some(WentBack::Marked);
            }
            let text = format!(
                "{database}: {} failed, left no trace, and is marked rolled back",
                step.migration
            );
            pass.condition(reasons::ROLLED_BACK, true, reasons::ROLLED_BACK, &text);
            pass.event(true, reasons::ROLLED_BACK, text);
        } else if let Some(last) = last_attempt(pass, database) {
            lock_timeout(pass, &last, &step.migration);
        } else {
            set_aside(pass, database);
            let wait = backoff_seconds(step.attempt);
            pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
        }
        return true;
    }
    pass.end_step(&step.job, StepOutcome::Failed);
    let known = pass
        .database(database)
        .and_then(|entry| entry.failed.clone());
    let failed = FailedStatus {
        name: step.migration.clone(),
        ledger_row: row,
        traces: Traces::None,
        // As it was when that was judged, before this step.
        catalog: step.catalog.clone(),
        ..known.unwrap_or_default()
    };
    let (reason, why) = if reverts {
        (reasons::ROLLBACK_FAILED, "failed and left no trace")
    } else {
        (
            reasons::LOCK_TIMEOUT,
            "could not get its lock and left no trace",
        )
    };
    let then = match end {
        Some(_) => format!(
            "marking it rolled back failed. Read the log of Job {}",
            step.job
        ),
        None if step.taken_away => format!(
            "it is not marked rolled back: Job {} was taken away before it started",
            step.job
        ),
        None => format!(
            "it is not marked rolled back: the pod of Job {} was lost",
            step.job
        ),
    };
    let text = format!("{database}: {} {why}, and {then}.", step.migration);
    if reverts {
        pass.condition(reasons::ROLLED_BACK, false, reason, &text);
    }
    fail_database(pass, step, reason, failed, text);
    true
}

/// The row itself, if it keeps Prisma from going on: also one that nobody finished.
fn still_blocks(facts: &DatabaseFacts, id: &str) -> String {
    let Ledger::Rows(rows) = &facts.ledger else {
        return String::new();
    };
    let blocks = |row: &&LedgerRow| row.id == id && prisma::row_state(row).blocks();
    let row = rows.iter().find(blocks);
    row.map_or_else(String::new, |row| row.id.clone())
}

/// The migrate step before this resolve, if it was the last that `timeouts.lockAttempts` allows.
fn last_attempt(pass: &Pass<'_>, database: &str) -> Option<StepStatus> {
    let of_database =
        |step: &&StepStatus| step.name == StepKind::Migrate && step.database == database;
    let step = pass.steps().iter().rfind(of_database)?;
    (step.attempt >= pass.spec.timeouts.lock_attempts).then(|| step.clone())
}
