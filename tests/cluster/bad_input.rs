//! What is wrong is said with what to do about it, and mended it goes on by itself.

use database_migration_operator::api::{DatabaseMigration, reasons};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};

use crate::harness::*;

/// The smallest image on one database, called `main`.
pub fn small(name: &str, secret: &str) -> Value {
    resource(
        name,
        &variant("small"),
        &[("main", secret, "prisma/schema.prisma")],
    )
}

/// Waits for a reason, and for these parts of its message.
pub async fn until_said(
    stage: &Stage,
    name: &str,
    expected: &str,
    parts: &[&str],
) -> DatabaseMigration {
    let found = stage.until_reason(name, expected).await;
    let text = message(&found);
    for part in parts {
        assert!(text.contains(part), "{name}: {part:?} is not in: {text}");
    }
    found
}

#[tokio::test]
async fn a_connection_that_leads_nowhere_is_explained_and_once_mended_goes_on_by_itself() {
    Stage::with(async |stage| {
        let good = stage.database(Server::Identity, "good").await;
        stage.apply(&small("good", &good.secret)).await;
        stage.until_ready("good").await;

        let absent = format!("{}_absent", stage.role);
        let url = good.url();
        let server = Api::<Pod>::namespaced(stage.client.clone(), "databases")
            .get("identity-postgres-0")
            .await
            .unwrap();
        let address = server.status.unwrap().pod_ip.unwrap();
        let host = good.server.host();
        let wrong = "fa1sch/und:geheim";
        // Its name, key and value of its Secret, what is said, what is in the message.
        type Case<'a> = (&'a str, Option<(&'a str, String)>, &'a str, &'a [&'a str]);
        let cases: [Case<'_>; 14] = [
            (
                "secret-missing",
                None,
                "SecretMissing",
                &["secret-missing-db", "databases[0].connection.secretKeyRef"],
            ),
            (
                "key-missing",
                Some(("url", url.clone())),
                "SecretKeyMissing",
                &[
                    "key-missing-db",
                    "it has: url",
                    "databases[0].connection.secretKeyRef.key",
                ],
            ),
            (
                "malformed",
                Some(("DATABASE_URL", "postgresql//nowhere".to_owned())),
                "UrlInvalid",
                &["malformed-db"],
            ),
            (
                "mysql",
                Some(("DATABASE_URL", url.replace("postgresql:", "mysql:"))),
                "UrlNotPostgres",
                &["mysql-db", "postgresql://"],
            ),
            (
                "proxy",
                Some((
                    "DATABASE_URL",
                    "prisma://accelerate.example.com/?api_key=none".to_owned(),
                )),
                "UrlNotDirect",
                &["proxy-db", "direct"],
            ),
            (
                "pooled",
                Some(("DATABASE_URL", format!("{url}&pgbouncer=true"))),
                "UrlPooled",
                &["pooled-db", "direct"],
            ),
            (
                "client-key",
                Some(("DATABASE_URL", format!("{url}&sslidentity=/etc/me.p12"))),
                "UrlNamesFile",
                &["client-key-db", "sslidentity", "password"],
            ),
            (
                "own-authority",
                Some((
                    "DATABASE_URL",
                    format!("{url}&sslmode=require&sslcert=../certs/ca.pem"),
                )),
                "UrlNamesFile",
                &["own-authority-db", "sslcert", "connection.caFrom"],
            ),
            (
                "socket",
                Some(("DATABASE_URL", good.url_by("%2Fvar%2Frun%2Fpostgresql"))),
                "UrlNamesFile",
                &["socket-db", "Unix socket", "TCP"],
            ),
            (
                "loopback",
                Some(("DATABASE_URL", good.url_by("localhost"))),
                "UrlLoopback",
                &["loopback-db", "Service"],
            ),
            (
                "host-unknown",
                Some(("DATABASE_URL", good.url_by("no-such-host.invalid"))),
                "HostUnknown",
                &["no-such-host.invalid"],
            ),
            (
                "refused",
                Some((
                    "DATABASE_URL",
                    good.url_by(&address).replace(":5432", ":5433"),
                )),
                "ConnectionRefused",
                &["5433", "port"],
            ),
            (
                "wrong-password",
                Some((
                    "DATABASE_URL",
                    format!(
                        "postgresql://{}:{}@{host}:5432/{}",
                        good.role(),
                        encoded(wrong),
                        good.name
                    ),
                )),
                "AuthenticationFailed",
                &["password"],
            ),
            (
                "no-database",
                Some(("DATABASE_URL", url.replace(&good.name, &absent))),
                "DatabaseMissing",
                &[&absent, "create it"],
            ),
        ];
        for (name, secret, ..) in &cases {
            if let Some((key, value)) = secret {
                stage.secret(&format!("{name}-db"), &[(key, value)]).await;
            }
            stage.apply(&small(name, &format!("{name}-db"))).await;
        }
        for (name, _, expected, parts) in &cases {
            let found = until_said(stage, name, expected, parts).await;
            let text = message(&found);
            assert!(
                text.starts_with("main: ") && text.contains("goes on by itself"),
                "{text}"
            );
            assert_eq!(holds(&found, reasons::OBSERVED), Some(false), "{name}");
            assert_eq!(stage.jobs_of(name, "migrate").len(), 0, "{name}");
            // Told within seconds, while it is still being worked on.
            assert_eq!(holds(&found, reasons::RECONCILING), Some(true), "{name}");
            let told = stage.until_events(name, expected, 1).await;
            assert!(told[0].starts_with("main: "), "{name}: {told:?}");
        }
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{absent}'");
        assert_eq!(good.number(&there).await, 0, "no database is made");
        assert_eq!(
            stage.mentions(&[wrong, &encoded(wrong)]).await,
            Vec::<String>::new()
        );

        for (name, ..) in &cases {
            stage
                .secret(&format!("{name}-db"), &[("DATABASE_URL", &url)])
                .await;
        }
        for (name, ..) in &cases {
            let done = stage.until_ready(name).await;
            assert_eq!(holds(&done, reasons::OBSERVED), Some(true), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_image_that_is_not_fit_says_what_is_missing_in_it() {
    Stage::with(async |stage| {
        stage.database(Server::Identity, "identity").await;
        let absent = "localhost/dbm-absent:1";
        stage
            .apply(&identity_resource("not-pullable", absent))
            .await;
        let cases = [
            ("no-schema", reasons::SCHEMA_MISSING, IDENTITY_SCHEMA),
            (
                "no-migrations",
                reasons::MIGRATIONS_MISSING,
                "packages/db/prisma/migrations",
            ),
            (
                "empty-migrations",
                reasons::MIGRATIONS_EMPTY,
                "packages/db/prisma/migrations",
            ),
            ("no-prisma", reasons::PRISMA_MISSING, "prisma"),
            ("prisma-8", reasons::PRISMA_UNSUPPORTED, "8"),
        ];
        for (name, ..) in cases {
            stage.apply(&identity_resource(name, &variant(name))).await;
        }
        for (name, expected, part) in cases {
            let found = until_said(stage, name, expected, &[part]).await;
            let text = message(&found);
            assert!(
                text.contains("identity") || text.contains(&variant(name)),
                "{name}: {text}"
            );
            assert_eq!(holds(&found, reasons::STALLED), Some(true), "{name}");
        }
        until_said(
            stage,
            "not-pullable",
            reasons::IMAGE_PULL_FAILED,
            &[absent, "spec.image"],
        )
        .await;
        stage
            .apply(&identity_resource("not-pullable", &shop("1.0.0")))
            .await;
        stage.until_ready("not-pullable").await;
        // Mended by a release that holds what was missing.
        stage
            .apply(&identity_resource("no-migrations", &shop("1.0.0")))
            .await;
        stage.until_ready("no-migrations").await;
    })
    .await;
}

#[tokio::test]
async fn an_open_row_in_the_ledger_is_found_before_any_job_and_resolved_goes_on() {
    Stage::with(async |stage| {
        let init = "20260101090000_init";
        let cases = [
            ("failed", "'ERROR: relation exists'", reasons::FAILED_ROW_FOUND),
            ("unfinished", "NULL", reasons::UNFINISHED_ROW_FOUND),
        ];
        for (name, logs, expected) in cases {
            let db = stage.database(Server::Identity, name).await;
            db.run(&format!(
                "SET ROLE {};
                 CREATE TABLE _prisma_migrations (
                     id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
                     migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
                     started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);
                 INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES ('row-1', 'none', '{init}', {logs});",
                db.role()
            ))
            .await;
            stage.apply(&small(name, &db.secret)).await;
            let found = until_said(stage, name, expected, &["main: ", init, "row-1"]).await;
            let next = status(&found).next_command;
            assert!(next.starts_with("kubectl dbm mark-applied") && next.contains(init), "{next}");
            assert_eq!(stage.jobs_of(name, "migrate").len(), 0);
            db.mark_rolled_back(init).await;
            stage.until_ready(name).await;
            assert_eq!(db.applied().await.len(), 2);
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_manifest_is_refused_by_the_api_server_in_words() {
    Stage::with(async |stage| {
        let two = |change: &dyn Fn(&mut Value)| {
            let mut object = shop_resource(&shop("1.0.0"));
            change(&mut object["spec"]);
            object
        };
        type Change = Box<dyn Fn(&mut Value)>;
        let cases: Vec<(&str, Change, &str)> = vec![
            (
                "duplicate names",
                Box::new(|spec| spec["databases"][1]["name"] = "identity".into()),
                "name",
            ),
            (
                "unknown dependsOn",
                Box::new(|spec| spec["databases"][1]["dependsOn"] = json!(["payments"])),
                "dependsOn",
            ),
            (
                "self-dependency",
                Box::new(|spec| spec["databases"][1]["dependsOn"] = json!(["tasks"])),
                "dependsOn",
            ),
            (
                "later dependency",
                Box::new(|spec| spec["databases"][0]["dependsOn"] = json!(["tasks"])),
                "dependsOn",
            ),
            (
                "empty image",
                Box::new(|spec| spec["image"] = "".into()),
                "spec.image",
            ),
            (
                "no image",
                Box::new(|spec| drop(spec.as_object_mut().unwrap().remove("image"))),
                "image",
            ),
            (
                "no databases",
                Box::new(|spec| spec["databases"] = json!([])),
                "spec.databases",
            ),
            (
                "a name that is no label",
                Box::new(|spec| spec["databases"][0]["name"] = "Identity_DB".into()),
                "DNS label",
            ),
            (
                "a duration in days",
                Box::new(|spec| spec["timeouts"] = json!({"start": "1d"})),
                "duration",
            ),
            (
                "a bare number",
                Box::new(|spec| spec["timeouts"] = json!({"lock": "5"})),
                "duration",
            ),
            (
                "a short interval",
                Box::new(|spec| spec["interval"] = "5s".into()),
                "interval",
            ),
            (
                "no parallelism",
                Box::new(|spec| spec["parallelism"] = 0.into()),
                "parallelism",
            ),
            (
                "an unknown field",
                Box::new(|spec| spec["imagee"] = "x".into()),
                "imagee",
            ),
            (
                "an unknown policy",
                Box::new(|spec| spec["preflight"] = json!({"history": {"edited": "Maybe"}})),
                "edited",
            ),
        ];
        stage.dry_run(&two(&|_| {})).await.unwrap();
        for (what, change, part) in &cases {
            let refused = stage.dry_run(&two(change)).await;
            let text = refused.expect_err(what);
            assert!(text.contains(part), "{what}: {part:?} is not in: {text}");
        }
    })
    .await;
}
