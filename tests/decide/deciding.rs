//! What becomes of a human's decision, case by case; what is offered; what is looked at for it.

use std::collections::BTreeMap;

use database_migration_operator::api::{
    ActionKind, ActionOutcome, ActionState, DatabasePhase, MigrationActionStatus, WentBack, reasons,
};
use database_migration_operator::decide::{LookWant, wants};
use database_migration_operator::facts::ActionFacts;
use rstest::rstest;

use super::humans;
use super::operator::Operator;
use super::schedule::{Setup, second};
use super::setup;
use super::world::{World, at};

fn after(setup: &Setup, seconds: u32) -> (World, Operator) {
    let mut world = setup::world(setup);
    let mut operator = Operator::new(world.objects.len());
    (0..seconds).for_each(|_| second(&mut world, &mut operator));
    (world, operator)
}

/// What a decision on the first resource has come to a minute later.
fn decided(setup: &Setup, kind: u8, twist: u8) -> MigrationActionStatus {
    let (mut world, mut operator) = after(setup, 40);
    humans::act(&mut world, 0, kind, twist);
    (0..60).for_each(|_| second(&mut world, &mut operator));
    assert!(world.violations.is_empty(), "{:?}", world.violations);
    world.actions.pop().expect("it was decided").status
}

const RETRY: u8 = 0;
const APPLIED: u8 = 1;
const ROLLED_BACK: u8 = 2;
const DOWN: u8 = 3;
const RESTORE: u8 = 4;
const BASELINE: u8 = 5;
const ACCEPT: u8 = 6;
const ABORT: u8 = 7;

fn well() -> Setup {
    Setup::default()
}

/// The first migration of the second database fails, and left something.
fn failing(restore: Option<u8>) -> Setup {
    Setup {
        fates: vec![(1, 0, 1)],
        restore,
        ..well()
    }
}

/// It fails, and left nothing.
fn failing_whole() -> Setup {
    Setup {
        fates: vec![(1, 0, 0)],
        ..well()
    }
}

fn bad_downs() -> Setup {
    Setup {
        downs_fail: true,
        ..failing(None)
    }
}

/// Its second migration, whose down.sql cannot run in a transaction.
fn concurrent(downs_fail: bool) -> Setup {
    Setup {
        fates: vec![(1, 1, 1)],
        downs_fail,
        ..well()
    }
}

fn unknown_tables() -> Setup {
    Setup {
        unknown_tables: true,
        ..well()
    }
}

fn testing() -> Setup {
    Setup {
        tests: vec![(0, 2, 1)],
        ..well()
    }
}

const SUCCEEDED: Option<ActionOutcome> = Some(ActionOutcome::Succeeded);
const FAILED: Option<ActionOutcome> = Some(ActionOutcome::Failed);

