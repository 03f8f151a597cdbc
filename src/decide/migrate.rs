//! The databases, one after the other: start what may start, judge what has ended, stop at the first failure.

use dbm_agent::protocol::DatabaseInventory;

use super::judge::{LOCK_NOT_AVAILABLE, Verdict, judge};
use super::names::{job_name, lease_name};
use super::pass::{Pass, Seen};
use super::plan::{DatabasePlan, ledger_digest};
use super::planning::{self, Inventories};
use super::run;
use super::running;
use super::snapshot::{Effect, JobPlan};
use super::status::{self, count};
use super::waiting;
use crate::api::{
    DatabasePhase, DatabaseSpec, Phase, RunOutcome, StepKind, StepOutcome, StepStatus, reasons,
};
use crate::facts::{DatabaseFacts, JobProgress};
use crate::tools::prisma::{self, RowState};

/// The first server that knows `client_connection_check_interval`.
const CONNECTION_CHECK_SINCE: u32 = 140_000;
/// How often an image may change between plan and run before somebody has to look.
const IMAGE_CHANGES: usize = 3;

/// Goes one step further. `hold`: nothing new is started; `draining`: because a new run is due.
pub(super) fn advance(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    plans: Option<&std::collections::BTreeMap<String, DatabasePlan>>,
    hold: bool,
    draining: bool,
) {
    let mut waiting = false;
    let mut active = pass.active();
    active.retain(|step| step.name != StepKind::Inventory);
    for step in &active {
        waiting |= !follow(pass, inventories, step, draining);
    }
    let failed = pass
        .status
        .databases
        .iter()
        .any(|database| database.phase == DatabasePhase::Failed);
    if failed {
        // Decided before the failure was seen, in this very pass.
        pass.effects
            .retain(|effect| !matches!(effect, Effect::CreateJob(_) | Effect::AcquireLease { .. }));
        let inventory = |step: &StepStatus| step.name == StepKind::Inventory;
        if pass.active().iter().all(inventory) {
            finish_failed(pass);
        }
        return;
    }
    let inventory = |step: &StepStatus| step.name == StepKind::Inventory;
    if hold || waiting || pass.active().iter().any(inventory) {
        return;
    }
    let left = |d: &crate::api::DatabaseStatus| d.phase != DatabasePhase::Succeeded;
    let begun = plans.is_none();
    if pass.snapshot.resource.suspended && (!begun || pass.status.databases.iter().any(left)) {
        if pass.active().is_empty() {
            suspended(pass);
        }
        return;
    }
    start_next(pass, inventories, plans);
    let done = pass
        .status
        .databases
        .iter()
        .all(|database| database.phase == DatabasePhase::Succeeded);
    if done && pass.active().is_empty() {
        finish_succeeded(pass);
    }
}

