//! How far a pod is, by what its status says of its containers.

use dbm_protocol::{Summary, VERSION};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use crate::build::{CONTAINER, OWN_CONTAINERS};
use crate::facts::{ContainerEnd, JobProgress, NEVER_RAN, NotStarted, OUT_OF_MEMORY};

/// The kubelet's reason where it does not know how a container ended, nor when: its node was restarted, or lost.
const UNKNOWN_END: &str = "ContainerStatusUnknown";

/// The user's container.
pub(super) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == CONTAINER)
}

/// Whether a container runs in it that somebody added: the pod, and its Job, last as long as that.
pub(super) fn is_held(pod: &Pod) -> bool {
    containers(pod).any(|container| {
        let state = container.state.as_ref();
        !OWN_CONTAINERS.contains(&container.name.as_str())
            && state.is_some_and(|state| state.running.is_some())
    })
}

/// How far the user's container is.
pub(super) fn progress(pod: &Pod) -> JobProgress {
    if let Some(end) = never_ran(pod) {
        return JobProgress::Ended(end);
    }
    let state = container(pod).and_then(|status| status.state.as_ref());
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        if is_unknown(end) {
            return JobProgress::Lost {
                message: end.message.clone().unwrap_or_default(),
            };
        }
        return JobProgress::Ended(ContainerEnd {
            exit_code: end.exit_code,
            reason: end.reason.clone().unwrap_or_default(),
            said: String::new(),
            finished_at: finished_at(end),
            summary: end.message.as_deref().and_then(summary).map(Box::new),
        });
    }
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    if let Some("Failed" | "Succeeded") = phase {
        let said = status.and_then(|s| s.message.clone().or_else(|| s.reason.clone()));
        return JobProgress::Lost {
            message: said.unwrap_or_default(),
        };
    }
    if let Some(running) = state.and_then(|state| state.running.as_ref()) {
        let since = running.started_at.as_ref();
        return JobProgress::Running {
            since: since.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        };
    }
    JobProgress::NotStarted(not_started(pod))
}

fn finished_at(end: &ContainerStateTerminated) -> Timestamp {
    end.finished_at
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// The user's container could not be started, or a container that prepares its start failed: the words of whichever came
/// first, because the other one follows from it.
fn never_ran(pod: &Pod) -> Option<ContainerEnd> {
    let status = pod.status.as_ref()?;
    let own = container(pod).and_then(|own| own.state.as_ref());
    let own_end = own.and_then(|state| state.terminated.as_ref());
    let unstarted = own_end.filter(|end| is_start_error(end));
    let over = status.phase.as_deref() == Some("Failed");
    let ran = own.is_some_and(|state| state.running.is_some()) || own_end.is_some();
    if unstarted.is_none() && (ran || !over) {
        return None;
    }
    let helper = containers(pod)
        .filter(|container| container.name != CONTAINER)
        .find_map(|container| {
            let end = container.state.as_ref()?.terminated.as_ref()?;
            (end.exit_code != 0 && !is_unknown(end)).then_some((container.name.as_str(), end))
        });
    let (name, end) = helper.or(unstarted.map(|end| (CONTAINER, end)))?;
    let out_of_memory = end.reason.as_deref() == Some(OUT_OF_MEMORY);
    Some(ContainerEnd {
        exit_code: end.exit_code,
        reason: if out_of_memory {
            OUT_OF_MEMORY
        } else {
            NEVER_RAN
        }
        .to_owned(),
        said: said(name, end),
        finished_at: finished_at(end),
        summary: None,
    })
}

fn is_unknown(end: &ContainerStateTerminated) -> bool {
    end.reason.as_deref() == Some(UNKNOWN_END)
}

fn is_start_error(end: &ContainerStateTerminated) -> bool {
    // The second is what Docker's runtime says.
    end.reason
        .as_deref()
        .is_some_and(|reason| [NEVER_RAN, "ContainerCannotRun"].contains(&reason))
}

/// The last line of what a container left, which a log may stand before.
fn said(name: &str, end: &ContainerStateTerminated) -> String {
    let text = end.message.as_deref().unwrap_or_default();
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("container {name}: {}", line.trim()),
        None => format!("container {name} ended with exit code {}", end.exit_code),
    }
}

