//! The watch at the very end of a run: what was verified has to stay so for a while.

use std::collections::BTreeMap;

use super::finished;
use super::pass::Pass;
use super::plan_status;
use super::status::{self, names};
use super::validate;
use crate::api::{Phase, reasons};

/// Everything is migrated and every test passed: the watch, if there is one. `true`: it is over.
pub(super) fn watched(pass: &mut Pass<'_>) -> bool {
    let watch = pass.spec.validation.watch.seconds().unwrap_or(0);
    if watch <= 0 {
        return true;
    }
    let now = pass.now();
    let since = match pass.run().watched_since {
        Some(since) => since.0,
        None => {
            if let Some(run) = &mut pass.status.run {
                run.watched_since = status::time(now);
            }
            now
        }
    };
    let mut plans = BTreeMap::new();
    for database in &pass.spec.databases {
        let (Some(facts), Some(inventory)) = (
            pass.facts(&database.name),
            pass.snapshot.inventories.get(&database.name),
        ) else {
            continue;
        };
        if !finished::verified(pass, &database.name, inventory) {
            continue;
        }
        let plan = plan_status::planned(pass, &database.name, inventory, facts);
        plans.insert(database.name.clone(), plan);
    }
    let order: Vec<&str> = pass
        .spec
        .databases
        .iter()
        .map(|d| d.name.as_str())
        .collect();
    if let Some((reason, text, _)) = finished::trouble(&order, &plans) {
        validate::fail(pass, reason, text);
        return false;
    }
    let left = watch - pass.age(since);
    if left <= 0 {
        return true;
    }
    let text = format!(
        "{} migrated and verified; watched for {}",
        names(&order),
        pass.spec.validation.watch.0
    );
    pass.working(Phase::Validating, reasons::WATCHING, text);
    let observe = pass.spec.timeouts.observe.seconds().unwrap_or(10).max(1);
    pass.requeue(
        u64::try_from(left.min(observe))
            .unwrap_or(1)
            .saturating_mul(1_000),
    );
    false
}
