//! A step's Job.

use std::collections::BTreeMap;

use dbm_agent::protocol::{ExecRequest, InventoryRequest, ProjectPaths};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod;
use crate::api::{
    ANNOTATION_UID, DatabaseSpec, LABEL_DATABASE, LABEL_MIGRATION, LABEL_RUN, LABEL_STEP, StepKind,
};
use crate::decide::{JobPlan, Resource};
use crate::tools::prisma;

/// The container in which the user's image runs.
pub const CONTAINER: &str = "migrate";

/// How often a server looks whether its client is still there, milliseconds: a killed migration's backend ends soon
/// after it, instead of committing later.
const CONNECTION_CHECK_MS: u64 = 2_000;

/// What holds for the Jobs of every resource.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image that brings the agent: the operator's own.
    pub agent_image: String,
    /// When that image is pulled.
    pub agent_image_pull_policy: String,
}

/// The Job of a step. It carries no ownerReference: foreground deletion of an owner kills running Jobs.
pub fn job(resource: &Resource, plan: &JobPlan, settings: &Settings) -> Job {
    let mut labels = BTreeMap::from([
        (
            "app.kubernetes.io/managed-by".to_owned(),
            "database-migration-operator".to_owned(),
        ),
        (LABEL_MIGRATION.to_owned(), resource.name.clone()),
        (LABEL_RUN.to_owned(), plan.run.clone()),
        (LABEL_STEP.to_owned(), plan.step.as_str().to_owned()),
    ]);
    if !plan.database.is_empty() {
        labels.insert(LABEL_DATABASE.to_owned(), plan.database.clone());
    }
    let annotations = BTreeMap::from([(ANNOTATION_UID.to_owned(), resource.uid.clone())]);
    let mut pod_labels = resource.spec.job.pod_labels.clone();
    pod_labels.extend(labels.clone());
    let mut pod_annotations = resource.spec.job.pod_annotations.clone();
    pod_annotations.extend(annotations.clone());
    // A statement that runs is not to be ended for the sake of a tidier cluster.
    for key in [
        "cluster-autoscaler.kubernetes.io/safe-to-evict",
        "karpenter.sh/do-not-disrupt",
    ] {
        let value = if key.starts_with("karpenter") {
            "true"
        } else {
            "false"
        };
        pod_annotations
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    let database = resource
        .spec
        .databases
        .iter()
        .find(|database| database.name == plan.database);
    Job {
        metadata: ObjectMeta {
            name: Some(plan.name.clone()),
            namespace: Some(resource.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            // Nothing is ever run twice by a controller that does not know what happened.
            backoff_limit: Some(0),
            pod_replacement_policy: Some("Failed".to_owned()),
            completions: Some(1),
            parallelism: Some(1),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    annotations: Some(pod_annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod::spec(
                    &resource.spec,
                    database,
                    plan,
                    arguments(resource, database, plan),
                    settings,
                )),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// What the agent is told.
fn arguments(resource: &Resource, database: Option<&DatabaseSpec>, plan: &JobPlan) -> Vec<String> {
    let Some(database) = database else {
        let databases = resource.spec.databases.iter().map(project).collect();
        return vec![
            "inventory".to_owned(),
            json(&InventoryRequest { databases }),
        ];
    };
    let mut words = vec!["exec".to_owned()];
    if !plan.expect.is_empty() {
        words.extend(["--expect".to_owned(), plan.expect.clone()]);
    }
    if let Some(at) = plan.not_after {
        words.extend([
            "--not-after".to_owned(),
            crate::decide::status::seconds(at).to_string(),
        ]);
    }
    let timeouts = &resource.spec.timeouts;
    let milliseconds = |duration: &crate::api::Duration| {
        u64::try_from(duration.seconds().unwrap_or(0))
            .unwrap_or(0)
            .saturating_mul(1000)
    };
    let prisma_calls = match plan.resolution {
        // The agent adds --schema itself.
        Some(resolution) => plan
            .migrations
            .iter()
            .map(|migration| prisma::resolve_command(resolution, migration, ""))
            .collect(),
        None => Vec::new(),
    };
    words.push(json(&ExecRequest {
        project: project(database),
        env_var: database.env_var.clone(),
        application_name: prisma::application_name(&plan.run, &database.name),
        lock_timeout_ms: milliseconds(&timeouts.lock),
        statement_timeout_ms: milliseconds(&timeouts.statement),
        connection_check_interval_ms: if plan.connection_check {
            CONNECTION_CHECK_MS
        } else {
            0
        },
        ca_file: if database.connection.ca_from.is_some() {
            pod::CA_FILE.to_owned()
        } else {
            String::new()
        },
        prisma_calls,
        ..ExecRequest::default()
    }));
    if plan.step == StepKind::Migrate && !database.prisma.migrate.is_empty() {
        words.push("--".to_owned());
        words.extend(database.prisma.migrate.iter().cloned());
    }
    words
}

fn project(database: &DatabaseSpec) -> ProjectPaths {
    let prisma = &database.prisma;
    ProjectPaths {
        database: database.name.clone(),
        schema: prisma.schema.clone(),
        migrations: prisma.migrations.clone(),
        config: prisma.config.clone(),
        cli: prisma.cli.clone(),
    }
}

/// Plain structures of text and numbers have no cause to fail.
fn json<T: serde::Serialize>(request: &T) -> String {
    serde_json::to_string(request).unwrap_or_default()
}
