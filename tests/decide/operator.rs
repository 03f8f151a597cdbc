//! The operator around the decision: it observes, decides and applies as the real one does, and may die at any write.

use std::collections::{BTreeMap, BTreeSet};

use database_migration_operator::decide::{
    Effect, LeaseFacts, Refusal, Snapshot, decide, inventory_key, wants,
};
use database_migration_operator::facts::{
    JobFacts, Reading, RestorePointFacts, Unreadable, UnreadableReason,
};
use dbm_agent::protocol::{InventoryReport, VERSION};

use super::invariants;
use super::world::{World, at};

/// What the process remembers of one resource; gone when it dies.
#[derive(Default)]
struct Memory {
    points: BTreeMap<String, Reading<RestorePointFacts>>,
    leases: BTreeSet<String>,
    refusal: Option<Refusal>,
    timer: Option<i64>,
    wake: bool,
}

/// When the process dies: at its n-th write of this pass, before it or after it.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    pub write: u8,
    pub done: bool,
}

pub struct Operator {
    memory: Vec<Memory>,
    /// What a watch has shown of the Jobs.
    view: BTreeMap<String, JobFacts>,
    /// Deletions that the watch has told.
    told: BTreeSet<String>,
}

enum End {
    Crashed,
    /// A write was refused: the pass ends here.
    Refused,
    Done,
}

impl Operator {
    pub fn new(resources: usize) -> Self {
        let mut operator = Operator {
            memory: Vec::new(),
            view: BTreeMap::new(),
            told: BTreeSet::new(),
        };
        operator.memory.resize_with(resources, Memory::default);
        operator.wake_all();
        operator
    }

    fn wake_all(&mut self) {
        self.memory.iter_mut().for_each(|memory| memory.wake = true);
    }

    pub fn wake(&mut self, resource: usize) {
        self.memory[resource].wake = true;
    }

    /// A new process: it lists everything, and remembers nothing.
    pub fn restart(&mut self, world: &World) {
        let resources = self.memory.len();
        *self = Operator::new(resources);
        self.sync(world);
    }

    /// The watch catches up.
    pub fn sync(&mut self, world: &World) {
        let mut view = BTreeMap::new();
        for (name, job) in world.jobs.iter().filter(|(_, job)| job.exists) {
            view.insert(name.clone(), job.facts.clone());
            if self.view.get(name) != Some(&job.facts) {
                self.memory[job.resource].wake = true;
            }
        }
        // A deletion is told, also of what was never shown.
        for (name, job) in world.jobs.iter().filter(|(_, job)| !job.exists) {
            if self.told.insert(job.facts.uid.clone()) || self.view.contains_key(name) {
                self.memory[job.resource].wake = true;
            }
        }
        self.view = view;
    }

    /// When this resource is to be looked at.
    pub fn due(&self, resource: usize, now: i64) -> Option<i64> {
        let memory = &self.memory[resource];
        if memory.wake { Some(now) } else { memory.timer }
    }

