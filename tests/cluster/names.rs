//! Migrations whose names need care: on disk, in SQL, in a shell.

use std::process::Command;

use database_migration_operator::api::{DatabaseMigration, reasons};
use serde_json::Value;

use crate::harness::*;

/// The names in the image `names`; the last one is that of the failing migration in `names-fail`.
const NAMES: &str = include_str!("../images/variants/names.txt");

fn failing_name() -> &'static str {
    NAMES.lines().last().unwrap()
}

#[tokio::test]
async fn names_with_blanks_quotes_and_letters_of_any_language_are_migrated() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &variant("names")))
            .await;
        stage.until_ready("shop").await;
        let applied = db.applied().await;
        for name in NAMES.lines().chain(["20261101090000_größe der Sitzung"]) {
            assert!(
                applied.iter().any(|applied| applied == name),
                "{name:?} is not in {applied:?}"
            );
        }
        let told = stage.until_events("shop", "Succeeded", 1).await;
        let last = applied.last().unwrap();
        assert!(told[0].contains(last.as_str()), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn a_name_with_a_control_character_is_refused_before_any_job() {
    Stage::with(async |stage| {
        stage.database(Server::Identity, "identity").await;
        stage
            .apply(&identity_resource("shop", &variant("name-control")))
            .await;
        let found = stage
            .until_reason("shop", reasons::MIGRATION_NAME_INVALID)
            .await;
        let text = message(&found);
        assert!(
            text.contains("20261101090000_bell") && text.contains("rename it"),
            "{text}"
        );
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert_eq!(stage.jobs_of("shop", "migrate").len(), 0);
    })
    .await;
}

fn failing(name: &str, secret: &str) -> Value {
    resource(
        name,
        &variant("names-fail"),
        &[("main", secret, "prisma/schema.prisma")],
    )
}

fn choice(failed: &DatabaseMigration, verb: &str) -> String {
    let choices = status(failed).choices;
    let start = format!("kubectl dbm {verb} ");
    let found = choices
        .iter()
        .find(|choice| choice.command.starts_with(&start));
    found
        .unwrap_or_else(|| panic!("no {verb} in {choices:?}"))
        .command
        .clone()
}

/// Runs a command as it was printed, pasted into a shell, with the plug-in of this build for `kubectl dbm`.
async fn paste(mut command: String) -> String {
    // Why is what only a person can say: the plug-in asks for it, and refuses the dots that stand in its place.
    let why = " --reason 'a test decided so'";
    command = command.replace(" --reason ...", why);
    if !command.ends_with(why) {
        command.push_str(why);
    }
    let script = r#"kubectl() { shift; "$DBM" "$@"; }; eval "$COMMAND --yes" 2>&1"#;
    let output = tokio::task::spawn_blocking(move || {
        Command::new("bash")
            .args(["-c", script])
            .env("DBM", env!("CARGO_BIN_EXE_kubectl-dbm"))
            .env("COMMAND", &command)
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 2), "{text}");
    text
}

#[tokio::test]
async fn the_commands_for_a_failed_migration_with_such_a_name_can_be_pasted_into_a_shell() {
    Stage::with(async |stage| {
        let name = failing_name();
        for verb in ["down", "mark-rolled-back", "mark-applied"] {
            let db = stage.database(Server::Identity, verb).await;
            stage.apply(&failing(verb, &db.secret)).await;
            let failed = stage.until_failed(verb).await;
            assert_eq!(reason(&failed), reasons::MIGRATION_FAILED);
            assert!(message(&failed).contains(name), "{}", message(&failed));
            assert_eq!(database(&failed, "main").failed.unwrap().name, name);
            let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'Extra'";
            assert_eq!(db.number(tables).await, 1, "its first statement stays");

            if verb == "mark-rolled-back" {
                // What the choice says is to be done before.
                db.run("DROP TABLE \"Extra\"").await;
            }
            let said = paste(choice(&failed, verb)).await;
            if verb == "mark-applied" {
                stage.until_ready(verb).await;
                assert!(db.applied().await.iter().any(|applied| applied == name));
                continue;
            }
            let back = stage.until_reason(verb, reasons::ROLLED_BACK).await;
            assert!(message(&back).contains(name), "{}: {said}", message(&back));
            let rows = db.ledger().await;
            let row = rows.iter().find(|row| row.name == name).unwrap();
            assert!(row.rolled_back, "{row:?}");
            assert_eq!(db.number(tables).await, 0);
        }
    })
    .await;
}
