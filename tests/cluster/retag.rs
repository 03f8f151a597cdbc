//! A tag that is pushed again between plan and run.

use std::path::Path;
use std::process::Command;

use database_migration_operator::api::{StepKind, StepOutcome, reasons};

use crate::harness::*;

/// Gives an image of the cluster's node another name.
fn retag(from: &str, to: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/retag");
    let done = Command::new(script).args([from, to]).status().unwrap();
    assert!(done.success(), "retag {from} {to}");
}

/// Row 51: nothing of the old plan is executed, and nothing of one that was shown to nobody; the image is looked at anew.
#[tokio::test]
async fn a_tag_that_moves_between_plan_and_run_is_planned_anew() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        // One name for every time, so that none is left behind each time.
        let moving = variant("moving");
        retag(&shop("1.2.0"), &moving);
        let mut object = identity_resource("shop", &moving);
        object["spec"]["suspend"] = true.into();
        stage.apply(&object).await;
        let planned = stage
            .until("shop", "planned", |object| {
                status(object).pending_count == Some(11)
            })
            .await;
        assert!(holds(&planned, "Planned").unwrap());

        // 1.2.0 holds a migration that fails; 1.1.0 lacks it.
        retag(&shop("1.1.0"), &moving);
        object["spec"]["suspend"] = false.into();
        stage.apply(&object).await;
        let changed = stage.until_reason("shop", reasons::PLAN_CHANGED).await;
        assert_eq!(
            steps(&changed, StepKind::Migrate)
                .into_iter()
                .map(|step| step.outcome)
                .collect::<Vec<_>>(),
            [Some(StepOutcome::NeverBegan)]
        );
        assert_eq!(steps(&changed, StepKind::Inventory).len(), 2);
        assert_eq!(status(&changed).pending_count, Some(9), "the new plan");
        assert_eq!(db.applied().await, [""; 0]);
        assert_eq!(status(&changed).choices.len(), 1);

        stage.retry("shop", "looked at it").await;
        let ready = stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 9, "the new plan, and only it");
        let outcomes: Vec<_> = steps(&ready, StepKind::Migrate)
            .into_iter()
            .map(|step| step.outcome)
            .collect();
        assert_eq!(outcomes, [Some(StepOutcome::Succeeded)]);
        let ends = stage.migrations_of("shop").await;
        let first = ends[0].message.clone().unwrap_or_default();
        assert!(first.contains("inventoryChanged"), "{first}");
        assert_eq!(ends.len(), 2);
    })
    .await;
}
