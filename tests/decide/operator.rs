//! The operator around the decision: it observes, decides and applies as the real one does, and may die at any write.

use std::collections::{BTreeMap, BTreeSet};

use database_migration_operator::api::{ActionState, MigrationActionStatus};
use database_migration_operator::decide::{
    Decision, Effect, Refusal, Refused, Resource, Snapshot, decide, orphaned,
};
use database_migration_operator::facts::{ActionFacts, JobFacts, Reading, RestorePointFacts};

use super::invariants;
use super::promises;
use super::recorded;
use super::servers::{self, Line};
use super::world::{World, at};

/// What the process remembers of one resource; gone when it dies.
#[derive(Default)]
pub(super) struct Memory {
    points: BTreeMap<String, Reading<RestorePointFacts>>,
    pub(super) leases: BTreeSet<String>,
    /// What was refused, by Job, and when.
    pub(super) refusals: BTreeMap<String, (i64, Refusal)>,
    /// The Jobs that it made itself.
    pub(super) made: BTreeSet<String>,
    pub(super) answers: BTreeMap<String, MigrationActionStatus>,
    last_look: Option<i64>,
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
    pub(super) memory: Vec<Memory>,
    /// What a watch has shown of the Jobs.
    pub(super) view: BTreeMap<String, JobFacts>,
    /// What a watch has shown of the actions, by resource.
    pub(super) actions: Vec<(usize, ActionFacts)>,
    /// Deletions that the watch has told.
    told: BTreeSet<String>,
    /// Who waits for the only server.
    pub(super) line: Line,
}

enum End {
    Crashed,
    /// A write was refused: the pass ends here.
    Refused,
    /// A Job was refused, which is remembered, and it is decided anew.
    LookAgain,
    Done,
}

impl Operator {
    pub fn new(resources: usize) -> Self {
        let mut operator = Operator {
            memory: Vec::new(),
            view: BTreeMap::new(),
            actions: Vec::new(),
            told: BTreeSet::new(),
            line: Line::default(),
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
        let there = world.actions.iter().filter(|action| action.exists);
        let actions: Vec<(usize, ActionFacts)> = there
            .map(|action| (action.resource, action.facts.clone()))
            .collect();
        for (resource, _) in actions
            .iter()
            .filter(|action| !self.actions.contains(action))
        {
            self.memory[*resource].wake = true;
        }
        self.actions = actions;
    }

    /// The interval after which a finished resource is looked at again has passed.
    pub fn interval(&mut self) {
        for memory in &mut self.memory {
            memory.last_look = None;
            memory.wake = true;
        }
    }

    /// When this resource is to be looked at.
    pub fn due(&self, resource: usize, now: i64) -> Option<i64> {
        let memory = &self.memory[resource];
        if memory.wake { Some(now) } else { memory.timer }
    }

    /// One reconciliation. `meanwhile` happens between the look and the first write.
    pub fn reconcile(
        &mut self,
        world: &mut World,
        resource: usize,
        crash: Option<Crash>,
        get: bool,
        meanwhile: impl FnMut(&mut World),
    ) {
        let waits = self.passes(world, resource, crash, get, meanwhile);
        for next in self.line.settle(world, resource, waits) {
            self.wake(next);
        }
    }

    /// Whether it waits for the only server now.
    fn passes(
        &mut self,
        world: &mut World,
        resource: usize,
        mut crash: Option<Crash>,
        get: bool,
        mut meanwhile: impl FnMut(&mut World),
    ) -> bool {
        for pass in 0.. {
            if !world.objects[resource].exists {
                self.memory[resource] = Memory::default();
                self.answer_orphans(world, resource);
                return false;
            }
            if pass > 60 {
                world.violate(format!("resource {resource}: again and again"));
                return false;
            }
            let memory = &mut self.memory[resource];
            memory.wake = false;
            memory.timer = None;
            world.looked = world.now;
            let look_due = self.next_look(world, resource) <= world.now;
            let mut snapshot = self.observe(world, resource, look_due, get);
            let memory = &mut self.memory[resource];
            snapshot.restore_points = std::mem::take(&mut memory.points);
            if look_due && !snapshot.databases.is_empty() {
                memory.last_look = Some(world.now);
            }
            let decision = decide(&snapshot);
            recorded::note(&snapshot, &decision);
            if !recorded::is_recording() {
                invariants::fix_point(world, resource, &snapshot, &decision);
            }
            let before = world.now;
            if pass == 0 {
                meanwhile(world);
            }
            let quiet = before == world.now;
            let end = self.apply(world, resource, &snapshot, &decision, &mut crash);
            let requeue = decision.next_ms();
            let timer = requeue.map(|ms| world.now + i64::try_from(ms.div_ceil(1000)).unwrap());
            self.memory[resource].timer = timer;
            let status = &world.objects[resource].resource.status;
            let finished = status
                .run
                .as_ref()
                .is_some_and(|run| run.finished_at.is_some());
            if finished {
                let due = self.next_look(world, resource).max(world.now + 1);
                self.memory[resource].timer = timer.map(|timer| timer.min(due));
            }
            match end {
                End::Crashed => {
                    self.restart(world);
                    return false;
                }
                End::Refused => self.memory[resource].timer = Some(world.now + 1),
                End::LookAgain => {}
                End::Done if decision.again => {}
                End::Done if quiet && !recorded::is_recording() => {
                    self.offers(world, resource, &snapshot);
                    return !decision.in_line.is_empty();
                }
                End::Done => return !decision.in_line.is_empty(),
            }
        }
        false
    }

    fn apply(
        &mut self,
        world: &mut World,
        resource: usize,
        snapshot: &Snapshot,
        decision: &Decision,
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
            if !recorded::is_recording() {
                invariants::at_status(world, resource, &seen.status, status);
                promises::at_status(world, resource, &seen.status, status);
                servers::at_status(world, resource, &seen.status, status);
            }
            believed.status = (**status).clone();
            if before(true) {
                return End::Crashed;
            }
        }
        for effect in &decision.effects {
            if *effect == Effect::AddFinalizer {
                continue;
            }
            if before(false) {
                return End::Crashed;
            }
            let done = self.effect(world, resource, &believed, effect);
            if !done && matches!(effect, Effect::CreateJob(_)) {
                return End::LookAgain;
            }
            if !done {
                return End::Refused;
            }
            if before(true) {
                return End::Crashed;
            }
        }
        let status = &world.objects[resource].resource.status;
        let run = status.run.as_ref();
        let action = status.action.as_ref();
        let acting = action.is_some_and(|action| action.state == ActionState::Running);
        if run.is_some_and(|run| run.finished_at.is_some()) && !acting {
            let was = snapshot
                .resource
                .status
                .run
                .as_ref()
                .and_then(|run| run.outcome);
            let memory = &mut self.memory[resource];
            if was.is_none() {
                memory.last_look = Some(world.now);
            }
            // Nothing of a run that is over is worth its memory.
            if !decision.again {
                *memory = Memory {
                    answers: std::mem::take(&mut memory.answers),
                    last_look: memory.last_look,
                    wake: memory.wake,
                    ..Memory::default()
                };
            }
        }
        End::Done
    }