#[rstest]
#[case::retry(well(), RETRY, 0, SUCCEEDED, "run r2-11111111 began")]
#[case::other_run(
    well(),
    RETRY,
    2,
    None,
    "it was decided on run other, and the run is r1-11111111 now"
)]
#[case::applied(
    failing(None),
    APPLIED,
    0,
    SUCCEEDED,
    "b: 0100_base is marked applied; the run goes on"
)]
#[case::other_row(failing(None), APPLIED, 3, None, "b: the ledger has no row other")]
#[case::other_database(failing(None), APPLIED, 4, None, "d: the ledger has no row")]
#[case::other_name(failing(None), APPLIED, 5, None, "is of 0100_base, not of 0200_base")]
#[case::rolled_back(
    failing_whole(),
    ROLLED_BACK,
    0,
    SUCCEEDED,
    "b: 0100_base is marked rolled back"
)]
#[case::not_undone(
    failing(None),
    ROLLED_BACK,
    0,
    None,
    "b: something of 0100_base is left: table \"0100_base\" added. Undo it first"
)]
#[case::rolled_back_all_the_same(
    failing(None),
    ROLLED_BACK,
    8,
    SUCCEEDED,
    "b: 0100_base is marked rolled back"
)]
#[case::not_finished(
    failing_whole(),
    APPLIED,
    0,
    None,
    "b: 0100_base is not finished: table \"0100_base\" is not there. Finish it by hand first"
)]
#[case::applied_all_the_same(
    failing_whole(),
    APPLIED,
    8,
    SUCCEEDED,
    "b: 0100_base is marked applied; the run goes on"
)]
#[case::rolled_back_elsewhere(failing(None), ROLLED_BACK, 3, None, "has no row other")]
#[case::down(
    failing(None),
    DOWN,
    0,
    SUCCEEDED,
    "b: 0100_base was undone with its down.sql"
)]
#[case::down_fails(
    bad_downs(),
    DOWN,
    0,
    FAILED,
    "It ran in one transaction, so nothing of it took effect"
)]
#[case::concurrently(
    concurrent(false),
    DOWN,
    0,
    SUCCEEDED,
    "b: 0200_base is marked rolled back"
)]
#[case::concurrently_fails(concurrent(true), DOWN, 0, FAILED, "the down.sql of 0200_base failed")]
#[case::down_of_an_older_one(
    well(),
    DOWN,
    0,
    None,
    "applied after 0100_base; undo the newest first"
)]
#[case::down_of_none(failing(None), DOWN, 5, None, "0200_base is not in the ledger")]
#[case::baseline(
    unknown_tables(),
    BASELINE,
    0,
    SUCCEEDED,
    "b: marked applied up to 0100_base; the run goes on"
)]
#[case::other_plan(unknown_tables(), BASELINE, 6, None, "b: the plan has changed since")]
#[case::too_far(
    unknown_tables(),
    BASELINE,
    5,
    None,
    "not everything that these migrations make is there: table \"0200_base\" is not there (0200_base). Up to 0100_base"
)]
#[case::needless(well(), BASELINE, 0, None, "b: Prisma has migrated it before")]
#[case::accepted(
    testing(),
    ACCEPT,
    0,
    SUCCEEDED,
    "what the validation found is accepted"
)]
#[case::nothing_to_accept(
    failing(None),
    ACCEPT,
    0,
    None,
    "no validation of run r1-11111111 failed (it says MigrationFailed)"
)]
#[case::too_late(well(), ABORT, 0, None, "run r1-11111111 has ended already")]
#[case::no_command(failing(None), RESTORE, 0, None, "spec.rollback.restore is not set")]
#[case::restored(
    failing(Some(0)),
    RESTORE,
    0,
    SUCCEEDED,
    "b: brought back to dbm-r1-11111111"
)]
#[case::to_a_time(failing(Some(0)), RESTORE, 7, SUCCEEDED, "b: brought back to 20")]
#[case::restore_fails(
    failing(Some(1)),
    RESTORE,
    0,
    FAILED,
    "b: the restore Job failed (exit code 1). The ledger is as it was before."
)]
#[case::restored_nothing(
    failing(Some(3)),
    RESTORE,
    0,
    FAILED,
    "the ledger still holds what was written of 0100_base after dbm-r1-11111111"
)]
#[case::took_too_long(
    failing(Some(4)),
    RESTORE,
    0,
    FAILED,
    "the restore took longer than rollback.restore.timeout"
)]
#[case::broken(
    failing(Some(5)),
    RESTORE,
    0,
    FAILED,
    "the restore Job failed, and the database cannot be read"
)]
fn decisions(
    #[case] setup: Setup,
    #[case] kind: u8,
    #[case] twist: u8,
    #[case] outcome: Option<ActionOutcome>,
    #[case] message: &str,
) {
    let status = decided(&setup, kind, twist);
    let state = if outcome.is_some() {
        ActionState::Done
    } else {
        ActionState::Refused
    };
    let said = &status.message;
    assert_eq!((status.state, status.outcome), (state, outcome), "{said}");
    assert!(said.contains(message), "{said}");
}

