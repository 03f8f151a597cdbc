//! The world as a Kubernetes cluster: `observe` reads it, `apply` changes it.

mod actions;
mod apply;
mod cache;
mod connection;
mod error;
mod inventory;
mod jobs;
mod lanes;
mod leases;
mod memory;
mod observe;
mod packed;
mod pod;
mod polls;
mod reported;
mod seen;
mod servers;
mod wake;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use kube::runtime::reflector::Store;
use kube::{Client, Resource};
use tokio::sync::OnceCell;

pub use cache::{Cache, Kept, Place};
pub use error::Error;
pub(crate) use error::told;
use lanes::Lanes;
pub use lanes::Turn;
pub use memory::Memory;
pub use packed::PackedResource;
pub use seen::{SeenJob, SeenPod, slim};
pub use servers::{Servers, Who};
pub use wake::{Sleepers, Wake};

use self::polls::Polls;
use crate::api::{DatabaseMigration, MigrationAction};
use crate::build::Settings;
use crate::database::names::PodNames;
use crate::runtime::liveness::Liveness;
use crate::runtime::metrics::Metrics;

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
    /// Runs at work on each database server, where that is limited.
    pub servers: Servers,
    /// Whether the scopes go on.
    pub liveness: Liveness,
    /// How a pod of this cluster looks for a host.
    pub names: PodNames,
    /// How many resources of one scope are worked on at once, while their databases answer.
    pub concurrency: u16,
}

/// So many resources may be gone and still be remembered.
const SPARE: usize = 64;

/// One scope of watched namespaces.
pub struct Cluster {
    pub(crate) shared: Arc<Shared>,
    resources: Store<PackedResource>,
    pub(crate) jobs: Arc<Cache<SeenJob>>,
    pub(crate) pods: Arc<Cache<SeenPod>>,
    pub(crate) actions: Arc<Cache<MigrationAction>>,
    memory: Mutex<Memory>,
    /// Who is worked on at once.
    pub lanes: Lanes,
    polls: Polls,
    /// It has told what runs are at work.
    told: OnceCell<()>,
}

impl Cluster {
    /// A scope that reads from these stores.
    pub fn new(
        shared: Arc<Shared>,
        resources: Store<PackedResource>,
        jobs: Arc<Cache<SeenJob>>,
        pods: Arc<Cache<SeenPod>>,
        actions: Arc<Cache<MigrationAction>>,
    ) -> Self {
        Cluster {
            lanes: Lanes::new(shared.concurrency),
            polls: Polls::default(),
            shared,
            resources,
            jobs,
            pods,
            actions,
            memory: Mutex::new(Memory::default()),
            told: OnceCell::new(),
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
        self.jobs.filled().await;
        self.pods.filled().await;
        self.actions.filled().await;
        if self.shared.servers.limited() {
            self.told.get_or_init(|| self.tell_servers()).await;
            self.shared.servers.all_told().await;
        }
    }

    /// What runs are at work already, before any is started.
    async fn tell_servers(&self) {
        let all = self.resources.state();
        let at_work = all.iter().filter_map(|packed| {
            // One that cannot be read is told of where it is reconciled.
            let status = packed.unpack().ok()?.status;
            let turns = status.as_ref().map(crate::decide::turns);
            Some((servers::who(&**packed), turns.unwrap_or_default()))
        });
        self.shared.servers.told(at_work);
    }

    /// What the cache holds of a resource by now; the version that is given where it is gone.
    pub fn cached(&self, seen: &Arc<PackedResource>) -> Arc<PackedResource> {
        let now = self.resources.get(&servers::who(&**seen));
        now.unwrap_or_else(|| seen.clone())
    }

    /// After how many milliseconds a resource is polled that is to be polled after `wanted_ms`: many share.
    pub fn pace(&self, object: &impl Resource, wanted_ms: Option<u64>) -> Option<u64> {
        self.polls.after(servers::who(object), wanted_ms)
    }

    /// A resource was worked on; whoever may go on by that is woken.
    pub fn settle(&self, object: &impl Resource, in_line: &BTreeSet<String>) {
        let next = self.shared.servers.settle(&servers::who(object), in_line);
        self.shared.sleepers.call(next);
    }

    /// A resource is gone.
    pub fn gone(&self, resource: &Who) {
        self.polls.after(resource.clone(), None);
        let next = self.shared.servers.gone(resource);
        self.shared.sleepers.call(next);
    }

    /// The newest version of a resource that is known here: after an own write the cache lags behind.
    ///
    /// # Errors
    /// [`Error::Packed`].
    pub fn newest(&self, cached: &PackedResource) -> Result<Arc<DatabaseMigration>, Error> {
        let mut memory = self.memory();
        if memory.len() > 2 * self.resources.len() + SPARE {
            let there = self.resources.state();
            let there = there
                .iter()
                .filter_map(|object| object.meta().uid.as_deref());
            memory.keep_only(&there.collect());
        }
        let newest = memory.newest(cached);
        drop(memory);
        let newest = match newest {
            Some(newest) => newest,
            None => Arc::new(cached.unpack()?),
        };
        self.shared.servers.note(&newest);
        Ok(newest)
    }

    /// When the next look at a finished resource is due, milliseconds from now.
    pub fn next_look_ms(&self, object: &DatabaseMigration) -> u64 {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let interval = object.spec.interval.seconds().unwrap_or(3600);
        self.memory().next_look_ms(&uid, interval)
    }
}
