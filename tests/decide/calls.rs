//! A person is called for what only a person mends: soon, once, and not for what passes within a moment.

use database_migration_operator::api::{Phase, StepKind, reasons};
use database_migration_operator::decide::{Decision, Snapshot, decide, status};
use database_migration_operator::facts::{
    ContainerEnd, JobProgress, NotStarted, Reading, Unreadable, UnreadableReason,
};

use rstest::rstest;

use super::cases::{finished, job, migrating, reason, snapshot, write};
use super::world::{START, at};

fn unread(snapshot: &mut Snapshot, database: &str, reason: UnreadableReason) {
    let why = Unreadable {
        reason,
        message: "no".to_owned(),
    };
    let reading = Reading::Unknown(why);
    snapshot.databases.insert(database.to_owned(), reading);
}

/// Decides so many seconds after the start, and what was told.
fn look(snapshot: &mut Snapshot, seconds: i64) -> (Decision, Vec<&'static str>) {
    snapshot.now = at(START + seconds);
    let decision = decide(snapshot);
    write(snapshot, &decision);
    if !decision.again {
        let second = decide(snapshot);
        assert_eq!((second.status, second.events), (None, vec![]), "{seconds}");
    }
    let warnings = decision.events.iter().filter(|event| event.warning);
    let told = warnings.map(|event| event.reason).collect();
    (decision, told)
}

/// The migration's own session is the last that a limit allows: that calls nobody, and nothing is offered by which it would be ended.
#[test]
fn a_limit_that_the_own_migration_reaches_is_no_fault() {
    let mut snapshot = snapshot(1);
    let name = super::cases::settle(&mut snapshot);
    let since = at(START + 1);
    let runs = super::cases::job(&snapshot, &name, JobProgress::Running { since });
    snapshot.jobs.insert(name, runs);
    unread(
        &mut snapshot,
        "db00",
        UnreadableReason::ConnectionLimitReached,
    );
    for seconds in [2, 16, 61, 1000] {
        let (_, told) = look(&mut snapshot, seconds);
        assert_eq!(told, Vec::<&str>::new(), "{seconds}");
        let status = &snapshot.resource.status;
        assert_eq!(reason(status), reasons::MIGRATING, "{}", status.message);
        assert!(
            status.message.contains("Do not end it"),
            "{}",
            status.message
        );
        assert!(status.choices.is_empty() && status.next_command.is_empty());
    }
}

/// The same of whatever else of the run holds the last connection: the state stays what it was.
#[rstest]
#[case(StepKind::Down, reasons::ROLLING_BACK, Phase::RollingBack)]
#[case(StepKind::Resolve, reasons::RESOLVING, Phase::Migrating)]
#[case(StepKind::SmokeTest, reasons::SMOKE_TESTING, Phase::Validating)]
fn whatever_else_of_a_run_holds_the_last_connection_is_no_fault(
    #[case] kind: StepKind,
    #[case] expected: &str,
    #[case] phase: Phase,
) {
    let mut snapshot = snapshot(1);
    let name = super::cases::settle(&mut snapshot);
    let run = snapshot.resource.status.run.as_mut().unwrap();
    run.steps[0].name = kind;
    if kind == StepKind::SmokeTest {
        run.steps[0].test = "login".to_owned();
        run.steps[0].database.clear();
    }
    let since = at(START + 1);
    let runs = super::cases::job(&snapshot, &name, JobProgress::Running { since });
    snapshot.jobs.insert(name, runs);
    let why = UnreadableReason::ConnectionLimitReached;
    unread(&mut snapshot, "db00", why);
    for seconds in [2, 16, 61, 1000] {
        snapshot.now = at(START + seconds);
        let mut pass_told = Vec::new();
        for _ in 0..3 {
            let decision = decide(&snapshot);
            write(&mut snapshot, &decision);
            pass_told.extend(decision.events.into_iter().filter(|event| event.warning));
        }
        assert_eq!(pass_told, vec![], "{seconds}");
        let status = &snapshot.resource.status;
        assert!(status::get(status, reasons::STALLED).is_none());
        let run = status.run.as_ref().unwrap();
        assert_eq!((run.steps.len(), run.steps[0].attempt), (1, 1));
        assert_eq!(
            (reason(status), status.phase),
            (expected, Some(phase)),
            "{}",
            status.message
        );
    }
}

