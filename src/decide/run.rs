//! What starts a run, and how one ends.

use super::actions::answer::run_ended;
use super::earlier_failure;
use super::forced;
use super::former;
use super::helper_containers;
use super::names::run_id;
use super::pass::{Pass, Seen};
use super::remembered;
use super::snapshot::{Effect, Resource};
use super::status;
use crate::api::{
    DatabasePhase, DatabaseStatus, HistoryStatus, ImageStatus, Phase, RunOutcome, RunStatus,
    StepKind, reasons, spec_hash,
};

/// The three things that start a run. Nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The resource is seen for the first time.
    FirstSight,
    /// What makes a run changed in its spec.
    SpecChanged,
    /// Somebody asked for it.
    Retry,
}

/// Why a run should start now, if it should.
pub fn cause(resource: &Resource) -> Option<Cause> {
    let Some(run) = &resource.status.run else {
        return Some(Cause::FirstSight);
    };
    if run.spec_hash != spec_hash(&resource.spec) {
        return Some(Cause::SpecChanged);
    }
    let asked = resource
        .retry
        .as_deref()
        .is_some_and(|retry| !retry.is_empty() && retry != resource.status.last_handled_retry);
    asked.then_some(Cause::Retry)
}

/// Begins a run, in the journal only. What an unfinished one before it held is let go first.
pub(super) fn start(pass: &mut Pass<'_>, cause: Cause) {
    if pass
        .status
        .run
        .as_ref()
        .is_some_and(|run| run.finished_at.is_none())
    {
        let why = match cause {
            Cause::Retry => "a retry was asked for",
            Cause::FirstSight | Cause::SpecChanged => "the spec changed",
        };
        let message = format!("run {} gives way: {why}", pass.run().id);
        pass.event(false, reasons::events::RUN_SUPERSEDED, message);
        end(pass, RunOutcome::Superseded);
    }
    let told = status::ready_reason(&pass.status).to_owned();
    // While a database cannot be read, that is all that is shown: what was asked before is not answered by a retry.
    let observed = status::get(&pass.status, reasons::OBSERVED);
    let answers = cause == Cause::Retry && observed.is_none_or(|it| it.status != "False");
    let resource = &pass.snapshot.resource;
    let previous = pass.status.run.as_ref().map(|run| run.id.clone());
    let run = RunStatus {
        id: run_id(previous.as_deref(), &resource.uid),
        spec_hash: spec_hash(pass.spec),
        image: ImageStatus {
            reference: pass.spec.image.clone(),
            digest: String::new(),
        },
        started_at: status::time(pass.now()),
        ..RunStatus::default()
    };
    pass.status.run = Some(run);
    pass.status.plan_hash.clear();
    pass.status.last_handled_retry = resource.retry.clone().unwrap_or_default();
    let old = std::mem::take(&mut pass.status.databases);
    let before = |name: &str| old.iter().find(|before| before.name == name);
    pass.status.databases = pass
        .spec
        .databases
        .iter()
        .map(|database| DatabaseStatus {
            name: database.name.clone(),
            // A turn that is still held is given back by the run that took it. The last restore point stays known
            // until this run makes its own: a run with nothing to do makes none.
            lease: before(&database.name)
                .map(|before| before.lease.clone())
                .unwrap_or_default(),
            server: before(&database.name)
                .map(|before| before.server.clone())
                .unwrap_or_default(),
            turn: before(&database.name)
                .map(|before| before.turn.clone())
                .unwrap_or_default(),
            restore_point: before(&database.name).and_then(|before| before.restore_point.clone()),
            instance: before(&database.name).and_then(|before| before.instance.clone()),
            earlier: before(&database.name).and_then(earlier_failure::kept),
            // What was said to have run does not run because somebody asked for a new run.
            marks: before(&database.name)
                .map(|before| before.marks.clone())
                .unwrap_or_default(),
            unplanned: before(&database.name)
                .map(|before| before.unplanned.clone())
                .unwrap_or_default(),
            accepted: before(&database.name)
                .map(|before| before.accepted.clone())
                .unwrap_or_default(),
            invalid_indexes: before(&database.name)
                .map(|before| before.invalid_indexes.clone())
                .unwrap_or_default(),
            ..DatabaseStatus::default()
        })
        .collect();
    for next in &mut pass.status.databases {
        if let Some(before) = before(&next.name) {
            remembered::carry(before, answers, &told, next);
            former::carry(before, answers, &told, next);
            forced::carry(before, next);
        }
    }
    let named =
        |entry: &&DatabaseStatus| !pass.spec.databases.iter().any(|it| it.name == entry.name);
    let gone: Vec<&DatabaseStatus> = old.iter().filter(named).collect();
    for entry in gone {
        former::left(&mut pass.status, entry);
    }
    for kind in [
        reasons::PLANNED,
        reasons::PREFLIGHT_PASSED,
        reasons::MIGRATED,
        reasons::VALIDATED,
        reasons::ROLLED_BACK,
    ] {
        status::drop_condition(&mut pass.status, kind);
    }
    pass.condition(
        reasons::MIGRATED,
        false,
        reasons::PLANNING,
        "the run has just begun",
    );
    pass.working(
        Phase::Planning,
        reasons::PLANNING,
        "reading what the image holds and what is applied",
    );
}

