//! Migrations that failed for a reason of their own, told from file, row, catalog and output.

use std::collections::BTreeSet;

use database_migration_operator::api::{FailedStatus, StepStatus, Traces, reasons};
use database_migration_operator::decide::{Verdict, judge};
use database_migration_operator::facts::{ContainerEnd, DatabaseFacts, Object, ObjectKind};
use dbm_protocol::DatabaseInventory;
use dbm_protocol::recognise::APPLIED;
use rstest::rstest;

use super::tables::{Row, end, facts, inventory, saying, step};

fn judged(
    script: &str,
    rows: &[(&str, Row)],
    end: Option<ContainerEnd>,
    change: impl FnOnce(&mut DatabaseFacts, &mut StepStatus),
) -> (&'static str, FailedStatus, String) {
    let mut inventory: DatabaseInventory = inventory();
    inventory.migrations[0].sql = Some(script.to_owned());
    let mut facts = facts(rows);
    facts.identity.schema = "public".to_owned();
    facts.objects = Some(BTreeSet::new());
    let mut step = step();
    change(&mut facts, &mut step);
    match judge("shop", &step, end.as_ref(), &inventory, &facts, "") {
        Verdict::Failed {
            reason,
            failed,
            message,
        } => (reason, *failed, message),
        other => panic!("{other:?}"),
    }
}

fn nothing(_: &mut DatabaseFacts, _: &mut StepStatus) {}

fn said(code: &str, state: &str, message: &str) -> Option<ContainerEnd> {
    let mut end = end(1, "Error", code, state);
    let summary = end.as_mut().and_then(|end| end.summary.as_mut());
    summary.unwrap().message = (!message.is_empty()).then(|| message.to_owned());
    end
}

fn object(kind: ObjectKind, name: &str) -> Object {
    Object {
        kind,
        schema: "public".to_owned(),
        name: name.to_owned(),
        part: String::new(),
    }
}

const UNFINISHED: &[(&str, Row)] = &[("2_a", Row::Unfinished)];
const SWAP: &str = "BEGIN; CREATE TYPE n AS ENUM ('a'); ALTER TABLE m ALTER COLUMN r TYPE n USING (r::text::n); COMMIT;";
const ABORTED: &str =
    "ERROR: current transaction is aborted, commands ignored until end of transaction block";

