//! A run that has ended: from time to time its databases are looked at again. That starts nothing.

use std::collections::BTreeMap;

use dbm_protocol::DatabaseInventory;

use super::database_plan::DatabasePlan;
use super::next_look::schedule;
use super::pass::Pass;
use super::patience;
use super::plan_status;
use super::progress::since_restore_point;
use super::remembered;
use super::run;
use super::status::names;
use super::unanswered;
use crate::api::{FindingKind, Phase, RunOutcome, reasons};
use crate::facts::Reading;

/// Looks at what was read, if it was time to read.
pub(super) fn look(pass: &mut Pass<'_>) {
    schedule(pass);
    // What the end of the run gave back, if that was cut short.
    run::tidy(pass);
    if !pass.snapshot.look_due {
        return;
    }
    since_restore_point(pass);
    if pass.run().outcome != Some(RunOutcome::Succeeded) {
        return;
    }
    let mut plans = BTreeMap::new();
    for database in &pass.spec.databases {
        match pass.snapshot.databases.get(&database.name) {
            Some(Reading::Unknown(why)) => {
                let now = pass.now().as_second();
                let why = unanswered::judged(pass.database(&database.name), now, why);
                let why = patience::as_before(pass, &database.name, why);
                // Not to be reached for a while is no reason to call a migrated database not ready.
                let text = format!("{}: {}", database.name, why.message);
                pass.condition(reasons::OBSERVED, false, why.reason.as_str(), &text);
                return;
            }
            Some(Reading::Known(facts)) => {
                let Some(inventory) = pass.snapshot.inventories.get(&database.name) else {
                    let text = format!(
                        "{}: what image {} holds is not stored any more, so whether all of it is still applied is not seen. To read the image again: {}",
                        database.name,
                        pass.spec.image,
                        pass.retry_command()
                    );
                    pass.condition(reasons::OBSERVED, false, reasons::INVENTORY_FAILED, &text);
                    return;
                };
                if !verified(pass, &database.name, inventory) {
                    let text = format!(
                        "{}: image {} was pushed again and holds something else than what was verified, so whether all of that is still applied is not seen. To go on to what it holds now: {}",
                        database.name,
                        pass.spec.image,
                        pass.retry_command()
                    );
                    pass.condition(reasons::OBSERVED, false, reasons::INVENTORY_FAILED, &text);
                    return;
                }
                let plan = plan_status::planned(pass, &database.name, inventory, facts);
                plans.insert(database.name.clone(), plan);
            }
            None => return,
        }
    }
    pass.condition(
        reasons::OBSERVED,
        true,
        reasons::DATABASES_READ,
        "every database that was looked at could be read",
    );
    let next = pass.retry_command();
    match trouble(
        &pass
            .spec
            .databases
            .iter()
            .map(|d| d.name.as_str())
            .collect::<Vec<_>>(),
        &plans,
    ) {
        Some((reason, message, advice)) => {
            let next = if advice.is_empty() { next } else { advice };
            if reason == reasons::PENDING_FOUND {
                let of = |name: &str| message.starts_with(&format!("{name}:"));
                remembered::tell(pass, &of);
            }
            pass.stalled(Phase::Succeeded, reason, message, next);
        }
        None => {
            let old = pass.status.message.clone();
            let ahead = plans.values().any(|plan| plan.ahead);
            let was_ready = super::status::get(&pass.status, reasons::READY)
                .is_some_and(|c| c.status == "True");
            let message = if was_ready {
                old
            } else {
                "every migration of the image is applied".to_owned()
            };
            pass.ready(
                if ahead {
                    reasons::DATABASE_AHEAD
                } else {
                    reasons::SUCCEEDED
                },
                message,
            );
        }
    }
}

/// Whether an inventory is the one that the run verified the database against: another resource of the same release may have
/// looked at the image since.
pub(super) fn verified(pass: &Pass<'_>, database: &str, inventory: &DatabaseInventory) -> bool {
    let entry = pass.database(database);
    entry.is_some_and(|entry| entry.inventory_hash == inventory.hash)
}

/// The first thing that a person has to look at.
pub(super) fn trouble(
    order: &[&str],
    plans: &BTreeMap<String, DatabasePlan>,
) -> Option<(&'static str, String, String)> {
    order.iter().find_map(|name| {
        let plan = plans.get(*name)?;
        // What another release migrates just now does not unmake what is applied.
        let passes = plan.total > 0 && plan.under_way;
        if let Some(blocker) = plan.blocker.as_ref().filter(|_| !passes) {
            return Some((blocker.reason, blocker.message.clone(), blocker.next.clone()));
        }
        if !plan.pending.is_empty() {
            let list: Vec<&str> = plan.pending.iter().map(String::as_str).collect();
            return Some((reasons::PENDING_FOUND, format!("{name}: {} of the image not applied any more, although they were: was the database restored, or does its Secret lead to another one? Nothing is started by itself; ask for a new run.", names(&list)), String::new()));
        }
        let edited: Vec<&str> = plan.findings.iter().filter(|f| [FindingKind::Edited, FindingKind::Reused].contains(&f.kind) && f.policy == crate::api::Policy::Deny).map(|f| f.migration.as_str()).collect();
        (!edited.is_empty()).then(|| (reasons::EDITED_FOUND, format!("{name}: {} differs from what was applied", names(&edited)), String::new()))
    })
}
