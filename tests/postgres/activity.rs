//! Who holds Prisma's lock, who runs, who waits for whom, and which indexes are invalid.

use database_migration_operator::database::{Look, Target};
use database_migration_operator::facts::LOCAL_SOCKET;
use sqlx::{Connection, PgConnection};

use crate::harness::{Db, connect, create_ledger, known, run, until};

async fn pid(session: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(session)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_lock_of_another_session_names_its_holder() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut holder = db.session("someone else").await;
        run(&mut holder, "SELECT pg_advisory_lock(72707369); BEGIN").await;
        // Other locks of the same session are not Prisma's.
        run(
            &mut holder,
            "SELECT pg_advisory_lock(4), pg_advisory_lock(0, 72707369)",
        )
        .await;

        let found = db.look().await.lock_holder.unwrap();
        assert_eq!(found.pid, pid(&mut holder).await);
        assert_eq!(found.application_name, "someone else");
        assert_eq!(found.user, Some(db.as_admin().user));
        assert_eq!(found.state.as_deref(), Some("idle in transaction"));
        assert!(
            found
                .transaction_seconds
                .is_some_and(|seconds| (0..60).contains(&seconds))
        );

        assert!(
            found
                .state_seconds
                .is_some_and(|seconds| (0..60).contains(&seconds))
        );
        let since = found.transaction_since.unwrap();
        let age = jiff::Timestamp::now().as_second() - since.as_second();
        assert!((-5..120).contains(&age), "{since}");
        let client = found.client.unwrap();
        assert!(
            client == LOCAL_SOCKET || client.parse::<std::net::IpAddr>().is_ok(),
            "{client}"
        );

        run(&mut holder, "COMMIT; SELECT pg_advisory_unlock(72707369)").await;
        assert_eq!(
            db.look().await.lock_holder,
            None,
            "the two-key lock is another one"
        );
    })
    .await;
}

/// What a look as the migration's role sees of a session that holds Prisma's lock.
#[tokio::test]
async fn who_only_reads_and_whom_our_role_may_end() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("CREATE TABLE t (a int)").await;
        let mut superuser = db.session("pg_dump").await;
        let lock = "SELECT pg_advisory_lock(72707369)";
        run(&mut superuser, lock).await;
        run(
            &mut superuser,
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1 FROM t",
        )
        .await;
        let seen = |target: Target| async move {
            known(&target, Look::default()).await.lock_holder.unwrap()
        };
        let found = seen(db.as_role()).await;
        assert!(found.is_dump() && found.reads && found.superuser);
        assert_eq!(found.may_end, Some(false));
        assert_eq!(seen(db.as_admin()).await.may_end, Some(true));

        run(&mut superuser, "COMMIT; BEGIN; INSERT INTO t VALUES (1)").await;
        assert!(!seen(db.as_role()).await.reads, "it has written");
        run(
            &mut superuser,
            "COMMIT; SELECT pg_advisory_unlock(72707369)",
        )
        .await;

        let mut own = connect(&db.as_role(), "portal").await;
        run(&mut own, lock).await;
        let found = seen(db.as_role()).await;
        assert!(!found.is_dump() && !found.reads && !found.superuser);
        assert_eq!(found.may_end, Some(true), "it is the same role's");
    })
    .await;
}

#[tokio::test]
async fn the_lock_is_one_databases_own() {
    Db::with(async |db| {
        Db::with(async |other| {
            let mut holder = other.session("there").await;
            run(&mut holder, "SELECT pg_advisory_lock(72707369)").await;
            assert_eq!(db.look().await.lock_holder, None);
            assert!(other.look().await.lock_holder.is_some());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn without_pg_monitor_pid_and_name_are_seen_and_state_is_not() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut holder = db.session("dbm/r1-aaaaaaaa/shop").await;
        run(&mut holder, "SELECT pg_advisory_lock(72707369); BEGIN").await;

        let facts = known(&db.as_role(), Look::default()).await;
        assert!(!facts.sees_activity);
        let found = facts.lock_holder.unwrap();
        assert_eq!(found.pid, pid(&mut holder).await);
        assert_eq!(found.application_name, "dbm/r1-aaaaaaaa/shop");
        assert_eq!((found.state, found.transaction_seconds), (None, None));
        assert_eq!((found.client, found.transaction_since), (None, None));
        assert_eq!(facts.our_sessions.len(), 1);
        assert!(!facts.identity.system_identifier.is_empty());

        db.run(&format!("GRANT pg_monitor TO {}", db.quoted_role()))
            .await;
        let facts = known(&db.as_role(), Look::default()).await;
        assert!(facts.sees_activity);
        assert_eq!(
            facts.lock_holder.unwrap().state.as_deref(),
            Some("idle in transaction")
        );
    })
    .await;
}

#[tokio::test]
async fn only_sessions_of_ours_in_this_database_are_ours() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        let mut ours = db.session("dbm/r2-bbbbbbbb/shop").await;
        let _others = [
            db.session("web").await,
            db.session("dbm-observer").await,
            db.session("xdbm/r").await,
        ];
        let facts = db.look().await;
        let pids: Vec<i32> = facts
            .our_sessions
            .iter()
            .map(|session| session.pid)
            .collect();
        assert_eq!(pids, [pid(&mut ours).await]);
        assert_eq!(facts.our_sessions[0].transaction_seconds, None);
        ours.close().await.unwrap();
        until(async || db.look().await.our_sessions.is_empty()).await;
    })
    .await;
}

