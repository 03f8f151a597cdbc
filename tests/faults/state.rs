//! The state in which a story ends, without what differs from run to run: times, uids, and all that is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use database_migration_operator::api::{
    DatabaseMigration, LABEL_DATABASE, LABEL_STEP, MigrationAction, StepKind, StepOutcome,
    StepStatus,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

use crate::harness::{Db, OPERATOR_NAMESPACE, Server, Stage, required};

/// Fields that hold a moment, a place in a log, a digest over one of them, or what others have on the same server.
const PASSING: [&str; 25] = [
    "at",
    "attempt",
    "catalog",
    "commits",
    "commitsSince",
    "creationTimestamp",
    "deletionTimestamp",
    "endedAt",
    "finishedAt",
    "generation",
    "generateName",
    "instance",
    "jobUID",
    "lastObservedAt",
    "lastTransitionTime",
    "ledger",
    "ledgerRow",
    "lsn",
    "losesSince",
    "managedFields",
    "observedGeneration",
    "otherLedgers",
    "resourceVersion",
    "startedAt",
    "uid",
];

/// What the choice of a restore says of the rest of the server begins so, and goes on to its end.
const WHOLE_INSTANCE: &str = "; if the command restores the whole instance, ";

/// Everything that a fault must not change.
pub async fn state(stage: &Stage, databases: &[Db]) -> Value {
    let actions = list::<MigrationAction>(stage).await;
    let names = Names {
        actions: actions.iter().map(ResourceExt::name_any).collect(),
        ..Names::of(stage)
    };
    let mut state = Map::new();
    let mut not_begun = BTreeSet::new();
    for mut object in list::<DatabaseMigration>(stage).await {
        let run = object
            .status
            .as_mut()
            .and_then(|status| status.run.as_mut());
        if let Some(run) = run {
            // On a busy machine a Job may not reach its server in time, and there is another one.
            let (never, kept) = std::mem::take(&mut run.steps)
                .into_iter()
                .partition(|step| {
                    step.outcome == Some(StepOutcome::NeverBegan) && step.name == StepKind::Migrate
                });
            run.steps = kept;
            let never: Vec<StepStatus> = never;
            not_begun.extend(never.into_iter().map(|step| step.job));
        }
        state.insert(
            format!("resource {}", object.name_any()),
            names.clean(&json!({
                "finalizers": object.finalizers(), "spec": object.spec, "status": object.status})),
        );
    }
    // Their names are generated; there is one of a kind in a story.
    for object in actions {
        state.insert(
            format!("action {:?}", object.spec.action),
            names.clean(&json!({"status": object.status})),
        );
    }
    let begun = |job: &&Job| !not_begun.contains(&job.name_any());
    let mut jobs: Vec<Value> = list::<Job>(stage)
        .await
        .iter()
        .filter(begun)
        .map(job)
        .collect();
    jobs.sort_by_key(ToString::to_string);
    state.insert("jobs".to_owned(), jobs.into());
    state.insert("jobs that ever were".to_owned(), ever(stage, &not_begun));
    let maps = list::<ConfigMap>(stage).await;
    let maps = maps
        .iter()
        .filter(|map| map.binary_data.iter().flatten().count() > 0)
        .count();
    state.insert("inventories".to_owned(), maps.into());
    state.insert("leases".to_owned(), leases(stage).await.into());
    for db in databases {
        let rows: Vec<Value> = db
            .ledger()
            .await
            .iter()
            .map(|row| json!([row.name, row.finished, row.rolled_back, row.steps]))
            .collect();
        let dump = names.words(&dump(db).await);
        let schema: Vec<&str> = dump.lines().collect();
        state.insert(
            format!("database {}", names.words(&db.name)),
            json!({"ledger": rows, "schema": schema}),
        );
    }
    Value::Object(state)
}

/// What two states differ in, a line for each place.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", expected, found, &mut lines);
    lines
}

fn compare(place: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> =
                one.keys().chain(other.keys()).collect();
            for key in keys {
                let at = |object: &Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                compare(&format!("{place}/{key}"), &at(one), &at(other), lines);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{place}/{index}"), one, other, lines);
            }
        }
        _ if expected == found => {}
        _ => lines.push(format!("{place}: expected {expected}, found {found}")),
    }
}

async fn list<K>(stage: &Stage) -> Vec<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let found = stage.api::<K>().list(&ListParams::default()).await;
    found.unwrap().items
}

fn job(job: &Job) -> Value {
    let label = |key: &str| job.labels().get(key).cloned().unwrap_or_default();
    let status = job.status.clone().unwrap_or_default();
    json!({
        "step": label(LABEL_STEP), "database": label(LABEL_DATABASE),
        "succeeded": status.succeeded, "failed": status.failed,
        "owners": job.owner_references().len(),
    })
}

/// How many Jobs of each step there ever were.
fn ever(stage: &Stage, not_begun: &BTreeSet<String>) -> Value {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for job in stage.jobs.all() {
        if not_begun.contains(&job.object.name_any()) {
            continue;
        }
        let step = job.object.labels().get(LABEL_STEP).cloned();
        seen.insert(
            job.object.uid().unwrap_or_default(),
            step.unwrap_or_default(),
        );
    }
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for step in seen.into_values() {
        *counts.entry(step).or_default() += 1;
    }
    json!(counts)
}

/// The turns on databases that runs of this namespace hold.
async fn leases(stage: &Stage) -> usize {
    let api: Api<Lease> = Api::namespaced(stage.client.clone(), OPERATOR_NAMESPACE);
    let all = api.list(&ListParams::default()).await.unwrap();
    let ours = format!("{}/", stage.namespace);
    all.iter()
        .filter(|lease| {
            let holder = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.clone());
            holder.is_some_and(|holder| holder.starts_with(&ours))
        })
        .count()
}

