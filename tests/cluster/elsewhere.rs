//! A Job that works on another database than the one that is watched, or that makes one.

use database_migration_operator::api::reasons;
use serde_json::json;

use crate::harness::*;

/// A command of the user's own that leads Prisma elsewhere, of which nothing is known before.
const LEADS: &str = "process.env.DATABASE_URL = process.env.OTHER_URL; \
    require('child_process').execFileSync(process.execPath, ['node_modules/prisma/build/index.js', 'migrate', 'deploy', \
    '--schema', 'packages/db/prisma/schema.prisma'], {stdio: 'inherit'})";

/// Row 55: what can be known is refused; else it is said while the command runs, and at its end the ledger decides.
#[tokio::test]
async fn a_command_that_migrates_another_database_is_said_while_it_runs() {
    Stage::with(async |stage| {
        let (watched, other) = (
            stage.database(Server::Identity, "identity").await,
            stage.database(Server::Identity, "other").await,
        );
        let first = resource(
            "other",
            &shop("1.0.0"),
            &[("identity", &other.secret, IDENTITY_SCHEMA)],
        );
        stage.apply(&first).await;
        stage.until_ready("other").await;
        // The migration will wait for this lock, in the other database.
        let mut blocker = other.session("test").await;
        run(&mut blocker, "BEGIN; LOCK TABLE \"User\"").await;

        let mut object = identity_resource("shop", &variant("lock"));
        let leads = |name: &str| {
            json!([{
                "name": name,
                "valueFrom": {"secretKeyRef": {"name": other.secret, "key": "DATABASE_URL"}},
            }])
        };
        // The configuration names this one: by which of the two it connects is its code's to say.
        object["spec"]["databases"][0]["envVar"] = "SHOP_URL".into();
        object["spec"]["databases"][0]["env"] = leads("DATABASE_URL");
        stage.apply(&object).await;
        let refused = stage
            .until_reason("shop", reasons::CONNECTION_INVALID)
            .await;
        for part in ["DATABASE_URL", "another database than SHOP_URL"] {
            assert!(message(&refused).contains(part), "{}", message(&refused));
        }
        assert_eq!(other.applied().await.len(), 7, "nothing ran there");

        object["spec"]["databases"][0]["envVar"] = "DATABASE_URL".into();
        object["spec"]["databases"][0]["env"] = leads("OTHER_URL");
        object["spec"]["databases"][0]["prisma"]["migrate"] = json!(["node", "-e", LEADS]);
        stage.apply(&object).await;
        let found = stage.until_reason("shop", reasons::SESSION_MISSING).await;
        let text = message(&found);
        for part in ["identity: ", "envVar", "datasource", "Nothing is ended"] {
            assert!(text.contains(part), "{part} in: {text}");
        }
        assert_eq!(holds(&found, reasons::RECONCILING), Some(true));
        stage
            .until_events("shop", reasons::SESSION_MISSING, 1)
            .await;

        run(&mut blocker, "COMMIT").await;
        let failed = stage
            .until_reason("shop", reasons::OTHER_DATABASE_MIGRATED)
            .await;
        assert!(
            message(&failed).contains("8 migrations"),
            "{}",
            message(&failed)
        );
        assert_eq!(watched.ledger().await, []);
        assert_eq!(other.applied().await.len(), 8, "it ran there to its end");
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 2);
    })
    .await;
}

/// What Prisma's native engine does at the beginning of a deploy: a database that is missing is created, if the role may. It
/// is asked for from another database: a session in the one that is dropped would be ended with it (57P01).
const CREATES: &str = "const {Client} = require('pg'); const url = new URL(process.env.DATABASE_URL); \
    const name = url.pathname.slice(1); url.pathname = 'postgres'; \
    (async () => { const c = new Client({connectionString: url.href.replace(/[?].*/, '')}); await c.connect(); \
    const there = async () => (await c.query('SELECT FROM pg_database WHERE datname = $1', [name])).rowCount > 0; \
    while (await there()) await new Promise(next => setTimeout(next, 100)); \
    await c.query(`CREATE DATABASE ${name}`); await c.end(); \
    require('child_process').execFileSync(process.execPath, ['node_modules/prisma/build/index.js', 'migrate', 'deploy', \
    '--schema', 'prisma/schema.prisma'], {stdio: 'inherit'}) })()";

/// Row 28.
#[tokio::test]
async fn a_role_that_may_create_databases_creates_none_that_counts() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        db.run(&format!("ALTER ROLE {} CREATEDB", db.role())).await;
        let small = |name: &str, secret: &str| {
            resource(
                name,
                &variant("small"),
                &[("main", secret, "prisma/schema.prisma")],
            )
        };
        // A wrong name is seen before anything is started.
        let absent = format!("{}_absent", stage.role);
        let url = db.url().replace(&db.name, &absent);
        stage.secret("absent-db", &[("DATABASE_URL", &url)]).await;
        stage.apply(&small("absent", "absent-db")).await;
        stage.until_reason("absent", "DatabaseMissing").await;
        assert_eq!(stage.jobs_of("absent", "migrate").len(), 0);
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{absent}'");
        assert_eq!(db.number(&there).await, 0);

        // One that goes away between the look and the Job is made anew by Prisma, and everything migrated into it: that is
        // not the database that was looked at, and no success.
        let mut object = small("dropped", &db.secret);
        object["spec"]["databases"][0]["prisma"]["migrate"] = json!(["node", "-e", CREATES]);
        stage.apply(&object).await;
        stage
            .until("dropped", "running", |object| {
                message(object).contains("running for")
            })
            .await;
        let mut admin = Server::Identity.session("postgres", "test").await;
        run(
            &mut admin,
            &format!("DROP DATABASE {} WITH (FORCE)", db.name),
        )
        .await;
        let failed = stage.until_failed("dropped").await;
        assert_eq!(reason(&failed), reasons::OTHER_DATABASE_MIGRATED);
        assert_eq!(db.applied().await.len(), 2, "this is what is to be feared");
        assert!(!stage.ever("dropped", is_ready));
        assert_eq!(stage.jobs_of("dropped", "migrate").len(), 1);
    })
    .await;
}
