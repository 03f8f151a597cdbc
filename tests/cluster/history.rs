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

/// Row 25 to 27 with Deny: each is said before any Job, and a policy that is mended goes on by itself.
#[tokio::test]
async fn what_the_policy_denies_starts_nothing() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        stage.until_ready("shop").await;
        let ledger = db.ledger().await;
        let applied = ledger.last().unwrap().name.clone();

        let mut ahead = identity_resource("shop", &variant("older"));
        ahead["spec"]["preflight"] = json!({"history": {"ahead": "Deny"}});
        stage.apply(&ahead).await;
        let denied = stage.until_reason("shop", reasons::AHEAD_FOUND).await;
        assert!(message(&denied).contains(&applied), "{}", message(&denied));

        let mut late = identity_resource("shop", &variant("out-of-order"));
        late["spec"]["preflight"] = json!({"history": {"outOfOrder": "Deny"}});
        stage.apply(&late).await;
        let denied = stage
            .until_reason("shop", reasons::OUT_OF_ORDER_FOUND)
            .await;
        let text = message(&denied);
        assert!(text.contains("20260815120000_user_locale"), "{text}");
        assert_eq!(stage.attempts("shop"), 1, "no Job since the first release");
        assert_eq!(db.ledger().await, ledger);
        late["spec"]["preflight"] = json!({"history": {"outOfOrder": "Ignore"}});
        stage.apply(&late).await;
        let ready = stage.until_ready("shop").await;
        let found = finding(&ready, FindingKind::OutOfOrder).map(|(_, policy)| policy);
        assert_eq!(found, Some(Policy::Ignore));

        // 1.1.0 has what the one before has not, and lacks what that one had between.
        stage
            .apply(&identity_resource("shop", &shop("1.1.0")))
            .await;
        let denied = stage.until_reason("shop", reasons::UNKNOWN_FOUND).await;
        let text = message(&denied);
        assert!(
            text.contains("20260815120000_user_locale") && !text.contains("history.unknown"),
            "{text}"
        );
        for policy in ["Warn", "Ignore"] {
            let mut known = identity_resource("shop", &shop("1.1.0"));
            known["spec"]["preflight"] = json!({"history": {"unknown": policy}});
            stage.apply(&known).await;
            let ready = stage.until_ready("shop").await;
            let found = finding(&ready, FindingKind::Unknown).map(|(_, policy)| policy);
            assert_eq!(format!("{:?}", found.unwrap()), policy);
        }
        assert_eq!(db.applied().await.len(), 10);
    })
    .await;
}
