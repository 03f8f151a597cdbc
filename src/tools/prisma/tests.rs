#![allow(clippy::unwrap_used, clippy::expect_used)]

use dbm_protocol::Migration;
use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn row(
    id: &str,
    name: &str,
    seconds: i64,
    finished: bool,
    rolled_back: bool,
    steps: i32,
    logs: Option<&str>,
) -> LedgerRow {
    let at = Timestamp::from_second(seconds).unwrap();
    LedgerRow {
        id: id.to_owned(),
        checksum: "c".to_owned(),
        migration_name: name.to_owned(),
        started_at: at,
        finished_at: finished.then_some(at),
        rolled_back_at: rolled_back.then_some(at),
        applied_steps_count: steps,
        logs: logs.map(str::to_owned),
    }
}

#[rstest]
#[case(true, false, 1, None, RowState::Applied)]
#[case(true, false, 1, Some("text"), RowState::Applied)]
#[case(true, false, 0, Some(""), RowState::AppliedByHand)]
#[case(true, false, 0, None, RowState::AppliedByHand)]
#[case(false, false, 0, Some("text"), RowState::Failed)]
#[case(false, false, 1, Some("text"), RowState::Failed)]
#[case(false, false, 0, None, RowState::Unfinished)]
#[case(false, false, 0, Some(" \n"), RowState::Unfinished)]
#[case(false, false, 1, None, RowState::ScriptDone)]
#[case(false, false, 2, Some(""), RowState::ScriptDone)]
#[case(false, true, 0, Some("text"), RowState::RolledBack)]
#[case(true, true, 1, None, RowState::RolledBack)]
fn what_a_row_says(
    #[case] finished: bool,
    #[case] rolled_back: bool,
    #[case] steps: i32,
    #[case] logs: Option<&str>,
    #[case] expected: RowState,
) {
    assert_eq!(
        row_state(&row("1", "n", 0, finished, rolled_back, steps, logs)),
        expected
    );
}

#[test]
fn a_name_with_several_rows() {
    let rows = [
        row("1", "resolved", 1, false, true, 0, Some("text")),
        row("2", "resolved", 2, true, false, 0, Some("")),
        row("3", "only rolled back", 1, false, true, 0, Some("text")),
        row("4", "blocks", 1, true, false, 1, None),
        row("5", "blocks", 2, false, false, 0, None),
        row("6", "blocks though older", 1, false, false, 0, Some("text")),
        row("7", "blocks though older", 2, true, false, 1, None),
        row("8", "again", 1, false, true, 0, None),
        row("9", "again", 1, true, false, 1, None),
        row("b", "same time", 1, false, true, 0, None),
        row("a", "same time", 1, false, true, 0, None),
    ];
    let latest = latest_by_name(&rows);
    let state = |name: &str| (latest[name].0, latest[name].1.id.as_str());
    assert_eq!(state("resolved"), (RowState::AppliedByHand, "2"));
    assert_eq!(state("only rolled back"), (RowState::RolledBack, "3"));
    assert_eq!(state("blocks"), (RowState::Unfinished, "5"));
    assert_eq!(state("blocks though older"), (RowState::Failed, "6"));
    assert_eq!(state("again"), (RowState::Applied, "9"));
    assert_eq!(state("same time"), (RowState::RolledBack, "b"));
    assert_eq!(latest.len(), 6);
}

#[test]
fn checksums_in_all_their_spellings() {
    let migration = Migration {
        sha256: "0a10ff000b".to_owned(),
        other_sha256: vec!["00ff".to_owned()],
        ..Migration::default()
    };
    for matching in ["0a10ff000b", "0A10FF000B", "a10ff0b", "00ff", "0ff"] {
        assert!(checksum_matches(matching, &migration), "{matching}");
    }
    for other in ["", " ", "a10ffb", "0a10ff000", "ff", "0a10ff000c"] {
        assert!(!checksum_matches(other, &migration), "{other}");
    }
    assert!(
        !checksum_matches("", &Migration::default()),
        "no checksum matches nothing"
    );
}

#[test]
fn commands_take_any_name_as_one_argument() {
    assert_eq!(
        resolve_command(Resolution::Applied, "2024 it's", "prisma/schema.prisma"),
        [
            "migrate",
            "resolve",
            "--applied=2024 it's",
            "--schema=prisma/schema.prisma"
        ]
    );
    assert_eq!(
        resolve_command(Resolution::RolledBack, "--x", ""),
        ["migrate", "resolve", "--rolled-back=--x"]
    );
}

#[rstest]
#[case("20261122101500_add_index", "20261122101500_add_index")]
#[case("0_init", "0_init")]
#[case("", "''")]
#[case("add index", "'add index'")]
#[case("it's", r"'it'\''s'")]
#[case("$(rm -rf)`x`", "'$(rm -rf)`x`'")]
#[case("größe", "'größe'")]
#[case("a\"b\\c", "'a\"b\\c'")]
#[case("~root", "'~root'")]
#[case("=x", "'=x'")]
fn words_for_a_shell(#[case] name: &str, #[case] expected: &str) {
    assert_eq!(shell_quote(name), expected);
}

proptest! {
    #[test]
    fn unpadded_hex_of_any_digest_matches(digest in any::<[u8; 32]>()) {
        let padded: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let old: String = digest.iter().map(|byte| format!("{byte:x}")).collect();
        let migration = Migration { sha256: padded.clone(), ..Migration::default() };
        prop_assert!(checksum_matches(&padded, &migration));
        prop_assert!(checksum_matches(&old, &migration));
    }

    #[test]
    fn any_text_is_compared_without_a_panic(ledger in any::<String>(), sha256 in any::<String>()) {
        checksum_matches(&ledger, &Migration { sha256, ..Migration::default() });
    }

    #[test]
    fn application_names_fit_and_are_ours(run in "r[0-9]{1,6}-[0-9a-f]{8}", database in "[a-zé-]{1,60}") {
        let name = application_name(&run, &database);
        prop_assert!(name.len() <= 63);
        let whole = format!("dbm/{run}/{database}");
        prop_assert!(whole.starts_with(&name));
        let begins_with_the_run = format!("dbm/{run}/");
        prop_assert!(name.starts_with(&begins_with_the_run));
    }

    #[test]
    fn a_shell_gives_the_word_back(word in "[^\u{0}]{0,20}") {
        let quoted = shell_quote(&word);
        // What a POSIX shell makes of it: quotes off, an escaped quote between them.
        let read = if quoted.starts_with('\'') {
            quoted[1..quoted.len() - 1].replace(r"'\''", "'")
        } else {
            quoted
        };
        prop_assert_eq!(read, word);
    }
}
