//! What is found after the last step, and after the run: by the watch, and by the looks at a finished resource. These wait for the
//! shortest interval that there is, which is a minute: so they stand where they begin first.

use database_migration_operator::api::reasons;
use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn the_watch_finds_what_happens_after_the_last_step() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = identity_resource("shop", &shop("1.0.0"));
        object["spec"]["validation"] = json!({"watch": "30s"});
        object["spec"]["timeouts"] = json!({"observe": "1s"});
        stage.apply(&object).await;
        stage.until_reason("shop", reasons::WATCHING).await;
        db.run(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) \
             VALUES ('11111111-1111-1111-1111-111111111111', 'x', '20270101000000_somebody_elses', 'ERROR: no')",
        )
        .await;
        let failed = stage.until_failed("shop").await;
        assert_eq!(reason(&failed), reasons::FAILED_ROW_FOUND);
        assert_eq!(holds(&failed, reasons::VALIDATED), Some(false));
        assert!(message(&failed).contains("20270101000000_somebody_elses"), "{}", message(&failed));
    })
    .await;
}

#[tokio::test]
async fn what_appears_later_is_said_and_starts_nothing() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = identity_resource("shop", &shop("1.0.0"));
        object["spec"]["interval"] = "1m".into();
        stage.apply(&object).await;
        let ready = stage.until_ready("shop").await;
        // As a restore behind its back does.
        let last = db.applied().await.pop().unwrap();
        db.run(&format!(
            "DELETE FROM _prisma_migrations WHERE migration_name = '{last}'"
        ))
        .await;
        let found = stage.until_reason("shop", reasons::PENDING_FOUND).await;
        assert_eq!(run_id(&found), run_id(&ready));
        assert!(message(&found).contains(&last), "{}", message(&found));
        assert!(
            status(&found)
                .next_command
                .starts_with("kubectl dbm baseline shop"),
            "{}",
            status(&found).next_command
        );
        assert_eq!(stage.attempts("shop"), 1, "nothing starts by itself");
    })
    .await;
}
