//! Plan, judgement and causes, case by case.

use database_migration_operator::api::{
    FindingKind, HistorySpec, Policy, RunStatus, StepKind, StepStatus, Time, Traces, digest,
    reasons, spec_hash,
};
use database_migration_operator::decide::{Cause, Verdict, cause, judge, ledger_digest, plan};
use database_migration_operator::facts::{
    ContainerEnd, DatabaseFacts, Ledger, LedgerRow, Session, TableName,
};
use dbm_protocol::recognise::{APPLIED, NOTHING_PENDING};
use dbm_protocol::{
    DatabaseInventory, Migration, Outcome, Problem, ProblemReason, Refusal, Summary, VERSION,
};
use rstest::rstest;

use super::setup;
use super::world::at;

fn migration(name: &str) -> Migration {
    Migration {
        name: name.to_owned(),
        sha256: digest(name.as_bytes()),
        other_sha256: vec![digest(format!("{name}\r\n").as_bytes())],
        sql: Some("INSERT INTO t VALUES (1);".to_owned()),
        ..Migration::default()
    }
}

pub(super) fn inventory() -> DatabaseInventory {
    let migrations = ["2_a", "4_b", "6_c"].map(migration).to_vec();
    DatabaseInventory {
        database: "shop".to_owned(),
        hash: "h".to_owned(),
        migrations,
        ..Default::default()
    }
}

#[derive(Clone, Copy)]
pub(super) enum Row {
    Applied,
    ByHand,
    Failed(&'static str),
    Unfinished,
    ScriptDone,
    RolledBack,
    Edited,
    WithCrlf,
}

fn row((name, kind): &(&str, Row)) -> LedgerRow {
    let done = Some(at(5));
    let checksum = match kind {
        Row::Edited => digest(b"other"),
        Row::WithCrlf => digest(format!("{name}\r\n").as_bytes()),
        _ => digest(name.as_bytes()),
    };
    let (finished_at, rolled_back_at, applied_steps_count, logs) = match kind {
        Row::Applied | Row::Edited | Row::WithCrlf => (done, None, 1, None),
        Row::ByHand => (done, None, 0, Some(String::new())),
        Row::Failed(state) => (None, None, 0, Some(format!("Database error code: {state}"))),
        Row::Unfinished => (None, None, 0, None),
        Row::ScriptDone => (None, None, 1, None),
        Row::RolledBack => (None, done, 0, None),
    };
    LedgerRow {
        id: format!("row {name}"),
        checksum,
        migration_name: (*name).to_owned(),
        started_at: at(1),
        finished_at,
        rolled_back_at,
        applied_steps_count,
        logs,
    }
}

pub(super) fn facts(rows: &[(&str, Row)]) -> DatabaseFacts {
    let ledger = Ledger::Rows(rows.iter().map(row).collect());
    DatabaseFacts {
        ledger,
        catalog: Some("before".to_owned()),
        ..Default::default()
    }
}

fn history(policy: Policy) -> HistorySpec {
    HistorySpec {
        edited: policy,
        unknown: policy,
        ahead: policy,
        out_of_order: policy,
        since: String::new(),
    }
}

#[rstest]
#[case::new(&[], &["2_a", "4_b", "6_c"], &[], None)]
#[case::some(&[("2_a", Row::Applied)], &["4_b", "6_c"], &[], None)]
#[case::by_hand(&[("2_a", Row::ByHand), ("4_b", Row::Applied), ("6_c", Row::Applied)], &[], &[], None)]
#[case::line_ends(&[("2_a", Row::WithCrlf)], &["4_b", "6_c"], &[], None)]
#[case::rolled_back_only(&[("2_a", Row::RolledBack)], &["2_a", "4_b", "6_c"], &[], None)]
#[case::settled(&[("2_a", Row::RolledBack), ("2_a", Row::ByHand)], &["4_b", "6_c"], &[], None)]
#[case::edited(&[("2_a", Row::Edited)], &["4_b", "6_c"], &[FindingKind::Edited], Some(reasons::EDITED_FOUND))]
#[case::ahead(&[("2_a", Row::Applied), ("4_b", Row::Applied), ("6_c", Row::Applied), ("8_x", Row::Applied)], &[], &[FindingKind::Ahead], Some(reasons::AHEAD_FOUND))]
#[case::late(&[("4_b", Row::Applied)], &["2_a", "6_c"], &[FindingKind::OutOfOrder], Some(reasons::OUT_OF_ORDER_FOUND))]
fn plans(
    #[case] rows: &[(&str, Row)],
    #[case] pending: &[&str],
    #[case] found: &[FindingKind],
    #[case] denied: Option<&str>,
) {
    for (policy, reason) in [
        (Policy::Warn, None),
        (Policy::Ignore, None),
        (Policy::Deny, denied),
    ] {
        let plan = plan("shop", &inventory(), &facts(rows), &history(policy));
        assert_eq!(plan.pending, pending);
        assert_eq!(
            plan.findings.iter().map(|f| f.kind).collect::<Vec<_>>(),
            found
        );
        assert_eq!(plan.blocker.map(|b| b.reason), reason);
        assert_eq!(plan.ahead, found == [FindingKind::Ahead]);
    }
}

/// Where neither the file's text nor the catalog is known, what is pending may be what the image lacks: no policy lets it run.
#[test]
fn what_the_image_lacks_is_judged() {
    let rows = facts(&[("2_a", Row::Applied), ("3_x", Row::Applied)]);
    for (policy, reason) in [
        (Policy::Warn, reasons::UNSEEN_FOUND),
        (Policy::Ignore, reasons::UNSEEN_FOUND),
        (Policy::Deny, reasons::UNKNOWN_FOUND),
    ] {
        let plan = plan("shop", &inventory(), &rows, &history(policy));
        assert_eq!(plan.pending, ["4_b", "6_c"]);
        let mut kinds = plan.findings.iter().map(|f| f.kind);
        assert!(kinds.any(|kind| kind == FindingKind::Unknown));
        assert_eq!(plan.blocker.map(|b| b.reason), Some(reason));
    }
}

/// Prisma reads a migration's file where it is pending, and never again.
#[test]
fn a_file_that_is_gone_matters_where_its_migration_is_pending() {
    let mut inventory = inventory();
    let gone = &mut inventory.migrations[1];
    gone.unreadable = Some("has no migration.sql".to_owned());
    gone.sha256.clear();
    gone.sql = None;
    let blocked = plan("shop", &inventory, &facts(&[]), &history(Policy::Deny));
    let blocker = blocked.blocker.unwrap();
    assert_eq!(blocker.reason, reasons::MIGRATION_UNREADABLE);
    for part in ["shop: 4_b ", "no migration.sql", "P3015"] {
        assert!(blocker.message.contains(part), "{}", blocker.message);
    }
    let applied = facts(&[("2_a", Row::Applied), ("4_b", Row::Applied)]);
    let fine = plan("shop", &inventory, &applied, &history(Policy::Deny));
    assert_eq!(fine.blocker, None);
    assert_eq!(fine.pending, ["6_c"]);
    let kinds: Vec<_> = fine.findings.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [FindingKind::Unreadable]);
}

