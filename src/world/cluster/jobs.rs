//! What the Job and pod objects say, as facts.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use super::seen::{LABEL_JOB, SeenJob, SeenPod};
use super::{Cluster, Error};
use crate::decide::Resource;
use crate::facts::{HeldPod, JobFacts, JobProgress, NotStarted, OldJob};

impl Cluster {
    /// A Job of a step. `None`: the API server itself says that there is none.
    pub(super) async fn job(
        &self,
        resource: &Resource,
        name: &str,
    ) -> Result<Option<JobFacts>, Error> {
        let (namespace, uid) = (&resource.namespace, &resource.uid);
        if let Some(job) = self.jobs.get(namespace, &resource.name, name) {
            self.memory().of(uid).seen(name);
            return Ok(Some(self.with_its_pod(resource, &job).await?));
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
        match found {
            Some(job) => Ok(Some(
                self.with_its_pod(resource, &SeenJob::from(&job)).await?,
            )),
            None => {
                let pod = self.pod_of(resource, name);
                Ok(pod.and_then(|pod| without_job(name, &pod)))
            }
        }
    }

    async fn with_its_pod(&self, resource: &Resource, job: &SeenJob) -> Result<JobFacts, Error> {
        let pod = match self.pod_of(resource, &job.name) {
            // The watch of pods may be behind that of Jobs, and what became of the Job stands in its pod.
            None if job.over.is_some() => self.newest_pod(&resource.namespace, &job.name).await?,
            shown => shown,
        };
        let mut facts = facts(job, pod.as_deref());
        if let JobProgress::NotStarted(why) = &mut facts.progress {
            self.ask_events(resource, job, pod.as_deref(), why).await;
        }
        Ok(facts)
    }

    /// The newest pod of a Job, by the API server's own word.
    async fn newest_pod(&self, namespace: &str, job: &str) -> Result<Option<Arc<SeenPod>>, Error> {
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), namespace);
        let ours = ListParams::default().labels(&format!("{LABEL_JOB}={job}"));
        let found = api.list(&ours).await;
        let found = found.map_err(Error::api(format!("listing the pods of Job {job}")))?;
        let pods = found.iter().map(|pod| Arc::new(SeenPod::from(pod)));
        Ok(pods.max_by_key(|pod| pod.created_at))
    }

    /// The ended Jobs of this resource that the cache shows, but for those that were adopted or deleted a moment ago.
    pub(super) fn old_jobs(&self, resource: &Resource) -> Vec<OldJob> {
        let all = self.jobs.of(&resource.namespace, &resource.name);
        let mut memory = self.memory();
        let remembered = memory.of(&resource.uid);
        let ended = |job: &&Arc<SeenJob>| {
            job.owner_uid.as_deref() == Some(resource.uid.as_str())
                && job.over.is_some()
                && !job.going
                && !remembered.is_tidied(&job.uid)
        };
        let old = all.iter().filter(ended).map(|job| OldJob {
            name: job.name.to_string(),
            uid: job.uid.to_string(),
            run: job.run.to_string(),
            adopted: job.adopted,
        });
        old.collect()
    }

    /// The pods of this resource that only a container that was added to them keeps from ending.
    pub(super) fn held_pods(&self, resource: &Resource) -> Vec<HeldPod> {
        let all = self.pods.of(&resource.namespace, &resource.name);
        let ours = all
            .iter()
            .filter(|pod| pod.held && pod.owner_uid.as_deref() == Some(resource.uid.as_str()));
        ours.filter_map(|pod| match &pod.progress {
            JobProgress::Ended(end) => Some(HeldPod {
                name: pod.name.to_string(),
                uid: pod.uid.to_string(),
                job: pod.job.to_string(),
                ended_at: end.finished_at,
                grace: pod.grace,
            }),
            _ => None,
        })
        .collect()
    }

    /// The newest pod of a Job.
    pub(super) fn pod_of(&self, resource: &Resource, job: &str) -> Option<Arc<SeenPod>> {
        self.pods
            .of(&resource.namespace, &resource.name)
            .into_iter()
            .filter(|pod| *pod.job == *job)
            .max_by_key(|pod| pod.created_at)
    }
}

