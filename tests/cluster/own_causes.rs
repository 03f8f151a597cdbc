//! Migrations that fail, or seem to, for a reason of their own: the true cause is said, and what is printed first leads out.

use database_migration_operator::api::{DatabaseMigration, Traces, reasons};
use serde_json::{Value, json};

use crate::harness::*;

/// A project of the image `causes`, or of a variant of it.
fn project(image: &str, project: &str) -> Value {
    let schema = format!("{project}/schema.prisma");
    let mut object = resource("app", &variant(image), &[("main", "main-db", &schema)]);
    object["spec"]["timeouts"] = json!({"observe": "1s"});
    object
}

/// The project's first migration is released.
async fn begun(stage: &Stage, name: &str) -> Db {
    let db = stage.database(Server::Identity, "main").await;
    stage.apply(&project("causes-first", name)).await;
    stage.until_ready("app").await;
    db
}

fn of_row(failed: &DatabaseMigration, kind: &str) -> Value {
    let found = database(failed, "main").failed.unwrap();
    let row =
        json!({"database": "main", "migrationName": found.name, "ledgerRow": found.ledger_row});
    action(failed, kind, &row)
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// What the first choice has psql do, by a session of the test's own.
async fn run_psql(db: &Db, command: &str) {
    let (psql, _) = command.split_once(" && ").unwrap();
    has(psql, &["kubectl dbm psql ", " --database main "]);
    let (_, sql) = psql.rsplit_once(" -c '").unwrap();
    db.run(sql.trim_end_matches('\'')).await;
}

const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";

#[tokio::test]
async fn a_concurrent_build_waits_for_an_older_snapshot_which_is_named() {
    Stage::with(async |stage| {
        let db = begun(stage, "index").await;
        let mut report = db.session("report").await;
        run(
            &mut report,
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM \"Other\"",
        )
        .await;
        let pid = backend_pid(&mut report).await;
        stage.apply(&project("causes", "index")).await;
        let pid = format!("pid {pid}");
        let waiting = stage
            .until("app", "waiting for the snapshot", |object| {
                reason(object) == reasons::WAITING_LOCK && message(object).contains(&pid)
            })
            .await;
        has(
            &message(&waiting),
            &["main: ", "report", "as long as that takes"],
        );
        let plan = condition(&waiting, reasons::PLANNED).unwrap().message;
        has(
            &plan,
            &[
                "20260102000000_index",
                "CONCURRENTLY",
                "not limited",
                "released alone",
            ],
        );
        // Longer than timeouts.lock.
        tokio::time::sleep(std::time::Duration::from_secs(8)).await;
        run(&mut report, "COMMIT").await;
        let ready = stage.until_ready("app").await;
        assert_eq!(holds(&ready, reasons::VALIDATED), Some(true));
        assert_eq!(db.number(INVALID).await, 0);
        assert_eq!(stage.attempts("app"), 2);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_a_build_left_invalid_is_dropped_and_built_again_or_nothing_is_valid() {
    Stage::with(async |stage| {
        let db = begun(stage, "unique").await;
        db.run("INSERT INTO \"Item\" (\"name\") VALUES ('a'), ('a')")
            .await;
        stage.apply(&project("causes", "unique")).await;
        let failed = stage.until_failed("app").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
        has(
            &message(&failed),
            &["23505", "public.\"Item_name_key\" is there and INVALID"],
        );
        assert_eq!(holds(&failed, reasons::VALIDATED), Some(false));
        let first = status(&failed).choices[0].command.clone();
        has(
            &first,
            &[
                "DROP INDEX CONCURRENTLY IF EXISTS public.\"Item_name_key\"",
                "kubectl dbm mark-rolled-back app",
                "kubectl dbm retry app",
            ],
        );
        // A human's word does not make it valid.
        stage.done(of_row(&failed, "MarkApplied")).await;
        let found = stage
            .until_reason("app", reasons::INVALID_INDEX_FOUND)
            .await;
        assert_eq!(holds(&found, reasons::VALIDATED), Some(false));
        stage.retry("app", "again").await;
        let before = run_id(&found);
        let found = stage
            .until("app", "failed again", |object| {
                run_id(object) != before && outcome(object).is_some()
            })
            .await;
        assert_eq!(reason(&found), reasons::INVALID_INDEX_FOUND);
        let first = status(&found).choices[0].command.clone();
        has(
            &first,
            &[
                "REINDEX INDEX CONCURRENTLY public.\"Item_name_key\"",
                "kubectl dbm retry app",
            ],
        );
        db.run("DELETE FROM \"Item\" WHERE \"id\" = 2").await;
        run_psql(&db, &first).await;
        stage.retry("app", "built again").await;
        stage.until_ready("app").await;
        assert_eq!(db.number(INVALID).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_invalid_index_that_if_not_exists_skips_is_no_success() {
    Stage::with(async |stage| {
        let db = begun(stage, "index-if").await;
        db.run("INSERT INTO \"Item\" (\"name\") VALUES ('a'), ('a')")
            .await;
        stage.apply(&project("causes", "index-if")).await;
        let failed = stage.until_failed("app").await;
        // Its index is there: so somebody has to insist.
        let why = stage.refused(of_row(&failed, "MarkRolledBack")).await;
        assert!(why.contains("INVALID"), "{why}");
        let mut forced = of_row(&failed, "MarkRolledBack");
        forced["force"] = true.into();
        stage.done(forced).await;
        let back = stage.until_reason("app", reasons::ROLLED_BACK).await;
        db.run("DELETE FROM \"Item\" WHERE \"id\" = 2").await;
        stage.done(action(&back, "Retry", &json!({}))).await;
        // Prisma skips the statement, and calls it applied.
        let found = stage
            .until_reason("app", reasons::INVALID_INDEX_FOUND)
            .await;
        assert_eq!(holds(&found, reasons::VALIDATED), Some(false));
        assert_eq!(db.applied().await.len(), 2);
        run_psql(&db, &status(&found).choices[0].command).await;
        stage.retry("app", "built again").await;
        stage.until_ready("app").await;
        assert_eq!(db.number(INVALID).await, 0);
    })
    .await;
}

/// Once with statements one by one, once as one query.
#[tokio::test]
async fn a_failure_inside_its_own_transaction_leaves_nothing_and_says_so() {
    for image in ["causes", "causes-whole"] {
        Stage::with(async |stage| {
            let db = begun(stage, "swap").await;
            db.run("INSERT INTO \"Member\" VALUES (1, 'EDITOR')").await;
            stage.apply(&project(image, "swap")).await;
            let failed = stage.until_failed("app").await;
            let text = message(&failed);
            has(
                &text,
                &[
                    "failed",
                    "inside its own transaction",
                    "undone: nothing of it is left",
                ],
            );
            assert!(
                !text.contains("cut off") && !text.contains("may have"),
                "{text}"
            );
            let found = database(&failed, "main").failed.unwrap();
            assert_eq!((found.traces, found.left.len()), (Traces::None, 0));
            // Rows that are in the way may be shown before.
            let choices = status(&failed).choices;
            let first = choices.iter().take(2).find(|choice| {
                let mark = "kubectl dbm mark-rolled-back app";
                choice.command.starts_with(mark)
            });
            assert!(first.is_some(), "{choices:?}");
            stage.done(of_row(&failed, "MarkRolledBack")).await;
            let back = stage.until_reason("app", reasons::ROLLED_BACK).await;
            db.run("UPDATE \"Member\" SET \"role\" = 'READER'").await;
            stage.done(action(&back, "Retry", &json!({}))).await;
            stage.until_ready("app").await;
        })
        .await;
    }
}

/// Row 58.
#[tokio::test]
async fn a_transaction_that_is_left_open_is_no_success() {
    Stage::with(async |stage| {
        let db = begun(stage, "open").await;
        stage.apply(&project("causes", "open")).await;
        let failed = stage.until_failed("app").await;
        assert_eq!(reason(&failed), reasons::TRANSACTION_LEFT_OPEN);
        has(
            &message(&failed),
            &[
                "main: 20260102000000_open",
                "does not end it",
                "Nothing of it is left",
            ],
        );
        assert_eq!(
            stage.migrations_of("app").await.last().unwrap().exit_code,
            0
        );
        assert_eq!(
            db.number("SELECT count(*) FROM pg_class WHERE relname = 'Late'")
                .await,
            0
        );
        let first = status(&failed).choices[0].command.clone();
        assert!(
            first.starts_with("kubectl dbm mark-rolled-back app"),
            "{first}"
        );
        stage.done(of_row(&failed, "MarkRolledBack")).await;
        stage.until_reason("app", reasons::ROLLED_BACK).await;
        assert!(!stage.ever("app", |object| {
            is_ready(object) && object.metadata.generation == failed.metadata.generation
        }));
    })
    .await;
}

#[tokio::test]
async fn a_file_that_empties_search_path_is_applied_and_marked_so() {
    Stage::with(async |stage| {
        let db = begun(stage, "path").await;
        stage.apply(&project("causes", "path")).await;
        let failed = stage.until_failed("app").await;
        assert_eq!(reason(&failed), reasons::SEARCH_PATH_MOVED);
        has(
            &message(&failed),
            &["search_path", "P1014", "ran to its end"],
        );
        let first = status(&failed).choices[0].command.clone();
        assert!(first.starts_with("kubectl dbm mark-applied app"), "{first}");
        stage.done(of_row(&failed, "MarkApplied")).await;
        stage.until_ready("app").await;
        assert_eq!(db.applied().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_roles_own_statement_time_out_is_named_with_its_remedy() {
    Stage::with(async |stage| {
        let db = begun(stage, "slow").await;
        db.run(&format!(
            "ALTER ROLE {} SET statement_timeout = '2s'",
            db.role()
        ))
        .await;
        stage.apply(&project("causes", "slow")).await;
        let failed = stage.until_failed("app").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
        let parts = [
            "57014",
            "cut by statement_timeout",
            "The role's own statement_timeout is 2s",
            "timeouts.statement",
            "ALTER ROLE",
        ];
        has(&message(&failed), &parts);
        let first = status(&failed).choices[0].command.clone();
        assert!(
            first.starts_with("kubectl dbm mark-rolled-back app"),
            "{first}"
        );
        stage.done(of_row(&failed, "MarkRolledBack")).await;
        stage.until_reason("app", reasons::ROLLED_BACK).await;
        let mut object = project("causes", "slow");
        object["spec"]["timeouts"]["statement"] = "30s".into();
        stage.apply(&object).await;
        stage.retry("app", "with a time-out").await;
        stage.until_ready("app").await;
    })
    .await;
}

/// What ends the process with the session, and exits 0 all the same, as Prisma's CLI does where its engine is killed.
const KILLS: &str = "const {Client} = require('pg'); const {spawn} = require('child_process'); \
    const url = process.env.DATABASE_URL.replace(/[?].*/, ''); \
    const engine = spawn(process.execPath, ['node_modules/prisma/build/index.js', 'migrate', 'deploy', '--schema', \
    'slow/schema.prisma'], {stdio: 'inherit'}); engine.on('exit', () => process.exit(0)); \
    (async () => { const c = new Client({connectionString: url}); await c.connect(); \
    const open = 'SELECT FROM _prisma_migrations WHERE finished_at IS NULL'; \
    while ((await c.query(open)).rowCount === 0) await new Promise(next => setTimeout(next, 100)); \
    await c.end(); engine.kill('SIGKILL') })()";

/// Row 57.
#[tokio::test]
async fn an_engine_that_is_killed_under_a_command_that_ends_well_is_no_success() {
    Stage::with(async |stage| {
        let db = begun(stage, "slow").await;
        let mut object = project("causes", "slow");
        object["spec"]["databases"][0]["prisma"]["migrate"] = json!(["node", "-e", KILLS]);
        stage.apply(&object).await;
        let failed = stage.until_failed("app").await;
        assert_eq!(
            reason(&failed),
            reasons::ENGINE_LOST,
            "{}",
            message(&failed)
        );
        has(
            &message(&failed),
            &["main: 20260102000000_slow", "exit code 0", "engine"],
        );
        assert_eq!(
            stage.migrations_of("app").await.last().unwrap().exit_code,
            0
        );
        assert_eq!(db.applied().await.len(), 1);
        assert_eq!(stage.attempts("app"), 2, "it is not run again by itself");
    })
    .await;
}