/// What is told at which second, of a database that cannot be read from second 1 on.
#[rstest::rstest]
#[case(UnreadableReason::SecretKeyMissing, Some(1))]
#[case(UnreadableReason::UrlInvalid, Some(1))]
#[case(UnreadableReason::UrlNotPostgres, Some(1))]
#[case(UnreadableReason::UrlNotDirect, Some(1))]
#[case(UnreadableReason::UrlPooled, Some(1))]
#[case(UnreadableReason::UrlNamesFile, Some(1))]
#[case(UnreadableReason::UrlLoopback, Some(1))]
#[case(UnreadableReason::SecretMissing, Some(1))]
#[case(UnreadableReason::SecretForbidden, Some(3))]
#[case(UnreadableReason::HostUnknown, Some(3))]
#[case(UnreadableReason::ConnectionRefused, Some(3))]
#[case(UnreadableReason::Unreachable, Some(3))]
#[case(UnreadableReason::AuthenticationFailed, Some(3))]
#[case(UnreadableReason::DatabaseMissing, Some(3))]
#[case(UnreadableReason::TlsFailed, Some(3))]
#[case(UnreadableReason::ConnectionLimitReached, Some(16))]
#[case(UnreadableReason::QueryFailed, Some(16))]
#[case(UnreadableReason::ServerUnavailable, Some(61))]
#[case(UnreadableReason::WaitingLock, Some(61))]
fn what_cannot_be_read_is_told_once_and_soon(
    #[case] why: UnreadableReason,
    #[case] told_at: Option<i64>,
) {
    let mut snapshot = snapshot(1);
    snapshot.resource.spec.timeouts.unknown.0 = "15m".to_owned();
    unread(&mut snapshot, "db00", why);
    let mut found = Vec::new();
    for seconds in [1, 3, 15, 16, 17, 60, 61, 62, 200, 899] {
        let (decision, told) = look(&mut snapshot, seconds);
        found.extend(told.iter().map(|reason| (*reason, seconds)));
        if let Some(at) = told_at.filter(|at| *at > seconds) {
            let wait = decision.requeue_ms.unwrap();
            assert!(wait <= u64::try_from(at - seconds).unwrap() * 1000);
        }
        let status = &snapshot.resource.status;
        assert_eq!(status::get(status, reasons::STALLED), None, "{seconds}");
        assert_eq!(reason(status), why.as_str());
    }
    let expected: Vec<_> = told_at.map(|at| (why.as_str(), at)).into_iter().collect();
    assert_eq!(found, expected);
    // That it is Stalled by now is no news where it was told; else it is.
    let (_, told) = look(&mut snapshot, 1000);
    assert_eq!(told.len(), usize::from(told_at.is_none()));
    assert!(status::get(&snapshot.resource.status, reasons::STALLED).is_some());
}

