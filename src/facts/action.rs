//! A MigrationAction as it was read.

use jiff::Timestamp;

use crate::api::{ActionState, MigrationActionSpec};

/// A human's decision that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionFacts {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What is asked for.
    pub spec: MigrationActionSpec,
    /// How far its status says it is.
    pub state: ActionState,
}
