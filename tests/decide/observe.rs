//! What the operator sees: the databases as they are, the Jobs and the actions as a watch has shown them.

use std::collections::BTreeMap;

use database_migration_operator::decide::{LeaseFacts, Resource, Snapshot, inventory_key, wants};
use database_migration_operator::facts::{
    ActionFacts, Reading, RestorePointFacts, Unreadable, UnreadableReason,
};
use dbm_protocol::{InventoryReport, VERSION};

use super::operator::Operator;
use super::promises;
use super::world::{World, at, split};

impl Operator {
    pub(super) fn observe(
        &self,
        world: &World,
        resource: usize,
        look_due: bool,
        get: bool,
    ) -> Snapshot {
        let answers = &self.memory[resource].answers;
        let shown = self.actions.iter().filter(|(of, _)| *of == resource);
        let mut actions: Vec<ActionFacts> = shown.map(|(_, action)| action.clone()).collect();
        // Answered a moment ago; the watch lags behind.
        for action in &mut actions {
            if let Some(said) = answers.get(&action.uid) {
                action.state = said.state;
            }
        }
        actions.retain(|action| !action.state.is_final());
        actions.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        self.observe_with(world, resource, look_due, get, actions)
    }

    pub(super) fn observe_with(
        &self,
        world: &World,
        resource: usize,
        look_due: bool,
        get: bool,
        actions: Vec<ActionFacts>,
    ) -> Snapshot {
        let object = world.objects[resource].resource.clone();
        let mut jobs = BTreeMap::new();
        let run = object.status.run.as_ref();
        for step in run.iter().flat_map(|run| &run.steps) {
            let ended = run.is_some_and(|run| run.finished_at.is_some()) && object.finalizer;
            if step.finished_at.is_some() && !ended {
                continue;
            }
            if let Some(facts) = self.view.get(&step.job) {
                jobs.insert(step.job.clone(), Some(facts.clone()));
            } else if get {
                let job = world.jobs.get(&step.job).filter(|job| job.exists);
                jobs.insert(step.job.clone(), job.map(|job| job.facts.clone()));
            }
        }
        let now = at(world.now);
        let wants = wants(&object, &jobs, &actions, look_due, now);
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
            let reading = if let Some(reason) = world.trouble.unread {
                Reading::Unknown(Unreadable {
                    reason,
                    message: "it cannot be read".to_owned(),
                })
            } else if world.is_readable(split(target).0) {
                Reading::Known(world.facts(target, *want))
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
                        holder_hidden: false,
                        resource_version: version.to_string(),
                    };
                    leases.insert(name.clone(), facts);
                }
            }
        }
        let memory = &self.memory[resource];
        let made = memory.made.iter().filter(|job| jobs.contains_key(*job));
        let refusals = memory.refusals.iter();
        let believed = refusals.filter(|(_, (at, _))| world.now - at < 14);
        Snapshot {
            now,
            made: made.cloned().collect(),
            refusals: believed
                .map(|(job, (_, refusal))| (job.clone(), refusal.clone()))
                .collect(),
            resource: object,
            inventories,
            report,
            databases,
            jobs,
            leases,
            servers: self.line.facts(world, resource),
            old_jobs: Vec::new(),
            held_pods: Vec::new(),
            left_turns: Vec::new(),
            actions,
            restore_points: BTreeMap::new(),
            look_due,
        }
    }

    /// What is offered now and was not before is not refused.
    pub(super) fn offers(&mut self, world: &mut World, resource: usize, snapshot: &Snapshot) {
        let status = world.objects[resource].resource.status.clone();
        if status.choices == snapshot.resource.status.choices || !world.objects[resource].exists {
            return;
        }
        promises::at_offer(world, resource, &status, |world, action| {
            self.observe_with(world, resource, false, true, vec![action.facts.clone()])
        });
    }

    /// What the server says of a restore point.
    pub(super) fn restore_point(
        &mut self,
        world: &mut World,
        believed: &Resource,
        database: &str,
        name: &str,
    ) -> Reading<RestorePointFacts> {
        let databases = &believed.spec.databases;
        let spec = databases.iter().find(|d| d.name == database).unwrap();
        let physical = super::world::split(&spec.connection.secret_key_ref.name).0;
        if !world.is_readable(physical) {
            return Reading::Unknown(Unreadable {
                reason: UnreadableReason::Unreachable,
                message: "no answer".to_owned(),
            });
        }
        let lsn = format!("0/{}", world.serial());
        let (now, may) = (world.now, world.may_point);
        let physical = world.databases.get_mut(physical).unwrap();
        let content = physical.content.clone();
        physical.places.insert(lsn.clone(), content);
        Reading::Known(RestorePointFacts {
            name: may.then(|| name.to_owned()),
            refused: (!may).then(|| "the role may not.".to_owned()),
            lsn,
            at: at(now),
            commits: physical.past.len() as i64,
        })
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
