//! What is verified besides the ledgers: smoke tests, after a database or at the end, and lines of the output that are
//! denied.

use super::container;
use super::ending;
use super::pass::{Pass, Seen};
use super::pending;
use super::smoke_tests::{Test, denied_line, passed_after, state, tries};
use super::snapshot::Effect;
use super::status::{self, count};
use super::steps;
use crate::api::{
    DatabasePhase, OnValidationFailure, Phase, SmokeTestSpec, StepKind, StepOutcome, StepStatus,
    reasons,
};
use crate::facts::JobProgress;

/// A test's Job is ended by its own agent; this much later by the operator, seconds.
const KILL_GRACE: i64 = 60;

/// From this attempt on one that did not begin counts as a failure.
const NEVER_BEGAN: u32 = 20;

/// Starts the tests that are due, and ends a run whose validation failed. `false`: nothing else is started now.
pub(super) fn go_on(pass: &mut Pass<'_>) -> bool {
    if failure(pass).is_some() {
        if !pass.active().iter().any(at_work) {
            finish_failed(pass);
        }
        return false;
    }
    let testing = |step: &StepStatus| step.name == StepKind::SmokeTest;
    if pass.active().iter().any(testing) {
        return pass.spec.parallelism > 1;
    }
    let succeeded = |name: &str| {
        pass.database(name)
            .is_some_and(|entry| entry.phase == DatabasePhase::Succeeded)
    };
    let all = pass.spec.databases.iter().all(|d| succeeded(&d.name));
    let due = pass.spec.validation.smoke_tests.iter().find(|test| {
        let ready = if test.after.is_empty() {
            all && pass
                .spec
                .databases
                .iter()
                .all(|d| passed_after(pass, &d.name))
        } else {
            succeeded(&test.after)
        };
        ready && state(pass, test) == Test::Due
    });
    let Some(test) = due else { return true };
    let mut step = StepStatus {
        name: StepKind::SmokeTest,
        database: test.after.clone(),
        test: test.name.clone(),
        ..StepStatus::default()
    };
    steps::journal(pass, &mut step, None);
    announce(pass, &step);
    steps::make_job(pass, &step, None);
    pass.spec.parallelism > 1
}

fn at_work(step: &StepStatus) -> bool {
    step.name != StepKind::Inventory
}

fn announce(pass: &mut Pass<'_>, step: &StepStatus) {
    let (attempt, attempts) =
        spec_of(pass, step).map_or((1, 1), |test| (tries(pass, test).len(), test.attempts));
    let text = format!(
        "smoke test {} runs (attempt {attempt} of {attempts})",
        step.test
    );
    pass.working(Phase::Validating, reasons::SMOKE_TESTING, text);
}

fn spec_of<'a>(pass: &Pass<'a>, step: &StepStatus) -> Option<&'a SmokeTestSpec> {
    let mut tests = pass.spec.validation.smoke_tests.iter();
    tests.find(|test| test.name == step.test)
}

