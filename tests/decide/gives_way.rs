//! What has not started gives way to a new run and to an Abort: nothing else would ever end it.

use database_migration_operator::api::{
    ActionKind, ActionOutcome, ActionState, MigrationActionSpec, Phase, RestoreTarget,
    SmokeTestSpec, Time, reasons,
};
use database_migration_operator::decide::{Decision, Effect, Snapshot, decide, status};
use database_migration_operator::facts::{
    ActionFacts, ContainerEnd, JobProgress, NotStarted, Reading, Unreadable, UnreadableReason,
};

use dbm_protocol::{Outcome, Refusal};

use super::cases::{applied, ended, job, migrating, reason, settle, snapshot, write};
use super::pods::summary;
use super::world::{START, at};

pub(super) fn asked(snapshot: &Snapshot, action: ActionKind) -> ActionFacts {
    let run = snapshot.resource.status.run.as_ref();
    ActionFacts {
        name: "decided".to_owned(),
        uid: "action".to_owned(),
        created_at: at(START),
        spec: MigrationActionSpec {
            migration: snapshot.resource.name.clone(),
            run: run.map(|run| run.id.clone()).unwrap_or_default(),
            action,
            requested_by: "alice".to_owned(),
            reason: "because".to_owned(),
            ..MigrationActionSpec::default()
        },
        state: ActionState::Pending,
    }
}

fn tested(mut snapshot: Snapshot) -> (Snapshot, String) {
    let test: SmokeTestSpec = serde_json::from_value(serde_json::json!({
        "name": "portal", "command": ["./test"], "image": "portal:typo"
    }))
    .unwrap();
    snapshot.resource.spec.validation.smoke_tests = vec![test];
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    (snapshot, name)
}

fn cannot_start(snapshot: &mut Snapshot, name: &str) -> Decision {
    let why = NotStarted {
        reason: "ImagePullBackOff".to_owned(),
        message: "not found".to_owned(),
        silent: false,
    };
    let found = job(snapshot, name, JobProgress::NotStarted(why));
    snapshot.jobs.insert(name.to_owned(), found);
    let decision = decide(snapshot);
    write(snapshot, &decision);
    decision
}

fn is_taken_away(decision: &Decision, job: &str) -> bool {
    let of_job = |e: &Effect| matches!(e, Effect::DeleteJob { name, .. } if name == job);
    decision.effects.iter().any(of_job)
}

/// The Job is gone, and it is decided until there is nothing more to decide.
fn gone(snapshot: &mut Snapshot, name: &str) -> String {
    snapshot.jobs.insert(name.to_owned(), None);
    snapshot.made.insert(name.to_owned());
    settle(snapshot)
}

#[test]
fn a_smoke_test_whose_image_is_not_there_gives_way_to_the_corrected_spec() {
    let (mut snapshot, name) = tested(applied());
    let decision = cannot_start(&mut snapshot, &name);
    assert!(!is_taken_away(&decision, &name));
    let said = &snapshot.resource.status;
    assert_eq!(reason(said), reasons::IMAGE_PULL_FAILED);
    let field = "Correct spec.validation.smokeTests[0].image";
    assert!(said.message.contains(field), "{}", said.message);

    snapshot.resource.spec.validation.smoke_tests[0].image = "portal:1".to_owned();
    let decision = cannot_start(&mut snapshot, &name);
    assert!(is_taken_away(&decision, &name));
    let next = gone(&mut snapshot, &name);
    assert!(!next.is_empty() && next != name, "{next}");
}

/// What the ledgers hold they hold, whether or not it was proven.
#[test]
fn a_smoke_test_whose_image_is_not_there_gives_way_to_an_abort() {
    let (mut snapshot, name) = tested(applied());
    snapshot.actions = vec![asked(&snapshot, ActionKind::Abort)];
    let decision = cannot_start(&mut snapshot, &name);
    assert!(is_taken_away(&decision, &name));
    assert_eq!(gone(&mut snapshot, &name), "");
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Failed), reasons::ABORTED)
    );
    let migrated = status::get(said, reasons::MIGRATED).unwrap();
    assert_eq!(migrated.status, "True", "{}", migrated.message);
}

