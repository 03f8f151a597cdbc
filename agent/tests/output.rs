//! Output that is too much, no text, or full of what nobody may read: bounded, and redacted whatever it is torn by.
#![allow(clippy::unwrap_used)]

mod image;

use dbm_protocol::Outcome;
use dbm_protocol::raised::Raised;
use dbm_protocol::redact::secrets::Secrets;
use dbm_protocol::redact::{LINE_LIMIT, Redactor};
use proptest::prelude::*;

use image::*;

/// What a process has needed at most, as its child sees it.
const MEMORY: &str = "grep VmHWM /proc/$PPID/status >memory";

fn kilobytes(image: &Image) -> u64 {
    let memory = image.read("memory");
    memory.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn everything_at_once_is_bounded_and_still_told() {
    let image = Image::new();
    let script = format!(
        r#"i=0; while [ $i -lt 10 ]; do
          yes "$(printf '\033[31mnoise\033[0m 0123456789012345678901234567890123456789 %s' "$DATABASE_URL")" | head -c 1000000
          echo; i=$((i+1)); done
        head -c 5000000 /dev/zero | tr '\0' x; printf 'tr@in-spotting\n'
        head -c 200000 /dev/urandom
        printf '\n\377\376\000\033]0;never ends\nError: P3018\n\nMigration name: 0_init\n\nDatabase error code: 23505\n\n'
        printf 'Database error:\nERROR: tr@in-\033[1mspotting is there\nDETAIL: Key (a)=(alice) already exists.\n'
        {MEMORY}; exit 1"#
    );
    let output = image.exec(&[], &script).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = shown(&output);
    assert!(text.len() < 8 * 1024 * 1024 + 200, "{}", text.len());
    for part in ["in-spotting", "alice", "\u{1b}"] {
        assert!(!text.contains(part), "{part:?}");
    }
    let summary = image.summary();
    assert_eq!(summary.outcome, Outcome::Failed);
    assert_eq!(summary.code.as_deref(), Some("P3018"));
    assert_eq!(summary.sql_state.as_deref(), Some("23505"));
    assert_eq!(summary.migration.as_deref(), Some("0_init"));
    assert_eq!(
        summary.message.as_deref(),
        Some("ERROR: [redacted] is there")
    );
    assert!(kilobytes(&image) < 30_000, "{} kB", kilobytes(&image));
}

#[test]
fn one_line_of_five_megabytes_that_is_all_secrets() {
    let image = Image::new();
    let script = format!(
        "yes \"$DATABASE_URL\" | tr '\\n' ' ' | head -c 5000000; echo; {MEMORY}; echo Error: P1001; exit 1"
    );
    let output = image.exec(&[], &script).output().unwrap();
    let text = shown(&output);
    assert!(text.len() < 2 * LINE_LIMIT, "{}", text.len());
    assert!(!text.contains("in-spotting"));
    assert_eq!(image.summary().code.as_deref(), Some("P1001"));
    assert!(kilobytes(&image) < 30_000, "{} kB", kilobytes(&image));
}

#[test]
fn what_a_migration_raises_keeps_its_words_and_loses_its_values() {
    let image = Image::new();
    image.file(
        "prisma/migrations/1_raise/migration.sql",
        "DO $$ BEGIN RAISE EXCEPTION 'the address % is taken', a; END $$;",
    );
    // As an engine tells it that has no code for it, and as the native one does.
    for (said, expected) in [
        (
            "Error: external connector error\nError querying the database: ERROR: the address alice@example.com is taken",
            "ERROR: the address [redacted] is taken",
        ),
        (
            "Error: P3018\n\nDatabase error code: P0001\n\nDatabase error:\nERROR: whatever alice@example.com did\n\nPosition:",
            "ERROR: [redacted: a text that was raised, which may hold values of rows]",
        ),
    ] {
        image.file("said", said);
        let output = image.exec(&[], "cat said; exit 1").output().unwrap();
        assert!(!shown(&output).contains("alice"), "{}", shown(&output));
        assert_eq!(image.summary().message.as_deref(), Some(expected));
        assert!(!image.read("termination-log").contains("alice"));
    }
}

/// What may stand between two letters of a password and is not shown.
fn torn() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\x1b[31m".to_vec()),
        Just(b"\x1b[0;1;38;5;12m".to_vec()),
        Just(b"\x1b]8;;http://x\x1b\\".to_vec()),
        Just(b"\x1b(B".to_vec()),
        Just(b"\x07".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"\r".to_vec()),
        Just("\u{202e}".as_bytes().to_vec()),
        Just(Vec::new()),
    ]
}

proptest! {
    #[test]
    fn no_password_survives_being_torn(
        password in "[!-~]{8,16}",
        torn in prop::collection::vec(torn(), 16),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        chunk in 1usize..20,
    ) {
        prop_assume!(!password.contains("[redacted]"));
        let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC).to_string();
        let url = format!("postgresql://app:{encoded}@db.example:5432/shop");
        let secrets = Secrets::collect([("DATABASE_URL", url.as_str())], &["DATABASE_URL"]);
        let mut printed = noise.clone();
        printed.push(b'\n');
        for (letter, between) in password.bytes().zip(torn) {
            printed.extend(between);
            printed.push(letter);
        }
        printed.push(b'\n');
        printed.extend(noise);
        let mut redactor = Redactor::new(secrets, Raised::default());
        let mut shown = Vec::new();
        for part in printed.chunks(chunk) {
            redactor.push(part, |line| shown.push(line));
        }
        shown.extend(redactor.finish());
        let rest = shown.join("\n").replace("[redacted]", "\u{1}");
        prop_assert!(!rest.contains(&password), "{}", rest);
    }
}
