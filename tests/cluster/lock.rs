//! Locks of others: waited for, named, never broken.

use database_migration_operator::api::{StepKind, StepOutcome, reasons};
use serde_json::json;

use crate::harness::*;

const NICKNAME: &str = "20261101090000_user_nickname";
/// Prisma's advisory lock.
const PRISMA_LOCK: i64 = 72_707_369;

#[tokio::test]
async fn a_lock_time_out_without_a_trace_is_tried_again_and_the_blocker_is_named() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        stage.until_ready("shop").await;

        let mut blocker = db.session("portal").await;
        run(
            &mut blocker,
            "BEGIN; LOCK TABLE \"User\" IN ACCESS SHARE MODE",
        )
        .await;
        let pid: i32 = backend_pid(&mut blocker).await;
        // With the default time-outs, which are those of the incident.
        stage
            .apply(&identity_resource("shop", &variant("lock")))
            .await;
        let pid = format!("pid {pid}");
        let parts = [
            "identity: ",
            NICKNAME,
            &pid,
            "portal",
            "a lock on",
            "User",
            "attempt 1 of 5",
        ];
        stage
            .until("shop", &format!("waiting, with {parts:?}"), |object| {
                let text = message(object);
                reason(object) == reasons::WAITING_LOCK
                    && parts.iter().all(|part| text.contains(part))
            })
            .await;
        let told = stage.until_events("shop", "StepRetried", 1).await;
        assert!(told[0].contains(NICKNAME), "{told:?}");
        run(&mut blocker, "COMMIT").await;

        let done = stage.until_ready("shop").await;
        let rows: Vec<LedgerRow> = db
            .ledger()
            .await
            .into_iter()
            .filter(|row| row.name == NICKNAME)
            .collect();
        assert!(rows.len() >= 2, "{rows:?}");
        let (last, tries) = rows.split_last().unwrap();
        assert!(last.finished && !last.rolled_back, "{rows:?}");
        assert!(
            tries.iter().all(|row| row.rolled_back && !row.finished),
            "{rows:?}"
        );
        let resolved = steps(&done, StepKind::Resolve);
        assert_eq!(resolved.len(), tries.len());
        assert!(
            resolved
                .iter()
                .all(|step| step.outcome == Some(StepOutcome::Succeeded))
        );
    })
    .await;
}

#[tokio::test]
async fn a_table_locked_against_readers_is_waited_for_and_its_holder_named() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        stage.until_ready("shop").await;
        let mut blocker = db.session("portal").await;
        run(
            &mut blocker,
            "BEGIN; LOCK TABLE \"User\" IN ACCESS EXCLUSIVE MODE",
        )
        .await;
        let pid = backend_pid(&mut blocker).await;
        stage
            .apply(&identity_resource("shop", &variant("lock")))
            .await;
        let waiting = stage.until_reason("shop", reasons::WAITING_LOCK).await;
        let text = message(&waiting);
        for part in ["identity: ", "User", &format!("pid {pid}"), "portal"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert_eq!(stage.attempts("shop"), 1, "only the first release's");
        // The session is a superuser's: what is printed is not refused.
        let command = &status(&waiting).choices[0].command;
        assert!(command.contains(" --admin "), "{command}");
        run(&mut blocker, "COMMIT").await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 8);
    })
    .await;
}

#[tokio::test]
async fn prismas_lock_held_by_another_session_is_waited_for() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut holder = db.session("somebody-elses-deploy").await;
        run(
            &mut holder,
            &format!("SELECT pg_advisory_lock({PRISMA_LOCK})"),
        )
        .await;
        let pid = backend_pid(&mut holder).await;
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        let waiting = stage.until_reason("shop", reasons::WAITING_LOCK).await;
        let text = message(&waiting);
        for part in ["identity", &format!("pid {pid}"), "somebody-elses-deploy"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 0);
        // It is still there: nothing was killed.
        run(
            &mut holder,
            &format!("SELECT pg_advisory_unlock({PRISMA_LOCK})"),
        )
        .await;
        stage.until_ready("shop").await;
        assert_eq!(db.applied().await.len(), 7);
    })
    .await;
}

/// Row 50: a lock that is given back in time is had by another try; one that is not ends in a bounded number of them.
#[tokio::test]
async fn a_lock_that_clears_after_six_seconds_is_had_and_one_that_never_does_ends_the_run() {
    Stage::with(async |stage| {
        let clears = stage.database(Server::Identity, "clears").await;
        let never = stage.database(Server::Tasks, "never").await;
        let on = |db: &Db, image: String| {
            let name = db.secret.trim_end_matches("-db");
            let mut object = identity_resource(name, &image);
            object["spec"]["databases"][0]["connection"]["secretKeyRef"]["name"] = db.secret.clone().into();
            object
        };
        let mut blockers = Vec::new();
        for db in [&clears, &never] {
            let name = db.secret.trim_end_matches("-db");
            stage.apply(&on(db, shop("1.0.0"))).await;
            stage.until_ready(name).await;
            let mut blocker = db.session("portal").await;
            run(&mut blocker, "BEGIN; LOCK TABLE \"User\" IN ACCESS SHARE MODE").await;
            blockers.push(blocker);
        }
        let mut object = on(&clears, variant("lock"));
        object["spec"]["timeouts"] = json!({"lock": "3s", "lockAttempts": 5});
        stage.apply(&object).await;
        let mut object = on(&never, variant("lock"));
        object["spec"]["timeouts"] = json!({"lock": "4s", "lockAttempts": 2});
        stage.apply(&object).await;
        let from = std::time::Instant::now();
        stage.until_events("clears", "StepRetried", 1).await;
        tokio::time::sleep(std::time::Duration::from_secs(6).saturating_sub(from.elapsed())).await;
        run(&mut blockers[0], "COMMIT").await;
        let done = stage.until_ready("clears").await;
        assert!(steps(&done, StepKind::Migrate).len() <= 5);
        assert_eq!(clears.applied().await.len(), 8);

        let failed = stage.until_failed("never").await;
        assert_eq!(reason(&failed), reasons::LOCK_TIMEOUT);
        let text = message(&failed);
        for part in ["identity: ", NICKNAME, "2 attempts", "left no trace", "portal"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert_eq!(steps(&failed, StepKind::Migrate).len(), 2);
        // The session is a superuser's, which only a superuser may end: that is said, and whose URL the command takes.
        let choices = status(&failed).choices;
        // What it does is hidden from our role: it is looked at before it is ended.
        assert!(choices[0].title.starts_with("look what the session that held the lock is at"), "{choices:?}");
        let first = &choices[1];
        for part in ["portal", "only a superuser may", "ADMIN_DATABASE_URL"] {
            assert!(first.title.contains(part), "{part:?} is not in: {first:?}");
        }
        assert!(first.command.starts_with("kubectl dbm psql never "), "{first:?}");
        for part in [" --admin ", "SELECT pg_terminate_backend(", " && kubectl dbm retry never "] {
            assert!(first.command.contains(part), "{part:?} is not in: {first:?}");
        }
        let open = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL";
        assert_eq!(never.number(open).await, 0, "nothing of it blocks the next run");
        run(&mut blockers[1], "COMMIT").await;
        stage.retry("never", "the lock is free").await;
        stage.until_ready("never").await;
        assert_eq!(never.applied().await.len(), 8);
    })
    .await;
}