#[test]
fn history_before_since_is_shown_and_not_judged() {
    let mut history = history(Policy::Deny);
    history.since = "3".to_owned();
    let plan = plan(
        "shop",
        &inventory(),
        &facts(&[("2_a", Row::Edited)]),
        &history,
    );
    assert_eq!(plan.findings[0].policy, Policy::Ignore);
    assert_eq!(plan.blocker, None);
}

#[rstest]
#[case(Row::Failed("42703"), false, reasons::FAILED_ROW_FOUND, true)]
#[case(Row::Unfinished, false, reasons::UNFINISHED_ROW_FOUND, true)]
#[case(Row::ScriptDone, false, reasons::UNFINISHED_ROW_FOUND, true)]
#[case(Row::Unfinished, true, reasons::UNFINISHED_ROW_FOUND, false)]
#[case(Row::Failed("42703"), true, reasons::FAILED_ROW_FOUND, true)]
fn an_open_row_blocks(
    #[case] kind: Row,
    #[case] busy: bool,
    #[case] reason: &str,
    #[case] to_decide: bool,
) {
    let mut facts = facts(&[("2_a", kind)]);
    facts.lock_holder = busy.then(Session::default);
    let plan = plan("shop", &inventory(), &facts, &history(Policy::Warn));
    assert_eq!(plan.blocker.unwrap().reason, reason);
    assert_eq!(plan.open.is_some(), to_decide);
    if let Some(open) = plan.open {
        assert_eq!(
            (open.name.as_str(), open.ledger_row.as_str()),
            ("2_a", "row 2_a")
        );
    }
}

