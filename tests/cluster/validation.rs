//! Smoke tests, denied lines, the watch.

use database_migration_operator::api::{
    DatabaseMigration, FindingKind, Phase, Policy, RunOutcome, StepKind, StepOutcome, reasons,
};
use kube::ResourceExt;
use serde_json::json;

use crate::harness::*;

/// Passes at its second attempt: Jobs have names of their own, and the database remembers the first.
const FLAKY: &str = "
const { Client } = require('pg');
const client = new Client({ connectionString: process.env.IDENTITY_DATABASE_URL.split('?')[0] });
client.connect()
  .then(() => client.query('CREATE TABLE IF NOT EXISTS seen (name text)'))
  .then(() => client.query('INSERT INTO seen VALUES ($1) RETURNING (SELECT count(*) FROM seen) AS before', [require('os').hostname()]))
  .then((result) => { const before = Number(result.rows[0].before); console.log('attempts before this one:', before); process.exit(before > 0 ? 0 : 1); })
  .catch((error) => { console.error(error.message); process.exit(2); });
";

#[tokio::test]
async fn tests_run_in_their_order_and_a_flaky_one_is_said_to_be_so() {
    Stage::with(async |stage| {
        stage.shop().await;
        let mut object = shop_resource(&shop("1.0.0"));
        object["spec"]["validation"] = json!({"smokeTests": [
            {"name": "at-the-end", "command": ["node", "-e", "if (!process.env.TASKS_DATABASE_URL) process.exit(3)"]},
            {"name": "of-identity", "command": ["node", "-e", FLAKY], "after": "identity", "attempts": 3},
        ]});
        stage.apply(&object).await;
        let ready = stage.until_ready("shop").await;
        let tests: Vec<(String, u32, Option<StepOutcome>)> = steps(&ready, StepKind::SmokeTest)
            .into_iter()
            .map(|step| (step.test, step.attempt, step.outcome))
            .collect();
        assert_eq!(tests, [
            ("of-identity".to_owned(), 1, Some(StepOutcome::Failed)),
            ("of-identity".to_owned(), 2, Some(StepOutcome::Succeeded)),
            ("at-the-end".to_owned(), 1, Some(StepOutcome::Succeeded)),
        ]);
        let validated = condition(&ready, reasons::VALIDATED).unwrap();
        assert_eq!(validated.reason, reasons::TESTS_PASSED);
        assert!(validated.message.contains("of-identity after a failure"), "{}", validated.message);
        stage.until_events("shop", "SmokeTestFlaky", 1).await;
        // tasks was not started before the test of identity had passed.
        let jobs = stage.jobs.all();
        let made = |step: &str, of: &str| {
            jobs.iter()
                .position(|seen| {
                    let labels = seen.object.labels();
                    labels.get("dbops.dev/step").map(String::as_str) == Some(step)
                        && labels.values().any(|value| value == of)
                })
                .unwrap()
        };
        assert!(made("smoke-test", "of-identity") < made("migrate", "tasks"));
        assert!(stage.ever("shop", |o| status(o).phase == Some(Phase::Validating)));
        let migrated_first = stage.ever("shop", |object| {
            holds(object, reasons::MIGRATED) == Some(true) && !is_ready(object)
        });
        assert!(migrated_first, "an application need not wait for the tests");
    })
    .await;
}

fn hanging(attempts: u32) -> serde_json::Value {
    json!({"smokeTests": [{
        "name": "hangs", "after": "identity", "timeout": "3s", "attempts": attempts,
        "command": ["node", "-e", "console.log('waiting for the portal'); setInterval(() => {}, 1000)"],
    }]})
}

