//! From what is typed, and the state that was looked at, to a MigrationAction.

use database_migration_operator::api::{
    ActionKind, ActionState, DatabaseMigration, FailedStatus, MigrationActionSpec, RestoreTarget,
    TakenAction, Time,
};
use database_migration_operator::cli::args::{Cli, Goal, Shell, verb};
use database_migration_operator::cli::exit::{Exit, Failure};
use database_migration_operator::cli::request::{self, Wish};
use database_migration_operator::cli::{completion, follow, reached};

use crate::status;

const MIGRATION: &str = "20261122101500_split_name";

fn wish(kind: ActionKind) -> Wish {
    Wish {
        kind,
        reason: Some("see INC-123".to_owned()),
        ..Wish::default()
    }
}

fn spec(resource: &DatabaseMigration, wish: &Wish) -> Result<MigrationActionSpec, Failure> {
    request::spec(resource, wish, "alice@example.com")
}

#[test]
fn what_failed_is_meant_where_nothing_is_said() {
    let marked = spec(&status("failed"), &wish(ActionKind::MarkApplied)).unwrap();
    assert_eq!(
        marked,
        MigrationActionSpec {
            migration: "shop".to_owned(),
            run: "r2-5e1c0a9b".to_owned(),
            action: ActionKind::MarkApplied,
            requested_by: "alice@example.com".to_owned(),
            reason: "see INC-123".to_owned(),
            database: "identity".to_owned(),
            migration_name: MIGRATION.to_owned(),
            ledger_row: "6f1a2b3c-0d4e-4f5a-8b6c-7d8e9f0a1b2c".to_owned(),
            ..MigrationActionSpec::default()
        }
    );
    let down = spec(&status("failed"), &wish(ActionKind::DownMigration)).unwrap();
    assert_eq!(
        (down.database.as_str(), down.migration_name.as_str()),
        ("identity", MIGRATION)
    );
    assert_eq!(down.ledger_row, "");
}

#[test]
fn retry_and_abort_have_a_reason_of_their_own() {
    for kind in [ActionKind::Retry, ActionKind::Abort] {
        let silent = Wish {
            reason: None,
            ..wish(kind)
        };
        let made = spec(&status("failed"), &silent).unwrap();
        assert_eq!(made.reason, format!("{} by kubectl dbm", verb(kind)));
        assert!(made.database.is_empty() && made.plan_hash.is_empty());
    }
}

#[test]
fn all_else_must_say_why() {
    for kind in [
        ActionKind::MarkApplied,
        ActionKind::MarkRolledBack,
        ActionKind::DownMigration,
        ActionKind::Restore,
        ActionKind::Baseline,
        ActionKind::AcceptValidation,
    ] {
        for reason in [None, Some("  "), Some("no"), Some("...")] {
            let silent = Wish {
                reason: reason.map(str::to_owned),
                ..wish(kind)
            };
            let failure = spec(&status("failed"), &silent).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{kind:?} {reason:?}: {failure}");
        }
        let long = Wish {
            reason: Some("x".repeat(501)),
            ..wish(kind)
        };
        assert_eq!(
            spec(&status("failed"), &long).unwrap_err().exit,
            Exit::Usage
        );
    }
}

#[test]
fn a_baseline_is_bound_to_its_plan() {
    let wanted = Wish {
        database: Some("tasks".to_owned()),
        migration: Some("0_init".to_owned()),
        ..wish(ActionKind::Baseline)
    };
    let made = spec(&status("denied"), &wanted).unwrap();
    assert_eq!(
        (made.plan_hash.as_str(), made.database.as_str()),
        ("0a1b2c3d", "tasks")
    );
    let named = Wish {
        plan: Some("ffff".to_owned()),
        ..wanted.clone()
    };
    assert_eq!(spec(&status("denied"), &named).unwrap().plan_hash, "ffff");
    assert_eq!(
        spec(&status("lock"), &wanted).unwrap_err().exit,
        Exit::Human
    );
}

