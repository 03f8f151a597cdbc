#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

/// Of migrations that raise nothing.
fn parse(logs: &str) -> Failure {
    parse_failure(logs, &Raised::default())
}

const NATIVE: &str = r#"A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve

Migration name: 20261124103000_unique_labels

Database error code: 23505

Database error:
ERROR: could not create unique index "Label_name_lower_key"
DETAIL: Key (lower(name))=(secret bug) is duplicated.
more of the secret
HINT: Remove one of them.

Position:
  0
  1 UPDATE t SET a = 'secret';

DbError { severity: "ERROR", code: SqlState(E23505), detail: Some("Key (lower(name))=(secret bug) is duplicated.") }

   0: sql_schema_connector::apply_migration::apply_script
           with migration_name="20261124103000_unique_labels"
"#;

#[test]
fn the_native_form() {
    assert_eq!(
            parse(NATIVE),
            Failure {
                code: Some("P3018".to_owned()),
                sql_state: Some("23505".to_owned()),
                summary: "ERROR: could not create unique index \"Label_name_lower_key\"\nHINT: Remove one of them."
                    .to_owned(),
                position: None,
            }
        );
}

#[test]
fn the_form_of_the_engine_with_adapters() {
    let logs = "external connector error\nError querying the database: ERROR: column \"full_name\" of relation \
                    \"User\" does not exist (SQLSTATE 42703)\n   0: sql_schema_connector::apply_migration::apply_script\n";
    let failure = parse(logs);
    assert_eq!(failure.sql_state.as_deref(), Some("42703"));
    assert_eq!(
        failure.summary,
        "Error querying the database: ERROR: column \"full_name\" of relation \"User\" does not exist (SQLSTATE 42703)"
    );
}

#[test]
fn values_are_taken_out_and_names_stay() {
    for (said, expected) in [
        (
            "invalid input syntax for type integer: \"4 \"secret\" 2\"",
            "invalid input syntax for type integer: \"[redacted]\"",
        ),
        (
            "invalid input value for enum \"Role\": \"secret\"",
            "invalid input value for enum \"Role\": \"[redacted]\"",
        ),
        (
            "value \"secret\" is out of range for type integer",
            "value \"[redacted]\" is out of range for type integer",
        ),
        (
            "Key (a, b)=(secret, (x)) already exists.",
            "Key (a, b)=([redacted]) already exists.",
        ),
        ("Key (a)=(secret", "Key (a)=([redacted]"),
        (
            "no server at postgresql://me:secret@w@host:1/db",
            "no server at postgresql://[redacted]@host:1/db",
        ),
        (
            "relation \"shop.users\" does not exist",
            "relation \"shop.users\" does not exist",
        ),
        ("see https://pris.ly/d/x", "see https://pris.ly/d/x"),
    ] {
        assert_eq!(parse(said).summary, expected);
    }
}

/// Free texts have empty lines.
#[test]
fn values_with_blank_lines_are_taken_out() {
    for said in [
        "ERROR: null value in column \"a\"\nDETAIL: Failing row contains (17, Dear support,\n\nmy number is 0171, null).",
        "Database error code: 22P02\n\nDatabase error:\nERROR: invalid input syntax for type uuid: \"12\n\n0171\"\n\nPosition:\nx",
    ] {
        let summary = parse(said).summary;
        assert!(summary.starts_with("ERROR: "), "{summary}");
        assert!(!summary.contains("0171"), "{summary}");
    }
}

#[test]
fn what_code_raised_keeps_the_authors_words() {
    let raised =
        Raised::of(["RAISE EXCEPTION 'no address for %, stopped', u; RAISE EXCEPTION 'not now';"]);
    let adapter = |text: &str| {
        format!(
            "external connector error\nError querying the database: ERROR: {text} (SQLSTATE P0001)\nHINT: ask alice\n   0: a::b"
        )
    };
    let native = |text: &str| {
        format!("Database error code: P0001\n\nDatabase error:\nERROR: {text}\n\nPosition:\nx")
    };
    for (said, expected) in [
        (
            "no address for alice, stopped",
            "no address for [redacted], stopped",
        ),
        ("not now", "not now"),
        ("alice\nand bob", dbm_protocol::raised::HIDDEN),
    ] {
        for logs in [adapter(said), native(said)] {
            let summary = parse_failure(&logs, &raised).summary;
            assert!(summary.contains(expected), "{summary}");
            assert!(
                !summary.contains("alice") && !summary.contains("bob"),
                "{summary}"
            );
        }
    }
}

#[test]
fn other_codes_and_no_codes() {
    assert_eq!(parse(" \n").code, None);
    assert_eq!(parse("Error: P1017 closed").code.as_deref(), Some("P1017"));
    let raised = parse("Database error code: P0001\n\nDatabase error:\nERROR: stop");
    assert_eq!(
        (raised.code.as_deref(), raised.sql_state.as_deref()),
        (Some("P3018"), Some("P0001"))
    );
    assert_eq!(parse("Database error code: 42p01x").sql_state, None);
    assert_eq!(
        parse("\u{1b}[31mERROR: \u{7}x\u{1b}[0m").summary,
        "ERROR: x"
    );
}

