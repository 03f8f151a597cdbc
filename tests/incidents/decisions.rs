//! What people decide: what does not fit, a baseline, a smoke test that is accepted, a restore.

use database_migration_operator::api::MigrationAction;
use kube::api::ListParams;
use serde_json::json;

use crate::failures::SPLIT_NAME;
use crate::frame::Incident;
use crate::harness::*;
use crate::images::example;

pub async fn wrong_action(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    i.released(&example("1.1.0")).await;
    i.stage.apply(&example("1.2.0")).await;
    i.stage.until_failed("shop").await;
    let before = identity.ledger().await;
    let namespace = &i.stage.namespace;
    i.fault();
    let at = "--database identity --migration";
    for (rest, part) in [
        (
            format!("mark-applied shop -n {namespace} {at} 20261122110000_last_name_index"),
            "last_name_index",
        ),
        (
            format!("mark-applied shop -n {namespace} --database orders --migration {SPLIT_NAME}"),
            "orders",
        ),
        (
            format!("mark-rolled-back shop -n {namespace} {at} {SPLIT_NAME} --run r1-00000000"),
            "run",
        ),
        (
            format!("baseline shop -n {namespace} {at} {SPLIT_NAME}"),
            "ledger|baseline",
        ),
        (
            format!(
                "restore shop -n {namespace} --database identity --target 2026-01-01T00:00:00Z"
            ),
            "restore",
        ),
        (format!("accept shop -n {namespace}"), "validat|smoke"),
    ] {
        let printed = i
            .typed(&format!("kubectl dbm {rest} --reason \"INC-1\""))
            .await;
        i.answered(&printed);
        i.ends(
            &format!("it does not fit: {rest}: {}", printed.code),
            (1..=3).contains(&printed.code),
        );
        i.says(&printed.text, &[part]);
    }
    i.truth("nothing was done", identity.ledger().await == before);
    i.until_cause("shop", &[SPLIT_NAME, "42703"]).await;
    i.show("shop", 1).await;
    let command = i.choice("shop", 0).await;
    i.follow(&command).await;
    i.stage.until_reason("shop", "RolledBack").await;
    i.show("shop", 3).await;
}

pub async fn baseline(i: &Incident<'_>) {
    let db = i.stage.database(Server::Identity, "identity").await;
    i.released(&identity_resource("before", &shop("1.0.0")))
        .await;
    i.stage
        .api::<database_migration_operator::api::DatabaseMigration>()
        .delete("before", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    i.stage.until_gone("before").await;
    let last = db.applied().await.pop().unwrap();
    db.run("DROP TABLE _prisma_migrations").await;
    i.fault();
    i.stage
        .apply(&identity_resource("shop", &shop("1.1.0")))
        .await;
    i.until_cause(
        "shop",
        &[
            "identity",
            "no ledger|without a ledger|_prisma_migrations",
            &last,
        ],
    )
    .await;
    i.stage.until_reason("shop", "BaselineNeeded").await;
    i.show("shop", 3).await;
    let index = "20261119101500_add_session_index";
    let wrong = i
        .typed(&format!(
            "kubectl dbm baseline shop -n {} --database identity --migration {index} --reason \"INC-1\"",
            i.stage.namespace
        ))
        .await;
    i.answered(&wrong);
    i.ends(
        "a wrong answer is refused",
        wrong.code == 1 || wrong.code == 3,
    );
    i.says(&wrong.text, &["device|Session_expires_at_idx"]);
    i.look("shop").await;
    let command = i.choice("shop", 0).await;
    i.says(&command, &[&last]);
    i.follow(&command).await;
    i.until_well("shop").await;
    i.ends("identity is at 1.1.0", db.applied().await.len() == 9);
    i.never(&["not read yet, read"]);
}

/// A test of the application that nobody told of the release.
const LOGIN: &str = "console.log('POST /login as smoke@example.com'); console.error('expected 200, got 401: the user smoke@example.com is locked'); process.exit(1)";

pub async fn smoke_test(i: &Incident<'_>) {
    let (identity, tasks) = i.stage.shop().await;
    let mut object = example("1.0.0");
    object["spec"]["validation"] =
        json!({"smokeTests": [{"name": "portal-login", "command": ["node", "-e", LOGIN]}]});
    i.fault();
    i.stage.apply(&object).await;
    i.until_cause("shop", &["portal-login", "got 401"]).await;
    i.stage.until_failed("shop").await;
    i.fault();
    i.warned("shop", "SmokeTestFailed").await;
    i.show("shop", 1).await;
    i.truth(
        "every migration is applied",
        identity.applied().await.len() + tasks.applied().await.len() == 14,
    );
    let object = i.newest("shop").await;
    let choices = status(&object).choices;
    let at = choices
        .iter()
        .position(|choice| choice.command.starts_with("kubectl dbm accept shop "));
    i.ends("it can be accepted", at.is_some());
    let command = i.choice("shop", at.unwrap_or_default()).await;
    i.tell("the test's own user is locked, the release is well");
    i.follow(&command).await;
    let screen = i.until_well("shop").await;
    i.says(
        &screen,
        &["portal-login.*failed.*accepted by local-admin: INC-1"],
    );
}

pub async fn restore_offer(i: &Incident<'_>) {
    let (identity, tasks) = i.stage.shop().await;
    for db in [&identity, &tasks] {
        let grant = "GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO";
        db.run(&format!("{grant} {}", db.role())).await;
    }
    let mut object = example("1.0.0");
    object["spec"]["preflight"] = json!({"backup": {"restorePoint": "Required"}});
    object["spec"]["rollback"] = json!({"restore": {
        "image": shop("1.0.0"), "command": ["node", "restore/restore.mjs"]}});
    i.released(&object).await;
    i.tell("the release went well, and rows turn out to be damaged");
    i.fault();
    i.until_cause("shop", &["What you can do", "kubectl dbm restore shop"])
        .await;
    i.show("shop", 0).await;
    let command = i
        .choice("shop", 0)
        .await
        .replace("--reason ...", "--reason \"INC-1\"");
    let cost = i.asked(&command).await;
    i.answered(&cost);
    i.ends("nobody said yes", cost.code == 2);
    i.says(
        &cost.text,
        &[
            "What is lost",
            "Stay ahead",
            "tasks",
            "Costs less",
            "In short",
            "whole (server|instance)",
        ],
    );
    let actions = i
        .stage
        .api::<MigrationAction>()
        .list(&ListParams::default())
        .await
        .unwrap();
    i.truth("nothing was decided", actions.items.is_empty());
    i.show("shop", 0).await;
}
