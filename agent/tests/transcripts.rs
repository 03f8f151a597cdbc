//! What the agent recognises in outputs of real runs (`transcripts/`).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dbm_protocol::ProblemReason;
use dbm_protocol::recognise::{Recognised, Window, recognise};
use dbm_protocol::redact::redact_text;
use dbm_protocol::redact::secrets::Secrets;

/// File, code, SQLSTATE, migration, message.
type Row = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
);

const SPLIT_NAME: Option<&str> = Some("20261122101500_split_name");
const DEVICE: Option<&str> = Some("20261118083000_session_device");
const LABELS: Option<&str> = Some("20261124103000_unique_labels");

const FAILURES: &[Row] = &[
    (
        "deploy-advisory-lock-held",
        Some("P1002"),
        None,
        None,
        "The database server was reached but timed out.",
    ),
    (
        "deploy-advisory-lock-timeout",
        None,
        Some("55P03"),
        None,
        "ERROR: canceling statement due to lock timeout",
    ),
    (
        "deploy-backend-terminated",
        Some("P3018"),
        Some("57P01"),
        DEVICE,
        "FATAL: terminating connection due to administrator command",
    ),
    (
        "deploy-blocked-p3009",
        Some("P3009"),
        None,
        SPLIT_NAME,
        "migrate found failed migrations in the target database",
    ),
    (
        "deploy-blocked-p3009-corrected",
        Some("P3009"),
        None,
        SPLIT_NAME,
        "migrate found failed migrations in the target database",
    ),
    (
        "deploy-connect-denied",
        None,
        Some("42501"),
        None,
        "FATAL: permission denied for database \"tr\"",
    ),
    (
        "deploy-failed-undefined-column",
        Some("P3018"),
        Some("42703"),
        SPLIT_NAME,
        "ERROR: column \"full_name\"",
    ),
    (
        "deploy-failed-undefined-column-adapter",
        Some("P3018"),
        Some("42703"),
        SPLIT_NAME,
        "Error accessing result set, column not found",
    ),
    (
        "deploy-failed-undefined-column-whole-file",
        Some("P3018"),
        Some("42703"),
        SPLIT_NAME,
        "ERROR: column \"full_name\"",
    ),
    (
        "deploy-failed-unique-violation",
        Some("P3018"),
        Some("23505"),
        LABELS,
        "ERROR: could not create unique index",
    ),
    (
        "deploy-failed-unique-violation-adapter",
        Some("P3018"),
        Some("23505"),
        LABELS,
        "Unique constraint failed: Label_name_lower_key",
    ),
    (
        "deploy-no-such-database",
        Some("P1003"),
        None,
        None,
        "Database `no_such_db` does not exist",
    ),
    (
        "deploy-no-such-role",
        Some("P1000"),
        None,
        None,
        "Authentication failed against database server",
    ),
    (
        "deploy-no-url",
        Some("P1012"),
        None,
        None,
        "error: Error validating datasource `db`: You must provide a nonempty URL.",
    ),
    (
        "deploy-not-empty-p3005",
        Some("P3005"),
        None,
        None,
        "The database schema is not empty.",
    ),
    (
        "deploy-permission-denied",
        None,
        Some("42501"),
        None,
        "ERROR: permission denied for schema public",
    ),
    (
        "deploy-schema-missing",
        None,
        None,
        None,
        "Could not load `--schema` from provided path",
    ),
    (
        "deploy-table-lock-timeout",
        Some("P3018"),
        Some("55P03"),
        DEVICE,
        "ERROR: canceling statement due to lock timeout",
    ),
    (
        "deploy-tls-refused",
        Some("P1011"),
        None,
        None,
        "Error opening a TLS connection: The server does not support SSL connections",
    ),
    (
        "deploy-too-many-connections",
        None,
        Some("53300"),
        None,
        "too many connections for role \"reader\"",
    ),
    (
        "deploy-unreachable-name",
        Some("P1001"),
        None,
        None,
        "Can't reach database server at `no-such-host.invalid:5432`",
    ),
    (
        "deploy-unreachable-refused",
        Some("P1001"),
        None,
        None,
        "Can't reach database server at `127.0.0.1:1`",
    ),
    (
        "deploy-unreachable-timeout",
        Some("P1001"),
        None,
        None,
        "Can't reach database server at `127.0.0.1:",
    ),
    (
        "deploy-url-malformed",
        Some("P1012"),
        None,
        None,
        "error: Error validating datasource `db`: the URL must start with",
    ),
    (
        "deploy-wrong-password",
        Some("P1000"),
        None,
        None,
        "Authentication failed against database server",
    ),
    (
        "resolve-applied-p3008",
        Some("P3008"),
        None,
        None,
        "The migration `20261122101500_split_name` is already recorded",
    ),
    (
        "resolve-applied-p3017",
        Some("P3017"),
        None,
        None,
        "The migration 20261122101500_no_such could not be found.",
    ),
    (
        "resolve-rolled-back-p3011",
        Some("P3011"),
        None,
        None,
        "Migration `20261122110000_last_name_index` cannot be rolled back",
    ),
    (
        "resolve-rolled-back-p3012",
        Some("P3012"),
        None,
        None,
        "Migration `",
    ),
];

