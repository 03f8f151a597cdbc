//! What the API server refuses: said once, asked for again with patience, and no way to keep a run from its end.

use database_migration_operator::api::{
    ActionKind, Phase, SmokeTestSpec, StepKind, StepOutcome, reasons,
};
use database_migration_operator::decide::{Effect, Refused, Snapshot, decide};
use database_migration_operator::facts::{JobProgress, Ledger, LedgerRow, NotStarted, Reading};

use super::cases::{
    ended, inventory, job, migrating, reason, refusal, row, settle, snapshot, write,
};
use super::gives_way::asked;
use super::resolves::killed;
use super::world::{START, at};

/// Two databases that are migrated at once.
pub(super) fn two() -> Snapshot {
    let mut snapshot = snapshot(2);
    snapshot.resource.spec.parallelism = 2;
    for (number, reading) in snapshot.databases.values_mut().enumerate() {
        if let Reading::Known(facts) = reading {
            facts.identity.database_oid = u32::try_from(number).unwrap();
        }
    }
    snapshot
}

fn jobs(snapshot: &Snapshot) -> Vec<String> {
    let run = snapshot.resource.status.run.as_ref().unwrap();
    run.steps.iter().map(|step| step.job.clone()).collect()
}

/// A policy refuses both Jobs: each is asked for again by its own time, and none for the other's sake.
#[test]
fn two_refused_jobs_are_both_waited_for() {
    let mut snapshot = two();
    settle(&mut snapshot);
    let jobs = jobs(&snapshot);
    assert_eq!(jobs.len(), 2);
    for name in jobs {
        snapshot.jobs.insert(name.clone(), None);
        let refusal = refusal(Refused::Job, "denied by a policy");
        snapshot.refusals.insert(name, refusal);
    }
    for _ in 0..2 {
        let decision = decide(&snapshot);
        assert_eq!(decision.effects, []);
        assert!(!decision.again);
        assert!(decision.poll_ms.is_some());
        write(&mut snapshot, &decision);
    }
    assert_eq!(reason(&snapshot.resource.status), reasons::JOB_REFUSED);
    assert!(decide(&snapshot).status.is_none(), "nothing is news");
}

/// A webhook's server is restarted: nobody is called for that. One that stays away is a person's.
#[test]
fn who_cannot_be_asked_for_a_moment_is_asked_again() {
    let (mut snapshot, name) = migrating();
    snapshot.jobs.insert(name.clone(), None);
    let mut refusal = refusal(Refused::Job, "failed calling webhook");
    refusal.passing = true;
    snapshot.refusals.insert(name, refusal);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Migrating), reasons::WAITING_RETRY)
    );
    assert!(said.message.contains("failed calling webhook"));
    assert_eq!(decision.requeue_ms, Some(3_000));
    assert!(decision.events.is_empty() && decision.effects.is_empty());

    snapshot.now = at(START + 61);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Blocked), reasons::JOB_REFUSED)
    );
    assert!(decision.events.iter().any(|event| event.warning));
}

