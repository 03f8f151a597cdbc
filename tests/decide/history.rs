//! Rewritten histories, and which tables Prisma counts, case by case.

use std::collections::BTreeSet;

use database_migration_operator::api::{FindingKind, HistorySpec, Policy, digest, reasons};
use database_migration_operator::decide::{DatabasePlan, plan};
use database_migration_operator::facts::{
    DatabaseFacts, DatabaseIdentity, Ledger, LedgerRow, TableName,
};
use database_migration_operator::tools::sql;
use dbm_protocol::{Configured, DatabaseInventory, Migration};
use rstest::rstest;

use super::world::at;

/// Name and text of a migration.
type Text = (&'static str, &'static str);

const INIT: Text = (
    "20260101_init",
    "CREATE TABLE \"Item\" (\"id\" INTEGER PRIMARY KEY, \"price\" INTEGER);",
);
const CENTS: Text = (
    "20260301_cents",
    "UPDATE \"Item\" SET \"price\" = \"price\" * 100;\n",
);
const STOCK: Text = (
    "20260401_stock",
    "ALTER TABLE \"Item\" ADD COLUMN \"stock\" INTEGER;",
);
const NEW: &str = "CREATE TABLE \"New\" (\"id\" INTEGER);";
const EMPTY: &str = "-- nothing\n";

fn inventory(migrations: &[Text]) -> DatabaseInventory {
    let migration = |(name, text): &Text| Migration {
        name: (*name).to_owned(),
        sha256: digest(text.as_bytes()),
        other_sha256: vec![digest(text.replace("\r\n", "\n").as_bytes())],
        sql: Some((*text).to_owned()),
        ..Migration::default()
    };
    DatabaseInventory {
        database: "shop".to_owned(),
        hash: "h".to_owned(),
        migrations: migrations.iter().map(migration).collect(),
        ..DatabaseInventory::default()
    }
}

/// A row of the ledger: by Prisma, or by hand.
fn row(number: i64, (name, text): Text, by_hand: bool) -> LedgerRow {
    LedgerRow {
        id: format!("row {name}"),
        checksum: digest(text.as_bytes()),
        migration_name: name.to_owned(),
        started_at: at(number),
        finished_at: Some(at(number)),
        applied_steps_count: i32::from(!by_hand),
        ..LedgerRow::default()
    }
}

fn facts(rows: Vec<LedgerRow>, ran: &[Text]) -> DatabaseFacts {
    DatabaseFacts {
        identity: DatabaseIdentity {
            schema: "public".to_owned(),
            ..DatabaseIdentity::default()
        },
        ledger: Ledger::Rows(rows),
        objects: Some(sql::expected(ran, "public")),
        ..DatabaseFacts::default()
    }
}

fn planned(applied: &[Text], image: &[Text], policy: Policy) -> DatabasePlan {
    let rows = applied
        .iter()
        .zip(1..)
        .map(|(text, n)| row(n, *text, false));
    let history = HistorySpec {
        edited: policy,
        unknown: policy,
        ahead: policy,
        out_of_order: policy,
        since: if policy == Policy::Ignore { "9" } else { "" }.to_owned(),
    };
    let facts = facts(rows.collect(), applied);
    plan("shop", &inventory(image), &facts, &history)
}

/// A migration under another name.
fn renamed(name: &'static str, (_, text): Text) -> Text {
    (name, text)
}

