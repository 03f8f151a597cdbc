//! Before an action: is what the run verified, and what is known of the image, still so?

use std::collections::BTreeMap;

use super::super::finished;
use super::super::pass::Pass;
use super::super::plan;
use super::super::snapshot::Resource;
use super::fit::{Fit, refused, stale};
use crate::api::{ActionKind, DatabasePhase};
use crate::facts::{ActionFacts, Reading};

/// Whether every database must be looked at before an action can be judged: the run is to go on with what was verified
/// long ago.
pub(in super::super) fn wants_all(resource: &Resource, action: &ActionFacts) -> bool {
    let goes_on = [ActionKind::AcceptValidation, ActionKind::MarkApplied];
    goes_on.contains(&action.spec.action) && stale(&resource.status, &action.spec).is_none()
}

/// What the run verified is still so: it goes on with that.
pub(super) fn still_there(pass: &Pass<'_>) -> Result<(), Fit> {
    let mut plans = BTreeMap::new();
    let mut order = Vec::new();
    for database in &pass.spec.databases {
        let name = &database.name;
        let entry = pass.database(name);
        let Some(entry) = entry.filter(|entry| entry.phase == DatabasePhase::Succeeded) else {
            continue;
        };
        let facts = match pass.snapshot.databases.get(name) {
            Some(Reading::Known(facts)) => facts,
            Some(Reading::Unknown(why)) => {
                return Err(Fit::Wait(format!("{name}: {}", why.message), 5_000));
            }
            None => return Err(Fit::Wait(format!("{name} is looked at"), 1_000)),
        };
        let known = pass.snapshot.inventories.get(name);
        // An image that was pushed again since is the next plan's to judge.
        if let Some(inventory) = known.filter(|known| known.hash == entry.inventory_hash) {
            let mut plan = plan::plan(name, inventory, facts, &pass.spec.preflight.history);
            if plan.total > 0 {
                // What blocks the next deploy does not unmake what is applied.
                plan.blocker = None;
            }
            order.push(name.as_str());
            plans.insert(name.clone(), plan);
        }
    }
    match finished::trouble(&order, &plans) {
        Some((_, text, _)) => refused(text),
        None => Ok(()),
    }
}
