//! What is to be done on one database, and what stands against it.

use crate::api::{FailedStatus, FindingStatus, reasons};

/// What is to be done on one database, and what stands against it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabasePlan {
    /// Migrations in the image.
    pub total: usize,
    /// Of those, applied.
    pub applied: usize,
    /// Of those, to be applied, in order.
    pub pending: Vec<String>,
    /// What is worth a look.
    pub findings: Vec<FindingStatus>,
    /// The ledger holds all of the image and newer ones.
    pub ahead: bool,
    /// Why nothing may start.
    pub blocker: Option<Blocker>,
    /// Somebody else migrates it right now: that has an end.
    pub under_way: bool,
    /// The migration of an earlier run whose row blocks every deploy.
    pub open: Option<FailedStatus>,
    /// The names of the catalog's objects matter for it.
    pub by_name: bool,
    /// Where a baseline is needed: the last migration up to which the database holds what they make.
    pub baseline: String,
    /// What a baseline up to there marks cannot all be seen in the catalog.
    pub baseline_unseen: bool,
    /// Where what is applied and not in the image is denied as unknown: the value of spec.preflight.history.since that passes
    /// over it. Empty where something pending may be such a one, which that would let run.
    pub since: String,
}

/// How it is said that Prisma may ask for no baseline.
pub(super) const UNLESS_EXTERNAL: &str =
    ", unless tables.external of its configuration, which could not be read, names all of them";

/// Why nothing may start on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// A reason of `reasons`.
    pub reason: &'static str,
    /// What happened and what to do.
    pub message: String,
    /// The command for it.
    pub next: String,
}

impl Blocker {
    /// What an image that holds something else might not be blocked by.
    pub(super) fn is_of_image(&self) -> bool {
        ![
            reasons::DUPLICATE_DATABASE,
            reasons::DATABASES_EXCHANGED,
            reasons::PLAN_CHANGED,
            reasons::LEDGER_FORBIDDEN,
            reasons::RIGHT_MISSING,
            reasons::BASELINE_NEEDED,
            reasons::LEDGER_ELSEWHERE,
            reasons::FAILED_ROW_FOUND,
            reasons::UNFINISHED_ROW_FOUND,
        ]
        .contains(&self.reason)
    }
}