/// Those that prepare come first.
fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|status| {
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .flatten()
    })
}

/// The first container that says why it waits, else why no node takes the pod.
fn not_started(pod: &Pod) -> NotStarted {
    for container in containers(pod) {
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
                    silent: false,
                };
            }
        }
    }
    let conditions = pod.status.iter().flat_map(|status| &status.conditions);
    let scheduled = conditions
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled");
    match scheduled {
        Some(condition) if condition.status == "False" => NotStarted {
            reason: condition.reason.clone().unwrap_or_default(),
            message: condition.message.clone().unwrap_or_default(),
            silent: false,
        },
        Some(_) => NotStarted {
            silent: true,
            ..NotStarted::default()
        },
        None => NotStarted::default(),
    }
}

/// The agent's account; another version's, or anybody else's text, is none.
fn summary(message: &str) -> Option<Summary> {
    serde_json::from_str::<Summary>(message)
        .ok()
        // The version before knew fewer refusals and said all else the same: its Jobs outlive an upgrade of the operator.
        .filter(|summary| (VERSION - 1..=VERSION).contains(&summary.version))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dbm_protocol::{Outcome, Refusal};
    use serde_json::json;

    use super::*;

    /// What the kubelet says of a container that left these words.
    fn ended(message: &str) -> JobProgress {
        let pod = json!({"status": {"phase": "Failed", "containerStatuses": [{
            "name": CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {
                "exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z", "message": message,
            }},
        }]}});
        progress(&serde_json::from_value(pod).unwrap())
    }

    fn account(message: &str) -> Option<Summary> {
        match ended(message) {
            JobProgress::Ended(end) => end.summary.map(|summary| *summary),
            other => panic!("{other:?}"),
        }
    }

    /// A Job outlives an upgrade of the operator: what the agent of the release before wrote, word for word, is its account.
    #[test]
    fn the_account_of_the_agent_before_is_read() {
        let failed = r#"{"version":3,"outcome":"failed","exitCode":1,"signal":null,"code":"P3018","sqlState":"42703","migration":"2_a","message":"ERROR: column does not exist","findingsCount":0,"timedOut":false,"startedAt":"2026-01-01T00:00:00.000Z","finishedAt":"2026-01-01T00:00:01.000Z"}"#;
        let found = account(failed).unwrap();
        assert_eq!(
            (found.outcome, found.exit_code, found.code.as_deref()),
            (Outcome::Failed, Some(1), Some("P3018"))
        );
        assert_eq!(found.migration.as_deref(), Some("2_a"));
        let late =
            r#"{"version":3,"outcome":{"refused":"tooLate"},"exitCode":null,"message":"too late"}"#;
        let found = account(late).unwrap();
        assert_eq!(found.outcome, Outcome::Refused(Refusal::TooLate));
        let well = r#"{"version":3,"outcome":"succeeded","exitCode":0}"#;
        assert_eq!(account(well).unwrap().outcome, Outcome::Succeeded);
    }

    #[test]
    fn what_is_no_account_is_none() {
        let of = |version: u32| format!(r#"{{"version":{version},"outcome":"succeeded"}}"#);
        assert_eq!(VERSION, 4, "which one comes before it is written above");
        for version in [VERSION - 1, VERSION] {
            assert!(account(&of(version)).is_some(), "{version}");
        }
        for version in [0, VERSION - 2, VERSION + 1] {
            assert_eq!(account(&of(version)), None, "{version}");
        }
        for text in ["", "npm ERR! code ELIFECYCLE", "{}", r#"{"version":4}"#] {
            assert_eq!(account(text), None, "{text}");
        }
    }
}