    fn observe(&mut self, world: &World, resource: usize, look_due: bool, get: bool) -> Snapshot {
        let object = world.objects[resource].resource.clone();
        let mut jobs = BTreeMap::new();
        for step in object.status.run.iter().flat_map(|run| &run.steps) {
            if let Some(facts) = self.view.get(&step.job) {
                jobs.insert(step.job.clone(), Some(facts.clone()));
            } else if get {
                let job = world.jobs.get(&step.job).filter(|job| job.exists);
                jobs.insert(step.job.clone(), job.map(|job| job.facts.clone()));
            }
        }
        let now = at(world.now);
        let wants = wants(&object, &jobs, &[], look_due);
        let mut inventories = BTreeMap::new();
        if wants.inventories {
            for database in &object.spec.databases {
                let stored = world.stored.get(&inventory_key(&object.spec, database));
                inventories.extend(stored.map(|found| (database.name.clone(), found.clone())));
            }
        }
        let report = wants.report_of.and_then(|name| {
            let job = world.jobs.get(&name)?;
            let push = world.push(&job.image);
            let databases = object.spec.databases.iter();
            Some(Ok(InventoryReport {
                version: VERSION,
                databases: databases
                    .map(|d| world.inventory(&job.image, push, &d.name))
                    .collect(),
            }))
        });
        let mut databases = BTreeMap::new();
        for database in &object.spec.databases {
            let Some(want) = wants.databases.get(&database.name) else {
                continue;
            };
            let target = &database.connection.secret_key_ref.name;
            let reading = if world.databases[super::world::split(target).0].readable {
                Reading::Known(world.facts(target, want.catalog))
            } else {
                Reading::Unknown(Unreadable {
                    reason: UnreadableReason::Unreachable,
                    message: "no answer".to_owned(),
                })
            };
            databases.insert(database.name.clone(), reading);
        }
        let me = format!("{}/{}/{}", object.namespace, object.name, object.uid);
        let mut leases = BTreeMap::new();
        for name in &self.memory[resource].leases {
            if let Some((holder, version)) = world.leases.get(name) {
                let run = object.status.run.as_ref().map_or("", |run| run.id.as_str());
                if *holder != format!("{me}/{run}") {
                    let facts = LeaseFacts {
                        holder: holder.clone(),
                        holder_gone: holder_gone(world, name, holder),
                        resource_version: version.to_string(),
                    };
                    leases.insert(name.clone(), facts);
                }
            }
        }
        Snapshot {
            now,
            resource: object,
            inventories,
            report,
            databases,
            jobs,
            leases,
            old_jobs: Vec::new(),
            refusal: self.memory[resource].refusal.clone(),
            actions: Vec::new(),
            restore_points: std::mem::take(&mut self.memory[resource].points),
            look_due,
        }
    }

    /// One reconciliation. `meanwhile` happens between the look and the first write.
    pub fn reconcile(
        &mut self,
        world: &mut World,
        resource: usize,
        mut crash: Option<Crash>,
        get: bool,
        mut meanwhile: impl FnMut(&mut World),
    ) {
        for pass in 0.. {
            if !world.objects[resource].exists {
                self.memory[resource] = Memory::default();
                return;
            }
            if pass > 60 {
                return world.violate(format!("resource {resource}: again and again"));
            }
            let memory = &mut self.memory[resource];
            let look_due = memory.timer.is_some_and(|timer| timer <= world.now);
            memory.wake = false;
            memory.timer = None;
            let snapshot = self.observe(world, resource, look_due, get);
            let decision = decide(&snapshot);
            invariants::fix_point(world, resource, &snapshot, &decision);
            if pass == 0 {
                meanwhile(world);
            }
            self.memory[resource].timer = decision
                .requeue_ms
                .map(|ms| world.now + i64::try_from(ms.div_ceil(1000)).unwrap());
            match self.apply(world, resource, &snapshot, &decision, &mut crash) {
                End::Crashed => return self.restart(world),
                End::Refused => self.memory[resource].timer = Some(world.now + 1),
                End::Done if decision.again => {}
                End::Done => return,
            }
            if pass > 30 && self.memory[resource].timer.is_some() {
                return;
            }
        }
    }

