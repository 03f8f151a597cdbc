//! What must hold whenever something happens.

use database_migration_operator::api::{
    DatabaseMigrationStatus, DatabasePhase, RunOutcome, StepKind, reasons,
};
use database_migration_operator::decide::{Decision, JobPlan, Resource, Snapshot, decide, status};

use super::world::{Job, World, split};

/// A process begins: nobody else is at work on its database, and its resource is held.
pub fn at_start(world: &mut World, job: &Job) {
    let name = &job.facts.name;
    let others: Vec<String> = world
        .at_work(split(&job.target).0)
        .iter()
        .filter(|other| !other.is_out_of_sight())
        .map(|other| other.facts.name.clone())
        .collect();
    if !others.is_empty() && !job.is_out_of_sight() {
        world.violate(format!("(a) {name} begins beside {others:?}"));
    }
    let object = &world.objects[job.resource];
    if !object.exists || !object.resource.finalizer {
        world.violate(format!("{name} begins and nothing holds its resource"));
    }
}

/// A process writes its first row: no earlier Job of its name did.
pub fn at_write(world: &mut World, job: &Job) {
    let name = &job.facts.name;
    if world
        .buried
        .iter()
        .any(|old| old.facts.name == *name && old.wrote)
    {
        world.violate(format!("(e) {name} was made again and migrates again"));
    }
}

/// A migration's Job is made: what stands before it is verified, and nothing failed.
pub fn at_creation(world: &mut World, resource: usize, object: &Resource, plan: &JobPlan) {
    let Some(at) = object
        .spec
        .databases
        .iter()
        .position(|d| d.name == plan.database)
    else {
        return world.violate(format!("{} is made for no database", plan.name));
    };
    let mut wrong = Vec::new();
    if object.suspended {
        wrong.push("made while suspended".to_owned());
    }
    let names: Vec<&String> = if object.spec.parallelism == 1 {
        object.spec.databases[..at]
            .iter()
            .map(|d| &d.name)
            .collect()
    } else {
        object.spec.databases[at].depends_on.iter().collect()
    };
    // Before its first migration a run looks at every database, then only at what comes next.
    let steps = object.status.run.iter().flat_map(|run| &run.steps);
    let mut others = steps.filter(|s| s.name == StepKind::Migrate && s.job != plan.name);
    let first = others.find_map(|step| Some(step.started_at.as_ref()?.0.as_second()));
    let looked = first.unwrap_or(world.looked);
    for before in names {
        // Verified, and brought back by somebody else since.
        if super::promises::taken_back_since(world, resource, before, looked) {
            continue;
        }
        if let Some(missing) = unverified(world, object, &object.status, before) {
            wrong.push(format!("(b) made before {before} is verified: {missing}"));
        }
    }
    if object
        .status
        .databases
        .iter()
        .any(|d| d.phase == DatabasePhase::Failed)
    {
        wrong.push("(b) made after a failure".to_owned());
    }
    for text in wrong {
        world.violate(format!("{}: {text}", plan.name));
    }
}