/// What is applied, what the image holds, and which of it must not run, whatever the policy.
#[rstest]
#[case::to_an_earlier_time(&[INIT, CENTS], &[INIT, renamed("20260201_cents", CENTS)], &["20260201_cents"])]
#[case::to_a_later_time(&[INIT, CENTS], &[INIT, renamed("20260501_cents", CENTS)], &["20260501_cents"])]
#[case::beside_new_ones(&[INIT, CENTS], &[INIT, ("20260120_new", "SELECT 1;"), renamed("20260201_cents", CENTS), STOCK], &["20260201_cents"])]
#[case::all_of_them(&[INIT, CENTS], &[renamed("1_init", INIT), renamed("2_cents", CENTS)], &["1_init", "2_cents"])]
#[case::with_other_line_ends(&[INIT, CENTS], &[INIT, ("20260201_cents", "UPDATE \"Item\" SET \"price\" = \"price\" * 100;\r\n")], &["20260201_cents"])]
#[case::the_old_name_is_there_too(&[INIT, CENTS], &[INIT, CENTS, renamed("20260501_again", CENTS)], &[])]
#[case::its_name_is_for_another(&[INIT, CENTS], &[INIT, (CENTS.0, NEW), renamed("20260302_cents", CENTS)], &["20260302_cents"])]
#[case::one_in_the_middle(&[("0001", INIT.1), ("0002", CENTS.1)], &[("0001", INIT.1), ("0002", NEW), ("0003", CENTS.1)], &["0003"])]
#[case::one_in_the_middle_of_more(&[("0001", INIT.1), ("0002", CENTS.1), ("0003", STOCK.1)], &[("0001", INIT.1), ("0002", NEW), ("0003", CENTS.1), ("0004", STOCK.1)], &["0004"])]
#[case::without_its_last_line_end(&[INIT, CENTS], &[INIT, ("20260501_cents", "UPDATE \"Item\" SET \"price\" = \"price\" * 100;")], &["20260501_cents"])]
#[case::with_a_comment(&[INIT, CENTS], &[INIT, ("20260501_cents", "-- in cents\nUPDATE \"Item\" SET \"price\" = \"price\" * 100;\n")], &["20260501_cents"])]
#[case::with_white_space_and_its_name_for_another(&[INIT, CENTS], &[INIT, (CENTS.0, NEW), ("20260501_cents", "\n UPDATE \"Item\" SET \"price\" = \"price\" * 100;  \n\n".trim_ascii_start())], &["20260501_cents"])]
#[case::the_same_on_purpose(&[INIT, ("2_a", EMPTY)], &[("0_init", "SELECT 1;"), INIT, ("2_a", EMPTY), ("3_b", EMPTY)], &[])]
#[case::two_and_one_is_there(&[INIT, CENTS, renamed("20260302_again", CENTS)], &[INIT, CENTS, renamed("20260501_again", CENTS)], &["20260501_again"])]
fn what_was_renamed_never_runs(
    #[case] applied: &[Text],
    #[case] image: &[Text],
    #[case] expected: &[&str],
) {
    for policy in [Policy::Deny, Policy::Warn, Policy::Ignore] {
        let plan = planned(applied, image, policy);
        let found: Vec<&str> = plan
            .findings
            .iter()
            .filter(|finding| finding.kind == FindingKind::Renamed)
            .map(|finding| finding.migration.as_str())
            .collect();
        assert_eq!(found, expected, "{policy:?}");
        let blocked = plan.blocker.map(|blocker| blocker.reason);
        assert_eq!(
            blocked == Some(reasons::RENAMED_FOUND),
            !expected.is_empty(),
            "{policy:?}: {blocked:?}"
        );
    }
}

/// The name of what was renamed is that of something else now, which Prisma would never run: that is said, and still so once
/// what was renamed is marked.
#[test]
fn what_has_the_name_of_another_is_not_done() {
    let image = [
        ("0001", INIT.1),
        ("0002", NEW),
        ("0003", CENTS.1),
        ("0004", STOCK.1),
    ];
    let applied = [("0001", INIT.1), ("0002", CENTS.1), ("0003", STOCK.1)];
    let first = planned(&applied, &image, Policy::Warn).blocker.unwrap();
    assert!(
        first
            .message
            .contains("What stands as 0002 in the image has not run"),
        "{first:?}"
    );
    let mut rows: Vec<LedgerRow> = applied
        .iter()
        .zip(1..)
        .map(|(text, n)| row(n, *text, false))
        .collect();
    rows.push(row(9, image[3], true));
    let then = |image: &[Text], edited| {
        let history = HistorySpec {
            edited,
            ..HistorySpec::default()
        };
        let facts = facts(rows.clone(), &applied);
        plan("shop", &inventory(image), &facts, &history).blocker
    };
    let second = then(&image, Policy::Warn).unwrap();
    assert_eq!(second.reason, reasons::EDITED_FOUND);
    assert!(
        second.message.contains("0002 holds now has not run"),
        "{second:?}"
    );
    assert_eq!(then(&image, Policy::Ignore), None);
    let released = [image[0], image[2], image[3], ("0005", NEW)];
    assert_eq!(then(&released, Policy::Warn), None);
}

