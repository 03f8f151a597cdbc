//! A step of an action begins, and what is said of it while it goes on.

use super::super::deleting;
use super::super::pass::Pass;
use super::super::servers::server_name;
use super::super::steps;
use super::answer::tell_object;
use crate::api::{Phase, Resolution, StepKind, StepStatus, reasons};
use crate::facts::DatabaseFacts;

/// Journals a step of the action under way and makes its Job.
pub(super) fn start(pass: &mut Pass<'_>, mut step: StepStatus, facts: Option<&DatabaseFacts>) {
    let turn = steps::turn(pass, &step, facts);
    if let (Some(turn), Some(entry)) = (turn, pass.database_mut(&step.database)) {
        entry.lease = turn;
        // A human's decision waits for no other run, and counts for those that come after it.
        if let Some(facts) = facts {
            entry.server = server_name(&facts.identity).to_owned();
        }
    }
    steps::journal(pass, &mut step, facts);
    if let Some(taken) = &mut pass.status.action {
        taken.job.clone_from(&step.job);
    }
    announce(pass, &step);
    if let Some(taken) = pass.status.action.clone() {
        tell_object(pass, &taken);
    }
    steps::make_job(pass, &step, facts);
}

/// What is going on, where people see it.
pub(super) fn announce(pass: &mut Pass<'_>, step: &StepStatus) {
    let (phase, reason, text) = words(pass, step);
    let going = deleting::pod(pass.snapshot.jobs.get(&step.job).and_then(Option::as_ref));
    pass.working(phase, reason, format!("{text}{going}"));
}

pub(super) fn words(pass: &Pass<'_>, step: &StepStatus) -> (Phase, &'static str, String) {
    let name = &step.database;
    let by = pass
        .status
        .action
        .as_ref()
        .map(|taken| taken.requested_by.clone())
        .unwrap_or_default();
    match (step.name, step.resolution) {
        (StepKind::Restore, _) => (
            Phase::RollingBack,
            reasons::RESTORING,
            format!("{name}: going back to {}, as {by} decided", step.message),
        ),
        (StepKind::Down, _) => (
            Phase::RollingBack,
            reasons::ROLLING_BACK,
            format!(
                "{name}: undoing {} with its down.sql, as {by} decided",
                step.migration
            ),
        ),
        (_, Some(Resolution::Applied)) => (
            Phase::Migrating,
            reasons::RESOLVING,
            format!(
                "{name}: marking {} applied, as {by} decided",
                step.migration
            ),
        ),
        _ => (
            Phase::RollingBack,
            reasons::RESOLVING,
            format!(
                "{name}: marking {} rolled back, as {by} decided",
                step.migration
            ),
        ),
    }
}
