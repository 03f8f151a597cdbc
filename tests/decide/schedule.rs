//! A schedule: what happens to the world, then a time without faults in which everything has to come to rest.

use database_migration_operator::api::{
    ConnectionSpec, DatabaseMigrationSpec, DatabaseMigrationStatus, DatabaseSpec, Duration, Phase,
    PreflightSpec, PrismaSpec, PullPolicy, RunOutcome, SecretKeySelector, TimeoutsSpec, reasons,
};
use database_migration_operator::decide::{Resource, status};
use database_migration_operator::tools::prisma;

use super::operator::{Crash, Operator};
use super::world::{Fate, Object, World, at};

#[derive(Clone, Debug)]
pub struct Setup {
    pub parallelism: u32,
    pub depends: bool,
    /// Which schema, which migration, and what becomes of it.
    pub fates: Vec<(usize, usize, u8)>,
}

#[derive(Clone, Debug)]
pub enum Op {
    Pass {
        resource: usize,
        get: bool,
        ticks: u8,
        crash: Option<(u8, bool)>,
    },
    Tick(u8),
    Sync,
    Image(usize, u8),
    Retry(usize),
    Suspend(usize, bool),
    Readable(u8, bool),
    Push(u8),
    Delete(usize),
    DropDatabase(usize),
    Kill(u8, bool),
    Vanish(u8),
    Stranger(u8, u8),
    Resolve(usize),
    Restart,
}

const TARGETS: [&str; 4] = ["p0/public", "p1/public", "p2/one", "p2/two"];

pub fn database(name: &str, target: &str, depends_on: &[&str]) -> DatabaseSpec {
    DatabaseSpec {
        name: name.to_owned(),
        connection: ConnectionSpec {
            secret_key_ref: SecretKeySelector {
                name: target.to_owned(),
                key: "DATABASE_URL".to_owned(),
            },
            ca_from: None,
        },
        env_var: "DATABASE_URL".to_owned(),
        env: Vec::new(),
        prisma: PrismaSpec::default(),
        depends_on: depends_on.iter().map(|name| (*name).to_owned()).collect(),
    }
}

pub fn resource(number: usize, image: &str, databases: Vec<DatabaseSpec>) -> Object {
    let spec = DatabaseMigrationSpec {
        image: image.to_owned(),
        image_pull_policy: PullPolicy::default(),
        image_pull_secrets: Vec::new(),
        suspend: false,
        parallelism: 1,
        interval: Duration::new("1h"),
        history_limit: 10,
        databases,
        job: Default::default(),
        timeouts: TimeoutsSpec {
            unknown: Duration::new("1m"),
            ..TimeoutsSpec::default()
        },
        preflight: PreflightSpec::default(),
        validation: Default::default(),
        rollback: Default::default(),
    };
    let resource = Resource {
        name: format!("shop{number}"),
        namespace: "production".to_owned(),
        uid: format!("{number}{number}{number}{number}{number}{number}{number}{number}-uid"),
        generation: 1,
        deleting: false,
        namespace_deleting: false,
        finalizer: false,
        retry: None,
        suspended: false,
        frozen: false,
        spec,
        status: DatabaseMigrationStatus::default(),
    };
    Object {
        resource,
        version: 1,
        exists: true,
    }
}

pub fn world(setup: &Setup) -> World {
    let mut world = World::new();
    let depends: &[&str] = if setup.depends { &["a"] } else { &[] };
    let four = vec![
        database("a", TARGETS[0], &[]),
        database("b", TARGETS[1], depends),
        database("c", TARGETS[2], &[]),
        database("d", TARGETS[3], &[]),
    ];
    let mut first = resource(1, "v2", four);
    first.resource.spec.parallelism = setup.parallelism;
    let second = resource(
        2,
        "v3",
        vec![
            database("x", TARGETS[0], &[]),
            database("y", TARGETS[2], &[]),
        ],
    );
    world.objects = vec![first, second];
    for (target, migration, fate) in &setup.fates {
        let fate = [
            Fate::Fails,
            Fate::FailsWithTraces,
            Fate::LockTimeout,
            Fate::FailsSilently,
            Fate::NotRecorded,
        ][usize::from(*fate)];
        let name = format!("{:02}00_base", migration + 1);
        world
            .fates
            .insert((TARGETS[*target].to_owned(), name), fate);
    }
    world
}

fn edit(world: &mut World, operator: &mut Operator, number: usize, change: impl Fn(&mut Resource)) {
    let object = &mut world.objects[number];
    if object.exists {
        change(&mut object.resource);
        object.resource.generation += 1;
        object.version += 1;
        operator.wake(number);
    }
}