#[test]
fn a_migration_whose_image_is_not_there_gives_way_to_an_abort() {
    let (mut snapshot, name) = migrating();
    snapshot.actions = vec![asked(&snapshot, ActionKind::Abort)];
    let decision = cannot_start(&mut snapshot, &name);
    assert!(is_taken_away(&decision, &name));
    assert_eq!(gone(&mut snapshot, &name), "");
    let said = &snapshot.resource.status;
    assert_eq!(
        (said.phase, reason(said)),
        (Some(Phase::Failed), reasons::ABORTED)
    );
    let migrated = status::get(said, reasons::MIGRATED).unwrap();
    assert_eq!(migrated.status, "False");
    // Nothing failed, so nothing is to be corrected.
    let [choice] = said.choices.as_slice() else {
        panic!("{:?}", said.choices);
    };
    assert!(
        choice.command.starts_with("kubectl dbm retry "),
        "{choice:?}"
    );
    assert!(!choice.title.contains("correct"), "{choice:?}");
}

/// One database, and an Abort while it is migrated: it comes to its end, and the ledger holds everything.
#[test]
fn an_abort_of_the_last_database_leaves_what_it_did_true() {
    let (mut snapshot, name) = migrating();
    snapshot.actions = vec![asked(&snapshot, ActionKind::Abort)];
    let found = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, found);
    snapshot.databases = applied().databases;
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(reason(said), reasons::ABORTED, "{}", said.message);
    let migrated = status::get(said, reasons::MIGRATED).unwrap();
    assert_eq!(migrated.status, "True", "{}", migrated.message);
}

/// A spec that changed waits for what a human decided, which is about to start; only what cannot start gives way to it.
#[test]
fn an_action_that_is_about_to_start_does_not_give_way_to_a_changed_spec() {
    let mut snapshot = applied();
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    snapshot.resource.spec.rollback.restore = Some(
        serde_json::from_value(serde_json::json!({"image": "typo:1", "command": ["./restore"]}))
            .unwrap(),
    );
    snapshot.now = at(START + 60);
    let mut action = asked(&snapshot, ActionKind::Restore);
    action.spec.database = "db00".to_owned();
    action.spec.target = Some(RestoreTarget {
        restore_point: String::new(),
        time: Some(Time(at(START + 30))),
    });
    snapshot.actions = vec![action];
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    snapshot.resource.spec.image = "app@sha256:2".to_owned();
    let new = job(
        &snapshot,
        &name,
        JobProgress::NotStarted(NotStarted::default()),
    );
    snapshot.jobs.insert(name.clone(), new);
    let decision = decide(&snapshot);
    assert!(!is_taken_away(&decision, &name));
    write(&mut snapshot, &decision);
    let unschedulable = NotStarted {
        reason: "Unschedulable".to_owned(),
        message: "0/3 nodes are available".to_owned(),
        silent: false,
    };
    snapshot.now = at(START + 200);
    let waits = job(&snapshot, &name, JobProgress::NotStarted(unschedulable));
    snapshot.jobs.insert(name.clone(), waits);
    let decision = decide(&snapshot);
    assert!(!is_taken_away(&decision, &name), "a node may be on its way");
    write(&mut snapshot, &decision);
    let decision = cannot_start(&mut snapshot, &name);
    assert!(is_taken_away(&decision, &name));

    // Its database cannot be read, which is why it is to be restored: the action ends all the same.
    snapshot.jobs.insert(name.clone(), None);
    snapshot.made.insert(name);
    let why = Unreadable {
        reason: UnreadableReason::Unreachable,
        message: "no answer".to_owned(),
    };
    snapshot.databases = [("db00".to_owned(), Reading::Unknown(why))].into();
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let taken = snapshot.resource.status.action.as_ref().unwrap();
    assert_eq!(taken.state, ActionState::Done, "{}", taken.message);
    assert_eq!(taken.outcome, Some(ActionOutcome::Failed));
    let said = "its Job was taken away before it started";
    assert!(taken.message.contains(said), "{}", taken.message);
}