#[tokio::test]
async fn a_test_that_never_ends_stops_the_run_and_a_human_may_accept_it() {
    Stage::with(async |stage| {
        let (_, tasks) = stage.shop().await;
        let mut object = shop_resource(&shop("1.0.0"));
        object["spec"]["validation"] = hanging(2);
        stage.apply(&object).await;
        let failed = stage.until_failed("shop").await;
        assert_eq!(reason(&failed), reasons::SMOKE_TEST_FAILED);
        for part in [
            "identity: ",
            "hangs",
            "2 attempts",
            "timeout",
            "Not started: tasks",
        ] {
            assert!(
                message(&failed).contains(part),
                "{part} is not in: {}",
                message(&failed)
            );
        }
        assert_eq!(holds(&failed, reasons::VALIDATED), Some(false));
        assert_eq!(tasks.ledger().await, []);
        assert!(
            status(&failed)
                .choices
                .iter()
                .any(|c| c.command.starts_with("kubectl dbm accept"))
        );

        stage
            .done(action(&failed, "AcceptValidation", &json!({})))
            .await;
        let ready = stage.until_ready("shop").await;
        assert_eq!(run_id(&ready), run_id(&failed), "the run goes on");
        assert_eq!(outcome(&ready), Some(RunOutcome::Succeeded));
        assert_eq!(
            condition(&ready, reasons::VALIDATED).unwrap().reason,
            reasons::VALIDATION_ACCEPTED
        );
        assert!(!tasks.ledger().await.is_empty());
        assert_eq!(stage.jobs_of("shop", "smoke-test").len(), 2);
    })
    .await;
}

fn said(object: &DatabaseMigration) -> Vec<(Option<u32>, String, Policy)> {
    let findings = database(object, "identity").findings.into_iter();
    findings
        .filter(|finding| finding.kind == FindingKind::Log)
        .map(|finding| (finding.line, finding.text, finding.policy))
        .collect()
}

#[tokio::test]
async fn lines_of_the_output_are_found_and_denied_and_ten_megabytes_change_nothing() {
    Stage::with(async |stage| {
        let db = stage.database(Server::Identity, "identity").await;
        let mut object = identity_resource("shop", &shop("1.0.0"));
        object["spec"]["validation"] = json!({
            "logs": {"policy": "Deny", "patterns": ["[0-9]+_sessions/"]},
            "smokeTests": [{"name": "talks", "command": ["node", "-e", "for (let i = 0; i < 10; i++) console.log('x'.repeat(1e6))"]}],
        });
        stage.apply(&object).await;
        let failed = stage.until_failed("shop").await;
        assert_eq!(reason(&failed), reasons::LOG_LINE_FOUND);
        let found = said(&failed);
        let denied = found.iter().find(|(_, _, policy)| *policy == Policy::Deny).unwrap();
        assert!(denied.0.is_some() && denied.1.contains("_sessions"), "{found:?}");
        // What Prisma says of every image is none.
        assert!(found.iter().all(|(_, text, _)| text.contains("_sessions")), "{found:?}");
        assert_eq!(db.applied().await.len(), 7, "every migration is applied");
        stage.done(action(&failed, "AcceptValidation", &json!({}))).await;
        let ready = stage.until_ready("shop").await;
        assert!(said(&ready).iter().all(|(_, _, policy)| *policy == Policy::Warn));
        assert_eq!(stage.jobs_of("shop", "smoke-test").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn patterns_and_tests_that_make_no_sense_are_refused_by_the_api() {
    Stage::with(async |stage| {
        for (validation, part) in [
            (json!({"logs": {"patterns": ["("]}}), "regular expressions"),
            (json!({"smokeTests": [{"name": "a", "command": []}]}), "command"),
            (json!({"smokeTests": [{"name": "a", "command": ["x"], "after": "orders"}]}), "name of a database"),
            (
                json!({"smokeTests": [{"name": "a", "command": ["x"]}, {"name": "a", "command": ["x"]}]}),
                "unique",
            ),
            (json!({"smokeTests": [{"name": "a", "command": ["x"], "timeout": "0s"}]}), "timeout"),
        ] {
            let mut object = shop_resource(&shop("1.0.0"));
            object["spec"]["validation"] = validation.clone();
            let said = stage.dry_run(&object).await.unwrap_err();
            assert!(said.contains(part), "{validation}: {part} is not in: {said}");
        }
    })
    .await;
}
