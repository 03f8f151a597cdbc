//! Humans who decide: by what they saw, rightly, too late or wrongly.

use database_migration_operator::api::{
    ActionKind, ActionState, DatabaseMigrationStatus, DatabaseStatus, MigrationActionSpec,
    MigrationActionStatus, RestoreTarget, Time,
};
use database_migration_operator::facts::ActionFacts;

use super::world::{Action, HAND, World, at, split};

const KINDS: [ActionKind; 8] = [
    ActionKind::Retry,
    ActionKind::MarkApplied,
    ActionKind::MarkRolledBack,
    ActionKind::DownMigration,
    ActionKind::Restore,
    ActionKind::Baseline,
    ActionKind::AcceptValidation,
    ActionKind::Abort,
];

/// What is compared with the catalog.
const MARKS: [ActionKind; 3] = [
    ActionKind::MarkApplied,
    ActionKind::MarkRolledBack,
    ActionKind::Baseline,
];

/// A human looks at a resource.
pub fn look(world: &mut World, resource: usize) {
    let status = world.objects[resource].resource.status.clone();
    world.seen.insert(resource, status);
}

/// Decides something; `twist` says what is wrong with it, 0 and from 9 on: nothing; 8: it is forced.
pub fn act(world: &mut World, resource: usize, kind: u8, twist: u8) {
    if !world.objects[resource].exists {
        return;
    }
    let now = &world.objects[resource].resource.status;
    let stale = world.seen.get(&resource).filter(|_| twist == 1);
    let status = stale.unwrap_or(now).clone();
    let kind = KINDS[usize::from(kind) % KINDS.len()];
    let Some(mut spec) = by_status(world, resource, &status, kind) else {
        return;
    };
    let wrong = "other".to_owned();
    match twist {
        2 => spec.run = wrong,
        3 if !spec.ledger_row.is_empty() => spec.ledger_row = wrong,
        4 if !spec.database.is_empty() => {
            // Another one of the resource.
            let databases = &world.objects[resource].resource.spec.databases;
            spec.database
                .clone_from(&databases[databases.len() - 1].name);
        }
        5 if !spec.migration_name.is_empty() => spec.migration_name = "0200_base".to_owned(),
        6 if !spec.plan_hash.is_empty() => spec.plan_hash = wrong,
        7 => {
            if let Some(target) = &mut spec.target {
                *target = RestoreTarget {
                    restore_point: String::new(),
                    time: Some(Time(at(world.now - 6))),
                };
            }
        }
        8 if MARKS.contains(&spec.action) => spec.force = true,
        _ => {}
    }
    create(world, resource, spec);
}

pub fn create(world: &mut World, resource: usize, spec: MigrationActionSpec) {
    let serial = world.serial();
    let facts = ActionFacts {
        name: format!("{}-{}", spec.migration, 9000 - serial),
        uid: format!("action-{serial}"),
        created_at: at(world.now),
        spec,
        state: ActionState::Pending,
    };
    world.actions.push(Action {
        facts,
        status: MigrationActionStatus::default(),
        resource,
        exists: true,
        taken: 0,
        effects: Vec::new(),
    });
}

