//! The schedules that are recorded: every situation and every choice in it, stories whose operator is killed at every write, and chance.

use super::book::{Book, aside, record};
use super::dice::Dice;
use crate::circles;
use crate::operator::Operator;
use crate::schedule::{Op, Setup, happen};
use crate::setup::world;
use crate::situations::situation;
use crate::troubles;

/// How many schedules by chance there are of either kind.
const BY_CHANCE: u64 = 25;

pub enum Schedule {
    /// A situation in which a person has to decide, and each of its choices.
    Situation(String),
    Ops {
        name: String,
        setup: Setup,
        ops: Vec<Op>,
    },
}

pub fn all() -> Vec<Schedule> {
    let named = circles::TABLE.iter().map(|(name, _)| (*name).to_owned());
    let named = named.chain(troubles::names()).map(Schedule::Situation);
    let humans = (0..BY_CHANCE).map(Schedule::of_humans);
    let faults = (0..BY_CHANCE).map(Schedule::of_faults);
    named.chain(stories()).chain(humans).chain(faults).collect()
}

impl Schedule {
    pub fn of_humans(number: u64) -> Schedule {
        let mut dice = Dice(1_000 + number);
        Schedule::Ops {
            name: format!("chance, people {number:02}"),
            setup: dice.setup(),
            ops: (0..12).map(|_| dice.human()).chain([Op::Go(20)]).collect(),
        }
    }

    pub fn of_faults(number: u64) -> Schedule {
        let mut dice = Dice(2_000 + number);
        Schedule::Ops {
            name: format!("chance, faults {number:02}"),
            setup: dice.setup(),
            ops: (0..40).map(|_| dice.fault()).chain([Op::Go(20)]).collect(),
        }
    }

    /// What was decided in it: one book, or of a situation one more for each choice.
    pub fn play(&self) -> Vec<(String, Book)> {
        match self {
            Schedule::Situation(name) => followed(name),
            Schedule::Ops { name, setup, ops } => {
                let book = record(name, || {
                    let mut world = world(setup);
                    let mut operator = Operator::new(world.objects.len());
                    ops.iter()
                        .for_each(|op| happen(&mut world, &mut operator, op));
                });
                vec![(name.clone(), book)]
            }
        }
    }
}

/// How it came to a situation, and where each choice leads, as in `circles`.
fn followed(name: &str) -> Vec<(String, Book)> {
    let mut choices = Vec::new();
    let mut next = String::new();
    let title = format!("situation, {name}");
    let came = record(&title, || {
        let (stage, _) = situation(name);
        let status = &stage.world.objects[0].resource.status;
        choices.clone_from(&status.choices);
        next.clone_from(&status.next_command);
    });
    let mut books = vec![(title, came)];
    if choices.is_empty() {
        let title = format!("situation, {name}: mended");
        let mended = record(&title, || {
            let (mut stage, _) = aside(|| situation(name));
            troubles::mend(&mut stage);
            stage.go(5);
            circles::run_printed(&mut stage, "", &next);
            stage.go(20);
        });
        books.push((title, mended));
    }
    for (at, choice) in choices.iter().enumerate() {
        let title = format!("situation, {name}: choice {}", at + 1);
        let chosen = record(&title, || {
            let (mut stage, _) = aside(|| situation(name));
            circles::do_by_hand(&mut stage, name, &choice.title);
            circles::run_printed(&mut stage, &choice.title, &choice.command);
            stage.go(20);
        });
        books.push((title, chosen));
    }
    books
}

/// A story, and at which moment a person does what.
type Story = (&'static str, Setup, &'static [Op]);

const RETRY: Op = Op::Act(0, 0, 0);
const MARK_APPLIED: Op = Op::Act(0, 1, 8);
const MARK_ROLLED_BACK: Op = Op::Act(0, 2, 8);
const DOWN: Op = Op::Act(0, 3, 0);
const RESTORE: Op = Op::Act(0, 4, 0);
const BASELINE: Op = Op::Act(0, 5, 0);
const ACCEPT: Op = Op::Act(0, 6, 0);
const ABORT: Op = Op::Act(0, 7, 0);

fn told() -> Vec<Story> {
    let well = Setup::default;
    let fails = |fate: u8| Setup {
        fates: vec![(0, 1, fate)],
        ..well()
    };
    let tested = |fate: u8| Setup {
        tests: vec![(0, 2, fate)],
        watch: true,
        ..well()
    };
    vec![
        ("a release", well(), &[]),
        (
            "a release of two at once",
            Setup {
                parallelism: 2,
                depends: true,
                room: 1,
                ..well()
            },
            &[],
        ),
        ("a release that is tested and watched", tested(0), &[]),
        ("a test fails and is accepted", tested(1), &[ACCEPT]),
        ("a test fails at first", tested(2), &[]),
        ("a retry", fails(0), &[RETRY]),
        ("a mark as applied", fails(0), &[MARK_APPLIED]),
        ("a mark as rolled back", fails(1), &[MARK_ROLLED_BACK]),
        ("a down.sql", fails(1), &[DOWN]),
        (
            "a restore",
            Setup {
                restore: Some(0),
                ..fails(1)
            },
            &[RESTORE],
        ),
        (
            "a restore that fails",
            Setup {
                restore: Some(1),
                ..fails(1)
            },
            &[RESTORE],
        ),
        (
            "a baseline",
            Setup {
                unknown_tables: true,
                ..well()
            },
            &[BASELINE],
        ),
        (
            "a revert of itself",
            Setup {
                revert: true,
                ..fails(0)
            },
            &[RETRY],
        ),
        ("another image midway", well(), &[Op::Image(0, 3)]),
        ("an image pushed again", well(), &[Op::Push(2)]),
        ("a deletion midway", well(), &[Op::Delete(0)]),
        (
            "a suspension midway",
            well(),
            &[Op::Suspend(0, true), Op::Go(5), Op::Suspend(0, false)],
        ),
        ("an abort midway", well(), &[ABORT]),
    ]
}

/// Each story, in which the operator is killed at one of its first writes in every pass, before it or after it.
fn stories() -> Vec<Schedule> {
    let mut schedules = Vec::new();
    for (name, setup, deeds) in told() {
        for done in [false, true] {
            let killed = |pass: u8| {
                let crash = Op::Pass {
                    resource: 0,
                    get: true,
                    ticks: 0,
                    crash: Some((pass % 4, done)),
                };
                [crash, Op::Go(2)]
            };
            // A person acts at the end of what ran, or changes what runs.
            let late = |deed: &Op| matches!(deed, Op::Act(_, kind, _) if *kind < 7);
            let before = if deeds.iter().any(late) { 30 } else { 0 };
            let mut ops: Vec<Op> = (0..8).flat_map(killed).chain([Op::Go(before)]).collect();
            ops.extend(deeds.iter().cloned());
            ops.extend((8..14).flat_map(killed).chain([Op::Go(20)]));
            let when = if done { "after" } else { "before" };
            schedules.push(Schedule::Ops {
                name: format!("story, {name}: killed {when} its writes"),
                setup: setup.clone(),
                ops,
            });
        }
    }
    schedules
}
