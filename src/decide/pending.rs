//! What keeps a step's Job from being made, or its container from starting: said, waited for, and given way to what else is to
//! be done.

use super::container::{self, Told};
use super::pass::Pass;
use super::snapshot::{Effect, Refused};
use super::waiting;
use crate::api::{Phase, StepKind, StepStatus, reasons};
use crate::facts::{JobFacts, JobProgress, NotStarted};

/// What the spec or the image keeps from starting for so long is not about to start, seconds.
const STUCK: i64 = 60;

/// Its container has not started. What it gives way to ends it. After `timeouts.start` it is Stalled and left: it says by itself
/// why it does not start, and the agent refuses to begin so late, after which it is tried again.
pub(super) fn not_started(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    job: &JobFacts,
    why: &NotStarted,
    gives_way: bool,
) {
    waiting::not_started(pass, step, &step.database, job, why);
    if gives_way {
        // What it gave way to may be taken back before it is gone.
        if let Some(entry) = pass.step_mut(&step.job) {
            entry.taken_away = true;
        }
        pass.effects.push(Effect::DeleteJob {
            name: job.name.clone(),
            uid: job.uid.clone(),
        });
    }
}

/// A container that will not start by itself any more: for what stands in the spec or the image, for a while by now, or for
/// whatever else, for longer than `timeouts.start`. A node that is on its way, or a volume, is waited for.
pub(super) fn is_stuck(pass: &Pass<'_>, step: &StepStatus, why: &NotStarted) -> bool {
    let since = step.started_at.as_ref().map_or(pass.now(), |at| at.0);
    let age = pass.age(since);
    let limit = pass.spec.timeouts.start.seconds().unwrap_or(600);
    age > limit
        || age > STUCK
            && container::explain(why)
                .as_ref()
                .is_some_and(Told::is_of_spec)
}

/// Whether the Job of a step cannot be made, or its container will not start by itself any more.
pub(super) fn is_kept(pass: &Pass<'_>, step: &StepStatus) -> bool {
    let refusal = pass.snapshot.refusals.get(&step.job);
    let job = pass.snapshot.jobs.get(&step.job).and_then(Option::as_ref);
    refusal.is_some_and(|refusal| !refusal.is_hiccup(pass.now()))
        || job.is_some_and(|job| match &job.progress {
            JobProgress::NotStarted(why) => is_stuck(pass, step, why),
            _ => false,
        })
}

/// A Job of the step's name is somebody else's.
pub(super) fn foreign(pass: &mut Pass<'_>, step: &StepStatus) {
    let subject = subject(step);
    let text = format!(
        "{subject}a Job named {} exists and is not of this resource; nothing of it was touched. Remove or rename it; it goes on by itself.",
        step.job
    );
    pass.stalled(Phase::Blocked, reasons::FOREIGN_JOB, text, "");
    pass.poll(15_000);
}

fn subject(step: &StepStatus) -> String {
    if step.database.is_empty() {
        String::new()
    } else {
        format!("{}: ", step.database)
    }
}

/// The API server refused what the step needs: said, and tried again, because quotas and policies get mended.
pub(super) fn refused(pass: &mut Pass<'_>, step: &StepStatus) -> bool {
    let Some(refusal) = pass.snapshot.refusals.get(&step.job) else {
        return false;
    };
    let image = &pass.spec.image;
    let (other, what) = match refusal.what {
        Refused::Foreign => {
            foreign(pass, step);
            return true;
        }
        Refused::Job => (
            reasons::JOB_REFUSED,
            format!(
                "{}the API server refuses the Job {}",
                subject(step),
                step.job
            ),
        ),
        Refused::Log => (
            reasons::INVENTORY_FAILED,
            format!(
                "image {image}: the API server does not show the log of Job {}, in which stands what the image holds",
                step.job
            ),
        ),
        Refused::Inventory => (
            reasons::INVENTORY_FAILED,
            format!("image {image}: the API server refuses the ConfigMap for what the image holds"),
        ),
    };
    let said = refusal.message.trim_end_matches('.');
    if refusal.is_hiccup(pass.now()) {
        let text = format!("{what}: {said}; it is tried again by itself");
        pass.working(waiting::phase(step.name), reasons::WAITING_RETRY, text);
        pass.requeue(3_000);
        return true;
    }
    let (reason, text) = match container::refused(&refusal.message) {
        Some(told) => (told.reason, told.with_then()),
        None => {
            let text = "Mend what it names. Once that is mended, it goes on by itself.";
            (other, format!("{said}. {text}"))
        }
    };
    let text = format!("{what}: {text}");
    let active = pass.active();
    let after = active.iter().skip_while(|other| {
        // What an image holds comes before all others.
        step.name != StepKind::Inventory && other.job != step.job
    });
    let speaks = |other: &StepStatus| other.job != step.job && other.name != StepKind::Inventory;
    if after.into_iter().any(speaks) {
        // What runs beside it has the word: this would be news at each look.
        pass.halted(Phase::Blocked, reason, text, "");
    } else {
        pass.stalled(Phase::Blocked, reason, text, "");
    }
    pass.poll(15_000);
    true
}
