//! What a judged step leads to: the next database, another try, or the end of the run.

use super::backoff::backoff_seconds;
use super::history;
use super::inventory;
use super::pass::Pass;
use super::plan;
use super::status::{self, count};
use super::steps;
use super::turn::{release, set_aside};
use crate::api::{
    DatabasePhase, FindingKind, FindingStatus, Phase, Policy, Resolution, StepKind, StepOutcome,
    StepStatus, reasons,
};
use crate::facts::{ContainerEnd, DatabaseFacts};
use crate::tools::prisma::{self, RowState};
use crate::tools::sql_state::{DEADLOCK, LOCK_NOT_AVAILABLE};

/// How often an image may change between plan and run before somebody has to look.
const IMAGE_CHANGES: usize = 3;

pub(super) fn succeed(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
) {
    pass.end_step(&step.job, StepOutcome::Succeeded);
    log_findings(pass, step, end);
    super::progress::since_restore_point(pass);
    release(pass, &step.database);
    let Some(entry) = pass.database_mut(&step.database) else {
        return;
    };
    entry.phase = DatabasePhase::Succeeded;
    entry.current = None;
    entry.failed = None;
    let applied = entry.applied_by_run;
    let last = last_applied(facts);
    let took = step
        .started_at
        .as_ref()
        .map_or(0, |start| pass.age(start.0));
    let message = format!(
        "{}: {applied} applied in {took}s, last {last}",
        step.database
    );
    pass.event(false, reasons::events::DATABASE_MIGRATED, message);
    pass.again = true;
}

/// Keeps the lines of a migration's output that are worth a look.
pub(super) fn log_findings(pass: &mut Pass<'_>, step: &StepStatus, end: Option<&ContainerEnd>) {
    let policy = pass.spec.validation.logs.policy;
    let Some(summary) = end.and_then(|end| end.summary.as_deref()) else {
        return;
    };
    if policy == Policy::Ignore {
        return;
    }
    let found: Vec<FindingStatus> = summary
        .findings
        .iter()
        .map(|line| FindingStatus {
            kind: FindingKind::Log,
            migration: String::new(),
            // Prisma's own warnings are shown; what is denied is what the patterns name.
            policy: if line.pattern.is_some() {
                policy
            } else {
                Policy::Warn
            },
            line: Some(line.line),
            text: status::cut(&line.text, 200),
            unseen: false,
            lacks: String::new(),
            accepted: None,
        })
        .collect();
    let more = (summary.findings_count as usize).saturating_sub(found.len());
    if let Some(entry) = pass.database_mut(&step.database) {
        entry.findings.extend(found);
        entry.findings_count = status::bounded(entry.findings.len() + more);
    }
}

fn last_applied(facts: &DatabaseFacts) -> String {
    match &facts.ledger {
        crate::facts::Ledger::Rows(rows) => rows
            .iter()
            .filter(|row| row.finished_at.is_some() && row.rolled_back_at.is_none())
            .max_by_key(|row| row.finished_at)
            .map_or_else(String::new, |row| {
                status::cut(&row.migration_name, status::NAME_LIMIT)
            }),
        _ => String::new(),
    }
}

/// Only what provably never began is tried again, with a bound and with patience.
pub(super) fn never_began(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    reason: &'static str,
    message: &str,
) {
    pass.end_step(&step.job, StepOutcome::NeverBegan);
    let bound = pass.spec.timeouts.lock_attempts;
    let lock = reason == reasons::LOCK_TIMEOUT;
    let holder = if lock {
        holder(pass, step)
    } else {
        String::new()
    };
    if step.attempt >= bound {
        let times = count(step.attempt as usize, "time");
        let mut text = format!("{message}. Tried {times}.");
        if lock {
            let held = end_that_session(&holder);
            text.push_str(&format!(" {held}, then ask for a new run."));
        }
        let failed = crate::api::FailedStatus {
            summary: message.to_owned(),
            traces: crate::api::Traces::None,
            blocked_by: holder,
            ..Default::default()
        };
        fail_database(pass, step, reason, failed, text);
        return;
    }
    set_aside(pass, &step.database);
    let wait = backoff_seconds(step.attempt);
    let text = format!(
        "{message}; attempt {} of {bound} follows in {wait}s",
        step.attempt + 1
    );
    pass.event(false, reasons::events::STEP_RETRIED, text.clone());
    pass.working(Phase::Migrating, reasons::WAITING_RETRY, text);
    pass.status.next_command =
        super::choices::commands::end_it(&pass.psql(&step.database), &holder).unwrap_or_default();
    pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
}

