//! Why a container does not start, in our words: from those of the kubelet, the scheduler, the container runtime, and the
//! API server that refuses a pod.

use crate::api::reasons;
use crate::facts::{ContainerEnd, NotStarted};

use super::{deleting, status};

/// Bytes of somebody else's words in a message.
const WORDS_LIMIT: usize = 400;

/// Of a namespace that is being deleted.
const NAMESPACE_GOES: &str = "the namespace is being deleted, and nothing starts in it any more";

/// Linux's words for a program of another machine.
const WRONG_FORMAT: &str = "exec format error";

/// What happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) reason: &'static str,
    what: &'static str,
    words: String,
    advice: &'static str,
}

/// What somebody has to mend is waited for.
const THEN: &str = ". Once that is mended, it goes on by itself.";

impl Told {
    fn new(reason: &'static str, what: &'static str, words: &str, advice: &'static str) -> Self {
        Told {
            reason,
            what,
            words: status::cut(words.trim().trim_end_matches('.'), WORDS_LIMIT),
            advice,
        }
    }

    /// What it says of the spec or of the image; nodes, volumes and quotas come and go.
    pub(super) fn is_of_spec(&self) -> bool {
        [
            reasons::IMAGE_PULL_FAILED,
            reasons::WRONG_ARCHITECTURE,
            reasons::IMAGE_USER_NOT_NUMERIC,
            reasons::IMAGE_USER_ROOT,
            reasons::ENVIRONMENT_MISSING,
            reasons::POD_SECURITY_VIOLATED,
            reasons::SERVICE_ACCOUNT_MISSING,
        ]
        .contains(&self.reason)
    }

    /// The same, and what then follows.
    pub(super) fn with_then(&self) -> String {
        match self.what {
            NAMESPACE_GOES => format!("{}.", self.text()),
            _ => format!("{}{THEN}", self.text()),
        }
    }

    /// What happened, then what to do, without a last full stop.
    pub(super) fn text(&self) -> String {
        if self.words.is_empty() {
            format!("{}. {}", self.what, self.advice)
        } else {
            format!("{} ({}). {}", self.what, self.words, self.advice)
        }
    }
}

/// Why a container has not started; `None` while all is well, or only slow.
pub(super) fn explain(why: &NotStarted) -> Option<Told> {
    let words = why.message.as_str();
    let told = match why.reason.as_str() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable" => not_pulled(words),
        "CreateContainerConfigError" | "CreateContainerError" => not_created(words),
        "RunContainerError"
        | "StartError"
        | "PostStartHookError"
        | "FailedMount"
        | "FailedAttachVolume"
        | "FailedCreatePodSandBox" => not_run(words),
        "Unschedulable" => Told::new(
            reasons::UNSCHEDULABLE,
            "no node takes the pod",
            // What follows is about pods that could give way.
            words.split(". ").next().unwrap_or(words),
            "Look at job.resources, nodeSelector and tolerations, or add a node",
        ),
        "FailedCreate" => refused(words).unwrap_or_else(|| {
            Told::new(
                reasons::POD_REFUSED,
                "the API server refuses the pod",
                refusal(words),
                "Mend in spec.job what it names, or the policy or limit that refuses it",
            )
        }),
        _ => return None,
    };
    Some(told)
}

/// Of a container that never ran: nothing of the image was executed.
pub(super) fn never_ran(end: &ContainerEnd) -> Option<Told> {
    end.never_ran().then(|| not_run(&end.said))
}

/// Of an image's own agent: that Linux could not execute it stands in its log.
pub(super) fn not_executed(log: &str) -> Option<Told> {
    log.contains(WRONG_FORMAT).then(|| not_run(log))
}

