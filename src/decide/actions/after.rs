//! What an action that was carried out leads to.

use super::super::choices::locks::UNSEEN;
use super::super::ending;
use super::super::forced;
use super::super::invalid;
use super::super::outcome;
use super::super::pass::Pass;
use super::super::plan::ledger_digest;
use super::super::plan_status;
use super::super::run;
use super::super::status::{self, count};
use super::super::turn;
use super::answer::done;
use super::fit::{by_hand, rows};
use super::start::start;
use super::step::{in_transaction, resolved, said};
use crate::tools::sql_state::LOCK_NOT_AVAILABLE;
use dbm_protocol::Outcome;

use crate::api::{
    AcceptedStatus, ActionKind, ActionOutcome, DatabasePhase, FindingKind, MigrationActionSpec,
    Phase, Policy, Resolution, RunOutcome, StepKind, StepOutcome, StepStatus, WentBack, reasons,
};
use crate::facts::{ContainerEnd, DatabaseFacts, LedgerRow};
use crate::tools::prisma::{self, RowState};

/// Bytes of the reason for which something was accepted; the MigrationAction has all of it.
const REASON_LIMIT: usize = 256;

/// The action did not reach its goal: said on it and on the resource. Nothing is tried again by itself.
pub(super) fn failed(pass: &mut Pass<'_>, step: Option<&StepStatus>, why: &str) {
    let kind = pass.status.action.as_ref().map(|taken| taken.action);
    if let Some(step) = step {
        pass.end_step(&step.job, StepOutcome::Failed);
        turn::release(pass, &step.database);
        if let Some(entry) = pass.database_mut(&step.database) {
            forced::forget(entry);
        }
    }
    done(pass, ActionOutcome::Failed, why);
    let (reason, rollback) = match kind {
        Some(ActionKind::Restore) => (reasons::RESTORE_FAILED, true),
        Some(ActionKind::DownMigration) => (reasons::ROLLBACK_FAILED, true),
        _ => (reasons::RESOLVE_FAILED, false),
    };
    if rollback {
        pass.condition(reasons::ROLLED_BACK, false, reason, why);
        // A run that waited to begin does not begin on a database that is half undone.
        if pass.run().finished_at.is_none() {
            run::fail(pass);
        }
    }
    run::tidy(pass);
    if pass.run().finished_at.is_some() {
        // A run that had succeeded is not what it was.
        run::ended_otherwise(pass, RunOutcome::Failed);
    }
    pass.halted(Phase::Failed, reason, why, String::new());
    if pass.run().finished_at.is_none() {
        // It was blocked before it began, and is planned again.
        pass.again = true;
    }
}