/// Looks after one active step. `false`: what became of it is not known yet, so nothing is started beside it.
fn follow(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    step: &StepStatus,
    draining: bool,
) -> bool {
    let end = match pass.job(&step.job) {
        Seen::NotYet => return false,
        Seen::Foreign => {
            running::foreign(pass, step);
            return false;
        }
        Seen::Gone if step.job_uid.is_empty() => match create_again(pass, step, draining) {
            Some(known) => return known,
            None => None,
        },
        // It was there and vanished: the database decides, and it is not made again.
        Seen::Gone => None,
        Seen::Job(job) => {
            // Journaled with the next news: a Job that has not started has done nothing that could be done twice.
            let news =
                !matches!(&job.progress, JobProgress::NotStarted(why) if why.reason.is_empty());
            if step.job_uid.is_empty() && news {
                let uid = job.uid.clone();
                if let Some(entry) = pass.step_mut(&step.job) {
                    entry.job_uid = uid;
                }
            }
            match &job.progress {
                JobProgress::NotStarted(why) => {
                    running::not_started(pass, step, job, why, draining);
                    return true;
                }
                JobProgress::Running { since } => {
                    running::running(pass, inventories, step, job, *since);
                    return true;
                }
                JobProgress::Ended(end) => Some(end),
                JobProgress::Lost { .. } => None,
            }
        }
    };
    if is_other_database(pass, step) {
        unverifiable(pass, step, draining);
        return true;
    }
    let Some(facts) = pass.facts(&step.database) else {
        pass.requeue(1_000);
        return false;
    };
    if step.name == StepKind::Resolve {
        return judge_resolve(pass, step, facts);
    }
    let nothing = ledger_digest(&facts.ledger) == step.ledger
        && facts.lock_holder.is_none()
        && facts.our_sessions.is_empty();
    if draining && end.is_none() && nothing {
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        set_aside(pass, &step.database);
        return true;
    }
    // What is known of the image by now may not be what this step was planned with: the spec changed, or the tag was
    // pushed again. Then only the ledger's open rows are judged here, and the rest by the next plan.
    let planned = planned_inventory(pass, inventories, &step.database);
    let none = DatabaseInventory::default();
    let inventory = planned.unwrap_or(&none);
    let application = prisma::application_name(&pass.run().id, &step.database);
    let verdict = judge(&step.database, step, end, inventory, facts, &application);
    if step.job_uid.is_empty() && end.is_none() && matches!(verdict, Verdict::Failed { .. }) {
        // No Job was ever seen, so what stands in the ledger may be another run's: the next plan speaks of it.
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        set_aside(pass, &step.database);
        pass.again = true;
        return true;
    }
    if planned.is_some() {
        running::progress(pass, &step.database, inventory, facts);
    } else if verdict == Verdict::Succeeded {
        let well = end.is_some_and(|end| end.exit_code == 0);
        pass.end_step(
            &step.job,
            if well {
                StepOutcome::Succeeded
            } else {
                StepOutcome::Failed
            },
        );
        set_aside(pass, &step.database);
        pass.again = true;
        return true;
    }
    match verdict {
        Verdict::Wait { message, next } => {
            running::wait_for_backend(pass, &step.job, end, message, next);
            return false;
        }
        Verdict::Succeeded => succeed(pass, step, facts),
        Verdict::NeverBegan { reason, message } => never_began(pass, step, reason, &message),
        Verdict::ImageChanged => image_changed(pass, step, draining),
        Verdict::Traceless { migration } => traceless(pass, step, facts, &migration),
        Verdict::Failed {
            reason,
            failed,
            message,
        } => {
            pass.end_step(&step.job, StepOutcome::Failed);
            fail_database(pass, step, reason, *failed, message);
        }
    }
    true
}

/// The inventory of a database, if it is the one that its step was planned with.
fn planned_inventory<'a>(
    pass: &Pass<'_>,
    inventories: &'a Inventories,
    database: &str,
) -> Option<&'a DatabaseInventory> {
    let hash = &pass.database(database)?.inventory_hash;
    inventories
        .get(database)
        .filter(|known| known.hash == *hash)
}

/// The database of a step is not in the spec any more, or its Secret leads to another one by now.
fn is_other_database(pass: &Pass<'_>, step: &StepStatus) -> bool {
    let named = pass.spec.databases.iter().any(|d| d.name == step.database);
    let lease = pass
        .database(&step.database)
        .map_or("", |entry| entry.lease.as_str());
    let moved = pass
        .facts(&step.database)
        .is_some_and(|facts| !lease.is_empty() && lease != lease_name(&facts.identity));
    !named || moved
}

/// What became of a step cannot be seen any more, because its database is not named any more.
fn unverifiable(pass: &mut Pass<'_>, step: &StepStatus, draining: bool) {
    pass.end_step(&step.job, StepOutcome::Failed);
    let text = format!(
        "{}: the spec or its Secret names another database than the one that Job {} migrated, so its end was not verified",
        step.database, step.job
    );
    if draining {
        set_aside(pass, &step.database);
        pass.event(true, reasons::OTHER_DATABASE_MIGRATED, text);
    } else {
        let failed = crate::api::FailedStatus::default();
        fail_database(pass, step, reasons::OTHER_DATABASE_MIGRATED, failed, text);
    }
}

