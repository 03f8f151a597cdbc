//! A lock that is not had in time: it is looked at often enough to see who holds it, that stays known to the end, and what is
//! offered is to end that session and to run the same again.

use database_migration_operator::api::{
    ActionKind, ChoiceStatus, DatabaseMigrationStatus, StepKind, digest, reasons,
};
use database_migration_operator::decide::{Snapshot, decide, status, wants};
use database_migration_operator::facts::{
    ContainerEnd, DatabaseFacts, JobProgress, Ledger, LedgerRow, Object, ObjectKind, Reading,
    Session, Wait,
};
use dbm_protocol::{DatabaseInventory, Migration, Outcome};
use rstest::rstest;

use super::cases::{job, reason, settle, snapshot, write};
use super::gives_way::asked;
use super::pods::summary;
use super::world::{START, at};

const NAME: &str = "2_split";
pub(super) const CATALOG: &str = "ALTER TABLE t ADD COLUMN a int;";
pub(super) const TWO: &str = "CREATE TABLE made (id int); ALTER TABLE t ADD COLUMN a int;";
const ROWS: &str = "ALTER TABLE t ADD COLUMN a int; UPDATE t SET a = 1;";
pub(super) const ROWS_FIRST: &str = "UPDATE t SET b = 1; ALTER TABLE t ADD COLUMN a int;";
const TERMINATE: &str = "SELECT pg_terminate_backend(42)";

pub(super) fn with(sql: &str, down: bool, attempts: u32) -> Snapshot {
    let mut snapshot = snapshot(1);
    let migration = Migration {
        name: NAME.to_owned(),
        sha256: digest(b"2"),
        sql: Some(sql.to_owned()),
        down_sql: down.then(|| "ALTER TABLE t DROP COLUMN a;".to_owned()),
        ..Migration::default()
    };
    let inventory = DatabaseInventory {
        hash: "h".to_owned(),
        migrations: vec![migration],
        ..DatabaseInventory::default()
    };
    snapshot.inventories = [("db00".to_owned(), inventory)].into();
    snapshot.resource.spec.timeouts.lock_attempts = attempts;
    facts(&mut snapshot).catalog = Some("before".to_owned());
    snapshot
}

pub(super) fn facts(snapshot: &mut Snapshot) -> &mut DatabaseFacts {
    match snapshot.databases.get_mut("db00") {
        Some(Reading::Known(facts)) => facts,
        _ => panic!("no facts"),
    }
}

pub(super) fn shown(snapshot: &Snapshot) -> &DatabaseMigrationStatus {
    &snapshot.resource.status
}

pub(super) fn go(snapshot: &mut Snapshot, job_name: &str, progress: JobProgress) -> String {
    let found = job(snapshot, job_name, progress);
    snapshot.jobs.insert(job_name.to_owned(), found);
    settle(snapshot)
}

/// It waits for the portal's session, which a look sees.
fn waits_for(snapshot: &mut Snapshot, job_name: &str) {
    let run = shown(snapshot).run.as_ref().unwrap().id.clone();
    let session = |pid, name: String| Session {
        pid,
        application_name: name,
        state: Some("idle in transaction".to_owned()),
        transaction_seconds: Some(180),
        ..Session::default()
    };
    let facts = facts(snapshot);
    facts.our_sessions = vec![session(9, format!("dbm/{run}/db00"))];
    facts.waits = vec![Wait {
        waiting: 9,
        seconds: Some(2),
        relation: Some("\"User\"".to_owned()),
        blocker: session(42, "portal".to_owned()),
    }];
    go(
        snapshot,
        job_name,
        JobProgress::Running { since: at(START) },
    );
    let facts = self::facts(snapshot);
    facts.our_sessions.clear();
    facts.waits.clear();
}

pub(super) fn timed_out() -> JobProgress {
    let mut said = summary(Outcome::Failed, "P3018", "55P03");
    said.message = Some("ERROR: canceling statement due to lock timeout.".to_owned());
    JobProgress::Ended(ContainerEnd {
        exit_code: 1,
        reason: "Error".to_owned(),
        said: String::new(),
        finished_at: at(START),
        summary: Some(Box::new(said)),
    })
}

