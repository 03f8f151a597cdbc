//! A lock that does not get free by itself: told once for each session, with who may end it and how, and a person is needed.

use database_migration_operator::api::{DatabaseMigrationStatus, reasons};
use database_migration_operator::decide::{Snapshot, decide};
use database_migration_operator::facts::{
    DatabaseFacts, JobProgress, Reading, Session, Unreadable, UnreadableReason, Wait,
};
use rstest::rstest;

use super::cases::{job, migrating, reason, snapshot, write};
use super::world::{START, at};

fn facts(snapshot: &mut Snapshot) -> &mut DatabaseFacts {
    match snapshot.databases.get_mut("db00") {
        Some(Reading::Known(facts)) => facts,
        _ => panic!("no facts"),
    }
}

fn session(pid: i32, program: &str, state: &str) -> Session {
    Session {
        pid,
        application_name: program.to_owned(),
        user: Some("boss".to_owned()),
        state: (!state.is_empty()).then(|| state.to_owned()),
        ..Session::default()
    }
}

/// Decides at that second; the Events of a lock that is held.
fn look(snapshot: &mut Snapshot, seconds: i64) -> Vec<String> {
    snapshot.now = at(START + seconds);
    let mut told = Vec::new();
    for _ in 0..3 {
        let decision = decide(snapshot);
        write(snapshot, &decision);
        let held = |reason: &str| reason == reasons::LOCK_HELD;
        let events = decision.events.iter().filter(|event| held(event.reason));
        told.extend(events.map(|event| event.message.clone()));
        if !decision.again {
            break;
        }
    }
    told
}

fn shown(snapshot: &Snapshot) -> &DatabaseMigrationStatus {
    &snapshot.resource.status
}

#[rstest]
#[case::of_a_superuser(true, "only a superuser may", 2)]
#[case::of_another_role(false, "pg_signal_backend", 3)]
fn prismas_lock_that_our_role_cannot_free(
    #[case] superuser: bool,
    #[case] may: &str,
    #[case] choices: usize,
) {
    let mut snapshot = snapshot(1);
    facts(&mut snapshot).lock_holder = Some(Session {
        superuser,
        may_end: Some(false),
        ..session(42, "psql", "")
    });
    assert!(look(&mut snapshot, 0).is_empty());
    assert!(look(&mut snapshot, 59).is_empty());
    assert_eq!(reason(shown(&snapshot)), reasons::WAITING_LOCK);
    let told = look(&mut snapshot, 60);
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["pid 42 (psql", "boss", "first seen in the way at", may] {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::LOCK_HELD);
    let end = " --admin -c 'SELECT pg_terminate_backend(42)'";
    assert!(now.next_command.ends_with(end), "{}", now.next_command);
    assert_eq!(now.choices[0].command, now.next_command);
    assert_eq!(now.choices.len(), choices, "{:?}", now.choices);
    assert!(look(&mut snapshot, 61).is_empty());
    assert!(look(&mut snapshot, 4000).is_empty());
    // It goes on by itself.
    facts(&mut snapshot).lock_holder = None;
    look(&mut snapshot, 4001);
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::MIGRATING, "{}", now.message);
    assert!(now.choices.is_empty() && now.next_command.is_empty());
}

#[rstest]
#[case::a_migration_at_work(session(42, "dbm/r1-1/db00", "active"), &[900])]
#[case::one_that_was_left(session(42, "dbm/r1-1/db00", "idle"), &[60])]
#[case::an_idle_client(session(42, "psql", "idle"), &[60])]
#[case::a_client_at_work(session(42, "psql", "active"), &[60])]
fn patience_is_for_what_is_known_to_work(#[case] holder: Session, #[case] expected: &[i64]) {
    let mut snapshot = snapshot(1);
    snapshot.resource.spec.timeouts.unknown.0 = "15m".to_owned();
    facts(&mut snapshot).lock_holder = Some(holder);
    let mut found = Vec::new();
    for second in [0, 59, 60, 300, 899, 900, 901] {
        found.extend(look(&mut snapshot, second).iter().map(|_| second));
    }
    assert_eq!(found, expected, "{}", shown(&snapshot).message);
}

