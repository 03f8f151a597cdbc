//! More schedules that once broke a promise: what people decided, while resources go, databases leave the spec or are brought
//! back by others, and somebody mends by hand.

use super::schedule::{Op, Setup, play};

fn holds(setup: &Setup, ops: &[Op]) {
    let violations = play(setup, ops);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn pass(resource: usize, get: bool, ticks: u8) -> Op {
    Op::Pass {
        resource,
        get,
        ticks,
        crash: None,
    }
}

fn unknown_tables() -> Setup {
    Setup {
        unknown_tables: true,
        ..Setup::default()
    }
}

/// The pod of an action's Job is lost, and runs on; its resource goes. The action was taken up, so it is over, and was not refused.
#[test]
fn an_action_that_was_taken_up_is_not_refused_when_its_resource_is_gone() {
    let ops = [
        pass(0, false, 0),
        Op::Tick(1),
        pass(0, true, 0),
        Op::Choose(0, 0),
        Op::Sync,
        pass(0, false, 0),
        Op::Tick(1),
        Op::Kill(0, true),
        Op::Delete(0),
    ];
    holds(&unknown_tables(), &ops);
}

/// Killed between the journal of an action and its Job, and its database leaves the spec: it is over, and nothing is made.
#[rstest::rstest]
fn an_action_without_a_job_is_over_when_its_database_leaves_the_spec(
    #[values(0, 1)] ticks: u8,
    #[values(false, true)] depends: bool,
) {
    let ops = [
        Op::DropDatabase(0, false),
        pass(0, false, ticks),
        pass(0, false, 1),
        pass(0, true, 0),
        Op::Choose(0, 0),
        Op::Restart,
        Op::Pass {
            resource: 0,
            get: false,
            ticks: 0,
            crash: Some((1, true)),
        },
        Op::DropDatabase(0, false),
    ];
    let setup = Setup {
        depends,
        ..unknown_tables()
    };
    holds(&setup, &ops);
}

/// A run found that its first database has nothing pending, and waits for its turn on the second; meanwhile another resource
/// brings the first one back.
#[test]
fn what_was_brought_back_before_a_run_began_comes_first_again() {
    let setup = Setup {
        fates: vec![(2, 2, 1)],
        restore: Some(0),
        room: 1,
        ..Setup::default()
    };
    let ops = [
        Op::Go(34),
        Op::Choose(1, 1),
        Op::Go(5),
        Op::Choose(0, 0),
        Op::Choose(1, 0),
        Op::Go(1),
    ];
    holds(&setup, &ops);
}

/// Nothing was left of what failed, and somebody has finished it by hand since: that it may not be marked rolled back is right.
#[test]
fn what_was_finished_by_hand_is_not_marked_rolled_back() {
    let setup = Setup {
        fates: vec![(0, 1, 2)],
        ..Setup::default()
    };
    let ops = [
        pass(1, true, 2),
        pass(1, false, 2),
        pass(1, true, 2),
        Op::Tick(6),
        Op::Mend(0),
    ];
    holds(&setup, &ops);
}

/// A retry is journaled, and the operator killed before it says so; the resource, which nothing held, goes.
#[test]
fn a_retry_that_nothing_came_of_may_be_refused() {
    let killed = Op::Pass {
        resource: 1,
        get: false,
        ticks: 0,
        crash: Some((2, false)),
    };
    let ops = [
        pass(1, false, 0),
        Op::Act(1, 0, 8),
        Op::Sync,
        killed,
        Op::Delete(1),
    ];
    holds(&Setup::default(), &ops);
}

/// What a first try left was marked rolled back and not undone, so the second one left nothing that was not there. The spec
/// changes, and the next run still knows that.
#[test]
fn that_nothing_is_left_is_known_in_the_next_run() {
    let setup = Setup {
        fates: vec![(0, 0, 1)],
        ..Setup::default()
    };
    let ops = [
        pass(1, true, 0),
        Op::Tick(1),
        pass(1, true, 1),
        Op::Tick(6),
        Op::Resolve(0),
        Op::Image(1, 2),
        Op::Go(6),
        Op::Image(1, 3),
    ];
    holds(&setup, &ops);
}

/// Two run at once, and of one there is no session yet after a while: that is news once, whatever is said of the other.
#[test]
fn what_is_told_of_one_that_runs_is_not_told_again_beside_another() {
    let setup = Setup {
        parallelism: 3,
        ..Setup::default()
    };
    let ops = [
        pass(0, false, 1),
        Op::Tick(6),
        Op::Pass {
            resource: 1,
            get: true,
            ticks: 0,
            crash: Some((0, true)),
        },
        pass(0, false, 0),
        Op::Stranger(2, 11),
        Op::Tick(4),
        Op::Restart,
        Op::Tick(7),
        pass(0, true, 1),
    ];
    holds(&setup, &ops);
}

/// While one is watched another resource goes on with the same schema: nothing that was verified is not so any more.
#[test]
fn a_watch_does_not_fail_for_what_another_migrates() {
    let setup = Setup {
        parallelism: 2,
        depends: true,
        tests: vec![(1, 3, 2)],
        watch: true,
        ..Setup::default()
    };
    holds(&setup, &[]);
}

/// The run fails beside a database that cannot be read, while a new spec waits for its end.
#[test]
fn a_run_that_fails_beside_an_unreadable_database_gives_way_at_once() {
    let setup = Setup {
        fates: vec![(0, 1, 1)],
        ..Setup::default()
    };
    let ops = [
        pass(0, false, 2),
        pass(0, true, 1),
        Op::Sync,
        pass(0, false, 0),
        Op::Act(0, 4, 6),
        Op::Tick(6),
        Op::Restart,
        Op::Image(0, 1),
        Op::Readable(2, false),
        pass(0, false, 0),
    ];
    holds(&setup, &ops);
}

/// One schema failed, and the one beside it is brought back, with the database: the row that failed is not there any more.
#[test]
fn what_failed_goes_back_with_the_database() {
    let setup = Setup {
        parallelism: 3,
        fates: vec![(2, 2, 1)],
        restore: Some(0),
        ..Setup::default()
    };
    let ops = [
        Op::Go(15),
        Op::Choose(0, 3),
        Op::Go(20),
        Op::Choose(0, 3),
        Op::Go(23),
        Op::Act(0, 4, 4),
    ];
    holds(&setup, &ops);
}

/// A run that migrated nothing ends at a moment at which a finished resource is looked at, too: what going back would lose is
/// known by then.
#[test]
fn what_going_back_would_lose_is_known_at_the_end() {
    let setup = Setup {
        parallelism: 3,
        restore: Some(1),
        watch: true,
        ..Setup::default()
    };
    let ops = [
        pass(1, false, 0),
        pass(0, true, 2),
        pass(1, true, 1),
        Op::Tick(7),
        pass(0, true, 2),
        Op::Image(1, 2),
        Op::Tick(7),
        Op::Sync,
        pass(1, false, 0),
        Op::Tick(5),
        Op::Sync,
        pass(1, false, 2),
        Op::Pass {
            resource: 0,
            get: true,
            ticks: 0,
            crash: Some((3, true)),
        },
        Op::Tick(8),
        pass(0, true, 1),
    ];
    holds(&setup, &ops);
}

/// Somebody finished by hand what a resource offered to finish, and another resource says that nothing was left of it.
#[test]
fn what_was_finished_by_hand_for_one_is_not_marked_rolled_back_for_another() {
    let setup = Setup {
        fates: vec![(0, 0, 3)],
        ..Setup::default()
    };
    let ops = [
        Op::Go(5),
        Op::Choose(1, 0),
        Op::Go(19),
        Op::Choose(1, 0),
        Op::Go(8),
        Op::Choose(0, 1),
        Op::Retry(1),
    ];
    holds(&setup, &ops);
}

/// What another resource left in the ledger bears no time but its start, within the second of the restore point: that a restore
/// did nothing cannot be seen.
#[test]
fn what_began_within_the_second_of_a_restore_point_is_not_held_against_it() {
    let setup = Setup {
        fates: vec![(0, 0, 3)],
        restore: Some(3),
        ..Setup::default()
    };
    holds(&setup, &[pass(1, true, 0), Op::Go(18), Op::Act(0, 4, 5)]);
}

/// Something is left of what could not get its lock, there is no down.sql, and nobody saw who held it: the next command shows who
/// does.
#[test]
fn there_is_a_next_command_where_the_holder_of_a_lock_was_not_seen() {
    let setup = Setup {
        fates: vec![(0, 2, 2)],
        ..Setup::default()
    };
    let ops = [
        pass(1, true, 0),
        Op::Tick(4),
        Op::Sync,
        pass(1, false, 1),
        Op::Tick(7),
        Op::Mend(0),
    ];
    holds(&setup, &ops);
}

/// A run that was rolled back goes on by a baseline, and what was rolled back in it is blocked by another run's row: there is a next
/// command for that.
#[test]
fn there_is_a_next_command_for_what_blocks_a_run_that_was_rolled_back() {
    let setup = Setup {
        fates: vec![(2, 0, 3)],
        ..unknown_tables()
    };
    let ops = [
        Op::Go(18),
        Op::Act(0, 2, 11),
        Op::Go(23),
        Op::Act(0, 5, 13),
        Op::Image(1, 1),
    ];
    holds(&setup, &ops);
}

/// An action that waits for a database which cannot be read is said something about once it can, though its resource's run was
/// aborted meanwhile.
#[test]
fn an_action_does_not_wait_for_ever_beside_an_aborted_run() {
    let get = |resource: usize, ticks: u8, crash| Op::Pass {
        resource,
        get: true,
        ticks,
        crash,
    };
    let ops = [
        get(1, 0, None),
        Op::Tick(6),
        Op::Readable(2, false),
        Op::Act(1, 7, 6),
        get(1, 2, None),
        Op::Readable(0, false),
        Op::Act(1, 1, 10),
        get(1, 0, Some((0, false))),
        get(1, 0, None),
        Op::Withdraw(2),
    ];
    holds(&Setup::default(), &ops);
}
