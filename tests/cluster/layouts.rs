//! Projects as people lay them out, on the real Prisma: what is planned is what it reads, or nothing starts. The table of all layouts
//! is `agent/tests/layouts.rs`.

use database_migration_operator::api::{FindingKind, reasons};
use serde_json::Value;

use crate::harness::*;

/// A resource of its own for a folder of the image, which is the working directory.
fn layout(folder: &str, secret: &str, schema: &str) -> Value {
    let mut object = resource(folder, &variant("layouts"), &[("main", secret, schema)]);
    object["spec"]["job"]["workingDir"] = format!("/app/{folder}").into();
    object
}

const SCHEMA: &str = "prisma/schema.prisma";

/// Cases in which Prisma would read something else than what it seems, or would not begin.
#[tokio::test]
async fn what_prisma_would_not_migrate_is_said_before_any_job() {
    let cases = [
        (
            "folder-above",
            "prisma/schema",
            reasons::MIGRATIONS_MISSING,
            &[
                "prisma/schema/migrations",
                "there is prisma/migrations",
                "migrations.path",
            ][..],
        ),
        (
            "seven-a",
            SCHEMA,
            reasons::CONFIG_MISSING,
            &[
                "this version of Prisma",
                "copy prisma.config.ts into the image",
            ],
        ),
        (
            "seven-b",
            "packages/db/prisma/schema.prisma",
            reasons::CONFIG_MISSING,
            &[
                "there is packages/db/prisma.config.ts",
                "databases[].prisma.config",
            ],
        ),
        (
            "other-provider",
            SCHEMA,
            reasons::PROVIDER_UNSUPPORTED,
            &["migration_lock.toml", "sqlite", "postgresql"],
        ),
        (
            "direct",
            SCHEMA,
            reasons::DATASOURCE_VARIABLE_UNSET,
            &["DIRECT_URL", "databases[].env"],
        ),
    ];
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        for (folder, schema, _, _) in &cases {
            stage.apply(&layout(folder, &db.secret, schema)).await;
        }
        for (folder, _, reason, parts) in &cases {
            let found = stage.until_reason(folder, reason).await;
            let text = message(&found);
            for part in *parts {
                assert!(text.contains(part), "{folder}: {part:?} is not in: {text}");
            }
            assert_eq!(holds(&found, reasons::STALLED), Some(true), "{folder}");
            assert_eq!(stage.jobs_of(folder, "migrate").len(), 0, "{folder}");
        }
        assert_eq!(db.ledger().await, []);
    })
    .await;
}

/// A byte that is no UTF-8, which Prisma replaces before it hashes; a folder that the configuration names, beside an old one.
#[tokio::test]
async fn what_is_planned_is_what_prisma_applies() {
    Stage::with(async |stage| {
        let latin1 = stage.database(Server::Identity, "latin1").await;
        let configured = stage.database(Server::Tasks, "configured").await;
        stage.apply(&layout("latin1", &latin1.secret, SCHEMA)).await;
        stage
            .apply(&layout("configured", &configured.secret, SCHEMA))
            .await;
        for (name, db, last) in [
            ("latin1", &latin1, "20260102000000_note"),
            ("configured", &configured, "20260201000000_drop_name"),
        ] {
            let ready = stage.until_ready(name).await;
            let main = database(&ready, "main");
            assert_eq!((main.total, main.applied_by_run), (2, 2), "{name}");
            assert_eq!(db.applied().await, ["20260101000000_init", last]);
            let told = stage.until_events(name, "RunStarted", 1).await;
            assert!(told[0].contains("2 migrations pending"), "{told:?}");
            // Looked at again, nothing is said to have been changed.
            stage.retry(name, "again").await;
            let again = stage
                .until(name, "Ready in a new run", |object| {
                    is_ready(object) && run_id(object) != run_id(&ready)
                })
                .await;
            assert_eq!(database(&again, "main").findings_count, 0, "{name}");
        }
    })
    .await;
}

/// What a configuration in CommonJS says depends on a variable that only the Job has: nothing runs that was not planned, and the
/// folder that the resource names is believed.
#[tokio::test]
async fn a_folder_that_only_the_job_knows_is_named_by_the_resource() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let mut object = layout("depends", &db.secret, SCHEMA);
        object["spec"]["job"]["env"] =
            serde_json::json!([{"name": "MDIR", "value": "db/migrations"}]);
        stage.apply(&object).await;
        let found = stage
            .until_reason("depends", reasons::OTHER_MIGRATIONS)
            .await;
        for part in ["20260301000000_other", "20260101000000_init"] {
            assert!(message(&found).contains(part), "{}", message(&found));
        }
        assert_eq!(db.ledger().await, []);
        object["spec"]["databases"][0]["prisma"]["migrations"] = "db/migrations".into();
        stage.apply(&object).await;
        stage.until_ready("depends").await;
        assert_eq!(db.applied().await, ["20260301000000_other"]);
    })
    .await;
}

#[tokio::test]
async fn an_empty_folder_of_an_applied_migration_is_no_obstacle_and_a_pending_one_is() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let mut next = layout("empty", &db.secret, "next/prisma/schema.prisma");
        stage.apply(&next).await;
        let pending = stage
            .until_reason("empty", reasons::MIGRATION_UNREADABLE)
            .await;
        for part in ["20260102000000_note", "migration.sql", "P3015"] {
            assert!(message(&pending).contains(part), "{}", message(&pending));
        }
        stage.apply(&layout("empty", &db.secret, SCHEMA)).await;
        stage.until_ready("empty").await;
        next["spec"]["interval"] = "2h".into();
        stage.apply(&next).await;
        let ready = stage.until_ready("empty").await;
        assert_eq!(db.applied().await.len(), 3);
        let found: Vec<(FindingKind, String)> = database(&ready, "main")
            .findings
            .into_iter()
            .filter(|finding| finding.kind != FindingKind::Log)
            .map(|finding| (finding.kind, finding.migration))
            .collect();
        let expected = (FindingKind::Unreadable, "20260102000000_note".to_owned());
        assert_eq!(found, [expected]);
    })
    .await;
}
