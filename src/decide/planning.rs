//! From what the image holds and the ledgers say to a plan, and whether it may start.

use std::collections::BTreeMap;

use super::concurrently;
use super::database_plan::{Blocker, DatabasePlan};
use super::datasource;
use super::former;
use super::inventory;
use super::names::lease_name;
use super::pass::Pass;
use super::plan::{self};
use super::plan_status;
use super::remembered;
use super::snapshot::Inventories;
use super::status::{self, count};
use super::waiting;
use crate::api::{Phase, digest, reasons};
use crate::facts::Reading;

/// What the databases say, shown even while the inventory is still unknown. `false`: not all could be read.
pub(super) fn observed(pass: &mut Pass<'_>, only: Option<&str>) -> bool {
    let mut unreadable = None;
    for database in &pass.spec.databases {
        let name = &database.name;
        if only.is_some_and(|only| only != name) {
            continue;
        }
        match pass.snapshot.databases.get(name) {
            None => {}
            Some(Reading::Known(facts)) => {
                let now = pass.now();
                let turn = lease_name(&facts.identity);
                let before = pass.database(name).filter(|entry| entry.turn != turn);
                if let Some(before) = before.cloned() {
                    former::left(&mut pass.status, &before);
                }
                if let Some(entry) = pass.database_mut(name) {
                    if entry.turn != turn {
                        // It is another database by now.
                        entry.instance = None;
                        entry.exchanged_with.clear();
                    }
                    entry.turn = turn;
                    entry.last_observed_at = status::time(now);
                }
            }
            Some(Reading::Unknown(why)) => {
                unreadable = unreadable.or(Some((name.clone(), why.clone())));
            }
        }
    }
    former::found(&mut pass.status);
    match unreadable {
        Some((name, why)) => {
            waiting::unreadable(pass, &name, &why);
            false
        }
        None => {
            if !pass.snapshot.databases.is_empty() {
                pass.condition(
                    reasons::OBSERVED,
                    true,
                    reasons::DATABASES_READ,
                    "every database that was looked at could be read",
                );
            }
            true
        }
    }
}

/// Compares and, where nothing stands against it, fixes the plan. `None`: it does not go on from here.
pub(super) fn plan(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
) -> Option<BTreeMap<String, DatabasePlan>> {
    let mut plans = BTreeMap::new();
    let mut parts = Vec::new();
    let mut hashes = Vec::new();
    let mut looks = false;
    for database in &pass.spec.databases {
        let (Some(inventory), Some(facts)) =
            (inventories.get(&database.name), pass.facts(&database.name))
        else {
            pass.requeue(1_000);
            return None;
        };
        let plan = plan_status::planned(pass, &database.name, inventory, facts);
        looks |= plan_status::needs_names(pass, &database.name, &plan);
        parts.push(plan::part_digest(inventory, facts, &plan));
        hashes.push(format!("{}={}", database.name, inventory.hash));
        plans.insert(database.name.clone(), plan);
    }
    if looks {
        return None;
    }
    if let Some(run) = &mut pass.status.run {
        run.inventory_hash = digest(hashes.join("\n").as_bytes());
    }
    let plan_hash = digest(format!("{}\n{}", pass.run().spec_hash, parts.join("\n")).as_bytes());
    // Also of a plan that is blocked: a baseline names the plan that was looked at.
    let first_time = pass.run().plan_hash.is_empty();
    pass.status.plan_hash.clone_from(&plan_hash);
    let blocker = duplicate(pass)
        .or_else(|| first_blocker(pass, &plans))
        .or_else(|| unset_variable(pass, inventories, &plans));
    if let Some(blocker) = blocker {
        // What was found in it long ago may have been mended under the same tag since.
        if blocker.is_of_image() && inventory::may_be_old(pass) {
            inventory::start_step(pass);
            return None;
        }
        let blocker = lost(pass, &plans, blocker);
        let message = blocker.message.clone();
        if of_others(&plans, &blocker) {
            // Nobody is needed: it is another run's, or a deploy by hand, and has an end.
            let busy = reasons::DATABASE_BUSY;
            pass.condition(reasons::PLANNED, false, busy, &message);
            pass.condition(reasons::PREFLIGHT_PASSED, false, busy, &message);
            pass.working(Phase::Pending, busy, message);
            pass.requeue(5_000);
            return None;
        }
        pass.condition(reasons::PLANNED, false, blocker.reason, &message);
        pass.condition(reasons::PREFLIGHT_PASSED, false, blocker.reason, &message);
        pass.stalled(
            Phase::Blocked,
            blocker.reason,
            blocker.message,
            blocker.next,
        );
        waiting::poll(pass, reasons::STALLED);
        return None;
    }
    if let Some(run) = &mut pass.status.run {
        run.plan_hash = plan_hash;
    }
    let pending: Vec<(&String, usize)> = plans
        .iter()
        .filter(|(_, plan)| !plan.pending.is_empty())
        .map(|(name, plan)| (name, plan.pending.len()))
        .collect();
    let total: usize = pending.iter().map(|(_, number)| number).sum();
    let message = if total == 0 {
        "nothing is pending".to_owned()
    } else {
        let each: Vec<String> = pass
            .spec
            .databases
            .iter()
            .filter_map(|database| {
                let number = plans.get(&database.name)?.pending.len();
                (number > 0).then(|| format!("{} {number}", database.name))
            })
            .collect();
        format!(
            "{} pending in {} ({})",
            count(total, "migration"),
            count(pending.len(), "database"),
            each.join(", ")
        )
    };
    let notes: String = pass
        .spec
        .databases
        .iter()
        .filter_map(|database| {
            let plan = plans.get(&database.name)?;
            Some(concurrently::note(&database.name, &plan.findings))
        })
        .collect();
    let message = format!("{message}{notes}");
    pass.condition(reasons::PLANNED, true, reasons::PLAN_READY, &message);
    accepted(pass);
    if first_time && total > 0 && !pass.snapshot.resource.suspended {
        let text = format!("run {}: {message}", pass.run().id);
        pass.event(false, reasons::events::RUN_STARTED, text);
    }
    Some(plans)
}