/// Two at once: one is at work for long, the other one's image is not there. After the Abort took that one away nothing is
/// started in its place.
#[test]
fn nothing_is_started_again_between_an_abort_and_its_end() {
    let mut snapshot = snapshot(2);
    snapshot.resource.spec.parallelism = 2;
    for (number, reading) in snapshot.databases.values_mut().enumerate() {
        if let Reading::Known(facts) = reading {
            facts.identity.database_oid = u32::try_from(number).unwrap();
        }
    }
    for _ in 0..2 {
        let decision = decide(&snapshot);
        write(&mut snapshot, &decision);
    }
    let steps = snapshot.resource.status.run.as_ref().unwrap().steps.clone();
    let [works, waits] = steps.as_slice() else {
        panic!("{steps:?}");
    };
    let running = JobProgress::Running { since: at(START) };
    let found = job(&snapshot, &works.job, running);
    snapshot.jobs.insert(works.job.clone(), found);
    snapshot.actions = vec![asked(&snapshot, ActionKind::Abort)];
    let decision = cannot_start(&mut snapshot, &waits.job);
    assert!(is_taken_away(&decision, &waits.job));
    assert!(!is_taken_away(&decision, &works.job));
    assert_eq!(gone(&mut snapshot, &waits.job), "");
    snapshot.jobs.remove(&waits.job);
    for seconds in [1, 5, 70, 700] {
        snapshot.now = at(START + seconds);
        assert_eq!(settle(&mut snapshot), "", "after {seconds} s");
    }
}

/// A node is drained while the container of a smoke test starts: the test has not failed, and is run again.
#[test]
fn a_smoke_test_that_was_asked_to_end_before_it_began_is_run_again() {
    let (mut snapshot, name) = tested(applied());
    let refused = |name: &str, snapshot: &Snapshot| {
        let end = ContainerEnd {
            exit_code: 64,
            reason: "Error".to_owned(),
            said: String::new(),
            finished_at: at(START),
            summary: Some(Box::new(summary(
                Outcome::Refused(Refusal::TooLate),
                "",
                "",
            ))),
        };
        job(snapshot, name, JobProgress::Ended(end))
    };
    let found = refused(&name, &snapshot);
    snapshot.jobs.insert(name.clone(), found);
    let next = settle(&mut snapshot);
    assert!(
        !next.is_empty() && next != name,
        "{}",
        snapshot.resource.status.message
    );
    assert_eq!(reason(&snapshot.resource.status), reasons::SMOKE_TESTING);
}

/// Whoever suspends a release wants nothing to start: what was only waiting for its image is taken away, and made again later.
#[test]
fn a_migration_that_has_not_started_gives_way_to_a_suspension() {
    let (mut snapshot, name) = migrating();
    snapshot.resource.suspended = true;
    let waits = job(
        &snapshot,
        &name,
        JobProgress::NotStarted(NotStarted::default()),
    );
    snapshot.jobs.insert(name.clone(), waits);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    assert!(is_taken_away(&decision, &name));
    assert_eq!(gone(&mut snapshot, &name), "");
    let said = &snapshot.resource.status;
    assert_eq!(said.phase, Some(Phase::Suspended), "{}", said.message);
    snapshot.resource.suspended = false;
    snapshot.now = at(START + 10);
    let next = settle(&mut snapshot);
    assert!(!next.is_empty() && next != name, "{next}");
}

/// The edit to which a Job gave way is taken back before the Job is gone: it was not lost, and is made again.
#[test]
fn what_gave_way_to_an_edit_that_was_taken_back_is_made_again() {
    let (mut snapshot, name) = migrating();
    let image = snapshot.resource.spec.image.clone();
    snapshot.resource.spec.image = "app@sha256:2".to_owned();
    let decision = cannot_start(&mut snapshot, &name);
    assert!(is_taken_away(&decision, &name));
    snapshot.resource.spec.image = image;
    assert_eq!(gone(&mut snapshot, &name), "", "a moment later");
    snapshot.jobs.clear();
    snapshot.now = at(START + 10);
    let next = settle(&mut snapshot);
    let said = &snapshot.resource.status;
    assert!(!next.is_empty() && next != name, "{}", said.message);
    assert_eq!(said.phase, Some(Phase::Migrating));
}