fn happen(world: &mut World, operator: &mut Operator, op: &Op) {
    let job = |world: &World, n: u8| {
        let running = world.jobs.values().filter(|job| job.exists);
        let names: Vec<String> = running.map(|job| job.facts.name.clone()).collect();
        (!names.is_empty()).then(|| names[usize::from(n) % names.len()].clone())
    };
    match op {
        Op::Pass {
            resource,
            get,
            ticks,
            crash,
        } => {
            let crash = crash.map(|(write, done)| Crash { write, done });
            operator.reconcile(world, *resource, crash, *get, |world| {
                (0..*ticks).for_each(|_| world.tick());
            });
        }
        Op::Tick(n) => (0..*n).for_each(|_| world.tick()),
        Op::Sync => operator.sync(world),
        Op::Image(number, n) => {
            edit(world, operator, *number, |resource| {
                resource.spec.image = format!("v{n}")
            });
        }
        Op::Retry(number) => {
            let value = Some(world.serial().to_string());
            edit(world, operator, *number, |resource| {
                resource.retry.clone_from(&value)
            });
        }
        Op::Suspend(number, on) => edit(world, operator, *number, |resource| {
            resource.suspended = *on;
            resource.spec.suspend = *on;
        }),
        Op::Readable(n, on) => {
            world.databases.get_mut(&format!("p{n}")).unwrap().readable = *on;
        }
        Op::Push(n) => *world.pushes.entry(format!("v{n}")).or_default() += 1,
        Op::Delete(number) => {
            edit(world, operator, *number, |resource| {
                resource.deleting = true
            });
            let object = &mut world.objects[*number];
            object.exists &= object.resource.finalizer;
        }
        Op::DropDatabase(number) => edit(world, operator, *number, |resource| {
            if resource.spec.databases.len() > 1 {
                let gone = resource.spec.databases.remove(0).name;
                for database in &mut resource.spec.databases {
                    database.depends_on.retain(|name| *name != gone);
                }
            }
        }),
        Op::Kill(n, lost) => {
            if let Some(name) = job(world, *n) {
                world.kill(&name, *lost);
            }
        }
        Op::Vanish(n) => {
            if let Some(name) = job(world, *n) {
                world.vanish(&name);
            }
        }
        Op::Stranger(n, seconds) => {
            world.databases.get_mut(&format!("p{n}")).unwrap().stranger =
                world.now + i64::from(*seconds);
        }
        Op::Resolve(n) => {
            let now = at(world.now);
            let (database, _) = super::world::split(TARGETS[*n]);
            if world.at_work(database).is_empty() {
                for row in world.rows(TARGETS[*n]) {
                    if prisma::row_state(row).blocks() {
                        row.rolled_back_at = Some(now);
                    }
                }
            }
        }
        Op::Restart => operator.restart(world),
    }
}

/// What a resource has come to, if it has.
fn rest(resource: &Resource) -> Result<(), String> {
    let now = &resource.status;
    let finished = now
        .run
        .as_ref()
        .is_some_and(|run| run.finished_at.is_some());
    let stalled = status::get(now, reasons::STALLED);
    let suspended = now.phase == Some(Phase::Suspended) && resource.suspended;
    let text = format!("{:?} {}", now.phase, now.message);
    if now.message.is_empty() || !(finished || stalled.is_some() || suspended) {
        return Err(text);
    }
    let by_row = [
        reasons::FAILED_ROW_FOUND,
        reasons::UNFINISHED_ROW_FOUND,
        reasons::MIGRATION_FAILED,
    ];
    if stalled.is_some_and(|c| by_row.contains(&c.reason.as_str())) && now.next_command.is_empty() {
        return Err(format!("no next command: {text}"));
    }
    let working = status::get(now, reasons::RECONCILING).is_some();
    if finished && (working || !matches!(now.phase, Some(Phase::Succeeded | Phase::Failed))) {
        return Err(format!("finished and speaks otherwise: {text}"));
    }
    Ok(())
}

/// Plays it; the violations.
pub fn play(setup: &Setup, ops: &[Op]) -> Vec<String> {
    let mut world = world(setup);
    let mut operator = Operator::new(world.objects.len());
    for op in ops {
        happen(&mut world, &mut operator, op);
        if !world.violations.is_empty() {
            return world.violations;
        }
    }
    calm(&mut world, &mut operator);
    // Where nothing was made to fail, nothing fails.
    let harm = |op: &Op| {
        matches!(
            op,
            Op::Kill(..) | Op::Vanish(_) | Op::Stranger(..) | Op::DropDatabase(_) | Op::Push(_)
        )
    };
    if setup.fates.is_empty() && !ops.iter().any(harm) {
        let failed = |object: &&Object| {
            let history = &object.resource.status.history;
            history.iter().any(|run| run.outcome == RunOutcome::Failed)
        };
        let messages: Vec<String> = world
            .objects
            .iter()
            .filter(failed)
            .map(|o| o.resource.status.message.clone())
            .collect();
        messages
            .into_iter()
            .for_each(|text| world.violate(format!("fails for no reason: {text}")));
    }
    world.violations
}

/// No more faults: pods go on, watches deliver, timers fire.
fn calm(world: &mut World, operator: &mut Operator) {
    world
        .databases
        .values_mut()
        .for_each(|database| database.readable = true);
    let alive = |world: &World, n: usize| world.objects[n].exists;
    for _ in 0..400 {
        world.tick();
        operator.sync(world);
        for number in 0..world.objects.len() {
            let due = operator.due(number, world.now);
            if alive(world, number) && due.is_some_and(|due| due <= world.now) {
                operator.reconcile(world, number, None, true, |_| {});
            }
        }
        if !world.violations.is_empty() {
            return;
        }
    }
    for number in 0..world.objects.len() {
        if !alive(world, number) {
            continue;
        }
        let resource = world.objects[number].resource.clone();
        if resource.deleting {
            world.violate(format!("(f) resource {number} is never let go"));
            continue;
        }
        match rest(&resource) {
            Err(text) => {
                world.violate(format!("(f) resource {number} never comes to rest: {text}"))
            }
            Ok(()) => operator.at_rest(world, number),
        }
    }
}