fn succeeded() -> JobProgress {
    JobProgress::Ended(ContainerEnd {
        exit_code: 0,
        reason: "Completed".to_owned(),
        said: String::new(),
        finished_at: at(START),
        summary: None,
    })
}

pub(super) fn row(number: u32, rolled_back: bool) -> LedgerRow {
    LedgerRow {
        id: format!("row{number}"),
        checksum: digest(b"2"),
        migration_name: NAME.to_owned(),
        started_at: at(START),
        rolled_back_at: rolled_back.then(|| at(START)),
        logs: Some(
            "Migration name: 2_split\n\nDatabase error code: 55P03\n\nDatabase error:\nERROR: canceling statement due to lock timeout\n"
                .to_owned(),
        ),
        ..LedgerRow::default()
    }
}

/// One attempt that leaves a failed row, and whose row is then marked rolled back. The next attempt's Job.
fn traceless(snapshot: &mut Snapshot, job_name: &str, seen: bool, number: u32) -> String {
    if seen {
        waits_for(snapshot, job_name);
    }
    let before: Vec<LedgerRow> = (1..number).map(|n| row(n, true)).collect();
    facts(snapshot).ledger = Ledger::Rows([before.clone(), vec![row(number, false)]].concat());
    let resolve = go(snapshot, job_name, timed_out());
    assert!(!resolve.is_empty(), "{}", shown(snapshot).message);
    facts(snapshot).ledger = Ledger::Rows([before, vec![row(number, true)]].concat());
    let next = go(snapshot, &resolve, succeeded());
    if !next.is_empty() {
        return next;
    }
    snapshot.now = at(START + 100);
    settle(snapshot)
}

/// It failed by its lock time-out, with a row that blocks.
pub(super) fn failed(
    sql: &str,
    down: bool,
    seen: bool,
    change: impl FnOnce(&mut DatabaseFacts),
) -> Snapshot {
    let mut snapshot = with(sql, down, 5);
    facts(&mut snapshot).identity.schema = "public".to_owned();
    let name = settle(&mut snapshot);
    if seen {
        waits_for(&mut snapshot, &name);
    }
    let facts = facts(&mut snapshot);
    facts.ledger = Ledger::Rows(vec![row(1, false)]);
    facts.objects = Some(Default::default());
    change(facts);
    go(&mut snapshot, &name, timed_out());
    snapshot
}

/// The first statement of [`TWO`] took effect.
pub(super) fn made(facts: &mut DatabaseFacts) {
    let object = |kind, name: &str, part: &str| Object {
        kind,
        schema: "public".to_owned(),
        name: name.to_owned(),
        part: part.to_owned(),
    };
    facts.catalog = Some("after".to_owned());
    let there = [
        object(ObjectKind::Table, "t", ""),
        object(ObjectKind::Table, "made", ""),
        object(ObjectKind::Column, "made", "id"),
    ];
    facts.objects = Some(there.into());
}

/// The verbs of a command, in their order.
pub(super) fn verbs(choice: &ChoiceStatus) -> Vec<&str> {
    let parts = choice.command.split(" && ").filter(|part| !part.is_empty());
    parts
        .map(|part| match part.starts_with("kubectl dbm psql ") {
            true if part.contains("pg_locks") => "look",
            true if part.contains(" --single-transaction --if-open ") => "undo",
            true => "end",
            false if part.starts_with("kubectl patch ") => "patch",
            false => part.split(' ').nth(2).unwrap_or_default(),
        })
        .collect()
}

pub(super) fn assert_nothing_is_to_be_corrected(status: &DatabaseMigrationStatus) {
    for text in status.choices.iter().map(|choice| &choice.title) {
        assert!(!text.contains("corrected image"), "{text}");
    }
    assert!(
        !status.message.contains("corrected image"),
        "{}",
        status.message
    );
}