const ENGINE: ProblemReason = ProblemReason::EngineMissing;
const READ_ONLY: ProblemReason = ProblemReason::ReadOnlyFileSystem;
const VARIABLE: ProblemReason = ProblemReason::DatasourceVariableUnset;

/// File, what is wrong with the image, a part of what is said of it.
const IMAGES: &[(&str, ProblemReason, &str)] = &[
    (
        "image-engine-download",
        ENGINE,
        "getaddrinfo ENOTFOUND binaries.prisma.sh",
    ),
    (
        "image-engine-not-executable",
        ENGINE,
        "Command failed with EACCES: /app/eng/noexec",
    ),
    (
        "image-engine-not-found",
        ENGINE,
        "Could not find schema-engine binary",
    ),
    (
        "image-engine-other-architecture",
        ENGINE,
        "ended without a word",
    ),
    ("image-engine-path", ENGINE, "/nowhere/schema-engine"),
    (
        "image-engine-without-loader",
        ENGINE,
        "Command failed with ENOENT: /app/eng/noint",
    ),
    (
        "image-engine-without-openssl",
        ENGINE,
        "with openssl beside it",
    ),
    (
        "image-engines-not-writable",
        READ_ONLY,
        "Add /app/node_modules/@prisma/engines to job.writablePaths",
    ),
    (
        "image-read-only",
        READ_ONLY,
        "Add /app to job.writablePaths",
    ),
    (
        "image-variable-unset",
        VARIABLE,
        "the variable DATABASE_URL,",
    ),
    (
        "image-direct-variable-unset",
        VARIABLE,
        "the variable DIRECT_URL,",
    ),
    ("deploy-no-url", VARIABLE, "the variable DATABASE_URL,"),
];

fn transcripts() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn through_the_window(text: &str) -> Recognised {
    let mut window = Window::default();
    text.lines().for_each(|line| window.push(line));
    window.recognised()
}

#[test]
fn failures() {
    let transcripts = transcripts();
    let mut wrong = Vec::new();
    for (file, code, sql_state, migration, message) in FAILURES {
        let found = through_the_window(&transcripts[*file]);
        let begins = found
            .message
            .as_deref()
            .is_some_and(|text| text.starts_with(message));
        let fits = (
            found.code.as_deref(),
            found.sql_state.as_deref(),
            found.migration.as_deref(),
        ) == (*code, *sql_state, *migration);
        if !(begins && fits) {
            wrong.push(format!("{file}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_wrong_with_an_image_and_nothing_else() {
    let mut wrong = Vec::new();
    for (name, text) in transcripts() {
        let mut window = Window::default();
        text.lines().for_each(|line| window.push(line));
        let found = window.problem();
        let fits = match IMAGES.iter().find(|(file, ..)| *file == name) {
            Some((_, reason, part)) => found
                .as_ref()
                .is_some_and(|found| found.reason == *reason && found.message.contains(part)),
            None => found.is_none(),
        };
        if !fits {
            wrong.push(format!("{name}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        IMAGES
            .iter()
            .all(|(file, ..)| transcripts().contains_key(*file))
    );
}

#[test]
fn no_value_of_a_row_is_shown() {
    let text = transcripts()["deploy-failed-unique-violation"].replace("bug", "a row's value");
    assert!(text.contains("a row's value"), "the transcript has none");
    let shown = redact_text(&Secrets::default(), &text);
    assert!(!shown.contains("a row's value"), "{shown}");
    assert_eq!(
        through_the_window(&shown),
        through_the_window(&text),
        "nothing else is lost"
    );
}

#[test]
fn messages_hold_no_trace() {
    for (name, text) in transcripts() {
        let message = through_the_window(&text).message.unwrap_or_default();
        assert!(
            !message.contains(".rs:") && message.lines().count() <= 3,
            "{name}: {message}"
        );
    }
}

#[test]
fn what_did_not_fail_says_nothing_of_a_failure() {
    for (name, text) in transcripts() {
        if FAILURES.iter().all(|(file, ..)| *file != name)
            && !name.starts_with("status-")
            && !name.starts_with("image-")
        {
            assert_eq!(recognise(&text), Recognised::default(), "{name}");
        }
    }
}
