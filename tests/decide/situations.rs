//! Situations in which a person has to decide, each with the reason that it is shown by.

use database_migration_operator::api::{
    ActionKind, DatabasePhase, MigrationActionSpec, Policy, reasons,
};
use database_migration_operator::decide::{Resource, status};

use super::humans;
use super::operator::Operator;
use super::schedule::{Setup, second};
use super::setup::{self, database, resource};
use super::world::{Fate, Odd, World};

/// The one database of these stories.
pub const TARGET: &str = "p0/public";

pub struct Stage {
    pub world: World,
    pub operator: Operator,
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

    pub fn go(&mut self, seconds: u32) {
        (0..seconds).for_each(|_| second(&mut self.world, &mut self.operator));
    }

    pub fn edit(&mut self, change: impl FnOnce(&mut Resource)) {
        let object = &mut self.world.objects[0];
        change(&mut object.resource);
        object.resource.generation += 1;
        object.version += 1;
        self.operator.wake(0);
    }

    pub fn release(&mut self, image: &str) {
        self.edit(|resource| image.clone_into(&mut resource.spec.image));
    }

    /// Releases an image that holds these, once that of before is applied.
    pub fn then(&mut self, image: &[Odd]) {
        self.go(40);
        assert_eq!(self.reason(), reasons::SUCCEEDED, "{}", self.said());
        self.world.odd.insert("odd".to_owned(), image.to_vec());
        self.release("odd");
    }

    /// Lets the two databases change places.
    pub fn exchange(&mut self) {
        self.edit(|resource| {
            let [one, other] = &mut resource.spec.databases[..] else {
                return;
            };
            std::mem::swap(&mut one.connection, &mut other.connection);
        });
    }

    pub fn reason(&self) -> &str {
        status::ready_reason(&self.world.objects[0].resource.status)
    }

    pub fn said(&self) -> &str {
        &self.world.objects[0].resource.status.message
    }