#[rstest]
#[case(Ledger::default(), None)]
#[case(Ledger::Absent { tables: vec![TableName { schema: String::new(), name: "t".to_owned() }] }, Some(reasons::BASELINE_NEEDED))]
#[case(Ledger::NoRight { grant: "GRANT".to_owned() }, Some(reasons::LEDGER_FORBIDDEN))]
fn without_rows(#[case] ledger: Ledger, #[case] reason: Option<&str>) {
    let facts = DatabaseFacts {
        ledger,
        ..Default::default()
    };
    let plan = plan("shop", &inventory(), &facts, &history(Policy::Warn));
    assert_eq!(plan.blocker.map(|b| b.reason), reason);
}

/// What Prisma itself could not do is said before it tries, unless there is nothing to do.
#[rstest]
#[case(Ledger::default(), "make Prisma's table")]
#[case(Ledger::Rows(Vec::new()), "write to Prisma's table")]
fn a_right_that_prisma_lacks_blocks(#[case] ledger: Ledger, #[case] part: &str) {
    let lacking = |facts: DatabaseFacts| DatabaseFacts {
        lacks: Some("GRANT CREATE ON SCHEMA app TO shop;".to_owned()),
        ..facts
    };
    let facts = lacking(DatabaseFacts {
        ledger,
        ..Default::default()
    });
    let blocker = plan("shop", &inventory(), &facts, &history(Policy::Warn)).blocker;
    let blocker = blocker.unwrap();
    assert_eq!(blocker.reason, reasons::RIGHT_MISSING);
    for part in [part, "GRANT CREATE ON SCHEMA app TO shop;", "by itself"] {
        assert!(blocker.message.contains(part), "{}", blocker.message);
    }
    let done = lacking(self::facts(ALL));
    assert_eq!(
        plan("shop", &inventory(), &done, &history(Policy::Warn)).blocker,
        None
    );
}

/// A migration that lacks a right comes with the statement that gives it.
#[test]
fn a_right_that_a_migration_lacks_comes_with_its_grant() {
    let mut facts = facts(&[("2_a", Row::Failed("42501"))]);
    facts.role = "shop".to_owned();
    if let Ledger::Rows(rows) = &mut facts.ledger {
        rows[0].logs = Some(
            "A migration failed to apply.\n\nDatabase error code: 42501\n\nDatabase error:\nERROR: permission denied for table User\n"
                .to_owned(),
        );
    }
    let verdict = judge("shop", &step(), badly().as_ref(), &inventory(), &facts, "");
    let Verdict::Failed {
        reason, message, ..
    } = verdict
    else {
        panic!("{verdict:?}");
    };
    assert_eq!(reason, reasons::MIGRATION_FAILED);
    assert!(
        message.contains("GRANT ALL ON TABLE \"User\" TO shop"),
        "{message}"
    );
}

pub(super) fn end(exit_code: i32, reason: &str, code: &str, state: &str) -> Option<ContainerEnd> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let outcome = if exit_code == 0 {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    };
    let summary = Summary {
        version: VERSION,
        outcome,
        exit_code: Some(exit_code),
        signal: None,
        code: some(code),
        sql_state: some(state),
        migration: None,
        message: None,
        problem: None,
        elsewhere: None,
        begun: None,
        findings: Vec::new(),
        findings_count: 0,
        timed_out: false,
        started_at: None,
        finished_at: None,
    };
    let summary = (reason != "OOMKilled").then_some(summary);
    Some(ContainerEnd {
        exit_code,
        reason: reason.to_owned(),
        said: String::new(),
        finished_at: at(9),
        summary: summary.map(Box::new),
    })
}

fn well() -> Option<ContainerEnd> {
    end(0, "Completed", "", "")
}

fn badly() -> Option<ContainerEnd> {
    end(1, "Error", "P3018", "42703")
}

fn naming(migration: &str, mut end: Option<ContainerEnd>) -> Option<ContainerEnd> {
    let summary = end.as_mut().and_then(|end| end.summary.as_mut());
    summary.unwrap().migration = Some(migration.to_owned());
    end
}