#[test]
fn what_passes_within_a_moment_is_not_told_and_begins_anew() {
    let mut snapshot = snapshot(1);
    snapshot.resource.spec.timeouts.unknown.0 = "15m".to_owned();
    let readable = snapshot.databases.clone();
    snapshot.resource.suspended = true;
    // Of one that has answered, what says no for a moment is waited for longer: it may restart.
    for (seconds, away) in [(1, true), (2, true), (10, false), (100, true), (110, true)] {
        if away {
            unread(&mut snapshot, "db00", UnreadableReason::ConnectionRefused);
        } else {
            snapshot.databases.clone_from(&readable);
        }
        let (_, told) = look(&mut snapshot, seconds);
        assert_eq!(told, Vec::<&str>::new(), "{seconds}");
        let run = snapshot.resource.status.run.as_ref().unwrap();
        assert_eq!(run.waits.len(), usize::from(away), "{seconds}");
    }
    let (_, told) = look(&mut snapshot, 115);
    assert_eq!(told, [reasons::CONNECTION_REFUSED]);
    // It comes and goes.
    for seconds in [120, 140, 160, 180] {
        snapshot.databases.clone_from(&readable);
        assert_eq!(look(&mut snapshot, seconds).1, Vec::<&str>::new());
        unread(&mut snapshot, "db00", UnreadableReason::ConnectionRefused);
        assert_eq!(look(&mut snapshot, seconds + 1).1, Vec::<&str>::new());
    }
    // A new run tells it anew.
    snapshot.resource.retry = Some("again".to_owned());
    let mut told = Vec::new();
    for seconds in [200, 201, 216, 220] {
        told.extend(look(&mut snapshot, seconds).1);
    }
    assert_eq!(told, [reasons::CONNECTION_REFUSED]);
}

/// A server that is out of reach in turns in two ways has patience for each of them once.
#[test]
fn two_ways_of_being_out_of_reach_do_not_put_each_other_off() {
    let mut snapshot = snapshot(1);
    let mut told = Vec::new();
    for seconds in 1..40 {
        let why = match seconds % 2 {
            0 => UnreadableReason::Unreachable,
            _ => UnreadableReason::ConnectionRefused,
        };
        unread(&mut snapshot, "db00", why);
        told.extend(look(&mut snapshot, seconds).1);
    }
    told.sort_unstable();
    assert_eq!(told, [reasons::CONNECTION_REFUSED, reasons::UNREACHABLE]);
}

/// A busy server answers one look and not the next, or takes no connection, or takes one and does not answer. How each look
/// ends, from second to second in turns; how often the condition changes, and what it says in the end.
#[rstest]
#[case::every_second_look_fails(&[None, Some(UnreadableReason::Unreachable)], 0, reasons::DATABASES_READ)]
#[case::most_fail(&[None, Some(UnreadableReason::NotAnswered), Some(UnreadableReason::Unreachable), Some(UnreadableReason::NotAnswered)],
    0, reasons::DATABASES_READ)]
#[case::all_fail(&[Some(UnreadableReason::Unreachable)], 1, reasons::NOT_ANSWERED)]
#[case::all_fail_in_two_ways(&[Some(UnreadableReason::Unreachable), Some(UnreadableReason::NotAnswered)], 1, reasons::NOT_ANSWERED)]
fn what_a_busy_server_does_in_turns_is_no_news_each_time(
    #[case] looks: &[Option<UnreadableReason>],
    #[case] changes: usize,
    #[case] expected: &str,
) {
    let mut snapshot = snapshot(1);
    snapshot.resource.suspended = true;
    let readable = snapshot.databases.clone();
    look(&mut snapshot, 0);
    let observed = |snapshot: &Snapshot| {
        status::get(&snapshot.resource.status, reasons::OBSERVED).map(|c| c.reason.clone())
    };
    let mut last = observed(&snapshot);
    assert_eq!(last.as_deref(), Some(reasons::DATABASES_READ));
    let mut found = 0;
    for seconds in 1..50 {
        match looks[usize::try_from(seconds).unwrap() % looks.len()] {
            Some(why) => unread(&mut snapshot, "db00", why),
            None => snapshot.databases.clone_from(&readable),
        }
        let (decision, told) = look(&mut snapshot, seconds);
        assert_eq!(told, Vec::<&str>::new());
        assert!(
            decision.requeue_ms.or(decision.poll_ms).is_some(),
            "{seconds}: it is looked at again"
        );
        let now = observed(&snapshot);
        found += usize::from(now != last);
        last = now;
    }
    assert_eq!((found, last.as_deref()), (changes, Some(expected)));
    let message = &snapshot.resource.status.message;
    assert!(!message.contains("check the host"), "{message}");
}

