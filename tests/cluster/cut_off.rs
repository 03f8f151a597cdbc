//! Migrations that are cut off: their client killed, their book-keeping lost, their server gone for a while.

use database_migration_operator::api::{DatabaseMigration, FailedStatus, reasons};
use database_migration_operator::build::CONTAINER;
use serde_json::json;

use crate::harness::*;

/// Kills the processes of the running migration: nothing of them can say a word any more.
async fn kill_pod(stage: &Stage, name: &str) {
    host::kill(&stage.migrating_pod(name).await, CONTAINER);
}

fn row_of(failed: &DatabaseMigration) -> FailedStatus {
    database(failed, "identity").failed.unwrap()
}

fn of_row(failed: &DatabaseMigration, kind: &str) -> serde_json::Value {
    let found = row_of(failed);
    action(
        failed,
        kind,
        &json!({
        "database": "identity", "migrationName": found.name, "ledgerRow": found.ledger_row}),
    )
}

/// By hand, what the status says is left.
async fn undo(db: &Db, failed: &DatabaseMigration) {
    let left = row_of(failed).left.join("; ");
    assert!(
        left.contains("column \"User\".\"last_seen_at\" added"),
        "{left}"
    );
    db.run("ALTER TABLE \"User\" DROP COLUMN \"last_seen_at\"")
        .await;
}

/// Row 13: nothing is judged, and no choice is offered, before the backend is gone; then it pauses.
#[tokio::test]
async fn a_migration_whose_pod_is_killed_pauses_and_a_human_decides() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        // A killed client is not a stopped migration: its backend stands still, and does not notice.
        let (pid, backend) = stage.stop_backend(&db).await;
        kill_pod(stage, "slow").await;
        let waiting = stage.until_reason("slow", reasons::WAITING_FOR_BACKEND).await;
        let ends_it = format!("pg_terminate_backend({pid})");
        assert!(message(&waiting).contains(&ends_it), "{}", message(&waiting));
        assert!(status(&waiting).next_command.contains(&ends_it));
        let choices = status(&waiting).choices;
        assert!(choices.iter().all(|choice| choice.command.contains(&ends_it)), "nothing may be decided yet");
        assert_eq!(outcome(&waiting), None);
        drop(backend);

        let failed = stage.until_failed("slow").await;
        let left = db
            .number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dbm/%'")
            .await;
        assert_eq!(left, 0, "judged before its session had ended");
        assert_eq!(reason(&failed), reasons::MIGRATION_UNFINISHED);
        assert_eq!(row_of(&failed).name, SLOW);
        assert!(!db.ledger().await.last().unwrap().finished);
        assert_eq!(stage.migrations_of("slow").await.last().unwrap().exit_code, 137);
        assert_eq!(stage.attempts("slow"), 1, "it is not run again by itself");
        undo(&db, &failed).await;
        stage.done(of_row(&failed, "MarkRolledBack")).await;
        let back = stage.until_reason("slow", reasons::ROLLED_BACK).await;
        stage.done(action(&back, "Retry", &json!({}))).await;
        stage.until_ready("slow").await;
        assert_eq!(db.applied().await.len(), 8);
    })
    .await;
}

/// Row 15: the script ran to its end, and the client died before it could write that down.
#[tokio::test]
async fn a_script_that_is_done_and_not_recorded_is_told_apart() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage.apply(&identity_resource("shop", &shop("1.0.0"))).await;
        stage.until_ready("shop").await;
        // The book-keeping of the next migration takes a minute.
        db.run(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$; \
             CREATE TRIGGER dawdle BEFORE UPDATE ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION dawdle()",
        )
        .await;
        let mut object = identity_resource("shop", &variant("lock"));
        object["spec"]["timeouts"] = json!({"observe": "1s"});
        stage.apply(&object).await;
        let done = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL AND applied_steps_count > 0";
        for _ in 0..600 {
            if db.number(done).await == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(db.number(done).await, 1);
        kill_pod(stage, "shop").await;
        let failed = stage.until_reason("shop", reasons::SCRIPT_DONE_NOT_RECORDED).await;
        let first = &status(&failed).choices[0];
        assert!(first.command.starts_with("kubectl dbm mark-applied"), "{first:?}");
        db.run("DROP TRIGGER dawdle ON _prisma_migrations").await;
        stage.done(of_row(&failed, "MarkApplied")).await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 8);
        assert_eq!(stage.attempts("shop"), 2, "its script did not run again");
    })
    .await;
}

