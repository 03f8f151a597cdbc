//! The screens, word for word.

use database_migration_operator::api::{
    AcceptedStatus, ActionKind, DatabaseMigration, DatabasePhase, DatabaseStatus, FailedStatus,
    FindingKind, FindingStatus, InstanceStatus, OtherDatabaseStatus, Phase, Policy, TakenAction,
    Time,
};
use database_migration_operator::cli::request::{self, Wish};
use database_migration_operator::cli::screen::{self, Facts, Screen, Stored};
use database_migration_operator::cli::style::Style;
use dbm_protocol::{DatabaseInventory, Migration};

use crate::{now, status, statuses};

fn screen(resource: &DatabaseMigration, width: Option<usize>) -> Screen<'_> {
    Screen {
        resource,
        now: now(),
        width,
        style: Style::PLAIN,
        prisma: &[],
    }
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "goldens",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name.to_owned(), text) });
}

/// The screen that was designed before the code, to the letter.
#[test]
fn a_migration_fails_at_3_a_m() {
    let resource = status("failed");
    let prisma = ["6.19.3".to_owned()];
    let text = screen::status(&Screen {
        prisma: &prisma,
        ..screen(&resource, None)
    });
    golden("failed", &text);
    let wanted = r#"shop (production)  Failed  run r2-5e1c0a9b  2 m ago   image shop-migrations:1.43.0

✔ inventory     18 migrations, Prisma 6.19.3
✔ plan          identity 3 pending, tasks 2 pending
✘ identity      1 of 3 applied; 20261122101500_split_name failed after 0.4 s
  - tasks       not started (comes after identity)

What happened   ERROR: column "full_name" of relation "User" does not exist  (SQLSTATE 42703, undefined column; P3018)
                in statement 3 of 4: UPDATE "User" SET ...
What is left    statements 1 and 2 took effect: column "User"."first_name" added, column "User"."last_name" added
                statement 4 did not run
To undo it      ALTER TABLE "public"."User" DROP COLUMN "last_name";
                ALTER TABLE "public"."User" DROP COLUMN "first_name";
Running now     nothing: Prisma's lock is free, no session of the migration is left

What you can do, safest first
  1  undo it with its down.sql, then release a corrected image
     kubectl dbm down shop -n production --database identity --migration 20261122101500_split_name
  2  finish it by hand in SQL, then tell Prisma so; the run goes on with tasks
     kubectl dbm mark-applied shop -n production --database identity --migration 20261122101500_split_name --reason "..."
  3  go back to the restore point of 03:02:11 (loses what was written since: about 140 commits)
     kubectl dbm restore shop -n production --database identity --target dbm-r2-5e1c0a9b
Logs            kubectl dbm logs shop -n production
"#;
    assert_eq!(text, wanted);
}

#[rstest::rstest]
#[case("good")]
#[case("lock")]
#[case("rolled-back")]
#[case("smoke-test")]
#[case("denied")]
#[case("suspended")]
#[case("new")]
#[case("control-characters")]
fn status_screens(#[case] name: &str) {
    let resource = status(name);
    golden(name, &screen::status(&screen(&resource, Some(110))));
}

#[rstest::rstest]
#[case("lock")]
#[case("good")]
fn live_screens(#[case] name: &str) {
    let resource = status(name);
    golden(
        &format!("{name}-live"),
        &screen::live(&screen(&resource, Some(80))),
    );
}

/// What read the image is gone when it has done so, and what a quota refused never was.
#[test]
fn logs_are_offered_where_there_is_a_pod() {
    use database_migration_operator::api::{StepKind, StepOutcome};
    let mut resource = status("denied");
    let all = &mut resource.status.as_mut().unwrap();
    let Some(run) = &mut all.run else { return };
    run.steps.truncate(1);
    let Some(step) = run.steps.first_mut() else {
        return;
    };
    "shop-inventory-1".clone_into(&mut step.job);
    step.name = StepKind::Inventory;
    for (outcome, expected) in [(StepOutcome::Succeeded, false), (StepOutcome::Failed, true)] {
        let run = resource.status.as_mut().unwrap().run.as_mut().unwrap();
        run.steps[0].outcome = Some(outcome);
        let text = screen::status(&screen(&resource, Some(110)));
        assert_eq!(text.contains("\nLogs  "), expected, "{text}");
    }
}

