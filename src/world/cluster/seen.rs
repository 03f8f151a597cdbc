//! What is kept of the objects that are watched. A thousand resources have a thousand Jobs and pods that ended long ago.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::cache::{Kept, Place};
use super::pod::{container, is_held, progress};
use crate::api::{
    ANNOTATION_RECONCILE, ANNOTATION_RETRY, ANNOTATION_SUSPEND, ANNOTATION_UID, DatabaseMigration,
    LABEL_MIGRATION, LABEL_RUN, MigrationAction,
};
use crate::facts::JobProgress;

/// The label by which the Job controller marks a Job's pods.
pub(super) const LABEL_JOB: &str = "batch.kubernetes.io/job-name";

/// Takes out of a resource what no decision is made from and no write of ours sends: the API server keeps it.
pub fn slim(object: &mut DatabaseMigration) {
    let meta = &mut object.metadata;
    meta.managed_fields = None;
    meta.labels = None;
    meta.owner_references = None;
    let read = [ANNOTATION_RETRY, ANNOTATION_SUSPEND, ANNOTATION_RECONCILE];
    meta.annotations = meta.annotations.take().map(|mut annotations| {
        annotations.retain(|key, _| read.contains(&key.as_str()));
        annotations
    });
}

/// A Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenJob {
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// The run that it belongs to.
    pub run: Box<str>,
    /// The uid of the resource that it was made for.
    pub owner_uid: Option<Box<str>>,
    /// It carries an ownerReference.
    pub adopted: bool,
    /// It is being deleted.
    pub going: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the Job controller took it up: without a pod a while later, its pod was refused.
    pub taken_up_at: Option<Timestamp>,
    /// The Job controller says that it is over, in these words.
    pub over: Option<Box<str>>,
}

/// A pod of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPod {
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// The Job's name.
    pub job: Box<str>,
    /// The Job's uid, which outlives the Job here.
    pub job_uid: Option<Box<str>>,
    /// The uid of the resource that it was made for.
    pub owner_uid: Option<Box<str>>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Where the image came from, if that is known by digest.
    pub image_digest: Option<Box<str>>,
    /// A container runs in it that is none of ours.
    pub held: bool,
    /// It is being deleted, and may take so many seconds.
    pub grace: Option<i64>,
    /// How far the user's container is; [`JobProgress::Lost`]: the pod is over and it left no account.
    pub progress: JobProgress,
}

fn text(of: Option<&String>) -> Box<str> {
    of.map_or("", String::as_str).into()
}

fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a String> {
    meta.labels.as_ref()?.get(key)
}

/// The uid of the resource that an object was made for.
fn made_for(meta: &ObjectMeta) -> Option<Box<str>> {
    let uid = meta.annotations.as_ref()?.get(ANNOTATION_UID)?;
    Some(uid.as_str().into())
}

fn instant(of: Option<&Time>) -> Timestamp {
    of.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// By the label that carries the resource's name.
fn labelled(meta: &ObjectMeta) -> Option<Place> {
    Some(Place {
        namespace: meta.namespace.clone()?,
        resource: label(meta, LABEL_MIGRATION)?.clone(),
        name: meta.name.clone()?,
    })
}

impl Kept for SeenJob {
    type Object = Job;

    fn place(job: &Job) -> Option<Place> {
        labelled(&job.metadata)
    }

    fn keep(job: &Job) -> Option<Self> {
        Some(SeenJob::from(job))
    }
}

impl From<&Job> for SeenJob {
    fn from(job: &Job) -> Self {
        let meta = &job.metadata;
        SeenJob {
            name: text(meta.name.as_ref()),
            uid: text(meta.uid.as_ref()),
            run: text(label(meta, LABEL_RUN)),
            owner_uid: made_for(meta),
            adopted: meta
                .owner_references
                .as_ref()
                .is_some_and(|o| !o.is_empty()),
            going: meta.deletion_timestamp.is_some(),
            created_at: instant(meta.creation_timestamp.as_ref()),
            taken_up_at: job
                .status
                .as_ref()
                .and_then(|status| status.start_time.as_ref())
                .map(|time| time.0),
            over: job_over(job),
        }
    }
}

fn job_over(job: &Job) -> Option<Box<str>> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended = conditions.iter().find(|condition| {
        condition.status == "True" && ["Complete", "Failed"].contains(&condition.type_.as_str())
    })?;
    Some(text(ended.message.as_ref()))
}

impl Kept for SeenPod {
    type Object = Pod;

    fn place(pod: &Pod) -> Option<Place> {
        labelled(&pod.metadata)
    }

    fn keep(pod: &Pod) -> Option<Self> {
        Some(SeenPod::from(pod))
    }
}

impl From<&Pod> for SeenPod {
    fn from(pod: &Pod) -> Self {
        let container = container(pod);
        SeenPod {
            name: text(pod.metadata.name.as_ref()),
            uid: text(pod.metadata.uid.as_ref()),
            job: text(label(&pod.metadata, LABEL_JOB)),
            job_uid: pod
                .metadata
                .owner_references
                .as_ref()
                .and_then(|owners| Some(owners.first()?.uid.as_str().into())),
            owner_uid: made_for(&pod.metadata),
            created_at: instant(pod.metadata.creation_timestamp.as_ref()),
            image_digest: container
                .map(|status| status.image_id.as_str())
                .filter(|id| id.contains("@sha256:"))
                .map(Into::into),
            held: is_held(pod),
            grace: pod.metadata.deletion_grace_period_seconds,
            progress: progress(pod),
        }
    }
}

impl Kept for MigrationAction {
    type Object = MigrationAction;

    fn place(action: &MigrationAction) -> Option<Place> {
        Some(Place {
            namespace: action.metadata.namespace.clone()?,
            resource: action.spec.migration.clone(),
            name: action.metadata.name.clone()?,
        })
    }

    /// What is decided and done stays in the cluster as a record, and nobody here reads it again.
    fn keep(action: &MigrationAction) -> Option<Self> {
        let over = action.status.as_ref().is_some_and(|s| s.state.is_final());
        if over || action.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let mut kept = action.clone();
        kept.metadata.managed_fields = None;
        Some(kept)
    }
}
