//! What a migration failed of decides what is offered: nothing is to be corrected where its image is not at fault, and nothing is run
//! again that can only fail the same way.

use database_migration_operator::api::{DatabaseMigrationStatus, Traces, reasons};
use database_migration_operator::decide::Snapshot;
use database_migration_operator::facts::{Ledger, LedgerRow};
use rstest::rstest;

use super::cases::reason;
use super::locks::{
    CATALOG, ROWS_FIRST, TWO, assert_nothing_is_to_be_corrected, failed, made, row, shown, verbs,
};

/// It failed with this SQLSTATE and message.
pub(super) fn failed_by(sql: &str, state: &str, said: &str, down: bool, left: bool) -> Snapshot {
    failed(sql, down, false, |facts| {
        if left {
            made(facts);
        }
        let logs = format!(
            "Migration name: 2_split\n\nDatabase error code: {state}\n\nDatabase error:\nERROR: {said}\n"
        );
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some(logs),
            ..row(1, false)
        }]);
    })
}

const AROUND: [(&str, &str); 11] = [
    ("42501", "permission denied for schema app"),
    ("42501", "must be owner of table t"),
    ("57014", "canceling statement due to statement timeout"),
    ("57014", "canceling statement due to user request"),
    (
        "57P01",
        "terminating connection due to administrator command",
    ),
    ("08006", "server closed the connection unexpectedly"),
    ("40P01", "deadlock detected"),
    (
        "40001",
        "could not serialize access due to concurrent update",
    ),
    ("53300", "too many connections for role \"x\""),
    ("53100", "could not extend file: No space left on device"),
    (
        "25006",
        "cannot execute ALTER TABLE in a read-only transaction",
    ),
];

#[test]
fn what_is_not_the_images_fault_is_run_again_by_one_line() {
    for (state, said) in AROUND {
        let snapshot = failed_by(CATALOG, state, said, false, false);
        let now = shown(&snapshot);
        assert_eq!(reason(now), reasons::MIGRATION_FAILED, "{}", now.message);
        let failure = now.databases[0].failed.as_ref().unwrap();
        assert_eq!(failure.traces, Traces::None, "{state}");
        // Who owns it is looked up before.
        let owner = said.starts_with("must be owner");
        let first = &now.choices[usize::from(owner)];
        // An edit starts the run by itself.
        let raised = said.ends_with("due to statement timeout");
        let last = if raised { "patch" } else { "retry" };
        assert_eq!(
            verbs(first),
            ["mark-rolled-back", last],
            "{state}: {first:?}"
        );
        assert_eq!(
            first.title.contains("what helps (see above)"),
            !failure.remedy.is_empty() && !raised,
            "{state}: {first:?}"
        );
        assert_nothing_is_to_be_corrected(now);
    }
}

#[test]
fn what_is_left_of_it_is_undone_by_its_down_in_the_same_line() {
    for (state, said) in AROUND {
        let snapshot = failed_by(TWO, state, said, true, true);
        let now = shown(&snapshot);
        let raised = said.ends_with("due to statement timeout");
        let owner = said.starts_with("must be owner");
        assert_eq!(
            verbs(&now.choices[usize::from(owner)]),
            ["down", if raised { "patch" } else { "retry" }],
            "{:?}",
            now.choices
        );
        assert_nothing_is_to_be_corrected(now);
    }
}

#[rstest]
#[case("55P04", "unsafe use of new value \"B\" of enum type \"Role\"")]
#[case("42601", "syntax error at or near \"TABL\"")]
#[case("42703", "column \"a\" does not exist")]
#[case("42P01", "relation \"a\" does not exist")]
#[case("42P07", "relation \"a\" already exists")]
fn what_can_only_fail_the_same_way_is_not_run_again_as_it_is(
    #[case] state: &str,
    #[case] said: &str,
) {
    let snapshot = failed_by(CATALOG, state, said, false, false);
    let now = shown(&snapshot);
    let first = &now.choices[0];
    assert_eq!(verbs(first), ["mark-rolled-back"], "{:?}", now.choices);
    assert!(
        first.title.ends_with("release a corrected image"),
        "{first:?}"
    );
    for choice in &now.choices {
        assert!(!choice.title.contains("retry"), "{choice:?}");
    }
    let remedy = &now.databases[0].failed.as_ref().unwrap().remedy;
    assert_eq!(
        remedy.contains("ADD VALUE into a migration of its own"),
        state == "55P04"
    );
}