    fn apply(
        &mut self,
        world: &mut World,
        resource: usize,
        snapshot: &Snapshot,
        decision: &database_migration_operator::decide::Decision,
        crash: &mut Option<Crash>,
    ) -> End {
        let mut before = |done: bool| {
            let Some(left) = crash else { return false };
            if left.write == 0 && left.done == done {
                *crash = None;
                return true;
            }
            if done || left.write > 0 && !left.done {
                left.write = left.write.saturating_sub(1);
            }
            false
        };
        let mut version = world.objects[resource].version;
        let seen = snapshot.resource.clone();
        if decision.effects.contains(&Effect::AddFinalizer) {
            if before(false) {
                return End::Crashed;
            }
            world.objects[resource].resource.finalizer = true;
            if before(true) {
                return End::Crashed;
            }
        }
        let mut believed = seen.clone();
        if let Some(status) = &decision.status {
            if before(false) {
                return End::Crashed;
            }
            let object = &mut world.objects[resource];
            if object.resource.generation != seen.generation || version != object.version {
                return End::Refused;
            }
            object.resource.status = (**status).clone();
            object.version += 1;
            version = object.version;
            let _ = version;
            invariants::at_status(world, resource, &seen.status, status);
            believed.status = (**status).clone();
            if before(true) {
                return End::Crashed;
            }
        }
        self.memory[resource].refusal = None;
        for effect in &decision.effects {
            if *effect == Effect::AddFinalizer {
                continue;
            }
            if before(false) {
                return End::Crashed;
            }
            let done = self.effect(world, resource, &believed, effect);
            if !done {
                return End::Refused;
            }
            if before(true) {
                return End::Crashed;
            }
        }
        End::Done
    }

    fn effect(
        &mut self,
        world: &mut World,
        resource: usize,
        believed: &database_migration_operator::decide::Resource,
        effect: &Effect,
    ) -> bool {
        match effect {
            Effect::SetAction { .. } => {}
            Effect::MakeRestorePoint { database, name } => {
                let point = RestorePointFacts {
                    name: Some(name.clone()),
                    refused: None,
                    lsn: "0/1".to_owned(),
                    at: at(world.now),
                    commits: 1,
                };
                self.memory[resource]
                    .points
                    .insert(database.clone(), Reading::Known(point));
            }
            Effect::AddFinalizer => {}
            Effect::RemoveFinalizer => {
                let object = &mut world.objects[resource];
                object.resource.finalizer = false;
                object.exists &= !object.resource.deleting;
            }
            Effect::StoreInventory { key, inventory } => {
                world.stored.insert(key.clone(), (**inventory).clone());
            }
            Effect::AcquireLease {
                name,
                holder,
                take_over,
            } => {
                if let Some((held, version)) = world.leases.get(name).cloned()
                    && held != *holder
                    && take_over.as_deref() != Some(version.to_string().as_str())
                {
                    self.memory[resource].leases.insert(name.clone());
                    return false;
                }
                let version = world.serial();
                world.leases.insert(name.clone(), (holder.clone(), version));
            }
            Effect::ReleaseLease { name, holder } => {
                if world
                    .leases
                    .get(name)
                    .is_some_and(|(held, _)| held == holder)
                {
                    world.leases.remove(name);
                }
            }
            Effect::CreateJob(plan) => world.create_job(resource, believed, plan),
            Effect::DeleteJob { name, uid } => world.delete_job(name, uid),
            Effect::AdoptJob { name, uid } => {
                if let Some(job) = world.jobs.get_mut(name).filter(|job| job.facts.uid == *uid) {
                    job.facts.adopted = true;
                }
            }
        }
        true
    }

    /// Once it is at rest, nothing more is written.
    pub fn at_rest(&mut self, world: &mut World, resource: usize) {
        let snapshot = self.observe(world, resource, false, true);
        let decision = decide(&snapshot);
        if decision.status.is_some() || !decision.effects.is_empty() || decision.again {
            let text = format!(
                "(f) resource {resource} is at rest and goes on: {:?} {:?}",
                decision.effects, decision.status
            );
            world.violate(text);
        }
    }
}

/// The run that holds a Lease is over, or its resource is gone, or its journal does not name the Lease.
fn holder_gone(world: &World, lease: &str, holder: &str) -> bool {
    let parts: Vec<&str> = holder.split('/').collect();
    !world.objects.iter().any(|object| {
        object.exists
            && object.resource.uid == parts[2]
            && object
                .resource
                .status
                .databases
                .iter()
                .any(|database| database.lease == lease)
            && object
                .resource
                .status
                .run
                .as_ref()
                .is_some_and(|run| run.id == parts[3])
    })
}
