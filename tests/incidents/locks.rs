//! Locks that somebody's open transaction holds, with the default time-outs.

use std::net::IpAddr;

use kube::api::DeleteParams;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::failures::columns;
use crate::frame::Incident;
use crate::harness::*;
use crate::images::example;

const SPLIT_NAME: &str = crate::failures::SPLIT_NAME;
const TASK_PRIORITY: &str = "20261121090000_task_priority";
const NICKNAME: &str = "20261101090000_user_nickname";

/// The portal reads a table, as the application's role, in a transaction that it leaves open.
pub async fn portal(db: &Db, table: &str) -> (PgConnection, i32) {
    let variable = match db.server {
        Server::Identity => "PG_IDENTITY_URL",
        _ => "PG_TASKS_URL",
    };
    let url: url::Url = required(variable).parse().unwrap();
    let address: IpAddr = url.host_str().unwrap().parse().unwrap();
    let url = db
        .url_by(&address.to_string())
        .replace("?schema=public", "");
    let options: PgConnectOptions = url.parse().unwrap();
    let options = options
        .application_name("portal")
        .disable_statement_logging();
    let mut session = options.connect().await.unwrap();
    run(
        &mut session,
        &format!("BEGIN; SELECT count(*) FROM \"{table}\""),
    )
    .await;
    let pid = backend_pid(&mut session).await;
    (session, pid)
}

/// What the release changes is not waited for by anybody any more.
fn named(pid: i32) -> [String; 2] {
    [
        format!(r"pid {pid} \(portal, idle in transaction"),
        "lock".to_owned(),
    ]
}

/// The choices after a time-out blame no file.
const NEVER: [&str; 3] = ["corrected image", "a session that was not seen", "pid 0"];

pub async fn with_rows(i: &Incident<'_>) {
    let (identity, tasks) = i.stage.shop().await;
    i.released(&example("1.1.0")).await;
    let (_portal, pid) = portal(&identity, "User").await;
    i.fault();
    i.stage.apply(&example("1.2.1")).await;
    let [who, lock] = named(pid);
    i.until_cause("shop", &[&who, &lock, SPLIT_NAME]).await;
    i.stage.until_failed("shop").await;
    let screen = i.show("shop", 1).await;
    i.says(&screen, &[&who, "55P03"]);
    i.truth(
        "nothing of it is in the catalog",
        columns(&identity, "User", "'first_name', 'last_name'").await == 0,
    );
    let command = i.choice("shop", 0).await;
    i.says(
        &command,
        &[
            &format!("pg_terminate_backend\\({pid}\\)"),
            "kubectl dbm retry",
        ],
    );
    i.follow(&command).await;
    i.until_well("shop").await;
    i.ends("identity is at 1.2.1", identity.applied().await.len() == 11);
    i.ends("tasks is at 1.2.1", tasks.applied().await.len() == 9);
    i.never(&NEVER);
}

pub async fn while_it_waits(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    i.released(&example("1.1.0")).await;
    let (_portal, pid) = portal(&identity, "User").await;
    i.stage.apply(&example("1.2.1")).await;
    i.stage.until_reason("shop", "WaitingLock").await;
    i.fault();
    let [who, lock] = named(pid);
    let waiting = i.until_cause("shop", &[&who, &lock, SPLIT_NAME]).await;
    i.shown("shop", &waiting);
    let terminate = format!("pg_terminate_backend({pid})");
    i.truth(
        "the next step ends that session",
        waiting.text.contains(&terminate),
    );
    let line = waiting
        .text
        .lines()
        .find(|line| line.contains(&terminate))
        .unwrap_or_default();
    let command = line.trim().trim_start_matches("1 ").trim();
    i.follow(command).await;
    // Where the person was slower than the time-out, the first choice after it ends it as well.
    let end = i
        .stage
        .until("shop", "Ready or Failed", |object| {
            is_ready(object) && status(object).observed_generation == object.metadata.generation
                || holds(object, "Stalled") == Some(true)
        })
        .await;
    if !is_ready(&end) {
        i.look("shop").await;
        let command = i.choice("shop", 0).await;
        i.follow(&command).await;
    }
    i.until_well("shop").await;
    i.ends("identity is at 1.2.1", identity.applied().await.len() == 11);
    i.never(&NEVER);
}

