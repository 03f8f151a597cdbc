//! A schedule: what happens to the world, then a time without faults in which everything has to come to rest.

use database_migration_operator::api::{ActionState, Phase, RunOutcome, StepKind, reasons};
use database_migration_operator::decide::{Resource, status};

use super::humans;
use super::operator::{Crash, Operator};
pub use super::setup::Setup;
use super::setup::{TARGETS, world};
use super::world::{Object, World};

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
    /// The last of its databases leaves the spec, or the first.
    DropDatabase(usize, bool),
    Kill(u8, bool),
    Vanish(u8),
    Stranger(u8, u8),
    Resolve(usize),
    Restart,
    /// A human decides: on which resource, what, and how well.
    Act(usize, u8, u8),
    /// A human does what the status offers.
    Choose(usize, u8),
    /// A human looks, and decides on that later.
    Look(usize),
    /// Somebody deletes an action.
    Withdraw(u8),
    /// Somebody finishes in SQL what failed.
    Mend(usize),
    /// What tests found is mended.
    MendTests,
    /// The interval of finished resources passes.
    Interval,
    /// So many seconds without faults.
    Go(u8),
    /// The role may make restore points from now on.
    Grant,
    /// The API server refuses the Jobs of a step from now on, or of none.
    Refuse(Option<StepKind>),
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

pub fn happen(world: &mut World, operator: &mut Operator, op: &Op) {
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
        Op::DropDatabase(number, last) => edit(world, operator, *number, |resource| {
            let number = resource.spec.databases.len();
            if number > 1 {
                let at = if *last { number - 1 } else { 0 };
                let gone = resource.spec.databases.remove(at).name;
                for database in &mut resource.spec.databases {
                    database.depends_on.retain(|name| *name != gone);
                }
                for test in &mut resource.spec.validation.smoke_tests {
                    if test.after == gone {
                        test.after.clear();
                    }
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
        Op::Resolve(n) => world.settle_by_hand(TARGETS[*n]),
        Op::Act(number, kind, twist) => humans::act(world, *number, *kind, *twist),
        Op::Choose(number, n) => humans::choose(world, *number, *n),
        Op::Look(number) => humans::look(world, *number),
        Op::Withdraw(n) => humans::withdraw(world, *n),
        Op::Mend(n) => world.mend_by_hand(TARGETS[*n]),
        Op::MendTests => world.tests.clear(),
        Op::Interval => operator.interval(),
        Op::Go(seconds) => (0..*seconds).for_each(|_| second(world, operator)),
        Op::Grant => world.may_point = true,
        Op::Refuse(step) => world.refuses = *step,
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
    if finished
        && (working
            || !matches!(
                now.phase,
                Some(Phase::Succeeded | Phase::Failed | Phase::RolledBack)
            ))
    {
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
            Op::Kill(..)
                | Op::Vanish(_)
                | Op::Stranger(..)
                | Op::DropDatabase(..)
                | Op::Push(_)
                | Op::Act(..)
                | Op::Choose(..)
        )
    };
    let sound = setup.fates.is_empty()
        && setup.denied.is_none()
        && setup
            .tests
            .iter()
            .all(|(_, attempts, fate)| *fate == 0 || *fate == 2 && *attempts > 1);
    if sound && !ops.iter().any(harm) {
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

/// Pods go on, watches deliver, timers fire.
pub fn second(world: &mut World, operator: &mut Operator) {
    world.tick();
    operator.sync(world);
    for number in 0..world.objects.len() {
        let due = operator.due(number, world.now);
        if due.is_some_and(|due| due <= world.now) {
            operator.reconcile(world, number, None, true, |_| {});
        }
    }
}

/// No more faults: pods go on, watches deliver, timers fire.
fn calm(world: &mut World, operator: &mut Operator) {
    world
        .databases
        .values_mut()
        .for_each(|database| database.readable = true);
    world.refuses = None;
    let alive = |world: &World, n: usize| world.objects[n].exists;
    for _ in 0..400 {
        second(world, operator);
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
    let mut waiting = Vec::new();
    for action in world.actions.iter().filter(|action| action.exists) {
        let waits =
            action.status.state == ActionState::Pending && !action.status.message.is_empty();
        if !action.status.state.is_final() && !waits {
            waiting.push(format!(
                "{:?} {} is never over: {:?} ({:?})",
                action.facts.spec.action,
                action.facts.name,
                action.status,
                world.objects[action.resource].resource.status.message
            ));
        }
    }
    waiting.into_iter().for_each(|text| world.violate(text));
}
