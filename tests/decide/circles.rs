//! No circles: every choice of every situation is followed to its end, as it is printed. It ends ready, or with another
//! reason than the one it was offered for.

use database_migration_operator::api::{ActionKind, MigrationActionSpec, Policy, reasons};
use database_migration_operator::decide::status;
use rstest::rstest;

use super::humans;
use super::operator::Operator;
use super::schedule::{Setup, second};
use super::setup::{self, database, resource};
use super::world::{Fate, Odd, World};

/// The one database of these stories.
const TARGET: &str = "p0/public";

struct Stage {
    world: World,
    operator: Operator,
}

impl Stage {
    fn new(setup: &Setup) -> Stage {
        let mut world = setup::world(setup);
        let spec = world.objects[0].resource.spec.clone();
        let mut only = resource(1, "v2", vec![database("a", TARGET, &[])]);
        only.resource.spec.validation = spec.validation;
        only.resource.spec.rollback = spec.rollback;
        only.resource.spec.preflight = spec.preflight;
        world.objects = vec![only];
        world.config = false;
        let operator = Operator::new(1);
        Stage { world, operator }
    }

    fn go(&mut self, seconds: u32) {
        (0..seconds).for_each(|_| second(&mut self.world, &mut self.operator));
    }

    fn edit(&mut self, change: impl FnOnce(&mut database_migration_operator::decide::Resource)) {
        let object = &mut self.world.objects[0];
        change(&mut object.resource);
        object.resource.generation += 1;
        object.version += 1;
        self.operator.wake(0);
    }

    fn release(&mut self, image: &str) {
        self.edit(|resource| image.clone_into(&mut resource.spec.image));
    }

    /// Releases an image that holds these, once that of before is applied.
    fn then(&mut self, image: &[Odd]) {
        self.go(40);
        assert_eq!(self.reason(), reasons::SUCCEEDED, "{}", self.said());
        self.world.odd.insert("odd".to_owned(), image.to_vec());
        self.release("odd");
    }

    fn reason(&self) -> &str {
        status::ready_reason(&self.world.objects[0].resource.status)
    }

    fn said(&self) -> &str {
        &self.world.objects[0].resource.status.message
    }

    fn ready(&self) -> bool {
        let ready = status::get(&self.world.objects[0].resource.status, reasons::READY);
        ready.is_some_and(|ready| ready.status == "True")
    }

    fn tables(&mut self, names: &[&str]) {
        let physical = self.world.databases.get_mut("p0").unwrap();
        let catalog = physical.content.catalog.entry("public".to_owned());
        catalog
            .or_default()
            .extend(names.iter().map(|name| (*name).to_owned()));
    }

    fn fate(&mut self, migration: &str, fate: Fate) {
        let key = (TARGET.to_owned(), migration.to_owned());
        self.world.fates.insert(key, fate);
    }

    fn choose(&mut self, verb: &str) {
        let offered = humans::offered(&self.world, 0, &self.world.objects[0].resource.status);
        let printed = &self.world.objects[0].resource.status.choices;
        let at = printed
            .iter()
            .filter(|choice| choice.command.starts_with("kubectl"))
            .position(|choice| choice.command.split(' ').nth(2) == Some(verb));
        let (_, spec) = offered[at.unwrap_or_else(|| panic!("{verb}: {printed:?}"))].clone();
        humans::create(&mut self.world, 0, spec);
    }
}

