//! Who may write: one leader at a time, a database's turn for as long as it is held, and the next process after it.

use std::time::Duration;

use database_migration_operator::api::{DatabaseMigration, reasons};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::Value;

use crate::harness::*;

/// Longer than the leader's Lease lasts.
const PAST_THE_LEASE: Duration = Duration::from_secs(20);

/// A replica, as the chart's Deployment runs two.
fn replica(stage: &Stage, name: &str, server: Option<String>) -> Operator {
    Operator::start(Options {
        server,
        name: format!("{name}-{}", stage.namespace),
        leader_elect: true,
        leases: stage.namespace.clone(),
        ..Options::of(&stage.namespace)
    })
}

fn leads(stage: &Stage, name: &str) -> String {
    format!("{name}-{}_", stage.namespace)
}

async fn until_leads(stage: &Stage, name: &str) {
    let whose = leads(stage, name);
    stage
        .until_lease(stage.api(), LEADER_LEASE, name, |lease| {
            holder(lease).starts_with(&whose)
        })
        .await;
}

/// The old leader comes back after the other took over: it writes nothing and ends.
async fn comes_back_and_is_fenced(stage: &Stage, old: &mut Operator, audit: &Audit) {
    let name = format!("first-{}", stage.namespace);
    old.signal("CONT");
    let status = old.until_ended(Duration::from_secs(30)).await;
    assert_eq!(
        status.code(),
        Some(1),
        "it ends as one that failed: {}",
        old.log()
    );
    let log = old.log();
    assert!(log.contains("the Lease"), "{log}");
    // The API server logs a request when it is answered; the last one of ours is answered by now.
    assert_eq!(audit.writes_of(&name), Vec::<String>::new());
}

/// Row 4: stopped past its Lease in the middle of a migration.
#[tokio::test]
async fn a_leader_that_was_stopped_past_its_lease_writes_nothing_when_it_wakes() {
    Stage::without_operator(async |stage| {
        stage.has_leases().await;
        let db = stage.database(Server::Identity, "identity").await;
        let from_the_start = Audit::from_now();
        let mut first = replica(stage, "first", None);
        until_leads(stage, "first").await;
        stage.set_operator(replica(stage, "second", None));
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        let known = from_the_start.writes_of(&format!("first-{}", stage.namespace));
        assert!(!known.is_empty(), "its writes are seen in the audit log");
        first.signal("STOP");
        until_leads(stage, "second").await;
        let audit = Audit::from_now();
        let ready = stage.until_ready("slow").await;
        // Somebody has to write for the old one to write over it.
        stage.retry("slow", "again").await;
        stage
            .until("slow", "Ready in a new run", |object| {
                is_ready(object) && run_id(object) != run_id(&ready)
            })
            .await;
        comes_back_and_is_fenced(stage, &mut first, &audit).await;
        assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
        assert_eq!(stage.attempts("slow"), 1);
    })
    .await;
}

/// Row 4 in the middle of a write: it was sent and nobody had read it when its sender was stopped. It arrives when
/// another leads.
async fn arrives_late(held: impl Fn(&str) -> bool + Send + Sync + 'static) {
    Stage::without_operator(async |stage: &Stage| {
        stage.has_leases().await;
        let db = stage.database(Server::Identity, "identity").await;
        // What the image holds is known, so that the only Job is the migration's.
        stage.start_operator();
        let mut known = slow("known");
        known["spec"]["suspend"] = true.into();
        stage.apply(&known).await;
        stage.until_reason("known", reasons::SUSPENDED).await;
        // In peace: what it read of the image is stored by then.
        let mut before = stage.take_operator();
        before.signal("TERM");
        before.until_ended(Duration::from_secs(10)).await;

        let gate = Gate::holding(held).await;
        let mut first = replica(stage, "first", Some(gate.address.clone()));
        until_leads(stage, "first").await;
        stage.set_operator(replica(stage, "second", None));
        stage.apply(&slow("slow")).await;
        gate.until_held().await;
        first.signal("STOP");
        until_leads(stage, "second").await;
        until_slow(stage, "slow").await;
        let audit = Audit::from_now();
        gate.let_go();
        stage.until_ready("slow").await;
        comes_back_and_is_fenced(stage, &mut first, &audit).await;
        assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
        assert_eq!(stage.jobs_of("slow", "migrate").len(), 1);
        assert_eq!(stage.migrations_of("slow").await.len(), 1);
    })
    .await;
}

fn journals(line: &str) -> bool {
    // The first journal entry of the run: what comes after it would be built on it.
    line.contains("/databasemigrations/slow/status")
}

fn makes_a_job(line: &str) -> bool {
    line.starts_with("POST /apis/batch/v1/")
}

#[tokio::test]
async fn a_journal_entry_that_arrives_after_the_take_over_is_refused() {
    arrives_late(journals).await;
}