#[test]
fn a_plan_with_findings() {
    let resource = status("denied");
    golden("denied-plan", &screen::plan(&screen(&resource, None), None));
}

#[test]
fn a_plan_with_its_sql() {
    let resource = status("failed");
    let migration = |name: &str, sql: Option<&str>| Migration {
        name: name.to_owned(),
        sql: sql.map(str::to_owned),
        size: 42,
        ..Migration::default()
    };
    let mut first = migration(
        "20261122101500_split_name",
        Some("ALTER TABLE \"User\" ADD COLUMN first_name text;\r\n-- \x1b[2Jnot hidden\n"),
    );
    first.down_sql = Some("x".to_owned());
    first.notes = Some("Splits the name.\nSee the ticket.".to_owned());
    let stored: Stored = [
        (
            "identity".to_owned(),
            Ok(DatabaseInventory {
                migrations: vec![first, migration("20261122110000_index", None)],
                ..DatabaseInventory::default()
            }),
        ),
        ("tasks".to_owned(), Err("you may not list them".to_owned())),
    ]
    .into();
    golden(
        "failed-plan-sql",
        &screen::plan(&screen(&resource, None), Some(&stored)),
    );
    let value = screen::plan_object(&resource, Some(&stored));
    assert_eq!(value["databases"][0]["pendingCount"], 2);
    let sql = &value["databases"][0]["sql"]["20261122101500_split_name"];
    assert!(sql.as_str().unwrap().starts_with("ALTER TABLE"));
    assert!(value["databases"][1]["sql"]["20261121090000_task_priority"].is_null());
}

