//! What the schema's datasource wants from the Job's environment, before a Job is made.

use dbm_protocol::DatabaseInventory;
use dbm_protocol::recognise::image::unset_message;

use super::database_plan::Blocker;
use crate::api::{DatabaseMigrationSpec, DatabaseSpec, reasons};

/// Why a database cannot be migrated with this environment: a variable that neither the image nor the resource sets.
/// What a Secret or ConfigMap of `job.envFrom` holds is not known here; there the Job finds it out.
pub(super) fn blocker(
    spec: &DatabaseMigrationSpec,
    database: &DatabaseSpec,
    inventory: &DatabaseInventory,
) -> Option<Blocker> {
    if !spec.job.env_from.is_empty() {
        return None;
    }
    let set = |name: &&String| {
        **name == database.env_var
            || database.env.iter().any(|variable| variable.name == **name)
            || spec.job.env.iter().any(|variable| variable.name == **name)
    };
    let unset = inventory.unset_variables.iter().find(|name| !set(name))?;
    Some(Blocker {
        reason: reasons::DATASOURCE_VARIABLE_UNSET,
        message: format!(
            "{}: {}. Nothing was started; a corrected spec is taken up at once.",
            database.name,
            unset_message(unset)
        ),
        next: String::new(),
    })
}