/// Who held the lock that this attempt waited for, or an earlier one of the same run, if this one's was not seen.
pub(super) fn holder(pass: &Pass<'_>, step: &StepStatus) -> String {
    if !step.message.is_empty() {
        return step.message.clone();
    }
    let earlier = |other: &&StepStatus| {
        other.name == StepKind::Migrate
            && other.database == step.database
            && other.outcome == Some(StepOutcome::NeverBegan)
            && !other.message.is_empty()
    };
    let last = pass.steps().iter().rfind(earlier);
    last.map_or_else(String::new, |other| other.message.clone())
}

/// A migration that failed because of a lock is to say who held it, and that nothing of it needs correcting.
pub(super) fn name_holder(
    pass: &Pass<'_>,
    step: &StepStatus,
    failed: &mut crate::api::FailedStatus,
    message: &mut String,
) {
    if failed.sql_state == DEADLOCK && !failed.blocked_by.is_empty() {
        message.push_str(&format!(
            " The other session of the deadlock was {}. The migration itself needs no correction.",
            failed.blocked_by
        ));
    }
    if failed.sql_state != LOCK_NOT_AVAILABLE || failed.name.is_empty() {
        return;
    }
    failed.blocked_by = holder(pass, step);
    let held = end_that_session(&failed.blocked_by);
    message.push_str(&format!(
        " {held}. The migration itself needs no correction."
    ));
}

/// What is to be done about who held a lock, without a full stop.
pub(super) fn end_that_session(holder: &str) -> String {
    match holder {
        "" => "Find out who holds the lock, and end that session or wait for its end".to_owned(),
        _ => match super::session::who_may_end(holder) {
            None => format!("The lock was held by {holder}: end that session, or wait for its end"),
            Some(may) => format!(
                "The lock was held by {holder}: wait for that session's end, or have it ended; the role of the migration may not, {may}"
            ),
        },
    }
}

/// The image's tag was pushed again after the plan: look at the image anew, then plan anew.
pub(super) fn image_changed(pass: &mut Pass<'_>, step: &StepStatus, draining: bool) {
    pass.end_step(&step.job, StepOutcome::NeverBegan);
    let looked = |step: &&StepStatus| {
        step.name == StepKind::Inventory && step.outcome == Some(StepOutcome::Succeeded)
    };
    let looks = pass.steps().iter().filter(looked).count();
    if looks >= IMAGE_CHANGES {
        let text = format!(
            "{}: image {} was pushed again between plan and run, {looks} times. Nothing was executed. Release by tags that do not move, or by digest.",
            step.database, pass.spec.image
        );
        fail_database(
            pass,
            step,
            reasons::IMAGE_KEEPS_CHANGING,
            Default::default(),
            text,
        );
        return;
    }
    let text = format!(
        "{}: image {} was pushed again after it was planned. Nothing was executed; it is read and planned anew",
        step.database, pass.spec.image
    );
    pass.event(false, reasons::events::STEP_RETRIED, text);
    set_aside(pass, &step.database);
    if draining {
        return;
    }
    inventory::start_step(pass);
}

