//! Starting a database: what may start, its journal entry, its Job.

use super::smoke_tests;
use std::collections::BTreeSet;

use super::backoff::backoff_seconds;
use super::database_plan::DatabasePlan;
use super::evidence;
use super::names::lease_name;
use super::pass::Pass;
use super::pending;
use super::plan::ledger_digest;
use super::plan_status;
use super::remembered;
use super::restore_points;
use super::servers;
use super::snapshot::Inventories;
use super::status::bounded;
use super::status::count;
use super::steps;
use super::turn;
use super::turn::set_aside;
use super::waiting;
use crate::api::{DatabasePhase, DatabaseSpec, Phase, StepKind, StepOutcome, StepStatus, reasons};
use crate::facts::Ledger;

/// Starts what may start: in the list's order, or as `dependsOn` says where several may run at once.
pub(super) fn start_next(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    plans: Option<&std::collections::BTreeMap<String, DatabasePlan>>,
) {
    let parallelism = pass.spec.parallelism.max(1) as usize;
    let back = brought_back(pass, inventories);
    // Verified against what the image held before its tag was pushed again, or brought back since: planned again.
    for entry in &mut pass.status.databases {
        let hash = inventories.get(&entry.name).map(|known| &known.hash);
        let other = hash != Some(&entry.inventory_hash) || back.contains(&entry.name);
        if entry.phase == DatabasePhase::Succeeded && other {
            entry.phase = DatabasePhase::Planned;
        }
    }
    for (at, database) in pass.spec.databases.iter().enumerate() {
        let Some(entry) = pass.database(&database.name) else {
            continue;
        };
        if matches!(entry.phase, DatabasePhase::Succeeded) || is_active(pass, &database.name) {
            continue;
        }
        if !ready_to_start(pass, database, at, parallelism) {
            if parallelism == 1 {
                return;
            }
            continue;
        }
        // Whatever woke it meanwhile, the time of the retry is kept.
        let wait = retry_in(pass, &database.name);
        if wait > 0 {
            pass.requeue(u64::try_from(wait).unwrap_or(1) * 1000);
            continue;
        }
        if !start(pass, inventories, plans, database) {
            return;
        }
    }
}

/// The databases that had nothing pending when they were looked at in this run, and have by now: somebody brought them back
/// while the run waited for its turn. What the run itself migrated is not migrated twice by it, and what changes during the
/// watch is that one's to judge.
fn brought_back(pass: &Pass<'_>, inventories: &Inventories) -> BTreeSet<String> {
    if pass.run().watched_since.is_some() {
        return BTreeSet::new();
    }
    let migrated = |name: &String| {
        let mut steps = pass.steps().iter();
        steps.any(|step| step.name == StepKind::Migrate && step.database == *name)
    };
    let lacks = |name: &String| {
        let (Some(facts), Some(inventory)) = (pass.facts(name), inventories.get(name)) else {
            return false;
        };
        match &facts.ledger {
            Ledger::Rows(rows) => !evidence::missing(inventory, rows).is_empty(),
            Ledger::Absent { .. } => !inventory.migrations.is_empty(),
            Ledger::NoRight { .. } => false,
        }
    };
    let names = pass.status.databases.iter().map(|entry| &entry.name);
    let back = names.filter(|name| !migrated(name) && lacks(name));
    back.cloned().collect()
}

fn is_active(pass: &Pass<'_>, database: &str) -> bool {
    pass.active().iter().any(|step| step.database == database)
}

fn ready_to_start(pass: &Pass<'_>, database: &DatabaseSpec, at: usize, parallelism: usize) -> bool {
    let succeeded = |name: &str| {
        pass.database(name)
            .is_some_and(|d| d.phase == DatabasePhase::Succeeded)
            && smoke_tests::passed_after(pass, name)
    };
    let earlier = pass.spec.databases[..at]
        .iter()
        .all(|before| succeeded(&before.name));
    let named = database.depends_on.iter().all(|name| succeeded(name));
    named && (parallelism > 1 || earlier) && pass.active().len() < parallelism
}

/// The seconds until a database that never began is tried again; 0: now.
fn retry_in(pass: &Pass<'_>, database: &str) -> i64 {
    pass.steps()
        .iter()
        .rfind(|step| step.database == database && step.finished_at.is_some())
        .filter(|step| {
            matches!(
                (step.name, step.outcome),
                (StepKind::Migrate, Some(StepOutcome::NeverBegan))
                    | (StepKind::Resolve, Some(StepOutcome::Succeeded))
            )
        })
        .map_or(0, |step| {
            let ended = step.finished_at.as_ref().map_or(pass.now(), |time| time.0);
            backoff_seconds(step.attempt) - pass.age(ended)
        })
}