#[tokio::test]
async fn a_job_that_arrives_after_the_take_over_is_the_one_that_is_there() {
    arrives_late(makes_a_job).await;
}

/// A database's turn has no duration: whoever holds it keeps it, however long nothing is heard of them.
#[tokio::test]
async fn a_turn_is_not_stolen_by_time() {
    Stage::without_operator(async |stage| {
        stage.start_operator();
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        let running = until_slow(stage, "slow").await;
        let lease = database(&running, "identity").lease;
        stage.with_operator(|operator| operator.signal("STOP"));
        let before = stage.leases().get(&lease).await.unwrap();

        Stage::without_operator(async |other: &Stage| {
            other.start_operator();
            let url = db.url().replace("schema=public", "schema=other");
            other.secret("other-db", &[("DATABASE_URL", &url)]).await;
            let mut object = slow("second");
            object["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] =
                "other-db".into();
            other.apply(&object).await;
            let busy = other.until_reason("second", reasons::DATABASE_BUSY).await;
            let of_whom = format!("{}/slow", stage.namespace);
            assert!(message(&busy).contains(&of_whom), "{}", message(&busy));
            // Nothing happens for longer than any lease of Kubernetes lasts, and nobody has a lock any more.
            tokio::time::sleep(PAST_THE_LEASE).await;
            assert_eq!(db.applied().await.len(), 8, "the migration itself is over");
            assert_eq!(other.jobs_of("second", "migrate").len(), 0);
            let after = stage.leases().get(&lease).await.unwrap();
            assert_eq!(after.resource_version(), before.resource_version());

            stage.with_operator(|operator| operator.signal("CONT"));
            stage.until_ready("slow").await;
            other.until_ready("second").await;
            assert_eq!(db.ledger_of("other").await.len(), 8);
        })
        .await;
    })
    .await;
}

/// What the first release of the operator wrote of a run; the rest came later.
fn as_of_the_first_release(object: &mut DatabaseMigration) {
    let mut status = serde_json::to_value(object.status.take().unwrap()).unwrap();
    let without = |value: &mut Value, keys: &[&str]| {
        let map = value.as_object_mut().unwrap();
        map.retain(|key, _| !keys.contains(&key.as_str()));
    };
    let of_steps = [
        "test",
        "resolution",
        "ledgerRow",
        "otherLedgers",
        "message",
        "endedAt",
        "applied",
        "commits",
        "invalidIndexCount",
    ];
    without(&mut status, &["choices", "action"]);
    without(&mut status["run"], &["aborting", "watchedSince"]);
    for step in status["run"]["steps"].as_array_mut().unwrap() {
        without(step, &of_steps);
    }
    if let Some(step) = status["run"].get_mut("step") {
        without(step, &of_steps);
    }
    for database in status["databases"].as_array_mut().unwrap() {
        without(database, &["turn", "restorePoint"]);
    }
    object.status = Some(serde_json::from_value(status).unwrap());
}

/// Row 46: the operator is replaced by another version mid-run, which finds what the old one wrote.
#[tokio::test]
async fn an_upgrade_mid_run_goes_on_from_what_an_older_version_wrote() {
    Stage::without_operator(async |stage| {
        stage.start_operator();
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        let running = until_slow(stage, "slow").await;
        // As a rollout ends a pod.
        let mut operator = stage.take_operator();
        operator.signal("TERM");
        let end = operator.until_ended(Duration::from_secs(10)).await;
        assert!(end.success(), "{end}: {}", operator.log());
        let api = stage.api::<DatabaseMigration>();
        let mut object = api.get("slow").await.unwrap();
        as_of_the_first_release(&mut object);
        api.replace_status("slow", &PostParams::default(), &object)
            .await
            .unwrap();
        operator.restart(None);
        stage.set_operator(operator);
        let ready = stage.until_ready("slow").await;
        assert_eq!(run_id(&ready), run_id(&running), "the run goes on");
        assert_eq!(db.ledger().await.len(), 8, "nothing was begun twice");
        assert_eq!(stage.attempts("slow"), 1);
        stage.until_events("slow", "Succeeded", 1).await;
    })
    .await;
}

/// While nobody watched, the migration ended: what the run did is counted all the same.
#[tokio::test]
async fn what_ended_while_no_operator_ran_is_counted_and_told() {
    Stage::without_operator(async |stage| {
        stage.start_operator();
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        stage.with_operator(|operator| operator.kill());
        let done = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL";
        while db.number(done).await < 8 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        stage.with_operator(|operator| operator.restart(None));
        let ready = stage.until_ready("slow").await;
        assert_eq!(database(&ready, "identity").applied_by_run, 8);
        assert_eq!(status(&ready).history[0].applied, 8);
        let told = stage.until_events("slow", "Succeeded", 1).await;
        assert!(told[0].contains("8 applied"), "{told:?}");
    })
    .await;
}
