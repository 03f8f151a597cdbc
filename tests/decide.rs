//! The decision, driven through a simulated world by random schedules and faults.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "decide/between.rs"]
mod between;
#[path = "decide/by_hand.rs"]
mod by_hand;
#[path = "decide/calls.rs"]
mod calls;
#[path = "decide/cases.rs"]
mod cases;
#[path = "decide/causes.rs"]
mod causes;
#[path = "decide/circle_of_tries.rs"]
mod circle_of_tries;
#[path = "decide/circles.rs"]
mod circles;
#[path = "decide/concurrently.rs"]
mod concurrently;
#[path = "decide/deciding.rs"]
mod deciding;
#[path = "decide/deleted_pods.rs"]
mod deleted_pods;
#[path = "decide/forced.rs"]
mod forced;
#[path = "decide/found.rs"]
mod found;
#[path = "decide/found_actions.rs"]
mod found_actions;
#[path = "decide/found_more.rs"]
mod found_more;
#[path = "decide/gives_way.rs"]
mod gives_way;
#[path = "decide/held_pods.rs"]
mod held_pods;
#[path = "decide/history.rs"]
mod history;
#[path = "decide/humans.rs"]
mod humans;
#[path = "decide/images.rs"]
mod images;
#[path = "decide/instances.rs"]
mod instances;
#[path = "decide/invariants.rs"]
mod invariants;
#[path = "decide/inventory.rs"]
mod inventory;
#[path = "decide/kept_waiting.rs"]
mod kept_waiting;
#[path = "decide/lock_held.rs"]
mod lock_held;
#[path = "decide/locks.rs"]
mod locks;
#[path = "decide/lost_ledgers.rs"]
mod lost_ledgers;
#[path = "decide/marks.rs"]
mod marks;
#[path = "decide/moved.rs"]
mod moved;
#[path = "decide/observe.rs"]
mod observe;
#[path = "decide/operator.rs"]
mod operator;
#[path = "decide/own_causes.rs"]
mod own_causes;
#[path = "decide/pods.rs"]
mod pods;
#[path = "decide/promises.rs"]
mod promises;
#[path = "decide/recorded.rs"]
mod recorded;
#[path = "decide/refused.rs"]
mod refused;
#[path = "decide/remembered.rs"]
mod remembered;
#[path = "decide/resolves.rs"]
mod resolves;
#[path = "decide/schedule.rs"]
mod schedule;
#[path = "decide/servers.rs"]
mod servers;
#[path = "decide/sessions.rs"]
mod sessions;
#[path = "decide/setup.rs"]
mod setup;
#[path = "decide/situations.rs"]
mod situations;
#[path = "decide/starts.rs"]
mod starts;
#[path = "decide/still_known.rs"]
mod still_known;
#[path = "decide/tables.rs"]
mod tables;
#[path = "decide/things.rs"]
mod things;
#[path = "decide/troubles.rs"]
mod troubles;
#[path = "decide/work.rs"]
mod work;
#[path = "decide/world.rs"]
mod world;

use database_migration_operator::api::StepKind;
use proptest::prelude::*;
use schedule::{Op, Setup, play};