#[test]
fn a_restore_of_another_database_is_told() {
    let setup = Setup {
        fates: vec![(2, 0, 1)],
        restore: Some(2),
        ..well()
    };
    let status = decided(&setup, RESTORE, 0);
    assert_eq!(status.outcome, FAILED);
    assert!(
        status.message.contains("the ledger of b changed"),
        "{}",
        status.message
    );
}

/// The verbs that are offered, in their order.
#[rstest]
#[case::succeeded(well(), &[])]
#[case::traceless(Setup { fates: vec![(1, 0, 0)], ..well() }, &["mark-rolled-back", "mark-applied"])]
#[case::with_traces(failing(None), &["down", "mark-applied", "psql"])]
#[case::restorable(failing(Some(0)), &["down", "mark-applied", "psql", "restore"])]
#[case::cut_off(Setup { fates: vec![(1, 0, 3)], ..well() }, &["mark-rolled-back", "mark-applied"])]
#[case::not_recorded(Setup { fates: vec![(1, 0, 4)], ..well() }, &["mark-applied"])]
#[case::reverted(Setup { fates: vec![(1, 0, 0)], revert: true, ..well() }, &["retry"])]
#[case::not_valid(testing(), &["retry", "accept"])]
#[case::denied(Setup { denied: Some(1), ..well() }, &["retry", "accept"])]
#[case::no_ledger(unknown_tables(), &["baseline"])]
#[case::no_restore_point(Setup { points: 1, forbidden: true, ..well() }, &[])]
fn offers(#[case] setup: Setup, #[case] expected: &[&str]) {
    let (world, _) = after(&setup, 40);
    let status = &world.objects[0].resource.status;
    let verbs: Vec<&str> = status
        .choices
        .iter()
        .filter_map(|choice| choice.command.split(' ').nth(2))
        .collect();
    assert_eq!(verbs, expected, "{}", status.message);
    if let Some(first) = status.choices.first() {
        assert_eq!(status.next_command, first.command);
    }
}

/// Nobody looks without a reason; a decision has its database looked at, and what it must not touch.
#[test]
fn a_decision_has_its_database_looked_at() {
    let (mut world, _) = after(&failing(Some(0)), 40);
    let resource = world.objects[0].resource.clone();
    let looks = |actions: &[ActionFacts]| wants(&resource, &BTreeMap::new(), actions, false, at(0));
    assert_eq!(looks(&[]).databases, BTreeMap::new());
    for (kind, twist, exact) in [
        (RESTORE, 0, Some("b")),
        (DOWN, 0, Some("b")),
        (RETRY, 0, None),
        (DOWN, 2, None),
    ] {
        humans::act(&mut world, 0, kind, twist);
        let action = world.actions.pop().expect("decided").facts;
        let wants = looks(std::slice::from_ref(&action));
        let fresh: Vec<&String> = wants
            .databases
            .iter()
            .filter(|(_, look)| look.age == 0)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(fresh, exact.into_iter().collect::<Vec<_>>());
        let number = if exact.is_some() { 4 } else { 0 };
        assert_eq!(wants.databases.len(), number, "{:?}", action.spec.action);
        if let Some(look) = wants.databases.get("b") {
            let expected = LookWant {
                catalog: true,
                ..LookWant::default()
            };
            assert_eq!(*look, expected);
        }
    }
    humans::act(&mut world, 0, APPLIED, 0);
    let action = world.actions.pop().expect("decided").facts;
    assert_eq!(action.spec.action, ActionKind::MarkApplied);
    assert_eq!(looks(&[action]).databases.len(), 4);
}

