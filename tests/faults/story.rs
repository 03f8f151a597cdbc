//! What is played once without a fault and then with each: what a release, a failure and every action of a human do.

use database_migration_operator::api::{ActionState, DatabaseMigration, MigrationAction, reasons};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::*;

const SPLIT_NAME: &str = "20261122101500_split_name";
/// The migrations of the image `small`.
const SMALL: [&str; 2] = ["20260101090000_init", "20260102090000_pinned"];
const SMALL_SQL: [&str; 2] = [
    include_str!("../images/variants/small/prisma/migrations/20260101090000_init/migration.sql"),
    include_str!("../images/variants/small/prisma/migrations/20260102090000_pinned/migration.sql"),
];
/// Prisma's advisory lock.
const PRISMA_LOCK: i64 = 72_707_369;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// Two databases, an image that nobody has looked at.
    Release,
    /// The first of two databases fails.
    Failure,
    /// A lock time-out that left no trace is marked rolled back and tried again.
    LockRetry,
    /// The spec changes while a database is being migrated.
    Edit,
    /// The resource is deleted while a database is being migrated.
    Deletion,
    /// The actions of humans.
    Retry,
    Abort,
    MarkApplied,
    MarkRolledBack,
    DownMigration,
    Restore,
    Baseline,
    AcceptValidation,
}

/// What a story works with, once it is prepared.
pub struct Prepared {
    pub databases: Vec<Db>,
    object: Option<DatabaseMigration>,
    /// A session that holds Prisma's lock, or a table's.
    blocker: tokio::sync::Mutex<Option<sqlx::PgConnection>>,
}

impl Story {
    pub const ALL: [Story; 13] = [
        Story::Release,
        Story::Failure,
        Story::LockRetry,
        Story::Edit,
        Story::Deletion,
        Story::Retry,
        Story::Abort,
        Story::MarkApplied,
        Story::MarkRolledBack,
        Story::DownMigration,
        Story::Restore,
        Story::Baseline,
        Story::AcceptValidation,
    ];

    /// As scenarios call it.
    pub fn named(name: &str) -> Story {
        let found = Story::ALL.into_iter().find(|story| story.name() == name);
        found.unwrap_or_else(|| panic!("there is no story {name}"))
    }

