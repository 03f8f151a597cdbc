//! Time-outs, and what is run CONCURRENTLY: without one for locks, and not valid while an index of it is not.

use database_migration_operator::api::{
    DatabaseMigrationStatus, FindingKind, RunOutcome, StepKind, digest, reasons,
};
use database_migration_operator::decide::{Decision, Effect, Snapshot, decide, status};
use database_migration_operator::facts::{
    ContainerEnd, JobProgress, Ledger, LedgerRow, OwnTimeout, Reading, Session, Wait,
};
use dbm_protocol::{DatabaseInventory, Migration};
use rstest::rstest;

use super::cases::{ended, job, reason, settle, snapshot, write};
use super::world::{START, at};

const BUILD: &str = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);";

fn with(sql: &str) -> Snapshot {
    let mut snapshot = snapshot(1);
    let migration = Migration {
        name: "2_index".to_owned(),
        sha256: digest(b"2"),
        sql: Some(sql.to_owned()),
        down_sql: Some("DROP INDEX CONCURRENTLY i;".to_owned()),
        ..Migration::default()
    };
    let inventory = DatabaseInventory {
        hash: "h".to_owned(),
        migrations: vec![migration],
        ..DatabaseInventory::default()
    };
    snapshot.inventories = [("db00".to_owned(), inventory)].into();
    snapshot
}

fn plans(decision: &Decision) -> Vec<(StepKind, bool)> {
    let of = |effect: &Effect| match effect {
        Effect::CreateJob(plan) => Some((plan.step, plan.unlimited_locks)),
        _ => None,
    };
    decision.effects.iter().filter_map(of).collect()
}

fn facts(snapshot: &mut Snapshot) -> &mut database_migration_operator::facts::DatabaseFacts {
    match snapshot.databases.get_mut("db00") {
        Some(Reading::Known(facts)) => facts,
        _ => panic!("no facts"),
    }
}

fn row(finished: bool) -> LedgerRow {
    LedgerRow {
        id: "row".to_owned(),
        checksum: digest(b"2"),
        migration_name: "2_index".to_owned(),
        started_at: at(START),
        finished_at: finished.then(|| at(START)),
        applied_steps_count: i32::from(finished),
        ..LedgerRow::default()
    }
}

#[test]
fn a_deploy_with_one_pending_has_no_lock_time_out_and_the_plan_says_so() {
    for (sql, expected) in [
        (BUILD, true),
        ("CREATE INDEX i ON t (a); -- CONCURRENTLY", false),
    ] {
        let decision = decide(&with(sql));
        assert_eq!(plans(&decision), [(StepKind::Migrate, expected)], "{sql}");
        let now = decision.status.unwrap();
        let planned = status::get(&now, reasons::PLANNED).unwrap();
        assert_eq!(
            planned
                .message
                .contains("2_index runs a statement CONCURRENTLY"),
            expected
        );
        let findings = &now.databases[0].findings;
        assert_eq!(
            findings.iter().any(|f| f.kind == FindingKind::Concurrently),
            expected
        );
    }
}

#[test]
fn a_lock_time_out_that_the_operator_does_not_set_is_said_in_the_plan() {
    let mut snapshot = with(BUILD);
    facts(&mut snapshot).own_timeouts = vec![OwnTimeout {
        name: "lock_timeout".to_owned(),
        value: "3s".to_owned(),
        set_by: "ALTER DATABASE shop".to_owned(),
    }];
    let now = decide(&snapshot).status.unwrap();
    let text = &now.databases[0].findings[0].text;
    assert!(
        text.contains("lock_timeout 3s (ALTER DATABASE shop) would cut it short"),
        "{text}"
    );
}

/// A build that waits for that session.
fn waits_for(blocker: Session) -> DatabaseMigrationStatus {
    let mut snapshot = with(BUILD);
    let name = settle(&mut snapshot);
    let running = JobProgress::Running { since: at(START) };
    let job = job(&snapshot, &name, running);
    snapshot.jobs.insert(name, job);
    snapshot.now = at(START + 3);
    let run = snapshot.resource.status.run.as_ref().unwrap().id.clone();
    let facts = facts(&mut snapshot);
    facts.our_sessions = vec![Session {
        pid: 9,
        application_name: format!("dbm/{run}/db00"),
        ..Session::default()
    }];
    facts.waits = vec![Wait {
        waiting: 9,
        seconds: Some(2),
        relation: None,
        blocker,
    }];
    *decide(&snapshot).status.unwrap()
}