fn succeed(pass: &mut Pass<'_>, step: &StepStatus, facts: &DatabaseFacts) {
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
fn set_aside(pass: &mut Pass<'_>, database: &str) {
    release(pass, database);
    if let Some(entry) = pass.database_mut(database) {
        entry.phase = DatabasePhase::Planned;
        entry.current = None;
    }
}

/// Only what provably never began is tried again, with a bound and with patience.
fn never_began(pass: &mut Pass<'_>, step: &StepStatus, reason: &'static str, message: &str) {
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
fn backoff_seconds(attempt: u32) -> i64 {
    2_i64.saturating_pow(attempt).min(60)
}

/// The image's tag was pushed again after the plan: look at the image anew, then plan anew.
fn image_changed(pass: &mut Pass<'_>, step: &StepStatus, draining: bool) {
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
fn traceless(pass: &mut Pass<'_>, step: &StepStatus, facts: &DatabaseFacts, migration: &str) {
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

fn open_row(facts: &DatabaseFacts, migration: &str) -> String {
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
fn judge_resolve(pass: &mut Pass<'_>, step: &StepStatus, facts: &DatabaseFacts) -> bool {
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

fn fail_database(
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
fn finish_failed(pass: &mut Pass<'_>) {
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

fn finish_succeeded(pass: &mut Pass<'_>) {
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
fn suspended(pass: &mut Pass<'_>) {
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

/// Starts what may start: in the list's order, or as `dependsOn` says where several may run at once.
fn start_next(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    plans: Option<&std::collections::BTreeMap<String, DatabasePlan>>,
) {
    let parallelism = pass.spec.parallelism.max(1) as usize;
    // Verified against what the image held before its tag was pushed again: planned again.
    for entry in &mut pass.status.databases {
        let hash = inventories.get(&entry.name).map(|known| &known.hash);
        if entry.phase == DatabasePhase::Succeeded && hash != Some(&entry.inventory_hash) {
            entry.phase = DatabasePhase::Planned;
        }
    }
    for (at, database) in pass.spec.databases.iter().enumerate() {
        let Some(entry) = pass.database(&database.name) else {
            continue;
        };
        if matches!(entry.phase, DatabasePhase::Succeeded) || is_active(pass, &database.name) {
            continue;
        }
        if !ready_to_start(pass, database, at, parallelism) {
            if parallelism == 1 {
                return;
            }
            continue;
        }
        // Whatever woke it meanwhile, the time of the retry is kept.
        let wait = retry_in(pass, &database.name);
        if wait > 0 {
            pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
            continue;
        }
        if !start(pass, inventories, plans, database) {
            return;
        }
    }
}

fn is_active(pass: &Pass<'_>, database: &str) -> bool {
    pass.active().iter().any(|step| step.database == database)
}

fn ready_to_start(pass: &Pass<'_>, database: &DatabaseSpec, at: usize, parallelism: usize) -> bool {
    let succeeded = |name: &str| {
        pass.database(name)
            .is_some_and(|d| d.phase == DatabasePhase::Succeeded)
    };
    let earlier = pass.spec.databases[..at]
        .iter()
        .all(|before| succeeded(&before.name));
    let named = database.depends_on.iter().all(|name| succeeded(name));
    named && (parallelism > 1 || earlier) && pass.active().len() < parallelism
}

/// The seconds until a database that never began is tried again; 0: now.
fn retry_in(pass: &Pass<'_>, database: &str) -> i64 {
    pass.steps()
        .iter()
        .rfind(|step| step.database == database && step.finished_at.is_some())
        .filter(|step| {
            matches!(
                (step.name, step.outcome),
                (StepKind::Migrate, Some(StepOutcome::NeverBegan))
                    | (StepKind::Resolve, Some(StepOutcome::Succeeded))
            )
        })
        .map_or(0, |step| {
            let ended = step.finished_at.as_ref().map_or(pass.now(), |time| time.0);
            backoff_seconds(step.attempt) - pass.age(ended)
        })
}

/// `false`: a person has to look at it, and nothing is started after it.
fn start(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    plans: Option<&std::collections::BTreeMap<String, DatabasePlan>>,
    database: &DatabaseSpec,
) -> bool {
    let name = &database.name;
    let (Some(facts), Some(inventory)) = (pass.facts(name), inventories.get(name)) else {
        pass.requeue(1_000);
        return true;
    };
    // The plan of this very pass where there is one; else this database's part is looked at again.
    let fresh;
    let plan = match plans.and_then(|plans| plans.get(name)) {
        Some(plan) => plan,
        None => {
            fresh = super::plan::plan(
                name,
                &database.prisma.schema,
                inventory,
                facts,
                &pass.spec.preflight.history,
            );
            planning::show(pass, name, inventory, &fresh);
            &fresh
        }
    };
    if let Some(blocker) = &plan.blocker {
        pass.stalled(
            Phase::Blocked,
            blocker.reason,
            blocker.message.clone(),
            blocker.next.clone(),
        );
        waiting::poll(pass, reasons::STALLED);
        return false;
    }
    if plan.pending.is_empty() {
        if let Some(entry) = pass.database_mut(name) {
            entry.phase = DatabasePhase::Succeeded;
        }
        return true;
    }
    // Two schemas of one database: the turn is the database's, and it is ours already.
    let lease = lease_name(&facts.identity);
    let taken = |step: &StepStatus| {
        pass.database(&step.database)
            .is_some_and(|entry| entry.lease == lease)
    };
    if pass.active().iter().any(taken) || !running::may_touch(pass, name, facts) {
        return true;
    }
    let attempt = pass.next_attempt(StepKind::Migrate, name);
    let text = format!(
        "{name}: starting {}",
        count(plan.pending.len(), "migration")
    );
    pass.working(Phase::Migrating, reasons::MIGRATING, text);
    pass.condition(
        reasons::MIGRATED,
        false,
        reasons::MIGRATING,
        "migrations run",
    );
    if let Some(entry) = pass.database_mut(name) {
        entry.phase = DatabasePhase::Migrating;
        entry.lease = lease;
    }
    let indexes = facts.invalid_indexes.clone();
    start_job(pass, StepKind::Migrate, name, attempt, facts, "", indexes);
    true
}

/// Journals a step and makes its Job: finalizer, journal, Lease, Job, in this order.
fn start_job(
    pass: &mut Pass<'_>,
    kind: StepKind,
    database: &str,
    attempt: u32,
    facts: &DatabaseFacts,
    migration: &str,
    invalid_indexes: Vec<String>,
) {
    let resource = &pass.snapshot.resource;
    let run = pass.run().id;
    let job = job_name(&resource.name, &resource.uid, &run, database, kind, attempt);
    let step = StepStatus {
        name: kind,
        database: database.to_owned(),
        attempt,
        job: job.clone(),
        migration: migration.to_owned(),
        started_at: status::time(pass.now()),
        ledger: ledger_digest(&facts.ledger),
        catalog: facts.catalog.clone().unwrap_or_default(),
        invalid_indexes,
        ..StepStatus::default()
    };
    if let Some(run) = &mut pass.status.run {
        run.steps.push(step.clone());
    }
    make_job(pass, &step, facts);
}

fn make_job(pass: &mut Pass<'_>, step: &StepStatus, facts: &DatabaseFacts) {
    if !pass.snapshot.resource.finalizer {
        pass.effects.push(Effect::AddFinalizer);
    }
    let name = lease_name(&facts.identity);
    let take_over = pass
        .snapshot
        .leases
        .get(&name)
        .map(|lease| lease.resource_version.clone());
    let holder = run::holder(pass);
    pass.effects.push(Effect::AcquireLease {
        name,
        holder,
        take_over,
    });
    let start = pass.spec.timeouts.start.seconds().unwrap_or(600);
    let not_after = pass
        .now()
        .checked_add(jiff::SignedDuration::from_secs(start))
        .ok();
    let expect = pass
        .database(&step.database)
        .map(|entry| entry.inventory_hash.clone())
        .unwrap_or_default();
    pass.effects.push(Effect::CreateJob(JobPlan {
        name: step.job.clone(),
        step: step.name,
        database: step.database.clone(),
        run: pass.run().id,
        expect,
        not_after,
        connection_check: facts.server_version >= CONNECTION_CHECK_SINCE,
        migration: step.migration.clone(),
    }));
    pass.again = true;
}

/// The intent stands in the journal and no Job was ever confirmed: it was never made, or it was made, ran and is gone.
/// It is made only where the ledger is as it was and nothing is at work; `None`: the database decides what happened.
fn create_again(pass: &mut Pass<'_>, step: &StepStatus, draining: bool) -> Option<bool> {
    if is_other_database(pass, step) {
        return None;
    }
    let Some(facts) = pass.facts(&step.database) else {
        pass.requeue(1_000);
        return Some(false);
    };
    // Another run has the turn on the database, so ours was never had, and the Job, which comes after it, never made.
    // The ledger that was journaled is not the one that run will leave: the database is planned again.
    if step.name == StepKind::Migrate && running::is_busy(pass, facts) {
        if let Some(run) = &mut pass.status.run {
            run.steps.retain(|other| other.job != step.job);
        }
        if let Some(entry) = pass.database_mut(&step.database) {
            entry.phase = DatabasePhase::Planned;
            entry.lease.clear();
        }
        running::may_touch(pass, &step.database, facts);
        pass.again = true;
        return Some(true);
    }
    if ledger_digest(&facts.ledger) != step.ledger {
        return None;
    }
    let idle = facts.lock_holder.is_none() && facts.our_sessions.is_empty();
    let failed = |d: &crate::api::DatabaseStatus| d.phase == DatabasePhase::Failed;
    let stop = draining || pass.snapshot.resource.suspended;
    if idle && (stop || pass.status.databases.iter().any(failed)) {
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        set_aside(pass, &step.database);
        return Some(true);
    }
    if !running::refused(pass, step) && running::may_touch(pass, &step.database, facts) {
        make_job(pass, step, facts);
    }
    Some(false)
}
