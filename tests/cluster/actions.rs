//! What humans decide after a failure: each action to its end, refused where it does not fit.

use database_migration_operator::api::{
    ActionOutcome, ActionState, DatabaseMigration, DatabasePhase, Phase, RunOutcome, reasons,
};
use serde_json::json;

use crate::harness::*;

const SPLIT_NAME: &str = "20261122101500_split_name";

/// Two of the four statements of a migration of identity took effect; tasks was not started.
async fn half_way(stage: &Stage) -> DatabaseMigration {
    stage.apply(&shop_resource(&shop("1.2.0"))).await;
    let failed = stage.until_failed("shop").await;
    assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
    failed
}

fn row(failed: &DatabaseMigration) -> String {
    database(failed, "identity").failed.unwrap().ledger_row
}

fn of_split_name(failed: &DatabaseMigration, kind: &str) -> serde_json::Value {
    let mut more = json!({"database": "identity", "migrationName": SPLIT_NAME});
    if kind.starts_with("Mark") {
        more["ledgerRow"] = row(failed).into();
    }
    action(failed, kind, &more)
}

#[tokio::test]
async fn what_is_left_is_told_and_a_migration_finished_by_hand_is_marked_applied() {
    Stage::with(async |stage| {
        let (identity, tasks) = stage.shop().await;
        let failed = half_way(stage).await;
        let found = database(&failed, "identity").failed.unwrap();
        let left = found.left.join("; ");
        for part in ["statements 1 and 2 took effect", "first_name", "last_name"] {
            assert!(left.contains(part), "{part} is not in: {left}");
        }
        assert_eq!(found.statement.as_ref().map(|it| it.number), Some(3), "{found:?}");
        assert!(found.has_down);
        let commands: Vec<String> = status(&failed).choices.into_iter().map(|c| c.command).collect();
        assert!(commands[0].starts_with("kubectl dbm down shop -n "), "{commands:?}");
        assert!(commands[1].starts_with("kubectl dbm mark-applied shop -n "), "{commands:?}");
        assert_eq!(status(&failed).next_command, commands[0]);

        identity
            .run("ALTER TABLE \"User\" ADD CONSTRAINT \"User_last_name_check\" CHECK (\"last_name\" <> '')")
            .await;
        // The rows that statement 3 was to change nobody can see in the catalog.
        let why = stage.refused(of_split_name(&failed, "MarkApplied")).await;
        assert!(why.contains("statement 3 (UPDATE \"User\" SET ...)"), "{why}");
        let mut looked = of_split_name(&failed, "MarkApplied");
        looked["force"] = true.into();
        stage.done(looked).await;
        let ready = stage.until_ready("shop").await;
        assert_eq!(run_id(&ready), run_id(&failed), "the run goes on");
        assert_eq!(outcome(&ready), Some(RunOutcome::Succeeded));
        assert!(database(&ready, "identity").failed.is_none());
        assert!(identity.applied().await.contains(&SPLIT_NAME.to_owned()));
        assert_eq!(tasks.applied().await.len(), 9);
        let history = status(&ready).history;
        assert_eq!(history.len(), 1, "{history:?}");
        assert_eq!(stage.attempts("shop"), 3, "one Job failed, one went on, one for tasks");
    })
    .await;
}

#[tokio::test]
async fn a_down_migration_undoes_it_and_nothing_starts_by_itself_but_a_corrected_release() {
    Stage::with(async |stage| {
        let (identity, tasks) = stage.shop().await;
        let failed = half_way(stage).await;
        // Whatever dies meanwhile, it is carried out once.
        let name = stage.act(of_split_name(&failed, "DownMigration")).await;
        stage
            .until_action(&name, "running", |s| s.state == ActionState::Running)
            .await;
        stage.with_operator(|operator| operator.restart(None));
        let end = stage
            .until_action(&name, "over", |s| s.state.is_final())
            .await;
        assert_eq!(
            end.outcome,
            Some(ActionOutcome::Succeeded),
            "{}",
            end.message
        );
        let undone = stage.until_reason("shop", reasons::ROLLED_BACK).await;
        assert_eq!(status(&undone).phase, Some(Phase::RolledBack));
        assert_eq!(outcome(&undone), Some(RunOutcome::RolledBack));
        assert_eq!(status(&undone).history[0].outcome, RunOutcome::RolledBack);
        assert_eq!(holds(&undone, reasons::ROLLED_BACK), Some(true));
        assert_eq!(
            database(&undone, "identity").phase,
            DatabasePhase::RolledBack
        );
        let columns = "SELECT count(*) FROM information_schema.columns \
            WHERE table_name = 'User' AND column_name IN ('first_name', 'last_name')";
        assert_eq!(identity.number(columns).await, 0);
        let row = identity
            .ledger()
            .await
            .into_iter()
            .find(|row| row.name == SPLIT_NAME)
            .unwrap();
        assert!(row.rolled_back && !row.finished);
        assert_eq!(tasks.ledger().await, []);
        assert_eq!(stage.jobs_of("shop", "down").len(), 1);
        // Once more, as a second delivery would: nothing is done twice.
        let why = stage.refused(of_split_name(&failed, "DownMigration")).await;
        assert!(why.contains("rolled back already"), "{why}");

        stage.apply(&shop_resource(&shop("1.2.1"))).await;
        stage.until_ready("shop").await;
        assert_eq!(tasks.applied().await.len(), 9);
    })
    .await;
}