/// Who is waited for: program, whether it only reads, whether it is a superuser's, whether our role may end it; what is offered:
/// words of each title, and of its command.
type Offer = &'static [(&'static str, &'static str)];

#[rstest]
#[case::a_writer("portal", false, false, Some(true), &[("end the session", "pg_terminate_backend(4)"), ("or wait", "WHERE pid = 4")])]
#[case::nothing_is_known("portal", false, false, None, &[("end the session", "pg_terminate_backend(4)"), ("or wait", "WHERE pid = 4")])]
#[case::a_dump("pg_dump", true, false, Some(true),
    &[("wait for the end of the dump", "query FROM pg_stat_activity WHERE pid = 4"), ("only if the dump may be lost", "pg_terminate_backend(4)")])]
#[case::a_dump_of_a_superuser("pg_dump", true, true, Some(false),
    &[("wait for the end of the dump", "pg_stat_activity"), ("SELECT pg_terminate_backend(4), which the role of the migration may not run: only a superuser may", "")])]
#[case::a_reader("report", true, false, Some(true),
    &[("wait for the end of the session", "pg_stat_activity"), ("only if what it did may be lost", "pg_terminate_backend(4)")])]
#[case::a_reader_of_another_role("report", true, false, Some(false),
    &[("wait for the end of the session", "pg_stat_activity"), ("a member of that role or of pg_signal_backend may", "")])]
#[case::a_writer_of_a_superuser("psql", false, true, Some(false), &[("end the session that is in the way", "--admin -c 'SELECT pg_terminate_backend(4)'"), ("or wait", "--admin -c 'SELECT now()")])]
fn what_only_reads_is_let_run_to_its_end(
    #[case] program: &str,
    #[case] reads: bool,
    #[case] superuser: bool,
    #[case] may_end: Option<bool>,
    #[case] expected: Offer,
) {
    let now = waits_for(Session {
        pid: 4,
        application_name: program.to_owned(),
        user: Some("postgres".to_owned()),
        state: Some("active".to_owned()),
        transaction_seconds: Some(600),
        reads,
        superuser,
        may_end,
        ..Session::default()
    });
    assert_eq!(reason(&now), reasons::WAITING_LOCK);
    assert_eq!(now.choices.len(), expected.len(), "{:#?}", now.choices);
    for (choice, (title, command)) in now.choices.iter().zip(expected) {
        assert!(choice.title.contains(title), "{title} in: {}", choice.title);
        assert!(
            choice.command.contains(command) && choice.command.is_empty() == command.is_empty(),
            "{command} in: {}",
            choice.command
        );
    }
    let of = if superuser {
        "of superuser postgres"
    } else {
        "of role postgres"
    };
    assert_eq!(
        now.message.contains(of),
        may_end == Some(false),
        "{}",
        now.message
    );
}

#[test]
fn whom_it_waits_for_is_named_with_those_that_come_after() {
    let mut snapshot = with(BUILD);
    let name = settle(&mut snapshot);
    let running = JobProgress::Running { since: at(START) };
    let job = job(&snapshot, &name, running);
    snapshot.jobs.insert(name, job);
    snapshot.now = at(START + 3);
    let session = |pid, name: &str| Session {
        pid,
        application_name: name.to_owned(),
        state: Some("idle in transaction".to_owned()),
        transaction_seconds: Some(30),
        ..Session::default()
    };
    let run = snapshot.resource.status.run.as_ref().unwrap().id.clone();
    let facts = facts(&mut snapshot);
    facts.our_sessions = vec![session(9, &format!("dbm/{run}/db00"))];
    facts.waits = vec![Wait {
        waiting: 9,
        seconds: Some(2),
        relation: None,
        blocker: session(4, "report"),
    }];
    facts.old_snapshots = vec![session(4, "report"), session(5, "export")];
    let now = decide(&snapshot).status.unwrap();
    assert_eq!(reason(&now), reasons::WAITING_LOCK);
    for part in [
        "waits 2s for pid 4 (report, idle in transaction 30s)",
        "pid 5 (export, idle in transaction 30s)",
        "as long as that takes",
    ] {
        assert!(now.message.contains(part), "{part} in: {}", now.message);
    }
    assert!(!now.message.contains("attempt"), "{}", now.message);
    assert!(now.next_command.contains("pg_terminate_backend(4)"));
}

