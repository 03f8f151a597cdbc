//! Releases that go well, and those with nothing to do.

use std::path::Path;

use database_migration_operator::api::{
    LABEL_DATABASE, RunOutcome, StepKind, StepOutcome, reasons,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::harness::*;

/// The migrations of a folder of the example, in Prisma's order.
fn example(package: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/shop/packages")
        .join(package)
        .join("prisma/migrations");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Leases of runs that this test's resources hold.
async fn held_leases(stage: &Stage) -> Vec<String> {
    Api::<Lease>::namespaced(stage.client.clone(), OPERATOR_NAMESPACE)
        .list(&ListParams::default())
        .await
        .unwrap()
        .into_iter()
        .filter(|lease| {
            let spec = lease.spec.as_ref();
            let holder = spec.and_then(|spec| spec.holder_identity.clone());
            holder.unwrap_or_default().starts_with(&stage.namespace)
        })
        .map(|lease| lease.name_any())
        .collect()
}

#[tokio::test]
async fn a_release_migrates_two_databases_in_order_and_leaves_nothing_behind() {
    Stage::with(async |stage| {
        let (identity, tasks) = stage.shop().await;
        stage.apply(&shop_resource(&shop("1.0.0"))).await;
        stage.until_ready("shop").await;
        let done = stage
            .until("shop", "without a finalizer", |object| {
                is_ready(object) && object.finalizers().is_empty()
            })
            .await;

        for kind in [
            reasons::OBSERVED,
            reasons::PLANNED,
            reasons::PREFLIGHT_PASSED,
            reasons::MIGRATED,
            reasons::VALIDATED,
        ] {
            assert_eq!(holds(&done, kind), Some(true), "{kind}");
        }
        assert_eq!(holds(&done, reasons::STALLED), None);
        assert_eq!(holds(&done, reasons::RECONCILING), None);
        let status = status(&done);
        assert_eq!(status.databases_ready, "2/2");
        assert_eq!(status.pending_count, Some(0));
        assert_eq!(status.history.len(), 1);
        assert_eq!(status.history[0].applied, 14);
        assert_eq!(status.history[0].outcome, RunOutcome::Succeeded);

        assert_eq!(identity.applied().await, example("db"));
        assert_eq!(tasks.applied().await, example("tasks-db"));

        let jobs = stage.jobs_of("shop", "migrate");
        assert_eq!(jobs.len(), 2);
        for job in &jobs {
            let owners = job.owner_references();
            assert_eq!(owners.len(), 1, "{}", job.name_any());
            assert_eq!(Some(&owners[0].uid), done.uid().as_ref());
        }
        let ran = stage.migrations_of("shop").await;
        assert!(ran[0].finished_at <= ran[1].started_at, "{ran:?}");
        let names: Vec<_> = jobs
            .iter()
            .filter_map(|job| job.labels().get(LABEL_DATABASE))
            .collect();
        assert_eq!(names, ["identity", "tasks"]);
        assert_eq!(held_leases(stage).await, Vec::<String>::new());

        let started = stage.until_events("shop", "RunStarted", 1).await;
        assert!(
            started[0].contains("14 migrations pending in 2 databases (identity 7, tasks 7)"),
            "{started:?}"
        );
        let migrated = stage.until_events("shop", "DatabaseMigrated", 2).await;
        for name in ["identity: 7 applied", "tasks: 7 applied"] {
            assert!(
                migrated.iter().any(|text| text.contains(name)),
                "{migrated:?}"
            );
        }
        stage.until_events("shop", "Succeeded", 1).await;
    })
    .await;
}

#[tokio::test]
async fn with_nothing_pending_no_migration_job_is_made() {
    Stage::with(async |stage| {
        let (identity, _) = stage.shop().await;
        stage.apply(&shop_resource(&shop("1.0.0"))).await;
        let first = stage.until_ready("shop").await;
        let ledger = identity.ledger().await;

        // Another resource on the same database.
        stage
            .apply(&identity_resource("second", &shop("1.0.0")))
            .await;
        let second = stage.until_ready("second").await;
        assert_eq!(reason(&second), reasons::SUCCEEDED);
        assert!(
            message(&second).contains("nothing pending"),
            "{}",
            message(&second)
        );
        assert_eq!(stage.jobs_of("second", "migrate").len(), 0);

        // Another spec with the same image.
        let mut changed = shop_resource(&shop("1.0.0"));
        changed["spec"]["timeouts"]["overdue"] = "29m".into();
        stage.apply(&changed).await;
        let again = stage.until_ready("shop").await;
        assert_ne!(run_id(&again), run_id(&first));
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 2);
        assert_eq!(identity.ledger().await, ledger);
    })
    .await;
}

/// Makes `to` another name of the image `from` in the node's store.
fn retag(from: &str, to: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("local-cluster/retag");
    let done = std::process::Command::new(script)
        .args([from, to])
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test]
async fn a_tag_that_was_pushed_again_is_looked_at_again_and_never_run_by_an_old_plan() {
    Stage::with(async |stage| {
        let first = stage.database(Server::Identity, "first").await;
        let second = stage.database(Server::Identity, "second").await;
        let image = format!("localhost/dbm-repush-{}:1", stage.role.replace('_', "-"));
        retag(&shop("1.0.0"), &image);
        let of = |name: &str, db: &Db| {
            resource(name, &image, &[("identity", &db.secret, IDENTITY_SCHEMA)])
        };
        stage.apply(&of("first", &first)).await;
        let before = stage.until_ready("first").await;
        assert_eq!(first.applied().await.len(), 7);

        retag(&shop("1.1.0"), &image);
        // Its plan is made from what is stored of the old content; the agent finds the new one.
        stage.apply(&of("second", &second)).await;
        let done = stage.until_ready("second").await;
        let attempts = steps(&done, StepKind::Migrate);
        let outcomes: Vec<_> = attempts.iter().filter_map(|step| step.outcome).collect();
        assert_eq!(outcomes, [StepOutcome::NeverBegan, StepOutcome::Succeeded]);
        assert_eq!(steps(&done, StepKind::Inventory).len(), 1);
        assert_eq!(second.applied().await.len(), 9);

        // The first one is Ready and stays so, until it is asked to look.
        stage.retry("first", "1").await;
        let after = stage
            .until("first", "Ready again", |object| {
                is_ready(object) && run_id(object) != run_id(&before)
            })
            .await;
        assert_eq!(database(&after, "identity").applied_by_run, 2);
        assert_eq!(first.applied().await.len(), 9);
        retag("", &image);
    })
    .await;
}