pub async fn catalog_only(i: &Incident<'_>) {
    let (_, tasks) = i.stage.shop().await;
    i.released(&example("1.0.0")).await;
    let (_portal, pid) = portal(&tasks, "Task").await;
    i.fault();
    i.stage.apply(&example("1.1.0")).await;
    let [who, lock] = named(pid);
    i.until_cause("shop", &[&who, &lock, TASK_PRIORITY]).await;
    i.stage.until_failed("shop").await;
    let screen = i.show("shop", 1).await;
    i.says(
        &screen,
        &[&who, "55P03", "statement 1 took effect", "TaskPriority"],
    );
    let types = "SELECT count(*) FROM pg_type WHERE typname = 'TaskPriority'";
    i.truth("its type is there", tasks.number(types).await == 1);
    i.truth(
        "its column is not",
        columns(&tasks, "Task", "'priority'").await == 0,
    );
    let command = i.choice("shop", 0).await;
    i.says(
        &command,
        &[
            &format!("pg_terminate_backend\\({pid}\\)"),
            "kubectl dbm down",
            "kubectl dbm retry",
        ],
    );
    i.follow(&command).await;
    i.until_well("shop").await;
    i.ends("tasks is at 1.1.0", tasks.applied().await.len() == 8);
    i.never(&NEVER);
}

pub async fn down_while_locked(i: &Incident<'_>) {
    let (identity, _) = i.stage.shop().await;
    i.released(&example("1.1.0")).await;
    i.stage.apply(&example("1.2.0")).await;
    i.stage.until_failed("shop").await;
    let (_portal, pid) = portal(&identity, "User").await;
    i.look("shop").await;
    let down = i.choice("shop", 0).await;
    i.fault();
    let printed = i.typed(&format!("{down} --reason \"INC-1\"")).await;
    i.answered(&printed);
    i.ends("it does not get its lock", printed.code == 1);
    let [who, lock] = named(pid);
    i.until_cause("shop", &[&who, &lock, SPLIT_NAME]).await;
    let screen = i.show("shop", 1).await;
    i.says(&screen, &["down.sql"]);
    i.truth(
        "nothing was undone",
        columns(&identity, "User", "'first_name', 'last_name'").await == 2,
    );
    let command = i.choice("shop", 0).await;
    i.says(
        &command,
        &[
            &format!("pg_terminate_backend\\({pid}\\)"),
            "kubectl dbm down",
        ],
    );
    i.follow(&command).await;
    i.stage.until_reason("shop", "RolledBack").await;
    i.ends(
        "its columns are gone",
        columns(&identity, "User", "'first_name', 'last_name'").await == 0,
    );
    i.show("shop", 3).await;
}

pub async fn deleted_mid_run(i: &Incident<'_>) {
    let db = i.stage.database(Server::Identity, "identity").await;
    i.released(&identity_resource("shop", &shop("1.0.0"))).await;
    let (portal, pid) = portal(&db, "User").await;
    i.stage
        .apply(&identity_resource("shop", &variant("lock")))
        .await;
    i.stage.until_reason("shop", "WaitingLock").await;
    i.tell("kubectl delete dbm shop");
    let api = i
        .stage
        .api::<database_migration_operator::api::DatabaseMigration>();
    api.delete("shop", &DeleteParams::default()).await.unwrap();
    i.fault();
    // The time-out is 5 s, so the screen may be gone when a person comes to see it.
    let seen = i
        .until_cause("shop", &["identity: being deleted; waits for Job"])
        .await;
    i.shown("shop", &seen);
    let [who, _] = named(pid);
    i.says(&seen.text, &[&who]);
    i.stage.until_gone("shop").await;
    drop(portal);
    let open = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL";
    i.ends(
        "one try, no other",
        db.ledger()
            .await
            .iter()
            .filter(|row| row.name == NICKNAME)
            .count()
            == 1,
    );
    let _ = db.number(open).await;
}