    pub fn name(self) -> &'static str {
        match self {
            Story::Release => "release",
            Story::Failure => "failure",
            Story::LockRetry => "lock-retry",
            Story::Edit => "edit",
            Story::Deletion => "deletion",
            Story::Retry => "retry",
            Story::Abort => "abort",
            Story::MarkApplied => "mark-applied",
            Story::MarkRolledBack => "mark-rolled-back",
            Story::DownMigration => "down-migration",
            Story::Restore => "restore",
            Story::Baseline => "baseline",
            Story::AcceptValidation => "accept-validation",
        }
    }

    /// It is also about finding out what an image holds.
    pub fn finds_out(self) -> bool {
        self == Story::Release
    }

    /// Brings everything to where the story begins, with nothing going wrong. What images hold is known from
    /// `inventories` of an earlier play, but for a story that is about finding out.
    pub async fn prepare(self, stage: &Stage, inventories: &[ConfigMap]) -> Prepared {
        if !self.finds_out() {
            for map in inventories {
                let made = stage.api().create(&PostParams::default(), map).await;
                made.unwrap();
            }
        }
        let mut prepared = Prepared {
            databases: vec![stage.database(Server::Identity, "identity").await],
            object: None,
            blocker: tokio::sync::Mutex::default(),
        };
        if matches!(self, Story::Release | Story::Failure) {
            let tasks = stage.database(Server::Tasks, "tasks").await;
            prepared.databases.push(tasks);
        }
        let identity = prepared.databases[0].clone();
        match self {
            Story::Release | Story::Failure | Story::Edit | Story::Deletion => {}
            Story::LockRetry => {
                stage
                    .apply(&identity_resource("shop", &shop("1.0.0")))
                    .await;
                stage.until_ready("shop").await;
                let mut session = identity.session("portal").await;
                run(
                    &mut session,
                    "BEGIN; LOCK TABLE \"User\" IN ACCESS SHARE MODE",
                )
                .await;
                *prepared.blocker.lock().await = Some(session);
            }
            Story::Retry => {
                stage.apply(&small()).await;
                prepared.object = Some(stage.until_ready("shop").await);
            }
            Story::Abort => {
                let mut session = identity.session("somebody-elses-deploy").await;
                run(
                    &mut session,
                    &format!("SELECT pg_advisory_lock({PRISMA_LOCK})"),
                )
                .await;
                *prepared.blocker.lock().await = Some(session);
                stage.apply(&small()).await;
                let waiting = stage.until_reason("shop", reasons::WAITING_LOCK).await;
                prepared.object = Some(waiting);
            }
            Story::MarkApplied | Story::MarkRolledBack | Story::DownMigration => {
                stage
                    .apply(&identity_resource("shop", &shop("1.2.0")))
                    .await;
                prepared.object = Some(stage.until_failed("shop").await);
                match self {
                    Story::MarkApplied => {
                        let sql = "ALTER TABLE \"User\" ADD CONSTRAINT \"User_last_name_check\" CHECK (\"last_name\" <> '')";
                        identity.run(sql).await;
                    }
                    Story::MarkRolledBack => {
                        let sql = "ALTER TABLE \"User\" DROP COLUMN \"first_name\", DROP COLUMN \"last_name\"";
                        identity.run(sql).await;
                    }
                    _ => {}
                }
            }
            Story::Restore => {
                stage.apply(&restorable()).await;
                prepared.object = Some(stage.until_ready("shop").await);
            }
            Story::Baseline => {
                // Somebody made by hand what the migrations would make.
                for sql in SMALL_SQL {
                    identity.run(sql).await;
                }
                stage.apply(&small()).await;
                let blocked = stage.until_reason("shop", reasons::BASELINE_NEEDED).await;
                prepared.object = Some(blocked);
            }
            Story::AcceptValidation => {
                let mut object = small();
                object["spec"]["validation"] = json!({"smokeTests": [
                    {"name": "portal", "command": ["node", "-e", "process.exit(1)"], "attempts": 1}]});
                stage.apply(&object).await;
                prepared.object = Some(stage.until_failed("shop").await);
            }
        }
        prepared
    }

    /// What a person does.
    pub async fn go(self, stage: &Stage, prepared: &Prepared) {
        let decide = async |kind: &str, more: Value| {
            let object = prepared.object.as_ref().unwrap();
            stage.act(action(object, kind, &more)).await;
        };
        let of_split_name = || {
            let object = prepared.object.as_ref().unwrap();
            let row = database(object, "identity").failed.unwrap().ledger_row;
            json!({"database": "identity", "migrationName": SPLIT_NAME, "ledgerRow": row})
        };
        match self {
            Story::Release => {
                stage
                    .apply(&two(
                        &variant("small"),
                        "prisma/schema.prisma",
                        "prisma/schema.prisma",
                    ))
                    .await;
            }
            Story::Failure => {
                stage.apply(&shop_resource(&shop("1.2.0"))).await;
            }
            Story::LockRetry => {
                let mut object = identity_resource("shop", &variant("lock"));
                object["spec"]["timeouts"] =
                    json!({"lock": "2s", "lockAttempts": 9, "observe": "1s"});
                stage.apply(&object).await;
                stage
                    .until("shop", "marked rolled back", |object| {
                        steps(object, database_migration_operator::api::StepKind::Resolve).len()
                            == 1
                    })
                    .await;
                prepared.unblock().await;
            }
            Story::Edit => {
                stage.apply(&slow("shop")).await;
                until_slow(stage, "shop").await;
                stage
                    .apply(&identity_resource("shop", &variant("slow")))
                    .await;
            }
            Story::Deletion => {
                stage.apply(&slow("shop")).await;
                until_slow(stage, "shop").await;
                let deleted = stage
                    .api::<DatabaseMigration>()
                    .delete("shop", &Default::default())
                    .await;
                deleted.unwrap();
            }
            Story::Retry => decide("Retry", json!({})).await,
            Story::Abort => decide("Abort", json!({})).await,
            Story::MarkApplied => decide("MarkApplied", of_split_name()).await,
            Story::MarkRolledBack => decide("MarkRolledBack", of_split_name()).await,
            Story::DownMigration => {
                decide(
                    "DownMigration",
                    json!({"database": "identity", "migrationName": SPLIT_NAME}),
                )
                .await;
            }
            Story::Restore => {
                let point = database(prepared.object.as_ref().unwrap(), "identity")
                    .restore_point
                    .unwrap();
                let target = if point.name.is_empty() {
                    json!({"time": point.at})
                } else {
                    json!({"restorePoint": point.name})
                };
                decide("Restore", json!({"database": "identity", "target": target})).await;
            }
            Story::Baseline => {
                let plan = status(prepared.object.as_ref().unwrap()).plan_hash;
                let more =
                    json!({"database": "identity", "migrationName": SMALL[1], "planHash": plan});
                decide("Baseline", more).await;
            }
            Story::AcceptValidation => decide("AcceptValidation", json!({})).await,
        }
    }

    /// Whether it may be over: the rest is compared.
    pub fn over(self, stage: &Stage) -> bool {
        let last = stage.resources.all();
        let last = last.iter().rfind(|seen| seen.object.name_any() == "shop");
        let Some(last) = last else { return false };
        if self == Story::Deletion {
            // Its Jobs go with it.
            return last.deleted && newest_jobs(stage).iter().all(|job| job.deleted);
        }
        let status = status(&last.object);
        let ended = status.run.is_some_and(|run| run.finished_at.is_some());
        let seen = status.observed_generation == last.object.metadata.generation;
        let free = last.object.finalizers().is_empty();
        let acting = stage.actions.all();
        let mut newest: std::collections::BTreeMap<String, MigrationAction> = Default::default();
        for seen in acting {
            newest.insert(seen.object.name_any(), seen.object);
        }
        let decided = newest.values().all(|action| {
            let state = action
                .status
                .as_ref()
                .map_or(ActionState::Pending, |status| status.state);
            state.is_final()
        });
        ended && seen && free && decided && jobs_settled(stage)
    }
}

