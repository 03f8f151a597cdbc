//! What the Job and pod objects say, as facts.

use dbm_agent::protocol::{Summary, VERSION};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use super::{Cluster, Error};
use crate::api::{ANNOTATION_UID, LABEL_MIGRATION, LABEL_RUN};
use crate::build::CONTAINER;
use crate::decide::Resource;
use crate::facts::{ContainerEnd, JobFacts, JobProgress, NotStarted, OldJob};

impl Cluster {
    /// A Job of a step. `None`: the API server itself says that there is none.
    pub(super) async fn job(
        &self,
        namespace: &str,
        uid: &str,
        name: &str,
    ) -> Result<Option<JobFacts>, Error> {
        let reference = ObjectRef::<Job>::new(name).within(namespace);
        if let Some(job) = self.jobs.get(&reference) {
            self.memory().of(uid).seen(name);
            return Ok(Some(facts(&job, self.pod_of(namespace, name).as_deref())));
        }
        if let Some(job) = self.memory().of(uid).just_made(name) {
            return Ok(Some(job));
        }
        // A cache that lacks it may be late. Only the server can say that a Job is not there.
        let api: Api<Job> = Api::namespaced(self.shared.client.clone(), namespace);
        let found = api
            .get_opt(name)
            .await
            .map_err(Error::api(format!("reading Job {name}")))?;
        Ok(found.map(|job| facts(&job, self.pod_of(namespace, name).as_deref())))
    }

    /// The ended Jobs of this resource that the cache shows.
    pub(super) fn old_jobs(&self, resource: &Resource) -> Vec<OldJob> {
        let label = |job: &Job, key: &str| {
            job.metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(key).cloned())
        };
        let all = self.jobs.state();
        let ours = all.iter().filter(|job| {
            job.metadata.namespace.as_deref() == Some(resource.namespace.as_str())
                && label(job, LABEL_MIGRATION).as_deref() == Some(resource.name.as_str())
                && job
                    .metadata
                    .annotations
                    .as_ref()
                    .and_then(|a| a.get(ANNOTATION_UID))
                    == Some(&resource.uid)
                && finished(job)
        });
        ours.map(|job| OldJob {
            name: job.metadata.name.clone().unwrap_or_default(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            run: label(job, LABEL_RUN).unwrap_or_default(),
        })
        .collect()
    }

    /// The newest pod of a Job.
    pub(super) fn pod_of(&self, namespace: &str, job: &str) -> Option<std::sync::Arc<Pod>> {
        self.pods
            .state()
            .into_iter()
            .filter(|pod| {
                pod.metadata.namespace.as_deref() == Some(namespace)
                    && pod
                        .metadata
                        .labels
                        .as_ref()
                        .and_then(|labels| labels.get("batch.kubernetes.io/job-name"))
                        .is_some_and(|name| name == job)
            })
            .max_by_key(|pod| pod.metadata.creation_timestamp.clone())
    }
}

/// A Job and its pod as facts.
pub(super) fn facts(job: &Job, pod: Option<&Pod>) -> JobFacts {
    let annotations = job.metadata.annotations.as_ref();
    let container = pod.and_then(container);
    JobFacts {
        name: job.metadata.name.clone().unwrap_or_default(),
        uid: job.metadata.uid.clone().unwrap_or_default(),
        owner_uid: annotations.and_then(|annotations| annotations.get(ANNOTATION_UID).cloned()),
        adopted: job
            .metadata
            .owner_references
            .as_ref()
            .is_some_and(|owners| !owners.is_empty()),
        created_at: job
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        progress: progress(job, pod, container),
        image_digest: container
            .map(|status| status.image_id.clone())
            .filter(|id| id.contains("@sha256:")),
        pod: pod.and_then(|pod| pod.metadata.name.clone()),
    }
}

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == CONTAINER)
}

fn progress(job: &Job, pod: Option<&Pod>, container: Option<&ContainerStatus>) -> JobProgress {
    let state = container.and_then(|status| status.state.as_ref());
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        return JobProgress::Ended(ContainerEnd {
            exit_code: end.exit_code,
            reason: end.reason.clone().unwrap_or_default(),
            finished_at: end
                .finished_at
                .as_ref()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            summary: end.message.as_deref().and_then(summary).map(Box::new),
        });
    }
    if let Some(message) = over(job, pod) {
        return JobProgress::Lost { message };
    }
    if let Some(running) = state.and_then(|state| state.running.as_ref()) {
        let since = running
            .started_at
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        return JobProgress::Running { since };
    }
    JobProgress::NotStarted(pod.map(not_started).unwrap_or_default())
}

/// The Job or its pod is over, and the container left no account.
fn over(job: &Job, pod: Option<&Pod>) -> Option<String> {
    let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
    if let Some("Failed" | "Succeeded") = phase {
        let status = pod.and_then(|pod| pod.status.as_ref());
        let text =
            status.and_then(|status| status.message.clone().or_else(|| status.reason.clone()));
        return Some(text.unwrap_or_default());
    }
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended = conditions.iter().find(|condition| {
        condition.status == "True" && ["Complete", "Failed"].contains(&condition.type_.as_str())
    })?;
    // The pod's own end says more and is on its way.
    (pod.is_none()).then(|| ended.message.clone().unwrap_or_default())
}

/// The first container that says why it waits, else why no node takes the pod.
fn not_started(pod: &Pod) -> NotStarted {
    let Some(status) = pod.status.as_ref() else {
        return NotStarted::default();
    };
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    for container in containers {
        let waiting = container
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref());
        if let Some(waiting) = waiting {
            let reason = waiting.reason.clone().unwrap_or_default();
            if !["", "ContainerCreating", "PodInitializing"].contains(&reason.as_str()) {
                return NotStarted {
                    reason,
                    message: waiting.message.clone().unwrap_or_default(),
                };
            }
        }
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    unscheduled.map_or_else(NotStarted::default, |condition| NotStarted {
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
    })
}

/// The agent's account; another version's, or anybody else's text, is none.
fn summary(message: &str) -> Option<Summary> {
    serde_json::from_str::<Summary>(message)
        .ok()
        .filter(|summary| summary.version == VERSION)
}

/// The Job controller says that it is over.
fn finished(job: &Job) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| {
        condition.status == "True" && ["Complete", "Failed"].contains(&condition.type_.as_str())
    })
}