/// As it stands in ledgers: the debug form of the driver's error behind the block.
fn native(block: &str, position: &str) -> String {
    format!(
        "A migration failed to apply. New migrations cannot be applied before the error is recovered from.\n\n\
         Migration name: 20261122101500_split_name\n\nDatabase error code: 42703\n\nDatabase error:\n\
         ERROR: column \"x\" does not exist\n\nPosition:\n{block}\n\nDbError {{ severity: \"ERROR\", parsed_severity: \
         Some(Error), code: SqlState(E42703), message: \"column \\\"x\\\" does, position: Some(Original(7))\", detail: \
         None, hint: None, position: {position}, where_: Some(\", position: Some(Original(8))\"), schema: None, file: \
         Some(\"analyze.c\"), line: Some(2536), routine: Some(\"transformUpdateTargetList\") }}\n\n   \
         0: sql_schema_connector::apply_migration::apply_script\n           with migration_name=\"x\"\n"
    )
}

#[test]
fn the_position_is_the_drivers_whatever_a_message_says() {
    let logs = native("  0\n  1 UPDATE t SET x = 1;", "Some(Original(14))");
    assert_eq!(parse(&logs).position, Some(14));
    for (position, expected) in [
        ("None", None),
        ("Some(Original(0))", None),
        ("Some(Original(-1))", None),
        ("Some(Original(99999999999999999999999))", None),
        ("Some(Internal { position: 9, query: \"SELECT x\" })", None),
    ] {
        let logs = native("  1 x", position);
        assert_eq!(parse(&logs).position, expected, "{position}");
    }
    assert_eq!(parse(NATIVE).position, None);
    assert_eq!(
        parse("Error querying the database: position: Some(Original(3))").position,
        None
    );
    // Cut off before it.
    let cut = logs.find(", position: Some(Original(14").unwrap();
    assert_eq!(parse(&logs[..cut]).position, None);
}

#[test]
fn a_position_counts_in_the_file_only_if_the_file_has_that_line() {
    let sql = "-- é\nCREATE TABLE t (a int);\nUPDATE t SET x = 1;\n";
    let position = sql.chars().position(|c| c == 'x').unwrap() + 1;
    let with = |block: &str| native(block, &format!("Some(Original({position}))"));
    let escaped = "  1 -- é\n  2 CREATE TABLE t (a int);\n\u{1b}[1m  3\u{1b}[1;31m UPDATE t SET x = 1;\u{1b}[0m";
    for (block, expected) in [
        (
            "  1 -- é\n  2 CREATE TABLE t (a int);\n  3 UPDATE t SET x = 1;",
            Some(position),
        ),
        (escaped, Some(position)),
        // Of a statement that was sent alone.
        ("  0\n  1 UPDATE t SET x = 1;", None),
        ("  3 UPDATE u SET x = 1;", None),
    ] {
        assert_eq!(position_in(&with(block), sql), expected, "{block}");
    }
    assert_eq!(position_in(&with("  3 UPDATE t SET x = 1;"), "short"), None);
    assert_eq!(position_in("", sql), None);
}

#[test]
fn a_line_end_of_two_characters_counts_as_two() {
    let sql = "-- one\r\n\r\nUPDATE t SET x = 1;\r\n";
    let position = sql.chars().position(|c| c == 'x').unwrap() + 1;
    let logs = native(
        "  1 -- one\n  2\n  3 UPDATE t SET x = 1;",
        &format!("Some(Original({position}))"),
    );
    assert_eq!(position_in(&logs, sql), Some(position));
}

proptest! {
#[test]
fn any_logs_and_any_file_have_a_position_inside_or_none(
    logs in prop_oneof![any::<String>(), (any::<String>(), any::<u16>()).prop_map(|(block, at)| {
        native(&block, &format!("Some(Original({at}))"))
    })],
    sql in any::<String>(),
) {
    if let Some(position) = position_in(&logs, &sql) {
        prop_assert!((1..=sql.chars().count() + 1).contains(&position));
    }
}

    #[test]
    fn any_text_is_bounded_and_printable(text in any::<String>()) {
        let failure = parse(&text);
        prop_assert!(failure.summary.len() <= MAX_SUMMARY);
        prop_assert!(failure.summary.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn no_detail_gets_through(detail in "[^\n\r]{0,80}", rest in any::<String>()) {
        let marked = format!("ERROR: x\nDETAIL: {detail} marker-7f3a\n{}", rest.replace("marker-7f3a", ""));
        prop_assert!(!parse(&marked).summary.contains("marker-7f3a"));
    }
}
