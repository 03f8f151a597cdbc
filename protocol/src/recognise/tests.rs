#![allow(clippy::unwrap_used)]
use super::*;

fn parts(
    text: &str,
) -> (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
) {
    let Recognised {
        code,
        sql_state,
        migration,
        message,
    } = recognise(text);
    (code, sql_state, migration, message)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_window_knows_what_was_begun_last() {
    let mut window = Window::default();
    assert_eq!(window.begun(), None);
    for line in [
        "Applying migration `1_a`",
        "Applying migration `2 with ` and more`",
        "Applying migration `3_x` again",
        "the text: Applying migration `4_x`",
    ] {
        window.push(line);
    }
    assert_eq!(window.begun(), Some("2 with ` and more"));
    for line in [
        "  └─ 4_unlisted/",
        "The following migration(s) have been applied:",
        "",
        "migrations/",
        "  └─ 5_a/",
        "    └─ migration.sql",
        "  └─ 6_b/",
        "    └─ migration.sql",
        "      ",
        "All migrations have been successfully applied.",
    ] {
        window.push(line);
    }
    assert_eq!(window.begun(), Some("6_b"));
}

#[test]
fn the_native_engine_names_everything() {
    let text = "7 migrations found in prisma/migrations\n\nApplying migration `20261122101500_split_name`\nError: P3018\n\n\
        A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about \
        how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\nMigration name: \
        20261122101500_split name\n\nDatabase error code: 42703\n\nDatabase error:\nERROR: column \"full_name\" of relation \
        \"User\" does not exist\n\nPosition:\n  3 UPDATE ...\n\nDbError { severity: \"ERROR\", parsed_severity: Some(Error), \
        code: SqlState(E42703), message: \"column\", detail: None, hint: None }\n";
    assert_eq!(
        parts(text),
        (
            some("P3018"),
            some("42703"),
            some("20261122101500_split name"),
            some("ERROR: column \"full_name\" of relation \"User\" does not exist"),
        )
    );
}

#[test]
fn forms_of_the_sql_state() {
    for (text, state) in [
        (
            "DbError { code: SqlState(E55P03), message: \"x\" }",
            Some("55P03"),
        ),
        ("  code: '23505',\n  detail: '[redacted]'", Some("23505")),
        ("error: {\"code\":\"42P01\"}", Some("42P01")),
        (
            "Raw query failed. Code: `42501`. Message: `permission denied`",
            Some("42501"),
        ),
        ("ERROR:  40P01: deadlock detected", Some("40P01")),
        (
            "{ originalCode: '57014', originalMessage: 'x' }",
            Some("57014"),
        ),
        ("(SQLSTATE 57P01)", Some("57P01")),
        ("Database error code: P0001", Some("P0001")),
        ("code: 'P2010'", None),
        ("code: 'ENOENT'", None),
        ("code: 'EPIPE'", None),
        ("code: 'ABCDE'", None),
        ("code: '423505'", None),
        ("Database error code: 1067", None),
    ] {
        assert_eq!(recognise(text).sql_state.as_deref(), state, "{text}");
    }
}

#[test]
fn forms_of_the_code() {
    for (text, code) in [
        (
            "Error: P1001: Can't reach database server at `db:5432`",
            Some("P1001"),
        ),
        (
            "Error: P3005\n\nThe database schema is not empty.",
            Some("P3005"),
        ),
        (
            "Error: Prisma schema validation - (get-config wasm)\nError code: P1012\nerror: x",
            Some("P1012"),
        ),
        (
            "PrismaClientKnownRequestError { code: 'P2002' }",
            Some("P2002"),
        ),
        ("the part number P3018 is sold out", None),
        ("Error: P30185", None),
    ] {
        assert_eq!(recognise(text).code.as_deref(), code, "{text}");
    }
}

#[test]
fn messages_leave_out_what_says_nothing() {
    for (text, message) in [
        (
            "Error: P1001: Can't reach database server at `db:5432`\n\nPlease make sure ...",
            "P1001: Can't reach database server at `db:5432`",
        ),
        (
            "Error: P3005\n\nThe database schema is not empty.",
            "The database schema is not empty.",
        ),
        (
            "node:internal/modules/cjs/loader:1\n\nError: Cannot find module '/app/x.js'\n    at a (b)\n",
            "Cannot find module '/app/x.js'",
        ),
        (
            "Error: db error: ERROR: deadlock detected",
            "ERROR: deadlock detected",
        ),
    ] {
        assert_eq!(recognise(text).message.as_deref(), Some(message), "{text}");
    }
    assert_eq!(
        recognise("All migrations have been successfully applied."),
        Recognised::default()
    );
}

#[test]
fn the_window_keeps_the_first_error_and_the_end() {
    let mut window = Window::default();
    for number in 0..100_000 {
        window.push(&format!("noise {number}"));
    }
    window.push("Error: P3018");
    window.push("Migration name: a");
    window.push("Database error code: 42703");
    for number in 0..100_000 {
        window.push(&format!("noise {number}"));
    }
    window.push("npm ERR! code 1");
    let found = window.recognised();
    assert_eq!(found.code.as_deref(), Some("P3018"));
    assert_eq!(found.sql_state.as_deref(), Some("42703"));

    let mut unknown = Window::default();
    unknown.push("something odd");
    unknown.push("");
    assert_eq!(
        unknown.recognised().message.as_deref(),
        Some("something odd")
    );
}

#[test]
fn only_prismas_closing_words_are_taken_whatever_stands_around_them() {
    let closing = |lines: &[&str]| {
        let mut window = Window::default();
        for line in lines {
            window.push(line);
        }
        window.closing_words()
    };
    let box_below = [
        "All migrations have been successfully applied.",
        "",
        "│  Update available 6.19.3 -> 7.10.1  │",
    ];
    assert_eq!(closing(&box_below), Some(APPLIED));
    assert_eq!(
        closing(&["No pending migrations to apply."]),
        Some(NOTHING_PENDING)
    );
    // What an engine that is killed under its command leaves.
    assert_eq!(
        closing(&[
            "2 migrations found in prisma/migrations",
            "Applying migration `2_x`"
        ]),
        None
    );
}