/// What fits a status, as far as it says something of the kind.
fn by_status(
    world: &World,
    resource: usize,
    status: &DatabaseMigrationStatus,
    kind: ActionKind,
) -> Option<MigrationActionSpec> {
    let object = &world.objects[resource].resource;
    let mut spec = MigrationActionSpec {
        migration: object.name.clone(),
        run: status.run.as_ref()?.id.clone(),
        action: kind,
        requested_by: "alice".to_owned(),
        reason: "because".to_owned(),
        ..MigrationActionSpec::default()
    };
    let failed = |entry: &&DatabaseStatus| {
        let failed = entry.failed.as_ref();
        failed.is_some_and(|failed| !failed.name.is_empty())
    };
    let entry = status.databases.iter().find(failed);
    let entry = entry.or(status.databases.first())?;
    match kind {
        ActionKind::Retry | ActionKind::AcceptValidation | ActionKind::Abort => return Some(spec),
        ActionKind::MarkApplied | ActionKind::MarkRolledBack => {
            let failed = entry.failed.clone().unwrap_or_default();
            spec.migration_name = failed.name;
            spec.ledger_row = failed.ledger_row;
        }
        ActionKind::DownMigration => {
            let failed = entry.failed.clone().unwrap_or_default();
            spec.migration_name = if failed.name.is_empty() {
                "0100_base".to_owned()
            } else {
                failed.name
            };
        }
        ActionKind::Baseline => {
            spec.plan_hash.clone_from(&status.plan_hash);
            spec.migration_name = "0100_base".to_owned();
            spec.database = if resource == 0 { "b" } else { "x" }.to_owned();
            return Some(spec);
        }
        ActionKind::Restore => {
            let pointed = |entry: &&DatabaseStatus| entry.restore_point.is_some();
            let entry = status
                .databases
                .iter()
                .filter(pointed)
                .max_by_key(|entry| (entry.failed.is_some(), entry.applied_by_run))?;
            spec.database.clone_from(&entry.name);
            let point = entry.restore_point.as_ref()?;
            spec.target = Some(if point.name.is_empty() {
                RestoreTarget {
                    restore_point: String::new(),
                    time: point.at.clone(),
                }
            } else {
                RestoreTarget {
                    restore_point: point.name.clone(),
                    time: None,
                }
            });
            return Some(spec);
        }
    }
    spec.database.clone_from(&entry.name);
    Some(spec)
}

/// Does what the status offers.
pub fn choose(world: &mut World, resource: usize, n: u8) {
    let object = &world.objects[resource];
    let offered = offered(world, resource, &object.resource.status);
    if !object.exists || offered.is_empty() {
        return;
    }
    let (title, spec) = offered[usize::from(n) % offered.len()].clone();
    let done = by_hand(world, resource, &title, &spec);
    let databases = &world.objects[resource].resource.spec.databases;
    let named = databases.iter().find(|d| d.name == spec.database);
    if let Some(named) = named.filter(|_| done && title.starts_with("finish it by hand")) {
        let target = named.connection.secret_key_ref.name.clone();
        world.mended.insert((target, spec.migration_name.clone()));
    }
    if done && !spec.ledger_row.is_empty() {
        // What another resource offers for that row is out of date.
        world.touch(&spec.ledger_row, HAND);
    }
    create(world, resource, spec);
}

/// Whether what a migration makes is in its database.
pub fn is_left(world: &World, resource: usize, spec: &MigrationActionSpec) -> bool {
    let databases = &world.objects[resource].resource.spec.databases;
    let database = databases.iter().find(|d| d.name == spec.database);
    database.is_some_and(|database| {
        let (physical, schema) = split(&database.connection.secret_key_ref.name);
        let catalog = world.databases[physical].content.catalog.get(schema);
        catalog.is_some_and(|there| there.contains(&spec.migration_name))
    })
}

/// Does what a choice says is to be done by hand, before its command. `true`: there was something.
pub fn by_hand(
    world: &mut World,
    resource: usize,
    title: &str,
    spec: &MigrationActionSpec,
) -> bool {
    let databases = &world.objects[resource].resource.spec.databases;
    let Some(database) = databases.iter().find(|d| d.name == spec.database) else {
        return false;
    };
    let (physical, schema) = split(&database.connection.secret_key_ref.name);
    let (physical, schema) = (physical.to_owned(), schema.to_owned());
    let content = &mut world.databases.get_mut(&physical).unwrap().content;
    let catalog = content.catalog.entry(schema).or_default();
    let title = title.strip_prefix("or ").unwrap_or(title);
    if title.starts_with("finish it by hand") {
        catalog.insert(spec.migration_name.clone())
    } else if title.starts_with("undo it by hand") {
        catalog.remove(&spec.migration_name)
    } else if title.starts_with("make by hand") {
        // What these stories' squashed ones lack.
        catalog.insert("other".to_owned())
    } else {
        false
    }
}