/// `false`: a person has to look at it, and nothing is started after it.
fn start(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    plans: Option<&std::collections::BTreeMap<String, DatabasePlan>>,
    database: &DatabaseSpec,
) -> bool {
    let name = &database.name;
    let (Some(facts), Some(inventory)) = (pass.facts(name), inventories.get(name)) else {
        pass.requeue(1_000);
        return true;
    };
    // The plan of this very pass where there is one; else this database's part is looked at again.
    let fresh;
    let plan = match plans.and_then(|plans| plans.get(name)) {
        Some(plan) => plan,
        None => {
            fresh = plan_status::planned(pass, name, inventory, facts);
            if plan_status::needs_names(pass, name, &fresh) {
                return false;
            }
            &fresh
        }
    };
    if let Some(blocker) = &plan.blocker {
        // What a new run would apply elsewhere is what is seen now, too: the image may be another one.
        let blocked = pass.snapshot.resource.status.phase == Some(Phase::Blocked);
        for other in pass.spec.databases.iter().map(|other| &other.name) {
            let migrated = pass
                .database(other)
                .is_some_and(|entry| entry.phase == DatabasePhase::Succeeded);
            if other == name || migrated {
                continue;
            }
            match inventories.get(other).zip(pass.facts(other)) {
                Some((inventory, facts)) => {
                    plan_status::planned(pass, other, inventory, facts);
                }
                // It was not looked at while it was not its turn.
                None => pass.again |= !blocked,
            }
        }
        if blocker.reason == reasons::PENDING_FOUND {
            remembered::tell(pass, &|told| told == name);
        }
        pass.stalled(
            Phase::Blocked,
            blocker.reason,
            blocker.message.clone(),
            blocker.next.clone(),
        );
        waiting::poll(pass, reasons::STALLED);
        return false;
    }
    if plan.pending.is_empty() {
        if let Some(entry) = pass.database_mut(name) {
            entry.phase = DatabasePhase::Succeeded;
        }
        remembered::remember(pass, name, facts);
        // Its tests are due now, and nothing else would wake it.
        pass.again |= !smoke_tests::passed_after(pass, name);
        return true;
    }
    // Two schemas of one database: the turn is the database's, and it is ours already.
    let lease = lease_name(&facts.identity);
    let taken = |step: &StepStatus| {
        pass.database(&step.database)
            .is_some_and(|entry| entry.lease == lease)
    };
    if pass.active().iter().any(taken)
        || !turn::may_touch(pass, name, facts)
        || !servers::has_room(pass, name, facts)
    {
        return true;
    }
    if !restore_points::made_on(pass, &[name]) {
        return false;
    }
    let text = format!(
        "{name}: starting {}",
        count(plan.pending.len(), "migration")
    );
    pass.working(Phase::Migrating, reasons::MIGRATING, text);
    pass.condition(
        reasons::MIGRATED,
        false,
        reasons::MIGRATING,
        "migrations run",
    );
    if let Some(entry) = pass.database_mut(name) {
        entry.phase = DatabasePhase::Migrating;
        entry.lease = lease;
        entry.server = servers::server_name(&facts.identity).to_owned();
    }
    remembered::remember(pass, name, facts);
    let mut invalid = facts.invalid_indexes.clone();
    invalid.sort();
    let mut step = StepStatus {
        name: StepKind::Migrate,
        database: name.clone(),
        invalid_index_count: bounded(invalid.len()),
        invalid_indexes: invalid,
        ..StepStatus::default()
    };
    steps::journal(pass, &mut step, Some(facts));
    steps::make_job(pass, &step, Some(facts));
    true
}

/// The intent stands in the journal and no Job was ever confirmed: it was never made, or it was made, ran and is gone.
/// It is made only where the ledger is as it was and nothing is at work; `None`: the database decides what happened.
pub(super) fn create_again(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    gives_way: bool,
) -> Option<bool> {
    if pass.is_other_database(step) {
        return None;
    }
    let Some(facts) = pass.facts(&step.database) else {
        pass.requeue(1_000);
        return Some(false);
    };
    // Another run has the turn on the database, so ours was never had, and the Job, which comes after it, never made.
    // The ledger that was journaled is not the one that run will leave: the database is planned again.
    if step.name == StepKind::Migrate && turn::is_busy(pass, facts) {
        if let Some(run) = &mut pass.status.run {
            run.steps.retain(|other| other.job != step.job);
        }
        if let Some(entry) = pass.database_mut(&step.database) {
            entry.phase = DatabasePhase::Planned;
            entry.lease.clear();
        }
        turn::may_touch(pass, &step.database, facts);
        pass.again = true;
        return Some(true);
    }
    if ledger_digest(&facts.ledger) != step.ledger {
        return None;
    }
    let idle = facts.lock_holder.is_none() && facts.our_sessions.is_empty();
    // Nothing is migrated after a failure; what is to be marked rolled back still is.
    let failed = step.name == StepKind::Migrate && pass.has_failed();
    if idle && (failed || gives_way || pass.snapshot.resource.suspended) {
        pass.end_step(&step.job, StepOutcome::NeverBegan);
        set_aside(pass, &step.database);
        return Some(true);
    }
    // A turn that was let go meanwhile is taken anew, where the server has room for it.
    let let_go = step.name == StepKind::Migrate
        && pass
            .database(&step.database)
            .is_some_and(|entry| entry.lease.is_empty());
    if !pending::refused(pass, step)
        && turn::may_touch(pass, &step.database, facts)
        && (!let_go || servers::has_room(pass, &step.database, facts))
    {
        steps::make_job(pass, step, Some(facts));
    }
    Some(false)
}
