//! No circles: every choice of every situation is followed to its end, as it is printed. It ends ready, or with another
//! reason than the one it was offered for.

use database_migration_operator::api::{StepKind, reasons};
use rstest::rstest;

use super::humans;
use super::situations::{Stage, TARGET, same, situation};

/// What a title says is to be done beside its command.
fn do_by_hand(stage: &mut Stage, name: &str, title: &str) {
    let mends = [
        "correct",
        "mend",
        "release a corrected image",
        "look at every database",
    ];
    if mends.iter().any(|begin| title.starts_with(begin)) {
        stage.world.tests.clear();
        stage.world.noisy = None;
        stage.world.fates.clear();
        stage.world.restores = 0;
    } else if title.starts_with("if tables.external") {
        stage.world.external = true;
    } else if title.starts_with("release an image that holds") {
        // The image of before, which has what is applied.
        stage.release("v3");
    } else if title.starts_with("release it under its old name")
        || title.starts_with("release an image in which it is as it was applied")
    {
        stage.release("v2");
    } else if title.starts_with("where these tables are the first migrations' own") {
        stage.edit(|resource| {
            "p1/public".clone_into(&mut resource.spec.databases[0].connection.secret_key_ref.name);
        });
    } else {
        let told = ["finish it by hand", "undo it by hand"];
        let nothing = [
            "it has run: tell",
            "it is a squashed history",
            "the same up to",
            "tell Prisma that the database holds",
            "nothing of it is left",
            "see who holds the lock",
            "undo it with its down.sql",
            "its script ran to its end",
            "accept it",
            "go back to the restore point",
        ];
        let known = told
            .iter()
            .chain(&nothing)
            .any(|begin| title.starts_with(begin));
        assert!(known, "{name}: what is to be done? {title}");
    }
}

#[rstest]
#[case::renamed_earlier("renamed to an earlier time", &["baseline", ""])]
#[case::renamed_later("renamed to a later time, with a new one before and after it", &["baseline", ""])]
#[case::all_renamed("all renamed", &["baseline", ""])]
#[case::renamed_and_allowed("renamed where every policy allows", &["baseline", ""])]
#[case::squashed("squashed", &["baseline", ""])]
#[case::squashed_with_more("squashed, with a seed beside it and a new one after it", &["baseline", ""])]
#[case::squashed_later("squashed under a new time, with rows after it", &["baseline", "baseline", ""])]
#[case::half_squashed("the first half squashed", &["baseline", ""])]
#[case::partly_there("squashed, and not all of it is there", &["baseline", ""])]
#[case::unknown("unknown", &[""])]
#[case::ahead("ahead, and something is pending", &[""])]
#[case::edited("edited", &[""])]
#[case::baseline("the first one is there", &["baseline"])]
#[case::baseline_of_all("all are there", &["baseline"])]
#[case::of_others("only another one's table is there", &[""])]
#[case::perhaps_of_others("another one's table, and a configuration", &["", "retry"])]
#[case::perhaps("the first one is there, and a configuration", &["baseline", "retry"])]
#[case::asked_by_prisma("Prisma asked for a baseline", &["baseline"])]
#[case::traceless("failed, and nothing is left", &["mark-rolled-back", "mark-applied"])]
#[case::traces("failed, and something is left", &["down", "mark-applied", "mark-rolled-back"])]
#[case::locked("the lock was not had", &["retry"])]
#[case::silent("failed without a word", &["mark-rolled-back", "mark-applied"])]
#[case::not_recorded("not recorded", &["mark-applied"])]
#[case::reverted("reverted", &["retry"])]
#[case::restored("restored", &["retry"])]
#[case::restore_failed("restore failed", &["retry", "restore"])]
#[case::found_failed("found failed", &["down", "mark-applied", "mark-rolled-back"])]
#[case::found_cut_off("found cut off", &["down", "mark-applied", "mark-rolled-back"])]
#[case::pending("rows are gone", &["retry"])]
#[case::aborted("aborted", &["retry"])]
#[case::smoke_test("smoke test", &["retry", "accept"])]
#[case::log_line("log line", &["retry", "accept"])]
fn every_choice_leads_on(#[case] name: &str, #[case] verbs: &[&str]) {
    let (stage, _) = situation(name);
    let choices = stage.world.objects[0].resource.status.choices.clone();
    let printed: Vec<&str> = choices
        .iter()
        .map(|choice| choice.command.split(' ').nth(2).unwrap_or_default())
        .collect();
    assert_eq!(printed, verbs, "{choices:?}");
    for at in 0..choices.len() {
        let (mut stage, reason) = situation(name);
        let choice = &choices[at];
        do_by_hand(&mut stage, name, &choice.title);
        if !choice.command.is_empty() {
            let before = choices[..at]
                .iter()
                .filter(|c| !c.command.is_empty())
                .count();
            let status = stage.world.objects[0].resource.status.clone();
            let (title, spec) = humans::offered(&stage.world, 0, &status)[before].clone();
            humans::by_hand(&mut stage.world, 0, &title, &spec);
            humans::create(&mut stage.world, 0, spec);
        }
        stage.go(120);
        let action = stage
            .world
            .actions
            .last()
            .map(|action| action.status.message.clone());
        assert!(
            stage.ready() || stage.reason() != reason,
            "{name}: {choice:?} leads in a circle: {} ({action:?})",
            stage.said()
        );
        assert!(
            stage.world.violations.is_empty(),
            "{choice:?}: {:?}",
            stage.world.violations
        );
        // What had run did not run again.
        let content = &stage.world.databases["p0"].content;
        for odd in stage.world.odd.values().flatten() {
            let again =
                content.catalog["public"].contains(&odd.name) && !odd.makes.contains(&odd.name);
            let new = odd.name == "0301_rows" || odd.name.ends_with("_new");
            assert!(!again || new, "{name}: {choice:?} ran {}", odd.name);
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
#[case::squashed("squashed, with a seed beside it and a new one after it")]
#[case::renamed("all renamed")]
#[case::without_a_ledger("all are there")]
fn a_baseline_that_is_cut_off_is_gone_on_with(#[case] name: &str) {
    let (mut stage, _) = situation(name);
    let first = {
        let image = stage.world.objects[0].resource.spec.image.clone();
        stage.world.content(&image, 0)[0].clone()
    };
    stage.choose("baseline");
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
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let content = &stage.world.databases["p0"].content;
    assert!(!content.catalog["public"].contains("0000_then_rows"));
    let database = &stage.world.objects[0].resource.status.databases[0];
    assert_eq!(database.marks, Vec::<String>::new());
}