/// Either the rows or the migration.
#[rstest]
#[case("23505", "duplicate key value violates unique constraint")]
#[case(
    "23503",
    "insert or update on table \"a\" violates foreign key constraint \"b\""
)]
#[case("22P02", "invalid input syntax for type integer")]
#[case("22001", "value too long for type character varying(6)")]
fn rows_that_do_not_fit_come_first_and_the_image_next(#[case] state: &str, #[case] said: &str) {
    for (sql, down, left, expected) in [
        (
            CATALOG,
            false,
            false,
            [&["mark-rolled-back", "retry"][..], &["mark-rolled-back"]],
        ),
        (TWO, true, true, [&["down", "retry"], &["down"]]),
    ] {
        let snapshot = failed_by(sql, state, said, down, left);
        let now = shown(&snapshot);
        let offered: Vec<_> = now.choices.iter().map(verbs).collect();
        assert_eq!(offered[..2], expected, "{:?}", now.choices);
        assert!(now.choices[0].title.starts_with("correct the rows"));
        assert!(now.choices[1].title.ends_with("release a corrected image"));
    }
}

/// The values are in no message, so what lists the rows is, with the statement and the column that met them.
#[test]
fn a_value_that_is_too_long_names_its_column_and_lists_its_rows() {
    let sql = "ALTER TABLE t ALTER COLUMN code SET DATA TYPE VARCHAR(6);";
    let said = "value too long for type character varying(6)";
    let snapshot = failed_by(sql, "22001", said, false, false);
    let now = shown(&snapshot);
    let failure = now.databases[0].failed.as_ref().unwrap();
    assert_eq!(failure.statement.as_ref().map(|at| at.number), Some(1));
    let remedy = "It failed because of code of t. Correct the rows that this lists before it is run again: SELECT * FROM t WHERE length(code::text) > 6 LIMIT 20";
    assert_eq!(failure.remedy, remedy);
    assert!(now.message.ends_with(remedy), "{}", now.message);
    let look = &now.choices[0];
    assert!(look.title.contains("correct them"), "{look:?}");
    assert_eq!(
        look.command,
        "kubectl dbm psql shop1 -n production --database db00 -c 'SELECT * FROM t WHERE length(code::text) > 6 LIMIT 20'"
    );
    let then = &now.choices[1];
    assert!(
        then.title.starts_with("once they are corrected, mark"),
        "{then:?}"
    );
    assert_eq!(verbs(then), ["mark-rolled-back", "retry"]);
}

/// Where what it left can be taken back, that is part of the line that runs the same image again.
#[test]
fn what_was_left_is_undone_once_the_rows_are_corrected() {
    let sql =
        "CREATE TABLE made (id int); ALTER TABLE t ALTER COLUMN code SET DATA TYPE VARCHAR(6);";
    let said = "value too long for type character varying(6)";
    let snapshot = failed_by(sql, "22001", said, false, true);
    let now = shown(&snapshot);
    let offered: Vec<_> = now.choices.iter().map(verbs).collect();
    assert_eq!(
        offered[1],
        ["undo", "mark-rolled-back", "retry"],
        "{:?}",
        now.choices
    );
    assert!(
        now.choices[1]
            .title
            .starts_with("once they are corrected, undo it")
    );
    let last = now.choices.last().unwrap();
    assert_eq!(verbs(last), ["undo", "mark-rolled-back"], "{last:?}");
}

