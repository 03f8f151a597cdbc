//! How many runs are at work on one server: the line in front of it, what must hold, and single decisions.

use std::collections::BTreeMap;

use database_migration_operator::api::{DatabaseMigrationStatus, StepKind, reasons};
use database_migration_operator::decide::{Effect, ServerFacts, decide, status, turns};

use super::cases::snapshot;
use super::schedule::{Op, Setup, play};
use super::world::World;

/// The name of the only server, where runs on it are limited.
pub const ONLY: &str = "one server";

/// Who waits, in this order. A new process has forgotten it.
#[derive(Default)]
pub struct Line(Vec<usize>);

impl Line {
    /// What a resource sees.
    pub fn facts(&self, world: &World, resource: usize) -> BTreeMap<String, ServerFacts> {
        if world.room == 0 {
            return BTreeMap::new();
        }
        let place = self.0.iter().position(|waiting| *waiting == resource);
        let facts = ServerFacts {
            limit: world.room,
            at_work: at_work(world, Some(resource)),
            ahead: u32::try_from(place.unwrap_or(self.0.len())).unwrap(),
        };
        BTreeMap::from([(ONLY.to_owned(), facts)])
    }

    /// A resource was worked on, and waits or does not. Answers who may go on now.
    pub fn settle(&mut self, world: &World, resource: usize, waits: bool) -> Vec<usize> {
        self.0.retain(|waiting| waits || *waiting != resource);
        if waits && !self.0.contains(&resource) {
            self.0.push(resource);
        }
        let room = world.room.saturating_sub(at_work(world, None)) as usize;
        let next = self.0.iter().take(room).copied();
        next.filter(|next| *next != resource).collect()
    }
}

fn at_work(world: &World, but: Option<usize>) -> u32 {
    let there = world.objects.iter().enumerate();
    there
        .filter(|(number, object)| object.exists && Some(*number) != but)
        .flat_map(|(_, object)| turns(&object.resource.status).into_values())
        .sum()
}

/// A migration is journaled: there is room for it.
pub fn at_status(
    world: &mut World,
    resource: usize,
    old: &DatabaseMigrationStatus,
    new: &DatabaseMigrationStatus,
) {
    let migrations = |status: &DatabaseMigrationStatus| {
        let steps = status.run.iter().flat_map(|run| &run.steps);
        steps.filter(|s| s.name == StepKind::Migrate).count()
    };
    let taken = at_work(world, None);
    let same = old.run.as_ref().map(|run| &run.id) == new.run.as_ref().map(|run| &run.id);
    if world.room > 0 && same && migrations(new) > migrations(old) && taken > world.room {
        let text = format!("resource {resource} starts a migration, and {taken} are at work");
        world.violate(text);
    }
}

fn room(room: u32, parallelism: u32) -> Setup {
    Setup {
        room,
        parallelism,
        ..Setup::default()
    }
}

#[test]
fn a_full_server_is_waited_for_and_said() {
    let mut snapshot = snapshot(1);
    let facts = ServerFacts {
        limit: 4,
        at_work: 4,
        ahead: 0,
    };
    snapshot.servers = BTreeMap::from([("unknown".to_owned(), facts)]);
    let decision = decide(&snapshot);
    let creates = |effect: &Effect| matches!(effect, Effect::CreateJob(_));
    assert!(!decision.effects.iter().any(creates));
    assert_eq!(decision.in_line.iter().collect::<Vec<_>>(), ["unknown"]);
    let said = *decision.status.unwrap();
    assert_eq!(status::ready_reason(&said), reasons::SERVER_BUSY);
    assert_eq!(
        said.message,
        "db00: 4 runs are at work on this server, the limit of the operator (maxRunsPerServer); it goes on by itself"
    );
    assert!(turns(&said).is_empty());
}

#[rstest::rstest]
#[case::room(4, 3, 0, true)]
#[case::full(4, 4, 0, false)]
#[case::over(2, 5, 0, false)]
#[case::the_last_place_is_somebody_elses(4, 3, 1, false)]
#[case::room_for_both(4, 2, 1, true)]
#[case::only_the_line(1, 0, 1, false)]
fn so_many_start_as_there_is_room_for(
    #[case] limit: u32,
    #[case] at_work: u32,
    #[case] ahead: u32,
    #[case] starts: bool,
) {
    let mut snapshot = snapshot(1);
    let facts = ServerFacts {
        limit,
        at_work,
        ahead,
    };
    snapshot.servers = BTreeMap::from([("unknown".to_owned(), facts)]);
    let decision = decide(&snapshot);
    let said = *decision.status.unwrap();
    assert_eq!(
        turns(&said).contains_key("unknown"),
        starts,
        "{}",
        said.message
    );
    assert_eq!(decision.in_line.is_empty(), starts);
}

/// A run's own databases count, too.
#[test]
fn one_run_takes_no_more_than_all_may() {
    let violations = play(&room(1, 3), &[]);
    assert!(violations.is_empty(), "{violations:#?}");
    let violations = play(&room(2, 3), &[Op::Go(3), Op::Restart, Op::Go(9)]);
    assert!(violations.is_empty(), "{violations:#?}");
}

/// The one that is at work is deleted, or suspended; who waits for it goes on.
#[test]
fn nobody_waits_for_ever() {
    for op in [
        Op::Delete(0),
        Op::Suspend(0, true),
        Op::Retry(0),
        Op::Kill(0, true),
    ] {
        let ops = [Op::Go(4), op, Op::Go(10), Op::Suspend(0, false)];
        let violations = play(&room(1, 1), &ops);
        assert!(violations.is_empty(), "{ops:?}: {violations:#?}");
    }
}