/// Also where what was renamed lost its last line end on the way, so that its own row has another checksum.
#[test]
fn what_has_the_name_of_another_is_not_done_whatever_white_space_went() {
    let applied = [INIT, CENTS];
    let moved = ("20260501_cents", CENTS.1.trim_end());
    let image = [INIT, (CENTS.0, NEW), moved];
    let mut rows: Vec<LedgerRow> = applied
        .iter()
        .zip(1..)
        .map(|(text, n)| row(n, *text, false))
        .collect();
    rows.push(row(9, moved, true));
    let facts = facts(rows, &applied);
    let found = plan("shop", &inventory(&image), &facts, &HistorySpec::default());
    let blocker = found.blocker.unwrap();
    assert_eq!(blocker.reason, reasons::EDITED_FOUND);
    assert!(
        blocker
            .message
            .contains("20260301_cents holds now has not run"),
        "{blocker:?}"
    );
}

/// Two files of the same SQL, the first as it was applied: the second runs, and it is said.
#[test]
fn the_same_sql_again_is_said() {
    let plan = planned(
        &[INIT, CENTS],
        &[
            INIT,
            CENTS,
            renamed("20260501_again", CENTS),
            ("3_b", EMPTY),
        ],
        Policy::Warn,
    );
    let said: Vec<_> = plan
        .findings
        .iter()
        .map(|f| (f.kind, f.text.as_str()))
        .collect();
    assert_eq!(plan.blocker, None);
    assert!(said.contains(&(FindingKind::Repeated, CENTS.0)), "{said:?}");
}

/// What only changes rows may be what the image lacks, renamed and edited: it does not run because a policy lets pass that
/// something is lacking.
#[rstest]
#[case::edited(Policy::Warn, "", CENTS_EDITED, Some(reasons::UNSEEN_FOUND))]
#[case::unsaid(Policy::Ignore, "", CENTS_EDITED, Some(reasons::UNSEEN_FOUND))]
#[case::denied(Policy::Deny, "", CENTS_EDITED, Some(reasons::UNKNOWN_FOUND))]
#[case::since_and_nothing_was_deployed_after_it(
    Policy::Deny,
    "20260302",
    CENTS_EDITED,
    Some(reasons::UNSEEN_FOUND)
)]
#[case::new(Policy::Warn, "", NEW, None)]
// It makes something new, and what it does to rows may have been done.
#[case::beside_new(
    Policy::Warn,
    "",
    "CREATE TABLE \"New\" (\"id\" INTEGER); UPDATE \"Item\" SET \"price\" = \"price\" * 100;",
    Some(reasons::UNSEEN_FOUND)
)]
#[case::of_new(
    Policy::Warn,
    "",
    "ALTER TABLE \"Item\" ADD COLUMN \"cents\" INTEGER; UPDATE \"Item\" SET \"cents\" = \"price\" * 100;",
    None
)]
#[case::into_new(
    Policy::Ignore,
    "",
    "CREATE TABLE \"New\" (\"id\" INTEGER); INSERT INTO \"New\" SELECT \"id\" FROM \"Item\";",
    None
)]
fn what_is_not_shown_to_be_new_does_not_run(
    #[case] unknown: Policy,
    #[case] since: &str,
    #[case] text: &'static str,
    #[case] expected: Option<&str>,
) {
    let applied = [INIT, CENTS];
    let rows = applied
        .iter()
        .zip(1..)
        .map(|(text, n)| row(n, *text, false));
    let mut facts = facts(rows.collect(), &applied);
    let history = HistorySpec {
        unknown,
        since: since.to_owned(),
        ..HistorySpec::default()
    };
    let image = inventory(&[INIT, ("20260501_cents", text)]);
    let found = plan("shop", &image, &facts, &history).blocker;
    assert_eq!(found.map(|found| found.reason), expected);
    facts.objects = None;
    let found = plan("shop", &image, &facts, &history);
    assert!(found.by_name);
    assert_eq!(
        found.blocker.map(|found| found.reason),
        expected,
        "of too many objects"
    );
}

