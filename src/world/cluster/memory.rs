//! What a process remembers between two reconciles. All of it may be lost: nothing is decided by it alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dbm_protocol::DatabaseInventory;
use kube::Resource as _;
use kube::api::Preconditions;
use kube::core::Status;

use super::PackedResource;
use crate::api::{ConnectionSpec, DatabaseMigration, MigrationActionStatus};
use crate::database::{Look, Target};
use crate::decide::{LeaseFacts, Refusal, Refused};
use crate::facts::{DatabaseFacts, JobFacts, NotStarted, Reading, RestorePointFacts};
use crate::runtime::clock;

/// How long a refusal of the API server is believed before it is asked again.
const REFUSAL_HOLDS: Duration = Duration::from_secs(14);
/// The same for one that may pass by itself.
const HICCUP_HOLDS: Duration = Duration::from_secs(2);
/// How long a Job that was just made may be missing from the cache before the API server is asked.
const CACHE_LAG: Duration = Duration::from_secs(10);
/// Answers to MigrationActions that are remembered until the cache shows them.
const ANSWERS: usize = 16;
/// Versions of one object that were overtaken by own writes, the newest last.
const OVERTAKEN: usize = 16;

/// Inventories kept in memory, and the size of SQL up to which one is, bytes.
const RECENT: usize = 8;
const RECENT_SIZE: u64 = 256 * 1024;

/// Of all resources of a scope.
#[derive(Default)]
pub struct Memory {
    /// Boxed: a map has room for up to twice as many as it holds.
    resources: HashMap<String, Box<Remembered>>,
    /// The inventories that were stored or read last, by namespace and key: another resource of the same release needs
    /// the same ones.
    recent: VecDeque<(String, String, DatabaseInventory)>,
}

/// Of one resource.
#[derive(Default)]
pub struct Remembered {
    newest: Option<Arc<DatabaseMigration>>,
    overtaken: Vec<String>,
    /// The last look at each database.
    pub looks: HashMap<String, LastLook>,
    /// There was no room to wait for its databases the last time.
    pub turned_away: bool,
    /// Where each database is.
    pub targets: HashMap<String, KnownTarget>,
    /// The inventories found under these keys, while a run needs them.
    pub inventories: Option<(Vec<String>, BTreeMap<String, DatabaseInventory>)>,
    /// Leases that may still stand although the journal has given them back; `None` before the resource was looked at.
    pub doubtful: Option<BTreeSet<String>>,
    /// The Leases that this resource's run holds, as they were taken.
    pub held: HashMap<String, Preconditions>,
    /// The Jobs that this process made for the run, and when; the facts until the cache has shown them.
    created: HashMap<String, (Duration, Option<JobFacts>)>,
    /// What the Events of a Job or pod said, by its uid, and how long that is believed.
    pub reported: HashMap<String, (Duration, Option<NotStarted>)>,
    /// Leases that could not be had.
    pub leases: BTreeMap<String, LeaseFacts>,
    /// The restore points that were just made, for the next look.
    pub restore_points: BTreeMap<String, Reading<RestorePointFacts>>,
    answers: VecDeque<(String, MigrationActionStatus)>,
    /// What the API server refused, by the Job that needs it, and when it was asked last.
    refusals: HashMap<String, (Duration, Refusal)>,
    /// Jobs that were adopted or deleted a moment ago, by uid.
    tidied: HashMap<String, Duration>,
    last_look: Option<Duration>,
}

/// Where a database is, as a Secret said.
#[derive(Clone)]
pub struct KnownTarget {
    /// The spec's words for it, by which it was found.
    pub connection: ConnectionSpec,
    /// When the Secret was read.
    pub read_at: Duration,
    /// What it says.
    pub target: Target,
    /// The certificate authority, PEM.
    pub ca: Option<Vec<u8>>,
}

/// What was seen of a database.
pub struct LastLook {
    /// The spec's words for where it is.
    pub connection: ConnectionSpec,
    /// When it was seen.
    pub at: Duration,
    /// What was looked at.
    pub what: Look,
    /// What was seen.
    pub reading: Reading<DatabaseFacts>,
}

impl Memory {
    /// What is remembered of one resource.
    pub fn of(&mut self, uid: &str) -> &mut Remembered {
        self.resources.entry(uid.to_owned()).or_default()
    }

    /// An inventory that was stored or read a moment ago.
    pub fn recent(&self, namespace: &str, key: &str) -> Option<DatabaseInventory> {
        let found = self
            .recent
            .iter()
            .find(|(ns, known, _)| ns == namespace && known == key);
        found.map(|(_, _, inventory)| inventory.clone())
    }