pub(super) fn saying(words: &str) -> Option<ContainerEnd> {
    let mut end = well();
    let summary = end.as_mut().and_then(|end| end.summary.as_mut());
    summary.unwrap().message = Some(words.to_owned());
    end
}

fn starved() -> Option<ContainerEnd> {
    end(137, "OOMKilled", "", "")
}

/// Prisma's own line names something else than what is watched.
fn elsewhere(mut end: Option<ContainerEnd>) -> Option<ContainerEnd> {
    let summary = end.as_mut().and_then(|end| end.summary.as_mut());
    summary.unwrap().elsewhere = Some("the database \"other\"".to_owned());
    end
}

/// The step began on an empty ledger.
pub(super) fn step() -> StepStatus {
    StepStatus {
        name: StepKind::Migrate,
        database: "shop".to_owned(),
        attempt: 1,
        ledger: ledger_digest(&Ledger::Rows(Vec::new())),
        catalog: "before".to_owned(),
        ..StepStatus::default()
    }
}

pub(super) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Succeeded => "succeeded".to_owned(),
        Verdict::Wait { .. } => "wait".to_owned(),
        Verdict::NeverBegan { reason, .. } => format!("never began: {reason}"),
        Verdict::ImageChanged => "image changed".to_owned(),
        Verdict::Traceless { .. } => "traceless".to_owned(),
        Verdict::Failed { reason, .. } => (*reason).to_owned(),
    }
}

/// Which one Prisma worked on is said, and nothing of a lack of memory that nobody saw.
#[rstest]
#[case(well())]
#[case(saying(APPLIED))]
#[case(saying(NOTHING_PENDING))]
#[case(end(1, "Error", "P3005", ""))]
fn another_database_is_named(#[case] end: Option<ContainerEnd>) {
    let end = elsewhere(end);
    let verdict = judge("shop", &step(), end.as_ref(), &inventory(), &facts(&[]), "");
    let Verdict::Failed { message, .. } = verdict else {
        panic!("{verdict:?}");
    };
    for part in [
        "shop: ",
        "Prisma worked on the database \"other\"",
        "directUrl",
    ] {
        assert!(message.contains(part), "{part} in: {message}");
    }
    assert!(!message.contains("memory"), "{message}");
}

const ALL: &[(&str, Row)] = &[
    ("2_a", Row::Applied),
    ("4_b", Row::ByHand),
    ("6_c", Row::Applied),
];

