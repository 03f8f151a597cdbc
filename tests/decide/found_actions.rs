//! Schedules of humans' decisions that once broke a promise.

use super::schedule::{Op, Setup, play};

fn holds(setup: Setup, ops: &[Op]) {
    let violations = play(&setup, ops);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn crashed(resource: usize, write: u8, done: bool) -> Op {
    Op::Pass {
        resource,
        get: true,
        ticks: 0,
        crash: Some((write, done)),
    }
}

const RETRY: u8 = 0;
const DOWN: u8 = 3;
const RESTORE: u8 = 4;
const ACCEPT: u8 = 6;
const ABORT: u8 = 7;

/// Killed before it was said on the object that an action is over, and again while the next one is taken up: the first
/// is not taken for one that waits.
#[test]
fn what_is_over_is_said_before_the_next_is_taken_up() {
    let ops = [
        Op::Go(15),
        Op::Act(0, RETRY, 0),
        Op::Sync,
        crashed(0, 0, true),
        Op::Act(0, ABORT, 0),
        Op::Sync,
        crashed(0, 0, true),
    ];
    holds(Setup::default(), &ops);
}

/// The spec changes, or the run fails, while it is to be aborted.
#[rstest::rstest]
#[case(Setup::default(), &[Op::Go(5), Op::Act(0, ABORT, 0), Op::Image(0, 3)])]
#[case(Setup { parallelism: 2, revert: true, fates: vec![(3, 0, 3)], ..Setup::default() }, &[Op::Go(14), Op::Act(0, ABORT, 0)])]
fn an_abort_is_over_when_its_run_is(#[case] setup: Setup, #[case] ops: &[Op]) {
    holds(setup, ops);
}

/// Nobody reads the image of a run that has ended, and a retry is not held up by what waits.
#[test]
fn an_action_that_waits_holds_up_no_other() {
    let pass = Op::Pass {
        resource: 0,
        get: true,
        ticks: 0,
        crash: None,
    };
    let ops = [
        pass,
        Op::Act(0, ABORT, 0),
        Op::Go(1),
        Op::Act(0, DOWN, 0),
        Op::Go(1),
        Op::Choose(0, 0),
    ];
    holds(Setup::default(), &ops);
}

/// Accepted after another resource restored what the run had verified.
#[test]
fn a_run_goes_on_only_with_what_is_still_so() {
    let setup = Setup {
        restore: Some(0),
        tests: vec![(1, 3, 1)],
        ..Setup::default()
    };
    let ops = [
        Op::Go(20),
        Op::Act(0, RESTORE, 8),
        Op::Go(5),
        Op::Act(1, ACCEPT, 0),
    ];
    holds(setup, &ops);
}

/// Two schemas of one database go back together, and a run whose restore failed has not succeeded any more.
#[rstest::rstest]
#[case(0)]
#[case(1)]
#[case(2)]
fn a_restore_is_judged_by_the_database(#[case] fate: u8) {
    let setup = Setup {
        parallelism: 2,
        depends: true,
        restore: Some(fate),
        ..Setup::default()
    };
    holds(setup, &[Op::Go(14), Op::Act(0, RESTORE, 3)]);
}

/// A baseline's resolve and that of a lock time-out in one run are two Jobs.
#[test]
fn a_runs_own_resolve_is_another_job() {
    let setup = Setup {
        fates: vec![(1, 1, 2)],
        unknown_tables: true,
        ..Setup::default()
    };
    holds(setup, &[Op::Go(12), Op::Choose(0, 0), Op::Go(30)]);
}

/// Back to before a row was marked rolled back, by a command that does nothing: the row is as old as it was before.
#[test]
fn a_restore_that_did_nothing_is_told_by_ends_of_rows() {
    let setup = Setup {
        fates: vec![(1, 0, 0)],
        restore: Some(3),
        ..Setup::default()
    };
    let ops = [
        Op::Go(20),
        Op::Choose(0, 0),
        Op::Go(4),
        Op::Act(0, RESTORE, 7),
        Op::Go(30),
    ];
    holds(setup, &ops);
}

/// The database of an action's Job is taken out of the spec: its end is not verified, and that is said.
#[test]
fn an_action_whose_database_is_not_named_any_more_is_over() {
    let setup = Setup {
        fates: vec![(0, 0, 0)],
        points: 2,
        ..Setup::default()
    };
    let ops = [
        Op::Go(8),
        Op::Choose(0, 1),
        Op::Go(1),
        Op::DropDatabase(0, false),
    ];
    holds(setup, &ops);
}

/// It may not be read for a while, and its turn is let go.
#[test]
fn an_action_goes_on_where_its_turn_was_let_go() {
    let setup = Setup {
        parallelism: 2,
        depends: true,
        fates: vec![(2, 0, 0)],
        restore: Some(5),
        denied: Some(0),
        ..Setup::default()
    };
    let pass = Op::Pass {
        resource: 1,
        get: true,
        ticks: 0,
        crash: None,
    };
    let ops = [
        pass,
        Op::Act(1, ABORT, 0),
        Op::Go(1),
        Op::Choose(1, 0),
        Op::Go(7),
        Op::Act(0, RESTORE, 0),
        Op::Choose(1, 0),
    ];
    holds(setup, &ops);
}

/// The tag was pushed again, which asks for another look at the image, in the pass in which the run is aborted.
#[test]
fn nothing_is_made_for_a_run_that_is_aborted() {
    let blind = || Op::Pass {
        resource: 0,
        get: false,
        ticks: 0,
        crash: None,
    };
    let ops = [
        Op::Retry(0),
        blind(),
        Op::Tick(1),
        Op::Sync,
        blind(),
        Op::Push(2),
        Op::Act(0, ABORT, 3),
        blind(),
        blind(),
        blind(),
    ];
    holds(Setup::default(), &ops);
}

/// Its Job ran, and was deleted before anybody saw it: what it did shows in the schema, and it is not made again.
#[rstest::rstest]
fn a_down_that_nobody_saw_is_not_run_again(#[values(0, 1, 2, 3)] job: u8) {
    let setup = Setup {
        fates: vec![(1, 1, 1)],
        ..Setup::default()
    };
    let blind = Op::Pass {
        resource: 0,
        get: false,
        ticks: 0,
        crash: None,
    };
    let ops = [
        Op::Go(40),
        Op::Act(0, DOWN, 0),
        Op::Sync,
        blind,
        Op::Tick(5),
        Op::Vanish(job),
        Op::Go(60),
    ];
    holds(setup, &ops);
}

/// The resource goes while its action's Job is out of sight, and nothing else tells of it again.
#[test]
fn an_action_is_over_when_its_resource_is_gone() {
    let blind = |ticks| Op::Pass {
        resource: 0,
        get: false,
        ticks,
        crash: None,
    };
    let setup = Setup {
        unknown_tables: true,
        ..Setup::default()
    };
    let ops = [
        blind(0),
        Op::Push(1),
        blind(1),
        Op::Sync,
        blind(0),
        Op::Choose(0, 0),
        blind(0),
        Op::DropDatabase(0, false),
        Op::Sync,
        blind(0),
        Op::Delete(0),
        Op::Vanish(0),
    ];
    holds(setup, &ops);
}

/// One database failed, and another one is brought back, with the schema beside it: what is still to be done about the failure
/// is not refused for what went back.
#[test]
fn what_went_back_with_a_restore_is_not_held_against_other_decisions() {
    let setup = Setup {
        parallelism: 3,
        fates: vec![(1, 0, 0)],
        restore: Some(0),
        ..Setup::default()
    };
    holds(setup, &[Op::Go(11), Op::Act(0, RESTORE, 4), Op::Go(1)]);
}

/// A table stood there before the migration failed: that nothing of it is left is known, and its mark is not held up.
#[test]
fn what_stood_there_before_does_not_hold_up_a_mark() {
    let setup = Setup {
        fates: vec![(0, 0, 0)],
        ..Setup::default()
    };
    let ops = [
        Op::Go(5),
        Op::Choose(1, 0),
        Op::Go(5),
        Op::Choose(0, 1),
        Op::Choose(1, 0),
    ];
    let violations = play(&setup, &ops);
    assert!(violations.is_empty(), "{violations:?}");
}

/// Two fail at once: what is said of one, that its script ran to its end, is not offered for the other.
#[test]
fn of_two_that_failed_at_once_each_has_its_own_choices() {
    let setup = Setup {
        parallelism: 2,
        depends: true,
        fates: vec![(0, 0, 0), (2, 0, 4)],
        ..Setup::default()
    };
    let violations = play(&setup, &[Op::Go(1)]);
    assert!(violations.is_empty(), "{violations:?}");
}
