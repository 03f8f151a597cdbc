//! What is concluded of a migration whose process has ended.

use crate::api::FailedStatus;
use crate::facts::ContainerEnd;

/// What is concluded.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every migration of the image stands in the ledger.
    Succeeded,
    /// It cannot be judged yet: something of it is still at work in the database.
    Wait {
        /// What, and what would end it.
        message: String,
        /// The session that ends it, where our role may end that.
        ends: Option<i32>,
    },
    /// It never began, so it may be tried again.
    NeverBegan {
        /// Why.
        reason: &'static str,
        /// The same for people.
        message: String,
    },
    /// The image holds other migrations than were planned; nothing was executed.
    ImageChanged,
    /// A lock time-out whose failed row is its only trace: mark it rolled back, then try again.
    Traceless {
        /// The migration.
        migration: String,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: &'static str,
        /// What is known of the migration.
        failed: Box<FailedStatus>,
        /// The same for people, without what comes next.
        message: String,
    },
}

/// The agent ended it, because it took longer than it may.
pub(super) fn timed_out(end: &ContainerEnd) -> bool {
    end.summary
        .as_deref()
        .is_some_and(|summary| summary.timed_out)
}

/// It failed.
pub(super) fn failed(reason: &'static str, failed: FailedStatus, message: String) -> Verdict {
    Verdict::Failed {
        reason,
        failed: Box::new(failed),
        message,
    }
}