/// The API server's refusal of a Job or a pod, where it is a known one.
pub(super) fn refused(words: &str) -> Option<Told> {
    let detail = refusal(words);
    let told = if words.contains(deleting::REFUSED) {
        Told::new(
            reasons::POD_REFUSED,
            NAMESPACE_GOES,
            "",
            "What is applied stands in the database and its ledger; to go on later, apply this resource in another namespace",
        )
    } else if words.contains("exceeded quota") {
        Told::new(
            reasons::QUOTA_EXCEEDED,
            "the namespace's quota has no room for it",
            detail,
            "Raise the ResourceQuota, lower spec.job.resources, or remove what uses it up",
        )
    } else if words.contains("failed quota") {
        Told::new(
            reasons::QUOTA_EXCEEDED,
            "the namespace's quota wants requests or limits that the pod does not name",
            detail,
            "Set spec.job.resources, or give the namespace a LimitRange with defaults",
        )
    } else if [
        " per Container is ",
        " per Pod is ",
        " limit to request ratio ",
    ]
    .iter()
    .any(|part| words.contains(part))
    {
        Told::new(
            reasons::POD_REFUSED,
            "a LimitRange of the namespace does not allow the pod's requests or limits",
            detail,
            "Change spec.job.resources to what it allows, or the LimitRange",
        )
    } else if words.contains("admission webhook") || words.contains("ValidatingAdmissionPolicy") {
        Told::new(
            reasons::POD_REFUSED,
            "a policy of the cluster denies the pod",
            detail,
            "Change in spec.job what it names, or have the policy changed by those whose it is",
        )
    } else if words.contains("violates PodSecurity") {
        Told::new(
            reasons::POD_SECURITY_VIOLATED,
            "the namespace's Pod Security level forbids the pod",
            detail,
            "Take what it names out of spec.job, or out of the webhook that adds it to pods",
        )
    } else if words.contains("error looking up service account") {
        Told::new(
            reasons::SERVICE_ACCOUNT_MISSING,
            "there is no such ServiceAccount",
            detail,
            "Create it, or correct job.serviceAccountName",
        )
    } else {
        return None;
    };
    Some(told)
}

/// Without what names the pod, which is another one at each try.
fn refusal(words: &str) -> &str {
    words
        .split_once(" is forbidden: ")
        .map_or(words, |(_, detail)| detail)
        .trim_start_matches("Error creating: ")
}

fn not_pulled(words: &str) -> Told {
    // The kubelet says the same with and without this before it, in turns.
    let words = words
        .split_once("ErrImagePull: ")
        .map_or(words, |(_, cause)| cause);
    if words.contains("no match for platform") || words.contains("no matching manifest") {
        return Told::new(
            reasons::WRONG_ARCHITECTURE,
            "the image is not built for the node's architecture",
            words,
            "Push it for that architecture, too, or choose nodes by job.nodeSelector",
        );
    }
    Told::new(
        reasons::IMAGE_PULL_FAILED,
        "the image cannot be pulled",
        words,
        "Correct spec.image or imagePullSecrets, or push the image",
    )
}

fn not_created(words: &str) -> Told {
    // What follows names the pod.
    let detail = words.split(" (pod: ").next().unwrap_or(words);
    let environment = ["secret \"", "configmap \"", "couldn't find key"];
    if words.contains("non-numeric user") {
        Told::new(
            reasons::IMAGE_USER_NOT_NUMERIC,
            "the image's user is a name, which does not prove that it is not root",
            detail,
            "Set job.runAsUser to its number",
        )
    } else if words.contains("run as root") || words.contains("non-root") {
        Told::new(
            reasons::IMAGE_USER_ROOT,
            "the image's user is root, as whom no Job runs",
            detail,
            "Set job.runAsUser to a number that is not 0",
        )
    } else if environment.iter().any(|part| words.contains(part)) {
        Told::new(
            reasons::ENVIRONMENT_MISSING,
            "a Secret or ConfigMap of the container's environment, or a key in it, is not there",
            detail,
            "Create it, or correct job.env, job.envFrom or databases[].env",
        )
    } else {
        Told::new(
            reasons::CONTAINER_NOT_STARTED,
            "the container cannot be created",
            detail,
            "Mend what it names",
        )
    }
}

fn not_run(words: &str) -> Told {
    // Every layer of the runtime adds its own words before the cause.
    let words = words.trim_end_matches(": unknown");
    let words = words
        .rsplit_once("unable to start container process: ")
        .map_or(words, |(_, cause)| cause);
    if words.contains(WRONG_FORMAT) {
        Told::new(
            reasons::WRONG_ARCHITECTURE,
            "the program to start is built for another architecture than the node's",
            words,
            "Build the image for that architecture, too, or choose nodes by job.nodeSelector",
        )
    } else if words.contains("OOM-killed") || words.contains("memory limit") {
        Told::new(
            reasons::OUT_OF_MEMORY,
            "the container cannot even be started within its memory",
            words,
            "Raise job.resources.limits.memory; Prisma needs 256Mi and more",
        )
    } else if words.contains("chdir to cwd") || words.contains("container init: mkdir ") {
        Told::new(
            reasons::CONTAINER_NOT_STARTED,
            "the working directory is not in the image, or its user may not enter it",
            words,
            "Correct job.workingDir",
        )
    } else {
        Told::new(
            reasons::CONTAINER_NOT_STARTED,
            "the container cannot be started",
            words,
            "Mend what it names",
        )
    }
}

#[cfg(test)]
mod tests;
