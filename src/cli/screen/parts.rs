//! PURE. What belongs to a database beside its migration, and smoke tests.

use super::frame::Screen;
use super::line::{Line, Mark, in_time, step_mark, took};
use crate::api::{
    AcceptedStatus, ActionKind, Resolution, RunStatus, SmokeTestSpec, StepKind, StepOutcome,
    StepStatus,
};
use crate::cli::text::safe;

/// A step of a database that is not its last migrate step.
pub(super) fn part(screen: &Screen, step: &StepStatus) -> Option<Line> {
    let migration = safe(&step.migration);
    let time = in_time(screen, step);
    let what = match (step.name, step.outcome) {
        (StepKind::Migrate, Some(StepOutcome::NeverBegan)) => {
            let why = if step.message.is_empty() {
                "it never began, and left nothing".to_owned()
            } else {
                safe(&step.message)
            };
            let label = format!("attempt {}", step.attempt);
            return Some(Line::new(Mark::Waiting, &label, why));
        }
        (StepKind::Migrate | StepKind::Inventory | StepKind::SmokeTest, _) => return None,
        (StepKind::Resolve, _) => {
            let as_what = match step.resolution {
                Some(Resolution::Applied) => "marked as applied",
                Some(Resolution::RolledBack) => "marked as rolled back",
                None => "marked",
            };
            format!("{migration} {as_what}{time}")
        }
        (StepKind::Down, _) => format!("down.sql of {migration}{time}"),
        (StepKind::Restore, _) => format!("brought back{time}"),
    };
    let text = match step_mark(step) {
        Mark::Failed => format!("{what}: {}", failure(step)),
        Mark::Running => format!("{what} …"),
        _ => what,
    };
    Some(Line::new(step_mark(step), step.name.as_str(), text))
}

fn failure(step: &StepStatus) -> String {
    if step.message.is_empty() {
        "failed".to_owned()
    } else {
        safe(&step.message)
    }
}

/// A smoke test, by its last attempt.
pub(super) fn smoke_test(screen: &Screen, run: &RunStatus, test: &SmokeTestSpec) -> Line {
    let tries: Vec<&StepStatus> = run
        .steps
        .iter()
        .filter(|step| step.name == StepKind::SmokeTest && step.test == test.name)
        .collect();
    let Some(last) = tries.last() else {
        return Line::new(Mark::Waiting, &test.name, "smoke test, not started");
    };
    let time = took(screen, last).unwrap_or_default();
    let mark = step_mark(last);
    let text = match mark {
        Mark::Done if tries.len() > 1 => {
            format!("smoke test passed in {time}, at attempt {}", tries.len())
        }
        Mark::Done => format!("smoke test passed in {time}"),
        Mark::Failed => {
            let how = match tries.len() {
                1 => format!("after {time}"),
                tries => format!(
                    "{tries} of {} attempts, the last after {time}",
                    test.attempts
                ),
            };
            format!(
                "smoke test failed {how}: {}{}",
                failure(last),
                accepted(screen, last)
            )
        }
        Mark::Running => format!("smoke test runs for {time}"),
        Mark::Waiting => format!("smoke test: {}", failure(last)),
    };
    Line::new(mark, &test.name, text)
}

/// `; accepted by alice: known, INC-7`.
fn accepted(screen: &Screen, step: &StepStatus) -> String {
    if step.outcome != Some(StepOutcome::Accepted) {
        return String::new();
    }
    if let Some(accepted) = &step.accepted {
        return format!("; {}", accepted_by(accepted));
    }
    // Of an earlier release, as far as it is still known who it was.
    let last = screen.status().and_then(|status| status.action.as_ref());
    match last.filter(|action| action.action == ActionKind::AcceptValidation) {
        Some(action) => format!("; accepted by {}", safe(&action.requested_by)),
        None => "; accepted".to_owned(),
    }
}

/// Who accepted it, and why.
pub(super) fn accepted_by(accepted: &AcceptedStatus) -> String {
    format!(
        "accepted by {}: {}",
        safe(&accepted.by),
        safe(&accepted.reason)
    )
}
