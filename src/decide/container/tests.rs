//! The words of Kubernetes as it wrote them, and ours.

use rstest::rstest;

use super::*;

fn why(reason: &str, message: &str) -> NotStarted {
    NotStarted {
        reason: reason.to_owned(),
        message: message.to_owned(),
        silent: false,
    }
}

#[rstest]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1\" is forbidden: maximum memory usage per Container is 256Mi, but limit is 512Mi",
    reasons::POD_REFUSED,
    "per Container is 256Mi, but limit is 512Mi). Change spec.job.resources"
)]
#[case(
    "FailedCreate",
    "Error creating: admission webhook \"validate.kyverno.svc-fail\" denied the request: no team label",
    reasons::POD_REFUSED,
    "denied the request: no team label). Change in spec.job what it names"
)]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1\" is forbidden: unable to create new content in namespace shop because it is being terminated",
    reasons::POD_REFUSED,
    "nothing starts in it any more. What is applied stands"
)]
#[case(
    "ImagePullBackOff",
    "Back-off pulling image \"shop:2\": ErrImagePull: not found",
    reasons::IMAGE_PULL_FAILED,
    "the image cannot be pulled (not found). Correct spec.image or imagePullSecrets, or push the image"
)]
#[case(
    "ErrImagePull",
    "failed to pull and unpack image \"shop:2\": no match for platform in manifest: not found",
    reasons::WRONG_ARCHITECTURE,
    "job.nodeSelector"
)]
#[case(
    "InvalidImageName",
    "couldn't parse image name \"A B\"",
    reasons::IMAGE_PULL_FAILED,
    "spec.image"
)]
#[case(
    "CreateContainerConfigError",
    "container has runAsNonRoot and image has non-numeric user (node), cannot verify user is non-root (pod: \"shop-1_shop(uid)\", container: migrate)",
    reasons::IMAGE_USER_NOT_NUMERIC,
    "cannot verify user is non-root). Set job.runAsUser to its number"
)]
#[case(
    "CreateContainerConfigError",
    "container has runAsNonRoot and image will run as root (pod: \"shop-1_shop(uid)\", container: migrate)",
    reasons::IMAGE_USER_ROOT,
    "image will run as root). Set job.runAsUser to a number that is not 0"
)]
#[case(
    "CreateContainerConfigError",
    "secret \"shop-env\" not found",
    reasons::ENVIRONMENT_MISSING,
    "job.envFrom"
)]
#[case(
    "CreateContainerConfigError",
    "couldn't find key URL in Secret shop/shop-env",
    reasons::ENVIRONMENT_MISSING,
    "couldn't find key URL"
)]
#[case(
    "CreateContainerError",
    "failed to reserve container name",
    reasons::CONTAINER_NOT_STARTED,
    "the container cannot be created (failed to reserve container name)"
)]
#[case(
    "RunContainerError",
    "exec: \"/dbm/dbm-agent\": exec format error",
    reasons::WRONG_ARCHITECTURE,
    "another architecture"
)]
#[case(
    "RunContainerError",
    "container init was OOM-killed (memory limit too low?)",
    reasons::OUT_OF_MEMORY,
    "256Mi"
)]
#[case(
    "StartError",
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error setting cgroup config for procHooks process: unable to set memory limit to 1048576 (current usage: 2195456, peak usage: 2580480): unknown",
    reasons::OUT_OF_MEMORY,
    "within its memory (error during container init: error setting cgroup config for procHooks process: unable to set memory limit to 1048576 (current usage: 2195456, peak usage: 2580480)). Raise"
)]
#[case(
    "StartError",
    "unable to start container process: error during container init: mkdir /etc/passwd: not a directory: unknown",
    reasons::CONTAINER_NOT_STARTED,
    "Correct job.workingDir"
)]
#[case(
    "FailedMount",
    "MountVolume.SetUp failed for volume \"ca\" : secret \"pg-ca\" not found",
    reasons::CONTAINER_NOT_STARTED,
    "pg-ca"
)]
#[case(
    "Unschedulable",
    "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 No preemption victims found.",
    reasons::UNSCHEDULABLE,
    "no node takes the pod (0/1 nodes are available: 1 Insufficient memory). Look at job.resources"
)]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1-x7k2p\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4",
    reasons::QUOTA_EXCEEDED,
    "no room for it (exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4). Raise the ResourceQuota"
)]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1-x7k2p\" is forbidden: failed quota: team: must specify limits.cpu for: migrate",
    reasons::QUOTA_EXCEEDED,
    "Set spec.job.resources"
)]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1-x7k2p\" is forbidden: violates PodSecurity \"restricted:latest\": forbidden AppArmor profile (…)",
    reasons::POD_SECURITY_VIOLATED,
    "forbidden AppArmor profile"
)]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1-\" is forbidden: error looking up service account shop/migrator: serviceaccount \"migrator\" not found",
    reasons::SERVICE_ACCOUNT_MISSING,
    "job.serviceAccountName"
)]
#[case(
    "FailedCreate",
    "Error creating: pods \"shop-1-x7k2p\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
    reasons::POD_REFUSED,
    "does not allow the pod's requests or limits (maximum memory usage per Container is 1Gi, but limit is 2Gi)"
)]
fn says_what_and_what_to_do(
    #[case] reason: &str,
    #[case] message: &str,
    #[case] expected: &str,
    #[case] part: &str,
) {
    let told = explain(&why(reason, message)).map(|told| (told.reason, told.text()));
    let Some((found, text)) = told else {
        panic!("{reason} is not explained");
    };
    assert_eq!(found, expected, "{text}");
    assert!(text.contains(part), "{part:?} is not in: {text}");
    for name in ["x7k2p", "(uid)", "Error creating"] {
        assert!(!text.contains(name), "{name} changes at each try: {text}");
    }
}

#[rstest]
#[case("")]
#[case("Pulling")]
#[case("ContainerCreating")]
fn what_is_only_slow_is_no_mistake(#[case] reason: &str) {
    assert_eq!(explain(&why(reason, "shop:1")), None);
}

/// The same refusal of two tries, and of a kubelet that pulls and backs off in turns, reads the same: no news.
#[test]
fn the_same_cause_has_the_same_words() {
    for (one, other) in [
        (
            why(
                "FailedCreate",
                "Error creating: pods \"a-1\" is forbidden: no",
            ),
            why(
                "FailedCreate",
                "Error creating: pods \"a-2\" is forbidden: no",
            ),
        ),
        (
            why("ErrImagePull", "not found"),
            why(
                "ImagePullBackOff",
                "Back-off pulling image \"a\": ErrImagePull: not found",
            ),
        ),
    ] {
        assert_eq!(explain(&one), explain(&other));
    }
}

#[test]
fn long_words_are_cut() {
    let told = explain(&why("FailedMount", &"long ".repeat(1000)));
    assert!(told.is_some_and(|told| told.text().len() < 600));
}