/// Row 17: while the server is away nothing is concluded; when it is back, the ledger says what is true.
#[tokio::test]
async fn a_server_that_is_killed_in_mid_migration_is_unknown_and_then_the_ledger_decides() {
    Stage::with(async |stage| {
        let own = OwnServer::start(stage).await;
        let db = stage.database(own.server, "identity").await;
        stage.apply(&slow("slow")).await;
        until_slow(stage, "slow").await;
        own.kill().await;
        let away = stage
            .until("slow", "unreadable", |object| {
                holds(object, reasons::OBSERVED) == Some(false)
            })
            .await;
        assert_eq!(
            outcome(&away),
            None,
            "nothing is concluded: {}",
            message(&away)
        );
        let failed = stage.until_failed("slow").await;
        assert_eq!(own.restarts().await, 1);
        assert_eq!(reason(&failed), reasons::MIGRATION_UNFINISHED);
        assert_eq!(row_of(&failed).name, SLOW);
        assert_eq!(stage.attempts("slow"), 1, "it is not run again by itself");
        let rows = db.ledger().await;
        assert!(!rows.last().unwrap().finished, "{rows:?}");
        undo(&db, &failed).await;
        stage.done(of_row(&failed, "MarkRolledBack")).await;
        let back = stage.until_reason("slow", reasons::ROLLED_BACK).await;
        // Row 24: only a rolled-back row is left of it, and that is not "up to date".
        stage.done(action(&back, "Retry", &json!({}))).await;
        stage.until_ready("slow").await;
        assert_eq!(db.applied().await.len(), 8);
    })
    .await;
}

/// Row 18: what cut the connection is in the message; a pooled URL is something else, and is said before any Job.
#[tokio::test]
async fn a_connection_that_is_cut_is_told_apart_from_a_pooled_one() {
    Stage::with(async |stage| {
        let ended = stage.database(Server::Identity, "ended").await;
        let relayed = stage
            .database_without_secret(Server::Identity, "relayed")
            .await;
        let pooled = stage
            .database_without_secret(Server::Identity, "pooled")
            .await;
        let pod = stage.pod("databases", "identity-postgres-0").await;
        let server = pod.status.unwrap().pod_ip.unwrap();
        let relay = Relay::to(format!("{server}:5432")).await;
        let url = relayed
            .url_by(NODE)
            .replace(":5432", &format!(":{}", relay.port));
        stage
            .secret(&relayed.secret, &[("DATABASE_URL", &url)])
            .await;
        let url = format!("{}&pgbouncer=true", pooled.url());
        stage
            .secret(&pooled.secret, &[("DATABASE_URL", &url)])
            .await;
        let start = async |db: &Db| {
            let mut object = slow(db.secret.trim_end_matches("-db"));
            object["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] =
                db.secret.clone().into();
            stage.apply(&object).await;
        };
        start(&pooled).await;
        let told = stage.until_reason("pooled", "UrlPooled").await;
        assert!(message(&told).contains("direct"), "{}", message(&told));

        start(&ended).await;
        until_slow(stage, "ended").await;
        let pid = ended.slow_backend().await;
        ended
            .run(&format!("SELECT pg_terminate_backend({pid})"))
            .await;
        start(&relayed).await;
        until_slow(stage, "relayed").await;
        relay.cut();
        stage
            .until("relayed", "unreadable", |object| {
                holds(object, reasons::OBSERVED) == Some(false) && outcome(object).is_none()
            })
            .await;
        relay.mend();
        // Who only lost its session says so in the ledger by another one; who lost the server cannot.
        for (name, db, expected, part) in [
            ("ended", &ended, reasons::MIGRATION_FAILED, "57P01"),
            // Whether Prisma still says why before it ends is a matter of time.
            (
                "relayed",
                &relayed,
                reasons::MIGRATION_UNFINISHED,
                "nothing of it runs any more",
            ),
        ] {
            let failed = stage.until_failed(name).await;
            assert_eq!(reason(&failed), expected, "{}", message(&failed));
            let text = message(&failed);
            assert!(text.contains(SLOW) && text.contains(part), "{text}");
            assert!(!db.ledger().await.last().unwrap().finished);
            assert_eq!(stage.attempts(name), 1, "it is not run again by itself");
        }
        assert_eq!(pooled.ledger().await, []);
        assert_eq!(stage.jobs_of("pooled", "migrate").len(), 0);
    })
    .await;
}
