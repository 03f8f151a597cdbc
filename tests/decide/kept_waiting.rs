//! What takes too long, and what cannot be read beside what can.

use database_migration_operator::api::{DatabasePhase, reasons};
use database_migration_operator::decide::{Effect, Snapshot, decide};
use database_migration_operator::facts::{
    Activity, JobProgress, Ledger, Progress, Reading, Session, Unreadable, UnreadableReason,
};

use super::cases::{ended, job, reason, row, snapshot, write};
use super::world::{START, at};

/// A migration that runs, seen again `age` seconds later.
fn later(
    snapshot: &mut Snapshot,
    name: &str,
    age: i64,
) -> database_migration_operator::decide::Decision {
    let since = at(START);
    snapshot.now = at(START + age);
    let running = JobProgress::Running { since };
    snapshot
        .jobs
        .insert(name.to_owned(), job(snapshot, name, running));
    let decision = decide(snapshot);
    write(snapshot, &decision);
    decision
}

#[test]
fn past_its_kill_timeout_it_is_said_once_and_its_job_is_taken_away_only_where_the_agent_did_not_end_it()
 {
    let mut snapshot = snapshot(1);
    snapshot.resource.spec.timeouts.kill.0 = "30s".to_owned();
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    let deletes = |effects: &[Effect]| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::DeleteJob { .. }))
    };
    later(&mut snapshot, &name, 20);
    assert_ne!(reason(&snapshot.resource.status), reasons::KILLED);
    for (age, told, deleted) in [(31, 1, false), (200, 0, false), (275, 0, true)] {
        let decision = later(&mut snapshot, &name, age);
        assert_eq!(reason(&snapshot.resource.status), reasons::KILLED, "{age}");
        let news = decision
            .events
            .iter()
            .filter(|e| e.reason == reasons::KILLED);
        assert_eq!(news.count(), told, "{age}: {:?}", decision.events);
        assert_eq!(deletes(&decision.effects), deleted, "{age}");
    }
}

#[test]
fn overdue_is_said_once_also_where_the_database_cannot_be_read_for_a_while() {
    let mut snapshot = snapshot(1);
    snapshot.resource.spec.timeouts.overdue.0 = "5s".to_owned();
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    let read = snapshot.databases.clone();
    let unread = Unreadable {
        reason: UnreadableReason::ConnectionRefused,
        message: "no answer".to_owned(),
    };
    let mut unreadable = read.clone();
    for reading in unreadable.values_mut() {
        *reading = Reading::Unknown(unread.clone());
    }
    for (age, databases, overdue, told) in [
        (3, &read, false, 0),
        (4, &unreadable, false, 0),
        (6, &read, true, 1),
        (7, &read, true, 0),
        (8, &unreadable, false, 0),
        (9, &read, true, 0),
    ] {
        snapshot.databases.clone_from(databases);
        let decision = later(&mut snapshot, &name, age);
        assert_eq!(
            decision.poll_ms, None,
            "others that wait slow no run at work"
        );
        assert!(decision.requeue_ms.is_some());
        let said = reason(&snapshot.resource.status) == reasons::OVERDUE;
        assert_eq!(said, overdue, "{age}");
        let news = decision.events.iter();
        let news = news.filter(|event| event.reason == reasons::OVERDUE);
        assert_eq!(news.count(), told, "{age}: {:?}", decision.events);
    }
}

#[test]
fn one_database_that_cannot_be_read_holds_up_no_judgement_of_another() {
    let mut snapshot = snapshot(3);
    snapshot.resource.spec.parallelism = 2;
    for (at, (_, facts)) in snapshot.databases.iter_mut().enumerate() {
        // Three servers: each database has a turn of its own.
        if let Reading::Known(facts) = facts {
            facts.identity.system_identifier = at.to_string();
        }
    }
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let steps = snapshot.resource.status.run.clone().unwrap().steps;
    assert_eq!(steps.len(), 2);
    for step in &steps {
        snapshot
            .jobs
            .insert(step.job.clone(), job(&snapshot, &step.job, ended()));
    }
    let unread = Unreadable {
        reason: UnreadableReason::ConnectionRefused,
        message: "no answer".to_owned(),
    };
    snapshot
        .databases
        .insert("db00".to_owned(), Reading::Unknown(unread));
    let inventory = snapshot.inventories["db01"].clone();
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db01") {
        let rows = inventory.migrations.iter().map(row);
        facts.ledger = Ledger::Rows(rows.collect());
    }
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), "ConnectionRefused");
    assert_eq!(status.databases[0].phase, DatabasePhase::Migrating);
    assert_eq!(status.databases[1].phase, DatabasePhase::Succeeded);
    assert_eq!(status.databases[1].applied_by_run, 1);
    assert_eq!(
        status.databases[2].phase,
        DatabasePhase::Planned,
        "nothing is started meanwhile"
    );
}

/// Whether a long migration makes progress is told where PostgreSQL tells it, in steps, because each is a write.
#[test]
fn what_a_long_migration_does_is_told_as_far_as_it_is_known() {
    let mut snapshot = snapshot(1);
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    let application = format!(
        "dbm/{}/db00",
        snapshot.resource.status.run.as_ref().unwrap().id
    );
    let migration = snapshot.inventories["db00"].migrations[0].clone();
    let builds = |snapshot: &mut Snapshot, done: i64| {
        let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") else {
            panic!("it is known")
        };
        let mut open = row(&migration);
        open.finished_at = None;
        facts.ledger = Ledger::Rows(vec![open]);
        facts.our_sessions = vec![Session {
            pid: 7,
            application_name: application.clone(),
            ..Session::default()
        }];
        facts.activities = vec![Activity {
            pid: 7,
            state: Some("active".to_owned()),
            progress: Some(Progress {
                command: "CREATE INDEX".to_owned(),
                phase: "building index: scanning table".to_owned(),
                done,
                total: 1_000,
                unit: "blocks".to_owned(),
            }),
            ..Activity::default()
        }];
    };
    let mut told = Vec::new();
    for (age, done) in [(2, 10), (12, 310), (14, 349), (16, 351)] {
        builds(&mut snapshot, done);
        later(&mut snapshot, &name, age);
        let status = &snapshot.resource.status;
        let current = status.databases[0].current.as_ref().unwrap();
        assert!(
            status.message.contains(&current.activity),
            "{}",
            status.message
        );
        told.push(current.activity.clone());
    }
    let at = |share: i64| {
        format!(
            "CREATE INDEX makes progress: building index: scanning table, {share} % of the blocks of this phase"
        )
    };
    assert_eq!(told, [String::new(), at(30), at(30), at(35)]);
}
