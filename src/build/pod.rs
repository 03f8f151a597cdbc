//! The pod of a step: Pod Security level *restricted*, the user's image with the agent as its entry point.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, ExecAction, KeyToPath,
    Lifecycle, LifecycleHandler, LocalObjectReference, PodSecurityContext, PodSpec,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::agent;
use super::environment::environment;
use super::settings::{CONTAINER, Settings};
use super::step::Step;
use crate::api::DatabaseSpec;

/// The container that brings the agent.
const AGENT: &str = "agent";
/// The container that fills writable paths.
const SEED: &str = "seed";
/// The containers of a step's pod. Any other one was added to it.
pub const OWN_CONTAINERS: [&str; 3] = [CONTAINER, AGENT, SEED];
/// Where the agent stands, and what it leaves.
const AGENT_DIRECTORY: &str = "/dbm";
/// Where the agent stands in the operator's image.
const AGENT_IN_IMAGE: &str = "/usr/local/bin/dbm-agent";
/// Where one of our own containers fails, its log's end says why. Never of the user's: its log may say anything.
const LAST_WORDS: &str = "FallbackToLogsOnError";
/// The copies of writable paths, as the container that fills them sees them.
const SEED_DIRECTORY: &str = "/dbm-seed";

pub(super) fn spec(step: &Step, settings: &Settings) -> PodSpec {
    let spec = step.spec;
    let job = &spec.job;
    // Paths in the image with the migrations mean nothing in another.
    let own_image = step.runs_migrations_image();
    let seeds = if step.reads_only() || !own_image {
        &[]
    } else {
        job.writable_paths.as_slice()
    };
    let own_agent = own_image && !job.agent_path.is_empty();
    let agent = if own_agent {
        job.agent_path.clone()
    } else {
        format!("{AGENT_DIRECTORY}/dbm-agent")
    };

    let mut volumes = vec![empty("tmp")];
    let mut mounts = vec![mount("tmp", "/tmp")];
    if !own_agent {
        volumes.push(empty("agent"));
        mounts.push(mount("agent", AGENT_DIRECTORY));
    }
    if let Some(volume) = step.project().and_then(ca_volume) {
        volumes.push(volume);
        mounts.push(VolumeMount {
            read_only: Some(true),
            ..mount("ca", "/dbm-ca")
        });
    }
    for (at, path) in seeds.iter().enumerate() {
        volumes.push(empty(&format!("writable-{at}")));
        mounts.push(mount(&format!("writable-{at}"), path));
    }

    let main = Container {
        name: CONTAINER.to_owned(),
        image: Some(step.image().to_owned()),
        image_pull_policy: Some(spec.image_pull_policy.as_str().to_owned()),
        command: Some(vec![agent.clone()]),
        args: Some(agent::arguments(step)),
        working_dir: unless_empty(&job.working_dir).filter(|_| own_image),
        env: Some(environment(step)),
        env_from: Some(job.env_from.clone())
            .filter(|sources| !step.reads_only() && !sources.is_empty()),
        resources: Some(resources(&job.resources)),
        volume_mounts: Some(mounts),
        security_context: Some(restricted(job.run_as_user, job.run_as_group)),
        ..Container::default()
    };
    let mut init = Vec::new();
    let mut containers = Vec::new();
    if !own_agent {
        // A regular first container whose postStart hook holds the next one until the agent stands costs nothing; an
        // init container costs a second, and is needed only where another one follows it.
        let container = agent_container(settings, &job.resources, !seeds.is_empty());
        if seeds.is_empty() {
            containers.push(container)
        } else {
            init.push(container)
        }
    }
    if !seeds.is_empty() {
        init.push(seed_container(&main, &agent, seeds, own_agent));
    }
    containers.push(main);

    PodSpec {
        restart_policy: Some("Never".to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        service_account_name: unless_empty(&job.service_account_name),
        image_pull_secrets: Some(
            spec.image_pull_secrets
                .iter()
                .map(|secret| LocalObjectReference {
                    name: secret.name.clone(),
                })
                .collect::<Vec<_>>(),
        )
        .filter(|secrets| !secrets.is_empty()),
        node_selector: Some(job.node_selector.clone()).filter(|selector| !selector.is_empty()),
        tolerations: Some(job.tolerations.clone()).filter(|tolerations| !tolerations.is_empty()),
        affinity: job.affinity.clone(),
        priority_class_name: unless_empty(&job.priority_class_name),
        termination_grace_period_seconds: Some(step.grace_seconds()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            fs_group: job.fs_group,
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        init_containers: Some(init).filter(|containers| !containers.is_empty()),
        containers,
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn agent_container(settings: &Settings, given: &ResourceRequirements, as_init: bool) -> Container {
    let command = |word: &str| {
        vec![
            AGENT_IN_IMAGE.to_owned(),
            word.to_owned(),
            AGENT_DIRECTORY.to_owned(),
        ]
    };
    Container {
        name: AGENT.to_owned(),
        image: Some(settings.agent_image.clone()),
        image_pull_policy: Some(settings.agent_image_pull_policy.clone()),
        command: Some(command(if as_init { "place" } else { "install" })),
        lifecycle: (!as_init).then(|| Lifecycle {
            post_start: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(command("installed")),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: Some(agent_resources(given)),
        volume_mounts: Some(vec![mount("agent", AGENT_DIRECTORY)]),
        security_context: Some(restricted(None, None)),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        ..Container::default()
    }
}

/// Fills the writable paths with what the image holds there, in the user's image itself.
fn seed_container(main: &Container, agent: &str, seeds: &[String], own_agent: bool) -> Container {
    let mut arguments = vec!["seed".to_owned()];
    let mut mounts = Vec::new();
    if !own_agent {
        mounts.push(mount("agent", AGENT_DIRECTORY));
    }
    for (at, path) in seeds.iter().enumerate() {
        let target = format!("{SEED_DIRECTORY}/{at}");
        mounts.push(mount(&format!("writable-{at}"), &target));
        arguments.extend([path.clone(), target]);
    }
    Container {
        name: SEED.to_owned(),
        command: Some(vec![agent.to_owned()]),
        args: Some(arguments),
        env: None,
        env_from: None,
        volume_mounts: Some(mounts),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        ..main.clone()
    }
}

fn ca_volume(database: &DatabaseSpec) -> Option<Volume> {
    let from = database.connection.ca_from.as_ref()?;
    let item = |key: &str| {
        Some(vec![KeyToPath {
            key: key.to_owned(),
            path: "ca.crt".to_owned(),
            mode: None,
        }])
    };
    Some(Volume {
        name: "ca".to_owned(),
        secret: from
            .secret_key_ref
            .as_ref()
            .map(|selector| SecretVolumeSource {
                secret_name: Some(selector.name.clone()),
                items: item(&selector.key),
                ..SecretVolumeSource::default()
            }),
        config_map: from
            .config_map_key_ref
            .as_ref()
            .map(|selector| ConfigMapVolumeSource {
                name: selector.name.clone(),
                items: item(&selector.key),
                ..ConfigMapVolumeSource::default()
            }),
        ..Volume::default()
    })
}

/// 100m and 256Mi where nothing is said: Prisma runs out of memory with 128Mi since 5.13.
fn resources(given: &ResourceRequirements) -> ResourceRequirements {
    let said = given.requests.as_ref().is_some_and(|r| !r.is_empty())
        || given.limits.as_ref().is_some_and(|l| !l.is_empty());
    if said {
        given.clone()
    } else {
        quantities("100m", "256Mi")
    }
}

/// Little, with limits where the resource names some: a quota on limits wants them of every container.
fn agent_resources(given: &ResourceRequirements) -> ResourceRequirements {
    let named = |key: &str| {
        given
            .limits
            .as_ref()
            .is_some_and(|limits| limits.contains_key(key))
    };
    let limits: BTreeMap<String, Quantity> = [("cpu", "200m"), ("memory", "64Mi")]
        .into_iter()
        .filter(|(key, _)| named(key))
        .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned())))
        .collect();
    ResourceRequirements {
        limits: Some(limits).filter(|limits| !limits.is_empty()),
        ..quantities("10m", "16Mi")
    }
}

fn quantities(cpu: &str, memory: &str) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(
            [("cpu", cpu), ("memory", memory)]
                .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned())))
                .into(),
        ),
        ..ResourceRequirements::default()
    }
}

fn restricted(user: Option<i64>, group: Option<i64>) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: user,
        run_as_group: group,
        ..SecurityContext::default()
    }
}

fn empty(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

fn unless_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
