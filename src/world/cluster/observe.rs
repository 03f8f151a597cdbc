//! Reads the world for one resource. Changes nothing.

use std::collections::BTreeMap;

use futures::future::{try_join, try_join_all};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;

use super::{Cluster, Error, Turn};
use crate::api::{DatabaseMigration, RunStatus, StepKind, StepStatus};
use crate::decide::{Resource, Snapshot, server_name, wants};
use crate::facts::{DatabaseFacts, Reading};
use crate::runtime::clock;

impl Cluster {
    /// Everything that a decision about this resource needs.
    ///
    /// # Errors
    /// When the API server cannot be asked, or too many databases are waited for; a database that cannot be read is a fact,
    /// not an error.
    pub async fn observe(
        &self,
        object: &DatabaseMigration,
        turn: &Turn<'_>,
    ) -> Result<Snapshot, Error> {
        let mut resource = Resource::from(object);
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
            let job = self.job(&resource, &name).await?;
            jobs.insert(name, job);
        }
        // Pods are deleted before what else is in a namespace that goes.
        let going = |step: &StepStatus| {
            let pod = self.pod_of(&resource, &step.job);
            step.finished_at.is_none() && pod.is_some_and(|pod| pod.grace.is_some())
        };
        let steps = resource.status.run.iter().flat_map(|run| &run.steps);
        if !resource.deleting && steps.into_iter().any(going) {
            resource.namespace_deleting = self.namespace_deleting(&resource).await;
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
        let wants = wants(&resource, &jobs, &actions, look_due, clock::now());

        let refusals = self.memory().of(&resource.uid).refusals();
        let refused = |job: &String| refusals.contains_key(job);
        let report = match wants.report_of.as_ref().filter(|job| !refused(job)) {
            Some(job) => {
                // The very pod by whose end it was decided to read: the cache may not show it yet.
                let ended = jobs.get(job).and_then(Option::as_ref);
                let pod = ended.and_then(|job| job.pod.as_deref());
                self.report(&resource, job, pod).await?
            }
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
                    let reading = self.database(resource, database, index, want, turn).await?;
                    Ok::<_, Error>((database.name.clone(), reading))
                })
            });
        let stored = async {
            match wants.inventories {
                true => self.inventories(&resource).await,
                false => Ok(BTreeMap::new()),
            }
        };
        let seen = try_join(stored, try_join_all(looks)).await;
        if matches!(seen, Err(Error::Crowded)) {
            self.memory().of(&resource.uid).turned_away = true;
        }
        let (inventories, databases) = seen?;
        turn.back().await;
        let databases: BTreeMap<String, Reading<DatabaseFacts>> = databases.into_iter().collect();
        let seen = databases.values().filter_map(Reading::known);
        let servers = seen.map(|facts| server_name(&facts.identity));
        let servers = self.shared.servers.facts(object, servers);
        self.look_at_leases(&resource.uid).await?;
        let left_turns = self.left_turns(&resource).await?;
        let old_jobs = self.old_jobs(&resource);
        let held_pods = self.held_pods(&resource);
        let mut memory = self.memory();
        let remembered = memory.of(&resource.uid);
        let made = |name: &&String| remembered.has_made(name);
        let made = jobs.keys().filter(made).cloned().collect();
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
            made,
            old_jobs,
            held_pods,
            leases: remembered.leases.clone(),
            servers,
            refusals: remembered.refusals(),
            actions,
            restore_points: std::mem::take(&mut remembered.restore_points),
            look_due,
            left_turns,
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