#[test]
fn each_database_is_told_of() {
    let mut snapshot = snapshot(2);
    let readable = snapshot.databases.clone();
    unread(&mut snapshot, "db00", UnreadableReason::SecretKeyMissing);
    unread(&mut snapshot, "db01", UnreadableReason::SecretKeyMissing);
    assert_eq!(look(&mut snapshot, 1).1.len(), 1, "one at a time");
    snapshot.databases = readable;
    unread(&mut snapshot, "db01", UnreadableReason::SecretKeyMissing);
    assert_eq!(look(&mut snapshot, 5).1, [reasons::SECRET_KEY_MISSING]);
    assert_eq!(look(&mut snapshot, 6).1, Vec::<&str>::new());
}

/// Of a finished run that is looked at nobody is called: what was migrated is.
#[test]
fn nobody_is_called_after_the_end() {
    let mut snapshot = finished();
    unread(&mut snapshot, "db00", UnreadableReason::SecretKeyMissing);
    for seconds in [10, 100, 1000] {
        assert_eq!(look(&mut snapshot, seconds).1, Vec::<&str>::new());
    }
}

#[rstest::rstest]
#[case("ErrImagePull", "not found", reasons::IMAGE_PULL_FAILED, 16)]
#[case(
    "CreateContainerConfigError",
    "image has non-numeric user",
    reasons::IMAGE_USER_NOT_NUMERIC,
    1
)]
#[case("Unschedulable", "0/3 nodes", reasons::UNSCHEDULABLE, 61)]
#[case("FailedCreate", "exceeded quota: small", reasons::QUOTA_EXCEEDED, 1)]
#[case(
    "FailedCreate",
    "error looking up service account shop/app",
    reasons::SERVICE_ACCOUNT_MISSING,
    1
)]
#[case(
    "CreateContainerConfigError",
    "secret \"mail\" not found",
    reasons::ENVIRONMENT_MISSING,
    1
)]
#[case(
    "FailedCreate",
    "failed calling webhook: timeout",
    reasons::POD_REFUSED,
    16
)]
fn a_pod_that_does_not_start_is_told_once_and_soon(
    #[case] word: &str,
    #[case] message: &str,
    #[case] expected: &str,
    #[case] told_at: i64,
) {
    let (mut snapshot, name) = migrating();
    snapshot.resource.spec.timeouts.start.0 = "10m".to_owned();
    let mut found = Vec::new();
    for seconds in [1, 3, 15, 16, 17, 60, 61, 62, 200, 700] {
        // The kubelet has two words for one thing, in turns.
        let word = match word {
            "ErrImagePull" if seconds % 2 == 0 => "ImagePullBackOff",
            word => word,
        };
        let why = NotStarted {
            reason: word.to_owned(),
            message: message.to_owned(),
            silent: false,
        };
        let progress = JobProgress::NotStarted(why);
        let facts = job(&snapshot, &name, progress);
        snapshot.jobs.insert(name.clone(), facts);
        let (_, told) = look(&mut snapshot, seconds);
        found.extend(told.iter().map(|reason| (*reason, seconds)));
        assert_eq!(reason(&snapshot.resource.status), expected);
    }
    assert_eq!(found, [(expected, told_at)]);
}

/// What is found beside a database that cannot be read is told all the same, once.
#[test]
fn a_pod_that_does_not_start_beside_an_unreadable_database_is_told_too() {
    let mut snapshot = snapshot(2);
    snapshot.resource.spec.timeouts.unknown.0 = "15m".to_owned();
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    let why = NotStarted {
        reason: "ErrImagePull".to_owned(),
        message: "not found".to_owned(),
        silent: false,
    };
    let facts = job(&snapshot, &name, JobProgress::NotStarted(why));
    snapshot.jobs.insert(name, facts);
    unread(&mut snapshot, "db01", UnreadableReason::HostUnknown);
    let mut told = Vec::new();
    for seconds in 1..40 {
        told.extend(look(&mut snapshot, seconds).1);
    }
    told.sort_unstable();
    assert_eq!(told, [reasons::HOST_UNKNOWN, reasons::IMAGE_PULL_FAILED]);
}

