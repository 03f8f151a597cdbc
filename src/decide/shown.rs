//! What a plan says, where people see it.

use dbm_agent::protocol::DatabaseInventory;

use super::pass::Pass;
use super::plan::DatabasePlan;
use crate::api::{DatabasePhase, FindingKind};

/// Puts a plan where people see it.
pub(super) fn show(
    pass: &mut Pass<'_>,
    name: &str,
    inventory: &DatabaseInventory,
    plan: &DatabasePlan,
) {
    let Some(entry) = pass.database_mut(name) else {
        return;
    };
    entry.inventory_hash.clone_from(&inventory.hash);
    if plan.blocker.is_none() || plan.total > 0 {
        entry.total = bounded(plan.total);
        entry.applied = bounded(plan.applied);
        entry.pending_count = bounded(plan.pending.len());
        entry.pending.clone_from(&plan.pending);
        // What a migration's output said stays; the rest is what is so now.
        let said = std::mem::take(&mut entry.findings)
            .into_iter()
            .filter(|finding| finding.kind == FindingKind::Log);
        entry.findings = plan.findings.iter().cloned().chain(said).collect();
        entry.findings_count = bounded(entry.findings.len());
        if entry.phase == DatabasePhase::Unknown {
            entry.phase = DatabasePhase::Planned;
        }
    }
    if entry.phase != DatabasePhase::Failed {
        entry.failed.clone_from(&plan.open);
    }
}

pub(super) fn bounded(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
