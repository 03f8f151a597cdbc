//! Resources as tests write them, and questions to what is read back.

use database_migration_operator::api::{
    Condition, DatabaseMigration, DatabaseMigrationStatus, DatabaseStatus, RunOutcome, StepKind,
    StepStatus, reasons,
};
use kube::api::PostParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Stage;

/// Where the shop's two Prisma projects stand.
pub const IDENTITY_SCHEMA: &str = "packages/db/prisma/schema.prisma";
pub const TASKS_SCHEMA: &str = "packages/tasks-db/prisma/schema.prisma";

/// The image of a release of the shop.
pub fn shop(version: &str) -> String {
    format!("localhost/shop-migrations:{version}")
}

/// An image of `tests/images`.
pub fn variant(name: &str) -> String {
    format!("localhost/dbm-test:{name}")
}

/// A resource with these databases: name, Secret, schema.
pub fn resource(name: &str, image: &str, databases: &[(&str, &str, &str)]) -> Value {
    let databases: Vec<Value> = databases
        .iter()
        .map(|(name, secret, schema)| {
            json!({
                "name": name,
                "connection": {"secretKeyRef": {"name": secret}},
                "prisma": {"schema": schema},
            })
        })
        .collect();
    json!({
        "apiVersion": "dbops.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": name},
        "spec": {"image": image, "databases": databases},
    })
}

/// The shop: identity, then tasks.
pub fn shop_resource(image: &str) -> Value {
    resource(
        "shop",
        image,
        &[
            ("identity", "identity-db", IDENTITY_SCHEMA),
            ("tasks", "tasks-db", TASKS_SCHEMA),
        ],
    )
}

/// Only the shop's identity database.
pub fn identity_resource(name: &str, image: &str) -> Value {
    resource(name, image, &[("identity", "identity-db", IDENTITY_SCHEMA)])
}

pub fn status(object: &DatabaseMigration) -> DatabaseMigrationStatus {
    object.status.clone().unwrap_or_default()
}

pub fn message(object: &DatabaseMigration) -> String {
    status(object).message
}

/// A condition that speaks of this generation.
pub fn condition(object: &DatabaseMigration, kind: &str) -> Option<Condition> {
    status(object).conditions.into_iter().find(|condition| {
        condition.type_ == kind && condition.observed_generation == object.metadata.generation
    })
}

/// Whether a condition holds; `None` where it does not stand.
pub fn holds(object: &DatabaseMigration, kind: &str) -> Option<bool> {
    Some(condition(object, kind)?.status == "True")
}

/// The reason of Ready.
pub fn reason(object: &DatabaseMigration) -> String {
    condition(object, reasons::READY).map_or_else(String::new, |condition| condition.reason)
}

pub fn is_ready(object: &DatabaseMigration) -> bool {
    holds(object, reasons::READY) == Some(true)
}

pub fn database(object: &DatabaseMigration, name: &str) -> DatabaseStatus {
    status(object)
        .databases
        .into_iter()
        .find(|database| database.name == name)
        .unwrap_or_else(|| panic!("no database {name} in the status"))
}

pub fn run_id(object: &DatabaseMigration) -> String {
    status(object).run.map_or_else(String::new, |run| run.id)
}

pub fn outcome(object: &DatabaseMigration) -> Option<RunOutcome> {
    status(object).run.and_then(|run| run.outcome)
}

/// The steps of a kind.
pub fn steps(object: &DatabaseMigration, kind: StepKind) -> Vec<StepStatus> {
    status(object)
        .run
        .map(|run| run.steps)
        .unwrap_or_default()
        .into_iter()
        .filter(|step| step.name == kind)
        .collect()
}

/// The migration of eight seconds in the image `slow`.
pub const SLOW: &str = "20261101090000_slow_backfill";

/// 1.0.0 of identity, and a migration of eight seconds.
pub fn slow(name: &str) -> Value {
    let mut object = identity_resource(name, &variant("slow"));
    object["spec"]["timeouts"]["observe"] = "1s".into();
    object
}

/// Waits until that migration runs.
pub async fn until_slow(stage: &Stage, name: &str) -> DatabaseMigration {
    stage
        .until(name, "in the slow migration", |object| {
            let current = status(object)
                .databases
                .first()
                .and_then(|d| d.current.clone());
            current.is_some_and(|current| current.name == SLOW)
        })
        .await
}

/// Creates another object in the test's namespace.
pub async fn made<K>(stage: &Stage, object: Value)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
    K::DynamicType: Default,
{
    let object: K = serde_json::from_value(object).unwrap();
    let api = stage.api::<K>();
    api.create(&PostParams::default(), &object).await.unwrap();
}