impl Prepared {
    /// Lets go what it holds.
    pub async fn unblock(&self) {
        if let Some(session) = self.blocker.lock().await.take() {
            session.close().await.unwrap();
        }
    }
}

/// The Job controller has said of every Job how it ended, which it does a second after the operator has seen it.
fn jobs_settled(stage: &Stage) -> bool {
    newest_jobs(stage).iter().all(|seen| {
        let conditions = seen
            .object
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        let over = |kind: &str| ["Complete", "Failed"].contains(&kind);
        seen.deleted
            || conditions
                .into_iter()
                .any(|found| over(&found.type_) && found.status == "True")
    })
}

/// Every Job, as it was seen last.
fn newest_jobs(stage: &Stage) -> Vec<Seen<Job>> {
    let mut newest = std::collections::BTreeMap::new();
    for seen in stage.jobs.all() {
        newest.insert(seen.object.uid().unwrap_or_default(), seen);
    }
    newest.into_values().collect()
}

/// The inventories that a play has left, for the next one in another namespace.
pub async fn inventories(stage: &Stage) -> Vec<ConfigMap> {
    let maps = stage
        .api::<ConfigMap>()
        .list(&ListParams::default())
        .await
        .unwrap();
    maps.into_iter()
        .filter(|map| map.binary_data.is_some())
        .map(|map| ConfigMap {
            metadata: kube::api::ObjectMeta {
                name: map.metadata.name,
                labels: map.metadata.labels,
                annotations: map.metadata.annotations,
                ..Default::default()
            },
            ..map
        })
        .collect()
}

/// Two databases of one image.
fn two(image: &str, identity: &str, tasks: &str) -> Value {
    resource(
        "shop",
        image,
        &[
            ("identity", "identity-db", identity),
            ("tasks", "tasks-db", tasks),
        ],
    )
}

/// One database of the smallest image.
fn small() -> Value {
    resource(
        "shop",
        &variant("small"),
        &[("identity", "identity-db", "prisma/schema.prisma")],
    )
}

/// With a command that takes back what the release did, as a restore to the point before it would.
fn restorable() -> Value {
    let script = "const { Client } = require('pg');
        const client = new Client({ connectionString: process.env.IDENTITY_DATABASE_URL.split('?')[0] });
        client.connect().then(() => client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public'))
          .then(() => process.exit(0)).catch((error) => { console.error(error.message); process.exit(1); });";
    let mut object = identity_resource("shop", &shop("1.0.0"));
    object["spec"]["rollback"] = json!({"restore": {
        "image": shop("1.0.0"), "command": ["node", "-e", script], "timeout": "60s"}});
    object
}