/// `migrate resolve` has ended: the ledger says what is true.
pub(super) fn judge_resolve(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
) {
    let (database, name) = (&step.database, &step.migration);
    let rows = rows(facts);
    let baseline = pass
        .status
        .action
        .as_ref()
        .is_some_and(|taken| taken.action == ActionKind::Baseline);
    if step.resolution == Some(Resolution::RolledBack) {
        let blocks =
            |row: &&LedgerRow| row.id == step.ledger_row && prisma::row_state(row).blocks();
        if rows.iter().any(|row| blocks(&row)) {
            let why = format!("{database}: Prisma did not mark {name} rolled back");
            return failed(pass, Some(step), &said(step, end, &why));
        }
        pass.end_step(&step.job, StepOutcome::Succeeded);
        // Of a down.sql that ran outside of a transaction this is its second step.
        let kind = pass.status.action.as_ref().map(|taken| taken.action);
        let how = match kind {
            Some(ActionKind::DownMigration) => WentBack::Undone,
            _ => WentBack::Marked,
        };
        let text = format!("{database}: {name} is marked rolled back");
        let taken = pass.status.action.as_ref().map(|taken| &taken.uid);
        let mut actions = pass.snapshot.actions.iter();
        let insisted = actions.any(|action| Some(&action.uid) == taken && action.spec.force);
        let known = pass
            .database(database)
            .and_then(|entry| entry.failed.clone());
        rolled_back(pass, database, how, &text);
        // It is not said to be gone.
        if let (true, Some(known), Some(entry)) = (insisted, known, pass.database_mut(database)) {
            entry.failed = Some(known);
        }
        return;
    }
    let latest = prisma::latest_by_name(rows);
    let applied = latest
        .get(name.as_str())
        .is_some_and(|(state, _)| state.is_applied());
    let missing = match (baseline, applied) {
        (true, _) => resolved(pass, step).len().max(usize::from(!applied)),
        (false, _) => usize::from(!applied),
    };
    if missing > 0 {
        let summary = end.and_then(|end| end.summary.as_deref());
        let refused = summary.is_some_and(|said| matches!(said.outcome, Outcome::Refused(_)));
        // Nothing of it was done: it is decided anew, on what is shown then.
        if let Some(entry) = pass.database_mut(database).filter(|_| refused) {
            entry.marks.clear();
        }
        let why = if baseline {
            format!(
                "{database}: {} not marked applied; baseline again to go on",
                {
                    let verb = if missing == 1 { "is" } else { "are" };
                    format!("{} {verb}", count(missing, "migration"))
                }
            )
        } else {
            format!("{database}: Prisma did not mark {name} applied")
        };
        return failed(pass, Some(step), &said(step, end, &why));
    }
    pass.end_step(&step.job, StepOutcome::Succeeded);
    turn::release(pass, database);
    // A human's word does not make an index valid.
    invalid::remember(pass, &pass.snapshot.inventories, step, facts);
    let text = if baseline {
        format!("{database}: marked applied up to {name}; the run goes on")
    } else {
        format!("{database}: {name} is marked applied; the run goes on")
    };
    done(pass, ActionOutcome::Succeeded, text.clone());
    reopen(pass, Some(database));
    // Where another one failed beside it, the run ends again in that one's words.
    match other_failure(pass) {
        // It spoke last, and in full.
        Some((name, _)) if is_said_of(pass, &name) => {}
        Some((_, words)) => {
            pass.condition(reasons::MIGRATED, false, reasons::MIGRATION_FAILED, &words)
        }
        None => pass.condition(reasons::MIGRATED, false, reasons::PLANNING, &text),
    }
    pass.working(Phase::Planning, reasons::PLANNING, text);
    pass.again = true;
}

/// What is to be said of a database that failed and was not decided on yet.
fn other_failure(pass: &Pass<'_>) -> Option<(String, String)> {
    let mut databases = pass.status.databases.iter();
    let entry = databases.find(|entry| entry.phase == DatabasePhase::Failed)?;
    let failed = entry.failed.clone().unwrap_or_default();
    let what = match failed.name.as_str() {
        "" => "it failed".to_owned(),
        name => format!("{name} failed"),
    };
    let text = format!("{}: {what}: {}", entry.name, failed.summary);
    Some((
        entry.name.clone(),
        text.trim_end_matches([':', ' ']).to_owned(),
    ))
}

/// What `Migrated` says is of this database.
fn is_said_of(pass: &Pass<'_>, database: &str) -> bool {
    let said = status::get(&pass.status, reasons::MIGRATED);
    said.is_some_and(|said| said.message.starts_with(&format!("{database}: ")))
}

/// A run that had ended goes on: with this database, and with what was skipped because of it.
fn reopen(pass: &mut Pass<'_>, database: Option<&str>) {
    let Some(run) = &mut pass.status.run else {
        return;
    };
    let id = run.id.clone();
    run.finished_at = None;
    run.outcome = None;
    run.aborting = false;
    run.watched_since = None;
    pass.status.history.retain(|entry| entry.id != id);
    for entry in &mut pass.status.databases {
        let this = Some(entry.name.as_str()) == database;
        if this {
            entry.failed = None;
        }
        if entry.phase == DatabasePhase::Skipped || this {
            entry.phase = DatabasePhase::Planned;
        }
    }
}