/// What Prisma cannot read is said as it is, and not shown as escapes.
#[test]
fn a_plan_with_sql_that_prisma_cannot_apply() {
    let mut resource = status("failed");
    let entry = &mut resource.status.as_mut().unwrap().databases[0];
    entry.pending = ["1_empty", "2_utf16", "3_latin1", "4_big"]
        .map(str::to_owned)
        .into();
    let migration = |name: &str, sql: Option<&str>, why: Option<&str>| Migration {
        name: name.to_owned(),
        sql: sql.map(str::to_owned),
        unreadable: why.map(str::to_owned),
        ..Migration::default()
    };
    let nul = "has a migration.sql with a NUL at byte 3, as a text in UTF-16 has";
    let migrations = vec![
        migration("1_empty", None, Some("has no migration.sql")),
        migration("2_utf16", Some("\u{fffd}\u{fffd}S\0E\0L\0"), Some(nul)),
        migration(
            "3_latin1",
            Some("SELECT 'caf\u{fffd}';"),
            Some("has a migration.sql that is not UTF-8 at byte 11"),
        ),
        migration("4_big", None, None),
    ];
    let inventory = DatabaseInventory {
        migrations,
        ..DatabaseInventory::default()
    };
    let stored: Stored = [("identity".to_owned(), Ok(inventory))].into();
    let text = screen::plan(&screen(&resource, None), Some(&stored));
    for part in [
        "identity: 1_empty\n-- Prisma cannot apply it: it has no migration.sql\n\n",
        "identity: 2_utf16\n-- Prisma cannot apply it: it has a migration.sql with a NUL at byte 3, as a text in UTF-16 has\n\n",
        "identity: 3_latin1\n-- Prisma cannot apply it: it has a migration.sql that is not UTF-8 at byte 11\nSELECT 'caf",
        "identity: 4_big\n-- its text is not stored",
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    assert!(!text.contains("\\x00") && !text.contains('\0'), "{text}");
}

/// Where the image cannot be used, nothing is wrong with the database.
#[test]
fn a_database_that_nobody_came_to_is_not_one_that_cannot_be_read() {
    let mut resource = status("denied");
    let now = resource.status.as_ref().unwrap().databases[0]
        .last_observed_at
        .clone();
    for (observed, seen, expected) in [
        (None, false, "not read yet"),
        (None, true, "not compared with the image yet"),
        (Some("True"), true, "not compared with the image yet"),
        (Some("False"), true, "cannot be read now"),
    ] {
        let status = resource.status.as_mut().unwrap();
        let entry = &mut status.databases[0];
        entry.phase = DatabasePhase::Unknown;
        entry.last_observed_at = now.clone().filter(|_| seen);
        let mut condition = status.conditions[0].clone();
        status
            .conditions
            .retain(|condition| condition.type_ != "Observed");
        if let Some(observed) = observed {
            condition.type_ = "Observed".to_owned();
            condition.status = observed.to_owned();
            status.conditions.push(condition);
        }
        for text in [
            screen::status(&screen(&resource, None)),
            screen::plan(&screen(&resource, None), None),
        ] {
            assert!(text.contains(expected), "{observed:?} {seen}: {text}");
        }
    }
}

#[test]
fn a_table_of_many() {
    let mut resources = vec![status("failed"), status("good"), status("new")];
    resources[1].metadata.name = Some("a-much-longer-name".to_owned());
    let table =
        |namespaces, width| screen::table(&resources, namespaces, now(), width, Style::PLAIN);
    golden(
        "table",
        &format!("{}\n{}", table(false, Some(110)), table(true, None)),
    );
}

#[test]
fn what_a_restore_costs_and_what_is_confirmed() {
    let mut resource = status("failed");
    // The other database has been migrated, too.
    let databases = &mut resource.status.as_mut().unwrap().databases;
    databases[1].applied_by_run = 2;
    databases[0].instance = Some(InstanceStatus {
        others: vec![
            other("tasks_production", &["tasks"]),
            other("audit\u{1b}[2J", &[]),
            other("billing", &[]),
        ],
        others_count: 24,
        same_database: Vec::new(),
    });
    let wish = Wish {
        kind: ActionKind::Restore,
        reason: Some("rows are damaged, INC-123".to_owned()),
        ..Wish::default()
    };
    let spec = request::spec(&resource, &wish, "alice@example.com").unwrap();
    let screen = screen(&resource, Some(100));
    let facts = Facts {
        cluster: "europe-1".to_owned(),
        server: "https://10.0.0.1:6443".to_owned(),
        user: "alice@example.com".to_owned(),
    };
    let text = format!(
        "{}\n{}",
        screen::restore_cost(&screen, &spec),
        screen::confirmation(
            &[screen],
            &[spec],
            &facts,
            screen::does(ActionKind::Restore)
        ),
    );
    golden("restore", &text);
}

fn other(name: &str, of_resource: &[&str]) -> OtherDatabaseStatus {
    OtherDatabaseStatus {
        name: name.to_owned(),
        of_resource: of_resource.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// What a restore's confirmation says of the rest of the server: nothing that is not known.
#[rstest::rstest]
#[case::not_read(None, &["not read yet", "SELECT datname FROM pg_database"], &["Stay ahead      none"])]
#[case::alone(
    Some(InstanceStatus::default()),
    &["On the server   no other database than that of identity"],
    &["whole instance, where", "does not know"]
)]
#[case::one(
    Some(InstanceStatus { others: vec![other("tasks", &["tasks"])], others_count: 1, same_database: Vec::new() }),
    &["1 other database: tasks (of this resource)", "the same moment", "of the whole instance, where", "Stay ahead      tasks (2"],
    &["of this resource) and", "they go"]
)]
#[case::same_database(
    Some(InstanceStatus { others: Vec::new(), others_count: 0, same_database: vec!["tasks".to_owned()] }),
    &["in the same database, and so brought back with it: tasks of this resource", "Stay ahead      none"],
    &["Stay ahead      tasks", "does not know"]
)]
fn what_else_is_on_the_server_of_a_restore(
    #[case] instance: Option<InstanceStatus>,
    #[case] said: &[&str],
    #[case] not_said: &[&str],
) {
    let mut resource = status("failed");
    let databases = &mut resource.status.as_mut().unwrap().databases;
    databases[0].instance = instance;
    databases[1].applied_by_run = 2;
    let wish = Wish {
        kind: ActionKind::Restore,
        reason: Some("rows are damaged, INC-123".to_owned()),
        ..Wish::default()
    };
    let spec = request::spec(&resource, &wish, "alice@example.com").unwrap();
    let text = screen::restore_cost(&screen(&resource, None), &spec);
    for words in said {
        assert!(text.contains(words), "{words}: {text}");
    }
    for words in not_said {
        assert!(!text.contains(words), "{words}: {text}");
    }
}

