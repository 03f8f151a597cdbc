//! From a new run to its plan: what the image holds, what the ledgers say, and whether it may start.

use std::collections::BTreeMap;

use dbm_agent::protocol::{DatabaseInventory, InventoryReport};

use super::datasource;
use super::judge::prefixed;
use super::names::{inventory_key, is_pinned, lease_name};
use super::pass::{Pass, Seen};
use super::plan::{self, DatabasePlan};
use super::running;
use super::shown;
use super::snapshot::{Effect, JobPlan};
use super::status::{self, count};
use super::steps;
use super::unstarted;
use super::waiting;
use crate::api::{Phase, StepKind, StepOutcome, StepStatus, digest, reasons};
use crate::facts::{ContainerEnd, JobProgress, Reading};

/// What the image holds, by database.
pub(super) type Inventories = BTreeMap<String, DatabaseInventory>;

/// The inventories, if they are known; else sees to it that they will be.
pub(super) fn inventories(pass: &mut Pass<'_>) -> Option<Inventories> {
    if let Some(step) = pass
        .active()
        .into_iter()
        .find(|step| step.name == StepKind::Inventory)
    {
        return finish_step(pass, &step);
    }
    let known = &pass.snapshot.inventories;
    if pass
        .spec
        .databases
        .iter()
        .all(|database| known.contains_key(&database.name))
    {
        return Some(known.clone());
    }
    let last = pass
        .steps()
        .iter()
        .rfind(|step| step.name == StepKind::Inventory);
    if last.is_some_and(|step| step.outcome == Some(StepOutcome::Failed)) {
        // Said again, whatever was said in between.
        let planned = status::get(&pass.status, reasons::PLANNED).cloned();
        if let Some(why) = planned.filter(|planned| planned.status == "False") {
            let next = pass.retry_command();
            pass.halted(Phase::Blocked, &why.reason, why.message, next);
        }
        return None;
    }
    start_step(pass);
    None
}