/// Which migrations of its inventory a database's ledger lacks, if any.
fn unverified(
    world: &World,
    object: &Resource,
    status: &DatabaseMigrationStatus,
    database: &str,
) -> Option<String> {
    let target = &object
        .spec
        .databases
        .iter()
        .find(|d| d.name == database)?
        .connection;
    let hash = &status
        .databases
        .iter()
        .find(|d| d.name == database)?
        .inventory_hash;
    let applied = world.applied(&target.secret_key_ref.name);
    let push = (0..=world.push(&object.spec.image))
        .find(|push| world.inventory(&object.spec.image, *push, "").hash == *hash);
    let Some(push) = push else {
        return Some("its inventory is of no image".to_owned());
    };
    let content = world.content(&object.spec.image, push);
    let missing: Vec<String> = content
        .into_iter()
        .filter(|n| !applied.contains(n))
        .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn ready(status: &DatabaseMigrationStatus) -> bool {
    status::get(status, reasons::READY).is_some_and(|condition| condition.status == "True")
}

/// A status is written: success is true, runs have a cause, times move on a flip only, size is bounded.
pub fn at_status(
    world: &mut World,
    resource: usize,
    old: &DatabaseMigrationStatus,
    new: &DatabaseMigrationStatus,
) {
    let mut empty = Vec::new();
    says_nothing("status", &serde_json::to_value(new).unwrap(), &mut empty);
    if !empty.is_empty() {
        world.violate(format!(
            "resource {resource}: fields that say nothing: {empty:?}"
        ));
    }
    let mut wrong = Vec::new();
    let outcome =
        |status: &DatabaseMigrationStatus| status.run.as_ref().and_then(|run| run.outcome);
    let succeeded =
        outcome(new) == Some(RunOutcome::Succeeded) && outcome(old) != Some(RunOutcome::Succeeded);
    if succeeded || ready(new) && !ready(old) {
        let names: Vec<String> = new.databases.iter().map(|d| d.name.clone()).collect();
        for name in names {
            // What somebody else brought back since it was verified is found by the next look.
            let object = &world.objects[resource].resource;
            if super::promises::taken_back(world, resource, &name) {
                continue;
            }
            if let Some(missing) = unverified(world, object, new, &name) {
                wrong.push(format!("(c) ready and {name} lacks {missing}"));
            }
        }
        let first = &new.databases[0].inventory_hash;
        if new.databases.iter().any(|d| d.inventory_hash != *first) {
            wrong.push("(c) ready with the inventories of two images".to_owned());
        }
    }
    if ready(new) && outcome(new) != Some(RunOutcome::Succeeded) {
        wrong.push("(c) ready and its run did not succeed".to_owned());
    }
    if new.phase == Some(database_migration_operator::api::Phase::Failed)
        && outcome(new) == Some(RunOutcome::Succeeded)
    {
        wrong.push("failed and succeeded".to_owned());
    }
    if let (Some(before), Some(run)) = (&old.run, &new.run)
        && before.id != run.id
        && before.spec_hash == run.spec_hash
        && old.last_handled_retry == new.last_handled_retry
        && !super::promises::asked_for(old, new)
    {
        wrong.push(format!(
            "(d) {} follows {} without a cause",
            run.id, before.id
        ));
    }
    for condition in &new.conditions {
        if let Some(before) = status::get(old, &condition.type_)
            && before.status == condition.status
            && before.last_transition_time != condition.last_transition_time
        {
            wrong.push(format!(
                "(g) the time of {} moves without a flip",
                condition.type_
            ));
        }
    }
    if serde_json::to_vec(new).unwrap().len() > status::STATUS_LIMIT {
        wrong.push("(h) the status is too big".to_owned());
    }
    if new.message.is_empty() {
        wrong.push("says nothing".to_owned());
    }
    for text in wrong {
        world.violate(format!("resource {resource}: {text}"));
    }
}

/// A decision that changes nothing but the status is a fix-point of its own snapshot.
pub fn fix_point(world: &mut World, resource: usize, snapshot: &Snapshot, decision: &Decision) {
    if decision.again || !decision.effects.is_empty() {
        return;
    }
    let Some(written) = &decision.status else {
        return;
    };
    let mut next = snapshot.clone();
    next.resource.status = (**written).clone();
    let second = decide(&next);
    if let Some(again) = &second.status {
        let text = format!(
            "(g) resource {resource}: not a fix-point: {} / {}\n{}\n{}",
            written.message,
            again.message,
            diff(written),
            diff(again)
        );
        world.violate(text);
    }
    if !second.events.is_empty() {
        let text = format!(
            "(g) resource {resource}: tells it again: {:?}",
            second.events
        );
        world.violate(text);
    }
}

/// The places in a status that hold an empty text, list or map, or null: they would stand in every `kubectl describe`.
fn says_nothing(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    use serde_json::Value;
    match value {
        Value::Null => found.push(path.to_owned()),
        Value::String(text) if text.is_empty() => found.push(path.to_owned()),
        Value::Array(list) if list.is_empty() => found.push(path.to_owned()),
        Value::Object(fields) if fields.is_empty() => found.push(path.to_owned()),
        Value::Array(list) => {
            let each = list.iter().enumerate();
            each.for_each(|(at, item)| says_nothing(&format!("{path}[{at}]"), item, found));
        }
        Value::Object(fields) => {
            let each = fields.iter();
            each.for_each(|(name, field)| says_nothing(&format!("{path}.{name}"), field, found));
        }
        _ => {}
    }
}

/// What is worth reading of a status in a message.
fn diff(status: &DatabaseMigrationStatus) -> String {
    let conditions: Vec<String> = status
        .conditions
        .iter()
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect();
    format!(
        "{:?} {:?} {conditions:?} {:?} {:?} {:?}",
        status.phase, status.next_command, status.run, status.databases, status.choices
    )
}
