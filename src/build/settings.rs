//! What holds for every Job, and the names that its parts share.

/// The container in which the user's image runs.
pub const CONTAINER: &str = "migrate";

/// What holds for the Jobs of every resource.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image that brings the agent: the operator's own.
    pub agent_image: String,
    /// When that image is pulled.
    pub agent_image_pull_policy: String,
}

/// Where the certificate authority stands in the container.
pub(super) const CA_FILE: &str = "/dbm-ca/ca.crt";