#[test]
fn what_failed_inside_its_own_transaction_left_nothing_and_was_not_cut_off() {
    let (reason, failed, text) = judged(SWAP, UNFINISHED, said("", "25P02", ABORTED), nothing);
    assert_eq!(reason, reasons::OWN_TRANSACTION_FAILED);
    assert_eq!(failed.traces, Traces::None);
    for part in [
        "shop: 2_a failed inside its own transaction",
        "undone: nothing of it is left",
        "server's log only",
        "25P02",
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    assert!(
        !text.contains("cut off") && !text.contains("may have"),
        "{text}"
    );
    assert_eq!(failed.left, Vec::<String>::new());

    // Where Prisma could write it down, the message is there.
    let failing = &[("2_a", Row::Failed("22P02"))];
    let (reason, failed, text) = judged(SWAP, failing, said("P3018", "22P02", ""), nothing);
    assert_eq!(
        (reason, failed.traces),
        (reasons::MIGRATION_FAILED, Traces::None)
    );
    assert!(text.contains("undone: nothing of it is left"), "{text}");
}

#[test]
fn what_the_file_committed_before_its_failing_transaction_is_named() {
    let script =
        "BEGIN; CREATE TABLE t (a int); COMMIT; BEGIN; CREATE TABLE u (a int); SELECT 1/0; COMMIT;";
    let (reason, failed, text) = judged(
        script,
        UNFINISHED,
        said("", "25P02", ABORTED),
        |facts, _| {
            facts.catalog = Some("after".to_owned());
            let column = Object {
                part: "a".to_owned(),
                ..object(ObjectKind::Column, "t")
            };
            facts.objects = Some([object(ObjectKind::Table, "t"), column].into());
        },
    );
    assert_eq!(
        (reason, failed.traces),
        (reasons::OWN_TRANSACTION_FAILED, Traces::Some)
    );
    assert!(
        text.contains("table \"t\" added") && !text.contains("nothing of it is left"),
        "{text}"
    );
}

#[test]
fn a_transaction_that_is_left_open_is_no_success_and_leaves_nothing() {
    let script = "BEGIN; CREATE TABLE t (a int);";
    let (reason, failed, text) = judged(script, UNFINISHED, saying(APPLIED), nothing);
    assert_eq!(
        (reason, failed.traces),
        (reasons::TRANSACTION_LEFT_OPEN, Traces::None)
    );
    assert!(
        text.contains("does not end it") && text.contains("Nothing of it is left"),
        "{text}"
    );
    assert!(
        !failed.summary.contains("successfully"),
        "{}",
        failed.summary
    );
    // What stands before it was committed by an engine that sends one statement at a time.
    let script = "UPDATE s SET a = 1; BEGIN; CREATE TABLE t (a int);";
    let (reason, failed, _) = judged(script, UNFINISHED, saying(APPLIED), nothing);
    assert_eq!(
        (reason, failed.traces),
        (reasons::TRANSACTION_LEFT_OPEN, Traces::Unknown)
    );
}

#[test]
fn an_engine_that_was_ended_under_a_command_that_ended_well_is_no_success() {
    let script = "UPDATE a SET b = 1; UPDATE c SET d = 1;";
    let (reason, failed, text) = judged(script, UNFINISHED, end(0, "Completed", "", ""), nothing);
    assert_eq!(
        (reason, failed.traces),
        (reasons::ENGINE_LOST, Traces::Unknown)
    );
    assert!(
        text.contains("exit code 0") && text.contains("engine"),
        "{text}"
    );
    assert!(
        !text.contains("another database") && !text.contains("cut off"),
        "{text}"
    );
}

#[rstest]
#[case(
    "P1014",
    "",
    "The underlying table for model `_prisma_migrations` does not exist.",
    reasons::SEARCH_PATH_MOVED
)]
#[case(
    "",
    "42501",
    "ERROR: permission denied for table _prisma_migrations",
    reasons::ROLE_CHANGED
)]
fn a_script_that_ran_and_changed_the_session_is_applied(
    #[case] code: &str,
    #[case] state: &str,
    #[case] message: &str,
    #[case] expected: &str,
) {
    let script = "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.\"A\" (id int);";
    let make = |facts: &mut DatabaseFacts, _: &mut StepStatus| {
        facts.catalog = Some("after".to_owned());
        let column = Object {
            part: "id".to_owned(),
            ..object(ObjectKind::Column, "A")
        };
        facts.objects = Some([object(ObjectKind::Table, "A"), column].into());
    };
    let (reason, _, text) = judged(script, UNFINISHED, said(code, state, message), make);
    assert_eq!(reason, expected);
    assert!(
        text.contains("ran to its end") && text.contains("mark it applied"),
        "{text}"
    );
    assert!(
        !text.contains("GRANT") && !text.contains("cut off"),
        "{text}"
    );
    // It stopped half-way: then its own error could not be written down either.
    let (reason, _, text) = judged(script, UNFINISHED, said(code, state, message), nothing);
    assert_eq!(reason, reasons::MIGRATION_UNFINISHED);
    assert!(!text.contains("mark it applied"), "{text}");
}

#[rstest]
#[case(said("", "", "boom"), false)]
#[case(said("", "", ""), false)]
#[case(said("P1017", "", "Server has closed the connection."), true)]
#[case(said("", "", "Connection terminated unexpectedly"), true)]
#[case(end(137, "OOMKilled", "", ""), true)]
// A shell whose child a signal ended.
#[case(end(143, "Error", "", ""), true)]
#[case(None, true)]
fn only_what_was_ended_from_outside_was_cut_off(
    #[case] end: Option<ContainerEnd>,
    #[case] expected: bool,
) {
    let (_, _, text) = judged(
        "UPDATE a SET b = 1; UPDATE c SET d = 1;",
        UNFINISHED,
        end,
        nothing,
    );
    assert_eq!(text.contains("was cut off"), expected, "{text}");
}

