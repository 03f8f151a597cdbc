//! The action Restore with commands that fail, hang, do nothing, or restore another database. That a real one brings the
//! rows back is shown by `local-cluster/drill`, on instances of its own: a restore is of a whole instance.

use database_migration_operator::api::{
    ActionOutcome, DatabaseMigration, DatabasePhase, Phase, RunOutcome, reasons,
};
use serde_json::{Value, json};

use crate::harness::*;

/// Takes back what the release did in a database, as a restore to the point before it would.
fn takes_back(variable: &str) -> String {
    format!(
        "const {{ Client }} = require('pg');
         const client = new Client({{ connectionString: process.env.{variable}.split('?')[0] }});
         client.connect().then(() => client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public'))
           .then(() => {{ console.log('back to', process.env.DBM_RESTORE_POINT, process.env.DBM_RESTORE_LSN, process.env.DBM_RESTORE_TIME); process.exit(0); }})
           .catch((error) => {{ console.error(error.message); process.exit(1); }});"
    )
}

fn with_command(script: &str) -> Value {
    let mut object = shop_resource(&shop("1.0.0"));
    object["spec"]["rollback"] = json!({"restore": {
        "image": shop("1.0.0"), "command": ["node", "-e", script], "timeout": "20s"}});
    object
}

/// A release that went well, with the command that Restore would run.
async fn released(stage: &Stage, script: &str) -> (Db, Db, DatabaseMigration) {
    let (identity, tasks) = stage.shop().await;
    stage.apply(&with_command(script)).await;
    let ready = stage.until_ready("shop").await;
    (identity, tasks, ready)
}

fn restore(object: &DatabaseMigration) -> Value {
    let point = database(object, "identity").restore_point.unwrap();
    let target = if point.name.is_empty() {
        json!({"time": point.at})
    } else {
        json!({"restorePoint": point.name})
    };
    action(
        object,
        "Restore",
        &json!({"database": "identity", "target": target}),
    )
}

async fn fails(stage: &Stage, object: &DatabaseMigration, parts: &[&str]) {
    let name = stage.act(restore(object)).await;
    let end = stage
        .until_action(&name, "over", |s| s.state.is_final())
        .await;
    assert_eq!(end.outcome, Some(ActionOutcome::Failed), "{}", end.message);
    for part in parts {
        assert!(
            end.message.contains(part),
            "{part} is not in: {}",
            end.message
        );
    }
    let stopped = stage.until_reason("shop", reasons::RESTORE_FAILED).await;
    assert_eq!(holds(&stopped, reasons::STALLED), Some(true));
    assert_eq!(holds(&stopped, reasons::ROLLED_BACK), Some(false));
    assert_eq!(
        stage.jobs_of("shop", "restore").len(),
        1,
        "it is not tried again"
    );
}

#[tokio::test]
async fn a_restore_ends_the_run_and_only_a_retry_starts_another() {
    Stage::with(async |stage| {
        let (identity, tasks, ready) = released(stage, &takes_back("IDENTITY_DATABASE_URL")).await;
        let point = database(&ready, "identity").restore_point.unwrap();
        assert_eq!(point.run, run_id(&ready));
        assert!(!point.lsn.is_empty() && point.at.is_some(), "{point:?}");
        let kept = tasks.ledger().await;
        let wrong = action(
            &ready,
            "Restore",
            &json!({"database": "identity", "target": {"restorePoint": "dbm-other"}}),
        );
        assert!(stage.refused(wrong).await.contains("give a time"));
        let future = action(
            &ready,
            "Restore",
            &json!({"database": "identity", "target": {"time": "2999-01-01T00:00:00Z"}}),
        );
        assert!(stage.refused(future).await.contains("future"));

        stage.done(restore(&ready)).await;
        let back = stage.until_reason("shop", reasons::ROLLED_BACK).await;
        assert_eq!(status(&back).phase, Some(Phase::RolledBack));
        assert_eq!(outcome(&back), Some(RunOutcome::RolledBack));
        assert_eq!(database(&back, "identity").phase, DatabasePhase::RolledBack);
        assert_eq!(identity.ledger().await, []);
        assert_eq!(tasks.ledger().await, kept);
        assert_eq!(stage.attempts("shop"), 2, "nothing starts by itself");
        stage.done(action(&back, "Retry", &json!({}))).await;
        let again = stage.until_ready("shop").await;
        assert_ne!(run_id(&again), run_id(&ready));
        assert_eq!(identity.applied().await.len(), 7);
        assert_eq!(tasks.ledger().await, kept, "tasks had nothing to do");
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_fails_says_so_in_the_commands_own_words() {
    Stage::with(async |stage| {
        let script = "console.error('no such restore point in the archive'); process.exit(4)";
        let (identity, _, ready) = released(stage, script).await;
        let before = identity.ledger().await;
        let parts = [
            "identity: ",
            "no such restore point in the archive",
            "as it was before",
        ];
        fails(stage, &ready, &parts).await;
        assert_eq!(identity.ledger().await, before);
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_hangs_is_ended_after_its_timeout() {
    Stage::with(async |stage| {
        let (_, _, ready) = released(stage, "setInterval(() => {}, 1000)").await;
        fails(stage, &ready, &["identity: ", "rollback.restore.timeout"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_did_nothing_is_not_believed() {
    Stage::with(async |stage| {
        let (_, _, ready) = released(stage, "console.log('restored')").await;
        fails(stage, &ready, &["identity: ", "still holds"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_restore_of_the_wrong_database_is_said_at_once() {
    Stage::with(async |stage| {
        let (identity, _, ready) = released(stage, &takes_back("TASKS_DATABASE_URL")).await;
        fails(stage, &ready, &["identity: ", "tasks", "another database"]).await;
        assert_eq!(identity.applied().await.len(), 7);
    })
    .await;
}
