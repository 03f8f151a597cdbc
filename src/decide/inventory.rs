//! What the image holds: found by its key, or read by one Job for all databases.

use super::snapshot::Inventories;
use std::collections::BTreeMap;

use dbm_protocol::{InventoryReport, VERSION};

use super::backoff::backoff_seconds;
use super::container;
use super::database_plan::DatabasePlan;
use super::names::{inventory_key, is_pinned};
use super::pass::{Pass, Seen};
use super::pending;
use super::plan;
use super::snapshot::{Effect, JobPlan};
use super::status;
use super::status::prefixed;
use super::steps;
use super::waiting;
use crate::api::{Phase, StepKind, StepOutcome, StepStatus, reasons};
use crate::facts::{ContainerEnd, JobProgress};

/// So many pods of one run may be lost before they have printed what the image holds; then somebody has to look at what ends
/// them.
const LOST_PODS: usize = 5;

/// The inventories, if they are known; else sees to it that they will be.
pub(super) fn inventories(pass: &mut Pass<'_>) -> Option<Inventories> {
    if let Some(step) = pass
        .active()
        .into_iter()
        .find(|step| step.name == StepKind::Inventory)
    {
        return finish_step(pass, &step);
    }
    let last = pass
        .steps()
        .iter()
        .rfind(|step| step.name == StepKind::Inventory);
    let outcome = last.and_then(|step| step.outcome);
    // What was stored before this run looked is not to go by where the look was needed and said nothing.
    if outcome == Some(StepOutcome::Failed) {
        // Said again, whatever was said in between.
        let planned = status::get(&pass.status, reasons::PLANNED).cloned();
        if let Some(why) = planned.filter(|planned| planned.status == "False") {
            let next = pass.retry_command();
            pass.halted(Phase::Blocked, &why.reason, why.message, next);
        }
        return None;
    }
    let known = &pass.snapshot.inventories;
    let mut databases = pass.spec.databases.iter();
    if outcome != Some(StepOutcome::NeverBegan)
        && databases.all(|database| known.contains_key(&database.name))
    {
        return Some(known.clone());
    }
    start_step(pass);
    None
}

/// Journals an inventory step and makes its Job; a while after the last one, if that lost its pod.
pub(super) fn start_step(pass: &mut Pass<'_>) {
    let looks = |step: &StepStatus| step.name == StepKind::Inventory;
    if pass.active().iter().any(looks) {
        return;
    }
    let wait = wait_after_loss(pass);
    if wait > 0 {
        pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
        return;
    }
    let mut step = StepStatus {
        name: StepKind::Inventory,
        ..StepStatus::default()
    };
    steps::journal(pass, &mut step, None);
    pass.working(
        Phase::Planning,
        reasons::PLANNING,
        "reading what the image holds",
    );
    let run = pass.run().id;
    create_job(pass, step.job, &run);
}

fn create_job(pass: &mut Pass<'_>, name: String, run: &str) {
    pass.effects.push(Effect::CreateJob(Box::new(JobPlan {
        name,
        step: StepKind::Inventory,
        run: run.to_owned(),
        ..JobPlan::default()
    })));
    pass.again = true;
}

fn finish_step(pass: &mut Pass<'_>, step: &StepStatus) -> Option<Inventories> {
    let job = match pass.job(&step.job) {
        Seen::NotYet => return None,
        Seen::Foreign => {
            pending::foreign(pass, step);
            return None;
        }
        // An inventory changes nothing, so it may simply be made again.
        Seen::Gone => {
            if !pending::refused(pass, step) {
                let run = pass.run().id;
                create_job(pass, step.job.clone(), &run);
            }
            return None;
        }
        Seen::Job(job) => job,
    };
    match &job.progress {
        JobProgress::NotStarted(why) => {
            waiting::not_started(pass, step, "", job, why);
            None
        }
        JobProgress::Running { .. } => {
            pass.working(
                Phase::Planning,
                reasons::PLANNING,
                "reading what the image holds",
            );
            None
        }
        JobProgress::Lost { message } => {
            lost(pass, step, message);
            None
        }
        JobProgress::Ended(_) if pending::refused(pass, step) => None,
        JobProgress::Ended(end) => {
            let Some(report) = &pass.snapshot.report else {
                pass.requeue(1_000);
                return None;
            };
            match report {
                Ok(report) if broken(pass, report).is_some() => {
                    let (reason, why) = broken(pass, report)?;
                    failed(pass, step, reason, &why);
                    None
                }
                Ok(report) => {
                    pass.end_step(&step.job, StepOutcome::Succeeded);
                    // Nothing in its log is worth keeping: the inventory is.
                    pass.effects
                        .retain(|effect| !matches!(effect, Effect::AdoptJob { .. }));
                    let mut found = Inventories::new();
                    for database in &pass.spec.databases {
                        let entry = report
                            .databases
                            .iter()
                            .find(|e| e.database == database.name);
                        if let Some(inventory) = entry {
                            found.insert(database.name.clone(), inventory.clone());
                            if inventory.problem.is_none() {
                                pass.effects.push(Effect::StoreInventory {
                                    key: inventory_key(pass.spec, database),
                                    inventory: Box::new(inventory.clone()),
                                });
                            }
                        }
                    }
                    pass.effects.push(Effect::DeleteJob {
                        name: job.name.clone(),
                        uid: job.uid.clone(),
                    });
                    if let (Some(run), Some(digest)) = (&mut pass.status.run, &job.image_digest) {
                        run.image.digest.clone_from(digest);
                    }
                    Some(found)
                }
                Err(message) => {
                    let (reason, why) = not_read(end, message);
                    failed(
                        pass,
                        step,
                        reason,
                        &format!("its migrations could not be read: {why}."),
                    );
                    None
                }
            }
        }
    }
}