fn setup() -> impl Strategy<Value = Setup> {
    let fates = proptest::collection::vec((0_usize..4, 0_usize..3, 0_u8..5), 0..3);
    let tests = proptest::collection::vec((0_u8..5, 1_u32..4, 0_u8..4), 0..3);
    let run = (1_u32..=3, any::<bool>(), fates, any::<bool>());
    let after = (
        proptest::option::of(0_u8..6),
        prop_oneof![2 => Just(Vec::new()), 1 => tests],
        prop_oneof![3 => Just(None), 1 => (0_usize..4).prop_map(Some)],
        prop_oneof![3 => Just(false), 1 => Just(true)],
    );
    let before = (0_u8..3, prop_oneof![3 => Just(false), 1 => Just(true)]);
    let odd = (
        prop_oneof![5 => Just(false), 1 => Just(true)],
        prop_oneof![3 => Just(false), 1 => Just(true)],
        prop_oneof![3 => Just(0), 1 => 1_u32..4],
    );
    (run, after, before, odd).prop_map(|(run, after, before, odd)| Setup {
        parallelism: run.0,
        depends: run.1,
        fates: run.2,
        revert: run.3,
        restore: after.0,
        tests: after.1,
        denied: after.2,
        watch: after.3,
        points: before.0,
        forbidden: before.1,
        unknown_tables: odd.0,
        downs_fail: odd.1,
        room: odd.2,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let resource = 0_usize..2;
    prop_oneof![
        12 => (resource.clone(), any::<bool>(), 0_u8..3)
            .prop_map(|(resource, get, ticks)| Op::Pass { resource, get, ticks, crash: None }),
        3 => (resource.clone(), any::<bool>(), (0_u8..5, any::<bool>()))
            .prop_map(|(resource, get, crash)| Op::Pass { resource, get, ticks: 0, crash: Some(crash) }),
        8 => (1_u8..8).prop_map(Op::Tick),
        8 => Just(Op::Sync),
        1 => (resource.clone(), 1_u8..4).prop_map(|(resource, image)| Op::Image(resource, image)),
        1 => resource.clone().prop_map(Op::Retry),
        1 => (resource.clone(), any::<bool>()).prop_map(|(resource, on)| Op::Suspend(resource, on)),
        1 => (0_u8..3, any::<bool>()).prop_map(|(database, on)| Op::Readable(database, on)),
        1 => (1_u8..4).prop_map(Op::Push),
        1 => resource.clone().prop_map(Op::Delete),
        1 => (resource.clone(), any::<bool>()).prop_map(|(resource, last)| Op::DropDatabase(resource, last)),
        1 => (0_u8..8, any::<bool>()).prop_map(|(job, lost)| Op::Kill(job, lost)),
        1 => (0_u8..8).prop_map(Op::Vanish),
        1 => (0_u8..3, 1_u8..30).prop_map(|(database, seconds)| Op::Stranger(database, seconds)),
        1 => (0_usize..4).prop_map(Op::Resolve),
        1 => Just(Op::Restart),
        2 => (resource.clone(), 0_u8..8, 0_u8..16).prop_map(|(resource, kind, twist)| Op::Act(resource, kind, twist)),
        3 => (resource.clone(), 0_u8..4).prop_map(|(resource, n)| Op::Choose(resource, n)),
        1 => resource.clone().prop_map(Op::Look),
        1 => (0_u8..4).prop_map(Op::Withdraw),
        1 => (0_usize..4).prop_map(Op::Mend),
        1 => prop_oneof![Just(Op::MendTests), Just(Op::Interval), Just(Op::Grant)],
        1 => refused().prop_map(Op::Refuse),
    ]
}

/// The steps that have Jobs.
const STEPS: [StepKind; 6] = [
    StepKind::Inventory,
    StepKind::Migrate,
    StepKind::Resolve,
    StepKind::Down,
    StepKind::SmokeTest,
    StepKind::Restore,
];

/// The step whose Jobs the API server refuses.
fn refused() -> impl Strategy<Value = Option<StepKind>> {
    proptest::option::of(proptest::sample::select(STEPS.to_vec()))
}

/// Humans at a world that mostly goes its way.
fn decision() -> impl Strategy<Value = Op> {
    let resource = prop_oneof![3 => Just(0_usize), 1 => Just(1_usize)];
    let crash = proptest::option::of((0_u8..7, any::<bool>()));
    prop_oneof![
        8 => (1_u8..25).prop_map(Op::Go),
        4 => (resource.clone(), crash).prop_map(|(resource, crash)| Op::Pass { resource, get: true, ticks: 0, crash }),
        4 => (resource.clone(), 0_u8..4).prop_map(|(resource, n)| Op::Choose(resource, n)),
        4 => (resource.clone(), 0_u8..8, 0_u8..16).prop_map(|(resource, kind, twist)| Op::Act(resource, kind, twist)),
        2 => Just(Op::Sync),
        2 => op(),
    ]
}

fn config(fewest: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(fewest, |cases| cases.parse().unwrap());
    ProptestConfig {
        cases,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn every_schedule_keeps_the_promises(setup in setup(), ops in proptest::collection::vec(op(), 1..70)) {
        let violations = play(&setup, &ops);
        prop_assert!(violations.is_empty(), "{}", violations.join("\n"));
    }

    #[test]
    fn every_decision_of_humans_keeps_the_promises(setup in setup(), ops in proptest::collection::vec(decision(), 1..40)) {
        let violations = play(&setup, &ops);
        prop_assert!(violations.is_empty(), "{}", violations.join("\n"));
    }
}