/// Ends the run: leases and finalizer are given back, ended Jobs are tied to the resource, history is written.
pub(super) fn end(pass: &mut Pass<'_>, outcome: RunOutcome) {
    let now = pass.now();
    // Decided in this very pass, before it was seen that the run ends.
    pass.effects
        .retain(|effect| !matches!(effect, Effect::CreateJob(_)));
    for step in pass.active() {
        // Only inventory steps may be cut short: they change nothing.
        pass.end_step(&step.job, crate::api::StepOutcome::NeverBegan);
        if let Seen::Job(job) = pass.job(&step.job)
            && step.name == StepKind::Inventory
            && !job.ended()
        {
            delete(pass, &job.name, &job.uid);
        }
    }
    give_back(pass);
    for database in &mut pass.status.databases {
        database.current = None;
    }
    let applied = pass
        .status
        .databases
        .iter()
        .map(|database| database.applied_by_run)
        .sum();
    if let Some(run) = &mut pass.status.run {
        run.finished_at = status::time(now);
        run.outcome = Some(outcome);
        let entry = HistoryStatus {
            id: run.id.clone(),
            outcome,
            image: run.image.reference.clone(),
            started_at: run.started_at.clone(),
            finished_at: run.finished_at.clone(),
            applied,
        };
        pass.status.history.insert(0, entry);
    }
    pass.status
        .history
        .truncate(pass.spec.history_limit as usize);
    run_ended(pass, outcome);
    prune(pass);
    tidy(pass);
}

/// Turns that were to be given back when a crash came between.
pub(super) fn give_back_left(pass: &mut Pass<'_>) {
    for (name, holder) in &pass.snapshot.left_turns {
        pass.effects.push(Effect::ReleaseLease {
            name: name.clone(),
            holder: holder.clone(),
        });
    }
}

/// Gives every turn back that the run still has.
pub(super) fn give_back(pass: &mut Pass<'_>) {
    let holder = pass.holder();
    for database in &mut pass.status.databases {
        if !database.lease.is_empty() {
            let name = std::mem::take(&mut database.lease);
            pass.effects.push(Effect::ReleaseLease {
                name,
                holder: holder.clone(),
            });
        }
    }
}

/// Nothing of the run is at work: its Jobs are tied to the resource, which may go. So is what a crash has left of it, or of
/// a run before it.
pub(super) fn tidy(pass: &mut Pass<'_>) {
    for job in pass.snapshot.jobs.values().flatten() {
        if is_read(pass, &job.name) && job.ended() && pass.is_ours(job) {
            delete(pass, &job.name, &job.uid);
        } else {
            pass.adopt(job);
        }
    }
    for job in &pass.snapshot.old_jobs {
        let told = |effect: &Effect| match effect {
            Effect::AdoptJob { uid, .. } | Effect::DeleteJob { uid, .. } => *uid == job.uid,
            _ => false,
        };
        if pass.effects.iter().any(told) {
            continue;
        }
        if is_read(pass, &job.name) {
            delete(pass, &job.name, &job.uid);
        } else if !job.adopted {
            pass.effects.push(Effect::AdoptJob {
                name: job.name.clone(),
                uid: job.uid.clone(),
            });
        }
    }
    helper_containers::tidy(pass);
    if pass.snapshot.resource.finalizer && !helper_containers::holds_resource(pass) {
        pass.effects.push(Effect::RemoveFinalizer);
    }
}

/// An inventory's Job whose log was read: nothing in it is worth keeping.
fn is_read(pass: &Pass<'_>, job: &str) -> bool {
    let read = |step: &crate::api::StepStatus| {
        step.name == StepKind::Inventory
            && step.outcome == Some(crate::api::StepOutcome::Succeeded)
            && step.job == job
    };
    pass.steps().iter().any(read)
}

fn delete(pass: &mut Pass<'_>, name: &str, uid: &str) {
    let delete = Effect::DeleteJob {
        name: name.to_owned(),
        uid: uid.to_owned(),
    };
    if !pass.effects.contains(&delete) {
        pass.effects.push(delete);
    }
}

/// Deletes the Jobs of runs that history no longer holds; the last run's are kept whatever the limit.
fn prune(pass: &mut Pass<'_>) {
    let run = pass.run().id;
    for job in &pass.snapshot.old_jobs {
        let kept = job.run == run || pass.status.history.iter().any(|entry| entry.id == job.run);
        if !kept {
            delete(pass, &job.name, &job.uid);
        }
    }
}

/// A run that had ended is known to have ended in another way since.
pub(super) fn ended_otherwise(pass: &mut Pass<'_>, outcome: RunOutcome) {
    let Some(run) = &mut pass.status.run else {
        return;
    };
    run.outcome = Some(outcome);
    let id = run.id.clone();
    let entry = pass.status.history.iter_mut().find(|entry| entry.id == id);
    if let Some(entry) = entry {
        entry.outcome = outcome;
    }
}

/// A run that failed: what was not started is skipped.
pub(super) fn fail(pass: &mut Pass<'_>) {
    skip(pass);
    end(pass, RunOutcome::Failed);
}

/// What was not started will not be.
pub(super) fn skip(pass: &mut Pass<'_>) {
    for database in &mut pass.status.databases {
        if matches!(
            database.phase,
            DatabasePhase::Planned | DatabasePhase::Unknown
        ) {
            database.phase = DatabasePhase::Skipped;
        }
    }
}