#[rstest]
// The ledger is complete: so it is done, however the process ended.
#[case(ALL, well(), "succeeded")]
#[case(ALL, badly(), "succeeded")]
#[case(ALL, starved(), "succeeded")]
#[case(ALL, None, "succeeded")]
// A row is open: so it is not, however the process ended.
#[case(&[("2_a", Row::Failed("42703"))], badly(), "MigrationFailed")]
#[case(&[("2_a", Row::Failed("42703"))], well(), "MigrationFailed")]
#[case(&[("2_a", Row::Failed("42703"))], starved(), "MigrationFailed")]
#[case(&[("2_a", Row::Failed("42703"))], None, "MigrationFailed")]
#[case(&[("2_a", Row::Unfinished)], well(), "EngineLost")]
#[case(&[("2_a", Row::Unfinished)], saying(APPLIED), "TransactionLeftOpen")]
#[case(&[("2_a", Row::Unfinished)], badly(), "MigrationUnfinished")]
#[case(&[("2_a", Row::Unfinished)], starved(), "OutOfMemory")]
#[case(&[("2_a", Row::Unfinished)], None, "MigrationUnfinished")]
#[case(&[("2_a", Row::ScriptDone)], badly(), "ScriptDoneNotRecorded")]
#[case(&[("2_a", Row::ScriptDone)], starved(), "ScriptDoneNotRecorded")]
#[case(&[("2_a", Row::ScriptDone)], None, "ScriptDoneNotRecorded")]
// Rows that count for nothing, or some are missing.
#[case(&[("2_a", Row::RolledBack)], well(), "LedgerIncomplete")]
#[case(&[("2_a", Row::Applied)], well(), "LedgerIncomplete")]
#[case(&[("2_a", Row::Applied)], badly(), "PrismaFailed")]
#[case(&[("2_a", Row::Applied)], starved(), "OutOfMemory")]
#[case(&[("2_a", Row::Applied)], None, "MigrationUnfinished")]
// Another database is said only where Prisma itself says that it applied something.
#[case(&[], well(), "LedgerIncomplete")]
#[case(&[], saying(APPLIED), "OtherDatabaseMigrated")]
#[case(&[], saying(NOTHING_PENDING), "LedgerIncomplete")]
#[case(&[("2_a", Row::Applied)], saying(APPLIED), "LedgerIncomplete")]
#[case(&[], elsewhere(well()), "OtherDatabaseMigrated")]
#[case(&[], elsewhere(saying(NOTHING_PENDING)), "OtherDatabaseMigrated")]
#[case(&[], elsewhere(end(1, "Error", "P3005", "")), "OtherDatabaseMigrated")]
#[case(&[], elsewhere(end(1, "Error", "", "55P03")), "OtherDatabaseMigrated")]
#[case(&[], elsewhere(end(1, "Error", "P1001", "")), "never began: UnreachableFromJob")]
#[case(&[("2_a", Row::Applied)], elsewhere(well()), "LedgerIncomplete")]
#[case(ALL, elsewhere(well()), "succeeded")]
#[case(&[], starved(), "OutOfMemory")]
#[case(&[], None, "MigrationUnfinished")]
// It never came to a row of its own.
#[case(&[], end(1, "Error", "", "55P03"), "never began: LockTimeout")]
// What Prisma says of a migration that began somewhere else is no word on this database.
#[case(&[], naming("2_a", end(1, "Error", "P3018", "55P03")), "OtherDatabaseMigrated")]
#[case(&[], naming("2_a", end(1, "Error", "P3009", "")), "OtherDatabaseMigrated")]
// Its own row was refused: the session may only read.
#[case(&[], naming("2_a", end(1, "Error", "", "25006")), "PrismaFailed")]
#[case(&[("2_a", Row::RolledBack)], naming("2_a", end(1, "Error", "P3009", "")), "PrismaFailed")]
#[case(&[], end(1, "Error", "P1002", ""), "never began: LockTimeout")]
#[case(&[], end(1, "Error", "P1001", ""), "never began: UnreachableFromJob")]
#[case(&[("2_a", Row::Applied)], end(1, "Error", "P1001", ""), "PrismaFailed")]
#[case(&[], end(1, "Error", "P1017", ""), "never began: UnreachableFromJob")]
#[case(&[("2_a", Row::Applied)], end(1, "Error", "P1017", ""), "PrismaFailed")]
#[case(&[], end(1, "Error", "", "53300"), "never began: UnreachableFromJob")]
#[case(&[], end(1, "Error", "", "57P03"), "never began: UnreachableFromJob")]
#[case(&[], end(1, "Error", "", "57P01"), "never began: UnreachableFromJob")]
#[case(&[], end(1, "Error", "", "08006"), "never began: UnreachableFromJob")]
#[case(&[], end(1, "Error", "P1000", ""), "PrismaFailed")]
// The schema is as before, but the script inserts rows: it may have left some.
#[case(&[("2_a", Row::Failed("55P03"))], end(1, "Error", "P3018", "55P03"), "MigrationFailed")]
fn judges(#[case] rows: &[(&str, Row)], #[case] end: Option<ContainerEnd>, #[case] expected: &str) {
    let verdict = judge(
        "shop",
        &step(),
        end.as_ref(),
        &inventory(),
        &facts(rows),
        "dbm/r1/shop",
    );
    assert_eq!(word(&verdict), expected);
    // While something of it is at work, nothing is judged.
    for (name, ours) in [("dbm/r1/shop", true), ("psql", false)] {
        let mut busy = facts(rows);
        let session = Session {
            pid: 42,
            application_name: name.to_owned(),
            ..Session::default()
        };
        if ours {
            busy.our_sessions = vec![session];
        } else {
            busy.lock_holder = Some(session);
        }
        let verdict = judge(
            "shop",
            &step(),
            end.as_ref(),
            &inventory(),
            &busy,
            "dbm/r1/shop",
        );
        assert!(
            matches!(&verdict, Verdict::Wait { message, .. } if message.contains("pg_terminate_backend(42)"))
        );
    }
}

