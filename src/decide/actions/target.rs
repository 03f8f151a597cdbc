//! Where a restore goes back to.

use super::super::pass::Pass;
use super::super::snapshot::{RestorePlan, Snapshot};
use crate::api::{DatabaseStatus, MigrationActionSpec, RestorePointStatus, StepStatus};

/// The place as it is journaled: a restore point's name, or a time in RFC 3339.
///
/// # Errors
/// Why there is no such place.
pub(super) fn restore_target(
    snapshot: &Snapshot,
    spec: &MigrationActionSpec,
) -> Result<String, String> {
    let database = &spec.database;
    let known: Option<&RestorePointStatus> = snapshot
        .resource
        .status
        .databases
        .iter()
        .find(|entry| entry.name == *database)
        .and_then(DatabaseStatus::own_restore_point);
    let target = spec.target.clone().unwrap_or_default();
    if let Some(time) = &target.time {
        if time.0 > snapshot.now {
            return Err(format!("{database}: {} is in the future", time.0));
        }
        return Ok(time.0.to_string());
    }
    match known {
        Some(point) if !point.name.is_empty() && point.name == target.restore_point => {
            Ok(point.name.clone())
        }
        Some(point) if !point.name.is_empty() => Err(format!(
            "{database}: {} is not the restore point that is known, which is {}; for any other place give a time",
            target.restore_point, point.name
        )),
        Some(point) => Err(format!(
            "{database}: no restore point has a name there (the role may not make one); give a time, e.g. {}",
            point
                .at
                .as_ref()
                .map(|at| at.0.to_string())
                .unwrap_or_default()
        )),
        None => Err(format!(
            "{database}: no restore point is known; give a time"
        )),
    }
}

/// What the command of a journaled restore is told: `message` of its step says the place.
pub(in super::super) fn restore_plan(pass: &Pass<'_>, step: &StepStatus) -> Option<RestorePlan> {
    let point = pass.database(&step.database)?.own_restore_point();
    let plan = match point.filter(|point| !point.name.is_empty() && point.name == step.message) {
        Some(point) => RestorePlan {
            database: step.database.clone(),
            point: point.name.clone(),
            lsn: point.lsn.clone(),
            time: point
                .at
                .as_ref()
                .map(|at| at.0.to_string())
                .unwrap_or_default(),
        },
        None => RestorePlan {
            database: step.database.clone(),
            time: step.message.clone(),
            ..RestorePlan::default()
        },
    };
    Some(plan)
}
