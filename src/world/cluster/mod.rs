//! The world as a Kubernetes cluster: `observe` reads it, `apply` changes it.

mod actions;
mod apply;
mod connection;
mod inventory;
mod jobs;
mod leases;
mod memory;
mod observe;
mod wake;

use std::sync::{Arc, Mutex, MutexGuard};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::runtime::reflector::Store;

pub use memory::Memory;
pub use wake::{Sleepers, Wake};

use crate::api::{DatabaseMigration, MigrationAction};
use crate::build::Settings;
use crate::runtime::metrics::Metrics;

/// What went wrong with the world; tried again with backoff.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("{doing}: {}", told(.source))]
    Api {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// Somebody else changed the object in between: read again, decide again.
    #[error("{0} changed in between")]
    Conflict(String),
}

impl Error {
    /// Wraps an answer of the API server.
    pub(crate) fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
        let doing = doing.into();
        move |source| match &source {
            kube::Error::Api(status) if status.code == 409 => Error::Conflict(doing),
            _ => Error::Api {
                doing,
                source: Box::new(source),
            },
        }
    }
}

/// The API server's own words, without the object around them.
pub(crate) fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// What every scope of watched namespaces shares.
pub struct Shared {
    /// The client.
    pub client: Client,
    /// What holds for every Job.
    pub settings: Settings,
    /// Where the Leases of databases live: the operator's own namespace.
    pub namespace: String,
    /// Who tells people: the operator's pod.
    pub reporter: String,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Resources that wait for a database's turn.
    pub sleepers: Sleepers,
}

/// So many resources may be gone and still be remembered.
const SPARE: usize = 64;

/// One scope of watched namespaces.
pub struct Cluster {
    pub(crate) shared: Arc<Shared>,
    resources: Store<DatabaseMigration>,
    pub(crate) jobs: Store<Job>,
    pub(crate) pods: Store<Pod>,
    pub(crate) actions: Store<MigrationAction>,
    memory: Mutex<Memory>,
}

impl Cluster {
    /// A scope that reads from these stores.
    pub fn new(
        shared: Arc<Shared>,
        resources: Store<DatabaseMigration>,
        jobs: Store<Job>,
        pods: Store<Pod>,
        actions: Store<MigrationAction>,
    ) -> Self {
        Cluster {
            shared,
            resources,
            jobs,
            pods,
            actions,
            memory: Mutex::new(Memory::default()),
        }
    }

    /// The memory is plain data that no panic leaves half-written, so a poisoned lock is as good as a sound one.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until the caches hold what there is. Their watches go on meanwhile; where they have ended, so does the
    /// process.
    pub async fn caches_filled(&self) {
        let _ = self.jobs.wait_until_ready().await;
        let _ = self.pods.wait_until_ready().await;
        let _ = self.actions.wait_until_ready().await;
    }

    /// The newest version of a resource that is known here: after an own write the cache lags behind.
    pub fn newest(&self, cached: &Arc<DatabaseMigration>) -> Arc<DatabaseMigration> {
        let mut memory = self.memory();
        if memory.len() > 2 * self.resources.len() + SPARE {
            let there = self.resources.state();
            let there = there
                .iter()
                .filter_map(|object| object.metadata.uid.as_deref());
            memory.keep_only(&there.collect());
        }
        memory.newest(cached)
    }

    /// When the next look at a finished resource is due, milliseconds from now.
    pub fn next_look_ms(&self, object: &DatabaseMigration) -> u64 {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let interval = object.spec.interval.seconds().unwrap_or(3600);
        self.memory().next_look_ms(&uid, interval)
    }
}