/// That a run ends for what it was waiting for is news: it does not go on by itself any more.
#[test]
fn an_end_is_told_although_its_reason_was() {
    let (mut snapshot, name) = migrating();
    let why = NotStarted {
        reason: "StartError".to_owned(),
        message: "exec format error".to_owned(),
        silent: false,
    };
    let progress = JobProgress::NotStarted(why);
    let facts = job(&snapshot, &name, progress);
    snapshot.jobs.insert(name.clone(), facts);
    assert_eq!(look(&mut snapshot, 1).1, [reasons::WRONG_ARCHITECTURE]);
    let end = ContainerEnd {
        exit_code: 128,
        reason: "StartError".to_owned(),
        said: "exec format error".to_owned(),
        finished_at: at(START + 4),
        summary: None,
    };
    let facts = job(&snapshot, &name, JobProgress::Ended(end));
    snapshot.jobs.insert(name, facts);
    assert_eq!(look(&mut snapshot, 5).1, [reasons::WRONG_ARCHITECTURE]);
}

/// Of a look that is kept waiting each session is told of, with the command that ends it.
#[test]
fn who_keeps_a_look_waiting_is_told_once_each() {
    let mut snapshot = snapshot(1);
    snapshot.resource.spec.timeouts.unknown.0 = "15m".to_owned();
    let locked = |snapshot: &mut Snapshot, pid: i32, seconds: i64| {
        let why = Unreadable {
            reason: UnreadableReason::WaitingLock,
            message: format!(
                "_prisma_migrations is locked by pid {pid} (psql, idle in transaction, for {seconds}s), so that not even its definition can be read: end that transaction, or wait; it goes on by itself"
            ),
        };
        let reading = Reading::Unknown(why);
        snapshot.databases.insert("db00".to_owned(), reading);
    };
    let mut found = Vec::new();
    for (seconds, pid) in [
        (1, 42),
        (30, 42),
        (61, 42),
        (62, 42),
        (70, 43),
        (100, 43),
        (130, 43),
        (140, 43),
    ] {
        locked(&mut snapshot, pid, seconds);
        let (_, told) = look(&mut snapshot, seconds);
        found.extend(told.iter().map(|reason| (*reason, seconds)));
    }
    let expected = [(reasons::WAITING_LOCK, 61), (reasons::WAITING_LOCK, 130)];
    assert_eq!(found, expected);
    let choices = &snapshot.resource.status.choices;
    assert!(
        choices[0].command.contains("pg_terminate_backend(43)"),
        "{choices:?}"
    );
    // One that our role may not end is ended by another's right; one whose state is hidden is looked at first.
    for (who, first, then) in [
        (
            "psql, idle in transaction, for 200s, of role other",
            "--admin -c 'SELECT pg_terminate_backend(43)'",
            "",
        ),
        (
            "psql, of role other",
            "--admin -c 'SELECT now() - xact_start",
            "--admin -c 'SELECT pg_terminate_backend(43)'",
        ),
    ] {
        let message = format!(
            "_prisma_migrations is locked by pid 43 ({who}), so that not even its definition can be read: end that transaction, or wait; it goes on by itself"
        );
        let why = Unreadable {
            reason: UnreadableReason::WaitingLock,
            message,
        };
        snapshot
            .databases
            .insert("db00".to_owned(), Reading::Unknown(why));
        look(&mut snapshot, 200);
        let choices = &snapshot.resource.status.choices;
        assert!(choices[0].command.contains(first), "{choices:?}");
        assert!(choices[1].command.contains(then), "{choices:?}");
    }
}
