//! What must hold of actions, validation and restore points, whenever something happens.

use database_migration_operator::api::{
    ActionKind, ActionOutcome, ActionState, DatabaseMigrationStatus, FindingKind,
    MigrationActionSpec, MigrationActionStatus, Policy, RestorePointPolicy, RunOutcome,
    SmokeTestSpec, StepKind, StepOutcome, TakenAction,
};
use database_migration_operator::decide::{Effect, JobPlan, Resource, Snapshot, decide};
use database_migration_operator::facts::LedgerRow;
use database_migration_operator::tools::prisma;

use super::world::{Job, World};

/// A Job changes a database for an action.
pub fn at_effect(world: &mut World, job: &Job, what: &str) {
    let Some(uid) = &job.action else { return };
    let Some(at) = world.actions.iter().position(|a| a.facts.uid == *uid) else {
        return world.violate(format!("{what}: of an action that never was"));
    };
    let action = &mut world.actions[at];
    action.effects.push(what.to_owned());
    let twice = action.effects.iter().filter(|other| *other == what).count() > 1;
    let (refused, name) = (
        action.status.state == ActionState::Refused,
        action.facts.name.clone(),
    );
    if twice && job.plan.step != StepKind::Resolve {
        world.violate(format!("{name}: {what} ran twice"));
    }
    if refused {
        world.violate(format!("{name} was refused, and {what} ran"));
    }
}

/// A Job is made.
pub fn at_creation(world: &mut World, object: &Resource, plan: &JobPlan, of_action: bool) {
    let mut wrong = Vec::new();
    let Some(run) = &object.status.run else {
        return world.violate(format!("{} is made without a run", plan.name));
    };
    if run.finished_at.is_some() && !of_action {
        wrong.push(format!("made after the run ended as {:?}", run.outcome));
    }
    if of_action && object.status.action.as_ref().map(|a| a.state) != Some(ActionState::Running) {
        wrong.push("made for an action that is not under way".to_owned());
    }
    if plan.step == StepKind::Migrate {
        let policy = object.spec.preflight.backup.restore_point;
        let entry = object
            .status
            .databases
            .iter()
            .find(|d| d.name == plan.database);
        let point = entry.and_then(|entry| entry.restore_point.as_ref());
        if policy != RestorePointPolicy::None && point.is_none_or(|point| point.run != run.id) {
            wrong.push("made before a restore point".to_owned());
        }
        if policy == RestorePointPolicy::Required && point.is_none_or(|p| p.name.is_empty()) {
            wrong.push("made without a named restore point".to_owned());
        }
        let at = object
            .spec
            .databases
            .iter()
            .position(|d| d.name == plan.database);
        let named = at.map(|at| object.spec.databases[at].depends_on.clone());
        let before: Vec<String> = if object.spec.parallelism == 1 {
            let earlier = &object.spec.databases[..at.unwrap_or(0)];
            earlier.iter().map(|d| d.name.clone()).collect()
        } else {
            named.unwrap_or_default()
        };
        for test in &object.spec.validation.smoke_tests {
            if before.contains(&test.after)
                && let Some(why) = untested(&object.status, test)
            {
                wrong.push(format!(
                    "made before test {} of {}: {why}",
                    test.name, test.after
                ));
            }
        }
        for name in before {
            if denied(&object.status, &name) {
                wrong.push(format!("made although a line of {name} is denied"));
            }
        }
    }
    for text in wrong {
        world.violate(format!("{}: {text}", plan.name));
    }
}

fn denied(status: &DatabaseMigrationStatus, database: &str) -> bool {
    let of_name = status.databases.iter().filter(|d| d.name == database);
    of_name
        .flat_map(|d| &d.findings)
        .any(|finding| finding.kind == FindingKind::Log && finding.policy == Policy::Deny)
}

