//! Reads the world for one resource. Changes nothing.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;

use super::{Cluster, Error};
use crate::api::{
    ANNOTATION_RECONCILE, ANNOTATION_RETRY, ANNOTATION_SUSPEND, DatabaseMigration, FINALIZER,
    RunStatus, StepKind, StepStatus,
};
use crate::decide::{Resource, Snapshot, wants};
use crate::runtime::clock;

impl Cluster {
    /// Everything that a decision about this resource needs.
    ///
    /// # Errors
    /// When the API server cannot be asked; a database that cannot be read is a fact, not an error.
    pub async fn observe(&self, object: &DatabaseMigration) -> Result<Snapshot, Error> {
        let mut resource = resource(object);
        if resource.deleting {
            resource.namespace_deleting = self.namespace_deleting(&resource).await;
        }
        // Of a run that has ended only where the finalizer says that its end was cut short.
        let ended = |run: &RunStatus| run.finished_at.is_some() && resource.finalizer;
        let steps: Vec<String> = resource
            .status
            .run
            .iter()
            .flat_map(|run| {
                run.steps
                    .iter()
                    .filter(|step| step.finished_at.is_none() || ended(run))
            })
            .map(|step| step.job.clone())
            .collect();
        let mut jobs = BTreeMap::new();
        for name in steps {
            let job = self.job(&resource.namespace, &resource.uid, &name).await?;
            jobs.insert(name, job);
        }
        let look_due = self.next_look_ms(object) == 0;
        // Where a restored database is may have changed with it.
        let restoring =
            |step: &StepStatus| step.name == StepKind::Restore && step.finished_at.is_none();
        let run = resource.status.run.as_ref();
        if run.is_some_and(|run| run.steps.iter().any(restoring)) {
            self.memory().of(&resource.uid).targets.clear();
        }
        let actions = self.actions_of(&resource);
        let wants = wants(&resource, &jobs, &actions, look_due);

        let inventories = if wants.inventories {
            self.inventories(&resource).await?
        } else {
            BTreeMap::new()
        };
        let report = match &wants.report_of {
            Some(job) => Some(self.report(&resource.namespace, job).await?),
            None => None,
        };
        let looks = resource
            .spec
            .databases
            .iter()
            .enumerate()
            .filter_map(|(index, database)| {
                let want = *wants.databases.get(&database.name)?;
                let resource = &resource;
                Some(async move {
                    let reading = self
                        .database(&resource.namespace, &resource.uid, database, index, want)
                        .await?;
                    Ok::<_, Error>((database.name.clone(), reading))
                })
            });
        let databases = try_join_all(looks).await?.into_iter().collect();
        self.look_at_leases(&resource.uid).await?;
        let old_jobs = self.old_jobs(&resource);
        let mut memory = self.memory();
        let remembered = memory.of(&resource.uid);
        if look_due && !wants.databases.is_empty() {
            remembered.looked();
        }
        Ok(Snapshot {
            // Not the time before the looks: they may take seconds.
            now: clock::now(),
            inventories,
            report,
            databases,
            jobs,
            old_jobs,
            leases: remembered.leases.clone(),
            refusal: remembered.refusal(),
            actions,
            restore_points: std::mem::take(&mut remembered.restore_points),
            look_due,
            resource,
        })
    }

    /// Whether the namespace is going. Asked by a dry run, because the right to read namespaces is the cluster's to
    /// give: nothing can be created in a namespace that goes.
    async fn namespace_deleting(&self, resource: &Resource) -> bool {
        let api: Api<ConfigMap> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        let mut probe = ConfigMap::default();
        probe.metadata.generate_name = Some("dbm-probe-".to_owned());
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match api.create(&dry_run, &probe).await {
            Err(kube::Error::Api(status)) => status.message.contains("being terminated"),
            _ => false,
        }
    }
}

/// The resource as the decision knows it.
fn resource(object: &DatabaseMigration) -> Resource {
    let annotation = |key: &str| {
        object
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(key).cloned())
    };
    Resource {
        name: object.metadata.name.clone().unwrap_or_default(),
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        deleting: object.metadata.deletion_timestamp.is_some(),
        namespace_deleting: false,
        finalizer: object
            .metadata
            .finalizers
            .iter()
            .flatten()
            .any(|finalizer| finalizer == FINALIZER),
        retry: annotation(ANNOTATION_RETRY),
        suspended: object.spec.suspend || annotation(ANNOTATION_SUSPEND).as_deref() == Some("true"),
        frozen: annotation(ANNOTATION_RECONCILE).as_deref() == Some("disabled"),
        spec: object.spec.clone(),
        status: object.status.clone().unwrap_or_default(),
    }
}
