//! The databases, one after the other: start what may start, judge what has ended, stop at the first failure.

use super::turn;
use dbm_protocol::DatabaseInventory;

use super::actions;
use super::choices::raised;
use super::concurrently;
use super::database_plan::DatabasePlan;
use super::ending;
use super::evidence;
use super::invalid;
use super::judge::{Verdict, judge};
use super::ledger_lost;
use super::outcome;
use super::pass::{Pass, Seen};
use super::pending;
use super::plan::ledger_digest;
use super::restore_points;
use super::rollback;
use super::running;
use super::session;
use super::snapshot::Effect;
use super::snapshot::Inventories;
use super::starting;
use super::time_limits;
use super::unplanned;
use super::validate;
use super::watch;
use crate::api::{DatabasePhase, StepKind, StepOutcome, StepStatus, reasons};
use crate::facts::JobProgress;
use crate::tools::prisma;

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
    let inventory = |step: &StepStatus| step.name == StepKind::Inventory;
    if pass.has_failed() {
        let ends = pass.active().iter().all(inventory);
        drop_starts(pass, ends);
        if ends {
            ending::finish_stopped(pass);
        }
        return;
    }
    if actions::abort(pass) {
        return;
    }
    if hold || waiting || pass.run().aborting || pass.active().iter().any(inventory) {
        return;
    }
    let left = |d: &crate::api::DatabaseStatus| d.phase != DatabasePhase::Succeeded;
    let begun = plans.is_none();
    if pass.snapshot.resource.suspended && (!begun || pass.status.databases.iter().any(left)) {
        if pass.active().is_empty() {
            ending::suspended(pass);
        }
        return;
    }
    if !pass.status.databases.iter().any(left) {
        ending::migrated(pass);
    }
    if !restore_points::made(pass, plans) || !validate::go_on(pass) {
        return;
    }
    starting::start_next(pass, inventories, plans);
    if pass.status.databases.iter().any(left) {
        return;
    }
    ending::migrated(pass);
    if !pass.active().is_empty() {
        return;
    }
    // What was found to be done already may have tests of its own, too.
    if validate::go_on(pass) && pass.active().is_empty() && watch::watched(pass) {
        ending::finish_succeeded(pass);
    }
}

/// A migration whose start was decided before the failure was seen, in this very pass, is not started. What is marked
/// rolled back is, whatever failed beside it. An image is looked at unless the run `ends`: its step stands in the journal.
fn drop_starts(pass: &mut Pass<'_>, ends: bool) {
    let resolves = |effect: &Effect| match effect {
        Effect::CreateJob(plan) if plan.step == StepKind::Resolve => {
            pass.database(&plan.database).map(|d| d.lease.clone())
        }
        _ => None,
    };
    let turns: Vec<String> = pass.effects.iter().filter_map(resolves).collect();
    pass.effects.retain(|effect| match effect {
        Effect::CreateJob(plan) => match plan.step {
            StepKind::Resolve => true,
            StepKind::Inventory => !ends,
            _ => false,
        },
        Effect::AcquireLease { name, .. } => turns.contains(name),
        _ => true,
    });
}

