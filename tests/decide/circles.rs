//! No circles: every choice of every situation is followed to its end, as it is printed. It ends ready, or with another
//! reason than the one it was offered for.

use std::collections::{BTreeMap, BTreeSet};

use database_migration_operator::api::reasons::{Person, person};
use database_migration_operator::api::{ChoiceStatus, StepKind, reasons};
use rstest::rstest;

use super::situations::{FIRST, SECOND, Stage, TARGET, odd, same, situation};
use super::world::Trouble;
use super::{humans, troubles};

/// What a title says is to be done beside its command.
pub fn do_by_hand(stage: &mut Stage, name: &str, title: &str) {
    let title = title.strip_prefix("or ").unwrap_or(title);
    let mends = [
        "correct",
        "create Secret",
        "fix the problem",
        "list the keys of Secret",
        "see what the namespace's",
        "ask for less",
        "set spec.job.resources",
        "change spec.job",
        "give the namespace a LimitRange",
        "have the policy",
        "see what the API server refuses",
        "mend",
        "raise job.resources",
        "add the key",
        "push the image",
        "release a corrected image",
        "look at every database",
        "look at the server's load",
        "look whether the server runs",
        "see what holds the connections",
        "look at what they changed",
    ];
    if mends.iter().any(|begin| title.starts_with(begin)) {
        stage.world.tests.clear();
        stage.world.noisy = None;
        stage.world.fates.clear();
        stage.world.restores = 0;
        troubles::mend(stage);
        if title.starts_with("correct the field") {
            stage.edit(|resource| {
                "db/schema.prisma".clone_into(&mut resource.spec.databases[0].prisma.schema);
            });
        }
    } else if [
        "see who holds",
        "end the session",
        "build the INVALID index",
        "drop it",
    ]
    .iter()
    .any(|begin| title.starts_with(begin))
        || ["down failed", "resolve marked nothing"].contains(&name)
    {
        // What its command does with psql, or what the log of the Job that failed says.
        troubles::mend(stage);
    } else if title.starts_with("if tables.external") {
        stage.world.external = true;
    } else if title.starts_with("only if") && title.contains("preflight.history.") {
        // Its command is a patch.
    } else if title.starts_with("release an image that holds") {
        // The image of before, which has what is applied.
        stage.release("v3");
    } else if title.starts_with("release it under its old name")
        || title.starts_with("release an image in which it is as it was applied")
        || title.starts_with("release an image in which what is applied")
    {
        stage.release("v2");
    } else if title.starts_with("once what the message says is corrected") {
        troubles::mend(stage);
        stage.go(5);
    } else if title.starts_with("lead each of them to its own database") {
        stage.exchange();
    } else if title.starts_with("release the SQL that") {
        let image = [
            same(FIRST),
            odd("0250_base", SECOND, &[SECOND]),
            odd("0900_new", "n", &["0900_new"]),
        ];
        stage.world.odd.insert("renamed".to_owned(), image.to_vec());
        stage.release("renamed");
    } else if title.starts_with("where these tables are the first migrations' own")
        || title.starts_with("if they are not meant to be there")
    {
        stage.edit(|resource| {
            "p1/public".clone_into(&mut resource.spec.databases[0].connection.secret_key_ref.name);
        });
    } else {
        let told = ["finish it by hand", "undo it by hand"];
        let nothing = [
            "it has run: tell",
            "it is a squashed history",
            "it is applied by another row",
            "the same up to",
            "once you have seen that",
            "make by hand",
            "tell Prisma that the database holds",
            "nothing of it is left",
            "see who holds the lock",
            "undo it with its down.sql",
            "its script ran to its end",
            "look whether its script ran to its end",
            "accept it",
            "go on where it stopped",
            "if it may stay",
            "go back to the restore point",
            "only if it is the right database",
            "only if it is meant",
            "only if that baseline was wrong",
            "wait for the session's end",
            "look at the plan",
            "or, once these tables are gone",
        ];
        let known = told
            .iter()
            .chain(&nothing)
            .any(|begin| title.starts_with(begin))
            || title.contains(" ran on this database as it is now");
        assert!(known, "{name}: what is to be done? {title}");
    }
}