#[tokio::test]
async fn a_down_sql_that_fails_half_way_leaves_nothing_and_stops() {
    Stage::with(async |stage| {
        let (identity, _tasks) = stage.shop().await;
        let failed = half_way(stage).await;
        // Its third statement cannot drop this column.
        identity.run("CREATE VIEW names AS SELECT \"first_name\" FROM \"User\"").await;
        let name = stage.act(of_split_name(&failed, "DownMigration")).await;
        let end = stage.until_action(&name, "over", |s| s.state.is_final()).await;
        assert_eq!(end.outcome, Some(ActionOutcome::Failed), "{}", end.message);
        for part in ["identity: ", SPLIT_NAME, "down.sql", "nothing of it took effect"] {
            assert!(end.message.contains(part), "{part} is not in: {}", end.message);
        }
        let stopped = stage.until_reason("shop", reasons::ROLLBACK_FAILED).await;
        assert_eq!(holds(&stopped, reasons::STALLED), Some(true));
        assert_eq!(holds(&stopped, reasons::ROLLED_BACK), Some(false));
        let columns = "SELECT count(*) FROM information_schema.columns \
            WHERE table_name = 'User' AND column_name IN ('first_name', 'last_name')";
        assert_eq!(identity.number(columns).await, 2, "the second statement was undone, too");
        // By hand, then.
        identity
            .run("DROP VIEW names; ALTER TABLE \"User\" DROP COLUMN \"first_name\", DROP COLUMN \"last_name\"")
            .await;
        stage.done(of_split_name(&failed, "MarkRolledBack")).await;
        stage.until_reason("shop", reasons::ROLLED_BACK).await;
        let done = stage.done(action(&failed, "Retry", &json!({}))).await;
        assert!(done.message.contains("began"), "{}", done.message);
        // The same image, the same failure, in a run of its own.
        let again = stage
            .until("shop", "failed again", |object| {
                run_id(object) != run_id(&failed) && reason(object) == reasons::MIGRATION_FAILED
            })
            .await;
        assert_ne!(row(&again), row(&failed));
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_reason() {
    Stage::with(async |stage| {
        let (identity, _tasks) = stage.shop().await;
        let failed = half_way(stage).await;
        let good = of_split_name(&failed, "MarkApplied");
        let with = |key: &str, value: &str| {
            let mut spec = good.clone();
            spec[key] = value.into();
            spec
        };
        let before = identity.ledger().await;
        for (spec, part) in [
            (with("run", "r99-00000000"), "kubectl dbm status shop"),
            (with("database", "orders"), "it has: identity, tasks"),
            (with("database", "tasks"), "no row"),
            (with("migrationName", "20260310140000_sessions"), "not of"),
            (
                with("ledgerRow", "00000000-0000-0000-0000-000000000000"),
                "no row",
            ),
            (with("migration", "nobody"), "no DatabaseMigration nobody"),
            (action(&failed, "Abort", &json!({})), "has ended already"),
            (
                action(&failed, "AcceptValidation", &json!({})),
                "nothing to accept",
            ),
            (
                action(
                    &failed,
                    "Restore",
                    &json!({"database": "identity", "target": {"restorePoint": "x"}}),
                ),
                "spec.rollback.restore",
            ),
            (
                action(
                    &failed,
                    "Baseline",
                    &json!({"database": "identity", "migrationName": SPLIT_NAME, "planHash": "0"}),
                ),
                "plan has changed",
            ),
            (
                action(
                    &failed,
                    "DownMigration",
                    &json!({"database": "identity", "migrationName": "20260310140000_sessions"}),
                ),
                "down.sql",
            ),
        ] {
            let why = stage.refused(spec.clone()).await;
            assert!(why.contains(part), "{spec}: {part} is not in: {why}");
        }
        assert_eq!(identity.ledger().await, before, "nothing was done");
        assert!(stage.jobs_of("shop", "resolve").is_empty());
        assert!(stage.jobs_of("shop", "down").is_empty());
        let taken = stage.ever("shop", |object| status(object).action.is_some());
        assert!(!taken, "none was taken up");
        let told = stage.until_events("shop", "ActionRefused", 10).await;
        assert!(told.iter().all(|text| text.contains("refused")), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn an_abort_ends_the_run_before_its_next_step_and_kills_nothing() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let other = stage.database(Server::Tasks, "tasks").await;
        let mut object = slow("slow");
        object["spec"]["databases"]
            .as_array_mut()
            .unwrap()
            .push(json!({
                "name": "tasks",
                "connection": {"secretKeyRef": {"name": "tasks-db"}},
                "prisma": {"schema": TASKS_SCHEMA},
            }));
        stage.apply(&object).await;
        let running = until_slow(stage, "slow").await;
        // Nothing else may be decided meanwhile.
        let why = stage.refused(action(&running, "Retry", &json!({}))).await;
        assert!(why.contains("at work"), "{why}");
        let name = stage.act(action(&running, "Abort", &json!({}))).await;
        stage
            .until_action(&name, "running", |s| s.state == ActionState::Running)
            .await;
        let why = stage.refused(action(&running, "Retry", &json!({}))).await;
        assert!(why.contains(&name), "{why}");
        let end = stage
            .until_action(&name, "over", |s| s.state.is_final())
            .await;
        assert_eq!(
            end.outcome,
            Some(ActionOutcome::Succeeded),
            "{}",
            end.message
        );
        let ended = stage.until_reason("slow", reasons::ABORTED).await;
        assert_eq!(outcome(&ended), Some(RunOutcome::Aborted));
        assert_eq!(
            db.applied().await.len(),
            8,
            "the running migration came to its end"
        );
        assert_eq!(other.ledger().await, []);
        stage.done(action(&ended, "Retry", &json!({}))).await;
        stage.until_ready("slow").await;
        assert!(!other.ledger().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_database_without_a_ledger_is_baselined_as_far_as_its_objects_go() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("first", &shop("1.0.0")))
            .await;
        stage.until_ready("first").await;
        let names = db.applied().await;
        let (last, second_last) = (names[6].clone(), names[5].clone());
        db.run("DROP TABLE _prisma_migrations").await;
        let objects = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let before = db.number(objects).await;

        let other = db.url().replace("?schema", "?application_name=x&schema");
        stage.secret("same-db", &[("DATABASE_URL", &other)]).await;
        let mut object = identity_resource("shop", &shop("1.1.0"));
        object["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] = "same-db".into();
        stage.apply(&object).await;
        let blocked = stage.until_reason("shop", reasons::BASELINE_NEEDED).await;
        let commands = status(&blocked).choices;
        assert!(
            commands[0].command.starts_with("kubectl dbm baseline shop"),
            "{commands:?}"
        );
        let plan = status(&blocked).plan_hash;
        let baseline = |migration: &str| {
            action(
                &blocked,
                "Baseline",
                &json!({"database": "identity", "migrationName": migration, "planHash": plan}),
            )
        };
        // 1.1.0 has one more, whose objects are not there.
        let why = stage
            .refused(baseline("20261119101500_add_session_index"))
            .await;
        assert!(why.contains("not everything"), "{why}");
        stage.done(baseline(&second_last)).await;
        // One is left that is there already: Prisma fails on it, which is what a wrong baseline leads to.
        let failed = stage.until_failed("shop").await;
        let found = database(&failed, "identity").failed.unwrap();
        assert_eq!(found.name, last);
        let applied = action(
            &failed,
            "MarkApplied",
            &json!({
            "database": "identity", "migrationName": last, "ledgerRow": found.ledger_row}),
        );
        stage.done(applied).await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 9);
        assert!(db.number(objects).await >= before);
    })
    .await;
}

#[tokio::test]
async fn a_clean_failure_is_reverted_where_the_policy_says_so() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        stage.until_ready("shop").await;
        // The only statement of the migration meets its column, and changes nothing.
        db.run("ALTER TABLE \"User\" ADD COLUMN \"nickname\" TEXT")
            .await;
        let mut object = identity_resource("shop", &variant("lock"));
        object["spec"]["rollback"] = json!({"onMigrationFailure": "RevertIfClean"});
        stage.apply(&object).await;
        let undone = stage.until_reason("shop", reasons::ROLLED_BACK).await;
        assert_eq!(outcome(&undone), Some(RunOutcome::RolledBack));
        assert!(
            message(&undone).contains("left no trace"),
            "{}",
            message(&undone)
        );
        let rows = db.ledger().await;
        assert!(rows.last().unwrap().rolled_back, "{rows:?}");
        stage
            .until_events("shop", reasons::MIGRATION_FAILED, 1)
            .await;
        assert_eq!(stage.attempts("shop"), 2, "it does not come back by itself");

        // Without the policy the same stays. All that the migration does is there, as somebody made it by hand: the choice that
        // says so is checked, and comes first.
        object["spec"]["rollback"] = json!({});
        stage.apply(&object).await;
        let failed = stage.until_failed("shop").await;
        let choices = status(&failed).choices;
        for (choice, verb) in choices.iter().zip(["mark-applied", "mark-rolled-back"]) {
            assert!(
                choice.command.starts_with(&format!("kubectl dbm {verb} ")),
                "{choice:?}"
            );
        }
    })
    .await;
}
