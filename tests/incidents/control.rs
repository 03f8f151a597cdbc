//! What people do to a resource or its run: frozen, suspended, retried, aborted, and one database for two.

use database_migration_operator::api::ANNOTATION_RECONCILE;
use serde_json::json;

use crate::frame::Incident;
use crate::harness::*;
use crate::images::example;
use crate::locks::portal;

pub async fn reconcile_disabled(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    i.released(&example("1.0.0")).await;
    i.stage
        .annotate("shop", ANNOTATION_RECONCILE, Some("disabled"))
        .await;
    i.fault();
    i.stage.apply(&example("1.1.0")).await;
    let screen = i
        .until_cause("shop", &["Frozen", "dbops.dev/reconcile"])
        .await;
    i.shown("shop", &screen);
    let retry = i
        .typed(&format!(
            "kubectl dbm retry shop -n {} --no-wait",
            i.stage.namespace
        ))
        .await;
    i.answered(&retry);
    i.says(&retry.text, &["[Ff]rozen|disabled"]);
    i.truth(
        "nothing runs meanwhile",
        identity.applied().await.len() == 7,
    );
    let line = screen
        .text
        .lines()
        .find(|line| line.trim().starts_with("kubectl annotate "));
    i.truth("the command to go on is on the screen", line.is_some());
    i.follow(line.unwrap_or_default().trim()).await;
    i.until_well("shop").await;
    i.ends("identity is at 1.1.0", identity.applied().await.len() == 9);
}

/// The migration of eight seconds, with the default time-outs, and a database after it.
fn slow_then_tasks() -> serde_json::Value {
    let mut object = identity_resource("shop", &variant("slow"));
    object["spec"]["databases"]
        .as_array_mut()
        .unwrap()
        .push(json!({
            "name": "tasks",
            "connection": {"secretKeyRef": {"name": "tasks-db"}},
            "prisma": {"schema": TASKS_SCHEMA},
        }));
    object
}

pub async fn retry_and_abort(i: &Incident<'_>) {
    let (identity, tasks) = i.stage.shop().await;
    i.stage.apply(&slow_then_tasks()).await;
    until_slow(i.stage, "shop").await;
    let namespace = &i.stage.namespace;
    let retry = i
        .typed(&format!("kubectl dbm retry shop -n {namespace}"))
        .await;
    i.answered(&retry);
    i.ends(
        "a retry is refused meanwhile",
        retry.code == 1 || retry.code == 3,
    );
    i.says(&retry.text, &["at work"]);
    i.fault();
    i.typed(&format!(
        "kubectl dbm abort shop -n {namespace} --reason \"INC-1\""
    ))
    .await;
    i.until_cause("shop", &["local-admin", "[Aa]bort"]).await;
    i.stage.until_reason("shop", "Aborted").await;
    i.show("shop", 1).await;
    i.truth(
        "the migration that ran came to its end",
        identity.applied().await.len() == 8,
    );
    i.truth("tasks was not started", tasks.ledger().await.is_empty());
    let command = i.choice("shop", 0).await;
    i.ends(
        "the first choice goes on",
        command.starts_with("kubectl dbm retry shop "),
    );
    i.follow(&command).await;
    i.until_well("shop").await;
    i.ends("tasks is migrated", tasks.applied().await.len() == 7);
    i.never(&["corrected image"]);
}

pub async fn suspended(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    i.released(&example("1.0.0")).await;
    i.typed(&format!(
        "kubectl dbm suspend shop -n {}",
        i.stage.namespace
    ))
    .await;
    i.fault();
    i.stage.apply(&example("1.1.0")).await;
    i.until_cause("shop", &["Suspended", "kubectl dbm resume shop"])
        .await;
    let screen = i.until_screen("shop", &["2 pending"]).await;
    i.truth("it is so on purpose: exit code 0", screen.code == 0);
    i.shown("shop", &screen);
    let plan = i
        .typed(&format!("kubectl dbm plan shop -n {}", i.stage.namespace))
        .await;
    i.answered(&plan);
    i.says(&plan.text, &["[Ss]uspended"]);
    i.truth("nothing was started", identity.applied().await.len() == 7);
    let line = screen
        .text
        .lines()
        .map(|line| line.trim().trim_start_matches("1 ").trim())
        .find(|line| line.starts_with("kubectl dbm resume shop"));
    let command = line
        .unwrap_or_default()
        .trim()
        .trim_start_matches("1 ")
        .trim();
    i.follow(command).await;
    i.until_well("shop").await;
    i.ends("identity is at 1.1.0", identity.applied().await.len() == 9);
}

pub async fn two_resources(i: &Incident<'_>) {
    let db = i.stage.database(Server::Identity, "identity").await;
    i.released(&identity_resource("shop", &shop("1.0.0"))).await;
    // The first one's run is as long as somebody reads the table.
    let (mut portal, _) = portal(&db, "User").await;
    i.stage
        .apply(&identity_resource("shop", &variant("lock")))
        .await;
    i.stage.until_reason("shop", "WaitingLock").await;
    i.fault();
    i.stage
        .apply(&identity_resource("shop-eu", &variant("lock")))
        .await;
    let waiting = i
        .until_cause(
            "shop-eu",
            &["another run|same database|being migrated by", "shop"],
        )
        .await;
    i.truth("nobody is needed: exit code 0", waiting.code == 0);
    i.shown("shop-eu", &waiting);
    i.tell("nothing is to be done with it; the portal's transaction ends");
    run(&mut portal, "COMMIT").await;
    i.stage.until_ready("shop").await;
    i.until_well("shop-eu").await;
    let applied = db.applied().await;
    i.ends("each migration is applied once", applied.len() == 8);
}