/// No row can be corrected for a column that no row has.
#[test]
fn a_new_column_without_a_default_is_the_images() {
    let sql = "ALTER TABLE t ADD COLUMN code TEXT NOT NULL;";
    let said = "column \"code\" of relation \"t\" contains null values";
    let snapshot = failed_by(sql, "23502", said, false, false);
    let now = shown(&snapshot);
    assert!(now.message.contains("has no default"), "{}", now.message);
    assert!(!now.message.contains("Correct the rows"), "{}", now.message);
    let first = &now.choices[0];
    assert!(
        first.title.ends_with("release a corrected image"),
        "{first:?}"
    );
}

/// Whom a deadlock was with stays known, and nobody is to be ended for it.
#[test]
fn the_other_session_of_a_deadlock_is_named() {
    let snapshot = failed(CATALOG, false, true, |facts| {
        let logs = "Migration name: 2_split\n\nDatabase error code: 40P01\n\nDatabase error:\nERROR: deadlock detected\n";
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some(logs.to_owned()),
            ..row(1, false)
        }]);
    });
    let now = shown(&snapshot);
    let failure = now.databases[0].failed.as_ref().unwrap();
    assert!(failure.blocked_by.starts_with("pid 42 (portal"));
    assert!(
        now.message
            .contains("The other session of the deadlock was pid 42 (portal"),
        "{}",
        now.message
    );
    let first = &now.choices[0];
    assert_eq!(verbs(first), ["mark-rolled-back", "retry"], "{first:?}");
    assert!(first.title.contains("pid 42 (portal"), "{first:?}");
    assert_nothing_is_to_be_corrected(now);
}

/// What changes least comes first, and who that is is one command away.
#[test]
fn who_has_to_own_a_table_is_told_without_giving_more_away() {
    let said = "must be owner of table t";
    let snapshot = failed_by(CATALOG, "42501", said, false, false);
    let now = shown(&snapshot);
    let at = |part: &str| now.message.find(part).unwrap();
    assert!(at("GRANT <owner> TO") < at("connect as the owner"));
    assert!(at("connect as the owner") < at("OWNER TO"));
    assert!(
        now.message.contains("It failed in statement 1 of 1."),
        "{}",
        now.message
    );
    let look = &now.choices[0].command;
    assert!(
        look.contains("-c 'SELECT relowner::regrole FROM pg_class"),
        "{look}"
    );
    assert!(
        now.message
            .ends_with("SELECT relowner::regrole FROM pg_class WHERE relname = 't';"),
        "{}",
        now.message
    );
}

#[test]
fn the_label_that_is_not_committed_yet_is_shown() {
    let sql = "ALTER TYPE r ADD VALUE 'OWNER'; ALTER TABLE t ALTER COLUMN a SET DEFAULT 'OWNER';";
    let said = "unsafe use of new value \"OWNER\" of enum type \"r\"";
    let snapshot = failed_by(sql, "55P04", said, false, false);
    let now = shown(&snapshot);
    let failure = now.databases[0].failed.as_ref().unwrap();
    assert!(
        failure.summary.contains("new value \"OWNER\""),
        "{failure:?}"
    );
}

/// A full stop behind a command would be copied with it.
#[test]
fn a_command_in_a_message_is_set_apart() {
    let said = "column \"a\" does not exist";
    let snapshot = failed_by(ROWS_FIRST, "42703", said, false, false);
    let now = shown(&snapshot);
    assert!(
        now.message.contains("to see: `SELECT * FROM t LIMIT 20`."),
        "{}",
        now.message
    );
}