/// What stood against a start does not.
pub(super) fn accepted(pass: &mut Pass<'_>) {
    pass.condition(
        reasons::PREFLIGHT_PASSED,
        true,
        reasons::HISTORY_ACCEPTED,
        "the ledgers' history fits the image, within spec.preflight.history",
    );
}

/// Where something is gone of a ledger, the same is told of all databases of which it is so: a retry accepts what was told.
fn lost(pass: &mut Pass<'_>, plans: &BTreeMap<String, DatabasePlan>, blocker: Blocker) -> Blocker {
    if blocker.reason != reasons::PENDING_FOUND {
        return blocker;
    }
    let is_lost = |name: &str| {
        let blocker = plans.get(name).and_then(|plan| plan.blocker.as_ref());
        blocker.is_some_and(|blocker| blocker.reason == reasons::PENDING_FOUND)
    };
    remembered::tell(pass, &is_lost);
    let others: Vec<String> = pass
        .spec
        .databases
        .iter()
        .map(|database| database.name.as_str())
        .filter(|name| is_lost(name) && !blocker.message.starts_with(&format!("{name}:")))
        .filter_map(|name| {
            let pending: Vec<&str> = plans
                .get(name)?
                .pending
                .iter()
                .map(String::as_str)
                .collect();
            Some(format!("{name} ({})", status::names(&pending)))
        })
        .collect();
    if others.is_empty() {
        return blocker;
    }
    let message = format!(
        "{} The same is so, and would run, of {}.",
        blocker.message,
        others.join(", ")
    );
    Blocker { message, ..blocker }
}

/// It is of a migration that somebody else has under way.
fn of_others(plans: &BTreeMap<String, DatabasePlan>, blocker: &Blocker) -> bool {
    let mut plans = plans.values();
    plans.any(|plan| plan.under_way && plan.blocker.as_ref() == Some(blocker))
}

fn first_blocker(pass: &Pass<'_>, plans: &BTreeMap<String, DatabasePlan>) -> Option<Blocker> {
    pass.spec
        .databases
        .iter()
        .find_map(|database| plans.get(&database.name)?.blocker.clone())
}

/// Where something is to be migrated, and Prisma would not come so far.
fn unset_variable(
    pass: &Pass<'_>,
    inventories: &Inventories,
    plans: &BTreeMap<String, DatabasePlan>,
) -> Option<Blocker> {
    let to_do = |name: &String| plans.get(name).is_some_and(|plan| !plan.pending.is_empty());
    let databases = pass.spec.databases.iter();
    databases
        .filter(|database| to_do(&database.name))
        .find_map(|database| {
            datasource::blocker(pass.spec, database, inventories.get(&database.name)?)
        })
}

/// Two entries with one ledger: the second would find the first one's migrations.
fn duplicate(pass: &Pass<'_>) -> Option<Blocker> {
    let mut seen: BTreeMap<_, &str> = BTreeMap::new();
    for database in &pass.spec.databases {
        let identity = &pass.facts(&database.name)?.identity;
        if identity.system_identifier.is_empty() {
            // Some servers do not tell who they are; two of them are not one for that.
            continue;
        }
        if let Some(first) = seen.insert(identity, &database.name) {
            return Some(Blocker {
                reason: reasons::DUPLICATE_DATABASE,
                message: format!(
                    "{first} and {} are one database with one schema ({}, {}): two lists of migrations cannot share a ledger. Correct one of the two Secrets, or add ?schema= to one URL; it goes on by itself.",
                    database.name, identity.database, identity.schema
                ),
                next: String::new(),
            });
        }
    }
    None
}