/// A down.sql has ended. In a transaction the row says whether it was done; else the Job's own end, and then Prisma is
/// told.
pub(super) fn judge_down(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
) {
    let (database, name) = (&step.database, &step.migration);
    let row = rows(facts).iter().find(|row| row.id == step.ledger_row);
    let undone = row.is_none_or(|row| prisma::row_state(row) == RowState::RolledBack);
    if undone {
        pass.end_step(&step.job, StepOutcome::Succeeded);
        let text =
            format!("{database}: {name} was undone with its down.sql and is marked rolled back");
        return rolled_back(pass, database, WentBack::Undone, &text);
    }
    let exited_well = end.is_some_and(|end| end.exit_code == 0);
    if !in_transaction(pass, step) && exited_well {
        pass.end_step(&step.job, StepOutcome::Succeeded);
        let next = StepStatus {
            name: StepKind::Resolve,
            database: database.clone(),
            migration: name.clone(),
            ledger_row: step.ledger_row.clone(),
            resolution: Some(Resolution::RolledBack),
            ..StepStatus::default()
        };
        return start(pass, next, Some(facts));
    }
    let why = said(
        step,
        end,
        &format!("{database}: the down.sql of {name} failed"),
    );
    let summary = end.and_then(|end| end.summary.as_deref());
    let lock = summary.is_some_and(|s| s.sql_state.as_deref() == Some(LOCK_NOT_AVAILABLE));
    if let Some(entry) = pass.step_mut(&step.job) {
        // Kept only where it says why it failed: the choices are made of it.
        match (lock, entry.message.is_empty()) {
            (false, _) => entry.message.clear(),
            (true, true) => entry.message = UNSEEN.to_owned(),
            (true, false) => {}
        }
    }
    let left = if in_transaction(pass, step) {
        "It ran in one transaction, so nothing of it took effect."
    } else if facts.catalog.is_some() && facts.catalog.as_ref() == Some(&step.catalog) {
        "The schema is as it was before; whether rows changed cannot be seen."
    } else {
        "It cannot run in a transaction, and a part of it took effect: look at the schema."
    };
    let then = if lock {
        let held = outcome::end_that_session(&step.message);
        format!("{held}, then undo it with its down.sql again; nothing needs correcting")
    } else {
        by_hand(pass, database, name, row)
    };
    let why = why.trim_end_matches('.');
    let then = then.trim_end_matches('.');
    failed(pass, Some(step), &format!("{why}. {left} {then}."));
}

/// A restore has ended: the ledger has to be what it was at the place that was asked for, and no other database touched.
pub(super) fn judge_restore(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
) {
    let database = &step.database;
    let touched: Vec<String> = step
        .other_ledgers
        .iter()
        .filter(|(name, before)| {
            pass.facts(name)
                .is_some_and(|facts| ledger_digest(&facts.ledger) != **before)
        })
        .map(|(name, _)| name.clone())
        .collect();
    if !touched.is_empty() {
        let names: Vec<&str> = touched.iter().map(String::as_str).collect();
        let why = format!(
            "{database}: during the restore the ledger of {} changed: the command restored another database than {database}, or more than one. Look at every database before anything else",
            status::names(&names)
        );
        return failed(pass, Some(step), &said(step, end, &why));
    }
    let well = end.is_some_and(|end| end.exit_code == 0);
    if !well {
        let what = unwell(step, end);
        let why = said(step, end, &format!("{database}: {what}"));
        let state = if ledger_digest(&facts.ledger) == step.ledger {
            "The ledger is as it was before."
        } else {
            "The ledger has changed: look at the database."
        };
        return failed(pass, Some(step), &format!("{why}. {state}"));
    }
    if let Some(at) = target_time(pass, step) {
        // A restored ledger can hold nothing that was written after the place that was asked for.
        let later = rows(facts).iter().find(|row| {
            let ends = [row.finished_at, row.rolled_back_at];
            row.started_at > at || ends.into_iter().flatten().any(|end| end > at)
        });
        if let Some(row) = later {
            let why = format!(
                "{database}: the restore Job ended well, and the ledger still holds what was written of {} after {}: it restored another database, or to another place",
                row.migration_name, step.message
            );
            return failed(pass, Some(step), &why);
        }
    }
    pass.end_step(&step.job, StepOutcome::Succeeded);
    let mut text = format!("{database}: brought back to {}", step.message);
    let in_spec = |name: &str| pass.spec.databases.iter().any(|d| d.name == name);
    let others = step.other_ledgers.keys().map(String::as_str);
    let gone: Vec<&str> = others.filter(|name| !in_spec(name)).collect();
    if !gone.is_empty() {
        text.push_str(&format!(
            "; whether {} changed with it was not seen: the spec does not name it any more",
            status::names(&gone)
        ));
    }
    let beside = went_back_with(pass, database);
    if !beside.is_empty() {
        let names: Vec<&str> = beside.iter().map(String::as_str).collect();
        text.push_str(&format!(
            "; so is {}, in the same database",
            status::names(&names)
        ));
    }
    rolled_back(pass, database, WentBack::Restored, &text);
}

