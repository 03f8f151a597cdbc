//! The decision, driven through a simulated world by random schedules and faults.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "decide/cases.rs"]
mod cases;
#[path = "decide/found.rs"]
mod found;
#[path = "decide/invariants.rs"]
mod invariants;
#[path = "decide/operator.rs"]
mod operator;
#[path = "decide/pods.rs"]
mod pods;
#[path = "decide/schedule.rs"]
mod schedule;
#[path = "decide/tables.rs"]
mod tables;
#[path = "decide/world.rs"]
mod world;

use proptest::prelude::*;
use schedule::{Op, Setup, play};

fn setup() -> impl Strategy<Value = Setup> {
    (
        1_u32..=3,
        any::<bool>(),
        proptest::collection::vec((0_usize..4, 0_usize..3, 0_u8..5), 0..3),
    )
        .prop_map(|(parallelism, depends, fates)| Setup {
            parallelism,
            depends,
            fates,
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
        1 => resource.prop_map(Op::DropDatabase),
        1 => (0_u8..8, any::<bool>()).prop_map(|(job, lost)| Op::Kill(job, lost)),
        1 => (0_u8..8).prop_map(Op::Vanish),
        1 => (0_u8..3, 1_u8..30).prop_map(|(database, seconds)| Op::Stranger(database, seconds)),
        1 => (0_usize..4).prop_map(Op::Resolve),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").map_or(96, |cases| cases.parse().unwrap()), max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_schedule_keeps_the_promises(setup in setup(), ops in proptest::collection::vec(op(), 1..70)) {
        let violations = play(&setup, &ops);
        prop_assert!(violations.is_empty(), "{}", violations.join("\n"));
    }
}