    fn next_look(&self, world: &World, resource: usize) -> i64 {
        let interval = world.objects[resource]
            .resource
            .spec
            .interval
            .seconds()
            .unwrap();
        self.memory[resource]
            .last_look
            .map_or(world.now, |last| last + interval)
    }

    /// Actions for a resource that there is not are refused, or over where they were taken up.
    fn answer_orphans(&mut self, world: &mut World, resource: usize) {
        let now = at(world.now);
        let name = world.objects[resource].resource.name.clone();
        let mut told = Vec::new();
        let there = world.actions.iter().filter(|action| action.exists);
        for action in there.filter(|action| action.resource == resource) {
            if let Some(status) = orphaned(action.facts.state, "production", &name, now) {
                told.push((action.facts.uid.clone(), status));
            }
        }
        for (uid, status) in told {
            answer(world, &uid, &status);
        }
    }

    fn effect(
        &mut self,
        world: &mut World,
        resource: usize,
        believed: &Resource,
        effect: &Effect,
    ) -> bool {
        match effect {
            Effect::SetAction { name, uid, status } => {
                let memory = &mut self.memory[resource];
                if memory.answers.get(uid) == Some(status) {
                    return true;
                }
                memory.answers.insert(uid.clone(), (**status).clone());
                let found = world.actions.iter().find(|a| a.facts.uid == *uid);
                assert!(found.is_none_or(|action| action.facts.name == *name));
                answer(world, uid, status);
            }
            Effect::MakeRestorePoint { database, name } => {
                let point = self.restore_point(world, believed, database, name);
                let points = &mut self.memory[resource].points;
                points.insert(database.clone(), point);
            }
            Effect::AddFinalizer => {}
            Effect::RemoveFinalizer => {
                let object = &mut world.objects[resource];
                object.resource.finalizer = false;
                object.exists &= !object.resource.deleting;
                // The watch tells that it is gone.
                self.memory[resource].wake |= !object.exists;
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
            Effect::CreateJob(plan) if world.refuses == Some(plan.step) => {
                let refusal = Refusal {
                    what: Refused::Job,
                    message: "denied by a policy".to_owned(),
                    since: at(world.now),
                    passing: false,
                };
                let refusals = &mut self.memory[resource].refusals;
                refusals.insert(plan.name.clone(), (world.now, refusal));
                return false;
            }
            Effect::CreateJob(plan) => {
                world.create_job(resource, believed, plan);
                self.memory[resource].made.insert(plan.name.clone());
            }
            Effect::DeleteJob { name, uid } => world.delete_job(name, uid),
            Effect::DeletePod { .. } => unreachable!("nobody adds a container to a pod here"),
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
        let mut decision = decide(&snapshot);
        let answers = &self.memory[resource].answers;
        let news = |effect: &Effect| match effect {
            Effect::SetAction { uid, status, .. } => answers.get(uid) != Some(status),
            // Refused ones are asked for again, from time to time.
            Effect::MakeRestorePoint { .. } => false,
            _ => true,
        };
        let asks = decision
            .effects
            .iter()
            .any(|e| matches!(e, Effect::MakeRestorePoint { .. }));
        decision.again &= !asks;
        decision.effects.retain(news);
        if decision.status.is_some() || !decision.effects.is_empty() || decision.again {
            let text = format!(
                "(f) resource {resource} is at rest and goes on: {:?} {:?}",
                decision.effects, decision.status
            );
            world.violate(text);
        }
    }
}

/// An action is told how far it is.
fn answer(world: &mut World, uid: &str, status: &MigrationActionStatus) {
    promises::at_answer(world, uid, status);
    let there = world.actions.iter_mut();
    for action in there.filter(|a| a.exists && a.facts.uid == uid) {
        action.status = status.clone();
        action.facts.state = status.state;
    }
}