/// A time that is given, and how old the restore point of an offer is.
#[test]
fn the_time_that_a_restore_loses_is_said() {
    let mut resource = status("failed");
    let wish = Wish {
        kind: ActionKind::Restore,
        target: Some("2026-11-22T02:52:00Z".to_owned()),
        reason: Some("rows are damaged, INC-123".to_owned()),
        ..Wish::default()
    };
    let spec = request::spec(&resource, &wish, "alice@example.com").unwrap();
    let text = screen::restore_cost(&screen(&resource, None), &spec);
    let lost = "everything that anybody has written to this database since 02:52:00 UTC (12 m ago): how much cannot be seen";
    assert!(text.contains(lost), "{text}");
    let known = resource.status.as_mut().unwrap();
    known.choices[2].loses_since = known.databases[0]
        .restore_point
        .as_ref()
        .unwrap()
        .at
        .clone();
    let text = screen::status(&screen(&resource, None));
    assert!(
        text.contains("about 140 commits); it is 2 m old\n"),
        "{text}"
    );
}

/// What ran elsewhere left nothing that is seen here: nothing is said of it but the message.
#[rstest::rstest]
#[case(true)]
#[case(false)]
fn what_is_left_is_not_guessed_of_what_ran_elsewhere(#[case] elsewhere: bool) {
    let mut resource = status("failed");
    let known = resource.status.as_mut().unwrap();
    known.databases[0].failed = Some(FailedStatus {
        elsewhere,
        ..FailedStatus::default()
    });
    let text = screen::status(&screen(&resource, None));
    assert_eq!(
        text.contains("What is left    unknown"),
        !elsewhere,
        "{text}"
    );
}

/// A line of the output that was denied, and accepted.
#[test]
fn who_accepted_a_line_of_the_output_is_said() {
    let mut resource = status("good");
    resource.status.as_mut().unwrap().databases[0].findings = vec![FindingStatus {
        line: Some(7),
        text: "rows truncated".to_owned(),
        accepted: Some(AcceptedStatus {
            by: "alice@example.com".to_owned(),
            reason: "they are copies".to_owned(),
        }),
        ..FindingStatus::new(FindingKind::Log, "", Policy::Warn)
    }];
    let text = screen::status(&screen(&resource, None));
    let said = "output, line 7: rows truncated; accepted by alice@example.com: they are copies\n";
    assert!(text.contains(said), "{text}");
}

/// The message of what was cut off tells what is left, too: on the screen each fact stands once.
#[test]
fn what_is_left_is_not_said_in_the_message_and_below_it() {
    let mut resource = status("failed");
    let known = resource.status.as_mut().unwrap();
    let failed = known.databases[0].failed.as_mut().unwrap();
    failed.code.clear();
    failed.sql_state.clear();
    failed.summary = "its connection was lost".to_owned();
    failed.left = vec![
        "statement 1 took effect: column \"User\".\"m\" added".to_owned(),
        "unknown: whether statement 2 changed rows; to see: SELECT 1".to_owned(),
    ];
    known.message = "identity: 2_m did not come to its end: its connection was lost. Statement 1 took effect: column \"User\".\"m\" added. Unknown: whether statement 2 changed rows; to see: `SELECT 1`. Decide.".to_owned();
    let ready = known.conditions.iter_mut().find(|it| it.type_ == "Ready");
    ready.unwrap().reason = "MigrationUnfinished".to_owned();
    let text = screen::status(&screen(&resource, None));
    for once in ["its connection was lost", "\"m\" added", "SELECT 1"] {
        assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
    }
    assert!(text.contains("was lost. Decide."), "{text}");
}

