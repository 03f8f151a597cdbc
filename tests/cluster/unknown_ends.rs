//! Ends that are not known in time: said, waited for, and only ended where the resource asks for it.

use database_migration_operator::api::reasons;
use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn a_migration_that_is_overdue_is_said_to_be_and_nothing_is_killed() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = slow("slow");
        object["spec"]["timeouts"]["overdue"] = "2s".into();
        stage.apply(&object).await;
        let overdue = stage.until_reason("slow", reasons::OVERDUE).await;
        let text = message(&overdue);
        assert!(
            text.starts_with("identity: ") && text.contains("overdue: longer than 2s"),
            "{text}"
        );
        assert_eq!(
            holds(&overdue, reasons::STALLED),
            None,
            "it goes on by itself"
        );
        stage.until_ready("slow").await;
        assert_eq!(db.applied().await.len(), 8);
        assert_eq!(
            stage.migrations_of("slow").await.pop().unwrap().exit_code,
            0
        );
        let told = stage.until_events("slow", reasons::OVERDUE, 1).await;
        assert_eq!(told.len(), 1, "said once: {told:?}");
    })
    .await;
}

/// Holds up whoever makes an index, as long as that table is there.
const HELD_UP: &str = "CREATE SCHEMA held_up; CREATE TABLE held_up.here (); \
    CREATE FUNCTION held_up.wait() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
    WHILE to_regclass('held_up.here') IS NOT NULL LOOP PERFORM pg_sleep(0.1); END LOOP; END $$; \
    CREATE EVENT TRIGGER held_up ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION held_up.wait()";

#[tokio::test]
async fn a_migration_past_its_kill_timeout_is_ended_and_then_the_database_decides() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("slow", &shop("1.0.0")))
            .await;
        stage.until_ready("slow").await;
        // Time enough to come to the migration; and it does not end before it has been killed.
        db.run(HELD_UP).await;
        let mut object = slow("slow");
        object["spec"]["timeouts"]["kill"] = "20s".into();
        stage.apply(&object).await;
        until_slow(stage, "slow").await;
        assert_eq!(stage.migrations_of("slow").await.pop().unwrap().exit_code, 124);
        db.run("DROP TABLE held_up.here").await;
        let failed = stage.until_failed("slow").await;
        assert_eq!(reason(&failed), reasons::KILLED);
        let text = message(&failed);
        for part in ["identity: ", SLOW, "timeouts.kill", "nothing of it runs any more"] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert!(!db.ledger().await.last().unwrap().finished);
        let left = db
            .number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dbm/%'")
            .await;
        assert_eq!(left, 0, "judged before its session had ended");
        assert_eq!(stage.attempts("slow"), 2, "it is not run again by itself");
        let first = &status(&failed).choices[0];
        assert!(first.command.starts_with("kubectl dbm mark-applied"), "{first:?}");
    })
    .await;
}

/// 5.3: what cannot be judged becomes Stalled, gives its turn to others, and is looked at all the same.
#[tokio::test]
async fn a_database_that_stays_unknown_becomes_stalled_lets_its_turn_go_and_is_still_looked_at() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = slow("slow");
        object["spec"]["timeouts"]["unknown"] = "4s".into();
        stage.apply(&object).await;
        let running = until_slow(stage, "slow").await;
        let lease = database(&running, "identity").lease;
        let mut admin = Server::Identity.session("postgres", "test").await;
        let name = &db.name;
        // Nobody is let in, and who was in is put out.
        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        )
        .await;
        let out = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        run(&mut admin, &out).await;
        let stalled = stage
            .until("slow", "Stalled and not judged", |object| {
                holds(object, reasons::STALLED) == Some(true)
                    && holds(object, reasons::OBSERVED) == Some(false)
            })
            .await;
        assert_eq!(outcome(&stalled), None, "{}", message(&stalled));
        assert!(status(&stalled).choices.is_empty());
        stage
            .until_lease(stage.leases(), &lease, "let go", |lease| lease.is_none())
            .await;

        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
        )
        .await;
        let failed = stage.until_failed("slow").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_UNFINISHED);
        assert_eq!(database(&failed, "identity").failed.unwrap().name, SLOW);
        assert_eq!(stage.attempts("slow"), 1, "it is not run again by itself");
    })
    .await;
}

/// What runs beside a database that cannot be read is judged all the same.
#[tokio::test]
async fn one_database_that_cannot_be_read_holds_up_no_judgement_of_another() {
    Stage::with(async |stage| {
        let (identity, tasks) = stage.shop().await;
        let mut object = shop_resource(&variant("slow"));
        object["spec"]["parallelism"] = 2.into();
        object["spec"]["timeouts"] = json!({"observe": "1s"});
        stage.apply(&object).await;
        until_slow(stage, "shop").await;
        let mut admin = Server::Identity.session("postgres", "test").await;
        let name = &identity.name;
        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        )
        .await;
        let done = stage
            .until(
                "shop",
                "tasks migrated while identity cannot be read",
                |object| {
                    holds(object, reasons::OBSERVED) == Some(false)
                        && database(object, "tasks").phase
                            == database_migration_operator::api::DatabasePhase::Succeeded
                },
            )
            .await;
        assert_eq!(outcome(&done), None);
        assert!(
            message(&done).starts_with("identity: "),
            "{}",
            message(&done)
        );
        assert_eq!(tasks.applied().await.len(), 7);
        run(
            &mut admin,
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
        )
        .await;
        stage.until_ready("shop").await;
        assert_eq!(identity.applied().await.len(), 8);
    })
    .await;
}
