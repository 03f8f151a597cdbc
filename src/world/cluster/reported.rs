//! What stands only in Events: why a Job has no pod, and what a pod waits for that says nothing itself. Nobody watches
//! Events; they are asked for where something is overdue, so a start that goes well costs no request.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::seen::{SeenJob, SeenPod};
use super::{Cluster, told};
use crate::decide::Resource;
use crate::facts::NotStarted;
use crate::runtime::clock;

/// Seconds that a Job may be without a pod before its Events are asked: the cache of pods may lag behind.
const POD_DUE: i64 = 2;
/// Seconds that a pod on its node may say nothing before its Events are asked.
const START_DUE: i64 = 8;
/// How long an answer is believed, at least.
const HOLDS: Duration = Duration::from_secs(4);
/// And so many times as long as it took: the API server looks through all Events of a namespace for those of one object.
const TIMES: u32 = 50;
/// But no longer than this.
const AT_MOST: Duration = Duration::from_secs(60);
/// More Events of one object are not read; the API server keeps repetitions in one.
const LIMIT: u32 = 100;

impl Cluster {
    /// Fills in what the Events say, where the Job and its pod say nothing and something is due.
    pub(super) async fn ask_events(
        &self,
        resource: &Resource,
        job: &SeenJob,
        pod: Option<&SeenPod>,
        why: &mut NotStarted,
    ) {
        let Some(uid) = due(job, pod, clock::now()).filter(|_| why.silent) else {
            return;
        };
        let (namespace, resource) = (&resource.namespace, &resource.uid);
        let known = self.memory().of(resource).reported.get(uid).cloned();
        let found = match known {
            Some((until, found)) if clock::monotonic() < until => found,
            _ => {
                let asked = clock::monotonic();
                let found = self.events_of(namespace, uid).await;
                let now = clock::monotonic();
                let until = now + (now.saturating_sub(asked) * TIMES).clamp(HOLDS, AT_MOST);
                self.memory()
                    .of(resource)
                    .reported
                    .insert(uid.to_owned(), (until, found.clone()));
                found
            }
        };
        if let Some(found) = found {
            *why = found;
        }
    }

    /// Without its Events it is only told less well why something waits.
    async fn events_of(&self, namespace: &str, uid: &str) -> Option<NotStarted> {
        let api: Api<Event> = Api::namespaced(self.shared.client.clone(), namespace);
        let parameters = ListParams::default()
            .fields(&format!("involvedObject.uid={uid}"))
            .limit(LIMIT);
        match api.list(&parameters).await {
            Ok(list) => newest(list.items),
            Err(error) => {
                tracing::warn!(
                    namespace,
                    error = told(&error),
                    "the Events of a Job or its pod could not be read"
                );
                None
            }
        }
    }
}

/// The uid of the object whose Events are to be asked: the Job's without a pod, else the pod's.
fn due<'a>(job: &'a SeenJob, pod: Option<&'a SeenPod>, now: Timestamp) -> Option<&'a str> {
    let (uid, since, patience) = match pod {
        None => (&job.uid, job.taken_up_at?, POD_DUE),
        Some(pod) => (&pod.uid, pod.created_at, START_DUE),
    };
    let age = now.as_second() - since.as_second();
    (age >= patience).then_some(uid)
}

/// What the last Event says, if it is one that explains a wait.
fn newest(events: Vec<Event>) -> Option<NotStarted> {
    let last = events.into_iter().max_by_key(|event| {
        let at = event.last_timestamp.as_ref().map(|time| time.0);
        let at = at
            .or(event.event_time.as_ref().map(|time| time.0))
            .or(event.first_timestamp.as_ref().map(|time| time.0));
        // The kubelet tells seconds and the scheduler microseconds: by these, a pod would be placed on its node after its
        // image began to be pulled. Of one second their names say the order, which end with a finer clock.
        (at.map(Timestamp::as_second), event.metadata.name.clone())
    })?;
    let reason = last.reason.unwrap_or_default();
    let message = last.message.unwrap_or_default();
    let message = match reason.as_str() {
        "FailedCreate" | "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox" => message,
        // `Pulling image "shop:1"`
        "Pulling" => message.split('"').nth(1).unwrap_or_default().to_owned(),
        _ => return None,
    };
    Some(NotStarted {
        reason,
        message,
        silent: true,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::batch::v1::Job;
    use k8s_openapi::api::core::v1::Pod;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn event(name: &str, at: &str, reason: &str, message: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "involvedObject": {},
            "lastTimestamp": format!("2026-11-24T10:00:{at}Z"),
            "reason": reason,
            "message": message,
        }))
        .unwrap()
    }

    fn found(events: Vec<Event>) -> Option<(String, String)> {
        newest(events).map(|why| (why.reason, why.message))
    }

    #[test]
    fn the_last_event_counts() {
        let refused = || event("a.1", "01", "FailedCreate", "exceeded quota");
        let pulling = || event("b.1", "02", "Pulling", "Pulling image \"shop:1\"");
        let pulled = || event("b.2", "02", "Pulled", "Successfully pulled image");
        let some = |reason: &str, message: &str| Some((reason.to_owned(), message.to_owned()));
        assert_eq!(found(vec![]), None);
        assert_eq!(
            found(vec![refused()]),
            some("FailedCreate", "exceeded quota")
        );
        assert_eq!(found(vec![pulling(), refused()]), some("Pulling", "shop:1"));
        assert_eq!(found(vec![pulled(), pulling()]), None);
        let mut scheduled = event("b.0", "02", "Scheduled", "assigned to a node");
        scheduled.event_time =
            Some(serde_json::from_value(json!("2026-11-24T10:00:02.512345Z")).unwrap());
        scheduled.last_timestamp = None;
        assert_eq!(found(vec![pulling(), scheduled]), some("Pulling", "shop:1"));
    }

    fn job(status: Value) -> SeenJob {
        let meta = json!({"uid": "job", "namespace": "shop"});
        let job: Job = serde_json::from_value(json!({"metadata": meta, "status": status})).unwrap();
        SeenJob::from(&job)
    }

    #[rstest]
    #[case(json!({}), None, 9, None)]
    #[case(json!({"startTime": "2026-11-24T10:00:00Z"}), None, 1, None)]
    #[case(json!({"startTime": "2026-11-24T10:00:00Z"}), None, 2, Some("job"))]
    #[case(json!({"startTime": "2026-11-24T10:00:00Z"}), Some("2026-11-24T10:00:00Z"), 7, None)]
    #[case(json!({"startTime": "2026-11-24T10:00:00Z"}), Some("2026-11-24T10:00:00Z"), 8, Some("pod"))]
    fn a_start_that_goes_well_costs_no_request(
        #[case] status: Value,
        #[case] pod: Option<&str>,
        #[case] seconds: i64,
        #[case] expected: Option<&str>,
    ) {
        let pod = pod.map(|created| {
            let meta = json!({"uid": "pod", "namespace": "shop", "creationTimestamp": created});
            let pod: Pod = serde_json::from_value(json!({"metadata": meta})).unwrap();
            SeenPod::from(&pod)
        });
        let start: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let now = Timestamp::from_second(start.as_second() + seconds).unwrap();
        let job = job(status);
        assert_eq!(due(&job, pod.as_ref(), now), expected);
    }
}
