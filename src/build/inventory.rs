//! An image's inventory of one database as an immutable, compressed ConfigMap.

use std::io::{Read, Write};

use dbm_protocol::DatabaseInventory;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{ANNOTATION_UID, LABEL_INVENTORY, LABEL_MIGRATION};
use crate::decide::Resource;

const KEY: &str = "inventory.json.gz";
/// A ConfigMap holds at most 1 MiB, all told.
const LIMIT: usize = 900 * 1024;
/// No honest inventory is bigger than this uncompressed.
const READ_LIMIT: u64 = 32 * 1024 * 1024;

/// A stored inventory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The ConfigMap does not hold one.
    #[error("ConfigMap {0} holds no inventory")]
    Absent(String),
    /// It cannot be read.
    #[error("ConfigMap {0} holds an inventory that cannot be read")]
    Unreadable(String),
}

/// The ConfigMap for what an image holds for one database. Owned by the resource that first saw it; another one that
/// shares it looks again when it is gone.
pub fn config_map(resource: &Resource, key: &str, inventory: &DatabaseInventory) -> ConfigMap {
    let (mut packed, unpacked) = pack(inventory);
    if packed.len() > LIMIT || unpacked as u64 >= READ_LIMIT {
        let mut cut = inventory.clone();
        cut.truncated = true;
        for migration in &mut cut.migrations {
            migration.sql = None;
            migration.down_sql = None;
            migration.notes = None;
        }
        (packed, _) = pack(&cut);
    }
    let hash = inventory.hash.get(..12).unwrap_or(&inventory.hash);
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(format!(
                "dbm-inventory-{}-{hash}",
                key.get(..12).unwrap_or(key)
            )),
            namespace: Some(resource.namespace.clone()),
            labels: Some(
                [
                    (
                        "app.kubernetes.io/managed-by",
                        "database-migration-operator",
                    ),
                    (LABEL_INVENTORY, key),
                    (LABEL_MIGRATION, resource.name.as_str()),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ),
            annotations: Some([(ANNOTATION_UID.to_owned(), resource.uid.clone())].into()),
            owner_references: Some(vec![super::owner(resource)]),
            ..ObjectMeta::default()
        },
        binary_data: Some([(KEY.to_owned(), ByteString(packed))].into()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// Packed, and how many bytes it is unpacked. Writing to memory and plain structures have no cause to fail; what came out
/// empty would be refused on reading.
fn pack(inventory: &DatabaseInventory) -> (Vec<u8>, usize) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let text = serde_json::to_vec(inventory).unwrap_or_default();
    if encoder.write_all(&text).is_err() {
        return (Vec::new(), 0);
    }
    (encoder.finish().unwrap_or_default(), text.len())
}

/// Reads a stored inventory.
///
/// # Errors
/// When the ConfigMap holds none, or one that is damaged.
pub fn read_config_map(object: &ConfigMap) -> Result<DatabaseInventory, InventoryError> {
    let name = || object.metadata.name.clone().unwrap_or_default();
    let bytes = object
        .binary_data
        .as_ref()
        .and_then(|data| data.get(KEY))
        .ok_or_else(|| InventoryError::Absent(name()))?;
    let mut text = Vec::new();
    GzDecoder::new(bytes.0.as_slice())
        .take(READ_LIMIT)
        .read_to_end(&mut text)
        .map_err(|_| InventoryError::Unreadable(name()))?;
    serde_json::from_slice(&text).map_err(|_| InventoryError::Unreadable(name()))
}
