//! Containers that do not start, and what is said of them.

use database_migration_operator::api::{Phase, reasons};
use database_migration_operator::decide::{decide, status};
use database_migration_operator::facts::{
    ContainerEnd, JobProgress, Ledger, LedgerRow, NEVER_RAN, NotStarted, Reading,
};

use super::cases::{job, looked, migrating, reason, write};
use super::world::{START, at};

/// The pod says why, also after `timeouts.start`, and nobody deletes it.
#[test]
fn a_pod_that_does_not_start_says_why() {
    let (mut snapshot, name) = migrating();
    let why = NotStarted {
        reason: "ImagePullBackOff".to_owned(),
        message: "not found".to_owned(),
        silent: false,
    };
    let found = job(&snapshot, &name, JobProgress::NotStarted(why));
    snapshot.jobs.insert(name, found);
    for (seconds, stalled) in [(1, false), (601, true)] {
        snapshot.now = at(START + seconds);
        let decision = decide(&snapshot);
        assert_eq!(decision.effects, []);
        write(&mut snapshot, &decision);
        let status = &snapshot.resource.status;
        assert_eq!(reason(status), reasons::IMAGE_PULL_FAILED);
        assert_eq!(status::get(status, reasons::STALLED).is_some(), stalled);
    }
}

/// A slow pull is no mistake until it is late, and then says which image; without a word from anybody it is looked
/// again for one.
#[test]
fn a_start_that_is_only_slow_is_said_and_late_it_is_stalled() {
    let pulling = NotStarted {
        reason: "Pulling".to_owned(),
        message: "shop:1".to_owned(),
        silent: true,
    };
    let nothing = NotStarted {
        silent: true,
        ..NotStarted::default()
    };
    for (why, soon, late) in [
        (
            pulling,
            reasons::PULLING_IMAGE,
            "shop:1 is still being pulled",
        ),
        (nothing, reasons::MIGRATING, "has not started"),
    ] {
        let (mut snapshot, name) = migrating();
        let found = job(&snapshot, &name, JobProgress::NotStarted(why));
        snapshot.jobs.insert(name, found);
        for (seconds, expected) in [(20, soon), (601, reasons::START_TIMEOUT)] {
            snapshot.now = at(START + seconds);
            let decision = decide(&snapshot);
            assert_eq!(decision.effects, []);
            assert!(decision.next_ms().is_some_and(|ms| ms <= 15_000));
            write(&mut snapshot, &decision);
            assert_eq!(reason(&snapshot.resource.status), expected);
        }
        let text = &snapshot.resource.status.message;
        for part in [late, "timeouts.start (10m)", "by itself"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        // Said once: what does not change is not written again.
        assert!(decide(&snapshot).status.is_none());
    }
}

/// What a container could not even be started for is no failure of the migration's.
#[test]
fn a_container_that_never_ran_executed_nothing() {
    for (said, expected) in [
        (
            "exec /dbm/dbm-agent: exec format error",
            reasons::WRONG_ARCHITECTURE,
        ),
        (
            "container init was OOM-killed (memory limit too low?)",
            reasons::OUT_OF_MEMORY,
        ),
        ("no space left on device", reasons::CONTAINER_NOT_STARTED),
    ] {
        let never_ran = || {
            JobProgress::Ended(ContainerEnd {
                exit_code: 128,
                reason: NEVER_RAN.to_owned(),
                said: said.to_owned(),
                finished_at: at(START),
                summary: None,
            })
        };
        let (mut snapshot, name) = migrating();
        let found = job(&snapshot, &name, never_ran());
        snapshot.jobs.insert(name, found);
        let decision = decide(&snapshot);
        write(&mut snapshot, &decision);
        let status = &snapshot.resource.status;
        assert_eq!(
            (status.phase, reason(status)),
            (Some(Phase::Failed), expected)
        );
        assert!(
            status.message.contains("Nothing was executed"),
            "{}",
            status.message
        );

        let (mut snapshot, name) = looked();
        let found = job(&snapshot, &name, never_ran());
        snapshot.jobs.insert(name, found);
        snapshot.report = Some(Err("its log cannot be read".to_owned()));
        let decision = decide(&snapshot);
        write(&mut snapshot, &decision);
        let status = &snapshot.resource.status;
        assert_eq!(
            (status.phase, reason(status)),
            (Some(Phase::Blocked), expected)
        );
        assert!(status.message.contains(said), "{}", status.message);
    }
}

/// A Job that came, failed and was deleted before any watch showed it: whoever made it knows that the open row is its own,
/// and a Job that is new is looked for again, for nobody may ever show it.
#[test]
fn a_job_that_nobody_saw_is_judged_by_whoever_made_it() {
    for made in [true, false] {
        let (mut snapshot, name) = migrating();
        let new = job(
            &snapshot,
            &name,
            JobProgress::NotStarted(NotStarted::default()),
        );
        snapshot.jobs.insert(name.clone(), new);
        let decision = decide(&snapshot);
        assert!(decision.next_ms().is_some_and(|ms| ms <= 10_000));
        write(&mut snapshot, &decision);

        snapshot.jobs.insert(name.clone(), None);
        if made {
            snapshot.made.insert(name);
        }
        let migration = snapshot.inventories["db00"].migrations[0].name.clone();
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
            facts.ledger = Ledger::Rows(vec![LedgerRow {
                id: "row".to_owned(),
                migration_name: migration,
                logs: Some("ERROR: no".to_owned()),
                ..LedgerRow::default()
            }]);
        }
        let decision = decide(&snapshot);
        write(&mut snapshot, &decision);
        let status = &snapshot.resource.status;
        let failed = status.phase == Some(Phase::Failed);
        assert_eq!(failed, made, "{}", status.message);
    }
}
