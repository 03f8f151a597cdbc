//! PURE. One line of the tree, and what a step's line says of it.

use super::frame::Screen;
use crate::api::{StepOutcome, StepStatus};
use crate::cli::text::{between, safe};

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Done,
    Failed,
    Waiting,
    Running,
}

/// One line of the tree.
pub(super) struct Line {
    pub mark: Mark,
    pub depth: usize,
    pub label: String,
    pub text: String,
}

impl Line {
    pub(super) fn new(mark: Mark, label: &str, text: impl Into<String>) -> Self {
        Line {
            mark,
            depth: 0,
            label: safe(label),
            text: text.into(),
        }
    }

    pub(super) fn below(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }
}

/// How long a step took, or has taken up to now.
pub(super) fn took(screen: &Screen, step: &StepStatus) -> Option<String> {
    let start = step.started_at.as_ref()?.0;
    let end = step.ended_at.as_ref().or(step.finished_at.as_ref());
    Some(between(start, end.map_or(screen.now, |end| end.0)))
}

/// ` in 3 s`, or nothing where it is not known.
pub(super) fn in_time(screen: &Screen, step: &StepStatus) -> String {
    took(screen, step).map_or(String::new(), |time| format!(" in {time}"))
}

pub(super) fn step_mark(step: &StepStatus) -> Mark {
    match step.outcome {
        Some(StepOutcome::Succeeded) => Mark::Done,
        Some(StepOutcome::Failed | StepOutcome::Accepted) => Mark::Failed,
        Some(StepOutcome::NeverBegan) => Mark::Waiting,
        None if step.finished_at.is_some() => Mark::Waiting,
        None => Mark::Running,
    }
}
