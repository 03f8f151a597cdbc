//! The screens of a resource, with what is stored of its image.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::cluster::Cluster;
use super::screen::{self, Screen, Stored};
use super::style::Style;
use super::terminal::Terminal;
use super::text::safe;
use crate::api::{DatabaseMigration, LABEL_INVENTORY, StepKind};
use crate::build::read_config_map;
use crate::decide::inventory_key;
use crate::runtime::clock;

/// The looks at resources at this moment.
pub fn screens(
    style: Style,
    width: Option<usize>,
    resources: &[DatabaseMigration],
) -> Vec<Screen<'_>> {
    let now = clock::now();
    let screen = |resource| Screen {
        resource,
        now,
        width,
        style,
        prisma: &[],
    };
    resources.iter().map(screen).collect()
}

/// The whole screen of one resource.
pub async fn full(cluster: &Cluster, terminal: &Terminal, resource: &DatabaseMigration) -> String {
    let prisma = prisma_versions(cluster, resource).await;
    screen::status(&Screen {
        resource,
        now: clock::now(),
        width: terminal.width(),
        style: terminal.out,
        prisma: &prisma,
    })
}

/// What is stored of the image.
pub struct Found {
    /// By database.
    pub by_database: Stored,
    /// The ConfigMaps may not be listed.
    pub forbidden: bool,
}

/// What is stored of the image, by database. What may not be read is said, and takes nothing else away.
pub async fn stored(cluster: &Cluster, resource: &DatabaseMigration) -> Found {
    let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let databases = &resource.spec.databases;
    let keys: Vec<String> = databases
        .iter()
        .map(|database| inventory_key(&resource.spec, database))
        .collect();
    let selector = format!("{LABEL_INVENTORY} in ({})", keys.join(","));
    let list = api.list(&ListParams::default().labels(&selector)).await;
    let one = |key: &String| match &list {
        Err(error) if is_forbidden(error) => Err(format!(
            "you may not list the ConfigMaps of {}",
            cluster.namespace
        )),
        Err(error) => Err(cluster
            .failure("the ConfigMaps", error, "list configmaps")
            .message),
        Ok(list) => {
            let newest = list
                .items
                .iter()
                .filter(|map| map.labels().get(LABEL_INVENTORY) == Some(key))
                .max_by_key(|map| map.metadata.creation_timestamp.clone());
            let map = newest.ok_or_else(|| {
                "the content of this image is not stored; a run stores it".to_owned()
            })?;
            read_config_map(map).map_err(|error| error.to_string())
        }
    };
    Found {
        by_database: databases
            .iter()
            .zip(&keys)
            .map(|(database, key)| (database.name.clone(), one(key)))
            .collect(),
        forbidden: list.as_ref().is_err_and(is_forbidden),
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// The versions of Prisma in the image, where that can be read; else none, which is no failure.
async fn prisma_versions(cluster: &Cluster, resource: &DatabaseMigration) -> Vec<String> {
    let inventoried = resource
        .status
        .as_ref()
        .is_some_and(|status| status.databases.iter().any(|d| d.total > 0));
    if !inventoried {
        return Vec::new();
    }
    let found = stored(cluster, resource).await;
    let versions: BTreeSet<String> = found
        .by_database
        .into_values()
        .filter_map(|inventory| inventory.ok()?.prisma_version)
        .collect();
    versions.into_iter().collect()
}

/// What a step is called where people read it.
pub fn step_words(step: StepKind, database: &str, test: &str) -> String {
    let mut text = step.as_str().to_owned();
    if !test.is_empty() {
        text.push_str(&format!(" {}", safe(test)));
    }
    if database.is_empty() {
        text
    } else {
        format!("{}: {text}", safe(database))
    }
}