#[tokio::test]
async fn a_blocked_session_names_its_blocker() {
    Db::with(async |db| {
        db.run(&create_ledger("public")).await;
        db.run("CREATE TABLE orders (id int)").await;
        let mut web = db.session("web").await;
        let blocker = pid(&mut web).await;
        run(&mut web, "BEGIN; SELECT * FROM orders").await;
        let mut migration = db.session("dbm/r3-cccccccc/shop").await;
        let waiting = pid(&mut migration).await;
        let blocked = tokio::spawn(async move {
            run(&mut migration, "ALTER TABLE orders ADD COLUMN total int").await;
        });

        until(async || !db.look().await.waits.is_empty()).await;
        // As a plain role: locks are visible to all, so are the wait and the blocker's name.
        for (target, sees) in [(db.as_admin(), true), (db.as_role(), false)] {
            db.run(&format!(
                "GRANT SELECT ON _prisma_migrations TO {}",
                db.quoted_role()
            ))
            .await;
            let facts = known(&target, Look::default()).await;
            assert_eq!(facts.waits.len(), 1);
            let wait = &facts.waits[0];
            assert_eq!((wait.waiting, wait.blocker.pid), (waiting, blocker));
            assert_eq!(wait.relation.as_deref(), Some("public.orders"));
            assert_eq!(wait.blocker.application_name, "web");
            assert_eq!(
                wait.blocker.state.as_deref(),
                sees.then_some("idle in transaction")
            );
            if facts.server_version >= 140_000 || sees {
                assert!(
                    wait.seconds
                        .is_some_and(|seconds| (0..60).contains(&seconds))
                );
            }
        }
        run(&mut web, "COMMIT").await;
        blocked.await.unwrap();
        assert!(db.look().await.waits.is_empty());
    })
    .await;
}

