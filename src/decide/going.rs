//! What is said of a run in a namespace that is being deleted. Kubernetes deletes the pods first, and only then what else is in it,
//! so that the resource itself may not be deleted yet.

use crate::api::StepStatus;

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
