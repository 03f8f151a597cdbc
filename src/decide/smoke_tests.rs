//! How far the smoke tests of a run are, and what is said of those that passed.

use super::pass::Pass;
use super::status::{count, names};
use crate::api::{
    AcceptedStatus, FindingKind, Policy, SmokeTestSpec, StepKind, StepOutcome, StepStatus, reasons,
};

/// How far a smoke test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// It is to be run, again or for the first time.
    Due,
    /// It runs.
    Running,
    /// It passed, after so many failures, or a human accepted that it did not.
    Passed { failures: usize, accepted: bool },
    /// It failed in all its attempts.
    Failed,
}

/// The tries of a test since what it proves was migrated last: an image that was pushed again is tested again.
pub(super) fn tries<'a>(pass: &'a Pass<'_>, test: &SmokeTestSpec) -> Vec<&'a StepStatus> {
    let steps = pass.steps();
    let migrated = steps.iter().rposition(|step| {
        step.name == StepKind::Migrate
            && (test.after.is_empty() || step.database == test.after)
            && step.outcome != Some(StepOutcome::NeverBegan)
    });
    steps[migrated.map_or(0, |at| at + 1)..]
        .iter()
        .filter(|step| step.name == StepKind::SmokeTest && step.test == test.name)
        .collect()
}

pub(super) fn state(pass: &Pass<'_>, test: &SmokeTestSpec) -> Test {
    let steps = tries(pass, test);
    let failures = steps
        .iter()
        .filter(|step| {
            let well = matches!(
                step.outcome,
                Some(StepOutcome::Succeeded | StepOutcome::NeverBegan)
            );
            step.finished_at.is_some() && !well
        })
        .count();
    match steps.last() {
        None => Test::Due,
        Some(step) if step.finished_at.is_none() => Test::Running,
        Some(step) => match step.outcome {
            Some(StepOutcome::Succeeded) => Test::Passed {
                failures,
                accepted: false,
            },
            Some(StepOutcome::Accepted) => Test::Passed {
                failures: 0,
                accepted: true,
            },
            _ if failures >= test.attempts as usize => Test::Failed,
            _ => Test::Due,
        },
    }
}

/// Whether what is to be proven after a database is proven.
pub(super) fn passed_after(pass: &Pass<'_>, database: &str) -> bool {
    let mut tests = pass.spec.validation.smoke_tests.iter();
    tests.all(|test| test.after != database || matches!(state(pass, test), Test::Passed { .. }))
        && denied_line(pass, database).is_none()
}

/// What a human accepted of the run's validation, by whom and why.
fn said_accepted(pass: &Pass<'_>, tests: &[&str]) -> Option<String> {
    let mut said: Vec<(Option<&AcceptedStatus>, Vec<String>)> = Vec::new();
    let mut add = |who, what: String| match said.iter_mut().find(|(known, _)| *known == who) {
        Some((_, list)) => list.push(what),
        None => said.push((who, vec![what])),
    };
    for test in tests {
        let step = pass.steps().iter().rfind(|step| step.test == *test);
        add(
            step.and_then(|step| step.accepted.as_ref()),
            format!("{test} failed"),
        );
    }
    for entry in &pass.status.databases {
        let lines = entry
            .findings
            .iter()
            .filter(|finding| finding.accepted.is_some());
        for finding in lines {
            let line = finding.line.unwrap_or_default();
            let what = format!("line {line} of {}'s output was denied", entry.name);
            add(finding.accepted.as_ref(), what);
        }
    }
    let said: Vec<String> = said
        .iter()
        .map(|(who, what)| {
            let what: Vec<&str> = what.iter().map(String::as_str).collect();
            match who {
                Some(who) => format!("{}, accepted by {}: {}", names(&what), who.by, who.reason),
                None => format!("{}, which was accepted", names(&what)),
            }
        })
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// What the condition Validated says of a run that passed.
pub(super) fn verdict(pass: &Pass<'_>) -> (&'static str, String) {
    let base = "no row is unfinished and no new index is invalid";
    let mut passed = 0_usize;
    let (mut flaky, mut accepted) = (Vec::new(), Vec::new());
    for test in &pass.spec.validation.smoke_tests {
        match state(pass, test) {
            Test::Passed { accepted: true, .. } => accepted.push(test.name.as_str()),
            Test::Passed { failures, .. } => {
                passed += 1;
                if failures > 0 {
                    flaky.push(test.name.as_str());
                }
            }
            Test::Due | Test::Running | Test::Failed => {}
        }
    }
    if let Some(text) = said_accepted(pass, &accepted) {
        return (reasons::VALIDATION_ACCEPTED, format!("{base}; {text}"));
    }
    if passed == 0 {
        return (reasons::LEDGER_VERIFIED, base.to_owned());
    }
    let mut text = format!("{base}; {} passed", count(passed, "smoke test"));
    if !flaky.is_empty() {
        text = format!("{text}, of which {} after a failure (flaky)", names(&flaky));
    }
    (reasons::TESTS_PASSED, text)
}

/// A line of a database's migration that is denied and not accepted.
pub(super) fn denied_line(pass: &Pass<'_>, database: &str) -> Option<String> {
    let entry = pass.database(database)?;
    let finding = entry
        .findings
        .iter()
        .find(|finding| finding.kind == FindingKind::Log && finding.policy == Policy::Deny)?;
    Some(format!(
        "{database}: line {} of the migration's output is denied by validation.logs: {}",
        finding.line.unwrap_or_default(),
        finding.text
    ))
}
