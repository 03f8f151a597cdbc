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

/// Without what a watch has not shown yet.
fn blind(resource: usize, crash: Option<(u8, bool)>) -> Op {
    Op::Pass {
        resource,
        get: false,
        ticks: 0,
        crash,
    }
}

fn plain() -> Setup {
    Setup::default()
}

/// A condition that is taken away and set again within one decision keeps its time.
#[test]
fn a_new_run_moves_no_time_without_a_flip() {
    holds(plain(), &[pass(0), Op::Tick(5), Op::Retry(0), pass(0)]);
}

/// A Job that was made and is not visible is looked for again.
#[test]
fn an_unseen_job_is_looked_for_again() {
    let crash = Some((0, false));
    holds(
        plain(),
        &[
            blind(0, None),
            blind(1, None),
            Op::Tick(1),
            pass(0),
            pass(1),
            blind(1, crash),
        ],
    );
}

/// Planned before the first one migrated the same database, and not judged by what that one did.
#[test]
fn two_resources_take_turns_on_one_database() {
    holds(plain(), &[pass(0), pass(1), Op::Tick(1), pass(0), pass(1)]);
}

/// The migrated database is taken out of the spec while an image is looked at again.
#[test]
fn a_database_that_is_not_named_any_more_holds_up_nothing() {
    let ops = [
        blind(0, None),
        Op::Tick(1),
        Op::Pass {
            resource: 0,
            get: true,
            ticks: 0,
            crash: Some((1, false)),
        },
        blind(0, Some((0, true))),
        blind(0, None),
        Op::DropDatabase(0, false),
        blind(0, None),
    ];
    holds(plain(), &ops);
}

/// The run fails while a new spec waits for it.
#[test]
fn a_failing_run_gives_way_at_once() {
    let setup = Setup {
        fates: vec![(0, 0, 0)],
        ..plain()
    };
    holds(
        setup,
        &[
            pass(0),
            Op::Tick(1),
            pass(0),
            Op::Tick(2),
            Op::Image(0, 3),
            pass(0),
        ],
    );
}

/// One fails while another one runs: the failure has the last word, and nothing starts after it.
#[test]
fn a_failure_has_the_last_word() {
    let setup = Setup {
        parallelism: 3,
        fates: vec![(0, 0, 0)],
        ..plain()
    };
    holds(
        setup,
        &[
            pass(0),
            Op::Tick(1),
            pass(0),
            Op::Tick(5),
            Op::Sync,
            pass(0),
        ],
    );
}

/// Edited in the middle of a run: the running migration is not judged against the new image.
#[test]
fn an_edit_does_not_fail_what_runs() {
    holds(
        plain(),
        &[
            pass(0),
            Op::Tick(1),
            pass(0),
            Op::Tick(1),
            Op::Image(0, 3),
            pass(0),
        ],
    );
}

/// Suspended in the middle of a run, and deleted with a pod that has not started.
#[rstest::rstest]
#[case(Op::Suspend(0, true))]
#[case(Op::Delete(0))]
fn nothing_new_starts(#[case] op: Op) {
    holds(
        plain(),
        &[
            pass(0),
            Op::Tick(1),
            pass(0),
            op,
            Op::Pass {
                resource: 0,
                get: true,
                ticks: 1,
                crash: None,
            },
        ],
    );
}

/// Killed between the journal and the Job, while another resource migrates the database: not called lost.
#[test]
fn a_job_that_was_never_seen_is_planned_again() {
    let killed = Op::Pass {
        resource: 1,
        get: true,
        ticks: 0,
        crash: Some((3, false)),
    };
    holds(
        plain(),
        &[pass(0), pass(1), Op::Tick(1), killed, pass(0), pass(0)],
    );
}

/// Killed between the journal and giving the turn back, then suspended: the next one takes it over.
#[test]
fn a_turn_that_was_not_given_back_is_taken_over() {
    let killed = Op::Pass {
        resource: 1,
        get: true,
        ticks: 0,
        crash: Some((0, true)),
    };
    let ops = [
        pass(1),
        Op::Tick(1),
        pass(1),
        Op::Tick(7),
        killed,
        Op::Suspend(1, true),
        pass(0),
    ];
    holds(plain(), &ops);
}

/// Two fail at once and are both reverted: the one that is marked rolled back first does not hold up the other.
#[test]
fn both_failures_are_marked_rolled_back() {
    let setup = Setup {
        parallelism: 2,
        depends: true,
        fates: vec![(3, 0, 0), (0, 0, 0)],
        revert: true,
        ..plain()
    };
    holds(setup, &[Op::Go(1)]);
}

/// A tag that is pushed again in the middle of a run is tested again, too.
#[test]
fn what_is_migrated_again_is_tested_again() {
    let setup = Setup {
        tests: vec![(1, 2, 2)],
        ..plain()
    };
    holds(setup, &[Op::Go(3), Op::Push(2)]);
}
