//! Waiting: for a container to start, for a database to be readable, for somebody to mend something.

use super::outcome;
use super::pass::Pass;
use super::status;
use crate::api::{Phase, StepKind, StepStatus, reasons};
use crate::facts::{NotStarted, Unreadable};

/// A container that has not started yet, and why. After `timeouts.start` it is Stalled, and still waited for.
pub(super) fn not_started(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    database: &str,
    why: &NotStarted,
) {
    let since = step.started_at.as_ref().map_or(pass.now(), |time| time.0);
    let limit = pass.spec.timeouts.start.seconds().unwrap_or(600);
    let age = pass.age(since);
    let phase = match step.name {
        StepKind::Inventory => Phase::Planning,
        StepKind::SmokeTest => Phase::Validating,
        StepKind::Down | StepKind::Restore => Phase::RollingBack,
        StepKind::Migrate | StepKind::Resolve => Phase::Migrating,
    };
    let subject = if step.name == StepKind::SmokeTest {
        format!("smoke test {}", step.test)
    } else if database.is_empty() {
        format!("image {}", pass.spec.image)
    } else {
        database.to_owned()
    };
    let (reason, advice) = explain(&why.reason, &why.message);
    if reason.is_empty() {
        if age > limit {
            let message = format!(
                "{subject}: the pod of Job {} has not started for {age}s. Look at it: kubectl describe pod -n {} -l job-name={}",
                step.job, pass.snapshot.resource.namespace, step.job
            );
            pass.stalled(phase, reasons::START_TIMEOUT, message, "");
        } else {
            // A step that has just been decided has said so already; its pod's start is no news.
            if step.name == StepKind::Inventory {
                pass.working(phase, reasons::PLANNING, "reading what the image holds");
            }
            pass.requeue(
                u64::try_from(limit - age + 1)
                    .unwrap_or(1)
                    .saturating_mul(1000),
            );
        }
        return;
    }
    let message = format!("{subject}: {advice}: {}", status::cut(&why.message, 400));
    let next = format!(
        "kubectl describe pod -n {} -l job-name={}",
        pass.snapshot.resource.namespace, step.job
    );
    if age > limit {
        pass.stalled(phase, reason, message, next);
    } else {
        pass.working(phase, reason, message);
        pass.status.next_command = next;
        pass.requeue(
            u64::try_from(limit - age + 1)
                .unwrap_or(1)
                .saturating_mul(1000),
        );
    }
}

/// The kubelet's and scheduler's reasons in our words; empty while all is well.
fn explain(reason: &str, message: &str) -> (&'static str, &'static str) {
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable" => (
            reasons::IMAGE_PULL_FAILED,
            "the image cannot be pulled; correct spec.image or imagePullSecrets, or push the image",
        ),
        "CreateContainerConfigError" | "CreateContainerError"
            if message.contains("non-numeric user") || message.contains("runAsNonRoot") =>
        {
            (
                reasons::IMAGE_USER_NOT_NUMERIC,
                "the image's user is a name or root; set job.runAsUser to its number, which must not be 0",
            )
        }
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "StartError" => (
            reasons::CONTAINER_NOT_STARTED,
            "the container cannot be started",
        ),
        "Unschedulable" => (
            reasons::UNSCHEDULABLE,
            "no node takes the pod; look at job.resources, nodeSelector and tolerations",
        ),
        _ => ("", ""),
    }
}

/// A database that cannot be read: nothing is concluded, and it is looked at again.
pub(super) fn unreadable(pass: &mut Pass<'_>, database: &str, why: &Unreadable) {
    let message = format!("{database}: {}", why.message);
    pass.condition(reasons::OBSERVED, false, why.reason.as_str(), &message);
    let since = status::get(&pass.status, reasons::OBSERVED)
        .map_or(pass.now(), |condition| condition.last_transition_time.0);
    let limit = pass.spec.timeouts.unknown.seconds().unwrap_or(900);
    let running = !pass.active().is_empty() && pass.status.phase == Some(Phase::Migrating);
    let phase = if running {
        Phase::Migrating
    } else {
        Phase::Pending
    };
    if pass.age(since) > limit {
        pass.stalled(phase, why.reason.as_str(), message, "");
        // Others need not wait for what nobody can tell; the database guards itself.
        outcome::release(pass, database);
    } else {
        pass.working(phase, why.reason.as_str(), message);
    }
    poll(pass, reasons::OBSERVED);
}

/// Looks again, soon at first, every 15 seconds in the end; what is mended is noticed without a watch on Secrets,
/// which the operator has no right to.
pub(super) fn poll(pass: &mut Pass<'_>, since: &str) {
    let since = status::get(&pass.status, since)
        .map_or(pass.now(), |condition| condition.last_transition_time.0);
    let age = pass.age(since);
    let wait = (age / 4).clamp(1, 15);
    pass.requeue(u64::try_from(wait).unwrap_or(1).saturating_mul(1000));
}
