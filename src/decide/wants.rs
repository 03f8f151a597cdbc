//! What has to be looked at before a decision can be made. Looking costs requests and connections, so nothing else is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::run::cause;
use super::snapshot::Resource;
use crate::api::{DatabasePhase, RunOutcome, StepKind};
use crate::facts::{JobFacts, JobProgress};

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The stored inventories.
    pub inventories: bool,
    /// The log of this ended inventory Job.
    pub report_of: Option<String>,
    /// These databases, each no older than so many seconds; `true` for the catalog, too.
    pub databases: BTreeMap<String, (i64, bool)>,
}

/// Decides it from the journal and the Jobs.
pub fn wants(
    resource: &Resource,
    jobs: &BTreeMap<String, Option<JobFacts>>,
    look_due: bool,
    _now: Timestamp,
) -> Wants {
    let mut wants = Wants::default();
    if resource.frozen || resource.deleting {
        return wants;
    }
    let spec = &resource.spec;
    let all = |wants: &mut Wants, age: i64, catalog: bool| {
        for database in &spec.databases {
            wants
                .databases
                .insert(database.name.clone(), (age, catalog));
        }
    };
    let Some(run) = resource
        .status
        .run
        .as_ref()
        .filter(|run| run.finished_at.is_none())
    else {
        let starts = cause(resource).is_some();
        let succeeded = resource
            .status
            .run
            .as_ref()
            .is_some_and(|run| run.outcome == Some(RunOutcome::Succeeded));
        if starts {
            wants.inventories = true;
            all(&mut wants, 0, true);
        } else if look_due && succeeded {
            wants.inventories = true;
            all(&mut wants, 0, false);
        }
        return wants;
    };
    wants.inventories = true;
    let active: Vec<_> = run
        .steps
        .iter()
        .filter(|step| step.finished_at.is_none())
        .collect();
    let observe = spec.timeouts.observe.seconds().unwrap_or(10);
    for step in &active {
        let progress = jobs
            .get(&step.job)
            .and_then(Option::as_ref)
            .map(|job| &job.progress);
        if step.name == StepKind::Inventory {
            if matches!(progress, Some(JobProgress::Ended(_))) {
                wants.report_of = Some(step.job.clone());
            }
            continue;
        }
        match progress {
            Some(JobProgress::Running { .. }) => {
                wants
                    .databases
                    .insert(step.database.clone(), (observe, false));
            }
            Some(JobProgress::NotStarted(_)) => {}
            Some(JobProgress::Ended(_) | JobProgress::Lost { .. }) | None => {
                wants.databases.insert(step.database.clone(), (0, true));
            }
        }
    }
    if active.iter().all(|step| step.name == StepKind::Inventory) {
        let started = run.steps.iter().any(|step| step.name == StepKind::Migrate);
        if started && active.is_empty() {
            // Between two databases: what comes next is looked at again, what is done is not.
            for database in &resource.status.databases {
                if database.phase != DatabasePhase::Succeeded {
                    wants.databases.insert(database.name.clone(), (0, true));
                }
            }
        } else {
            let ended = wants.report_of.is_some() || active.is_empty();
            all(&mut wants, if ended { 1 } else { 5 }, true);
        }
    } else if spec.parallelism > 1 {
        for database in &resource.status.databases {
            if matches!(
                database.phase,
                DatabasePhase::Planned | DatabasePhase::Unknown
            ) {
                wants
                    .databases
                    .entry(database.name.clone())
                    .or_insert((observe, true));
            }
        }
    }
    wants
}