/// Situations that are told by choices of their own, and the verbs that are printed, safest first.
pub const TABLE: &[(&str, &[&str])] = &[
    ("renamed to an earlier time", &["baseline", ""]),
    (
        "renamed to a later time, with a new one before and after it",
        &["baseline", ""],
    ),
    ("all renamed", &["baseline", ""]),
    ("renamed where every policy allows", &["baseline", ""]),
    ("renamed, and its name is another one's", &["baseline", ""]),
    ("renamed and marked, and its name is another one's", &[""]),
    (
        "lacking one, and rows are pending",
        &["baseline", "", "retry"],
    ),
    (
        "a name has something else, and rows are pending",
        &["baseline", "", "retry"],
    ),
    (
        "a name has other rows, and rows are pending",
        &["baseline", "", "retry"],
    ),
    ("a name has other rows, and rows are marked for it", &[""]),
    (
        "the tag was pushed again under a plan that was shown",
        &["retry"],
    ),
    ("two databases were exchanged", &["", "retry"]),
    ("squashed", &["baseline", ""]),
    (
        "squashed, with a seed beside it and a new one after it",
        &["baseline", "baseline", ""],
    ),
    (
        "squashed under a new time, with rows after it",
        &["baseline", "baseline", ""],
    ),
    ("the first half squashed", &["baseline", ""]),
    ("squashed, and not all of it is there", &["", "baseline"]),
    (
        "squashed, of which a part is there, beside an applied one",
        &["", "baseline"],
    ),
    (
        "squashed and marked, with rows beside it",
        &["baseline", "", "retry"],
    ),
    ("unknown", &["", ""]),
    ("unknown, and rows are pending", &["", ""]),
    ("ahead, and something is pending", &["", ""]),
    ("ahead, and rows are pending", &["", ""]),
    ("edited", &["", ""]),
    ("the first one is there", &["baseline"]),
    ("all are there", &["baseline"]),
    ("only another one's table is there", &["", ""]),
    (
        "another one's table, and a configuration",
        &["", "", "retry"],
    ),
    (
        "the first one is there, and a configuration",
        &["baseline", "retry"],
    ),
    ("Prisma asked for a baseline", &["baseline"]),
    (
        "failed, and nothing is left",
        &["mark-rolled-back", "mark-applied"],
    ),
    (
        "failed, and something is left",
        &["down", "mark-applied", "mark-rolled-back"],
    ),
    ("the lock was not had", &["retry"]),
    (
        "failed without a word",
        &["mark-rolled-back", "mark-applied"],
    ),
    ("not recorded", &["mark-applied"]),
    ("reverted", &["retry"]),
    ("restored", &["retry"]),
    ("restore failed", &["retry", "restore"]),
    (
        "found failed",
        &["down", "mark-applied", "mark-rolled-back"],
    ),
    (
        "found cut off",
        &["down", "mark-applied", "mark-rolled-back"],
    ),
    (
        "found cut off beside one that is applied",
        &["mark-rolled-back"],
    ),
    ("rows are gone", &["baseline", "retry"]),
    ("the ledger is lost", &["baseline"]),
    ("aborted", &["retry"]),
    ("smoke test", &["retry", "accept"]),
    ("log line", &["retry", "accept"]),
];

