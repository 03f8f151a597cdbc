//! What the agent says itself.

use std::io::Write;

use dbm_protocol::{Problem, ProblemReason, Refusal};

/// One line of the agent's own, between those of the command.
pub(super) fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    // Where nobody reads it, there is nobody to tell.
    let _ = writeln!(output, "dbm-agent: {text}").and_then(|()| output.flush());
}

/// A fault of the agent's own.
pub(super) fn internal(message: String) -> Refusal {
    Refusal::Problem(Problem {
        reason: ProblemReason::Internal,
        message,
    })
}
