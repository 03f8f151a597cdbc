//! Inventories: found again by key, or read from the log of an ended inventory Job.

use std::collections::BTreeMap;

use dbm_protocol::frame;
use dbm_protocol::{DatabaseInventory, InventoryReport};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};

use super::apply::lasting;
use super::{Cluster, Error};
use crate::api::{LABEL_INVENTORY, LABEL_MIGRATION, StepKind, StepStatus};
use crate::build;
use crate::decide::{Refused, Resource, inventory_key};

/// More than any honest frame, so that a noisy image fills no memory.
const LOG_LIMIT: i64 = 16 * 1024 * 1024;

impl Cluster {
    /// What is stored for this image and these paths, by database; remembered while a run needs it.
    pub(super) async fn inventories(
        &self,
        resource: &Resource,
    ) -> Result<BTreeMap<String, DatabaseInventory>, Error> {
        let keys: Vec<String> = resource
            .spec
            .databases
            .iter()
            .map(|database| inventory_key(&resource.spec, database))
            .collect();
        if let Some((known, found)) = &self.memory().of(&resource.uid).inventories
            && *known == keys
        {
            return Ok(found.clone());
        }
        if let Some(found) = self.recent(resource, &keys) {
            self.memory().of(&resource.uid).inventories = Some((keys, found.clone()));
            return Ok(found);
        }
        let api: Api<ConfigMap> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        let selector = format!("{LABEL_INVENTORY} in ({})", keys.join(","));
        let list = api
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(Error::api("listing stored inventories"))?;
        let mut found: BTreeMap<String, DatabaseInventory> = BTreeMap::new();
        for (database, key) in resource.spec.databases.iter().zip(&keys) {
            let newest = list
                .items
                .iter()
                .filter(|map| {
                    map.metadata
                        .labels
                        .as_ref()
                        .and_then(|labels| labels.get(LABEL_INVENTORY))
                        == Some(key)
                })
                .max_by_key(|map| map.metadata.creation_timestamp.clone());
            let Some(map) = newest else { continue };
            match build::read_config_map(map) {
                Ok(mut inventory) => {
                    inventory.database.clone_from(&database.name);
                    self.memory().keep(&resource.namespace, key, &inventory);
                    found.insert(database.name.clone(), inventory);
                }
                // A damaged copy is no copy: the image is looked at again.
                Err(error) => tracing::warn!(%error, "stored inventory left aside"),
            }
        }
        self.memory().of(&resource.uid).inventories = Some((keys, found.clone()));
        Ok(found)
    }

    /// The inventories, if all of them are remembered.
    fn recent(
        &self,
        resource: &Resource,
        keys: &[String],
    ) -> Option<BTreeMap<String, DatabaseInventory>> {
        let memory = self.memory();
        let named = resource
            .spec
            .databases
            .iter()
            .zip(keys)
            .map(|(database, key)| {
                let mut inventory = memory.recent(&resource.namespace, key)?;
                inventory.database.clone_from(&database.name);
                Some((database.name.clone(), inventory))
            });
        named.collect()
    }

    /// What the pod of an ended inventory Job printed. `None`: the API server does not show it now, which is remembered.
    pub(super) async fn report(
        &self,
        resource: &Resource,
        job: &str,
        pod: Option<&str>,
    ) -> Result<Option<Result<InventoryReport, String>>, Error> {
        let Some(pod) = pod else {
            let gone = "its pod is gone before its log was read".to_owned();
            return Ok(Some(Err(gone)));
        };
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        let parameters = LogParams {
            container: Some(build::CONTAINER.to_owned()),
            limit_bytes: Some(LOG_LIMIT),
            ..LogParams::default()
        };
        let log = match api.logs(pod, &parameters).await {
            Ok(log) => {
                self.memory().of(&resource.uid).granted(job);
                log
            }
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 400 => {
                return Ok(Some(Err(format!("the log of pod {pod} cannot be read"))));
            }
            // Its node does not answer, or the right is missing.
            Err(kube::Error::Api(status)) => {
                let mut memory = self.memory();
                memory.of(&resource.uid).refuse(job, Refused::Log, &status);
                return Ok(None);
            }
            Err(error) => return Err(Error::api(format!("reading the log of pod {pod}"))(error)),
        };
        let report = log.lines().find_map(frame::decode).unwrap_or_else(|| {
            let last = log
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or("nothing");
            Err(format!(
                "the agent did not print what it found; the log ends with: {}",
                crate::decide::status::cut(last, 300)
            ))
        });
        Ok(Some(report))
    }

    /// Keeps what an image holds; what the same key held before is not true any more. `false`: it is refused, which is
    /// remembered.
    pub(super) async fn store_inventory(
        &self,
        resource: &Resource,
        key: &str,
        inventory: &DatabaseInventory,
    ) -> Result<bool, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        let object = build::config_map(resource, key, inventory);
        let name = object.metadata.name.clone().unwrap_or_default();
        let run = resource.status.run.iter();
        let looks =
            |step: &&StepStatus| step.name == StepKind::Inventory && step.finished_at.is_none();
        let step = run.flat_map(|run| &run.steps).find(looks);
        let job = step.map(|step| step.job.as_str()).unwrap_or_default();
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => self.memory().of(&resource.uid).granted(job),
            // The name holds the content's hash: what is there is the same.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(kube::Error::Api(status)) if lasting(&status) => {
                let mut memory = self.memory();
                let remembered = memory.of(&resource.uid);
                remembered.refuse(job, Refused::Inventory, &status);
                return Ok(false);
            }
            Err(error) => return Err(Error::api(format!("storing the inventory {name}"))(error)),
        }
        self.drop_older(&api, resource, &name).await?;
        self.memory().keep(&resource.namespace, key, inventory);
        if let Some((keys, found)) = &mut self.memory().of(&resource.uid).inventories
            && keys.iter().any(|known| known == key)
        {
            found.insert(inventory.database.clone(), inventory.clone());
        }
        Ok(true)
    }

    /// What this resource stored for images that it names no more, or under a tag that holds something else now.
    async fn drop_older(
        &self,
        api: &Api<ConfigMap>,
        resource: &Resource,
        kept: &str,
    ) -> Result<(), Error> {
        let keys: Vec<String> = resource
            .spec
            .databases
            .iter()
            .map(|database| inventory_key(&resource.spec, database))
            .collect();
        let selector = format!("{LABEL_INVENTORY},{LABEL_MIGRATION}={}", resource.name);
        let list = api
            .list_metadata(&ListParams::default().labels(&selector))
            .await
            .map_err(Error::api("listing stored inventories"))?;
        let kept_key = list
            .items
            .iter()
            .find(|map| map.metadata.name.as_deref() == Some(kept))
            .and_then(|map| map.metadata.labels.as_ref()?.get(LABEL_INVENTORY).cloned());
        for map in &list.items {
            let name = map.metadata.name.as_deref().unwrap_or_default();
            let key = map
                .metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(LABEL_INVENTORY));
            let current = key.is_some_and(|key| keys.contains(key)) && key != kept_key.as_ref();
            if name == kept || current {
                continue;
            }
            match api.delete(name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    return Err(Error::api(format!("deleting the stored inventory {name}"))(
                        error,
                    ));
                }
            }
        }
        Ok(())
    }
}
