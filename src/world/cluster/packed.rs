//! How a resource is kept: as text. Its fields as they are worked with take more than twice the memory, in some seventy
//! pieces, and most resources are at rest.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::error::Error;
use super::slim;
use crate::api::DatabaseMigration;

/// A resource as the watch showed it, slim.
#[derive(Clone, Debug)]
pub struct PackedResource {
    /// Its names, uid and version.
    meta: ObjectMeta,
    /// The whole of it, JSON.
    text: Result<Box<[u8]>, Arc<serde_json::Error>>,
}

impl PackedResource {
    /// The resource itself.
    ///
    /// # Errors
    /// [`Error::Packed`] where its own text is not read: a defect of this program.
    pub fn unpack(&self) -> Result<DatabaseMigration, Error> {
        let text = self.text.as_ref().map_err(|e| Error::Packed(e.clone()))?;
        serde_json::from_slice(text).map_err(|error| Error::Packed(error.into()))
    }
}

impl From<DatabaseMigration> for PackedResource {
    fn from(mut object: DatabaseMigration) -> Self {
        slim(&mut object);
        PackedResource {
            text: serde_json::to_vec(&object)
                .map(Vec::into_boxed_slice)
                .map_err(Arc::new),
            meta: ObjectMeta {
                name: object.metadata.name,
                namespace: object.metadata.namespace,
                uid: object.metadata.uid,
                resource_version: object.metadata.resource_version,
                ..ObjectMeta::default()
            },
        }
    }
}

/// Packed as it is read, so that not even a page of a list is held whole.
impl<'de> Deserialize<'de> for PackedResource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DatabaseMigration::deserialize(deserializer).map(Self::from)
    }
}

impl Resource for PackedResource {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        DatabaseMigration::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        DatabaseMigration::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        DatabaseMigration::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        DatabaseMigration::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn example() -> DatabaseMigration {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "dbops.dev/v1alpha1", "kind": "DatabaseMigration",
            "metadata": {
                "name": "shop", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
                "finalizers": ["f"], "deletionTimestamp": "2026-11-24T22:59:00Z",
                "labels": {"argocd.argoproj.io/instance": "shop"},
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": {
                "image": "shop:1",
                "databases": [{"name": "main", "connection": {"secretKeyRef": {"name": "db"}}}],
            },
            "status": {"message": "\"quoted\", größer", "observedGeneration": 3},
        }))
        .unwrap()
    }

    #[test]
    fn nothing_that_is_kept_is_lost() {
        let mut slimmed = example();
        let packed = PackedResource::from(slimmed.clone());
        slim(&mut slimmed);
        assert_eq!(
            serde_json::to_value(packed.unpack().unwrap()).unwrap(),
            serde_json::to_value(slimmed).unwrap()
        );
        assert_eq!(packed.meta().resource_version.as_deref(), Some("7"));
    }

    #[test]
    fn what_no_decision_is_made_from_is_not_kept() {
        let packed = PackedResource::from(example());
        let text = String::from_utf8(packed.text.unwrap().into()).unwrap();
        assert!(
            !text.contains("managedFields") && !text.contains("argocd"),
            "{text}"
        );
    }
}