/// Looks after a smoke test. `false`: what became of it is not known yet.
/// `gives_way`: its run ends before its next step, so a Job that has not started is not waited for.
pub(super) fn follow(pass: &mut Pass<'_>, step: &StepStatus, gives_way: bool) -> bool {
    let job = match pass.job(&step.job) {
        Seen::NotYet => return false,
        Seen::Foreign => {
            pending::foreign(pass, step);
            return false;
        }
        // Nothing is started after a failure, so it would not be made again either.
        Seen::Gone if gives_way || pass.has_failed() => {
            pass.end_step(&step.job, StepOutcome::NeverBegan);
            pass.again = true;
            return true;
        }
        Seen::Gone if step.job_uid.is_empty() => {
            if !pending::refused(pass, step) {
                steps::make_job(pass, step, None);
            }
            return false;
        }
        Seen::Gone => {
            ended(pass, step, false, "its Job is gone");
            return true;
        }
        Seen::Job(job) => job,
    };
    if step.job_uid.is_empty() {
        let uid = job.uid.clone();
        if let Some(entry) = pass.step_mut(&step.job) {
            entry.job_uid = uid;
        }
    }
    match &job.progress {
        JobProgress::NotStarted(why) => {
            // A run that failed beside it is not held open by a test that will not start.
            let gives_way = gives_way || pass.has_failed() && pending::is_stuck(pass, step, why);
            pending::not_started(pass, step, job, why, gives_way);
        }
        JobProgress::Running { since } => {
            announce(pass, step);
            let timeout = spec_of(pass, step)
                .and_then(|test| test.timeout.seconds())
                .unwrap_or(300);
            let left = timeout + KILL_GRACE - pass.age(*since);
            if left < 0 {
                pass.effects.push(Effect::DeleteJob {
                    name: job.name.clone(),
                    uid: job.uid.clone(),
                });
            }
            pass.requeue(
                u64::try_from(left.max(5))
                    .unwrap_or(5)
                    .saturating_mul(1_000),
            );
        }
        JobProgress::Lost { .. } => ended(pass, step, false, "its pod was lost"),
        // Asked to end before it began, as by a drain: not its failure, but not for ever.
        JobProgress::Ended(end) if end.never_began() && step.attempt < NEVER_BEGAN => {
            pass.end_step(&step.job, StepOutcome::NeverBegan);
            pass.again = true;
        }
        JobProgress::Ended(end) => {
            let summary = end.summary.as_deref();
            let said = summary
                .and_then(|summary| summary.message.clone())
                .unwrap_or_default();
            let text = match (summary.is_some_and(|s| s.timed_out), said.as_str()) {
                (true, _) => "it took longer than its timeout and was ended".to_owned(),
                (false, "") if end.out_of_memory() => "it ran out of memory".to_owned(),
                (false, "") => container::never_ran(end).map_or_else(
                    || format!("exit code {}", end.exit_code),
                    |told| told.text(),
                ),
                (false, said) => said.to_owned(),
            };
            ended(pass, step, end.exit_code == 0, &text);
        }
    }
    true
}

/// Journals the end of an attempt.
fn ended(pass: &mut Pass<'_>, step: &StepStatus, passed: bool, said: &str) {
    let outcome = if passed {
        StepOutcome::Succeeded
    } else {
        StepOutcome::Failed
    };
    pass.end_step(&step.job, outcome);
    if let Some(entry) = pass.step_mut(&step.job)
        && !passed
    {
        entry.message = status::cut(said, 300);
    }
    pass.again = true;
    let Some(test) = spec_of(pass, step) else {
        return;
    };
    match state(pass, test) {
        Test::Passed { failures, .. } if failures > 0 => {
            let text = format!(
                "smoke test {} passed at attempt {}, after it had failed: it is flaky",
                step.test,
                failures + 1
            );
            pass.event(true, reasons::events::SMOKE_TEST_FLAKY, text);
        }
        Test::Due => {
            let text = format!(
                "smoke test {} failed ({said}); attempt {} of {} follows",
                step.test,
                tries(pass, test).len() + 1,
                test.attempts
            );
            pass.event(true, reasons::events::STEP_RETRIED, text);
        }
        _ => {}
    }
}

/// What the validation failed on, if it did.
fn failure(pass: &Pass<'_>) -> Option<(&'static str, String)> {
    let line = pass.spec.databases.iter().find_map(|database| {
        let entry = pass.database(&database.name)?;
        (entry.phase == DatabasePhase::Succeeded).then(|| denied_line(pass, &database.name))?
    });
    if let Some(line) = line {
        return Some((reasons::LOG_LINE_FOUND, line));
    }
    let tests = &pass.spec.validation.smoke_tests;
    let test = tests
        .iter()
        .find(|test| state(pass, test) == Test::Failed)?;
    let last = pass
        .steps()
        .iter()
        .rfind(|step| step.name == StepKind::SmokeTest && step.test == test.name)?;
    let after = if test.after.is_empty() {
        String::new()
    } else {
        format!("{}: ", test.after)
    };
    Some((
        reasons::SMOKE_TEST_FAILED,
        format!(
            "{after}smoke test {} failed in {}: {}. Every migration before it is applied.",
            test.name,
            count(test.attempts as usize, "attempt"),
            last.message
        ),
    ))
}

/// The validation failed: the run ends.
fn finish_failed(pass: &mut Pass<'_>) {
    if let Some((reason, text)) = failure(pass) {
        fail(pass, reason, text);
    }
}

/// Ends a run whose validation failed.
pub(super) fn fail(pass: &mut Pass<'_>, reason: &'static str, text: String) {
    match pass.spec.rollback.on_validation_failure {
        OnValidationFailure::Halt => ending::finish_not_valid(pass, reason, text),
    }
}