/// Follows every choice of a situation, or, where there is none, what is to be mended and the command that then helps. The reason that
/// the situation is shown by.
fn follow(name: &str, verbs: Option<&[&str]>) -> &'static str {
    let (stage, reason) = situation(name);
    let status = &stage.world.objects[0].resource.status;
    let unseen = [
        reasons::OTHER_DATABASE_MIGRATED,
        reasons::UNPLANNED_MIGRATIONS,
        reasons::LEDGER_INCOMPLETE,
        reasons::LEDGER_LOST,
    ];
    for failed in status.databases.iter().filter_map(|d| d.failed.as_ref()) {
        let elsewhere = failed.name.is_empty() && unseen.contains(&reason);
        assert_eq!(failed.elsewhere, elsewhere, "{name}: {reason}: {failed:?}");
    }
    let choices = status.choices.clone();
    let verb = |choice: &ChoiceStatus| {
        let mut parts = choice.command.split(" && ");
        let action = parts.find(|part| humans::is_action(part));
        let word = action.and_then(|part| part.split(' ').nth(2));
        word.unwrap_or_default().to_owned()
    };
    let printed: Vec<String> = choices.iter().map(verb).collect();
    if let Some(verbs) = verbs {
        assert_eq!(printed, verbs, "{name}: {choices:?}");
    }
    if choices.is_empty() {
        let (mut stage, _) = situation(name);
        troubles::mend(&mut stage);
        stage.go(5);
        let next = stage.world.objects[0].resource.status.next_command.clone();
        run_printed(&mut stage, "", &next);
        arrived(&mut stage, name, reason, "what its message says");
        assert!(stage.ready(), "{name}: {}", stage.said());
    }
    for choice in &choices {
        let (mut stage, _) = situation(name);
        do_by_hand(&mut stage, name, &choice.title);
        run_printed(&mut stage, &choice.title, &choice.command);
        arrived(&mut stage, name, reason, &choice.title);
    }
    reason
}

/// A line as it is printed, part by part; what it does with psql was done by hand.
pub fn run_printed(stage: &mut Stage, title: &str, line: &str) {
    for part in line.split(" && ") {
        if let Some((_, patch)) = part.split_once(" --type merge -p ") {
            let patch: serde_json::Value = serde_json::from_str(patch.trim_matches('\'')).unwrap();
            stage.edit(|resource| {
                let mut all = serde_json::to_value(&resource.spec).unwrap();
                merge(&mut all, &patch["spec"]);
                resource.spec = serde_json::from_value(all).unwrap();
            });
        }
        let status = stage.world.objects[0].resource.status.clone();
        for spec in humans::created(&stage.world, 0, &status, part) {
            humans::by_hand(&mut stage.world, 0, title, &spec);
            humans::create(&mut stage.world, 0, spec);
            stage.go(40);
        }
    }
}

/// What a merge patch does.
fn merge(into: &mut serde_json::Value, patch: &serde_json::Value) {
    match patch.as_object() {
        Some(patch) => {
            if !into.is_object() {
                *into = serde_json::json!({});
            }
            for (key, value) in patch {
                merge(&mut into[key], value);
            }
        }
        None => into.clone_from(patch),
    }
}

/// It is ready, or somewhere else than it was, and nothing ran twice.
fn arrived(stage: &mut Stage, name: &str, reason: &str, way: &str) {
    stage.go(120);
    let action = stage
        .world
        .actions
        .last()
        .map(|action| action.status.message.clone());
    assert!(
        stage.ready() || stage.reason() != reason,
        "{name}: {way:?} leads in a circle: {} ({action:?})",
        stage.said()
    );
    assert!(
        stage.world.violations.is_empty(),
        "{name}: {way:?}: {:?}",
        stage.world.violations
    );
    // What had run did not run again.
    let content = &stage.world.databases["p0"].content;
    for odd in stage.world.odd.values().flatten() {
        let again = content.catalog["public"].contains(&odd.name) && !odd.makes.contains(&odd.name);
        // The second one's name stands there since it was applied.
        let new = odd.name == "0301_rows" || odd.name.ends_with("_new") || odd.name == SECOND;
        assert!(!again || new, "{name}: {way:?} ran {}", odd.name);
    }
}