/// What was left is shown before a mark, and whether the catalog counts.
#[test]
fn what_is_marked_is_confirmed_with_what_was_left() {
    let resource = status("failed");
    let confirmed = |kind: ActionKind, force: bool| {
        let wish = Wish {
            kind,
            force,
            reason: Some("see INC-123".to_owned()),
            ..Wish::default()
        };
        let spec = request::spec(&resource, &wish, "alice@example.com").unwrap();
        assert_eq!(spec.force, force);
        let screens = [screen(&resource, None)];
        let facts = Facts::default();
        screen::confirmation(&screens, &[spec], &facts, screen::does(kind))
    };
    let failed = resource.status.as_ref().unwrap().databases[0]
        .failed
        .clone()
        .unwrap();
    assert!(!failed.left.is_empty());
    for kind in [ActionKind::MarkApplied, ActionKind::MarkRolledBack] {
        let checked = confirmed(kind, false);
        assert!(checked.contains(&failed.left[0]), "{checked}");
        assert!(
            checked.contains("it is refused where the catalog"),
            "{checked}"
        );
        assert!(!checked.contains("Forced"), "{checked}");
        let forced = confirmed(kind, true);
        assert!(
            forced.contains("Forced") && forced.contains("does not count"),
            "{forced}"
        );
    }
    let retry = confirmed(ActionKind::Retry, false);
    assert!(
        !retry.contains("Checked") && !retry.contains(&failed.left[0]),
        "{retry}"
    );
    assert!(confirmed(ActionKind::Retry, true).contains("left to Prisma"));
}

/// A failure that was marked rolled back is so since that, and not since it failed.
#[test]
fn a_state_is_as_old_as_what_led_to_it() {
    let mut resource = status("failed");
    let head = |resource: &DatabaseMigration| {
        let text = screen::status(&screen(resource, None));
        text.lines().next().unwrap_or_default().to_owned()
    };
    assert!(
        head(&resource).contains("  2 m ago "),
        "{}",
        head(&resource)
    );
    let at = |ago: i64| Time(now() - jiff::SignedDuration::from_secs(ago));
    let mut set = |started: i64, finished: Option<i64>| {
        resource.status.as_mut().unwrap().action = Some(TakenAction {
            action: ActionKind::MarkRolledBack,
            started_at: Some(at(started)),
            finished_at: finished.map(at),
            ..TakenAction::default()
        });
        head(&resource)
    };
    assert!(set(7, Some(3)).contains("  3 s ago "));
    assert!(set(7, None).contains("  for 7 s "));
    let before = set(4000, Some(3900));
    assert!(before.contains("  2 m ago "), "{before}");
}

/// A queued action fires when the annotation is taken away, which may be weeks later.
#[test]
fn an_action_on_a_frozen_resource_is_said_to_be_queued() {
    let mut resource = status("good");
    let confirmed = |resource: &DatabaseMigration| {
        let wish = Wish {
            kind: ActionKind::Retry,
            ..Wish::default()
        };
        let spec = request::spec(resource, &wish, "alice@example.com").unwrap();
        screen::confirmation(
            &[screen(resource, None)],
            &[spec],
            &Facts::default(),
            "retry",
        )
    };
    assert!(!confirmed(&resource).contains("queued"));
    resource.metadata.annotations =
        Some([("dbops.dev/reconcile".to_owned(), "disabled".to_owned())].into());
    let text = confirmed(&resource);
    let command = "kubectl annotate databasemigration shop -n production dbops.dev/reconcile-";
    for part in ["frozen", "queued", command] {
        assert!(text.contains(part), "{text}");
    }
}

/// The image cannot be pulled: that says nothing of the databases, which could be read.
#[test]
fn what_could_be_read_is_not_said_to_be_unreadable() {
    let mut resource = status("new");
    let mut state = status("good").status.unwrap();
    state.phase = Some(Phase::Planning);
    state.message = "identity: the password is wrong".to_owned();
    for database in &mut state.databases {
        database.phase = DatabasePhase::Unknown;
        database.inventory_hash.clear();
        database.last_observed_at = Some(Time(now()));
    }
    resource.status = Some(state);
    let shown = |resource: &DatabaseMigration| {
        let screen = screen(resource, None);
        [screen::status(&screen), screen::plan(&screen, None)]
    };
    for text in shown(&resource) {
        assert!(!text.contains("cannot be read"), "{text}");
        assert!(text.contains("not compared with the image yet"), "{text}");
        assert!(text.contains("the password is wrong"), "{text}");
    }
    let observed = serde_json::json!({"type": "Observed", "status": "False", "reason": "AuthenticationFailed", "message": "",
        "lastTransitionTime": "2026-11-22T03:02:14Z"});
    let state = resource.status.as_mut().unwrap();
    state
        .conditions
        .retain(|condition| condition.type_ != "Observed");
    state
        .conditions
        .push(serde_json::from_value(observed).unwrap());
    for text in shown(&resource) {
        assert_eq!(text.matches("cannot be read now").count(), 1, "{text}");
    }
}