fn odd(name: &str, content: &str, makes: &[&str]) -> Odd {
    Odd {
        name: name.to_owned(),
        content: content.to_owned(),
        makes: makes.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn same(name: &str) -> Odd {
    odd(name, name, &[name])
}

const FIRST: &str = "0100_base";
const SECOND: &str = "0200_base";

fn situation(name: &str) -> (Stage, &'static str) {
    let mut setup = Setup::default();
    match name {
        "smoke test" => setup.tests = vec![(0, 1, 1)],
        "log line" => setup.denied = Some(0),
        "restore failed" => setup.restore = Some(1),
        "restored" => setup.restore = Some(0),
        "reverted" => setup.revert = true,
        _ => {}
    }
    let mut stage = Stage::new(&setup);
    let renamed = |new: &str| odd(new, SECOND, &[SECOND]);
    let reason = match name {
        "renamed to an earlier time" => {
            stage.then(&[same(FIRST), renamed("0150_base")]);
            reasons::RENAMED_FOUND
        }
        "renamed to a later time, with a new one before and after it" => {
            stage.then(&[
                same(FIRST),
                same("0240_new"),
                renamed("0250_base"),
                same("0260_new"),
            ]);
            reasons::RENAMED_FOUND
        }
        "all renamed" => {
            stage.then(&[odd("0110_base", FIRST, &[FIRST]), renamed("0210_base")]);
            reasons::RENAMED_FOUND
        }
        "renamed where every policy allows" => {
            stage.edit(|resource| {
                let history = &mut resource.spec.preflight.history;
                history.unknown = Policy::Ignore;
                history.ahead = Policy::Ignore;
                history.out_of_order = Policy::Ignore;
                history.since = "9".to_owned();
            });
            stage.then(&[same(FIRST), renamed("0150_base")]);
            reasons::RENAMED_FOUND
        }
        "squashed" => {
            stage.then(&[odd("0000_squashed", "s", &[FIRST, SECOND])]);
            reasons::SQUASHED_FOUND
        }
        "squashed, with a seed beside it and a new one after it" => {
            stage.then(&[
                odd("0000_squashed", "s", &[FIRST, SECOND]),
                odd("0000_then_rows", "r", &[]),
                same("0900_new"),
            ]);
            reasons::SQUASHED_FOUND
        }
        "squashed under a new time, with rows after it" => {
            stage.then(&[
                odd("0300_squashed", "s", &[FIRST, SECOND]),
                odd("0301_rows", "r", &[]),
            ]);
            reasons::SQUASHED_FOUND
        }
        "the first half squashed" => {
            stage.release("v3");
            stage.then(&[
                odd("0000_squashed", "s", &[FIRST, SECOND]),
                same("0300_base"),
            ]);
            reasons::SQUASHED_FOUND
        }
        "squashed, and not all of it is there" => {
            stage.then(&[odd("0000_squashed", "s", &[FIRST, SECOND, "other"])]);
            reasons::SQUASHED_FOUND
        }
        "unknown" => {
            stage.release("v3");
            stage.then(&[same(FIRST), same("0300_base")]);
            reasons::UNKNOWN_FOUND
        }
        "ahead, and something is pending" => {
            stage.then(&[same(FIRST), same("0150_new")]);
            reasons::AHEAD_FOUND
        }
        "edited" => {
            stage.edit(|resource| resource.spec.preflight.history.edited = Policy::Deny);
            stage.then(&[same(FIRST), odd(SECOND, "edited", &[SECOND])]);
            reasons::EDITED_FOUND
        }
        "the first one is there" => {
            stage.tables(&[FIRST]);
            reasons::BASELINE_NEEDED
        }
        "all are there" => {
            stage.tables(&[FIRST, SECOND]);
            reasons::BASELINE_NEEDED
        }
        "only another one's table is there" => {
            stage.tables(&["other"]);
            reasons::BASELINE_NEEDED
        }
        "another one's table, and a configuration" => {
            stage.world.config = true;
            stage.tables(&["other"]);
            reasons::BASELINE_NEEDED
        }
        "the first one is there, and a configuration" => {
            stage.world.config = true;
            stage.tables(&[FIRST]);
            reasons::BASELINE_NEEDED
        }
        "Prisma asked for a baseline" => {
            stage.world.config = true;
            stage.tables(&[FIRST]);
            stage.go(20);
            stage.choose("retry");
            reasons::PRISMA_FAILED
        }
        "failed, and nothing is left" => {
            stage.fate(FIRST, Fate::Fails);
            reasons::MIGRATION_FAILED
        }
        "failed, and something is left" => {
            stage.fate(FIRST, Fate::FailsWithTraces);
            reasons::MIGRATION_FAILED
        }
        "failed without a word" => {
            stage.fate(FIRST, Fate::FailsSilently);
            reasons::MIGRATION_UNFINISHED
        }
        "not recorded" => {
            stage.fate(FIRST, Fate::NotRecorded);
            reasons::SCRIPT_DONE_NOT_RECORDED
        }
        "reverted" => {
            stage.fate(FIRST, Fate::Fails);
            reasons::ROLLED_BACK
        }
        "restored" | "restore failed" => {
            stage.fate(SECOND, Fate::FailsWithTraces);
            stage.go(30);
            stage.choose("restore");
            if name == "restored" {
                reasons::ROLLED_BACK
            } else {
                reasons::RESTORE_FAILED
            }
        }
        "found failed" | "found cut off" => {
            let mut row = stage.world.row(FIRST);
            row.logs = (name == "found failed").then(|| "Database error code: 42703".to_owned());
            stage.world.rows(TARGET).push(row);
            if name == "found failed" {
                reasons::FAILED_ROW_FOUND
            } else {
                reasons::UNFINISHED_ROW_FOUND
            }
        }
        "rows are gone" => {
            stage.go(30);
            stage.world.rows(TARGET).pop();
            stage.operator.interval();
            reasons::PENDING_FOUND
        }
        "aborted" => {
            stage.go(4);
            let run = stage.world.objects[0]
                .resource
                .status
                .run
                .clone()
                .unwrap()
                .id;
            humans::create(
                &mut stage.world,
                0,
                MigrationActionSpec {
                    migration: "shop1".to_owned(),
                    run,
                    action: ActionKind::Abort,
                    requested_by: "bob".to_owned(),
                    reason: "because".to_owned(),
                    ..MigrationActionSpec::default()
                },
            );
            reasons::ABORTED
        }
        "smoke test" => reasons::SMOKE_TEST_FAILED,
        "log line" => reasons::LOG_LINE_FOUND,
        other => panic!("{other}"),
    };
    stage.go(60);
    assert_eq!(stage.reason(), reason, "{name}: {}", stage.said());
    assert!(
        stage.world.violations.is_empty(),
        "{:?}",
        stage.world.violations
    );
    (stage, reason)
}

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
