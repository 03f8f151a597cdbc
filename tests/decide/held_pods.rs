//! A container that was added to a step's pod runs for ever: the pod is ended when the step's end is journaled.

use database_migration_operator::api::{StepKind, StepOutcome, StepStatus, reasons};
use database_migration_operator::decide::{Decision, Effect, Snapshot, decide};
use database_migration_operator::facts::{HeldPod, JobProgress};
use rstest::rstest;

use super::cases::{ended, finished, job, migrating, reason, write};
use super::world::{START, at};

fn held(job: &str, grace: Option<i64>) -> HeldPod {
    HeldPod {
        name: format!("{job}-x"),
        uid: "pod-uid".to_owned(),
        job: job.to_owned(),
        ended_at: at(START),
        grace,
    }
}

fn deleted(decision: &Decision) -> Vec<(&str, i64)> {
    let effects = decision.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::DeletePod {
                name,
                grace_seconds,
                ..
            } => Some((name.as_str(), *grace_seconds)),
            _ => None,
        })
        .collect()
}

/// A run that has ended, with a migrate step that ended so, and its pod.
fn over(outcome: StepOutcome) -> Snapshot {
    let mut snapshot = finished();
    snapshot.resource.finalizer = true;
    let step = StepStatus {
        name: StepKind::Migrate,
        database: "db00".to_owned(),
        job: "migrate".to_owned(),
        job_uid: "job-uid".to_owned(),
        outcome: Some(outcome),
        finished_at: snapshot
            .resource
            .status
            .run
            .as_ref()
            .and_then(|run| run.finished_at.clone()),
        ..StepStatus::default()
    };
    snapshot
        .resource
        .status
        .run
        .as_mut()
        .unwrap()
        .steps
        .push(step);
    let found = job(&snapshot, "migrate", ended());
    snapshot.jobs.insert("migrate".to_owned(), found);
    snapshot.held_pods = vec![held("migrate", None)];
    snapshot.look_due = false;
    snapshot
}

#[rstest]
#[case(StepOutcome::Succeeded, 10)]
#[case(StepOutcome::NeverBegan, 10)]
// Somebody may want to read its log.
#[case(StepOutcome::Failed, 900)]
fn it_goes_when_it_had_time_to_end_by_itself(#[case] outcome: StepOutcome, #[case] stays: i64) {
    let mut snapshot = over(outcome);
    for early in [0, 1, stays - 1] {
        snapshot.now = at(START + early);
        let decision = decide(&snapshot);
        assert_eq!(deleted(&decision), [], "{early}");
        let next = decision.requeue_ms.unwrap();
        assert_eq!(
            next,
            u64::try_from(stays - early).unwrap() * 1000,
            "{early}"
        );
        assert!(
            !decision.effects.contains(&Effect::RemoveFinalizer),
            "a deletion is to be seen"
        );
    }
    snapshot.now = at(START + stays);
    let decision = decide(&snapshot);
    assert_eq!(deleted(&decision), [("migrate-x", 15)]);
    assert!(!decision.effects.contains(&Effect::RemoveFinalizer));
    // It is on its way, and then gone.
    snapshot.held_pods = vec![held("migrate", Some(15))];
    assert_eq!(deleted(&decide(&snapshot)), []);
    snapshot.held_pods.clear();
    assert!(decide(&snapshot).effects.contains(&Effect::RemoveFinalizer));
}

#[test]
fn an_end_that_is_not_journaled_is_kept() {
    let (mut snapshot, name) = migrating();
    snapshot.now = at(START + 100);
    let running = JobProgress::Running { since: at(START) };
    snapshot
        .jobs
        .insert(name.clone(), job(&snapshot, &name, running));
    snapshot.held_pods = vec![held(&name, None)];
    assert_eq!(deleted(&decide(&snapshot)), []);
    // Of a run before it nobody waits for anything.
    snapshot.held_pods.push(held("old", None));
    assert_eq!(deleted(&decide(&snapshot)), [("old-x", 15)]);
    // In the decision that journals the end, after the journal.
    snapshot
        .jobs
        .insert(name.clone(), job(&snapshot, &name, ended()));
    snapshot.held_pods.truncate(1);
    let decision = decide(&snapshot);
    assert!(decision.status.is_some());
    write(&mut snapshot, &decision);
    let step = snapshot.resource.status.run.as_ref().unwrap().steps[0].clone();
    assert!(
        step.finished_at.is_some(),
        "{step:?} {}",
        reason(&snapshot.resource.status)
    );
}

/// A deletion does not last for the grace period that a migration has: what is deleted already is shortened.
#[rstest]
#[case(None)]
#[case(Some(3600))]
fn a_deletion_does_not_wait_for_it(
    #[case] grace: Option<i64>,
    #[values(false, true)] namespace: bool,
    #[values(StepOutcome::Succeeded, StepOutcome::Failed)] outcome: StepOutcome,
) {
    let mut snapshot = over(outcome);
    snapshot.resource.deleting = true;
    snapshot.resource.namespace_deleting = namespace;
    snapshot.held_pods = vec![held("migrate", grace)];
    snapshot.now = at(START + 1);
    let effects = decide(&snapshot).effects;
    let place = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted);
    let pod = place(&|effect| {
        matches!(
            effect,
            Effect::DeletePod {
                grace_seconds: 15,
                ..
            }
        )
    });
    let finalizer = place(&|effect| *effect == Effect::RemoveFinalizer);
    assert!(pod.is_some() && pod < finalizer, "{effects:?}");
}

/// The finalizer gives way, and what is shown last says what becomes of what runs.
#[test]
fn a_namespace_that_goes_in_mid_run_says_what_stands_and_what_goes() {
    let (mut snapshot, name) = migrating();
    let found = job(&snapshot, &name, JobProgress::Running { since: at(START) });
    snapshot.jobs.insert(name, found);
    snapshot.resource.finalizer = true;
    snapshot.resource.deleting = true;
    snapshot.resource.namespace_deleting = true;
    let decision = decide(&snapshot);
    let effects = &decision.effects;
    assert!(effects.contains(&Effect::RemoveFinalizer), "{effects:?}");
    let message = &decision.status.unwrap().message;
    for part in [
        "db00: the namespace is being deleted",
        "Nothing is killed",
        "stands in the database and its ledger",
        "Nothing needs to be done",
    ] {
        assert!(message.contains(part), "{part} in: {message}");
    }
}

/// Its pod is deleted before the resource itself is.
#[test]
fn that_is_said_while_the_resource_is_not_deleted_yet() {
    let (mut snapshot, name) = migrating();
    let found = job(&snapshot, &name, JobProgress::Running { since: at(START) });
    snapshot.jobs.insert(name, found);
    snapshot.resource.namespace_deleting = true;
    let message = decide(&snapshot).status.unwrap().message;
    assert!(
        message.contains("db00: the namespace is being deleted"),
        "{message}"
    );
    assert!(message.contains("no other step begins"), "{message}");
}

/// Where nothing was added to a pod, nothing is different.
#[test]
fn without_one_a_run_ends_as_ever() {
    let mut snapshot = over(StepOutcome::Succeeded);
    snapshot.held_pods.clear();
    let decision = decide(&snapshot);
    assert_eq!(deleted(&decision), []);
    assert!(decision.effects.contains(&Effect::RemoveFinalizer));
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
}