/// What `since` passes over counts until Prisma has deployed something of the image after it: a rename comes with the next release.
#[test]
fn what_was_accounted_for_is_asked_about_once() {
    let applied = [INIT, CENTS, STOCK];
    let history = HistorySpec {
        since: "20260302".to_owned(),
        ..HistorySpec::default()
    };
    let rows = |applied: &[Text]| -> Vec<LedgerRow> {
        let rows = applied.iter().zip(1..);
        rows.map(|(text, n)| row(n, *text, false)).collect()
    };
    let image = inventory(&[INIT, STOCK, ("20260501_cents", CENTS_EDITED)]);
    let of = |applied: &[Text]| {
        let found = plan("shop", &image, &facts(rows(applied), applied), &history);
        found.blocker.map(|blocker| blocker.reason)
    };
    assert_eq!(of(&applied), None);
    assert_eq!(of(&[INIT, STOCK, CENTS]), Some(reasons::UNSEEN_FOUND));
}

/// One that has not run as it is, and may have in part: what is known of it is said, and no setting is printed that lets it run.
#[test]
fn what_has_run_in_part_at_most_is_said() {
    const BOTH: Text = (
        "20260501_both",
        "CREATE TABLE \"New\" (\"id\" INTEGER); UPDATE \"Item\" SET \"price\" = \"price\" * 100;",
    );
    let found = planned(&[INIT, CENTS], &[INIT, BOTH], Policy::Warn);
    let message = found.blocker.unwrap().message;
    for part in [
        "As it is, 20260501_both has not run (table \"New\" is not there)",
        "what of it may have run is statement 2 (UPDATE \"Item\"",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let finding = found.findings.iter().find(|f| f.migration == BOTH.0);
    let finding = finding.unwrap();
    assert!(
        finding.unseen && finding.lacks.contains("New"),
        "{finding:?}"
    );
    let denied = planned(&[INIT, CENTS], &[INIT, BOTH], Policy::Deny);
    assert_eq!(denied.blocker.unwrap().reason, reasons::UNKNOWN_FOUND);
    assert_eq!(denied.since, "");
}

const CENTS_EDITED: &str = "UPDATE \"Item\" SET \"price\" = \"price\" * 100 WHERE true;\n";

const SQUASHED: Text = (
    "000000000000_squashed_migrations",
    "CREATE TABLE IF NOT EXISTS \"Item\" (\"id\" INTEGER PRIMARY KEY, \"price\" INTEGER, \"stock\" INTEGER); DELETE FROM \"Item\";",
);
const OTHERS: Text = ("1_other", "CREATE TABLE \"Other\" (\"id\" INTEGER);");
const ALL: &[Text] = &[INIT, CENTS, STOCK];

/// What the image holds where all of the old ones are applied; which of it stands for them; up to which one a baseline is
/// offered.
#[rstest]
#[case::as_documented(&[SQUASHED], &[SQUASHED.0], SQUASHED.0)]
#[case::with_a_new_one(&[SQUASHED, ("20270101_new", "CREATE TABLE \"New\" (\"id\" INTEGER);")], &[SQUASHED.0], SQUASHED.0)]
#[case::under_a_new_time(&[("20270101_all", SQUASHED.1)], &["20270101_all"], "20270101_all")]
#[case::with_rows(&[SQUASHED, ("0001_rows", "INSERT INTO \"Item\" VALUES (1);")], &[SQUASHED.0, "0001_rows"], SQUASHED.0)]
#[case::a_part(&[("0000_two", "CREATE TABLE \"Item\" (\"price\" INTEGER, \"id\" INTEGER PRIMARY KEY);"), STOCK], &["0000_two"], "0000_two")]
#[case::not_all_there(&[("0000_more", "CREATE TABLE \"Item\" (\"id\" INTEGER); CREATE TABLE \"More\" (\"id\" INTEGER);")], &["0000_more"], "")]
#[case::only_rows(&[("0000_rows", "DELETE FROM \"Item\";")], &["0000_rows"], "")]
// Somebody else's, whose objects are not there: by policy.
#[case::another_project(&[OTHERS], &[], "")]
#[case::all_is_there(ALL, &[], "")]
fn what_stands_for_what_ran_never_runs(
    #[case] image: &[Text],
    #[case] expected: &[&str],
    #[case] up_to: &str,
) {
    for policy in [Policy::Deny, Policy::Warn, Policy::Ignore] {
        let plan = planned(ALL, image, policy);
        let found: Vec<&str> = plan
            .findings
            .iter()
            .filter(|finding| finding.kind == FindingKind::Squashed)
            .map(|finding| finding.migration.as_str())
            .collect();
        let expected_set: BTreeSet<&str> = expected.iter().copied().collect();
        assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), expected_set);
        let blocked = plan.blocker.as_ref().map(|blocker| blocker.reason);
        assert_eq!(
            blocked == Some(reasons::SQUASHED_FOUND),
            !expected.is_empty()
        );
        assert_eq!(plan.baseline, up_to);
        if image == [OTHERS] {
            let expected = match policy {
                Policy::Deny => Some(reasons::OUT_OF_ORDER_FOUND),
                Policy::Warn => Some(reasons::AHEAD_FOUND),
                Policy::Ignore => None,
            };
            assert_eq!(blocked, expected, "{policy:?}");
        }
    }
}

