//! What goes wrong with the world.

use std::sync::Arc;

/// What went wrong with the world; tried again with backoff.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("{doing}: {}", told(.source))]
    Api {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// Somebody else changed the object in between: read again, decide again.
    #[error("{0} changed in between")]
    Conflict(String),
    /// Too many databases that do not answer are being waited for already.
    #[error("too many databases do not answer; this one is looked at later")]
    Crowded,
    /// What is kept of the resource cannot be read: a defect of this program.
    #[error("what is kept of the resource cannot be read: {0}")]
    Packed(Arc<serde_json::Error>),
}

impl Error {
    /// Wraps an answer of the API server.
    pub(crate) fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
        let doing = doing.into();
        move |source| match &source {
            kube::Error::Api(status) if status.code == 409 => Error::Conflict(doing),
            _ => Error::Api {
                doing,
                source: Box::new(source),
            },
        }
    }
}

/// The API server's own words, without the object around them.
pub(crate) fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}
