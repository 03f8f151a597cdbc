//! Images, and environments in them, with which Prisma cannot work: each has its reason, and is mended by what is said.

use database_migration_operator::api::{DatabaseMigration, reasons};
use serde_json::{Value, json};

use crate::harness::*;

/// The smallest image, seen from its schema's folder: there Prisma does not find the configuration by which the test
/// images do without a native engine.
fn without_config(name: &str, image: &str, secret: &str) -> Value {
    let mut object = resource(name, image, &[("main", secret, "schema.prisma")]);
    object["spec"]["job"] = json!({"workingDir": "/app/prisma"});
    object
}

async fn said(stage: &Stage, name: &str, expected: &str, parts: &[&str]) -> DatabaseMigration {
    let found = stage.until_reason(name, expected).await;
    let text = message(&found);
    for part in parts.iter().chain(&["main: "]) {
        assert!(text.contains(part), "{name}: {part:?} is not in: {text}");
    }
    found
}

#[tokio::test]
async fn another_database_than_postgresql_is_refused_before_any_job() {
    Stage::with(async |stage| {
        stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &variant("mysql")))
            .await;
        let found = stage
            .until_reason("shop", reasons::PROVIDER_UNSUPPORTED)
            .await;
        let text = message(&found);
        assert!(
            text.contains("\"mysql\"") && text.contains("only postgresql"),
            "{text}"
        );
        assert_eq!(holds(&found, reasons::STALLED), Some(true));
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 0);
        stage
            .apply(&identity_resource("shop", &shop("1.0.0")))
            .await;
        stage.until_ready("shop").await;
    })
    .await;
}

/// What is planned is what runs: no flag of Prisma's makes it read another folder.
#[tokio::test]
async fn a_folder_that_prisma_does_not_read_is_refused_before_any_job() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let image = variant("small");
        let databases = [("main", db.secret.as_str(), "prisma/schema.prisma")];
        let plain = resource("small", &image, &databases);
        let mut object = plain.clone();
        object["spec"]["databases"][0]["prisma"]["migrations"] = "node_modules".into();
        stage.apply(&object).await;
        let found = said(
            stage,
            "small",
            reasons::MIGRATIONS_ELSEWHERE,
            &[
                "Prisma would read prisma/migrations, not prisma.migrations (node_modules)",
                "prisma.config.cjs (migrations.path)",
            ],
        )
        .await;
        assert_eq!(holds(&found, reasons::STALLED), Some(true));
        assert_eq!(stage.jobs_of("small", "migrate").len(), 0);
        assert_eq!(db.ledger().await, []);
        stage.apply(&plain).await;
        stage.until_ready("small").await;
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_missing_has_its_own_reason() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let image = variant("small");
        // As npm installs Prisma without its scripts: the package is there, and its engine is not.
        let bare = json!([
            {"name": "PRISMA_SCHEMA_ENGINE_BINARY", "value": ""},
            {"name": "PRISMA_QUERY_ENGINE_LIBRARY", "value": ""},
        ]);
        let mut object = without_config("small", &image, &db.secret);
        object["spec"]["job"]["env"] = bare;
        stage.apply(&object).await;
        let engines = "/app/node_modules/@prisma/engines";
        let found = said(
            stage,
            "small",
            reasons::READ_ONLY_FILE_SYSTEM,
            &[engines, "job.writablePaths", "Nothing was executed"],
        )
        .await;
        assert_eq!(holds(&found, reasons::STALLED), Some(true));
        // Writable, it is what Prisma wants to download, from where no pod of this cluster gets to.
        object["spec"]["job"]["writablePaths"] = json!([engines]);
        stage.apply(&object).await;
        said(
            stage,
            "small",
            reasons::ENGINE_MISSING,
            &["binaries.prisma.sh", "prisma version"],
        )
        .await;
        object["spec"]["job"]["env"] =
            json!([{"name": "PRISMA_SCHEMA_ENGINE_BINARY", "value": "/nowhere/schema-engine"}]);
        stage.apply(&object).await;
        said(
            stage,
            "small",
            reasons::ENGINE_MISSING,
            &["/nowhere/schema-engine", "Nothing was executed"],
        )
        .await;
        assert_eq!(db.ledger().await, []);

        let mended = resource(
            "small",
            &image,
            &[("main", &db.secret, "prisma/schema.prisma")],
        );
        stage.apply(&mended).await;
        stage.until_ready("small").await;
    })
    .await;
}