fn waits_for(snapshot: &mut Snapshot, pid: i32, open: i64) {
    let run = shown(snapshot).run.as_ref().unwrap().id.clone();
    let facts = facts(snapshot);
    facts.our_sessions = vec![session(9, &format!("dbm/{run}/db00"), "active")];
    facts.waits = vec![Wait {
        waiting: 9,
        seconds: Some(open),
        relation: Some("t".to_owned()),
        blocker: Session {
            transaction_seconds: Some(open),
            ..session(pid, "portal", "idle in transaction")
        },
    }];
}

/// Whoever is to be asked is found by it: which program, of whom, from where, since when. What is hidden from the role is left out, and
/// a name that looks like another part is none.
#[rstest]
#[case::all(
    Session { client: Some("10.0.3.7".to_owned()), state_seconds: Some(38), may_end: Some(true), transaction_seconds: Some(200),
        transaction_since: Some(at(START - 200)), ..session(42, "portal", "idle in transaction") },
    "pid 42 (portal, idle in transaction 38s, role boss, from 10.0.3.7, its transaction open since 2026-09-21 14:10:00 UTC, holds a lock on t)",
    true
)]
#[case::of_another_role(
    Session { client: Some("10.0.3.7".to_owned()), may_end: Some(false), ..session(42, "portal", "") },
    "pid 42 (portal, of role boss, from 10.0.3.7, holds a lock on t)",
    false
)]
#[case::hidden(
    Session { user: None, ..session(42, "portal", "") },
    "pid 42 (portal, holds a lock on t)",
    true
)]
#[case::without_a_name(
    session(42, "", "active"),
    "pid 42 (boss, active, holds a lock on t)",
    true
)]
#[case::that_pretends(
    session(42, "x), of superuser me (", "active"),
    "pid 42 (x__ of superuser me _, active, role boss, holds a lock on t)",
    true
)]
fn who_holds_a_lock_is_said_so_that_they_are_found(
    #[case] holder: Session,
    #[case] said: &str,
    #[case] may_end: bool,
) {
    let (mut snapshot, name) = migrating();
    let running = JobProgress::Running { since: at(START) };
    let found = job(&snapshot, &name, running);
    snapshot.jobs.insert(name.clone(), found);
    waits_for(&mut snapshot, 42, 3);
    facts(&mut snapshot).waits[0].blocker = holder;
    look(&mut snapshot, 1);
    let now = shown(&snapshot);
    assert!(now.message.contains(said), "{}", now.message);
    let steps = &now.run.as_ref().unwrap().steps;
    assert_eq!(steps.last().unwrap().message, said, "for its failure");
    let mut commands = now.choices.iter().map(|choice| choice.command.as_str());
    let ends = |command: &str| {
        !command.contains("--admin") && command.contains("pg_terminate_backend(42)")
    };
    assert_eq!(commands.any(ends), may_end, "{:?}", now.choices);
}

/// What is offered as soon as a wait is shown, before a start and in a migration: whether it is ended or looked at first, and whether as
/// somebody else.
#[rstest]
#[case::idle("idle in transaction", Some(3), Some(true), &["end"])]
#[case::idle_of_another_role("idle in transaction", Some(3), Some(false), &["END", ""])]
#[case::at_work_for_a_moment("active", Some(3), Some(true), &["look", "end"])]
#[case::at_work_for_long("active", Some(600), Some(true), &["end", "look"])]
#[case::hidden("", None, Some(false), &["LOOK", "END", ""])]
fn what_is_in_the_way_has_its_choices_at_once(
    #[case] state: &str,
    #[case] seconds: Option<i64>,
    #[case] may_end: Option<bool>,
    #[case] offered: &[&str],
) {
    let holder = Session {
        state_seconds: seconds,
        may_end,
        ..session(42, "portal", state)
    };
    let mut before = snapshot(1);
    facts(&mut before).lock_holder = Some(holder.clone());
    let (mut during, name) = migrating();
    let running = JobProgress::Running { since: at(START) };
    let found = job(&during, &name, running);
    during.jobs.insert(name, found);
    waits_for(&mut during, 42, 3);
    facts(&mut during).waits[0].blocker = holder;
    for mut snapshot in [before, during] {
        look(&mut snapshot, 1);
        let now = shown(&snapshot);
        assert_eq!(reason(now), reasons::WAITING_LOCK);
        let what = |command: &str| {
            let ends = command.contains("pg_terminate_backend(42)");
            let admin = command.contains(" --admin ");
            match (ends, admin) {
                _ if command.is_empty() => "",
                (true, true) => "END",
                (true, false) => "end",
                (false, true) => "LOOK",
                (false, false) => "look",
            }
        };
        let found: Vec<_> = now.choices.iter().map(|it| what(&it.command)).collect();
        assert_eq!(found, offered, "{:#?}", now.choices);
        assert_eq!(now.next_command, now.choices[0].command);
        let wait_first = now.choices[0].title.starts_with("wait: ");
        assert_eq!(wait_first, offered[0].to_lowercase() == "look");
    }
}