#[tokio::test]
async fn whoever_waits_for_prismas_lock_is_seen_even_if_not_ours() {
    Db::with(async |db| {
        let mut holder = db.session("laptop").await;
        run(&mut holder, "SELECT pg_advisory_lock(72707369)").await;
        let mut second = db.session("another laptop").await;
        let waiting = pid(&mut second).await;
        let blocked =
            tokio::spawn(
                async move { run(&mut second, "SELECT pg_advisory_lock(72707369)").await },
            );
        until(async || !db.look().await.waits.is_empty()).await;
        let facts = db.look().await;
        assert_eq!(facts.waits[0].waiting, waiting);
        assert_eq!(facts.waits[0].blocker.application_name, "laptop");
        assert_eq!(facts.lock_holder.unwrap().application_name, "laptop");
        holder.close().await.unwrap();
        blocked.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_failed_concurrent_build_leaves_an_invalid_index_and_a_running_one_does_not_count() {
    Db::with(async |db| {
        db.run("CREATE SCHEMA \"Sales 2\"; CREATE TABLE \"Sales 2\".t (id int); INSERT INTO \"Sales 2\".t VALUES (1), (1)")
            .await;
        db.run("CREATE TABLE busy (id int); CREATE INDEX fine ON busy (id)").await;
        db.run("CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE INDEX of_none ON ONLY parts (id)").await;
        let mut session = db.session("test").await;
        let sql = "CREATE UNIQUE INDEX CONCURRENTLY \"dup\" ON \"Sales 2\".t (id)";
        sqlx::query(sql).execute(&mut session).await.unwrap_err();

        // A build that waits for this transaction to end.
        let mut web = db.session("web").await;
        run(&mut web, "BEGIN; INSERT INTO busy VALUES (1)").await;
        let mut migration = db.session("dbm/r4-dddddddd/shop").await;
        let build = tokio::spawn(async move {
            sqlx::query("CREATE INDEX CONCURRENTLY slow ON busy (id)").execute(&mut migration).await.unwrap();
        });
        until(async || !db.look().await.waits.is_empty()).await;

        let expected = ["\"Sales 2\".dup"];
        assert_eq!(db.look().await.invalid_indexes, expected);
        assert_eq!(known(&db.as_role(), Look::default()).await.invalid_indexes, expected, "without pg_monitor");
        run(&mut web, "COMMIT").await;
        build.await.unwrap();
        assert_eq!(db.look().await.invalid_indexes, expected);
        db.run("DROP INDEX \"Sales 2\".dup").await;
        assert!(db.look().await.invalid_indexes.is_empty());
    })
    .await;
}

/// What is run CONCURRENTLY waits for whoever holds an older snapshot, whatever that session looked at.
#[tokio::test]
async fn a_concurrent_build_names_the_snapshot_that_it_waits_for() {
    Db::with(async |db| {
        db.run("CREATE TABLE item (id int); CREATE TABLE other (id int)")
            .await;
        let mut report = db.session("report").await;
        let holder = pid(&mut report).await;
        run(
            &mut report,
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other",
        )
        .await;
        let mut second = db.session("second").await;
        let also = pid(&mut second).await;
        run(
            &mut second,
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other",
        )
        .await;
        let mut migration = db.session("dbm/r5-eeeeeeee/shop").await;
        let waiting = pid(&mut migration).await;
        let build = tokio::spawn(async move {
            sqlx::query("CREATE INDEX CONCURRENTLY i ON item (id)")
                .execute(&mut migration)
                .await
                .unwrap();
        });
        until(async || !db.look().await.waits.is_empty()).await;
        until(async || db.look().await.old_snapshots.len() == 2).await;
        for target in [db.as_admin(), db.as_role()] {
            let facts = known(&target, Look::default()).await;
            let wait = &facts.waits[0];
            assert_eq!((wait.waiting, facts.waits.len()), (waiting, 1));
            assert!([holder, also].contains(&wait.blocker.pid), "{wait:?}");
        }
        let facts = db.look().await;
        let activity = &facts.activities[0];
        assert_eq!((activity.pid, facts.activities.len()), (waiting, 1));
        assert_eq!(activity.state.as_deref(), Some("active"));
        assert_eq!(activity.wait_type.as_deref(), Some("Lock"));
        let progress = activity.progress.as_ref().unwrap();
        assert_eq!(progress.command, "CREATE INDEX CONCURRENTLY");
        assert!(progress.phase.starts_with("waiting for "), "{progress:?}");
        assert_eq!(progress.unit, "sessions");
        let oldest = &facts.old_snapshots[0];
        assert_eq!(
            (oldest.pid, oldest.application_name.as_str()),
            (holder, "report")
        );
        assert_eq!(oldest.state.as_deref(), Some("idle in transaction"));
        assert!(
            oldest
                .transaction_seconds
                .is_some_and(|seconds| seconds >= 2)
        );
        assert_eq!(facts.old_snapshots[1].pid, also);
        run(&mut report, "COMMIT").await;
        run(&mut second, "COMMIT").await;
        build.await.unwrap();
        assert!(db.look().await.old_snapshots.is_empty());
    })
    .await;
}

/// Our own session overrides them; a migration's does not.
#[tokio::test]
async fn the_time_outs_of_role_and_database_are_read_and_the_nearest_counts() {
    Db::with(async |db| {
        let role = db.quoted_role();
        let own = async || {
            let facts = known(&db.as_role(), Look::default()).await;
            let timeouts = facts.own_timeouts.into_iter();
            timeouts
                .map(|own| (own.name, own.value, own.set_by))
                .collect::<Vec<_>>()
        };
        assert_eq!(own().await, []);
        let name = &db.name;
        db.run(&format!(
            "ALTER DATABASE {name} SET statement_timeout = '1h'"
        ))
        .await;
        let expected =
            |value: &str, by: String| ("statement_timeout".to_owned(), value.to_owned(), by);
        assert_eq!(
            own().await,
            [expected("1h", format!("ALTER DATABASE {name}"))]
        );
        db.run(&format!(
            "ALTER ROLE {role} SET statement_timeout = '2s'; ALTER ROLE {role} SET lock_timeout = 0"
        ))
        .await;
        assert_eq!(own().await, [expected("2s", format!("ALTER ROLE {role}"))]);
        db.run(&format!(
            "ALTER ROLE {role} IN DATABASE {name} SET statement_timeout = '3s'"
        ))
        .await;
        assert_eq!(
            own().await,
            [expected(
                "3s",
                format!("ALTER ROLE {role} IN DATABASE {name}")
            )]
        );
        db.run(&format!(
            "ALTER ROLE {role} IN DATABASE {name} SET statement_timeout = 0"
        ))
        .await;
        assert_eq!(own().await, []);
    })
    .await;
}