    pub fn ready(&self) -> bool {
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

    pub fn fate(&mut self, migration: &str, fate: Fate) {
        let key = (TARGET.to_owned(), migration.to_owned());
        self.world.fates.insert(key, fate);
    }

    pub fn choose(&mut self, verb: &str) {
        self.choose_with(verb, false);
    }

    /// The first of that verb, forced or not.
    pub fn choose_with(&mut self, verb: &str, force: bool) {
        let offered = humans::offered(&self.world, 0, &self.world.objects[0].resource.status);
        let printed = &self.world.objects[0].resource.status.choices;
        let at = printed
            .iter()
            .filter(|choice| humans::is_action(&choice.command))
            .position(|choice| {
                let forced = choice.command.ends_with(" --force");
                choice.command.split(' ').nth(2) == Some(verb) && (forced || !force)
            });
        let (_, spec) = offered[at.unwrap_or_else(|| panic!("{verb}: {printed:?}"))].clone();
        humans::create(&mut self.world, 0, spec);
    }
}

pub fn odd(name: &str, content: &str, makes: &[&str]) -> Odd {
    Odd {
        name: name.to_owned(),
        content: content.to_owned(),
        makes: makes.iter().map(|name| (*name).to_owned()).collect(),
    }
}

pub fn same(name: &str) -> Odd {
    odd(name, name, &[name])
}

/// What was applied has a new name, and its old one is something else's.
fn reused() -> [Odd; 3] {
    [
        same(FIRST),
        odd(SECOND, "n", &["0900_new"]),
        odd("0250_base", SECOND, &[SECOND]),
    ]
}

pub const FIRST: &str = "0100_base";
pub const SECOND: &str = "0200_base";

pub fn situation(name: &str) -> (Stage, &'static str) {
    let mut setup = Setup::default();
    match name {
        "smoke test" => setup.tests = vec![(0, 1, 1)],
        "log line" => setup.denied = Some(0),
        "restore failed" => setup.restore = Some(1),
        "restored" => setup.restore = Some(0),
        "reverted" => setup.revert = true,
        "no restore point may be made" => (setup.points, setup.forbidden) = (1, true),
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
        "renamed, and its name is another one's" => {
            stage.then(&reused());
            reasons::RENAMED_FOUND
        }
        "renamed and marked, and its name is another one's" => {
            stage.then(&reused());
            stage.go(40);
            stage.choose("baseline");
            stage.go(40);
            reasons::EDITED_FOUND
        }
        "lacking one, and rows are pending" => {
            stage.edit(|resource| resource.spec.preflight.history.unknown = Policy::Warn);
            stage.then(&[same(FIRST), odd("0301_rows", "r", &[])]);
            reasons::UNSEEN_FOUND
        }
        "a name has something else, and rows are pending" => {
            stage.then(&[
                same(FIRST),
                odd(SECOND, "n", &["0900_new"]),
                odd("0301_rows", "r", &[]),
            ]);
            reasons::UNSEEN_FOUND
        }
        "a name has other rows, and rows are pending" => {
            stage.then(&[
                same(FIRST),
                odd(SECOND, "n", &[]),
                odd("0301_rows", "r", &[]),
            ]);
            reasons::UNSEEN_FOUND
        }
        "a name has other rows, and rows are marked for it" => {
            stage.then(&[
                same(FIRST),
                odd(SECOND, "n", &[]),
                odd("0301_rows", "r", &[]),
            ]);
            stage.go(40);
            stage.choose("baseline");
            reasons::EDITED_FOUND
        }
        "the tag was pushed again under a plan that was shown" => {
            stage.go(40);
            stage.edit(|resource| resource.suspended = true);
            stage.release("v3");
            stage.go(40);
            *stage.world.pushes.entry("v3".to_owned()).or_default() += 1;
            stage.edit(|resource| resource.suspended = false);
            reasons::PLAN_CHANGED
        }
        "two databases were exchanged" => {
            stage.edit(|resource| {
                resource
                    .spec
                    .databases
                    .push(database("b", "p1/public", &[]))
            });
            stage.go(60);
            assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
            stage.exchange();
            reasons::DATABASES_EXCHANGED
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
        "squashed, of which a part is there, beside an applied one" => {
            stage.edit(|resource| resource.spec.preflight.history.unknown = Policy::Warn);
            stage.then(&[same(SECOND), odd("0205_squashed", "s", &[FIRST, "other"])]);
            reasons::SQUASHED_FOUND
        }
        "squashed and marked, with rows beside it" => {
            stage.then(&[
                odd("0300_squashed", "s", &[FIRST, SECOND]),
                odd("0301_rows", "r", &[]),
            ]);
            stage.go(30);
            stage.choose("baseline");
            reasons::UNSEEN_FOUND
        }
        "unknown" => {
            stage.release("v3");
            stage.then(&[same(FIRST), same("0300_base")]);
            reasons::UNKNOWN_FOUND
        }
        "unknown, and rows are pending" => {
            stage.release("v3");
            let rows = odd("0301_rows", "r", &[]);
            stage.then(&[same(FIRST), same("0300_base"), rows]);
            reasons::UNKNOWN_FOUND
        }
        "ahead, and rows are pending" => {
            stage.then(&[same(FIRST), odd("0101_rows", "r", &[])]);
            reasons::AHEAD_FOUND
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
            reasons::BASELINE_NEEDED
        }
        "failed, and nothing is left" => {
            stage.fate(FIRST, Fate::Fails);
            reasons::MIGRATION_FAILED
        }
        "failed, and something is left" => {
            stage.fate(FIRST, Fate::FailsWithTraces);
            reasons::MIGRATION_FAILED
        }
        "the lock was not had" => {
            stage.edit(|resource| resource.spec.timeouts.lock_attempts = 1);
            stage.fate(FIRST, Fate::LockTimeout);
            reasons::LOCK_TIMEOUT
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
        "the ledger is lost" => {
            let half = |stage: &Stage| {
                let entry = stage.world.objects[0].resource.status.databases.first();
                entry.is_some_and(|entry| {
                    entry.phase == DatabasePhase::Migrating && entry.applied > 0
                })
            };
            (0..40).for_each(|_| {
                if !half(&stage) {
                    stage.go(1);
                }
            });
            assert!(half(&stage), "{}", stage.said());
            let content = &mut stage.world.databases.get_mut("p0").unwrap().content;
            content.ledgers.insert("public".to_owned(), None);
            stage.go(60);
            reasons::LEDGER_LOST
        }
        "found cut off beside one that is applied" => {
            stage.tables(&[FIRST]);
            let mut done = stage.world.row(FIRST);
            done.finished_at = Some(done.started_at);
            done.applied_steps_count = 1;
            let left = stage.world.row(FIRST);
            stage.world.rows(TARGET).extend([done, left]);
            reasons::UNFINISHED_ROW_FOUND
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
        other => super::troubles::arrange(&mut stage, other),
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