/// The other schemas of a database that was brought back: what was verified there is not so any more, nor what
/// failed: the next run looks at it.
fn went_back_with(pass: &mut Pass<'_>, database: &str) -> Vec<String> {
    let turn = pass.database(database).map(|entry| entry.turn.clone());
    let turn = turn.unwrap_or_default();
    let beside = pass.status.databases.iter_mut().filter(|entry| {
        entry.name != database
            && !turn.is_empty()
            && entry.turn == turn
            && (entry.phase == DatabasePhase::Succeeded || entry.failed.is_some())
    });
    beside
        .map(|entry| {
            entry.phase = DatabasePhase::RolledBack;
            entry.went_back = Some(WentBack::Restored);
            if let Some(failed) = &mut entry.failed {
                failed.left.clear();
            }
            entry.name.clone()
        })
        .collect()
}

/// What a restore Job that did not end well came to.
pub(super) fn unwell(step: &StepStatus, end: Option<&ContainerEnd>) -> &'static str {
    let summary = end.and_then(|end| end.summary.as_deref());
    if summary.is_some_and(|summary| summary.timed_out) {
        "the restore took longer than rollback.restore.timeout and was ended"
    } else if step.taken_away {
        "nothing was restored"
    } else {
        "the restore Job failed"
    }
}

/// The time of the place that a restore goes back to.
fn target_time(pass: &Pass<'_>, step: &StepStatus) -> Option<jiff::Timestamp> {
    let point = pass.database(&step.database)?.own_restore_point();
    match point.filter(|point| !point.name.is_empty() && point.name == step.message) {
        // Whole seconds in status: what began within that second is not held against it.
        Some(point) => point
            .at
            .as_ref()
            .and_then(|at| at.0.checked_add(jiff::SignedDuration::from_secs(1)).ok()),
        None => step.message.parse().ok(),
    }
}

/// What the run did is undone: it ends as RolledBack, and only a changed spec or a retry starts another.
fn rolled_back(pass: &mut Pass<'_>, database: &str, how: WentBack, text: &str) {
    done(pass, ActionOutcome::Succeeded, text);
    turn::release(pass, database);
    if let (Some(facts), Some(inventory)) = (
        pass.facts(database),
        pass.snapshot.inventories.get(database),
    ) {
        plan_status::planned(pass, database, inventory, facts);
    }
    ending::finish_rolled_back(pass, database, Some(how), text);
}

/// A human accepts what the validation found: the run goes on as if it had passed.
pub(super) fn accepted(pass: &mut Pass<'_>, spec: &MigrationActionSpec) {
    let accepted = AcceptedStatus {
        by: status::cut(&spec.requested_by, status::NAME_LIMIT),
        reason: status::cut(spec.reason.trim(), REASON_LIMIT),
    };
    if let Some(run) = &mut pass.status.run {
        for step in &mut run.steps {
            if step.name == StepKind::SmokeTest && step.outcome == Some(StepOutcome::Failed) {
                step.outcome = Some(StepOutcome::Accepted);
                step.accepted = Some(accepted.clone());
            }
        }
    }
    for entry in &mut pass.status.databases {
        for finding in &mut entry.findings {
            if finding.kind == FindingKind::Log && finding.policy == Policy::Deny {
                finding.policy = Policy::Warn;
                finding.accepted = Some(accepted.clone());
            }
        }
    }
    reopen(pass, None);
    done(
        pass,
        ActionOutcome::Succeeded,
        "what the validation found is accepted; the run goes on",
    );
    pass.working(
        Phase::Validating,
        reasons::VALIDATION_ACCEPTED,
        "what the validation found is accepted",
    );
    pass.again = true;
}
