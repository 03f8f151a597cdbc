//! A step's Job.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod;
use super::settings::Settings;
use super::step::Step;
use crate::api::{
    ANNOTATION_UID, LABEL_DATABASE, LABEL_MIGRATION, LABEL_RUN, LABEL_STEP, LABEL_TEST,
};
use crate::decide::{JobPlan, Resource};

/// The Job of a step. It carries no ownerReference: foreground deletion of an owner kills running Jobs. `from_secrets` are the
/// variables that `job.envFrom` takes from Secrets, which the resource does not name.
pub fn job(
    resource: &Resource,
    plan: &JobPlan,
    settings: &Settings,
    from_secrets: &[String],
) -> Job {
    let step = Step {
        spec: &resource.spec,
        plan,
        from_secrets,
    };
    let mut labels = BTreeMap::from([
        (
            "app.kubernetes.io/managed-by".to_owned(),
            "database-migration-operator".to_owned(),
        ),
        (LABEL_MIGRATION.to_owned(), resource.name.clone()),
        (LABEL_RUN.to_owned(), plan.run.clone()),
        (LABEL_STEP.to_owned(), plan.step.as_str().to_owned()),
    ]);
    for (label, value) in [
        (LABEL_DATABASE, step.subject()),
        (LABEL_TEST, plan.test.as_str()),
    ] {
        if !value.is_empty() {
            labels.insert(label.to_owned(), value.to_owned());
        }
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
                spec: Some(pod::spec(&step, settings)),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
