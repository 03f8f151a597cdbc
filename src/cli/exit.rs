//! PURE. How a command ends: five codes, which scripts may rely on, and what is said.

use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: what was asked about, or asked for, failed.
    Failed,
    /// 2: it was called wrongly.
    Usage,
    /// 3: a human is needed.
    Human,
    /// 4: the cluster is not reachable.
    Unreachable,
    /// 130: interrupted by Ctrl-C, as shells have it.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Human => 3,
            Exit::Unreachable => 4,
            Exit::Interrupted => 130,
        }
    }

    /// The code of several results: a failure before a need for a human, both before done.
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        let rank = |exit: Exit| match exit {
            Exit::Done => 0,
            Exit::Human => 1,
            Exit::Failed => 2,
            Exit::Usage => 3,
            Exit::Unreachable => 4,
            Exit::Interrupted => 5,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command ends without having done what it was called for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do next.
    pub message: String,
}

impl Failure {
    /// It was called wrongly, and nothing was done.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure {
            exit: Exit::Usage,
            message: message.into(),
        }
    }

    /// What was asked for failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Failure {
            exit: Exit::Failed,
            message: message.into(),
        }
    }

    /// A human has to do something first.
    pub fn human(message: impl Into<String>) -> Self {
        Failure {
            exit: Exit::Human,
            message: message.into(),
        }
    }

    /// The cluster cannot be reached.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Failure {
            exit: Exit::Unreachable,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_codes_are_a_contract() {
        let all = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Human,
            Exit::Unreachable,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn of_several_the_worst_counts() {
        assert_eq!(Exit::Done.worst(Exit::Human), Exit::Human);
        assert_eq!(Exit::Human.worst(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Failed.worst(Exit::Human), Exit::Failed);
        assert_eq!(Exit::Done.worst(Exit::Done), Exit::Done);
    }
}