/// Whether a command creates a MigrationAction.
pub fn is_action(command: &str) -> bool {
    command.starts_with("kubectl dbm ") && !command.starts_with("kubectl dbm psql ")
}

/// The offers of a status as the actions that their commands create.
pub fn offered(
    world: &World,
    resource: usize,
    status: &DatabaseMigrationStatus,
) -> Vec<(String, MigrationActionSpec)> {
    let choices = status.choices.iter();
    choices
        .filter_map(|choice| {
            let words = words(&choice.command);
            // The others correct what no action does.
            is_action(&choice.command).then(|| {
                let spec = command(world, resource, status, &words);
                (choice.title.clone(), spec)
            })
        })
        .collect()
}

/// The actions that one printed line creates, in its order. What it does with psql is done by hand.
pub fn created(
    world: &World,
    resource: usize,
    status: &DatabaseMigrationStatus,
    line: &str,
) -> Vec<MigrationActionSpec> {
    line.split(" && ")
        .filter(|part| is_action(part))
        .map(|part| command(world, resource, status, &words(part)))
        .collect()
}

fn command(
    world: &World,
    resource: usize,
    status: &DatabaseMigrationStatus,
    words: &[String],
) -> MigrationActionSpec {
    let kind = match words[2].as_str() {
        "retry" => ActionKind::Retry,
        "mark-applied" => ActionKind::MarkApplied,
        "mark-rolled-back" => ActionKind::MarkRolledBack,
        "down" => ActionKind::DownMigration,
        "restore" => ActionKind::Restore,
        "baseline" => ActionKind::Baseline,
        "accept" => ActionKind::AcceptValidation,
        other => panic!("{other} is no verb"),
    };
    let flag = |name: &str| {
        let at = words.iter().position(|word| word == name);
        at.map(|at| words[at + 1].clone()).unwrap_or_default()
    };
    assert_eq!(words[3], world.objects[resource].resource.name);
    assert_eq!(flag("-n"), "production");
    let database = flag("--database");
    let entry = status.databases.iter().find(|entry| entry.name == database);
    let failed = entry.and_then(|entry| entry.failed.clone());
    let mut spec = MigrationActionSpec {
        migration: words[3].clone(),
        run: status
            .run
            .as_ref()
            .map(|run| run.id.clone())
            .unwrap_or_default(),
        action: kind,
        requested_by: "bob".to_owned(),
        reason: "as was offered".to_owned(),
        migration_name: flag("--migration"),
        force: words.iter().any(|word| word == "--force"),
        database,
        ..MigrationActionSpec::default()
    };
    match kind {
        ActionKind::MarkApplied | ActionKind::MarkRolledBack => {
            spec.ledger_row = failed.map(|failed| failed.ledger_row).unwrap_or_default();
        }
        ActionKind::Baseline => spec.plan_hash.clone_from(&status.plan_hash),
        ActionKind::Restore => {
            let target = flag("--target");
            spec.target = Some(match target.parse() {
                Ok(time) => RestoreTarget {
                    restore_point: String::new(),
                    time: Some(Time(time)),
                },
                Err(_) => RestoreTarget {
                    restore_point: target,
                    time: None,
                },
            });
        }
        _ => {}
    }
    spec
}

/// The words of a command as a POSIX shell reads them; only single quotes are used.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for letter in command.chars() {
        match letter {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            letter => {
                word.push(letter);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

pub fn withdraw(world: &mut World, n: u8) {
    let mut there: Vec<&mut Action> = world.actions.iter_mut().filter(|a| a.exists).collect();
    if let Some(len) = there.len().checked_sub(1) {
        there[usize::from(n) % (len + 1)].exists = false;
    }
}