/// The end of a deploy that left the index invalid, whatever the ledger says.
fn left(finished: bool) -> Snapshot {
    left_by(BUILD, "public.i", finished)
}

fn left_by(sql: &str, index: &str, finished: bool) -> Snapshot {
    let mut snapshot = with(sql);
    let name = settle(&mut snapshot);
    let progress = if finished {
        ended()
    } else {
        JobProgress::Ended(ContainerEnd {
            exit_code: 1,
            reason: "Error".to_owned(),
            said: String::new(),
            finished_at: at(START),
            summary: None,
        })
    };
    let job = job(&snapshot, &name, progress);
    snapshot.jobs.insert(name, job);
    let facts = facts(&mut snapshot);
    facts.identity.schema = "public".to_owned();
    facts.catalog = Some("after".to_owned());
    facts.objects = Some(Default::default());
    facts.ledger = Ledger::Rows(vec![row(finished)]);
    facts.invalid_indexes = vec![index.to_owned()];
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    snapshot
}

#[test]
fn an_invalid_index_of_its_own_outlives_runs_and_marks_until_it_is_gone() {
    for finished in [false, true] {
        let mut snapshot = left(finished);
        let now = &snapshot.resource.status;
        assert_eq!(now.run.as_ref().unwrap().outcome, Some(RunOutcome::Failed));
        assert_eq!(now.databases[0].invalid_indexes, ["public.i"]);
        assert_eq!(
            status::get(now, reasons::VALIDATED).unwrap().status,
            "False"
        );
        let first = &now.choices[0].command;
        let expected = if finished {
            "REINDEX INDEX CONCURRENTLY public.i' && kubectl dbm retry"
        } else {
            "DROP INDEX CONCURRENTLY IF EXISTS public.i' && kubectl dbm mark-rolled-back"
        };
        assert!(first.contains(expected), "{first}");
        assert!(first.contains("kubectl dbm retry"), "{first}");

        // Somebody marks it applied, and asks for a new run, in which nothing is pending.
        facts(&mut snapshot).ledger = Ledger::Rows(vec![row(true)]);
        snapshot.resource.retry = Some("1".to_owned());
        settle(&mut snapshot);
        let now = &snapshot.resource.status;
        assert_eq!(reason(now), reasons::INVALID_INDEX_FOUND, "{}", now.message);
        assert_eq!(status::get(now, reasons::READY).unwrap().status, "False");
        assert_eq!(
            status::get(now, reasons::VALIDATED).unwrap().status,
            "False"
        );

        facts(&mut snapshot).invalid_indexes.clear();
        snapshot.resource.retry = Some("2".to_owned());
        settle(&mut snapshot);
        let now = &snapshot.resource.status;
        assert_eq!(
            status::get(now, reasons::READY).unwrap().status,
            "True",
            "{}",
            now.message
        );
        assert_eq!(status::get(now, reasons::VALIDATED).unwrap().status, "True");
    }
}

/// PostgreSQL chose its name: the catalog says it, and what is offered is the same as of one that the file names.
#[rstest::rstest]
#[case::alone("CREATE INDEX CONCURRENTLY ON t (a);", true)]
#[case::beside_one_with_a_name(
    "CREATE INDEX CONCURRENTLY i ON t (a); CREATE INDEX CONCURRENTLY ON t (a);",
    true
)]
#[case::one_of_two(
    "CREATE INDEX CONCURRENTLY ON t (b); CREATE INDEX CONCURRENTLY ON t (a);",
    false
)]
#[case::beside_another_change("UPDATE t SET a = 1; CREATE INDEX CONCURRENTLY ON t (a);", false)]
fn an_invalid_index_whose_name_postgresql_chose(#[case] sql: &str, #[case] alone: bool) {
    let snapshot = left_by(sql, "public.t_a_idx", false);
    let now = &snapshot.resource.status;
    assert_eq!(now.databases[0].invalid_indexes, ["public.t_a_idx"]);
    assert!(now.message.contains("public.t_a_idx"), "{}", now.message);
    let first = &now.choices[0].command;
    assert!(
        first.contains("DROP INDEX CONCURRENTLY IF EXISTS public.t_a_idx'"),
        "{first}"
    );
    // What else it may have made is nobody's to run twice.
    assert_eq!(
        first.contains(" && kubectl dbm mark-rolled-back"),
        alone,
        "{first}"
    );
    assert_eq!(first.contains(" && kubectl dbm retry"), alone, "{first}");
}