async fn dump(db: &Db) -> String {
    let variable = match db.server {
        Server::Identity => "PG_IDENTITY_URL",
        Server::Tasks => "PG_TASKS_URL",
        Server::Own(address) => panic!("no story has a server of its own: {address}"),
    };
    let url = required(variable);
    let (base, _) = url.rsplit_once('/').unwrap();
    let url = format!("{base}/{}", db.name);
    let dumped = tokio::task::spawn_blocking(move || {
        Command::new("pg_dump")
            .args(["--schema-only", &url])
            .stdin(Stdio::null())
            .output()
    });
    let done = dumped.await.unwrap();
    let done = done.expect("pg_dump, of the package postgresql-client");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let text = String::from_utf8(done.stdout).unwrap();
    // Debian's 15 keeps a version number at each column, which is made of the transaction's.
    let kept = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("--")
            && !line.starts_with('\\')
            && !line.contains("(pg_attver=")
    };
    text.lines().filter(kept).collect::<Vec<&str>>().join("\n")
}

/// What a stage calls its things.
struct Names {
    namespace: String,
    role: String,
    /// Of MigrationActions, which are generated.
    actions: Vec<String>,
}

impl Names {
    fn of(stage: &Stage) -> Names {
        Names {
            namespace: stage.namespace.clone(),
            role: stage.role.clone(),
            actions: Vec::new(),
        }
    }

    fn clean(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => {
                let kept = object
                    .iter()
                    .filter(|(key, _)| !PASSING.contains(&key.as_str()));
                Value::Object(
                    kept.map(|(key, value)| (key.clone(), self.clean(value)))
                        .collect(),
                )
            }
            Value::Array(list) => {
                let mut list: Vec<Value> = list.iter().map(|value| self.clean(value)).collect();
                // Conditions are a map, whose order means nothing.
                list.sort_by_key(|value| value["type"].as_str().map(str::to_owned));
                Value::Array(list)
            }
            Value::String(text) => self.words(text).into(),
            other => other.clone(),
        }
    }

    /// A text with its passing words put aside.
    fn words(&self, text: &str) -> String {
        // What others have on the same server.
        let text = text.split(WHOLE_INSTANCE).next().unwrap_or(text);
        let text = text
            .replace(&self.namespace, "NAMESPACE")
            .replace(&self.role, "ROLE");
        let text = self
            .actions
            .iter()
            .fold(text, |text, name| text.replace(name, "ACTION"));
        let mut words: Vec<String> = vec![String::new()];
        for character in text.chars() {
            let part = character.is_ascii_alphanumeric() || ":.+".contains(character);
            match words.last_mut() {
                Some(last) if part => last.push(character),
                _ => words.extend([character.to_string(), String::new()]),
            }
        }
        let number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        let mut clean = String::new();
        for (index, word) in words.iter().enumerate() {
            let two_on = words.get(index + 2).map_or("", |word| word.as_str());
            let two_back = index
                .checked_sub(2)
                .map_or("", |index| words[index].as_str());
            let counts = number(word) && (two_on.starts_with("commit") || two_back == "pid");
            clean.push_str(if counts {
                "N"
            } else {
                passing(word).unwrap_or(word)
            });
        }
        clean
    }
}

/// What a word stands for that is another one in the next run.
fn passing(word: &str) -> Option<&'static str> {
    let bare = word.trim_end_matches(['.', ':', '+']);
    let hex = bare.len() >= 4 && bare.chars().all(|c| c.is_ascii_hexdigit());
    let seconds = bare.strip_suffix('s').or_else(|| bare.strip_suffix("ms"));
    let time =
        bare.len() >= 8 && bare.contains(':') && bare.starts_with(|c: char| c.is_ascii_digit());
    if time {
        return Some("TIME");
    }
    if seconds.is_some_and(|number| number.parse::<f64>().is_ok()) {
        return Some("SECONDS");
    }
    // Dates of migrations stay: they have fourteen digits.
    if hex && bare.len() != 14 && [4, 8, 12, 24, 32, 64].contains(&bare.len()) {
        return Some("HEX");
    }
    None
}

#[test]
fn what_differs_from_run_to_run_is_put_aside() {
    let names = Names {
        namespace: "t-0badcafe".to_owned(),
        role: "t_0badcafe".to_owned(),
        actions: vec!["decided-psr4s".to_owned()],
    };
    let words = |text: &str| names.words(text);
    assert_eq!(
        words("identity: 7 applied in 15s, last 20260908150000_audit"),
        "identity: 7 applied in SECONDS, last 20260908150000_audit"
    );
    assert_eq!(
        words("run r1-42a40adc: t_0badcafe_identity"),
        "run r1-HEX ROLE_identity"
    );
    assert_eq!(
        words("Job shop-identity-1f0c9a2e -n t-0badcafe"),
        "Job shop-identity-HEX -n NAMESPACE"
    );
    assert_eq!(words("2 of 2 databases"), "2 of 2 databases");
    assert_eq!(
        words("about 14 commits, pid 4242 (portal)"),
        "about N commits, pid N (portal)"
    );
    assert_eq!(
        words("refused: decided-psr4s is at work"),
        "refused: ACTION is at work"
    );
    let clean = names.clean(&json!({"uid": "x", "kept": ["2026-11-24T03:00:00Z"]}));
    assert_eq!(clean, json!({"kept": ["HEX-11-TIME"]}));
    let lines = differences(&json!({"a": [1, 2], "b": 1}), &json!({"a": [1, 3], "c": 1}));
    assert_eq!(lines.len(), 3, "{lines:?}");
}
