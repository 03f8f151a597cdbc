//! What a command prints: much of it, odd bytes, passwords in every spelling, values of rows. Nothing of it gets where it
//! can be read, and what failed is still told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use database_migration_operator::api::{DatabasePhase, reasons};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};
use serde_json::{Value, json};

use crate::harness::*;

/// Ten megabytes of lines, five without a line end, bytes that are no text, and the password: torn by escape sequences,
/// in JSON, in base64, across the end of a line that is cut. Then Prisma, which fails; and 99 if the agent, its parent,
/// has needed more than 64 MB.
const NOISE: &str = "const fs = require('fs'), url = process.env.DATABASE_URL; const say = text => fs.writeSync(1, text); \
    const word = decodeURIComponent(new URL(url).password); const line = '\\x1b[2Knoise ' + '0123456789'.repeat(9) + '\\n'; \
    for (let i = 0; i < 100; i++) say(line.repeat(1000)); say(Buffer.from([255, 254, 0, 10])); \
    say('x'.repeat(5e6) + word + '\\n'); say('y'.repeat(16380) + word + '\\n'); say([...word].join('\\x1b[31m') + '\\n'); \
    say(Buffer.from(url).toString('base64') + Buffer.from(word).toString('base64') + '\\n'); \
    say(JSON.stringify({url, again: JSON.stringify({word})}) + url.toLowerCase() + '\\n'); \
    const done = require('child_process').spawnSync(process.execPath, ['node_modules/prisma/build/index.js', 'migrate', \
    'deploy', '--schema', 'prisma/schema.prisma'], {stdio: 'inherit'}); \
    const most = /VmHWM:\\s+(\\d+)/.exec(fs.readFileSync(`/proc/${process.ppid}/status`, 'utf8'))[1]; \
    process.exit(most > 65536 ? 99 : done.status)";

fn one(name: &str, image: &str, secret: &str, command: Value) -> Value {
    let mut object = resource(
        name,
        &variant(image),
        &[("main", secret, "prisma/schema.prisma")],
    );
    object["spec"]["databases"][0]["prisma"]["migrate"] = command;
    object
}

async fn log(stage: &Stage, name: &str) -> String {
    let labels = format!("dbops.dev/migration={name},dbops.dev/step=migrate");
    let api = stage.api::<Pod>();
    let pods = api
        .list(&ListParams::default().labels(&labels))
        .await
        .unwrap();
    let parameters = LogParams {
        container: Some(database_migration_operator::build::CONTAINER.to_owned()),
        ..LogParams::default()
    };
    api.logs(&pods.items[0].name_any(), &parameters)
        .await
        .unwrap()
}

/// The spellings of the password that stand in no object and no log, base64 included.
fn spellings(stage: &Stage, url: &str) -> Vec<String> {
    let word = &stage.password;
    let json = serde_json::to_string(word).unwrap();
    let base64 = STANDARD.encode(word);
    vec![
        word.clone(),
        encoded(word),
        encoded(word).to_lowercase(),
        json.trim_matches('"').to_owned(),
        base64[..base64.len() - 4].to_owned(),
        STANDARD.encode(url),
    ]
}

/// Row 42, and row 40: whatever it prints.
#[tokio::test]
async fn ten_megabytes_of_noise_are_bounded_and_hold_no_password() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "main").await;
        let noise = one(
            "noise",
            "names-fail",
            &db.secret,
            json!(["node", "-e", NOISE]),
        );
        stage.apply(&noise).await;
        let failed = stage.until_failed("noise").await;
        assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
        let found = database(&failed, "main").failed.unwrap();
        assert_eq!(
            (found.code.as_str(), found.sql_state.as_str()),
            ("P3018", "42701")
        );
        let end = stage.migrations_of("noise").await.remove(0);
        assert_eq!(
            end.exit_code, 1,
            "99: the agent needed more memory than it may"
        );
        let told = end.message.unwrap();
        assert!(told.len() <= 4096, "{}", told.len());
        assert!(told.contains("42701"), "{told}");
        assert!(
            serde_json::to_string(&failed.status).unwrap().len() < 32 * 1024,
            "the status stays small"
        );
        let text = log(stage, "noise").await;
        assert!(text.len() < 9 * 1024 * 1024, "{}", text.len());
        assert!(!text.contains('\u{1b}'));

        let quiet = NOISE.replace("i < 100", "i < 2");
        let other = stage.database(Server::Identity, "quiet").await;
        let quiet = one(
            "quiet",
            "names-fail",
            &other.secret,
            json!(["node", "-e", quiet]),
        );
        stage.apply(&quiet).await;
        stage.until_failed("quiet").await;
        let text = log(stage, "quiet").await;
        assert!(text.contains("(line cut)"), "all of it is shown");
        assert!(text.matches("[redacted]").count() >= 4);

        // An error of the database's or of a client's own that holds it.
        let third = stage.database(Server::Identity, "told").await;
        let says = "const url = process.env.DATABASE_URL, word = decodeURIComponent(new URL(url).password); \
            console.error(`Error: P1010: User was denied access with ${url} and '${word}' and ${JSON.stringify(word)}, \
            as ${process.env.APP_SPOT}`); process.exit(1)";
        let mut tells = one("told", "small", &third.secret, json!(["node", "-e", says]));
        // Of its name nobody would say that it is secret: it comes from a Secret, which the resource takes as a whole.
        let spot = format!("spot-of-{}", stage.role);
        stage.secret("payment", &[("SPOT", &spot)]).await;
        tells["spec"]["job"]["envFrom"] =
            json!([{"prefix": "APP_", "secretRef": {"name": "payment"}}]);
        stage.apply(&tells).await;
        let told = stage.until_failed("told").await;
        assert_eq!(reason(&told), reasons::PRISMA_FAILED);
        assert!(message(&told).contains("[redacted]"), "{}", message(&told));

        let text = log(stage, "told").await;
        assert!(text.contains("as [redacted]"), "{text}");
        assert_eq!(stage.mentions(&[spot.as_str()]).await, Vec::<String>::new());
        for url in [db.url(), other.url(), third.url()] {
            let wanted = spellings(stage, &url);
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            assert_eq!(stage.mentions(&wanted).await, Vec::<String>::new());
            assert_eq!(in_metrics(stage, &wanted).await, Vec::<String>::new());
        }
    })
    .await;
}

