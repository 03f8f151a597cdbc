use super::*;

fn redact(text: &str) -> String {
    let mut rows = Rows::default();
    text.lines()
        .map(|line| rows.redact(line.to_owned()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn what_was_raised() {
    let sql = "RAISE EXCEPTION 'user % has none', u;";
    let redact = |text: &str| {
        let mut rows = Rows::new(Raised::of([sql]));
        let lines = text.lines().map(|line| rows.redact(line.to_owned()));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (text, expected) in [
        (
            "Database error code: P0001\n\nDatabase error:\nERROR: user alice has none\n\nPosition:\n 1 alice",
            "Database error code: P0001\n\nDatabase error:\nERROR: user [redacted] has none\n\nPosition:\n 1 alice",
        ),
        (
            "Database error code: P0001\n\nDatabase error:\nERROR: alice\nand bob\n\nPosition:",
            &format!(
                "Database error code: P0001\n\nDatabase error:\nERROR: {}\n[redacted]\n\nPosition:",
                raised::HIDDEN
            ),
        ),
        (
            "ERROR: user alice\n\nand bob has none\n   0: a::b",
            "ERROR: user [redacted]\n\n[redacted]\n   0: a::b",
        ),
        (
            "ERROR: user alice\nand bob has none\n   0: a::b",
            "ERROR: user [redacted]\n[redacted]\n   0: a::b",
        ),
        (
            "DbError { severity: \"ERROR\", code: SqlState(EP0001), message: \"alice \\\"x\\\"\", detail: None, where_: Some(\"f(alice)\") }",
            "DbError { severity: \"ERROR\", code: SqlState(EP0001), message: \"[redacted]\", detail: None, where_: Some(\"[redacted]\") }",
        ),
        (
            "ERROR: user alice has none\nDETAIL: alice\nHINT: ask alice\n\nERROR: x\nHINT: drop it",
            "ERROR: user [redacted] has none\nDETAIL: [redacted]\nHINT: [redacted]\n\nERROR: x\nHINT: drop it",
        ),
        (
            "Database error code: 42703\n\nDatabase error:\nERROR: column \"a\" does not exist",
            "Database error code: 42703\n\nDatabase error:\nERROR: column \"a\" does not exist",
        ),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn contexts_and_bad_data() {
    for (text, expected) in [
        (
            "ERROR: x\nCONTEXT:  JSON data, line 1: {alice\nPL/pgSQL function f(alice)\n\nnext",
            "ERROR: x\nCONTEXT: [redacted]\n[redacted]\n\nnext",
        ),
        (
            "  where: 'SQL statement \"INSERT 1\"',\n  internalQuery: 'SELECT 1',",
            "  where: '[redacted]',\n  internalQuery: '[redacted]',",
        ),
        (
            "ERROR: invalid value \"alice\" for \"YYYY\"",
            "ERROR: invalid value \"[redacted]\" for \"YYYY\"",
        ),
        (
            "ERROR: time zone \"al\"ice\" not recognized (SQLSTATE 22023)",
            "ERROR: time zone \"[redacted]\" not recognized (SQLSTATE 22023)",
        ),
        // A value of two lines, and what a server that speaks German says.
        (
            "ERROR: invalid input syntax for type integer: \"12\nalice\"\n\nnext",
            "ERROR: invalid input syntax for type integer: \"[redacted]\n[redacted]\n\nnext",
        ),
        (
            "ERROR: invalid input syntax for type uuid: \"12\nsaid \"hi\"\n\nalice\"\n\nnext",
            "ERROR: invalid input syntax for type uuid: \"[redacted]\n[redacted]\n\n[redacted]\n\nnext",
        ),
        (
            "ERROR: invalid input syntax for type integer: \"12\nalice\" (SQLSTATE 22P02)",
            "ERROR: invalid input syntax for type integer: \"[redacted]\n[redacted]",
        ),
        (
            "Database error code: 22P02\n\nDatabase error:\nFEHLER: ungültige Eingabesyntax für Typ integer: »alice«",
            "Database error code: 22P02\n\nDatabase error:\nFEHLER: ungültige Eingabesyntax für Typ integer: »[redacted]«",
        ),
        (
            "Database error code: P0001\n\nDatabase error:\nFEHLER: alice\nand bob\n\nPosition:",
            &format!(
                "Database error code: P0001\n\nDatabase error:\nFEHLER: {}\n[redacted]\n\nPosition:",
                raised::HIDDEN
            ),
        ),
        (
            "Database error code: 22P02\nERROR: invalid input value for enum \"Role\": \"alice\"",
            "Database error code: 22P02\nERROR: invalid input value for enum \"Role\": \"[redacted]\"",
        ),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn details() {
    for (text, expected) in [
        (
            "DETAIL: Key (email)=(a@b.c) already exists.",
            "DETAIL: [redacted]",
        ),
        (
            "ERROR: x DETAIL:  Key (a)=(b) is duplicated.\nHINT: y",
            "ERROR: x DETAIL: [redacted]\nHINT: y",
        ),
        (
            "DETAIL: Failing row contains (1, two\nthree, four).\nHINT: y",
            "DETAIL: [redacted]\n[redacted]\nHINT: y",
        ),
        (
            "DETAIL: Failing row contains (7, Dear team.\nAlice \"called\".\n\nHer number is 555-1234, null).\nnext",
            "DETAIL: [redacted]\n[redacted]\n\n[redacted]\nnext",
        ),
        (
            r"Some('ERROR: x\nDETAIL: Key (a)=(b).\nHINT: y')",
            r"Some('ERROR: x\nDETAIL: [redacted]\nHINT: y')",
        ),
        (
            r#"DbError { code: SqlState(E23505), detail: Some("Key (a)=(\"b\") is duplicated."), hint: None }"#,
            r#"DbError { code: SqlState(E23505), detail: Some("[redacted]"), hint: None }"#,
        ),
        (
            "  detail: 'Key (a)=(b\\'s) already exists.',",
            "  detail: '[redacted]',",
        ),
        (
            "  detail: 'Key (a)=(b\\n' +\n    'c) already exists.',\n  code: '23505'",
            "  detail: '[redacted]' +\n[redacted]\n  code: '23505'",
        ),
        (
            r#"{"severity":"ERROR","detail":"Key (a)=(b)","code":"23505"}"#,
            r#"{"severity":"ERROR","detail":"[redacted]","code":"23505"}"#,
        ),
        (
            r#"{\"detail\":\"Key (a)=(b)\",\"code\":\"1\"}"#,
            r#"{\"detail\":\"[redacted]\",\"code\":\"1\"}"#,
        ),
        ("  detail: undefined,", "  detail: undefined,"),
        ("see the details: below", "see the details: below"),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn values_in_messages() {
    for (text, expected) in [
        (
            "Key (email)=(a@b.c) already exists.",
            "Key (email)=[redacted] already exists.",
        ),
        (
            "Key (a)=(x) conflicts with existing key (a)=(y).",
            "Key (a)=[redacted]",
        ),
        (
            "Failing row contains (1, secret).",
            "Failing row contains [redacted]",
        ),
        (
            "ERROR: invalid input syntax for type integer: \"secret\"",
            "ERROR: invalid input syntax for type integer: \"[redacted]\"",
        ),
        (
            "ERROR: invalid input value for enum \"Role\": \"secret\"",
            "ERROR: invalid input value for enum \"Role\": \"[redacted]\"",
        ),
        (
            r#"message: "invalid input syntax for type uuid: \"secret\"", detail: None"#,
            r#"message: "invalid input syntax for type uuid: \"[redacted]\"", detail: None"#,
        ),
        (
            "ERROR: value \"99999999999\" is out of range for type integer",
            "ERROR: value [redacted] is out of range for type integer",
        ),
        (
            "COPY users, line 3, column email: \"secret\"",
            "COPY users, line 3, column email: [redacted]",
        ),
        (
            "ERROR: column \"full_name\" does not exist",
            "ERROR: column \"full_name\" does not exist",
        ),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn a_value_without_end_does_not_hide_all_that_follows() {
    let text = format!("DETAIL: Key (a)=(b\n{}the end", "value\n".repeat(1000));
    assert!(redact(&text).ends_with("the end"));
}