/// Why a test does not count as passed: it has to have passed after the last migration that it is about.
fn untested(status: &DatabaseMigrationStatus, test: &SmokeTestSpec) -> Option<String> {
    let steps = &status.run.as_ref()?.steps;
    let passed = steps.iter().rposition(|step| {
        let good = [Some(StepOutcome::Succeeded), Some(StepOutcome::Accepted)];
        step.name == StepKind::SmokeTest && step.test == test.name && good.contains(&step.outcome)
    });
    let Some(passed) = passed else {
        return Some("it never passed in this run".to_owned());
    };
    let later = steps[passed..].iter().find(|step| {
        let about = test.after.is_empty() || step.database == test.after;
        step.name == StepKind::Migrate && about && step.outcome != Some(StepOutcome::NeverBegan)
    });
    later.map(|step| format!("{} migrated again since", step.database))
}

/// A status is written.
pub fn at_status(
    world: &mut World,
    resource: usize,
    old: &DatabaseMigrationStatus,
    new: &DatabaseMigrationStatus,
) {
    let mut wrong = Vec::new();
    if let Some(run) = &new.run {
        let entries: Vec<RunOutcome> = new
            .history
            .iter()
            .filter(|entry| entry.id == run.id)
            .map(|entry| entry.outcome)
            .collect();
        let said: Vec<RunOutcome> = run.outcome.into_iter().collect();
        if entries != said {
            wrong.push(format!(
                "run {} is {said:?}, history says {entries:?}",
                run.id
            ));
        }
        if run.outcome.is_some() != run.finished_at.is_some() {
            wrong.push(format!("run {} ended by halves", run.id));
        }
        let before = old.run.as_ref().filter(|before| before.id == run.id);
        let succeeds = run.outcome == Some(RunOutcome::Succeeded);
        if succeeds && before.is_none_or(|before| before.outcome != run.outcome) {
            for test in &world.objects[resource].resource.spec.validation.smoke_tests {
                if let Some(why) = untested(new, test) {
                    wrong.push(format!("succeeded without test {}: {why}", test.name));
                }
            }
            for database in &new.databases {
                if denied(new, &database.name) {
                    wrong.push(format!("succeeded with a denied line of {}", database.name));
                }
            }
        }
    }
    let mut ids: Vec<&String> = new.history.iter().map(|entry| &entry.id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        wrong.push(format!("history has a run twice: {ids:?}"));
    }
    if let (Some(before), Some(now)) = (&old.action, &new.action) {
        let final_before = before.state.is_final();
        if before.uid == now.uid && final_before && before.state != now.state {
            wrong.push(format!(
                "{} was over and is {:?} again",
                now.name, now.state
            ));
        }
        if before.uid != now.uid && before.state == ActionState::Running {
            wrong.push(format!("{} is dropped for {}", before.name, now.name));
        }
    }
    let before = old.action.as_ref().map(|taken| &taken.uid);
    if let Some(taken) = new
        .action
        .as_ref()
        .filter(|taken| Some(&taken.uid) != before)
    {
        let actions = &mut world.actions;
        if let Some(action) = actions.iter_mut().find(|a| a.facts.uid == taken.uid) {
            action.taken += 1;
            if action.taken > 1 {
                wrong.push(format!(
                    "{:?} {} is taken up twice",
                    taken.action, taken.name
                ));
            }
        }
    }
    if let Some(taken) = &new.action
        && old.action.as_ref() != Some(taken)
        && taken.outcome == Some(ActionOutcome::Succeeded)
        && let Some(text) = untrue(world, resource, new, taken)
    {
        wrong.push(format!(
            "{:?} {} succeeded: {text}",
            taken.action, taken.name
        ));
    }
    for text in wrong {
        world.violate(format!("resource {resource}: {text}"));
    }
}

/// An action asked for a new run, and was not taken up before.
pub fn asked_for(old: &DatabaseMigrationStatus, new: &DatabaseMigrationStatus) -> bool {
    let before = old.action.as_ref().map(|taken| &taken.uid);
    let now = new.action.as_ref();
    now.is_some_and(|now| now.action == ActionKind::Retry && Some(&now.uid) != before)
}

/// Somebody else restored the database.
pub fn taken_back(world: &World, resource: usize, database: &str) -> bool {
    taken_back_since(world, resource, database, 0)
}