#[tokio::test]
async fn a_write_on_the_read_only_root_says_which_folder_to_add() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let mut object = resource(
            "small",
            &variant("small"),
            &[("main", &db.secret, "prisma/schema.prisma")],
        );
        // As a generator of clients does before it migrates.
        let script = "require('fs').writeFileSync('/app/prisma/generated.json', '{}'); \
            require('child_process').execFileSync(process.execPath, ['node_modules/prisma/build/index.js', \
            'migrate', 'deploy', '--schema', 'prisma/schema.prisma'], {stdio: 'inherit'})";
        object["spec"]["databases"][0]["prisma"]["migrate"] = json!(["node", "-e", script]);
        stage.apply(&object).await;
        said(
            stage,
            "small",
            reasons::READ_ONLY_FILE_SYSTEM,
            &[
                "/app/prisma/generated.json",
                "Add /app/prisma to job.writablePaths",
            ],
        )
        .await;
        object["spec"]["job"] = json!({"writablePaths": ["/app/prisma"]});
        stage.apply(&object).await;
        stage.until_ready("small").await;
        assert_eq!(db.applied().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_variable_that_nobody_sets_is_said_before_a_job_where_it_can_be_known() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let mut object = without_config("direct", &variant("direct-url"), &db.secret);
        stage.apply(&object).await;
        let found = said(
            stage,
            "direct",
            reasons::DATASOURCE_VARIABLE_UNSET,
            &["DIRECT_URL", "databases[].env", "Nothing was started"],
        )
        .await;
        assert_eq!(holds(&found, reasons::STALLED), Some(true));
        assert_eq!(stage.jobs_of("direct", "migrate").len(), 0);

        // What a group of variables holds only the Job can find out.
        object["spec"]["job"]["envFrom"] =
            json!([{"configMapRef": {"name": "absent", "optional": true}}]);
        stage.apply(&object).await;
        stage
            .until("direct", "found by the Job", |object| {
                reason(object) == reasons::DATASOURCE_VARIABLE_UNSET
                    && outcome(object).is_some()
                    && message(object).contains("DIRECT_URL")
            })
            .await;
        assert_eq!(stage.jobs_of("direct", "migrate").len(), 1);
        assert_eq!(db.ledger().await, []);

        // It leads to another database than the one that is watched.
        let other = stage.database(Server::Identity, "other").await;
        object["spec"]["databases"][0]["env"] = json!([{
            "name": "DIRECT_URL",
            "valueFrom": {"secretKeyRef": {"name": other.secret, "key": "DATABASE_URL"}},
        }]);
        stage.apply(&object).await;
        let refused = stage
            .until_reason("direct", reasons::CONNECTION_INVALID)
            .await;
        for part in ["DIRECT_URL, by which Prisma migrates", "another database"] {
            assert!(message(&refused).contains(part), "{}", message(&refused));
        }
        assert_eq!(other.ledger().await, []);
        assert_eq!(db.ledger().await, []);

        object["spec"]["databases"][0]["env"] = json!([{
            "name": "DIRECT_URL",
            "valueFrom": {"secretKeyRef": {"name": db.secret, "key": "DATABASE_URL"}},
        }]);
        object["spec"]["databases"][0]["prisma"]["migrate"] = json!([
            "node",
            "/app/node_modules/prisma/build/index.js",
            "migrate",
            "deploy",
            "--config",
            "/app/prisma.config.cjs",
            "--schema",
            "/app/prisma/schema.prisma"
        ]);
        stage.apply(&object).await;
        stage.until_ready("direct").await;
        assert_eq!(db.applied().await.len(), 2);
    })
    .await;
}
