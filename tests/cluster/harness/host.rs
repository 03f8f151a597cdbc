//! A node's own view of its pods: their processes, which can be stopped and killed for real.

use std::process::Command;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};

use super::{Db, Stage};

/// The processes of one container of a pod, by their numbers on this machine.
pub fn processes(pod: &Pod, container: &str) -> Vec<i32> {
    let statuses = pod.status.as_ref().unwrap().container_statuses.iter();
    let id = statuses
        .flatten()
        .find(|status| status.name == container)
        .and_then(|status| status.container_id.as_deref()?.rsplit_once("//"))
        .unwrap_or_else(|| panic!("{} has no container {container}", pod.name_any()))
        .1;
    in_group(id)
}

/// The processes of a control group by a part of its name.
pub fn in_group(id: &str) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let number = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let groups = std::fs::read_to_string(format!("/proc/{number}/cgroup")).ok()?;
        groups.contains(id).then_some(number)
    });
    numbers.collect()
}

/// The process of a container that has this number inside of it.
pub fn process(pod: &Pod, container: &str, inside: i32) -> i32 {
    let found = processes(pod, container).into_iter().find(|number| {
        let status = std::fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("NSpid:"));
        line.and_then(|line| line.split_whitespace().last()) == Some(&inside.to_string())
    });
    found.unwrap_or_else(|| panic!("no process {inside} in {}", pod.name_any()))
}

/// Sends a signal by name, such as `KILL`; to one that is gone already it is no use.
pub fn signal(process: i32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .unwrap();
}

/// Ends every process of a container at once, as the kernel does where memory is short.
pub fn kill(pod: &Pod, container: &str) {
    let all = processes(pod, container);
    assert!(!all.is_empty(), "{} runs nothing", pod.name_any());
    for process in all {
        signal(process, "KILL");
    }
}

/// A process that stands still until this is dropped.
pub struct Stopped(i32);

impl Stopped {
    pub fn new(process: i32) -> Self {
        signal(process, "STOP");
        Stopped(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, "CONT");
    }
}

impl Stage {
    /// Lets the backend of a database's slow migration stand still until the answer is dropped: its number in its
    /// container, and what holds it.
    pub async fn stop_backend(&self, db: &Db) -> (i64, Stopped) {
        let pid = db.slow_backend().await;
        let pod = format!("{}-0", db.server.service());
        let server = self.pod("databases", &pod).await;
        let inside = i32::try_from(pid).unwrap();
        (pid, Stopped::new(process(&server, "postgres", inside)))
    }

    /// The running pod of a resource's migration.
    pub async fn migrating_pod(&self, name: &str) -> Pod {
        let pods = self.api::<Pod>().list(&Default::default()).await.unwrap();
        let found = pods.into_iter().find(|pod| {
            let label = |key: &str| pod.labels().get(key).map(String::as_str);
            let status = pod.status.as_ref();
            label("dbops.dev/migration") == Some(name)
                && label("dbops.dev/step") == Some("migrate")
                && status.and_then(|status| status.phase.as_deref()) == Some("Running")
        });
        found.unwrap_or_else(|| panic!("no migration of {name} runs"))
    }

    /// A pod of another namespace.
    pub async fn pod(&self, namespace: &str, name: &str) -> Pod {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        api.get(name).await.unwrap()
    }
}