#[test]
fn traces_are_told() {
    let rows = [("2_a", Row::Failed("55P03"))];
    let mut changed = facts(&rows);
    changed.catalog = Some("after".to_owned());
    let mut unseen = facts(&rows);
    unseen.catalog = None;
    for (facts, expected) in [
        // Its only statement failed, which PostgreSQL undid.
        (facts(&rows), Traces::None),
        (changed, Traces::Some),
        (unseen, Traces::Unknown),
    ] {
        let verdict = judge(
            "shop",
            &step(),
            badly().as_ref(),
            &inventory(),
            &facts,
            "dbm/r1/shop",
        );
        assert!(matches!(verdict, Verdict::Failed { failed, .. } if failed.traces == expected));
    }
}

/// What the plan did not contain is named, whatever else is so and whatever the clock of the Job said.
#[rstest]
#[case::all_planned_is_there(&[("2_a", Row::Applied), ("4_b", Row::Applied), ("6_c", Row::Applied), ("8_x", Row::Applied)], 0, well(), "UnplannedMigrations", true)]
#[case::nothing_planned_is_there(&[("8_x", Row::Applied)], 0, well(), "UnplannedMigrations", true)]
#[case::it_failed(&[("2_a", Row::Failed("42703")), ("8_x", Row::Applied)], 0, badly(), "MigrationFailed", true)]
#[case::it_was_there_before(&[("2_a", Row::Applied), ("4_b", Row::Applied), ("6_c", Row::Applied), ("8_x", Row::Applied)], 1, well(), "succeeded", false)]
#[case::the_pod_was_lost(&[("8_x", Row::Applied)], 0, None, "UnplannedMigrations", true)]
fn what_nobody_planned_is_no_success(
    #[case] rows: &[(&str, Row)],
    #[case] before: u32,
    #[case] end: Option<ContainerEnd>,
    #[case] expected: &str,
    #[case] named: bool,
) {
    let mut step = step();
    step.others = Some(before);
    let verdict = judge(
        "shop",
        &step,
        end.as_ref(),
        &inventory(),
        &facts(rows),
        "dbm/r1/shop",
    );
    let found = word(&verdict);
    let message = match verdict {
        Verdict::Failed { message, .. } => message,
        _ => String::new(),
    };
    assert_eq!(found, expected, "{message}");
    assert_eq!(message.contains("8_x"), named, "{message}");
}

/// A run may begin within the second in which the last one ended, and the clocks of those who write rows need not be ours.
#[rstest]
#[case::all_before(3, "succeeded")]
#[case::the_edited_one_before(2, "succeeded")]
#[case::the_edited_one_in_the_step(1, "LedgerIncomplete")]
fn other_content_counts_where_the_step_applied_it(#[case] before: u32, #[case] expected: &str) {
    let mut facts = facts(&[
        ("2_a", Row::Applied),
        ("4_b", Row::Edited),
        ("6_c", Row::Applied),
    ]);
    if let Ledger::Rows(rows) = &mut facts.ledger {
        for (row, second) in rows.iter_mut().zip(1..) {
            row.started_at = at(second);
        }
    }
    let mut step = step();
    step.applied = Some(before);
    for began in [0, 3, 500] {
        step.started_at = Some(Time(at(began)));
        let verdict = judge(
            "shop",
            &step,
            well().as_ref(),
            &inventory(),
            &facts,
            "dbm/r1/shop",
        );
        assert_eq!(word(&verdict), expected, "began at {began}");
    }
}

#[test]
fn a_new_invalid_index_is_no_success() {
    let mut facts = facts(ALL);
    facts.invalid_indexes = vec!["public.old".to_owned(), "public.new".to_owned()];
    let mut step = step();
    step.invalid_indexes = vec!["public.old".to_owned()];
    let verdict = judge(
        "shop",
        &step,
        well().as_ref(),
        &inventory(),
        &facts,
        "dbm/r1/shop",
    );
    assert_eq!(word(&verdict), "InvalidIndexFound");
    facts.invalid_indexes.pop();
    let verdict = judge(
        "shop",
        &step,
        well().as_ref(),
        &inventory(),
        &facts,
        "dbm/r1/shop",
    );
    assert_eq!(word(&verdict), "succeeded");
}

