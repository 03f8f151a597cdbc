//! What has to be looked at before a decision can be made. Looking costs requests and connections, so nothing else is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::actions;
use super::rhythm;
use super::run::cause;
use super::snapshot::Resource;
use crate::api::{DatabasePhase, Phase, RunOutcome, StepKind, StepStatus};
use crate::facts::{ActionFacts, JobFacts, JobProgress};

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The stored inventories.
    pub inventories: bool,
    /// The log of this ended inventory Job.
    pub report_of: Option<String>,
    /// These databases.
    pub databases: BTreeMap<String, LookWant>,
}

/// How a database is to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookWant {
    /// An earlier look is good enough if it is no older than so many seconds.
    pub age: i64,
    /// With the digest of the catalog.
    pub catalog: bool,
    /// With the names of everything in the catalog.
    pub objects: bool,
    /// With the names of the server's other databases.
    pub others: bool,
}

impl LookWant {
    fn at(age: i64) -> Self {
        LookWant {
            age,
            ..LookWant::default()
        }
    }

    fn with_catalog(age: i64) -> Self {
        LookWant {
            catalog: true,
            ..LookWant::at(age)
        }
    }
}

/// Decides it from the journal, the Jobs, the actions and the time.
pub fn wants(
    resource: &Resource,
    jobs: &BTreeMap<String, Option<JobFacts>>,
    actions: &[ActionFacts],
    look_due: bool,
    now: Timestamp,
) -> Wants {
    let mut wants = Wants::default();
    if resource.frozen || resource.deleting {
        return wants;
    }
    let run = resource.status.run.as_ref();
    if actions::has_step(resource) {
        wants.inventories = true;
        for step in run.iter().flat_map(|run| &run.steps) {
            if step.finished_at.is_none() {
                of_step(&mut wants, resource, step, jobs, now);
            }
        }
        return wants;
    }
    match run.filter(|run| run.finished_at.is_none()) {
        None => at_rest(&mut wants, resource, look_due),
        Some(run) => at_work(&mut wants, resource, &run.steps, jobs, now),
    }
    // Where the history does not fit the image, what stands there decides whether it was squashed.
    for entry in resource
        .status
        .databases
        .iter()
        .filter(|entry| entry.by_name)
    {
        if let Some(look) = wants.databases.get_mut(&entry.name) {
            look.objects = true;
        }
    }
    if actions.iter().any(|a| actions::wants_all(resource, a)) {
        wants.inventories = true;
        for database in &resource.spec.databases {
            let look = LookWant::at(1);
            wants.databases.entry(database.name.clone()).or_insert(look);
        }
    }
    for (name, objects) in actions
        .iter()
        .filter_map(|a| actions::wants_database(resource, a))
    {
        wants.inventories = true;
        let look = LookWant {
            objects,
            ..LookWant::with_catalog(0)
        };
        wants.databases.insert(name.to_owned(), look);
        if restores(resource) {
            // What a restore must not touch.
            for database in &resource.spec.databases {
                let look = LookWant::at(1);
                wants.databases.entry(database.name.clone()).or_insert(look);
            }
        }
    }
    wants
}

fn all(wants: &mut Wants, resource: &Resource, look: LookWant) {
    for database in &resource.spec.databases {
        wants.databases.insert(database.name.clone(), look);
    }
}

/// Whether a database can be brought back.
fn restores(resource: &Resource) -> bool {
    resource.spec.rollback.restore.is_some()
}

/// No run is under way.
fn at_rest(wants: &mut Wants, resource: &Resource, look_due: bool) {
    let outcome = resource.status.run.as_ref().and_then(|run| run.outcome);
    if cause(resource).is_some() {
        wants.inventories = true;
        // The second pass of a start, which has its restore points by then, needs no other look than the first.
        all(wants, resource, LookWant::with_catalog(1));
    } else if look_due && (outcome == Some(RunOutcome::Succeeded) || restores(resource)) {
        wants.inventories = outcome == Some(RunOutcome::Succeeded);
        let look = LookWant {
            // For what a restore would lose.
            others: restores(resource),
            ..LookWant::at(0)
        };
        all(wants, resource, look);
    }
}

