//! What has not started gives way to a new run and to an Abort: nothing else would ever end it.

use database_migration_operator::api::{
    ActionKind, ActionState, MigrationActionSpec, Phase, SmokeTestSpec, reasons,
};
use database_migration_operator::decide::{Decision, Effect, Snapshot, decide, status};
use database_migration_operator::facts::{ActionFacts, JobProgress, NotStarted};

use super::cases::{applied, job, migrating, reason, write};
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
    for _ in 0..5 {
        let decision = decide(snapshot);
        let made = write(snapshot, &decision);
        if !made.is_empty() || !decision.again {
            return made;
        }
    }
    panic!("no end: {}", snapshot.resource.status.message);
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
}