#[test]
fn a_statement_time_out_is_told_apart_from_a_cancellation() {
    for (words, expected) in [
        (
            "canceling statement due to statement timeout",
            "cut by statement_timeout",
        ),
        (
            "canceling statement due to user request",
            "pg_cancel_backend",
        ),
    ] {
        let rows = &[("2_a", Row::Failed("57014"))];
        let end = said("P3018", "57014", &format!("ERROR: {words}"));
        let (reason, failed, text) = judged("SELECT pg_sleep(5);", rows, end, |facts, _| {
            if let database_migration_operator::facts::Ledger::Rows(rows) = &mut facts.ledger {
                rows[0].logs = Some(format!(
                    "Database error code: 57014\n\nDatabase error:\nERROR: {words}\n"
                ));
            }
        });
        assert_eq!(
            (reason, failed.traces),
            (reasons::MIGRATION_FAILED, Traces::None)
        );
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("or by someone"), "{text}");
    }
}

const BUILD: &str = "CREATE UNIQUE INDEX CONCURRENTLY \"I\" ON t (a);";

#[test]
fn the_invalid_index_of_a_build_that_failed_is_all_that_is_left_and_named() {
    let rows = &[("2_a", Row::Failed("23505"))];
    let left = || vec!["public.\"I\"".to_owned()];
    for (before, catalog) in [(Vec::new(), "after"), (left(), "after"), (left(), "before")] {
        let (reason, failed, text) =
            judged(BUILD, rows, said("P3018", "23505", ""), |facts, step| {
                facts.catalog = Some(catalog.to_owned());
                facts.invalid_indexes = vec!["public.\"I\"".to_owned()];
                facts.objects = Some([object(ObjectKind::Index, "I")].into());
                // Left by the try before this one.
                step.invalid_index_count = u32::try_from(before.len()).unwrap();
                step.invalid_indexes = before.clone();
            });
        assert_eq!(
            (reason, failed.traces),
            (reasons::MIGRATION_FAILED, Traces::Some)
        );
        assert_eq!(failed.invalid_indexes, ["public.\"I\""]);
        assert_eq!(failed.left.len(), 1, "{:?}", failed.left);
        assert!(text.contains("public.\"I\" is there and INVALID"), "{text}");
    }
}

/// When it runs again it drops it: nobody has to.
#[test]
fn an_index_that_was_not_wholly_dropped_is_not_to_be_dropped_by_hand() {
    let rows = &[("2_a", Row::Failed("57014"))];
    let script = "DROP INDEX CONCURRENTLY i;";
    let (_, failed, _) = judged(script, rows, said("P3018", "57014", ""), |facts, _| {
        facts.catalog = Some("after".to_owned());
        facts.invalid_indexes = vec!["public.i".to_owned()];
        facts.objects = Some([object(ObjectKind::Index, "i")].into());
    });
    assert_eq!(failed.invalid_indexes, Vec::<String>::new());
    assert_eq!(failed.traces, Traces::Some);
}

#[test]
fn an_invalid_index_that_if_not_exists_skipped_is_no_success() {
    let script = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);";
    let rows = &[
        ("2_a", Row::Applied),
        ("4_b", Row::Applied),
        ("6_c", Row::Applied),
    ];
    let (reason, _, text) = judged(script, rows, saying(APPLIED), |facts, step| {
        facts.invalid_indexes = vec!["public.i".to_owned(), "public.of_others".to_owned()];
        step.invalid_indexes = facts.invalid_indexes.clone();
        step.invalid_index_count = 2;
        step.started_at = Some(database_migration_operator::api::Time(super::world::at(1)));
    });
    assert_eq!(reason, reasons::INVALID_INDEX_FOUND);
    assert!(text.contains("public.i INVALID"), "{text}");
}

#[test]
fn concurrently_beside_others_is_refused_with_advice() {
    let script = "CREATE INDEX CONCURRENTLY i ON t (a); SELECT 1;";
    let rows = &[("2_a", Row::Failed("25001"))];
    let (_, _, text) = judged(script, rows, said("P3018", "25001", ""), nothing);
    assert!(text.contains("a migration of its own"), "{text}");
}