/// What was invalid before, and is no migration's of this release, is shown and no more.
#[test]
fn an_invalid_index_of_others_keeps_nothing_from_being_ready() {
    let mut snapshot = with(BUILD);
    let facts = facts(&mut snapshot);
    facts.identity.schema = "public".to_owned();
    facts.ledger = Ledger::Rows(vec![LedgerRow {
        started_at: at(START - 86_400),
        finished_at: Some(at(START - 86_400)),
        ..row(true)
    }]);
    facts.invalid_indexes = vec!["public.of_others".to_owned()];
    settle(&mut snapshot);
    let now = &snapshot.resource.status;
    assert_eq!(
        status::get(now, reasons::READY).unwrap().status,
        "True",
        "{}",
        now.message
    );
    assert!(now.databases[0].invalid_indexes.is_empty());
}

/// A new run finds the row that blocks, and still knows what the migration left.
#[test]
fn what_a_failed_build_left_is_known_in_the_next_run() {
    let mut snapshot = left(false);
    snapshot.resource.retry = Some("1".to_owned());
    settle(&mut snapshot);
    let now = &snapshot.resource.status;
    assert_eq!(
        reason(now),
        reasons::UNFINISHED_ROW_FOUND,
        "{}",
        now.message
    );
    assert_eq!(
        status::get(now, reasons::VALIDATED).unwrap().status,
        "False"
    );
    let first = &now.choices[0].command;
    assert!(
        first.contains("DROP INDEX CONCURRENTLY IF EXISTS public.i'"),
        "{first}"
    );
    // It is dropped by hand: then nothing is left of it to be dropped.
    facts(&mut snapshot).invalid_indexes.clear();
    settle(&mut snapshot);
    let first = &snapshot.resource.status.choices[0].command;
    assert!(!first.contains("DROP INDEX"), "{first}");
}

/// Whose time-out it was is said with what helps.
#[test]
fn a_time_out_of_the_roles_own_is_named_with_its_remedy() {
    let words = |what: &str| format!("Database error:\nERROR: canceling statement due to {what}\n");
    let cases = [
        (
            "SELECT pg_sleep(5);",
            "57014",
            "statement timeout",
            "",
            "The role's own statement_timeout is 2s: set timeouts.statement",
        ),
        (
            "SELECT pg_sleep(5);",
            "57014",
            "statement timeout",
            "1s",
            "timeouts.statement of the spec, 1s: raise it",
        ),
        (
            BUILD,
            "55P03",
            "lock timeout",
            "",
            "The role's own lock_timeout is 3s: change it (ALTER ROLE app SET lock_timeout",
        ),
        (
            "SELECT pg_sleep(5);",
            "57014",
            "user request",
            "",
            "pg_cancel_backend",
        ),
    ];
    for (sql, state, what, statement, expected) in cases {
        let mut snapshot = with(sql);
        if !statement.is_empty() {
            snapshot.resource.spec.timeouts.statement =
                serde_json::from_value(statement.into()).unwrap();
        }
        let name = settle(&mut snapshot);
        let job = job(&snapshot, &name, ended());
        snapshot.jobs.insert(name, job);
        let facts = facts(&mut snapshot);
        let own = |name: &str, value: &str| OwnTimeout {
            name: name.to_owned(),
            value: value.to_owned(),
            set_by: "ALTER ROLE app".to_owned(),
        };
        facts.own_timeouts = vec![own("lock_timeout", "3s"), own("statement_timeout", "2s")];
        if sql == BUILD {
            facts.catalog = Some("after".to_owned());
        }
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some(format!("Database error code: {state}\n\n{}", words(what))),
            ..row(false)
        }]);
        let decision = decide(&snapshot);
        write(&mut snapshot, &decision);
        let now = &snapshot.resource.status;
        assert_eq!(reason(now), reasons::MIGRATION_FAILED, "{}", now.message);
        assert!(
            now.message.contains(expected),
            "{expected} in: {}",
            now.message
        );
        if what == "user request" {
            assert!(
                !now.message.contains("statement_timeout"),
                "{}",
                now.message
            );
        }
        if sql != BUILD {
            let first = &now.choices[0].command;
            assert!(first.starts_with("kubectl dbm mark-rolled-back"), "{first}");
        }
    }
}