#[rstest]
#[case(0, 1)]
#[case(29, 1)]
#[case(30, 4)]
#[case(3600, 4)]
fn a_look_at_a_running_migration_is_fresh_and_comes_back_as_soon(
    #[case] age: i64,
    #[case] expected: i64,
) {
    let mut snapshot = with(CATALOG, false, 5);
    let name = settle(&mut snapshot);
    let running = JobProgress::Running { since: at(START) };
    let found = job(&snapshot, &name, running);
    snapshot.jobs.insert(name, found);
    snapshot.now = at(START + age);
    let wanted = wants(&snapshot.resource, &snapshot.jobs, &[], false, snapshot.now);
    assert_eq!(wanted.databases["db00"].age, expected);
    let next = decide(&snapshot).requeue_ms;
    assert_eq!(next, Some(u64::try_from(expected).unwrap() * 1000));
}

#[test]
fn a_migration_at_work_is_not_written_every_second() {
    let mut snapshot = with(CATALOG, false, 5);
    let name = settle(&mut snapshot);
    let mut writes = 0;
    for second in 0..30 {
        snapshot.now = at(START + second);
        let running = JobProgress::Running { since: at(START) };
        let found = job(&snapshot, &name, running);
        snapshot.jobs.insert(name.clone(), found);
        let decision = decide(&snapshot);
        writes += usize::from(decision.status.is_some());
        write(&mut snapshot, &decision);
    }
    assert_eq!(writes, 3, "at 0, 10 and 20 s");
}

/// The holder that any attempt saw is named at the end, with what to do.
#[rstest]
#[case::in_the_last(&[false, true])]
#[case::in_the_first(&[true, false])]
#[case::in_the_only_one(&[true])]
#[case::in_none(&[false, false])]
fn who_held_the_lock_is_named_after_the_last_attempt(#[case] seen: &[bool]) {
    let attempts = u32::try_from(seen.len()).unwrap();
    let mut snapshot = with(CATALOG, false, attempts);
    let mut name = settle(&mut snapshot);
    for (number, seen) in (1..).zip(seen) {
        assert!(!name.is_empty(), "{}", shown(&snapshot).message);
        name = traceless(&mut snapshot, &name, *seen, number);
    }
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::LOCK_TIMEOUT, "{}", now.message);
    let known = seen.contains(&true);
    let failure = now.databases[0].failed.as_ref().unwrap();
    let who = "pid 42 (portal, idle in transaction 180s, holds a lock on \"User\")";
    let who = who.replace("180s", "3m");
    assert_eq!(failure.blocked_by, if known { who.as_str() } else { "" });
    assert_eq!(now.message.contains(&who), known, "{}", now.message);
    let expected: &[&str] = if known { &["end", "retry"] } else { &["retry"] };
    assert_eq!(verbs(&now.choices[0]), expected, "{:?}", now.choices);
    assert_eq!(now.choices[0].command.contains(TERMINATE), known);
    assert_eq!(now.next_command, now.choices[0].command);
    assert_eq!(now.choices.len(), 1);
    assert_nothing_is_to_be_corrected(now);
}

#[test]
fn prismas_own_lock_names_its_holder_too() {
    let mut snapshot = with(CATALOG, false, 1);
    let name = settle(&mut snapshot);
    waits_for(&mut snapshot, &name);
    go(&mut snapshot, &name, timed_out());
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::LOCK_TIMEOUT, "{}", now.message);
    assert!(now.message.contains("pid 42 (portal"), "{}", now.message);
    assert_eq!(verbs(&now.choices[0]), ["end", "retry"]);
}