/// Many databases, one after the other: each is looked at when its turn comes, and what has nothing to do with the one after it.
#[rstest]
#[case::has_something_to_do(1, 1, &["db01"])]
#[case::nothing_to_do(1, 0, &["db01", "db02"])]
#[case::at_once(2, 1, &["db01", "db02", "db03"])]
fn between_two_databases_the_next_one_is_looked_at(
    #[case] parallelism: u32,
    #[case] pending: u32,
    #[case] expected: &[&str],
) {
    let mut snapshot = super::cases::snapshot(4);
    super::cases::settle(&mut snapshot);
    let resource = &mut snapshot.resource;
    resource.spec.parallelism = parallelism;
    let run = resource.status.run.as_mut().expect("it runs");
    run.steps[0].finished_at = run.steps[0].started_at.clone();
    resource.status.databases[0].phase = DatabasePhase::Succeeded;
    resource.status.databases[1].pending_count = pending;
    let wants = wants(resource, &BTreeMap::new(), &[], false, at(0));
    let looked: Vec<&str> = wants.databases.keys().map(String::as_str).collect();
    assert_eq!(looked, expected);
}

/// Who accepted a test that failed, or a line that was denied, and why, stays with it and is said to the end.
#[rstest]
#[case::smoke_test(testing(), "t0 failed, accepted by ")]
#[case::denied_line(
    Setup { denied: Some(1), ..well() },
    "line 3 of b's output was denied, accepted by "
)]
fn who_accepted_it_is_said(#[case] setup: Setup, #[case] said: &str) {
    let (mut world, mut operator) = after(&setup, 40);
    humans::act(&mut world, 0, ACCEPT, 0);
    let by = world.actions[0].facts.spec.requested_by.clone();
    (0..60).for_each(|_| second(&mut world, &mut operator));
    let status = &world.objects[0].resource.status;
    let validated = status
        .conditions
        .iter()
        .find(|c| c.type_ == reasons::VALIDATED);
    let validated = validated.expect("it is validated");
    assert_eq!(validated.reason, reasons::VALIDATION_ACCEPTED);
    assert!(
        validated.message.contains(&format!("{said}{by}: because")),
        "{}",
        validated.message
    );
}

/// How each database went back is the operator's to say: also of the other schema of one that was restored, on which no action
/// was taken.
#[test]
fn how_a_database_went_back_is_said_of_each() {
    let setup = Setup {
        parallelism: 2,
        restore: Some(0),
        ..well()
    };
    let mut together = 0;
    for twist in 0..8 {
        let (mut world, mut operator) = after(&setup, 40);
        humans::act(&mut world, 0, RESTORE, twist);
        (0..60).for_each(|_| second(&mut world, &mut operator));
        let databases = &world.objects[0].resource.status.databases;
        let back = databases
            .iter()
            .filter(|d| d.phase == DatabasePhase::RolledBack);
        let how: Vec<Option<WentBack>> = back.map(|d| d.went_back).collect();
        assert!(
            how.iter().all(|how| *how == Some(WentBack::Restored)),
            "{how:?}"
        );
        together += usize::from(how.len() > 1);
        let others = databases
            .iter()
            .filter(|d| d.phase != DatabasePhase::RolledBack);
        assert!(others.into_iter().all(|d| d.went_back.is_none()));
    }
    assert!(together > 0, "two schemas of one database go back together");
}

#[rstest]
#[case::down(failing(None), DOWN, WentBack::Undone)]
#[case::concurrently(concurrent(false), DOWN, WentBack::Undone)]
#[case::by_hand(failing_whole(), ROLLED_BACK, WentBack::Marked)]
fn what_was_done_to_go_back_is_said(#[case] setup: Setup, #[case] kind: u8, #[case] how: WentBack) {
    let (mut world, mut operator) = after(&setup, 40);
    humans::act(&mut world, 0, kind, 0);
    (0..60).for_each(|_| second(&mut world, &mut operator));
    let databases = &world.objects[0].resource.status.databases;
    let back = databases
        .iter()
        .find(|d| d.phase == DatabasePhase::RolledBack);
    assert_eq!(back.and_then(|d| d.went_back), Some(how));
}