/// Looks after one active step. `false`: what became of it is not known yet, so nothing is started beside it.
fn follow(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    step: &StepStatus,
    draining: bool,
) -> bool {
    // A new run or an Abort comes before the next step, and no migration starts while it is suspended. Marking a row is what is left of the last one: that gives way only
    // where it would never come to pass.
    let last = step.name == StepKind::Resolve && !pending::is_kept(pass, step);
    let held = pass.snapshot.resource.suspended && step.name == StepKind::Migrate;
    let gives_way = step.taken_away || held || (draining || pass.run().aborting) && !last;
    if step.name == StepKind::SmokeTest {
        return validate::follow(pass, step, gives_way);
    }
    let mut seen = pass.was_there(step);
    let end = match pass.job(&step.job) {
        Seen::NotYet => return false,
        Seen::Foreign => {
            pending::foreign(pass, step);
            return false;
        }
        Seen::Gone if !seen => match starting::create_again(pass, step, gives_way) {
            Some(known) => return known,
            None => None,
        },
        // It was there and vanished: the database decides, and it is not made again.
        Seen::Gone => None,
        Seen::Job(job) => {
            seen = true;
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
                    pending::not_started(pass, step, job, why, gives_way);
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
    if pass.is_other_database(step) {
        if !seen && end.is_none() {
            // No Job was ever made: the operator died before it, and the Secret was corrected meanwhile.
            pass.end_step(&step.job, StepOutcome::NeverBegan);
            turn::set_aside(pass, &step.database);
            pass.again = true;
            return true;
        }
        unverifiable(pass, step, draining);
        return true;
    }
    let Some(facts) = pass.facts(&step.database) else {
        pass.requeue(1_000);
        return false;
    };
    if step.name == StepKind::Resolve {
        if let Some(session) = facts.lock_holder.as_ref().or(facts.our_sessions.first()) {
            // A killed client is not an ended statement here either.
            let text = format!(
                "{}: the Job that marks {} rolled back has ended, and session {} is still at work in the database. Nothing is judged before it has ended",
                step.database,
                step.migration,
                session::who(session),
            );
            let next = session::end_it(&pass.psql(&step.database), session);
            running::wait_for_backend(pass, &step.job, end, text, next);
            return false;
        }
        return rollback::judge_resolve(pass, step, end, facts);
    }
    let nothing = ledger_digest(&facts.ledger) == step.ledger
        && facts.lock_holder.is_none()
        && facts.our_sessions.is_empty();
    if gives_way && end.is_none() && nothing {
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        turn::set_aside(pass, &step.database);
        return true;
    }
    // What is known of the image by now may not be what this step was planned with: the spec changed, or the tag was
    // pushed again. Then only the ledger's open rows are judged here, and the rest by the next plan.
    let planned = planned_inventory(pass, inventories, &step.database);
    let none = DatabaseInventory::default();
    let inventory = planned.unwrap_or(&none);
    let application = prisma::application_name(&pass.run().id, &step.database);
    let verdict = judge(&step.database, step, end, inventory, facts, &application);
    let verdict = ledger_lost::corrected(pass, step, end, inventory, facts, verdict);
    if !seen && end.is_none() && matches!(verdict, Verdict::Failed { .. }) {
        // No Job was ever seen, so what stands in the ledger may be another run's: the next plan speaks of it.
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        turn::set_aside(pass, &step.database);
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
        turn::set_aside(pass, &step.database);
        pass.again = true;
        return true;
    }
    if !matches!(verdict, Verdict::Wait { .. }) {
        invalid::remember(pass, inventories, step, facts);
        unplanned::remember(pass, step, inventory, facts);
    }
    match verdict {
        Verdict::Wait { message, ends } => {
            let psql = pass.psql(&step.database);
            let next = ends.map(|pid| psql.terminate(pid)).unwrap_or_default();
            running::wait_for_backend(pass, &step.job, end, message, next);
            return false;
        }
        Verdict::Succeeded => outcome::succeed(pass, step, end, facts),
        Verdict::NeverBegan { reason, message } => {
            outcome::never_began(pass, step, reason, &message)
        }
        Verdict::ImageChanged => outcome::image_changed(pass, step, draining),
        Verdict::Traceless { migration } => outcome::traceless(pass, step, facts, &migration),
        Verdict::Failed {
            reason,
            mut failed,
            mut message,
        } => {
            outcome::name_holder(pass, step, &mut failed, &mut message);
            let unlimited = pass
                .database(&step.database)
                .is_some_and(|entry| concurrently::is_planned(&entry.findings));
            let script = evidence::script(inventory, &failed.name).unwrap_or_default();
            let advice = time_limits::advice(pass.spec, facts, &failed, script, unlimited);
            message.push_str(&advice);
            let limit = raised::limit(pass.spec).filter(|_| reason == reasons::OUT_OF_MEMORY);
            if let Some(limit) = limit {
                message.push_str(&format!(" That limit is {limit}."));
            }
            failed.own_time_out = time_limits::is_own(&failed, script);
            if !advice.is_empty() {
                failed.remedy = advice.trim().to_owned();
            }
            pass.end_step(&step.job, StepOutcome::Failed);
            outcome::log_findings(pass, step, end);
            if !rollback::revert(pass, step, facts, &failed, &message) {
                outcome::fail_database(pass, step, reason, *failed, message);
            }
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

/// What became of a step cannot be seen any more, because its database is not named any more.
fn unverifiable(pass: &mut Pass<'_>, step: &StepStatus, draining: bool) {
    pass.end_step(&step.job, StepOutcome::Failed);
    let text = format!(
        "{}: the spec or its Secret names another database than the one that Job {} migrated, so its end was not verified",
        step.database, step.job
    );
    if draining {
        turn::set_aside(pass, &step.database);
        pass.event(true, reasons::OTHER_DATABASE_MIGRATED, text);
    } else {
        let failed = crate::api::FailedStatus::default();
        outcome::fail_database(pass, step, reasons::OTHER_DATABASE_MIGRATED, failed, text);
    }
}