#[rstest]
#[case::rows_after_it(ROWS, false, false, &["end mark-rolled-back retry", "mark-applied", "mark-rolled-back retry"])]
#[case::rows(ROWS_FIRST, false, false, &["end mark-rolled-back retry", "mark-applied", "mark-rolled-back retry"])]
#[case::rows_with_a_down(ROWS_FIRST, true, false, &["end mark-rolled-back retry", "end down retry", "mark-applied", "mark-rolled-back retry"])]
#[case::traces_with_a_down(TWO, true, true, &["end down retry", "mark-applied", "undo mark-rolled-back retry"])]
#[case::traces(TWO, false, true, &["end undo mark-rolled-back retry", "mark-applied"])]
fn what_is_offered_after_a_lock_time_out_frees_the_lock_first(
    #[case] sql: &str,
    #[case] down: bool,
    #[case] traces: bool,
    #[case] expected: &[&str],
) {
    for seen in [true, false] {
        let snapshot = failed(sql, down, seen, |facts| {
            if traces {
                made(facts);
            }
        });
        let now = shown(&snapshot);
        assert_eq!(reason(now), reasons::MIGRATION_FAILED, "{}", now.message);
        let offered: Vec<String> = now.choices.iter().map(|c| verbs(c).join(" ")).collect();
        let unseen = |words: &&str| words.replace("end", "").trim().to_owned();
        // Where nothing else is to be run, it is shown who holds it.
        let looked = |words: String| match words.as_str() {
            "" => "look".to_owned(),
            _ => words,
        };
        let wanted: Vec<String> = match seen {
            true => expected.iter().map(|words| (*words).to_owned()).collect(),
            false => expected.iter().map(unseen).map(looked).collect(),
        };
        assert_eq!(offered, wanted, "{:?}", now.choices);
        assert_eq!(
            now.message.contains("pid 42 (portal"),
            seen,
            "{}",
            now.message
        );
        assert_nothing_is_to_be_corrected(now);
        assert_eq!(
            now.message.contains("took effect: table \"made\"")
                || now.message.contains("took effect: table made"),
            traces,
            "{}",
            now.message
        );
    }
}

/// A wait that was over before says nothing of a failure for another reason.
#[test]
fn a_failure_for_another_reason_blames_no_lock() {
    let snapshot = failed(CATALOG, false, true, |facts| {
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some("Migration name: 2_split\n\nDatabase error code: 42703\n".to_owned()),
            ..row(1, false)
        }]);
    });
    let now = shown(&snapshot);
    assert_eq!(now.databases[0].failed.as_ref().unwrap().blocked_by, "");
    assert_eq!(verbs(&now.choices[0]), ["mark-rolled-back"]);
}

/// A retry without the mark finds the row, and still knows who held the lock.
#[test]
fn who_held_the_lock_is_known_in_the_next_run() {
    let mut snapshot = failed(ROWS, false, true, |_| {});
    snapshot.resource.retry = Some("1".to_owned());
    settle(&mut snapshot);
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::FAILED_ROW_FOUND, "{}", now.message);
    assert_eq!(verbs(&now.choices[0]), ["end", "mark-rolled-back", "retry"]);
    assert_nothing_is_to_be_corrected(now);
}

/// What was marked rolled back after a lock time-out is run again as it is.
#[test]
fn after_the_mark_the_same_image_is_run_again() {
    let mut snapshot = failed(ROWS, false, true, |_| {});
    let mut action = asked(&snapshot, ActionKind::MarkRolledBack);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = NAME.to_owned();
    action.spec.ledger_row = "row1".to_owned();
    snapshot.actions = vec![action];
    let name = settle(&mut snapshot);
    assert!(!name.is_empty(), "{}", shown(&snapshot).message);
    snapshot.actions.clear();
    facts(&mut snapshot).ledger = Ledger::Rows(vec![row(1, true)]);
    go(&mut snapshot, &name, succeeded());
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::ROLLED_BACK, "{}", now.message);
    assert_eq!(verbs(&now.choices[0]), ["retry"]);
    assert!(
        now.choices[0].title.contains("pid 42 (portal"),
        "{:?}",
        now.choices
    );
    assert_nothing_is_to_be_corrected(now);
}