/// A lock time-out that left nothing but its row: the row is marked rolled back, then it is tried again.
pub(super) fn traceless(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    facts: &DatabaseFacts,
    migration: &str,
) {
    pass.end_step(&step.job, StepOutcome::NeverBegan);
    let who = holder(pass, step);
    let held = if who.is_empty() {
        String::new()
    } else {
        format!(", held by {who},")
    };
    let last = step.attempt >= pass.spec.timeouts.lock_attempts;
    let then = if last { "" } else { " and tried again" };
    let text = format!(
        "{}: {migration} could not get its lock{held} within {} and left no trace; it is marked rolled back{then}",
        step.database, pass.spec.timeouts.lock.0
    );
    pass.event(false, reasons::events::STEP_RETRIED, text.clone());
    pass.working(Phase::Migrating, reasons::WAITING_RETRY, text);
    pass.status.next_command =
        super::choices::commands::end_it(&pass.psql(&step.database), &who).unwrap_or_default();
    let mut resolve = StepStatus {
        name: StepKind::Resolve,
        database: step.database.clone(),
        migration: migration.to_owned(),
        resolution: Some(Resolution::RolledBack),
        ..StepStatus::default()
    };
    steps::journal(pass, &mut resolve, Some(facts));
    steps::make_job(pass, &resolve, Some(facts));
}

/// The lock could not be had in the last attempt either. Nothing is left of it: its row is marked rolled back.
pub(super) fn lock_timeout(pass: &mut Pass<'_>, step: &StepStatus, migration: &str) {
    let who = holder(pass, step);
    let held = end_that_session(&who);
    let failed = crate::api::FailedStatus {
        name: migration.to_owned(),
        code: "P3018".to_owned(),
        sql_state: LOCK_NOT_AVAILABLE.to_owned(),
        summary: "canceling statement due to lock timeout".to_owned(),
        traces: crate::api::Traces::None,
        blocked_by: who,
        ..Default::default()
    };
    let text = format!(
        "{}: {migration} could not get its lock within {} in {} (SQLSTATE 55P03); it left no trace and is marked rolled back. {held}, or raise timeouts.lock; then ask for a new run.",
        step.database,
        pass.spec.timeouts.lock.0,
        count(step.attempt as usize, "attempt")
    );
    fail_database(pass, step, reasons::LOCK_TIMEOUT, failed, text);
}

pub(super) fn open_row(facts: &DatabaseFacts, migration: &str) -> String {
    match &facts.ledger {
        crate::facts::Ledger::Rows(rows) => rows
            .iter()
            .find(|row| {
                row.migration_name == migration && prisma::row_state(row) == RowState::Failed
            })
            .map_or_else(String::new, |row| row.id.clone()),
        _ => String::new(),
    }
}

pub(super) fn fail_database(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    mut reason: &'static str,
    mut failed: crate::api::FailedStatus,
    mut message: String,
) {
    let unseen = [
        reasons::OTHER_DATABASE_MIGRATED,
        reasons::UNPLANNED_MIGRATIONS,
        reasons::LEDGER_INCOMPLETE,
        reasons::LEDGER_LOST,
    ];
    failed.elsewhere = failed.name.is_empty() && unseen.contains(&reason);
    release(pass, &step.database);
    super::progress::since_restore_point(pass);
    // Prisma asks for a baseline: up to where is told as well as it can be.
    let known = (failed.code == history::NOT_EMPTY)
        .then(|| pass.snapshot.inventories.get(&step.database))
        .flatten()
        .zip(pass.facts(&step.database));
    let baseline = known.and_then(|(inventory, facts)| history::up_to(inventory, facts));
    // The tables came between plan and Job: it is said as the plan would say it.
    let came = known.and_then(|(inventory, facts)| plan::came(&step.database, inventory, facts));
    if let Some(said) = came.filter(|_| reason == reasons::PRISMA_FAILED) {
        reason = reasons::BASELINE_NEEDED;
        message = format!("{said} These tables came after it was planned.");
    }
    if let Some(entry) = pass.database_mut(&step.database) {
        entry.phase = DatabasePhase::Failed;
        entry.current = None;
        entry.baseline = baseline.unwrap_or_default();
        entry.failed = Some(failed);
    }
    pass.condition(reasons::MIGRATED, false, reason, &message);
    pass.stalled(Phase::Failed, reason, message, "");
}