/// What the status offers with `--force` is understood, and only where it means something.
#[test]
fn force_is_typed_where_it_means_something() {
    use clap::Parser;
    let parse = |line: &str| Cli::try_parse_from(line.split(' '));
    for line in [
        "kubectl-dbm retry shop -n production --force",
        "kubectl-dbm baseline shop --database a --migration m --reason why --force",
        "kubectl-dbm mark-applied shop --reason why --force",
        "kubectl-dbm mark-rolled-back shop --reason why --force",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    for line in [
        "kubectl-dbm accept shop --force",
        "kubectl-dbm abort shop --force",
        "kubectl-dbm restore shop --force",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    let down = Wish {
        force: true,
        ..wish(ActionKind::DownMigration)
    };
    assert_eq!(
        spec(&status("failed"), &down).unwrap_err().exit,
        Exit::Usage
    );
}

#[test]
fn a_restore_goes_to_the_restore_point_or_to_what_is_said() {
    let resource = status("failed");
    let target = |text: Option<&str>| {
        let wanted = Wish {
            target: text.map(str::to_owned),
            ..wish(ActionKind::Restore)
        };
        spec(&resource, &wanted).map(|spec| spec.target.unwrap())
    };
    let point = |name: &str| RestoreTarget {
        restore_point: name.to_owned(),
        time: None,
    };
    let at = |text: &str| RestoreTarget {
        time: Some(Time(text.parse().unwrap())),
        ..RestoreTarget::default()
    };
    assert_eq!(target(None).unwrap(), point("dbm-r2-5e1c0a9b"));
    assert_eq!(target(Some("other")).unwrap(), point("other"));
    assert_eq!(
        target(Some("2026-11-22T03:00:00Z")).unwrap(),
        at("2026-11-22T03:00:00Z")
    );
    assert_eq!(target(Some(&"x".repeat(64))).unwrap_err().exit, Exit::Usage);

    // One without a name is gone back to by its time; without any it has to be said.
    let mut nameless = resource.clone();
    let database = &mut nameless.status.as_mut().unwrap().databases[0];
    database.restore_point.as_mut().unwrap().name.clear();
    let made = spec(&nameless, &wish(ActionKind::Restore)).unwrap();
    assert_eq!(made.target.unwrap(), at("2026-11-22T03:02:11Z"));
    nameless.status.as_mut().unwrap().databases[0].restore_point = None;
    let failure = spec(&nameless, &wish(ActionKind::Restore)).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
}

#[test]
fn nothing_is_guessed() {
    let mark = wish(ActionKind::MarkApplied);
    let other = Wish {
        migration: Some("other".to_owned()),
        ..mark.clone()
    };
    assert_eq!(
        spec(&status("failed"), &other).unwrap_err().exit,
        Exit::Usage
    );
    let strange = Wish {
        database: Some("nope".to_owned()),
        ..mark.clone()
    };
    assert_eq!(
        spec(&status("failed"), &strange).unwrap_err().exit,
        Exit::Usage
    );
    let healthy = Wish {
        database: Some("tasks".to_owned()),
        ..mark.clone()
    };
    assert_eq!(
        spec(&status("failed"), &healthy).unwrap_err().exit,
        Exit::Human
    );
    // Nothing failed and there are two databases.
    assert_eq!(spec(&status("good"), &mark).unwrap_err().exit, Exit::Usage);
    // No run yet.
    assert_eq!(
        spec(&status("new"), &wish(ActionKind::Retry))
            .unwrap_err()
            .exit,
        Exit::Human
    );

    let mut both = status("failed");
    let databases = &mut both.status.as_mut().unwrap().databases;
    databases[1].failed = Some(FailedStatus::default());
    assert_eq!(spec(&both, &mark).unwrap_err().exit, Exit::Usage);
    // It failed before it came to a migration: there is no row.
    let named = Wish {
        database: Some("tasks".to_owned()),
        ..mark.clone()
    };
    assert_eq!(spec(&both, &named).unwrap_err().exit, Exit::Human);
    let databases = &mut both.status.as_mut().unwrap().databases;
    databases[0].failed.as_mut().unwrap().ledger_row.clear();
    let named = Wish {
        database: Some("identity".to_owned()),
        ..mark
    };
    assert_eq!(spec(&both, &named).unwrap_err().exit, Exit::Human);
}

#[test]
fn a_named_run_is_taken_as_it_is() {
    let named = Wish {
        run: Some("r1-old".to_owned()),
        ..wish(ActionKind::Retry)
    };
    assert_eq!(spec(&status("failed"), &named).unwrap().run, "r1-old");
}

/// What the resource said before the action is not about what came of it.
#[test]
fn after_an_action_only_a_newer_state_counts() {
    let mut resource = status("failed");
    let retry = spec(&resource, &wish(ActionKind::Retry)).unwrap();
    let mark = spec(&resource, &wish(ActionKind::MarkApplied)).unwrap();
    assert!(!follow::has_followed(&resource, "a", &retry));
    assert!(!follow::has_followed(&resource, "a", &mark));
    let state = resource.status.as_mut().unwrap();
    state.action = Some(TakenAction {
        name: "a".to_owned(),
        state: ActionState::Done,
        ..TakenAction::default()
    });
    assert!(follow::has_followed(&resource, "a", &mark));
    assert!(!follow::has_followed(&resource, "a", &retry));
    assert!(!follow::has_followed(&resource, "b", &mark));
    resource.status.as_mut().unwrap().run.as_mut().unwrap().id = "r3-5e1c0a9b".to_owned();
    assert!(follow::has_followed(&resource, "b", &retry));
}

#[rstest::rstest]
#[case("good", Some(Exit::Done))]
#[case("failed", Some(Exit::Failed))]
#[case("rolled-back", Some(Exit::Human))]
#[case("denied", Some(Exit::Human))]
#[case("smoke-test", Some(Exit::Failed))]
#[case("lock", None)]
#[case("new", None)]
#[case("suspended", None)]
fn waiting_ends_when_it_is_ready_or_needs_somebody(#[case] name: &str, #[case] exit: Option<Exit>) {
    assert_eq!(reached(&status(name), Goal::Ready), exit);
}

#[test]
fn migrated_is_reached_before_ready() {
    let mut resource = status("lock");
    assert_eq!(reached(&resource, Goal::Migrated), None);
    let state = resource.status.as_mut().unwrap();
    let mut condition = state.conditions[0].clone();
    condition.type_ = "Migrated".to_owned();
    condition.status = "True".to_owned();
    condition.observed_generation = Some(1);
    state.conditions.push(condition);
    assert_eq!(
        reached(&resource, Goal::Migrated),
        None,
        "of the spec before"
    );
    let state = resource.status.as_mut().unwrap();
    state.conditions.last_mut().unwrap().observed_generation = Some(2);
    assert_eq!(reached(&resource, Goal::Migrated), Some(Exit::Done));
    assert_eq!(reached(&resource, Goal::Ready), None);
}

#[test]
fn three_shells_complete_both_names() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        for program in ["kubectl-dbm", "dbm"] {
            let script = completion(shell, program);
            assert!(script.contains(program), "{shell:?}");
            assert!(script.contains("mark-rolled-back"), "{shell:?}");
        }
    }
}

/// The page for users names every command.
#[test]
fn the_page_names_every_command() {
    use clap::CommandFactory;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubectl-dbm.md");
    let page = std::fs::read_to_string(page).unwrap();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(page.contains(&format!("kubectl dbm {name}")), "{name}");
    }
}
