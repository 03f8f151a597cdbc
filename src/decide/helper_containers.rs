//! Pods that something else in them keeps from ending when the step's own container has ended: a proxy that was added to them
//! runs for ever, and with it the Job, and at a deletion for as long as a migration might have taken.

use super::pass::Pass;
use super::snapshot::Effect;
use crate::api::{StepOutcome, StepStatus};
use crate::facts::HeldPod;

/// For so long a pod is left to end by itself, seconds: Kubernetes' own sidecars do, and other containers that watch for it.
const OWN_END: i64 = 10;
/// For so long the log of a step that failed stays to be read, seconds: it goes with its pod.
const LOG_STAYS: i64 = 15 * 60;
/// What is left in the pod gets so long to end, seconds.
const GRACE: i64 = 15;

/// Deletes those whose end is journaled. Who waits for which is looked at again.
pub(super) fn tidy(pass: &mut Pass<'_>) {
    let pods: Vec<&HeldPod> = pass.snapshot.held_pods.iter().collect();
    for pod in pods {
        let Some(stays) = stays(pass, pod) else {
            continue;
        };
        let left = stays - pass.age(pod.ended_at);
        if left > 0 {
            pass.requeue(u64::try_from(left).unwrap_or(1).saturating_mul(1000));
            continue;
        }
        let delete = Effect::DeletePod {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            grace_seconds: GRACE,
        };
        // One that has this grace already is on its way.
        if pod.grace.is_none_or(|grace| grace > GRACE) && !pass.effects.contains(&delete) {
            pass.effects.push(delete);
        }
    }
}

/// Whether the resource may go before they are gone: it may not, so that they are not left to their own grace.
pub(super) fn holds_resource(pass: &Pass<'_>) -> bool {
    !pass.snapshot.resource.deleting && !pass.snapshot.held_pods.is_empty()
}

/// For how long after its end a pod stays, seconds; `None`: its end is not journaled yet.
fn stays(pass: &Pass<'_>, pod: &HeldPod) -> Option<i64> {
    let own = |step: &&StepStatus| step.job == pod.job;
    let step = pass.steps().iter().find(own);
    if pass.snapshot.resource.deleting {
        return Some(0);
    }
    match step {
        Some(step) if step.finished_at.is_none() => None,
        Some(step) if step.outcome == Some(StepOutcome::Failed) => Some(LOG_STAYS),
        // Of an earlier run, too.
        _ => Some(OWN_END),
    }
}