/// The inventory steps of this run that lost their pod.
fn lost_pods(pass: &Pass<'_>) -> usize {
    let lost = |step: &&StepStatus| {
        step.name == StepKind::Inventory && step.outcome == Some(StepOutcome::NeverBegan)
    };
    pass.steps().iter().filter(lost).count()
}

/// The seconds until a pod that was lost is followed by another; 0: now.
fn wait_after_loss(pass: &Pass<'_>) -> i64 {
    let last = pass.steps().iter().rfind(|s| s.name == StepKind::Inventory);
    let ended = last
        .filter(|step| step.outcome == Some(StepOutcome::NeverBegan))
        .and_then(|step| step.finished_at.as_ref());
    let attempt = u32::try_from(lost_pods(pass)).unwrap_or(u32::MAX);
    ended.map_or(0, |ended| backoff_seconds(attempt) - pass.age(ended.0))
}

/// The pod was deleted or evicted, or its node is gone. An inventory changes nothing, so another one is made, with a bound
/// and with patience: what ended this one may end the next one as well.
fn lost(pass: &mut Pass<'_>, step: &StepStatus, message: &str) {
    let before = lost_pods(pass);
    let said = match message.trim_end_matches('.') {
        "" => String::new(),
        said => format!(" ({said})"),
    };
    if before + 1 < LOST_PODS {
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        let wait = wait_after_loss(pass);
        let text = format!(
            "the pod that was to read what the image holds was lost{said}; attempt {} of {LOST_PODS} follows in {wait}s",
            before + 2
        );
        pass.event(false, reasons::events::STEP_RETRIED, text.clone());
        pass.working(Phase::Planning, reasons::WAITING_RETRY, text);
        pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
        return;
    }
    let text = format!(
        "the pod that was to read what the image holds was lost {LOST_PODS} times, the last time of Job {}{said}. Nothing was executed. Look for what ends pods in this namespace (kubectl get events -n {}), then ask for a new run.",
        step.job, pass.snapshot.resource.namespace
    );
    blocked(pass, step, reasons::INVENTORY_FAILED, text);
}

/// Why an inventory Job ended without an inventory.
fn not_read(end: &ContainerEnd, message: &str) -> (&'static str, String) {
    if end.out_of_memory() {
        let text = "the container ran out of memory. Raise job.resources.limits.memory";
        return (reasons::OUT_OF_MEMORY, text.to_owned());
    }
    match container::never_ran(end).or_else(|| container::not_executed(message)) {
        Some(told) => (told.reason, told.text()),
        None => (reasons::INVENTORY_FAILED, message.to_owned()),
    }
}

/// The first database that cannot be migrated with this image.
fn broken(pass: &Pass<'_>, report: &InventoryReport) -> Option<(&'static str, String)> {
    // An agent of the operator's own may be of the release before: it was upgraded meanwhile.
    if report.version != VERSION && !pass.spec.job.agent_path.is_empty() {
        let text = format!(
            "its own agent (job.agentPath) speaks version {} of the protocol, and the operator version {VERSION}: build the image with the agent of this release.",
            report.version
        );
        return Some((reasons::INVENTORY_FAILED, text));
    }
    pass.spec.databases.iter().find_map(|database| {
        let name = &database.name;
        let Some(entry) = report.databases.iter().find(|e| e.database == *name) else {
            let text = format!("{name}: the report on its migrations leaves it out.");
            return Some((reasons::INVENTORY_FAILED, text));
        };
        let problem = entry.problem.as_ref()?;
        let said = prefixed(name, problem.message.trim_end_matches('.'));
        let text = format!("{said}.");
        Some((plan::problem_reason(problem.reason), text))
    })
}

/// The image cannot be used as it is, and reading it again would say the same.
fn failed(pass: &mut Pass<'_>, step: &StepStatus, reason: &'static str, why: &str) {
    let text = format!(
        "image {}: {why} Correct the spec, or mend the image and ask for a new run.",
        pass.spec.image
    );
    blocked(pass, step, reason, text);
}

/// It does not go on without somebody, who then asks for a new run.
fn blocked(pass: &mut Pass<'_>, step: &StepStatus, reason: &'static str, text: String) {
    pass.end_step(&step.job, StepOutcome::Failed);
    let next = pass.retry_command();
    pass.condition(reasons::PLANNED, false, reason, &text);
    pass.stalled(Phase::Blocked, reason, text, next);
}

/// A tag moves. What was stored under it may start a Job, which checks it again; but "nothing to do" is only said after
/// a look at the image in this very run.
pub(super) fn needs_fresh_look(pass: &Pass<'_>, plans: &BTreeMap<String, DatabasePlan>) -> bool {
    may_be_old(pass) && plans.values().any(|plan| plan.pending.is_empty())
}

/// The tag may have been pushed again since what is known of the image was found: this run has not looked yet.
pub(super) fn may_be_old(pass: &Pass<'_>) -> bool {
    let looked = |step: &StepStatus| {
        step.name == StepKind::Inventory && step.outcome == Some(StepOutcome::Succeeded)
    };
    !is_pinned(&pass.spec.image) && !pass.steps().iter().any(looked)
}
