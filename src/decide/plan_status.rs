//! What a plan says, where people see it.

use dbm_protocol::DatabaseInventory;

use super::concurrently;
use super::database_plan::{Blocker, DatabasePlan};
use super::earlier_failure;
use super::evidence;
use super::forced;
use super::former;
use super::history;
use super::invalid;
use super::pass::Pass;
use super::plan;
use super::remembered;
use super::status;
use super::time_limits;
use super::unplanned;
use crate::api::{DatabasePhase, FindingKind, FindingStatus, StepKind, reasons};
use crate::facts::{DatabaseFacts, Ledger};

/// Plans a database by what the image holds and its ledger says, and puts that where people see it.
pub(super) fn planned(
    pass: &mut Pass<'_>,
    name: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> DatabasePlan {
    unplanned::forget(pass, name, inventory, facts);
    let history = &pass.spec.preflight.history;
    let said = plan::Said {
        left_to_prisma: pass.run().forced,
        marks: pass
            .database(name)
            .map(|entry| entry.marks.clone())
            .unwrap_or_default(),
        unplanned: pass
            .database(name)
            .map(|entry| entry.unplanned.clone())
            .unwrap_or_default(),
        accepted: pass
            .database(name)
            .map(|entry| entry.accepted.clone())
            .unwrap_or_default(),
    };
    let mut plan = plan::plan_for(name, inventory, facts, history, &said);
    // First, so that a list that is cut keeps them: by them it is known how the Job is made.
    plan.findings
        .splice(..0, concurrently::findings(inventory, facts, &plan.pending));
    invalid::forget(pass, name, facts);
    if plan.blocker.is_none() {
        plan.blocker = remembered::blocker(pass, name, facts, &plan.pending);
    }
    // What a history says that is another database's leads nowhere.
    let entry = pass.database(name).filter(|_| plan.total > 0);
    if let Some(message) = entry.and_then(|it| former::exchanged(it, &pass.retry_command())) {
        plan.blocker = Some(Blocker {
            reason: reasons::DATABASES_EXCHANGED,
            message,
            next: String::new(),
        });
        plan.under_way = false;
    }
    if let Some(blocker) = &mut plan.blocker
        && OF_HISTORY.contains(&blocker.reason)
        && pass
            .database(name)
            .is_some_and(|entry| remembered::is_elsewhere(entry, facts))
    {
        blocker.message.push_str(
            " It is another database than the one that a run last saw here: was its Secret changed?",
        );
    }
    if plan.blocker.is_none() {
        plan.blocker = other_than_shown(pass, name, inventory, &plan);
    }
    // Of a ledger that is lost as a whole nothing is pending yet, and all of it is to be marked at once.
    let of_lost: Vec<String> = match facts.ledger {
        Ledger::Absent { .. } => inventory
            .migrations
            .iter()
            .map(|m| m.name.clone())
            .collect(),
        _ if plan.baseline.is_empty() => plan.pending.clone(),
        _ => Vec::new(),
    };
    if let Some(entry) = pass.database(name)
        && let Some(last) = remembered::gone(entry, facts, &of_lost).pop()
        && last > plan.baseline
    {
        plan.baseline_unseen = history::has_unseen(inventory, &of_lost, &last, facts);
        if let Some(blocker) = &mut plan.blocker
            && blocker.reason == reasons::BASELINE_NEEDED
        {
            blocker.message.push_str(&format!(
                " But a run of this resource has seen a ledger here that held the migrations up to {last}: baseline it up to that one."
            ));
        }
        plan.baseline = last;
    }
    show(pass, name, inventory, facts, &plan);
    plan
}

/// Reasons for which a database's history does not fit the image.
const OF_HISTORY: [&str; 6] = [
    reasons::AHEAD_FOUND,
    reasons::UNKNOWN_FOUND,
    reasons::EDITED_FOUND,
    reasons::RENAMED_FOUND,
    reasons::SQUASHED_FOUND,
    reasons::UNSEEN_FOUND,
];

/// What was looked at while the resource was suspended is not what the image holds by now: that was shown to nobody.
fn other_than_shown(
    pass: &mut Pass<'_>,
    name: &str,
    inventory: &DatabaseInventory,
    plan: &DatabasePlan,
) -> Option<Blocker> {
    if pass.run().finished_at.is_some() || plan.pending.is_empty() {
        return None;
    }
    let suspended = pass.snapshot.resource.suspended;
    let entry = pass.database_mut(name)?;
    // Whoever resumes it, or forces it, does that with what was shown.
    if suspended {
        entry.shown_inventory_hash.clone_from(&inventory.hash);
    }
    let shown = &entry.shown_inventory_hash;
    let other = !shown.is_empty() && *shown != inventory.hash;
    other.then(|| Blocker {
        reason: reasons::PLAN_CHANGED,
        message: format!(
            "{name}: image {} was pushed again after its plan was looked at, and holds something else now, so nothing was started. Look at what it would run now: {}; then start it: {}",
            pass.spec.image,
            pass.command("plan"),
            pass.retry_command()
        ),
        next: String::new(),
    })
}

/// A plan for which the names of the catalog's objects matter, and which was made without them: what it says is not shown
/// before they were looked at. `true`: that is done next.
pub(super) fn needs_names(pass: &mut Pass<'_>, name: &str, plan: &DatabasePlan) -> bool {
    let databases = &pass.snapshot.resource.status.databases;
    let asked = databases
        .iter()
        .any(|entry| entry.name == name && entry.by_name);
    let unknown = pass
        .facts(name)
        .is_some_and(|facts| facts.objects.is_none());
    let needs = plan.by_name && unknown && !asked;
    pass.again |= needs;
    needs
}

/// Puts a plan where people see it.
fn show(
    pass: &mut Pass<'_>,
    name: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    plan: &DatabasePlan,
) {
    let spec = pass.spec;
    let Some(entry) = pass.database_mut(name) else {
        return;
    };
    entry.inventory_hash.clone_from(&inventory.hash);
    let forced = |finding: &FindingStatus| finding.kind == FindingKind::Forced;
    entry.by_name = plan.by_name || entry.findings.iter().any(forced);
    entry.baseline.clone_from(&plan.baseline);
    entry.baseline_unseen = plan.baseline_unseen;
    entry.since.clone_from(&plan.since);
    if plan.blocker.is_none() || plan.total > 0 {
        entry.total = status::bounded(plan.total);
        entry.applied = status::bounded(plan.applied);
        entry.pending_count = status::bounded(plan.pending.len());
        entry.pending.clone_from(&plan.pending);
        entry.marks.retain(|name| plan.pending.contains(name));
        // What a migration's output said stays, and what was forced; the rest is what is so now.
        let said = std::mem::take(&mut entry.findings)
            .into_iter()
            .filter(|it| {
                it.kind == FindingKind::Log
                    || it.kind == FindingKind::Forced && !plan.pending.contains(&it.migration)
            });
        let against = |migration: &str| history::contradicted(inventory, facts, migration);
        let said = forced::recheck(said.collect(), against);
        entry.findings = plan.findings.iter().cloned().chain(said).collect();
        entry.findings_count = status::bounded(entry.findings.len());
        if entry.phase == DatabasePhase::Unknown {
            entry.phase = DatabasePhase::Planned;
        }
    }
    if entry.phase != DatabasePhase::Failed {
        let known = [entry.failed.take(), entry.earlier.take().map(|it| *it)];
        entry.failed.clone_from(&plan.open);
        if let Some(open) = &mut entry.failed {
            let known = known.iter().flatten();
            earlier_failure::fill(open, known, inventory, facts);
            let script = evidence::script(inventory, &open.name).unwrap_or_default();
            time_limits::renew(spec, facts, open, script);
            earlier_failure::renew(open, facts);
        }
    }
    count_applied(pass, name);
}

/// What the run's own migrate steps applied: the journal has how many were applied before each step, so that nothing is
/// missed that happened while nobody looked. Never less than was said before: the oldest steps may have been dropped.
pub(super) fn count_applied(pass: &mut Pass<'_>, name: &str) {
    // What is applied after a run's end is not the run's.
    if pass.run().finished_at.is_some() {
        return;
    }
    let Some(entry) = pass.database(name) else {
        return;
    };
    let steps = pass.steps().iter().filter(|step| step.database == name);
    let counted: Vec<(StepKind, u32)> = steps
        .filter_map(|step| Some((step.name, step.applied?)))
        .collect();
    let after = counted.iter().skip(1).map(|(_, applied)| *applied);
    let by_run: u32 = counted
        .iter()
        .zip(after.chain([entry.applied]))
        .filter(|((kind, _), _)| *kind == StepKind::Migrate)
        .map(|((_, before), after)| after.saturating_sub(*before))
        .sum();
    if let Some(entry) = pass.database_mut(name) {
        entry.applied_by_run = entry.applied_by_run.max(by_run);
    }
}