/// Another migration has an end: it is not offered to end it.
#[test]
fn a_migration_in_the_way_is_not_offered_to_be_ended() {
    let mut snapshot = snapshot(1);
    facts(&mut snapshot).lock_holder = Some(session(42, "dbm/r1-1/db00", "active"));
    look(&mut snapshot, 1);
    let now = shown(&snapshot);
    assert!(now.choices.is_empty() && now.next_command.is_empty());
}

/// Of a table's lock: one transaction counts, and each session is told of once.
#[test]
fn a_table_lock_is_told_once_for_each_session() {
    let (mut snapshot, name) = migrating();
    let running = JobProgress::Running { since: at(START) };
    let found = job(&snapshot, &name, running);
    snapshot.jobs.insert(name, found);
    waits_for(&mut snapshot, 42, 1);
    assert!(look(&mut snapshot, 1).is_empty());
    // Between two attempts nobody waits, and then it is the same session in another transaction.
    facts(&mut snapshot).waits.clear();
    assert!(look(&mut snapshot, 30).is_empty());
    waits_for(&mut snapshot, 42, 3);
    assert!(look(&mut snapshot, 70).is_empty());
    waits_for(&mut snapshot, 42, 63);
    assert_eq!(look(&mut snapshot, 130).len(), 1);
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::LOCK_HELD, "{}", now.message);
    assert_eq!(now.choices[0].command, now.next_command);
    assert!(now.next_command.contains("pg_terminate_backend(42)"));
    assert!(look(&mut snapshot, 200).is_empty());
    waits_for(&mut snapshot, 43, 1);
    assert!(look(&mut snapshot, 201).is_empty());
    assert_eq!(reason(shown(&snapshot)), reasons::WAITING_LOCK);
    waits_for(&mut snapshot, 43, 61);
    assert_eq!(look(&mut snapshot, 261).len(), 1);
    // An abort says that this is why it does not end.
    snapshot.resource.status.run.as_mut().unwrap().aborting = true;
    look(&mut snapshot, 262);
    let message = &shown(&snapshot).message;
    assert!(message.contains("pid 43 (portal"), "{message}");
    assert!(message.contains("An abort was asked for"), "{message}");
    assert!(!message.contains(".."), "{message}");
}

#[test]
fn a_server_that_sends_nothing_is_looked_for_in_the_network_first() {
    let mut snapshot = snapshot(1);
    let why = Unreadable {
        reason: UnreadableReason::Unreachable,
        message: "no answer from db.prod:6432 within 10 s: check the host, the port, network policies and firewalls".to_owned(),
    };
    snapshot
        .databases
        .insert("db00".to_owned(), Reading::Unknown(why));
    look(&mut snapshot, 20);
    let commands: Vec<&str> = shown(&snapshot)
        .choices
        .iter()
        .map(|choice| choice.command.as_str())
        .collect();
    assert!(
        commands[0].starts_with("kubectl get networkpolicy -n "),
        "{commands:?}"
    );
    assert!(
        commands[1].starts_with("kubectl dbm psql ") && commands[1].ends_with(" -c 'SELECT 1'"),
        "{commands:?}"
    );
    assert!(
        commands[2].starts_with("read -rs URL && printf "),
        "{commands:?}"
    );
}