#[rstest]
#[case(Refusal::InventoryChanged { found: String::new() }, "image changed")]
#[case(Refusal::TooLate, "never began: StartTimeout")]
#[case(Refusal::AdvisoryLockDisabled, "AdvisoryLockDisabled")]
#[case(Refusal::ConnectionInvalid("no URL".to_owned()), "ConnectionInvalid")]
#[case(Refusal::OtherMigrations("it would also apply 8_x".to_owned()), "OtherMigrations")]
#[case(Refusal::Problem(Problem { reason: ProblemReason::CommandMissing, message: "no pnpm".to_owned() }), "CommandMissing")]
fn refusals(#[case] refusal: Refusal, #[case] expected: &str) {
    let mut end = badly().unwrap();
    end.summary.as_mut().unwrap().outcome = Outcome::Refused(refusal);
    let verdict = judge(
        "shop",
        &step(),
        Some(&end),
        &inventory(),
        &facts(&[]),
        "dbm/r1/shop",
    );
    assert_eq!(word(&verdict), expected);
}

#[rstest]
#[case(None, None, "", Some(Cause::FirstSight))]
#[case(Some("same"), None, "", None)]
#[case(Some("other"), None, "", Some(Cause::SpecChanged))]
#[case(Some("same"), Some("1"), "", Some(Cause::Retry))]
#[case(Some("same"), Some("1"), "1", None)]
#[case(Some("same"), Some(""), "1", None)]
#[case(Some("same"), None, "1", None)]
fn causes(
    #[case] run: Option<&str>,
    #[case] retry: Option<&str>,
    #[case] handled: &str,
    #[case] expected: Option<Cause>,
) {
    let mut resource = setup::resource(1, "v1", Vec::new()).resource;
    resource.retry = retry.map(str::to_owned);
    resource.status.last_handled_retry = handled.to_owned();
    resource.suspended = true;
    let hash = spec_hash(&resource.spec);
    resource.status.run = run.map(|run| RunStatus {
        spec_hash: if run == "same" { hash } else { run.to_owned() },
        ..RunStatus::default()
    });
    assert_eq!(cause(&resource), expected);
}

/// A mesh's proxy that is not let out, or lets nobody out, is the usual cause where the operator itself gets through.
#[test]
fn a_server_that_the_job_does_not_reach_is_told_with_what_may_stand_between() {
    let end = end(1, "Error", "P1001", "");
    let facts = facts(&[]);
    let verdict = judge(
        "shop",
        &step(),
        end.as_ref(),
        &inventory(),
        &facts,
        "dbm/r1/shop",
    );
    let Verdict::NeverBegan { message, .. } = verdict else {
        panic!("{verdict:?}")
    };
    for part in [
        "network policies",
        "sidecar",
        "job.podAnnotations",
        "sidecar.istio.io/inject: \"false\"",
    ] {
        assert!(message.contains(part), "{part} in: {message}");
    }
}

/// Each way of having no connection is told with what mends it.
#[rstest]
#[case("P1017", "", "Server has closed the connection", "the session")]
#[case(
    "",
    "53300",
    "FATAL: sorry, too many clients already",
    "max_connections"
)]
#[case("", "57P03", "FATAL: the database system is starting up", "starting")]
#[case(
    "P1002",
    "",
    "The database server at `db:5432` was reached but timed out.",
    "network policies"
)]
fn a_connection_that_fails_is_told_by_how_it_failed(
    #[case] code: &str,
    #[case] state: &str,
    #[case] said: &str,
    #[case] advice: &str,
) {
    let mut end = end(1, "Error", code, state).unwrap();
    end.summary.as_mut().unwrap().message = Some(said.to_owned());
    let verdict = judge(
        "shop",
        &step(),
        Some(&end),
        &inventory(),
        &facts(&[]),
        "dbm/r1/shop",
    );
    let Verdict::NeverBegan { reason, message } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(reason, "UnreachableFromJob");
    assert!(
        message.contains(said) && message.contains(advice),
        "{message}"
    );
    // Of Prisma's lock the same code is said.
    if code == "P1002" {
        let words =
            format!("{said}\nContext: Timed out trying to acquire a postgres advisory lock");
        end.summary.as_mut().unwrap().message = Some(words);
        let verdict = judge(
            "shop",
            &step(),
            Some(&end),
            &inventory(),
            &facts(&[]),
            "dbm/r1/shop",
        );
        assert_eq!(word(&verdict), "never began: LockTimeout");
    }
}
