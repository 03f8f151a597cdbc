//! What a judged step leads to: the next database, another try, or the end of the run.

use super::judge::LOCK_NOT_AVAILABLE;
use super::pass::Pass;
use super::planning;
use super::run;
use super::snapshot::Effect;
use super::starting::start_job;
use super::status::{self, count};
use crate::api::{DatabasePhase, Phase, RunOutcome, StepKind, StepOutcome, StepStatus, reasons};
use crate::facts::DatabaseFacts;
use crate::tools::prisma::{self, RowState};

/// How often an image may change between plan and run before somebody has to look.
const IMAGE_CHANGES: usize = 3;

pub(super) fn succeed(pass: &mut Pass<'_>, step: &StepStatus, facts: &DatabaseFacts) {
    pass.end_step(&step.job, StepOutcome::Succeeded);
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

/// Gives the turn on a database to the next run.
pub(super) fn release(pass: &mut Pass<'_>, database: &str) {
    let holder = run::holder(pass);
    let Some(entry) = pass.database_mut(database) else {
        return;
    };
    if !entry.lease.is_empty() {
        let name = std::mem::take(&mut entry.lease);
        pass.effects.push(Effect::ReleaseLease { name, holder });
    }
}

/// It is as if it had not been started: another run may have its turn, and it is planned again.
pub(super) fn set_aside(pass: &mut Pass<'_>, database: &str) {
    release(pass, database);
    if let Some(entry) = pass.database_mut(database) {
        entry.phase = DatabasePhase::Planned;
        entry.current = None;
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
    if step.attempt >= bound {
        let failed = crate::api::FailedStatus {
            summary: message.to_owned(),
            traces: crate::api::Traces::None,
            ..Default::default()
        };
        let text = format!("{message}. Tried {}.", count(step.attempt as usize, "time"));
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
    pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
}

/// 2, 4, 8 ... 60 seconds after the first, second, third ... attempt.
pub(super) fn backoff_seconds(attempt: u32) -> i64 {
    2_i64.saturating_pow(attempt).min(60)
}

/// The image's tag was pushed again after the plan: look at the image anew, then plan anew.
pub(super) fn image_changed(pass: &mut Pass<'_>, step: &StepStatus, draining: bool) {
    pass.end_step(&step.job, StepOutcome::NeverBegan);
    let looks = pass
        .steps()
        .iter()
        .filter(|step| step.name == StepKind::Inventory)
        .count();
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
    set_aside(pass, &step.database);
    if draining {
        return;
    }
    planning::start_step(pass);
}

/// A lock time-out that left nothing but its row: the row is marked rolled back, then it is tried again.
pub(super) fn traceless(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    facts: &DatabaseFacts,
    migration: &str,
) {
    if step.attempt >= pass.spec.timeouts.lock_attempts {
        pass.end_step(&step.job, StepOutcome::Failed);
        let row = open_row(facts, migration);
        let failed = crate::api::FailedStatus {
            name: migration.to_owned(),
            ledger_row: row,
            code: "P3018".to_owned(),
            sql_state: LOCK_NOT_AVAILABLE.to_owned(),
            summary: "canceling statement due to lock timeout".to_owned(),
            traces: crate::api::Traces::None,
            ..Default::default()
        };
        let text = format!(
            "{}: {migration} could not get its lock within {} in {} (SQLSTATE 55P03); it left no trace. Find out who holds the lock, or raise timeouts.lock.",
            step.database,
            pass.spec.timeouts.lock.0,
            count(step.attempt as usize, "attempt")
        );
        fail_database(pass, step, reasons::LOCK_TIMEOUT, failed, text);
        return;
    }
    pass.end_step(&step.job, StepOutcome::NeverBegan);
    let text = format!(
        "{}: {migration} could not get its lock within {} and left no trace; it is marked rolled back and tried again",
        step.database, pass.spec.timeouts.lock.0
    );
    pass.event(false, reasons::events::STEP_RETRIED, text.clone());
    pass.working(Phase::Migrating, reasons::WAITING_RETRY, text);
    start_job(
        pass,
        StepKind::Resolve,
        &step.database,
        step.attempt,
        facts,
        migration,
        Vec::new(),
    );
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

/// The row is rolled back, or it is not.
pub(super) fn judge_resolve(pass: &mut Pass<'_>, step: &StepStatus, facts: &DatabaseFacts) -> bool {
    let row = open_row(facts, &step.migration);
    if row.is_empty() {
        pass.end_step(&step.job, StepOutcome::Succeeded);
        set_aside(pass, &step.database);
        let wait = backoff_seconds(step.attempt);
        pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
    } else {
        pass.end_step(&step.job, StepOutcome::Failed);
        let failed = crate::api::FailedStatus {
            name: step.migration.clone(),
            ledger_row: row,
            ..Default::default()
        };
        let text = format!(
            "{}: {} could not get its lock and left no trace, and marking it rolled back failed. Read the log of Job {}.",
            step.database, step.migration, step.job
        );
        fail_database(pass, step, reasons::LOCK_TIMEOUT, failed, text);
    }
    true
}

pub(super) fn fail_database(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    reason: &'static str,
    failed: crate::api::FailedStatus,
    message: String,
) {
    release(pass, &step.database);
    let next = pass.logs_command(&step.job);
    if let Some(entry) = pass.database_mut(&step.database) {
        entry.phase = DatabasePhase::Failed;
        entry.current = None;
        entry.failed = Some(failed);
    }
    pass.condition(reasons::MIGRATED, false, reason, &message);
    pass.stalled(Phase::Failed, reason, message, next);
}

/// Ends a run in which a database failed, in the failure's own words: what ran beside it has spoken since.
pub(super) fn finish_failed(pass: &mut Pass<'_>) {
    run::fail(pass);
    let skipped: Vec<&str> = pass
        .status
        .databases
        .iter()
        .filter(|d| d.phase == DatabasePhase::Skipped)
        .map(|d| d.name.as_str())
        .collect();
    let (reason, mut text) = status::get(&pass.status, reasons::MIGRATED)
        .map(|failure| (failure.reason.clone(), failure.message.clone()))
        .unwrap_or_default();
    if !skipped.is_empty() {
        text = format!("{text} Not started: {}.", status::names(&skipped));
        if let Some(event) = pass.events.iter_mut().rev().find(|event| event.warning) {
            event.message = status::cut(&text, status::MESSAGE_LIMIT);
        }
    }
    let failed = pass
        .steps()
        .iter()
        .rfind(|step| {
            pass.database(&step.database)
                .is_some_and(|d| d.phase == DatabasePhase::Failed)
        })
        .map(|step| step.job.clone());
    let next = failed.map_or_else(String::new, |job| pass.logs_command(&job));
    pass.halted(Phase::Failed, &reason, text, next);
}

pub(super) fn finish_succeeded(pass: &mut Pass<'_>) {
    let applied: u32 = pass
        .status
        .databases
        .iter()
        .map(|database| database.applied_by_run)
        .sum();
    let number = pass.status.databases.len();
    let started = pass.run().started_at.map_or(pass.now(), |time| time.0);
    let took = pass.age(started);
    let ahead = pass.status.databases.iter().any(|database| {
        database
            .findings
            .iter()
            .any(|finding| finding.kind == crate::api::FindingKind::Ahead)
    });
    pass.condition(
        reasons::MIGRATED,
        true,
        reasons::LEDGER_VERIFIED,
        "every migration of the image stands in the ledgers, with its checksum",
    );
    pass.condition(
        reasons::VALIDATED,
        true,
        reasons::LEDGER_VERIFIED,
        "no row is unfinished and no new index is invalid",
    );
    run::end(pass, RunOutcome::Succeeded);
    let message = if applied == 0 {
        format!("{}, nothing pending", count(number, "database"))
    } else {
        format!(
            "{number} of {}, {}, {took}s",
            count(number, "database"),
            count(applied as usize, "migration")
        )
    };
    pass.event(false, reasons::SUCCEEDED, message.clone());
    if ahead {
        pass.ready(
            reasons::DATABASE_AHEAD,
            format!("{message}; the database is ahead of the image"),
        );
    } else {
        pass.ready(reasons::SUCCEEDED, message);
    }
    super::finished::schedule(pass);
}

/// Nothing more is started, and what ran has ended.
pub(super) fn suspended(pass: &mut Pass<'_>) {
    let ready = |d: &&crate::api::DatabaseStatus| d.phase == DatabasePhase::Succeeded;
    let done = pass.status.databases.iter().filter(ready).count();
    let shown = if done == 0 {
        status::get(&pass.status, reasons::PLANNED)
            .map_or("", |c| c.message.as_str())
            .to_owned()
    } else {
        format!(
            "{done} of {} migrated",
            count(pass.status.databases.len(), "database")
        )
    };
    let text = format!("{shown}; suspended: nothing is started. Un-suspend to go on.");
    pass.working(Phase::Suspended, reasons::SUSPENDED, text);
    status::drop_condition(&mut pass.status, reasons::RECONCILING);
    pass.requeue(60_000);
}
