//! PURE. From effects to Kubernetes objects. Nothing here is async or talks to anybody.

mod agent;
mod down;
mod environment;
mod event;
mod inventory;
mod job;
mod lease;
mod pod;
mod settings;
mod step;

pub use down::down_script;
pub use event::event;
pub use inventory::{InventoryError, config_map, read_config_map};
pub use job::job;
pub use lease::lease;
pub use pod::OWN_CONTAINERS;
pub use settings::{CONTAINER, Settings};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::decide::Resource;

/// A reference to the resource, so that what carries it goes when the resource goes.
pub fn owner(resource: &Resource) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/v1alpha1", crate::api::GROUP),
        kind: "DatabaseMigration".to_owned(),
        name: resource.name.clone(),
        uid: resource.uid.clone(),
        ..OwnerReference::default()
    }
}