/// Somebody else restored the database then or later.
pub fn taken_back_since(world: &World, resource: usize, database: &str, since: i64) -> bool {
    let target = target_of(&world.objects[resource].resource, database);
    let restored = target.and_then(|target| world.restored.get(super::world::split(target).0));
    let others = |(by, at): &(usize, i64)| *by != resource && *at >= since;
    restored.is_some_and(|restored| restored.iter().any(others))
}

fn target_of<'a>(object: &'a Resource, database: &str) -> Option<&'a str> {
    let found = object.spec.databases.iter().find(|d| d.name == database)?;
    Some(&found.connection.secret_key_ref.name)
}

fn rows(world: &World, target: &str) -> Vec<LedgerRow> {
    let (database, schema) = super::world::split(target);
    let ledgers = &world.databases[database].content.ledgers;
    ledgers.get(schema).cloned().flatten().unwrap_or_default()
}

/// What an action that succeeded says and is not so.
fn untrue(
    world: &World,
    resource: usize,
    status: &DatabaseMigrationStatus,
    taken: &TakenAction,
) -> Option<String> {
    let action = world.actions.iter().find(|a| a.facts.uid == taken.uid)?;
    let spec = &action.facts.spec;
    let target = target_of(&world.objects[resource].resource, &spec.database)?;
    let rows = rows(world, target);
    let by_hand = |row: &str| {
        let by = world.touched.get(row);
        by.is_some_and(|by| by.iter().any(|by| *by != resource))
    };
    let job = || {
        let mut all = world.jobs.values().chain(&world.buried);
        all.rfind(|job| job.action.as_ref() == Some(&taken.uid))
    };
    match spec.action {
        ActionKind::MarkApplied | ActionKind::Baseline => {
            let applied = world.applied(target);
            (!applied.contains(&spec.migration_name)).then(|| "it is not applied".to_owned())
        }
        ActionKind::MarkRolledBack => {
            let open =
                |row: &&LedgerRow| row.id == spec.ledger_row && prisma::row_state(row).blocks();
            rows.iter()
                .find(open)
                .map(|row| format!("{} blocks", row.id))
        }
        ActionKind::DownMigration => {
            let steps = &status.run.as_ref()?.steps;
            let step = steps.iter().rfind(|step| step.name == StepKind::Down)?;
            let row = rows.iter().find(|row| row.id == step.ledger_row);
            if row.is_some_and(|row| row.rolled_back_at.is_none()) {
                return Some(format!("{} is not rolled back", step.ledger_row));
            }
            let ran = action
                .effects
                .iter()
                .any(|effect| effect.starts_with("down"));
            (!ran && !by_hand(&step.ledger_row)).then(|| "its script never ran".to_owned())
        }
        ActionKind::Restore => {
            let job = job()?;
            let (_, schema) = super::world::split(target);
            let asked = world.asked_for(job);
            let asked = asked
                .ledgers
                .get(schema)
                .cloned()
                .flatten()
                .unwrap_or_default();
            let all = rows.iter().chain(&asked);
            let foreign = all.map(|row| row.id.as_str()).any(by_hand);
            (asked != rows && !foreign && !is_within_the_second(job, &asked, &rows))
                .then(|| format!("asked for {asked:?}, it is {rows:?}"))
        }
        ActionKind::Retry | ActionKind::AcceptValidation | ActionKind::Abort => None,
    }
}

/// The ledger differs from what was asked for by nothing but what was written within the second of a named restore point: its
/// time is known in whole seconds, and what bears no later time cannot be told from what stood there.
fn is_within_the_second(job: &Job, asked: &[LedgerRow], rows: &[LedgerRow]) -> bool {
    let plan = job.plan.restore.clone().unwrap();
    let Ok(at) = plan.time.parse::<jiff::Timestamp>() else {
        return false;
    };
    let last = at.as_second() + 1;
    let kept = |row: &LedgerRow| rows.iter().any(|other| other.id == row.id);
    let times = rows
        .iter()
        .filter(|row| !asked.contains(row))
        .flat_map(|row| {
            let ends = [row.finished_at, row.rolled_back_at];
            ends.into_iter().flatten().chain([row.started_at])
        });
    let mut times = times.map(|time| time.as_second());
    !plan.point.is_empty() && asked.iter().all(kept) && times.all(|time| time <= last)
}