/// What is applied, what the image holds, what stands in the catalog beside what was applied: which of it must not run.
#[rstest]
// The same rows beside a column that is there: one migration became two.
#[case::split_in_two(&[INIT, BOTH], &[INIT, COLUMN, PRICES], &[COLUMN.0, PRICES.0])]
#[case::split_in_two_with_nothing_in_common(&[("1_x", INIT_BOTH)], &[("2_x", INIT.1), COLUMN, PRICES], &["2_x", COLUMN.0, PRICES.0])]
#[case::a_seed_after_it(&[INIT, CENTS], &[("20260501_schema", SCHEMA), ("20260502_seed", "DELETE FROM \"Item\"; INSERT INTO \"Item\" VALUES (1);")], &["20260501_schema", "20260502_seed"])]
#[case::a_seed_before_it(&[INIT, CENTS], &[("20260401_seed", "DELETE FROM \"Item\";"), ("20260501_schema", SCHEMA)], &["20260401_seed", "20260501_schema"])]
#[case::a_seed_behind_a_new_one(&[INIT, CENTS], &[("20260501_schema", SCHEMA), ("20260502_new", "CREATE TABLE \"New\" (id int);"), ("20260503_seed", "DELETE FROM \"Item\";")], &["20260501_schema", "20260503_seed"])]
#[case::code_beside_it(&[INIT, CENTS], &[("20260501_schema", SCHEMA), ("20260502_do", "DO $$ BEGIN UPDATE \"Item\" SET price = 1; END $$;")], &["20260501_schema", "20260502_do"])]
// A part of it is there, and beside it one that is applied.
#[case::in_part(&[INIT, OTHERS, STOCK], &[STOCK, ("20260405_squashed", PART)], &["20260405_squashed"])]
#[case::in_part_and_older(&[INIT, OTHERS, STOCK], &[("0_squashed", PART), STOCK], &["0_squashed"])]
#[case::one_column_of_it(&[INIT, STOCK], &[INIT, ("20260405_more", "ALTER TABLE \"Item\" ADD COLUMN IF NOT EXISTS \"stock\" INTEGER, ADD COLUMN \"more\" INTEGER;")], &["20260405_more"])]
// What is certainly new.
#[case::new(&[INIT, CENTS, STOCK], &[INIT, STOCK, ("20260501_new", "CREATE TABLE \"New\" (id int); INSERT INTO \"New\" SELECT id FROM \"Item\";")], &[])]
#[case::takes_away(&[INIT, CENTS, STOCK], &[INIT, STOCK, ("20260501_drop", "ALTER TABLE \"Item\" DROP COLUMN \"stock\";")], &[])]
// What an applied one of the image makes, or what the file takes away first, proves nothing.
#[case::anew(&[INIT, CENTS, STOCK], &[INIT, STOCK, ("20260501_anew", "ALTER TABLE \"Item\" DROP CONSTRAINT \"Item_pkey\"; ALTER TABLE \"Item\" ADD CONSTRAINT \"Item_pkey\" PRIMARY KEY (\"id\"), ADD COLUMN \"x\" INTEGER;")], &[])]
#[case::of_an_applied_one(&[INIT, CENTS, STOCK], &[INIT, STOCK, ("20260501_more", "CREATE TABLE IF NOT EXISTS \"Item\" (\"id\" INTEGER); CREATE TABLE \"New\" (id int);")], &[])]
fn what_may_have_run_does_not_run_again(
    #[case] applied: &[Text],
    #[case] image: &[Text],
    #[case] expected: &[&str],
) {
    for policy in [Policy::Deny, Policy::Warn, Policy::Ignore] {
        let plan = planned(applied, image, policy);
        let found: BTreeSet<&str> = plan
            .findings
            .iter()
            .filter(|finding| finding.kind == FindingKind::Squashed)
            .map(|finding| finding.migration.as_str())
            .collect();
        assert_eq!(found, expected.iter().copied().collect(), "{policy:?}");
        let blocked = plan.blocker.as_ref().map(|blocker| blocker.reason);
        assert_eq!(
            blocked == Some(reasons::SQUASHED_FOUND),
            !expected.is_empty(),
            "{policy:?}: {blocked:?}"
        );
    }
}