/// One database is migrated and its smoke test refused; then the other one fails. What was not made is not made any more,
/// and does not keep the run from its end.
#[test]
fn a_refused_smoke_test_does_not_keep_a_failed_run_open() {
    let mut snapshot = two();
    let test: SmokeTestSpec = serde_json::from_value(serde_json::json!({
        "name": "portal", "command": ["./test"], "after": "db00"
    }))
    .unwrap();
    snapshot.resource.spec.validation.smoke_tests = vec![test];
    settle(&mut snapshot);
    let jobs = jobs(&snapshot);
    let [first, second] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    let done = job(&snapshot, first, ended());
    snapshot.jobs.insert(first.clone(), done);
    let running = job(&snapshot, second, JobProgress::Running { since: at(START) });
    snapshot.jobs.insert(second.clone(), running);
    let applied = row(&inventory(1).migrations[0]);
    ledger(&mut snapshot, "db00", applied.clone());
    let test = settle(&mut snapshot);
    assert!(!test.is_empty(), "{}", snapshot.resource.status.message);
    let refusal = refusal(Refused::Job, "denied by a policy");
    snapshot.refusals.insert(test.clone(), refusal);
    snapshot.jobs = [(test, None)].into();
    let killed = job(&snapshot, second, killed());
    snapshot.jobs.insert(second.clone(), killed);
    let failed = LedgerRow {
        id: "row".to_owned(),
        finished_at: None,
        applied_steps_count: 0,
        logs: Some("ERROR: no".to_owned()),
        ..applied
    };
    ledger(&mut snapshot, "db01", failed);
    // Not believed any more.
    let believed = std::mem::take(&mut snapshot.refusals);
    snapshot.now = at(START + 20);
    for refusals in [believed, Default::default()] {
        snapshot.refusals = refusals;
        assert_eq!(settle(&mut snapshot), "");
    }
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Failed), reasons::MIGRATION_FAILED)
    );
    let steps = &said.run.as_ref().unwrap().steps;
    let test = steps.iter().find(|step| step.name == StepKind::SmokeTest);
    assert_eq!(test.unwrap().outcome, Some(StepOutcome::NeverBegan));
}

fn ledger(snapshot: &mut Snapshot, database: &str, row: LedgerRow) {
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(database) {
        facts.ledger = Ledger::Rows(vec![row]);
    }
}

/// A lock time-out's row is about to be marked rolled back when the spec is edited, or the run aborted: a matter of seconds,
/// which is waited for. Only where it will not come to pass it gives way.
#[rstest::rstest]
#[case::edit(false)]
#[case::abort(true)]
fn marking_a_row_gives_way_only_where_it_is_kept(#[case] abort: bool) {
    let (mut snapshot, name) = super::resolves::reverting();
    if abort {
        snapshot.actions = vec![asked(&snapshot, ActionKind::Abort)];
    } else {
        snapshot.resource.spec.image = "app@sha256:2".to_owned();
    }
    let taken_away = |snapshot: &mut Snapshot, why: NotStarted| {
        let waits = job(snapshot, &name, JobProgress::NotStarted(why));
        snapshot.jobs.insert(name.clone(), waits);
        let decision = decide(snapshot);
        write(snapshot, &decision);
        let mut effects = decision.effects.iter();
        effects.any(|e| matches!(e, Effect::DeleteJob { .. }))
    };
    let missing = NotStarted {
        reason: "ImagePullBackOff".to_owned(),
        message: "not found".to_owned(),
        silent: false,
    };
    assert!(!taken_away(&mut snapshot, NotStarted::default()));
    assert!(!taken_away(&mut snapshot, missing.clone()), "at first");
    snapshot.now = at(START + 100);
    assert!(taken_away(&mut snapshot, missing));

    snapshot.jobs.insert(name.clone(), None);
    snapshot.made.insert(name);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status.message;
    assert!(said.contains("was taken away before it started"), "{said}");
}

/// A run's name can be foretold: what was made long before it began was decided on by nobody.
#[rstest::rstest]
#[case(-3600, false)]
#[case(-30, true)]
#[case(0, true)]
fn what_was_made_before_its_run_is_refused(#[case] before: i64, #[case] taken: bool) {
    let mut snapshot = super::cases::finished();
    let mut action = asked(&snapshot, ActionKind::Retry);
    action.created_at = at(START + before);
    snapshot.actions = vec![action];
    let decision = decide(&snapshot);
    let run = |status: &Option<database_migration_operator::api::RunStatus>| {
        status.as_ref().map(|run| run.id.clone())
    };
    let status = decision
        .status
        .as_deref()
        .unwrap_or(&snapshot.resource.status);
    let began = run(&status.run) != run(&snapshot.resource.status.run);
    assert_eq!(began, taken);
    let told: Vec<String> = decision
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::SetAction { status, .. } => Some(status.message.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        told.iter().any(|it| it.contains("was made before run")),
        !taken,
        "{told:?}"
    );
}
