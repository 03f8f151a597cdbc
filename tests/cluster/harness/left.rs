//! What a run of these tests that was killed has left: its namespaces, databases and roles.

use database_migration_operator::api::DatabaseMigration;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::OnceCell;

use super::db::{Server, run};

/// On each test's namespace, and on nodes that it makes up: the process that made it.
pub const LABEL_PROCESS: &str = "dbm-test-process";

/// This process, told from another one that gets its number later.
pub fn process() -> String {
    let id = std::process::id();
    format!("{id}.{}", started(id).unwrap_or_default())
}

/// When a process was started, in ticks since the machine's start.
fn started(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may hold blanks, as the 22nd field of proc(5).
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

fn is_alive(process: &str) -> bool {
    let Some((id, since)) = process.split_once('.') else {
        return false;
    };
    id.parse().ok().and_then(started).as_deref() == Some(since)
}

/// Takes away what processes that have ended left, once in each process.
pub async fn take_away(client: &Client) {
    static TAKEN: OnceCell<()> = OnceCell::const_new();
    TAKEN.get_or_init(|| all(client)).await;
}

async fn all(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = ListParams::default().labels(LABEL_PROCESS);
    let nodes: Api<Node> = Api::all(client.clone());
    for node in nodes.list(&ours).await.unwrap() {
        if !is_alive(&node.labels()[LABEL_PROCESS]) {
            let _ = nodes
                .delete(&node.name_any(), &DeleteParams::default())
                .await;
        }
    }
    for namespace in namespaces.list(&ours).await.unwrap() {
        if is_alive(&namespace.labels()[LABEL_PROCESS]) {
            continue;
        }
        let name = namespace.name_any();
        eprintln!("{name}: left by a run that was killed; taken away");
        let _ = namespaces.delete(&name, &DeleteParams::default()).await;
        // No operator works there any more that would let them go.
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let (to, all) = (PatchParams::default(), ListParams::default());
        let resources: Api<DatabaseMigration> = Api::namespaced(client.clone(), &name);
        for object in resources.list(&all).await.unwrap() {
            let _ = resources.patch(&object.name_any(), &to, &free).await;
        }
        let jobs: Api<Job> = Api::namespaced(client.clone(), &name);
        for object in jobs.list(&all).await.unwrap() {
            let _ = jobs.patch(&object.name_any(), &to, &free).await;
        }
        for server in Server::ALL {
            forget(server, &name.replace('-', "_")).await;
        }
    }
}

/// Drops a test's role and its databases.
async fn forget(server: Server, role: &str) {
    let mut session = server.session("postgres", "test").await;
    let theirs =
        format!("SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = '{role}'");
    let databases = sqlx::query(AssertSqlSafe(theirs))
        .fetch_all(&mut session)
        .await
        .unwrap();
    for row in databases {
        let name: String = row.get(0);
        run(
            &mut session,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
    }
    run(&mut session, &format!("DROP ROLE IF EXISTS {role}")).await;
}