/// A Job and its pod as facts.
pub(super) fn facts(job: &SeenJob, pod: Option<&SeenPod>) -> JobFacts {
    JobFacts {
        name: job.name.to_string(),
        uid: job.uid.to_string(),
        owner_uid: job.owner_uid.as_deref().map(str::to_owned),
        adopted: job.adopted,
        created_at: job.created_at,
        progress: progress(job, pod),
        image_digest: pod.and_then(|pod| pod.image_digest.as_deref().map(str::to_owned)),
        pod: pod.map(|pod| pod.name.to_string()),
        pod_going: pod.is_some_and(|pod| pod.grace.is_some()),
    }
}

/// What the pod says; its own end says more than the Job's, and is on its way where the Job's came first.
fn progress(job: &SeenJob, pod: Option<&SeenPod>) -> JobProgress {
    match (pod, &job.over) {
        (Some(pod), _) => pod.progress.clone(),
        (None, Some(message)) => JobProgress::Lost {
            message: message.to_string(),
        },
        (None, None) => JobProgress::NotStarted(NotStarted {
            silent: job.taken_up_at.is_some(),
            ..NotStarted::default()
        }),
    }
}

/// A Job that somebody deleted goes before its pod, whose process goes on until its statement has ended: that is still
/// the step. Nothing where the pod is not of ours either.
fn without_job(name: &str, pod: &SeenPod) -> Option<JobFacts> {
    Some(JobFacts {
        name: name.to_owned(),
        uid: pod.job_uid.as_deref()?.to_owned(),
        owner_uid: Some(pod.owner_uid.as_deref()?.to_owned()),
        // There is nothing to tie to the resource.
        adopted: true,
        created_at: pod.created_at,
        progress: pod.progress.clone(),
        image_digest: None,
        pod: Some(pod.name.to_string()),
        pod_going: pod.grace.is_some(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::build::CONTAINER;

    fn job(status: Value) -> SeenJob {
        let object = json!({"metadata": {"name": "j"}, "status": status});
        SeenJob::from(&serde_json::from_value::<Job>(object).unwrap())
    }

    fn pod(status: Value) -> SeenPod {
        let object = json!({"metadata": {"name": "p"}, "status": status});
        SeenPod::from(&serde_json::from_value::<Pod>(object).unwrap())
    }

    fn status(name: &str, state: Value) -> Value {
        json!({"name": name, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0})
    }

    fn ended(exit_code: i32, reason: &str, message: &str) -> Value {
        json!({"terminated": {"exitCode": exit_code, "reason": reason, "message": message}})
    }

    fn waiting(reason: &str) -> Value {
        json!({"waiting": {"reason": reason}})
    }

    #[test]
    fn a_pod_that_is_being_deleted_is_known_to_be() {
        let job = job(json!({}));
        let mut seen = pod(json!({}));
        assert!(!facts(&job, Some(&seen)).pod_going);
        seen.grace = Some(30);
        assert!(facts(&job, Some(&seen)).pod_going);
        assert!(!facts(&job, None).pod_going);
    }

    /// In one line: what became of the container, by whose words.
    fn told(progress: &JobProgress) -> String {
        match progress {
            JobProgress::NotStarted(why) if why.silent => "silent".to_owned(),
            JobProgress::NotStarted(why) => format!("not started: {}", why.reason),
            JobProgress::Running { .. } => "running".to_owned(),
            JobProgress::Ended(end) => format!("{} {}: {}", end.reason, end.exit_code, end.said),
            JobProgress::Lost { message } => format!("lost: {message}"),
        }
    }

    #[rstest]
    // The user's own container.
    #[case(json!({}), ended(0, "Completed", ""), ended(1, "Error", "words of a log"), "Error 1: ")]
    #[case(json!({}), ended(0, "Completed", ""), ended(128, "StartError", "exec format error"), "StartError 128: container migrate: exec format error")]
    #[case(json!({}), ended(0, "Completed", ""), ended(127, "ContainerCannotRun", "no such file"), "StartError 127: container migrate: no such file")]
    // What prepares its start comes first, and is only believed where the user's container provably never ran.
    #[case(json!({}), ended(1, "Error", "a\nno space left\n"), ended(128, "StartError", "no such file"), "StartError 1: container agent: no space left")]
    #[case(json!({"phase": "Failed"}), ended(1, "Error", ""), waiting("PodInitializing"), "StartError 1: container agent ended with exit code 1")]
    #[case(json!({"phase": "Failed"}), ended(137, "OOMKilled", ""), waiting("PodInitializing"), "OOMKilled 137: container agent ended with exit code 137")]
    #[case(json!({"phase": "Pending"}), ended(1, "Error", ""), waiting("ContainerCreating"), "not started: ")]
    #[case(json!({"phase": "Running"}), ended(1, "Error", ""), json!({"running": {}}), "running")]
    #[case(json!({"phase": "Failed"}), ended(1, "Error", ""), ended(1, "Error", ""), "Error 1: ")]
    // The node was restarted: the kubelet knows neither how it ended nor when.
    #[case(json!({"phase": "Failed"}), ended(137, "ContainerStatusUnknown", "The container could not be located"), ended(137, "ContainerStatusUnknown", "The container could not be located"), "lost: The container could not be located")]
    #[case(json!({"phase": "Failed", "message": "node lost"}), ended(137, "ContainerStatusUnknown", ""), waiting("ContainerCreating"), "lost: node lost")]
    // The node was lost: nobody knows what ran.
    #[case(json!({"phase": "Failed", "message": "node lost"}), ended(0, "Completed", ""), waiting("ContainerCreating"), "lost: node lost")]
    fn becomes_of_a_pod(
        #[case] more: Value,
        #[case] agent: Value,
        #[case] own: Value,
        #[case] expected: &str,
    ) {
        let mut found = more;
        found["containerStatuses"] = json!([status("agent", agent), status(CONTAINER, own)]);
        let facts = facts(&job(json!({})), Some(&pod(found)));
        assert_eq!(told(&facts.progress), expected);
    }

    /// What a webhook adds runs on when ours has ended; ours alone, or one that has ended, holds nothing.
    #[rstest]
    #[case("proxy", json!({"running": {}}), true)]
    #[case("proxy", ended(0, "Completed", ""), false)]
    #[case("proxy", waiting("CrashLoopBackOff"), false)]
    #[case("agent", json!({"running": {}}), false)]
    fn is_held_by_a_container_that_was_added(
        #[case] name: &str,
        #[case] state: Value,
        #[case] held: bool,
    ) {
        for list in ["containerStatuses", "initContainerStatuses"] {
            let mut found = json!({"phase": "Running"});
            found["containerStatuses"] = json!([status(CONTAINER, ended(0, "Completed", ""))]);
            let other = status(name, state.clone());
            match found[list].as_array_mut() {
                Some(all) => all.push(other),
                None => found[list] = json!([other]),
            }
            assert_eq!(pod(found).held, held, "{list}");
        }
    }

    #[rstest]
    #[case(json!({}), None, "not started: ")]
    #[case(json!({"startTime": "2026-11-24T10:00:00Z"}), None, "silent")]
    #[case(json!({}), Some(json!([])), "not started: ")]
    #[case(json!({}), Some(json!([{"type": "PodScheduled", "status": "True"}])), "silent")]
    #[case(json!({}), Some(json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}])), "not started: Unschedulable")]
    fn a_wait_is_silent_only_where_something_was_due(
        #[case] of_job: Value,
        #[case] conditions: Option<Value>,
        #[case] expected: &str,
    ) {
        let pod = conditions.map(|conditions| pod(json!({"conditions": conditions})));
        let facts = facts(&job(of_job), pod.as_ref());
        assert_eq!(told(&facts.progress), expected);
    }
}