/// A step that has not ended, and the database it works on.
fn of_step(
    wants: &mut Wants,
    resource: &Resource,
    step: &StepStatus,
    jobs: &BTreeMap<String, Option<JobFacts>>,
    now: Timestamp,
) {
    let job = jobs.get(&step.job).and_then(Option::as_ref);
    let progress = job.map(|job| &job.progress);
    match step.name {
        StepKind::Inventory => {
            if matches!(progress, Some(JobProgress::Ended(_))) {
                wants.report_of = Some(step.job.clone());
            }
            return;
        }
        // It is judged by its own end.
        StepKind::SmokeTest => return,
        StepKind::Migrate | StepKind::Resolve | StepKind::Down | StepKind::Restore => {}
    }
    match progress {
        Some(JobProgress::Running { .. }) if step.name == StepKind::Restore => {}
        Some(JobProgress::Running { since }) => {
            let age =
                rhythm::by_status(&resource.spec.timeouts, &resource.status, step, *since, now);
            wants
                .databases
                .insert(step.database.clone(), LookWant::at(age));
        }
        Some(JobProgress::NotStarted(_)) => {}
        Some(JobProgress::Ended(_) | JobProgress::Lost { .. }) | None => {
            // What is left of a migration that failed is told by name.
            let well = match progress {
                Some(JobProgress::Ended(end)) => end.exit_code == 0,
                _ => false,
            };
            let migrated = step.name == StepKind::Migrate && job.is_some();
            let look = LookWant {
                objects: migrated && !well,
                // For what a restore would lose.
                others: step.name == StepKind::Migrate && restores(resource),
                ..LookWant::with_catalog(0)
            };
            wants.databases.insert(step.database.clone(), look);
            for other in step.other_ledgers.keys() {
                wants.databases.insert(other.clone(), LookWant::at(0));
            }
        }
    }
}

/// A run is under way.
fn at_work(
    wants: &mut Wants,
    resource: &Resource,
    steps: &[StepStatus],
    jobs: &BTreeMap<String, Option<JobFacts>>,
    now: Timestamp,
) {
    wants.inventories = true;
    let active: Vec<_> = steps
        .iter()
        .filter(|step| step.finished_at.is_none())
        .collect();
    for step in &active {
        of_step(wants, resource, step, jobs, now);
    }
    let observe = resource.spec.timeouts.observe.seconds().unwrap_or(10);
    let waits =
        |phase: DatabasePhase| matches!(phase, DatabasePhase::Planned | DatabasePhase::Unknown);
    if active.iter().all(|step| step.name == StepKind::Inventory) {
        let started = steps.iter().any(|step| step.name == StepKind::Migrate);
        if started && active.is_empty() {
            // Between two databases: what comes next is looked at again, and what is done is not, nor what comes later.
            for database in &resource.status.databases {
                if database.phase == DatabasePhase::Succeeded {
                    continue;
                }
                let look = LookWant::with_catalog(0);
                wants.databases.insert(database.name.clone(), look);
                let blocked = resource.status.phase == Some(Phase::Blocked);
                // Where it does not go on, people are told what there is of all of them.
                if resource.spec.parallelism <= 1 && database.pending_count > 0 && !blocked {
                    break;
                }
            }
        } else {
            let ended = wants.report_of.is_some() || active.is_empty();
            all(
                wants,
                resource,
                LookWant::with_catalog(if ended { 1 } else { 5 }),
            );
        }
        let watched = resource.status.run.as_ref();
        if watched.is_some_and(|run| run.watched_since.is_some()) {
            all(wants, resource, LookWant::at(observe));
        }
    } else if resource.spec.parallelism > 1 {
        for database in &resource.status.databases {
            if waits(database.phase) {
                wants
                    .databases
                    .entry(database.name.clone())
                    .or_insert(LookWant::with_catalog(observe));
            }
        }
    }
}
