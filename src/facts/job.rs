//! What is known of a Job and its pod.

use dbm_protocol::{Outcome, Refusal, Summary};
use jiff::Timestamp;

/// A Job and the only pod it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// The uid of the DatabaseMigration that its annotation names; another one's, or none, is a foreign Job.
    pub owner_uid: Option<String>,
    /// It carries an ownerReference to the DatabaseMigration.
    pub adopted: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// How far it is.
    pub progress: JobProgress,
    /// `imageID` of the user's container, where it is a repository digest (`repo@sha256:...`).
    pub image_digest: Option<String>,
    /// Name of the pod, once there is one.
    pub pod: Option<String>,
    /// The pod is being deleted.
    pub pod_going: bool,
}

impl JobFacts {
    /// Nothing of it runs any more.
    pub fn ended(&self) -> bool {
        matches!(
            self.progress,
            JobProgress::Ended(_) | JobProgress::Lost { .. }
        )
    }
}

/// A Job that is kept from an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldJob {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// The run that it belongs to.
    pub run: String,
    /// It carries an ownerReference to the DatabaseMigration.
    pub adopted: bool,
}

/// A pod whose user's container has ended, and in which another container runs that nobody here put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPod {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Its Job's name.
    pub job: String,
    /// When the user's container ended.
    pub ended_at: Timestamp,
    /// It is being deleted, and may take so many seconds.
    pub grace: Option<i64>,
}

/// How far a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobProgress {
    /// The user's container has not started.
    NotStarted(NotStarted),
    /// The user's container runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// The user's container has ended.
    Ended(ContainerEnd),
    /// The Job is finished and nothing is known of its container: the pod was deleted or lost.
    Lost {
        /// What the Job's condition says.
        message: String,
    },
}

/// Why the user's container has not started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotStarted {
    /// The kubelet's or scheduler's reason, e.g. `ImagePullBackOff`, `Unschedulable`, or that of an Event, e.g.
    /// `FailedCreate`, `Pulling`; empty while all is well.
    pub reason: String,
    /// Its message; of `Pulling` the image alone.
    pub message: String,
    /// Neither the Job nor its pod says why it waits. If it is not just slow, that stands in Events, which nobody watches.
    pub silent: bool,
}

/// [`ContainerEnd::reason`] of a container that could not be started: nothing of the image was executed.
pub const NEVER_RAN: &str = "StartError";
/// [`ContainerEnd::reason`] where there was not enough memory.
pub const OUT_OF_MEMORY: &str = "OOMKilled";

/// How the user's container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEnd {
    /// Its exit code.
    pub exit_code: i32,
    /// The kubelet's reason, e.g. `Error`, [`OUT_OF_MEMORY`], [`NEVER_RAN`].
    pub reason: String,
    /// The container runtime's own words where the container never ran; else empty.
    pub said: String,
    /// When.
    pub finished_at: Timestamp,
    /// The agent's own account, where it could leave one.
    pub summary: Option<Box<Summary>>,
}

impl ContainerEnd {
    /// The agent began nothing, because it was too late, or was asked to end.
    pub fn never_began(&self) -> bool {
        let summary = self.summary.as_deref();
        summary.is_some_and(|summary| summary.outcome == Outcome::Refused(Refusal::TooLate))
    }

    /// It could not be started.
    pub fn never_ran(&self) -> bool {
        self.reason == NEVER_RAN
    }

    /// It, or something in it, was ended for lack of memory.
    pub fn out_of_memory(&self) -> bool {
        let said = self.summary.as_deref().and_then(|it| it.message.as_deref());
        // Node takes its share of the limit for its heap, and ends itself (SIGABRT) where that is full.
        self.reason == OUT_OF_MEMORY
            || said.is_some_and(|said| said.contains("JavaScript heap out of memory"))
    }
}