/// An action is answered.
pub fn at_answer(world: &mut World, uid: &str, status: &MigrationActionStatus) {
    let Some(action) = world.actions.iter().find(|a| a.facts.uid == uid) else {
        return world.violate(format!("{uid} never was and is answered"));
    };
    let name = format!("{:?} {}", action.facts.spec.action, action.facts.name);
    let before = &action.status;
    let mut wrong = Vec::new();
    if before.state.is_final() && before.state != status.state {
        wrong.push(format!("was {:?} and is {:?}", before.state, status.state));
    }
    if status.state == ActionState::Refused && !action.effects.is_empty() {
        wrong.push(format!("is refused and did {:?}", action.effects));
    }
    // With a resource that nothing held goes its journal, and then nothing was made of what stood there.
    let known = world.objects[action.resource].exists;
    if status.state == ActionState::Refused && action.taken > 0 && known {
        wrong.push("is refused and was taken up".to_owned());
    }
    if status.message.is_empty() && status.state != ActionState::Running {
        wrong.push("is told nothing".to_owned());
    }
    if (status.state == ActionState::Done) != status.outcome.is_some() {
        wrong.push(format!("is {:?} as {:?}", status.state, status.outcome));
    }
    for text in wrong {
        world.violate(format!("{name} {text}"));
    }
}

/// What the migration makes stands there because somebody finished it by hand.
fn is_mended(world: &World, resource: usize, spec: &MigrationActionSpec) -> bool {
    let object = &world.objects[resource].resource;
    let Some(target) = target_of(object, &spec.database) else {
        return false;
    };
    let name = &spec.migration_name;
    let (database, schema) = super::world::split(target);
    let catalog = world.databases[database].content.catalog.get(schema);
    let of_hand = world.mended.contains(&(target.to_owned(), name.clone()));
    of_hand && catalog.is_some_and(|catalog| catalog.contains(name))
}

/// What a status offers is not refused where nothing has changed. `look`: the same world with this action in it.
pub fn at_offer(
    world: &mut World,
    resource: usize,
    status: &DatabaseMigrationStatus,
    mut look: impl FnMut(&World, &super::world::Action) -> Snapshot,
) {
    if status
        .databases
        .iter()
        .any(|d| taken_back(world, resource, &d.name))
    {
        return;
    }
    for (title, spec) in super::humans::offered(world, resource, status) {
        // Of a row that somebody else changed since it was looked at, the offer is out of date.
        let entry = status.databases.iter().find(|d| d.name == spec.database);
        let row = entry.and_then(|entry| Some(entry.failed.as_ref()?.ledger_row.clone()));
        let by = row.and_then(|row| world.touched.get(&row));
        if by.is_some_and(|by| by.iter().any(|by| *by != resource)) {
            continue;
        }
        // It is for who sees that nothing is left.
        let asks = title.contains("if you see that nothing of it is left");
        if asks && super::humans::is_left(world, resource, &spec) {
            continue;
        }
        let before: Vec<_> = world
            .databases
            .iter()
            .map(|(name, physical)| (name.clone(), physical.content.clone()))
            .collect();
        super::humans::by_hand(world, resource, &title, &spec);
        // That nothing of it is left was so before somebody finished it.
        let finished =
            spec.action == ActionKind::MarkRolledBack && is_mended(world, resource, &spec);
        super::humans::create(world, resource, spec);
        let offered = title.clone();
        let Some(action) = world.actions.pop() else {
            return;
        };
        let decision = decide(&look(world, &action));
        for (name, content) in before {
            world.databases.get_mut(&name).unwrap().content = content;
        }
        let refused = decision.effects.iter().find_map(|effect| match effect {
            Effect::SetAction { uid, status, .. } if *uid == action.facts.uid => {
                (status.state == ActionState::Refused).then(|| status.message.clone())
            }
            _ => None,
        });
        if let Some(why) = refused
            && !finished
        {
            let text = format!(
                "resource {resource} offers {offered:?}, {:?} and refuses it: {why} ({})",
                action.facts.spec, status.message
            );
            world.violate(text);
        }
    }
}
