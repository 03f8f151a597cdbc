//! Ledgers that do not fit the image in every respect.

use database_migration_operator::api::{DatabaseMigration, FindingKind, Policy, reasons};
use serde_json::json;

use crate::harness::*;

fn finding(object: &DatabaseMigration, kind: FindingKind) -> Option<(String, Policy)> {
    let found = database(object, "identity").findings;
    let found = found.into_iter().find(|finding| finding.kind == kind);
    found.map(|finding| (finding.migration, finding.policy))
}

#[tokio::test]
async fn edited_older_and_late_migrations_are_judged_as_the_policy_says() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        stage.until_ready("shop").await;
        let ledger = db.ledger().await;
        let sessions = "20260310140000_sessions";

        let mut edited = identity_resource("shop", &variant("edited"));
        stage.apply(&edited).await;
        let warned = stage.until_ready("shop").await;
        assert_eq!(
            finding(&warned, FindingKind::Edited),
            Some((sessions.to_owned(), Policy::Warn))
        );

        edited["spec"]["preflight"] = json!({"history": {"edited": "Deny"}});
        stage.apply(&edited).await;
        let denied = stage.until_reason("shop", reasons::EDITED_FOUND).await;
        let text = message(&denied);
        assert!(
            text.starts_with("identity: ") && text.contains(sessions),
            "{text}"
        );
        assert!(text.contains("preflight.history.edited"), "{text}");
        assert_eq!(holds(&denied, reasons::PREFLIGHT_PASSED), Some(false));

        edited["spec"]["preflight"]["history"]["since"] = "20260401".into();
        stage.apply(&edited).await;
        let shown = stage.until_ready("shop").await;
        assert_eq!(
            finding(&shown, FindingKind::Edited),
            Some((sessions.to_owned(), Policy::Ignore))
        );

        stage
            .apply(&identity_resource("shop", &variant("older")))
            .await;
        let ahead = stage.until_ready("shop").await;
        assert_eq!(reason(&ahead), reasons::DATABASE_AHEAD);
        assert_eq!(database(&ahead, "identity").findings_count, 2);
        assert_eq!(db.ledger().await, ledger);
        assert_eq!(stage.attempts("shop"), 1, "no Job since the first release");

        stage
            .apply(&identity_resource("shop", &variant("out-of-order")))
            .await;
        let late = stage.until_ready("shop").await;
        let found = finding(&late, FindingKind::OutOfOrder);
        assert_eq!(
            found,
            Some(("20260815120000_user_locale".to_owned(), Policy::Warn))
        );
        assert_eq!(db.applied().await.len(), 10);
    })
    .await;
}

#[tokio::test]
async fn names_with_blanks_and_letters_of_any_language_are_migrated() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &variant("names")))
            .await;
        stage.until_ready("shop").await;
        let applied = db.applied().await;
        assert_eq!(applied.last().unwrap(), "20261101090000_größe der Sitzung");
        let told = stage.until_events("shop", "DatabaseMigrated", 1).await;
        assert!(told[0].contains("größe der Sitzung"), "{told:?}");
    })
    .await;
}