/// Which of these texts stand in the metrics of the operator's own process.
async fn in_metrics(stage: &Stage, wanted: &[&str]) -> Vec<String> {
    let address = stage.with_operator(|operator| operator.http_address());
    let text = metrics_at(address).await;
    assert!(text.contains("dbm_"), "{text}");
    let found = wanted.iter().filter(|wanted| text.contains(**wanted));
    found.map(|wanted| (*wanted).to_owned()).collect()
}

/// The cases of the image `row-values`: a Prisma project each, and the SQLSTATE of its failure.
const ROWS: [(&str, &str); 10] = [
    ("unique", "23505"),
    ("check", "23514"),
    ("not-null", "23502"),
    ("foreign-key", "23503"),
    ("integer", "22P02"),
    ("json", "22P02"),
    ("enum", "22P02"),
    ("raised", "P0001"),
    ("raised-value", "P0001"),
    ("dynamic", "23514"),
];

#[tokio::test]
async fn no_value_of_a_row_gets_out_of_the_database() {
    Stage::with(async |stage| {
        let address = format!("alice-{}@example.com", stage.role);
        let mut databases = Vec::new();
        for (name, _) in ROWS {
            let db = stage.database(Server::Identity, name).await;
            db.run(&format!(
                "CREATE SCHEMA data AUTHORIZATION {role}; SET ROLE {role};
                 CREATE TABLE data.people (email TEXT NOT NULL, age INTEGER NOT NULL CHECK (age > 0));
                 CREATE TABLE data.friends (email TEXT PRIMARY KEY);
                 INSERT INTO data.people VALUES ('{address}', 7), (upper('{address}'), 8);",
                role = db.role()
            ))
            .await;
            databases.push((name, db));
        }
        let mut raised = String::new();
        // A few at a time: after the first failure no other database is started.
        for (number, group) in databases.chunks(3).enumerate() {
            let schemas: Vec<_> = group
                .iter()
                .map(|(name, db)| (*name, &db.secret, format!("{name}/schema.prisma")))
                .collect();
            let listed: Vec<_> = schemas
                .iter()
                .map(|(name, secret, schema)| (*name, secret.as_str(), schema.as_str()))
                .collect();
            let resource_name = format!("rows-{number}");
            let mut object = resource(&resource_name, &variant("row-values"), &listed);
            object["spec"]["parallelism"] = 3.into();
            // The adapter would part a DO block at each semicolon.
            object["spec"]["job"] =
                json!({"env": [{"name": "MIGRATION_AS_ONE_QUERY", "value": "1"}]});
            stage.apply(&object).await;
            let failed = stage.until_failed(&resource_name).await;
            for (name, _) in group {
                let entry = database(&failed, name);
                assert_eq!(entry.phase, DatabasePhase::Failed, "{name}");
                let found = entry.failed.unwrap();
                let (_, state) = ROWS.iter().find(|(case, _)| case == name).unwrap();
                assert_eq!(found.sql_state, *state, "{name}: {}", found.summary);
                assert!(!found.summary.is_empty(), "{name}");
                if *name == "raised" {
                    raised = found.summary;
                }
            }
        }
        assert!(
            raised.contains("the address [redacted] is of nobody"),
            "the author's own words stay: {raised}"
        );
        let upper = address.to_uppercase();
        assert_eq!(
            stage.mentions(&[&address, &upper]).await,
            Vec::<String>::new()
        );
    })
    .await;
}