/// Journals an inventory step and makes its Job.
pub(super) fn start_step(pass: &mut Pass<'_>) {
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
            running::foreign(pass, step);
            return None;
        }
        // An inventory changes nothing, so it may simply be made again.
        Seen::Gone => {
            if !running::refused(pass, step) {
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
        JobProgress::Lost { .. } => {
            pass.end_step(&step.job, StepOutcome::NeverBegan);
            start_step(pass);
            None
        }
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

/// Why an inventory Job ended without an inventory.
fn not_read(end: &ContainerEnd, message: &str) -> (&'static str, String) {
    if end.out_of_memory() {
        let text = "the container ran out of memory. Raise job.resources.limits.memory";
        return (reasons::OUT_OF_MEMORY, text.to_owned());
    }
    match unstarted::never_ran(end).or_else(|| unstarted::not_executed(message)) {
        Some(told) => (told.reason, told.text()),
        None => (reasons::INVENTORY_FAILED, message.to_owned()),
    }
}

/// The first database that cannot be migrated with this image.
fn broken(pass: &Pass<'_>, report: &InventoryReport) -> Option<(&'static str, String)> {
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
    pass.end_step(&step.job, StepOutcome::Failed);
    let text = format!(
        "image {}: {why} Correct the spec, or mend the image and ask for a new run.",
        pass.spec.image
    );
    let next = pass.retry_command();
    pass.condition(reasons::PLANNED, false, reason, &text);
    pass.stalled(Phase::Blocked, reason, text, next);
}

/// What the databases say, shown even while the inventory is still unknown. `false`: not all could be read.
pub(super) fn observed(pass: &mut Pass<'_>, only: Option<&str>) -> bool {
    let mut unreadable = None;
    for database in &pass.spec.databases {
        let name = &database.name;
        if only.is_some_and(|only| only != name) {
            continue;
        }
        match pass.snapshot.databases.get(name) {
            None => {}
            Some(Reading::Known(facts)) => {
                let now = pass.now();
                if let Some(entry) = pass.database_mut(name) {
                    entry.turn = lease_name(&facts.identity);
                    entry.last_observed_at = status::time(now);
                }
            }
            Some(Reading::Unknown(why)) => {
                unreadable = unreadable.or(Some((name.clone(), why.clone())));
            }
        }
    }
    match unreadable {
        Some((name, why)) => {
            waiting::unreadable(pass, &name, &why);
            false
        }
        None => {
            if !pass.snapshot.databases.is_empty() {
                pass.condition(
                    reasons::OBSERVED,
                    true,
                    reasons::DATABASES_READ,
                    "every database that was looked at could be read",
                );
            }
            true
        }
    }
}

/// Compares and, where nothing stands against it, fixes the plan. `None`: it does not go on from here.
pub(super) fn plan(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
) -> Option<BTreeMap<String, DatabasePlan>> {
    let mut plans = BTreeMap::new();
    let mut parts = Vec::new();
    let mut hashes = Vec::new();
    for database in &pass.spec.databases {
        let (Some(inventory), Some(facts)) =
            (inventories.get(&database.name), pass.facts(&database.name))
        else {
            pass.requeue(1_000);
            return None;
        };
        let plan = plan::plan(
            &database.name,
            inventory,
            facts,
            &pass.spec.preflight.history,
        );
        parts.push(plan::part_digest(inventory, facts, &plan));
        hashes.push(format!("{}={}", database.name, inventory.hash));
        shown::show(pass, &database.name, inventory, &plan);
        plans.insert(database.name.clone(), plan);
    }
    if let Some(run) = &mut pass.status.run {
        run.inventory_hash = digest(hashes.join("\n").as_bytes());
    }
    let plan_hash = digest(format!("{}\n{}", pass.run().spec_hash, parts.join("\n")).as_bytes());
    // Also of a plan that is blocked: a baseline names the plan that was looked at.
    let first_time = pass.run().plan_hash.is_empty();
    pass.status.plan_hash.clone_from(&plan_hash);
    let blocker = duplicate(pass)
        .or_else(|| first_blocker(pass, &plans))
        .or_else(|| unset_variable(pass, inventories, &plans));
    if let Some(blocker) = blocker {
        let message = blocker.message.clone();
        pass.condition(reasons::PLANNED, false, blocker.reason, &message);
        pass.condition(reasons::PREFLIGHT_PASSED, false, blocker.reason, &message);
        pass.stalled(
            Phase::Blocked,
            blocker.reason,
            blocker.message,
            blocker.next,
        );
        waiting::poll(pass, reasons::STALLED);
        return None;
    }
    if let Some(run) = &mut pass.status.run {
        run.plan_hash = plan_hash;
    }
    let pending: Vec<(&String, usize)> = plans
        .iter()
        .filter(|(_, plan)| !plan.pending.is_empty())
        .map(|(name, plan)| (name, plan.pending.len()))
        .collect();
    let total: usize = pending.iter().map(|(_, number)| number).sum();
    let message = if total == 0 {
        "nothing is pending".to_owned()
    } else {
        let each: Vec<String> = pass
            .spec
            .databases
            .iter()
            .filter_map(|database| {
                let number = plans.get(&database.name)?.pending.len();
                (number > 0).then(|| format!("{} {number}", database.name))
            })
            .collect();
        format!(
            "{} pending in {} ({})",
            count(total, "migration"),
            count(pending.len(), "database"),
            each.join(", ")
        )
    };
    pass.condition(reasons::PLANNED, true, reasons::PLAN_READY, &message);
    pass.condition(
        reasons::PREFLIGHT_PASSED,
        true,
        reasons::HISTORY_ACCEPTED,
        "the ledgers' history fits the image, within spec.preflight.history",
    );
    if first_time && total > 0 && !pass.snapshot.resource.suspended {
        let text = format!("run {}: {message}", pass.run().id);
        pass.event(false, reasons::events::RUN_STARTED, text);
    }
    Some(plans)
}

fn first_blocker(pass: &Pass<'_>, plans: &BTreeMap<String, DatabasePlan>) -> Option<plan::Blocker> {
    pass.spec
        .databases
        .iter()
        .find_map(|database| plans.get(&database.name)?.blocker.clone())
}

/// Where something is to be migrated, and Prisma would not come so far.
fn unset_variable(
    pass: &Pass<'_>,
    inventories: &Inventories,
    plans: &BTreeMap<String, DatabasePlan>,
) -> Option<plan::Blocker> {
    let to_do = |name: &String| plans.get(name).is_some_and(|plan| !plan.pending.is_empty());
    let databases = pass.spec.databases.iter();
    databases
        .filter(|database| to_do(&database.name))
        .find_map(|database| {
            datasource::blocker(pass.spec, database, inventories.get(&database.name)?)
        })
}

/// Two entries with one ledger: the second would find the first one's migrations.
fn duplicate(pass: &Pass<'_>) -> Option<plan::Blocker> {
    let mut seen: BTreeMap<_, &str> = BTreeMap::new();
    for database in &pass.spec.databases {
        let identity = &pass.facts(&database.name)?.identity;
        if identity.system_identifier.is_empty() {
            // Some servers do not tell who they are; two of them are not one for that.
            continue;
        }
        if let Some(first) = seen.insert(identity, &database.name) {
            return Some(plan::Blocker {
                reason: reasons::DUPLICATE_DATABASE,
                message: format!(
                    "{first} and {} are one database with one schema ({}, {}): two lists of migrations cannot share a ledger. Correct one of the two Secrets, or add ?schema= to one URL; it goes on by itself.",
                    database.name, identity.database, identity.schema
                ),
                next: String::new(),
            });
        }
    }
    None
}

/// A tag moves. What was stored under it may start a Job, which checks it again; but "nothing to do" is only said after
/// a look at the image in this very run.
pub(super) fn needs_fresh_look(pass: &Pass<'_>, plans: &BTreeMap<String, DatabasePlan>) -> bool {
    let looked = pass.steps().iter().any(|step| {
        step.name == StepKind::Inventory && step.outcome == Some(StepOutcome::Succeeded)
    });
    !looked && !is_pinned(&pass.spec.image) && plans.values().any(|plan| plan.pending.is_empty())
}
