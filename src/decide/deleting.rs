//! What is said of a run in a namespace that is being deleted, and of a pod that is. Kubernetes deletes a namespace's pods first, and
//! only then what else is in it, so that the resource itself may not be deleted yet.

use crate::api::StepStatus;
use crate::facts::JobFacts;

/// Who deletes a pod.
pub(super) const BY: &str = "by somebody, a drain or an eviction";

/// What is said of such a pod.
pub(super) const POD: &str = "is being deleted";

/// Of a Job whose pod is being deleted while it runs, a clause that begins with `; `: else nothing.
pub(super) fn pod(job: Option<&JobFacts>) -> String {
    let going = job.filter(|job| job.pod_going && !job.ended());
    let Some(pod) = going.and_then(|job| job.pod.as_deref()) else {
        return String::new();
    };
    format!(
        "; its pod {pod} {POD} ({BY}): it ends once its statements have, or its grace period is over, and then what it left is read from the database and judged"
    )
}

/// Kubernetes' words for what is refused because of it.
pub(super) const REFUSED: &str = "being terminated";

/// Of a step that runs.
pub(super) fn with(step: &StepStatus) -> String {
    let subject = match step.database.as_str() {
        "" => String::new(),
        database => format!("{database}: "),
    };
    format!(
        "{subject}the namespace is being deleted, and with it this resource, its Jobs and its Secrets. Nothing is killed: the pod of Job {} ends when its statement has ended, and the namespace goes after it; no other step begins. What is applied by then stands in the database and its ledger. Nothing needs to be done. To go on later, apply this resource in another namespace: it runs what is not applied, and says what to do where something was cut off",
        step.job
    )
}