    /// Remembers an inventory for the next resource that needs it; big ones are read again instead.
    pub fn keep(&mut self, namespace: &str, key: &str, inventory: &DatabaseInventory) {
        self.recent
            .retain(|(ns, known, _)| ns != namespace || known != key);
        let size: u64 = inventory
            .migrations
            .iter()
            .map(|migration| migration.size)
            .sum();
        if size <= RECENT_SIZE {
            self.recent
                .push_back((namespace.to_owned(), key.to_owned(), inventory.clone()));
        }
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// How many resources are remembered.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Forgets the resources that are gone.
    pub fn keep_only(&mut self, uids: &HashSet<&str>) {
        self.resources.retain(|uid, _| uids.contains(uid.as_str()));
    }

    /// The own write that the cache does not show yet; see [`super::Cluster::newest`].
    pub fn newest(&mut self, cached: &PackedResource) -> Option<Arc<DatabaseMigration>> {
        let meta = cached.meta();
        let memory = self.resources.get_mut(meta.uid.as_ref()?)?;
        match &memory.newest {
            Some(newest) if memory.overtaken.contains(meta.resource_version.as_ref()?) => {
                Some(newest.clone())
            }
            _ => {
                // The cache has caught up; a spare copy of the object is not worth its memory.
                memory.newest = None;
                memory.overtaken.clear();
                None
            }
        }
    }

    /// An own write was answered with `new`.
    pub fn wrote(&mut self, old: &DatabaseMigration, new: &Arc<DatabaseMigration>) {
        let memory = self.of(old.metadata.uid.as_deref().unwrap_or_default());
        if let Some(version) = &old.metadata.resource_version
            && old.metadata.resource_version != new.metadata.resource_version
        {
            memory.overtaken.push(version.clone());
            if memory.overtaken.len() > OVERTAKEN {
                memory.overtaken.remove(0);
            }
        }
        memory.newest = Some(new.clone());
    }

    /// When a finished resource is to be looked at again, milliseconds from now; spread over the interval after a
    /// restart, so that a thousand resources do not look at once.
    pub fn next_look_ms(&self, uid: &str, interval: i64) -> u64 {
        let Some(interval) = u64::try_from(interval).ok().filter(|seconds| *seconds > 0) else {
            return u64::MAX;
        };
        let interval = Duration::from_secs(interval);
        let due = match self.resources.get(uid).and_then(|memory| memory.last_look) {
            Some(last) => last + interval,
            None => {
                let spread = u64::from_str_radix(uid.get(..8).unwrap_or_default(), 16).unwrap_or(0);
                Duration::from_millis(
                    spread % u64::try_from(interval.as_millis()).unwrap_or(1).max(1),
                )
            }
        };
        u64::try_from(due.saturating_sub(clock::monotonic()).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Remembered {
    /// A Job was made; the cache does not show it yet.
    pub fn made(&mut self, job: JobFacts) {
        self.granted(&job.name);
        self.created
            .insert(job.name.clone(), (clock::monotonic(), Some(job)));
    }

    /// A Job that was made a moment ago.
    pub fn just_made(&self, name: &str) -> Option<JobFacts> {
        let (at, job) = self.created.get(name)?;
        let job = job.as_ref()?;
        (clock::monotonic().saturating_sub(*at) < CACHE_LAG).then(|| job.clone())
    }

    /// Whether this process made the Job, wherever it is by now.
    pub fn has_made(&self, name: &str) -> bool {
        self.created.contains_key(name)
    }

    /// The cache shows the Job.
    pub fn seen(&mut self, name: &str) {
        if let Some((_, job)) = self.created.get_mut(name) {
            *job = None;
        }
    }

    /// A Job was adopted or deleted; the cache does not show it yet.
    pub fn tidied(&mut self, uid: &str) {
        let now = clock::monotonic();
        self.tidied
            .retain(|_, at| now.saturating_sub(*at) < CACHE_LAG);
        self.tidied.insert(uid.to_owned(), now);
    }

    /// Whether a Job was adopted or deleted a moment ago.
    pub fn is_tidied(&self, uid: &str) -> bool {
        let at = self.tidied.get(uid);
        at.is_some_and(|at| clock::monotonic().saturating_sub(*at) < CACHE_LAG)
    }

    /// What was last said on a MigrationAction.
    pub fn answered(&self, uid: &str) -> Option<&MigrationActionStatus> {
        let said = self.answers.iter().find(|(known, _)| known == uid);
        said.map(|(_, status)| status)
    }

    /// This was said on a MigrationAction.
    pub fn answer(&mut self, uid: &str, status: MigrationActionStatus) {
        self.answers.retain(|(known, _)| known != uid);
        self.answers.push_back((uid.to_owned(), status));
        if self.answers.len() > ANSWERS {
            self.answers.pop_front();
        }
    }

    /// The API server refused what the step of a Job needs.
    pub fn refuse(&mut self, job: &str, what: Refused, status: &Status) {
        let before = self.refusals.get(job).map(|(_, refusal)| refusal);
        let since = before.filter(|before| before.what == what);
        let refusal = Refusal {
            what,
            message: status.message.clone(),
            since: since.map_or_else(clock::now, |before| before.since),
            passing: status.code >= 500,
        };
        let asked = (clock::monotonic(), refusal);
        self.refusals.insert(job.to_owned(), asked);
    }

    /// The API server refuses nothing any more of what the step of a Job needs.
    pub fn granted(&mut self, job: &str) {
        self.refusals.remove(job);
    }

    /// The refusals that are still believed.
    pub fn refusals(&self) -> BTreeMap<String, Refusal> {
        let (now, wall) = (clock::monotonic(), clock::now());
        let believed = |at: Duration, refusal: &Refusal| {
            let holds = if refusal.is_hiccup(wall) {
                HICCUP_HOLDS
            } else {
                REFUSAL_HOLDS
            };
            now.saturating_sub(at) < holds
        };
        let refusals = self.refusals.iter();
        refusals
            .filter(|(_, (at, refusal))| believed(*at, refusal))
            .map(|(job, (_, refusal))| (job.clone(), refusal.clone()))
            .collect()
    }

    /// The databases of a finished resource were looked at, or its run ended just now.
    pub fn looked(&mut self) {
        self.last_look = Some(clock::monotonic());
    }

    /// Nothing of a run that is over is worth its memory.
    pub fn rest(&mut self) {
        let last_look = self.last_look;
        let newest = self.newest.take();
        let overtaken = std::mem::take(&mut self.overtaken);
        let answers = std::mem::take(&mut self.answers);
        let tidied = std::mem::take(&mut self.tidied);
        let doubtful = self.doubtful.take();
        *self = Remembered {
            doubtful,
            tidied,
            answers,
            last_look,
            newest,
            overtaken,
            ..Remembered::default()
        };
    }
}
