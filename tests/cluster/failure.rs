//! Releases that fail, and their correction.

use database_migration_operator::api::{DatabasePhase, RunOutcome, reasons};

use crate::harness::*;

const SPLIT_NAME: &str = "20261122101500_split_name";
const UNIQUE_LABELS: &str = "20261124103000_unique_labels";

#[tokio::test]
async fn a_failure_in_the_first_database_stops_the_run_and_its_correction_goes_on_by_itself() {
    Stage::with(async |stage| {
        let (identity, tasks) = stage.shop().await;
        stage.apply(&shop_resource(&shop("1.2.0"))).await;
        let failed = stage.until_failed("shop").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
        assert_eq!(outcome(&failed), Some(RunOutcome::Failed));
        let text = message(&failed);
        for part in [
            "identity",
            SPLIT_NAME,
            "full_name",
            "42703",
            "P3018",
            "Not started: tasks",
        ] {
            assert!(text.contains(part), "{part} in: {text}");
        }
        assert!(
            status(&failed).next_command.contains("kubectl"),
            "{}",
            status(&failed).next_command
        );
        let found = database(&failed, "identity").failed.unwrap();
        let row = identity
            .ledger()
            .await
            .into_iter()
            .find(|row| row.name == SPLIT_NAME)
            .unwrap();
        assert_eq!(found.name, SPLIT_NAME);
        assert_eq!(found.code, "P3018");
        assert_eq!(found.sql_state, "42703");
        assert_eq!(found.ledger_row, row.id);
        assert_eq!(database(&failed, "tasks").phase, DatabasePhase::Skipped);
        assert_eq!(tasks.ledger().await, []);
        assert_eq!(stage.attempts("shop"), 1);
        stage
            .until_events("shop", reasons::MIGRATION_FAILED, 1)
            .await;

        stage.apply(&shop_resource(&shop("1.2.1"))).await;
        let blocked = stage.until_reason("shop", reasons::FAILED_ROW_FOUND).await;
        let next = status(&blocked).next_command;
        assert!(
            // The down.sql beside the corrected text is not that of what ran.
            next.starts_with("kubectl dbm psql shop ")
                && next.contains(" --if-open ")
                && next.contains("kubectl dbm mark-rolled-back shop ")
                && next.contains(SPLIT_NAME),
            "{next}"
        );
        assert!(message(&blocked).contains("goes on by itself"));
        assert_eq!(holds(&blocked, reasons::STALLED), Some(true));

        identity.mark_rolled_back(SPLIT_NAME).await;
        stage.until_ready("shop").await;
        assert_eq!(identity.applied().await.len(), 11);
        assert_eq!(tasks.applied().await.len(), 9);
    })
    .await;
}

#[tokio::test]
async fn a_failure_in_the_second_database_keeps_the_first_and_tells_no_row_value() {
    Stage::with(async |stage| {
        let (identity, tasks) = stage.shop().await;
        stage.apply(&shop_resource(&shop("1.2.1"))).await;
        stage.until_ready("shop").await;
        // A value of a row that a unique index cannot bear, and that nobody but the database may know.
        let secret_value = format!("geheim-{}", stage.role);
        tasks
            .run(&format!(
                "INSERT INTO \"Label\" (\"name\") VALUES ('{secret_value}'), (upper('{secret_value}'))"
            ))
            .await;
        tasks.run("DELETE FROM \"Label\" WHERE \"name\" IN ('bug', 'wontfix')").await;

        stage.apply(&shop_resource(&shop("1.3.0"))).await;
        let failed = stage.until_failed("shop").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
        assert_eq!(database(&failed, "identity").phase, DatabasePhase::Succeeded);
        assert_eq!(database(&failed, "tasks").phase, DatabasePhase::Failed);
        let found = database(&failed, "tasks").failed.unwrap();
        assert_eq!(found.name, UNIQUE_LABELS);
        assert_eq!(found.sql_state, "23505");
        assert!(message(&failed).contains("tasks") && message(&failed).contains("23505"));
        assert_eq!(identity.applied().await.len(), 12);
        assert_eq!(stage.mentions(&[&secret_value]).await, Vec::<String>::new());

        stage.apply(&shop_resource(&shop("1.3.1"))).await;
        stage.until_reason("shop", reasons::FAILED_ROW_FOUND).await;
        tasks.mark_rolled_back(UNIQUE_LABELS).await;
        stage.until_ready("shop").await;
        assert_eq!(tasks.applied().await.len(), 10);
        assert_eq!(stage.mentions(&[&secret_value]).await, Vec::<String>::new());
    })
    .await;
}