/// A down.sql waits for the same session: that one has to end first, then the same command does it.
#[rstest]
#[case::of_a_lock_time_out("55P03", true, &["end", "down", "retry"])]
#[case::of_another_failure("42703", true, &["end", "down"])]
#[case::and_nobody_was_seen("42703", false, &["down"])]
fn a_down_that_is_blocked_names_its_holder_and_is_offered_after_its_end(
    #[case] state: &str,
    #[case] seen: bool,
    #[case] expected: &[&str],
) {
    let mut snapshot = failed(TWO, true, false, |facts| {
        made(facts);
        let logs = format!("Migration name: 2_split\n\nDatabase error code: {state}\n");
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some(logs),
            ..row(1, false)
        }]);
    });
    let mut action = asked(&snapshot, ActionKind::DownMigration);
    action.spec.database = "db00".to_owned();
    action.spec.migration_name = NAME.to_owned();
    snapshot.actions = vec![action];
    let name = settle(&mut snapshot);
    assert!(!name.is_empty(), "{}", shown(&snapshot).message);
    if seen {
        waits_for(&mut snapshot, &name);
        assert_eq!(reason(shown(&snapshot)), reasons::WAITING_LOCK);
        let now = shown(&snapshot);
        assert!(now.next_command.contains(TERMINATE));
        assert_eq!(now.choices[0].command, now.next_command);
        assert!(now.choices[0].title.starts_with("end the session"));
    }
    snapshot.actions.clear();
    go(&mut snapshot, &name, timed_out());
    let now = shown(&snapshot);
    assert_eq!(reason(now), reasons::ROLLBACK_FAILED, "{}", now.message);
    assert_eq!(
        now.message.contains("pid 42 (portal"),
        seen,
        "{}",
        now.message
    );
    assert!(!now.message.contains(".."), "{}", now.message);
    assert!(
        now.message.contains("nothing needs correcting"),
        "{}",
        now.message
    );
    assert_eq!(verbs(&now.choices[0]), expected, "{:?}", now.choices);
    let steps = &now.run.as_ref().unwrap().steps;
    assert!(steps.iter().any(|step| step.name == StepKind::Down));
}

/// A resource that goes is not looked at any more, and still says whom its migration was seen waiting for.
#[test]
fn what_a_deleted_resource_waits_for_says_whose_lock_it_is() {
    let mut snapshot = with(CATALOG, false, 5);
    let first = settle(&mut snapshot);
    waits_for(&mut snapshot, &first);
    snapshot.resource.deleting = true;
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let text = &shown(&snapshot).message;
    for part in ["being deleted", "never killed", "pid 42 (portal"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// Its first statement waited for the lock, so none after it ran: that is said, and nobody is sent to compare a schema.
#[test]
fn where_nothing_is_seen_of_it_that_is_what_is_left() {
    let snapshot = failed(ROWS, true, true, |_| {});
    let failed = shown(&snapshot).databases[0].failed.clone().unwrap();
    assert_eq!(
        failed.left,
        ["none of its statements is seen to have taken effect"]
    );
}

/// Another resource's run, or a deploy by hand, has an end: nobody is called, and nothing is said to be blocked.
#[test]
fn a_migration_that_somebody_else_has_under_way_needs_nobody() {
    let mut snapshot = with(CATALOG, false, 5);
    let facts = facts(&mut snapshot);
    let open = LedgerRow {
        logs: None,
        ..row(1, false)
    };
    facts.ledger = Ledger::Rows(vec![open]);
    facts.lock_holder = Some(Session {
        pid: 42,
        application_name: "dbm/r1-5e1c0a9b/db00".to_owned(),
        ..Session::default()
    });
    let decision = decide(&snapshot);
    assert!(decision.events.iter().all(|event| !event.warning));
    settle(&mut snapshot);
    let said = shown(&snapshot);
    assert_eq!(reason(said), reasons::DATABASE_BUSY, "{}", said.message);
    assert!(said.message.contains("pid 42 (dbm/"), "{}", said.message);
    assert!(status::get(said, reasons::STALLED).is_none());
}
