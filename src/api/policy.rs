//! What a finding leads to, and who accepted one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a finding leads to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Policy {
    /// It is shown and means nothing.
    Ignore,
    /// It is shown.
    Warn,
    /// Nothing starts while it stands.
    Deny,
}

/// Who accepted what failed, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedStatus {
    /// Who asked for it.
    pub by: String,
    /// The reason that was given.
    pub reason: String,
}