/// Every reason has its situation, and every choice of every situation leads on. Which reasons those are is read where they are
/// defined and where choices are made: one that is new, or that gets choices, fails here until a situation produces it.
#[test]
fn every_choice_of_every_reason_leads_on() {
    let mut found: BTreeSet<String> = TABLE
        .iter()
        .map(|(name, verbs)| follow(name, Some(verbs)).to_owned())
        .collect();
    let troubles = troubles::names();
    found.extend(troubles.iter().map(|name| follow(name, None).to_owned()));
    let missing: Vec<String> = reasons_to_follow()
        .into_iter()
        .filter(|reason| !found.contains(reason))
        .collect();
    assert!(
        missing.is_empty(),
        "no situation shows {missing:?}: add one to the table"
    );
}

/// The constants of reasons by name.
fn constants() -> BTreeMap<&'static str, &'static str> {
    let source = include_str!("../../src/api/reasons.rs");
    let (source, _) = source.split_once("pub mod events").unwrap();
    let lines = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    lines
        .map(|line| {
            (
                line.split(':').next().unwrap(),
                line.split('"').nth(1).unwrap(),
            )
        })
        .collect()
}

/// The words at the beginning of a table's rows, in one section of the page on conditions.
fn rows(section: &str) -> BTreeSet<String> {
    let page = include_str!("../../docs/conditions.md");
    let (_, text) = page.split_once(&format!("\n## {section}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let rows: BTreeSet<String> = rows.map(|(word, _)| word.to_owned()).collect();
    assert!(rows.len() > 5, "the page has moved: {section}");
    rows
}

/// All for which a person is called, all by which a run fails or does not start, and all that choices are made for.
fn reasons_to_follow() -> BTreeSet<String> {
    let all = constants();
    let called = all
        .values()
        .filter(|reason| person(reason) != Person::Nobody);
    let mut asked: BTreeSet<String> = called.map(|reason| (*reason).to_owned()).collect();
    let sources = [
        include_str!("../../src/decide/choices.rs"),
        include_str!("../../src/decide/choices/indexes.rs"),
        include_str!("../../src/decide/choices/locks.rs"),
        include_str!("../../src/decide/choices/passed.rs"),
        include_str!("../../src/decide/choices/rewritten.rs"),
    ];
    for constant in sources
        .iter()
        .flat_map(|source| source.split("reasons::").skip(1))
    {
        let end = constant.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let name = &constant[..end.unwrap_or(constant.len())];
        asked.extend(all.get(name).map(|reason| (*reason).to_owned()));
    }
    for section in ["Must not start", "The image", "Failed"] {
        asked.extend(rows(section));
    }
    let types = rows("Conditions");
    asked.retain(|word| !types.contains(word) || word == reasons::ROLLED_BACK);
    // A step is at work, and goes on once the session that holds it up has ended: `locks`, `lock_held` and `cases` look at those.
    let held_up = [
        reasons::WAITING_LOCK,
        reasons::LOCK_HELD,
        reasons::WAITING_FOR_BACKEND,
    ];
    for held_up in held_up {
        asked.remove(held_up);
    }
    assert!(asked.len() > 80, "the sources have moved: {asked:?}");
    asked
}

/// A run with nothing to do makes no success of what an earlier one applied without a plan: an image that holds it does, or a human
/// who accepts it.
#[test]
fn what_was_not_planned_is_not_forgotten_by_a_new_run() {
    let unplanned = |stage: &Stage| {
        let entry = &stage.world.objects[0].resource.status.databases[0];
        entry.unplanned.clone()
    };
    let blocked = || {
        let (mut stage, reason) = situation("ends: unplanned");
        assert_eq!(reason, reasons::UNPLANNED_MIGRATIONS);
        assert_eq!(unplanned(&stage), [troubles::UNPLANNED]);
        stage.world.trouble = Trouble::default();
        stage
    };
    let retry = |stage: &mut Stage, words: &str| {
        let printed = &stage.world.objects[0].resource;
        let (name, namespace) = (&printed.name, &printed.namespace);
        let line = format!("kubectl dbm retry {name} -n {namespace}{words}");
        run_printed(stage, "", &line);
        stage.go(60);
    };
    let mut stage = blocked();
    for _ in 0..2 {
        retry(&mut stage, "");
        assert_eq!(
            stage.reason(),
            reasons::UNPLANNED_MIGRATIONS,
            "{}",
            stage.said()
        );
        let said = stage.said();
        assert!(
            said.contains(troubles::UNPLANNED) && said.contains("--force"),
            "{said}"
        );
        assert!(said.contains("nothing was started"), "{said}");
    }
    // A release that does not hold it is no way on, either.
    stage.release("v2");
    stage.go(60);
    assert_eq!(
        stage.reason(),
        reasons::UNPLANNED_MIGRATIONS,
        "{}",
        stage.said()
    );
    let choices = &stage.world.objects[0].resource.status.choices;
    assert!(
        choices[0]
            .title
            .contains("release an image whose plan holds what ran")
    );
    assert!(choices[1].command.ends_with("--force"), "{choices:?}");
    troubles::mend(&mut stage);
    stage.go(60);
    assert!(stage.ready(), "{}", stage.said());
    assert!(unplanned(&stage).is_empty());
    // An image has held it: that an older one does not is nothing new.
    let before = [FIRST, SECOND].map(same).to_vec();
    stage.world.odd.insert("before".to_owned(), before);
    stage.release("before");
    stage.go(60);
    assert!(stage.ready(), "{}", stage.said());

    // Accepted as it is, it holds nothing up: neither what is pending beside it, nor later releases.
    for later in [None, Some("v3")] {
        let mut stage = blocked();
        for words in [" --force", ""] {
            retry(&mut stage, words);
            assert!(stage.ready(), "{}", stage.said());
            assert!(unplanned(&stage).is_empty());
            assert!(stage.world.applied(TARGET).contains(SECOND));
        }
        if let Some(image) = later {
            stage.release(image);
            // The image has newer ones by then.
            let newer = [FIRST, SECOND, "0300_base", "0900_new"].map(same).to_vec();
            stage.world.odd.insert("newer".to_owned(), newer);
            stage.go(60);
            assert!(stage.ready(), "{}", stage.said());
            stage.release("newer");
            stage.go(60);
            assert!(stage.ready(), "{}", stage.said());
            assert!(stage.world.applied(TARGET).contains("0900_new"));
        }
    }
}

/// After the way on the next release is like any other: the old names are in no folder, and nobody speaks of them.
#[rstest]
#[case("renamed to an earlier time")]
#[case("squashed")]
#[case("the first half squashed")]
fn what_was_settled_is_not_brought_up_again(#[case] name: &str) {
    let (mut stage, _) = situation(name);
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let mut image = stage.world.odd["odd"].clone();
    image.push(same("0140_late"));
    image.push(same("0900_new"));
    image.sort_by(|one, other| one.name.cmp(&other.name));
    stage.world.odd.insert("next".to_owned(), image);
    stage.release("next");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let entry = &stage.world.objects[0].resource.status.databases[0];
    assert_eq!((entry.pending_count, entry.applied_by_run), (0, 2));
    let run = stage.world.applied(TARGET);
    assert!(run.contains("0140_late") && run.contains("0900_new"));
}

/// A baseline is cut off between two marks: what it said has run does not run, in this run and in the next.
#[rstest]
#[case::squashed("squashed, with a seed beside it and a new one after it", true)]
#[case::renamed("all renamed", false)]
#[case::without_a_ledger("all are there", false)]
fn a_baseline_that_is_cut_off_is_gone_on_with(#[case] name: &str, #[case] force: bool) {
    let (mut stage, _) = situation(name);
    let first = {
        let image = stage.world.objects[0].resource.spec.image.clone();
        stage.world.content(&image, 0)[0].clone()
    };
    stage.choose_with("baseline", force);
    let resolves = |stage: &Stage| {
        let jobs = stage.world.jobs.values();
        let found = jobs.filter(|job| job.plan.step == StepKind::Resolve && job.process.is_some());
        found.map(|job| job.facts.name.clone()).next()
    };
    let job = (0..20).find_map(|_| {
        stage.go(1);
        resolves(&stage)
    });
    // The first was marked, and then its pod is gone.
    stage.world.kill(&job.expect("it is marked"), false);
    let mut row = stage.world.row(&first);
    row.finished_at = Some(row.started_at);
    stage.world.rows(TARGET).push(row);
    stage.go(30);
    let marked = stage.world.applied(TARGET).len();
    for _ in 0..2 {
        let reasons = [reasons::SQUASHED_FOUND, reasons::RENAMED_FOUND];
        assert!(
            reasons.contains(&stage.reason()),
            "{}: {}",
            stage.reason(),
            stage.said()
        );
        assert_eq!(
            stage.world.applied(TARGET).len(),
            marked,
            "{}",
            stage.said()
        );
        stage.edit(|resource| resource.retry = Some(format!("{:?}", resource.retry)));
        stage.go(30);
    }
    if stage.reason() == reasons::SQUASHED_FOUND {
        let title = &stage.world.objects[0].resource.status.choices[0].title;
        assert!(title.starts_with("go on with the baseline"), "{title}");
    }
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let content = &stage.world.databases["p0"].content;
    assert!(!content.catalog["public"].contains("0000_then_rows"));
    let database = &stage.world.objects[0].resource.status.databases[0];
    assert_eq!(database.marks, Vec::<String>::new());
}

/// Of what only changes rows, beside what was marked applied for a squashed history, nothing runs before a human has said what
/// it is: neither by itself, nor in a new run, nor when somebody asks for one.
#[test]
fn what_is_beside_a_marked_one_waits_for_a_word() {
    let name = "squashed and marked, with rows beside it";
    let rows = "0301_rows";
    let marked = |stage: &Stage| stage.world.applied(TARGET).contains(rows);
    let ran = |stage: &Stage| {
        let row = stage.world.databases["p0"].content.ledgers["public"].clone();
        let mut all = row.unwrap().into_iter();
        all.any(|row| row.migration_name == rows && row.applied_steps_count > 0)
    };
    let (mut stage, reason) = situation(name);
    for number in 0..3 {
        stage.edit(|resource| resource.retry = Some(format!("again {number}")));
        stage.go(60);
        assert_eq!(stage.reason(), reason, "{}", stage.said());
        assert!(!marked(&stage));
    }
    // It ran.
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    assert!(marked(&stage) && !ran(&stage));

    // It is new.
    let (mut stage, _) = situation(name);
    stage.choose("retry");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    assert!(ran(&stage));
    // From then on the history is settled: what only changes rows is like any other.
    let mut image = stage.world.odd["odd"].clone();
    image.push(odd("0400_rows_new", "n", &[]));
    stage.world.odd.insert("next".to_owned(), image);
    stage.release("next");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
}

/// What was edited is found without knowing the image: when it was applied, its file, and the command that shows its history.
#[test]
fn an_edited_migration_comes_with_its_file_and_when_it_was_applied() {
    let (stage, _) = situation("edited");
    let choice = &stage.world.objects[0].resource.status.choices[0];
    for part in [
        "; the last image that succeeded is ",
        ": release it again, or compare with it; the ledger has only its checksum",
        "applied on 20",
        " UTC; its file in the image is ",
        "/migration.sql",
    ] {
        assert!(choice.title.contains(part), "{part} in: {}", choice.title);
    }
    assert!(
        choice.command.starts_with("git log -p -- '*"),
        "{}",
        choice.command
    );
}