const BOTH: Text = (
    "20260201_both",
    "ALTER TABLE \"Item\" ADD COLUMN \"a\" INTEGER; UPDATE \"Item\" SET price = price * 100;",
);
const INIT_BOTH: &str = "CREATE TABLE \"Item\" (\"id\" INTEGER PRIMARY KEY, \"price\" INTEGER); ALTER TABLE \"Item\" ADD COLUMN \"a\" INTEGER; UPDATE \"Item\" SET price = price * 100;";
const COLUMN: Text = (
    "20260202_a",
    "ALTER TABLE \"Item\" ADD COLUMN IF NOT EXISTS \"a\" INTEGER;",
);
const PRICES: Text = ("20260203_b", "UPDATE \"Item\" SET price = price * 100;");
const SCHEMA: &str =
    "CREATE TABLE \"Item\" (\"id\" INTEGER PRIMARY KEY, \"price\" INTEGER); -- squashed";
const PART: &str = "CREATE TABLE IF NOT EXISTS \"Item\" (\"id\" INTEGER PRIMARY KEY, \"price\" INTEGER); CREATE TABLE IF NOT EXISTS \"Other\" (\"id\" INTEGER); CREATE TABLE \"E\" (\"id\" INTEGER); DELETE FROM \"Item\";";

/// What is there and what is not is said.
#[test]
fn what_is_there_in_part_is_said() {
    let plan = planned(
        &[INIT, OTHERS, STOCK],
        &[STOCK, ("20260405_squashed", PART)],
        Policy::Warn,
    );
    let message = plan.blocker.unwrap().message;
    for part in [
        "table \"Item\"",
        "table \"Other\"",
        "table \"E\" is not there",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(plan.baseline, "", "a part of it is not there");
}

/// One of two is marked: of the other it is not said yet whether it ran. What Prisma deploys after it settles that.
#[test]
fn beside_what_was_marked_only_what_is_new_runs() {
    let mut rows = vec![
        row(1, INIT, false),
        row(2, BOTH, false),
        row(3, STOCK, false),
    ];
    rows.push(row(9, COLUMN, true));
    let new = ("20260204_new", "CREATE TABLE \"New\" (\"id\" INTEGER);");
    let blocked = |image: &[Text], rows: &[LedgerRow]| {
        let facts = facts(rows.to_vec(), &[INIT, BOTH, STOCK]);
        let plan = plan("shop", &inventory(image), &facts, &HistorySpec::default());
        plan.blocker.map(|blocker| blocker.reason)
    };
    assert_eq!(blocked(&[INIT, COLUMN, new], &rows), None);
    for image in [&[INIT, COLUMN, PRICES][..], &[INIT, COLUMN, PRICES, new]] {
        assert_eq!(blocked(image, &rows), Some(reasons::UNSEEN_FOUND));
    }
    let again = (
        "20260204_again",
        "ALTER TABLE \"Item\" ADD COLUMN IF NOT EXISTS \"stock\" INTEGER;",
    );
    let found = blocked(&[INIT, COLUMN, again, PRICES], &rows);
    assert_eq!(found, Some(reasons::SQUASHED_FOUND));
    let mut settled = rows.clone();
    settled.push(row(10, new, false));
    assert_eq!(blocked(&[INIT, COLUMN, new, PRICES], &settled), None);
}

/// Where the catalog's names are not known, what may be a squashed history is taken for one.
#[test]
fn what_cannot_be_compared_does_not_run() {
    let rows = ALL.iter().zip(1..).map(|(text, n)| row(n, *text, false));
    let mut facts = facts(rows.collect(), ALL);
    facts.objects = None;
    let plan = plan(
        "shop",
        &inventory(&[SQUASHED]),
        &facts,
        &HistorySpec::default(),
    );
    assert!(plan.by_name);
    let blocker = plan.blocker.unwrap();
    assert_eq!(blocker.reason, reasons::SQUASHED_FOUND);
    assert!(
        blocker.message.contains("cannot be seen"),
        "{}",
        blocker.message
    );
}

/// What a human said to be applied accounts for what is not in the image any more.
#[rstest]
#[case::renamed(&[INIT, CENTS], &[INIT, renamed("20260201_cents", CENTS)], "20260201_cents")]
#[case::squashed(ALL, &[SQUASHED], SQUASHED.0)]
fn what_was_marked_accounts_for_what_is_gone(
    #[case] applied: &[Text],
    #[case] image: &[Text],
    #[case] marked: &str,
) {
    let mut rows: Vec<LedgerRow> = applied
        .iter()
        .zip(1..)
        .map(|(text, n)| row(n, *text, false))
        .collect();
    let text = image.iter().find(|(name, _)| *name == marked).unwrap();
    rows.push(row(9, *text, true));
    for new in [
        None,
        Some(("20270101_new", "CREATE TABLE \"New\" (\"id\" INTEGER);")),
    ] {
        let mut image = image.to_vec();
        image.extend(new);
        let facts = facts(rows.clone(), applied);
        let plan = plan("shop", &inventory(&image), &facts, &HistorySpec::default());
        assert_eq!(plan.blocker, None);
        assert_eq!(plan.findings, []);
        assert_eq!(plan.pending.len(), usize::from(new.is_some()));
        assert!(!plan.ahead);
    }
}

/// Ahead: yesterday's image is let be; beside something that is pending it blocks.
#[test]
fn what_is_ahead_blocks_only_beside_what_is_pending() {
    let plan = planned(ALL, &[INIT, CENTS], Policy::Warn);
    assert!(plan.ahead && plan.blocker.is_none());
    let new = ("20260202_new", "CREATE TABLE \"New\" (\"id\" INTEGER);");
    let plan = planned(ALL, &[INIT, new], Policy::Warn);
    let blocker = plan.blocker.unwrap();
    assert_eq!(blocker.reason, reasons::AHEAD_FOUND);
    let plan = planned(ALL, &[INIT, new], Policy::Ignore);
    assert_eq!(plan.blocker, None);
}

/// No message recommends a setting by which something runs that ran.
#[test]
fn no_message_recommends_to_allow_it() {
    let new = ("20260202_new", "CREATE TABLE \"New\" (\"id\" INTEGER);");
    for image in [
        &[INIT, new][..],
        &[INIT, STOCK],
        &[INIT, renamed("20260201_cents", CENTS)],
        &[SQUASHED],
    ] {
        let message = planned(ALL, image, Policy::Deny).blocker.unwrap().message;
        assert!(
            !message.contains("Warn") && !message.contains("since"),
            "{message}"
        );
    }
}

/// The ledger stands in another schema of the datasource: no baseline is the way on, and Prisma would fail.
#[rstest]
#[case(&["app"], Some(reasons::LEDGER_ELSEWHERE))]
#[case(&[], None)]
fn a_ledger_in_another_schema_of_the_datasource_is_said(
    #[case] schemas: &[&str],
    #[case] reason: Option<&str>,
) {
    let mut inventory = inventory(&[INIT]);
    inventory.schemas = schemas.iter().map(|name| (*name).to_owned()).collect();
    let mut facts = facts(Vec::new(), &[]);
    let table = |name: &str| TableName {
        schema: "app".to_owned(),
        name: name.to_owned(),
    };
    facts.ledger = Ledger::Absent {
        tables: vec![table("_prisma_migrations"), table("Item")],
    };
    let plan = plan("shop", &inventory, &facts, &HistorySpec::default());
    assert_eq!(plan.blocker.as_ref().map(|blocker| blocker.reason), reason);
    if let Some(blocker) = plan.blocker {
        assert!(
            blocker.message.contains("?schema=app"),
            "{}",
            blocker.message
        );
    }
}

/// Tables of a database without a ledger; the datasource's schemas; what the configuration names; whether a baseline is
/// needed. Each was tried with Prisma.
#[rstest]
#[case::nothing(&[], &[], &[], false)]
#[case::a_table(&["public.t"], &[], &[], true)]
#[case::in_another_schema(&["app.t"], &[], &[], false)]
#[case::in_a_schema_of_the_datasource(&["app.t"], &["app"], &[], true)]
#[case::in_the_schema_of_the_url_beside(&["public.t"], &["app"], &[], true)]
#[case::in_a_third(&["c.t"], &["app"], &[], false)]
#[case::postgis(&["public.spatial_ref_sys", "public.Geometry_Columns", "public.raster_overviews"], &[], &[], false)]
#[case::named_as_external(&["public.queue_job"], &[], &["public.queue_job"], false)]
#[case::and_another_one(&["public.queue_job", "public.t"], &[], &["public.queue_job"], true)]
#[case::named_without_schema(&["public.queue_job"], &[], &["queue_job"], true)]
#[case::named_in_other_letters(&["public.queue_job"], &[], &["public.Queue_job"], true)]
fn tables_that_prisma_counts(
    #[case] tables: &[&str],
    #[case] schemas: &[&str],
    #[case] external: &[&str],
    #[case] needed: bool,
) {
    let table = |full: &&str| {
        let (schema, name) = full.split_once('.').unwrap();
        TableName {
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    };
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let mut inventory = inventory(&[INIT]);
    inventory.schemas = owned(schemas);
    inventory.configured = Some(Configured {
        external_tables: owned(external),
        ..Configured::default()
    });
    let mut facts = facts(Vec::new(), &[]);
    facts.ledger = Ledger::Absent {
        tables: tables.iter().map(table).collect(),
    };
    let blocker = |inventory: &DatabaseInventory| {
        plan("shop", inventory, &facts, &HistorySpec::default()).blocker
    };
    let found = blocker(&inventory);
    assert_eq!(found.is_some(), needed);
    if let Some(found) = found {
        assert_eq!(found.reason, reasons::BASELINE_NEEDED);
        assert!(!found.message.contains("unless"), "{}", found.message);
        inventory.external_unknown = true;
        let message = blocker(&inventory).unwrap().message;
        assert!(message.contains("could not be read"), "{message}");
    }
}
