//! Schedules that once broke a promise.

use super::schedule::{Op, Setup, play};

fn pass(resource: usize) -> Op {
    Op::Pass {
        resource,
        get: true,
        ticks: 0,
        crash: None,
    }
}

fn holds(setup: Setup, ops: &[Op]) {
    let violations = play(&setup, ops);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn plain() -> Setup {
    Setup {
        parallelism: 1,
        depends: false,
        fates: Vec::new(),
    }
}

/// A condition that is taken away and set again within one decision keeps its time.
#[test]
fn a_new_run_moves_no_time_without_a_flip() {
    holds(plain(), &[pass(0), Op::Tick(5), Op::Retry(0), pass(0)]);
}