/// A database without a ledger has no counts, and the image was read all the same.
#[test]
fn an_image_that_was_read_is_not_said_to_hold_nothing() {
    let mut resource = status("good");
    let state = resource.status.as_mut().unwrap();
    for database in &mut state.databases {
        *database = DatabaseStatus {
            name: database.name.clone(),
            inventory_hash: "h".to_owned(),
            last_observed_at: Some(Time(now())),
            ..DatabaseStatus::default()
        };
    }
    let text = screen::status(&screen(&resource, None));
    assert!(text.contains("the image is read"), "{text}");
    for part in ["0 migrations", "not compared"] {
        assert!(!text.contains(part), "{text}");
    }
}

/// What came of the last action may be what happened, and is said once.
#[test]
fn what_happened_is_not_repeated_as_the_last_action() {
    let mut resource = status("rolled-back");
    let state = resource.status.as_mut().unwrap();
    let text = "identity: 20261122101500_split_name was undone by its down.sql";
    text.clone_into(&mut state.action.as_mut().unwrap().message);
    let text = screen::status(&screen(&resource, None));
    assert_eq!(
        text.matches("was undone by its down.sql").count(),
        1,
        "{text}"
    );
    let plan = screen::plan(&screen(&resource, None), None);
    assert!(plan.contains("it failed, and was undone"), "{plan}");
}

/// Whatever the status holds, nothing of it commands the terminal; in no screen, at no width.
#[test]
fn no_screen_lets_a_control_character_through() {
    for entry in std::fs::read_dir(statuses()).unwrap() {
        let name = entry.unwrap().path();
        let resource = status(name.file_stem().unwrap().to_str().unwrap());
        for width in [None, Some(1), Some(40), Some(80), Some(200)] {
            let screen = screen(&resource, width);
            let texts = [
                screen::status(&screen),
                screen::live(&screen),
                screen::plan(&screen, Some(&Stored::new())),
                screen::table(
                    std::slice::from_ref(&resource),
                    true,
                    now(),
                    width,
                    Style::PLAIN,
                ),
            ];
            for text in texts {
                let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
                assert!(!text.contains(bad), "{name:?} {width:?}: {text:?}");
            }
        }
    }
}

/// The live screen never breaks a line by itself: it counts lines to redraw them.
#[test]
fn live_lines_fit_the_terminal() {
    let resource = status("lock");
    for line in screen::live(&screen(&resource, Some(80))).lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}

/// What a session does that waits for nobody stands beside its migration.
#[test]
fn what_a_migration_does_is_shown() {
    let mut resource = status("lock");
    let shown = resource.status.as_mut().unwrap();
    let current = shown.databases[0].current.as_mut().unwrap();
    "CREATE INDEX makes progress: building index, 45 % of the blocks of this phase"
        .clone_into(&mut current.activity);
    let text = screen::status(&screen(&resource, None));
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "20261122110000_index runs for 38 s: CREATE INDEX makes progress: building index, 45 % of the blocks of this phase";
    assert!(joined.contains(expected), "{text}");
}

/// Nobody looks at a run that has ended as long as it stands: what is left may be undone by now. And of which run a failure is.
#[test]
fn what_was_seen_long_ago_is_said_to_be_so() {
    let mut resource = status("failed");
    let known = resource.status.as_mut().unwrap();
    let ago = |seconds| Some(Time(now() - jiff::SignedDuration::from_secs(seconds)));
    known.databases[0].last_observed_at = ago(300);
    let text = screen::status(&screen(&resource, None));
    assert!(text.contains("that was seen 5 m ago"), "{text}");
    assert!(!text.contains("in an earlier run"), "{text}");
    let known = resource.status.as_mut().unwrap();
    known.databases[0].last_observed_at = ago(100);
    known.databases[0].failed.as_mut().unwrap().corrected = true;
    let ready = known.conditions.iter_mut().find(|it| it.type_ == "Ready");
    ready.unwrap().reason = "FailedRowFound".to_owned();
    let text = screen::status(&screen(&resource, None));
    assert!(!text.contains("that was seen"), "{text}");
    let earlier =
        "_split_name failed in an earlier run, with a text that this image does not hold: ERROR";
    assert!(text.contains(earlier), "{text}");
}