/// A statement of its own that failed has changed nothing, and what needs a relation that is not there has not run.
#[rstest]
#[case("ALTER TABLE t ALTER COLUMN a TYPE int USING (a::int);", "22P02", "invalid input syntax for type integer", &[])]
#[case("UPDATE nope SET a = 1;", "42P01", "relation \"nope\" does not exist", &[])]
#[case("ALTER TABLE t ADD COLUMN b int; UPDATE nope SET a = 1;", "42P01", "relation \"nope\" does not exist", &[])]
#[case("UPDATE t SET a = 1; UPDATE nope SET a = 1;", "42P01", "relation \"nope\" does not exist", &["statement 1 (UPDATE t SET ...)"])]
fn a_statement_that_failed_changed_nothing(
    #[case] sql: &str,
    #[case] state: &str,
    #[case] said: &str,
    #[case] again: &[&str],
) {
    let snapshot = failed_by(sql, state, said, false, false);
    let now = shown(&snapshot);
    let failure = now.databases[0].failed.as_ref().unwrap();
    assert_eq!(failure.again, again, "{failure:?}");
    let shown = format!("{} {:?} {:?}", now.message, failure.left, now.choices);
    assert!(!shown.contains("FROM nope"), "{shown}");
    assert_eq!(forced(now), !again.is_empty(), "{shown}");
    assert_eq!(
        shown.contains("unknown: whether"),
        !again.is_empty(),
        "{shown}"
    );
}

/// The edit that raises a limit starts the run: a retry beside it would be a second one.
#[test]
fn a_time_out_of_the_spec_is_raised_by_the_line_that_runs_it_again() {
    for (limit, to) in [("2s", "20s"), ("", "30m")] {
        let mut snapshot = super::locks::with(CATALOG, false, 1);
        if !limit.is_empty() {
            snapshot.resource.spec.timeouts.statement =
                serde_json::from_value(limit.into()).unwrap();
        }
        let name = super::cases::settle(&mut snapshot);
        let logs = "Migration name: 2_split\n\nDatabase error code: 57014\n\nDatabase error:\nERROR: canceling statement due to statement timeout\n";
        super::locks::facts(&mut snapshot).ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some(logs.to_owned()),
            ..row(1, false)
        }]);
        super::locks::go(&mut snapshot, &name, super::locks::timed_out());
        let now = shown(&snapshot);
        let first = &now.choices[0];
        assert!(
            first.command.ends_with(&format!(
                " && kubectl patch databasemigration shop1 -n production --type merge -p '{{\"spec\":{{\"timeouts\":{{\"statement\":\"{to}\"}}}}}}'"
            )),
            "{first:?}"
        );
        assert!(
            first.title.contains(&format!("raised to {to}")),
            "{first:?}"
        );
        assert!(!first.command.contains("dbm retry"), "{first:?}");
    }
}

/// What an undo of the column takes along is neither unknown nor a reason to insist.
#[test]
fn rows_that_go_with_their_new_column_are_not_in_doubt() {
    use database_migration_operator::facts::{Object, ObjectKind};
    let sql =
        "ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = 1 WHERE a > 0; UPDATE nope SET a = 1;";
    let snapshot = failed(sql, false, false, |facts| {
        let object = |kind, part: &str| Object {
            kind,
            schema: "public".to_owned(),
            name: "t".to_owned(),
            part: part.to_owned(),
        };
        facts.catalog = Some("after".to_owned());
        facts.objects = Some(
            [
                object(ObjectKind::Table, ""),
                object(ObjectKind::Column, "b"),
            ]
            .into(),
        );
        let logs = "Migration name: 2_split\n\nDatabase error code: 42P01\n\nDatabase error:\nERROR: relation \"nope\" does not exist\n";
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            logs: Some(logs.to_owned()),
            ..row(1, false)
        }]);
    });
    let now = shown(&snapshot);
    let failure = now.databases[0].failed.as_ref().unwrap();
    assert_eq!(failure.again, Vec::<String>::new());
    assert_eq!(
        failure.undo,
        ["ALTER TABLE \"public\".\"t\" DROP COLUMN IF EXISTS \"b\""]
    );
    assert_eq!(failure.undo_lacks, Vec::<String>::new());
    let shown = format!("{} {:?} {:?}", now.message, failure.left, now.choices);
    assert!(!forced(now) && !shown.contains("unknown"), "{shown}");
}

/// Whether a mark that it is rolled back is forced; one that it is applied is, where rows were to be changed that were not.
fn forced(now: &DatabaseMigrationStatus) -> bool {
    let marks = |command: &&str| command.contains("mark-rolled-back");
    let mut all = now.choices.iter().map(|choice| choice.command.as_str());
    all.any(|command| marks(&command) && command.contains("--force"))
}
