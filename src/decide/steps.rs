//! A step of any kind: its journal entry, and what its Job is told.

use dbm_protocol::{DatabaseInventory, Planned};

use super::actions::step::{in_transaction, resolved};
use super::actions::target::restore_plan;
use super::concurrently;
use super::evidence;
use super::names::{job_name, lease_name};
use super::pass::Pass;
use super::plan::ledger_digest;
use super::servers::server_name;
use super::snapshot::{DownPlan, Effect, JobPlan};
use super::status;
use crate::api::{DatabaseMigrationSpec, Resolution, StepKind, StepStatus};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};

/// The first server that knows `client_connection_check_interval`.
const CONNECTION_CHECK_SINCE: u32 = 140_000;

/// Journals a step: its attempt, its Job's name, and what the database is like before it.
pub(super) fn journal(pass: &mut Pass<'_>, step: &mut StepStatus, facts: Option<&DatabaseFacts>) {
    let subject = if step.test.is_empty() {
        step.database.clone()
    } else {
        step.test.clone()
    };
    let same = |other: &&StepStatus| {
        other.name == step.name && other.database == step.database && other.test == step.test
    };
    let tries = pass.steps().iter().filter(same).map(|other| other.attempt);
    // Higher than any before, also where the oldest were dropped for their size. Of a resolve, whoever asked for it: an
    // action's and the run's own must not share a Job.
    step.attempt = tries.max().unwrap_or(0).saturating_add(1);
    let resource = &pass.snapshot.resource;
    step.job = job_name(
        &resource.name,
        &resource.uid,
        &pass.run().id,
        &subject,
        step.name,
        step.attempt,
    );
    step.started_at = status::time(pass.now());
    if let Some(facts) = facts {
        step.ledger = ledger_digest(&facts.ledger);
        step.catalog = facts.catalog.clone().unwrap_or_default();
        step.applied = pass.database(&step.database).map(|entry| entry.applied);
        step.others = inventory(pass, &step.database)
            .map(|inventory| evidence::count_others(inventory, &facts.ledger));
    }
    if let Some(run) = &mut pass.status.run {
        run.steps.push(step.clone());
    }
}

/// The Lease of a step's turn. A smoke test needs none; a database that cannot be read has the one that it had.
pub(super) fn turn(
    pass: &Pass<'_>,
    step: &StepStatus,
    facts: Option<&DatabaseFacts>,
) -> Option<String> {
    if matches!(step.name, StepKind::SmokeTest | StepKind::Inventory) {
        return None;
    }
    let known = facts.map(|facts| lease_name(&facts.identity));
    known.or_else(|| {
        let entry = pass.database(&step.database)?;
        (!entry.turn.is_empty()).then(|| entry.turn.clone())
    })
}

/// Makes the Job of a journaled step: finalizer, journal, Lease, Job, in this order.
pub(super) fn make_job(pass: &mut Pass<'_>, step: &StepStatus, facts: Option<&DatabaseFacts>) {
    if !pass.snapshot.resource.finalizer && !pass.effects.contains(&Effect::AddFinalizer) {
        pass.effects.push(Effect::AddFinalizer);
    }
    if let Some(name) = turn(pass, step, facts) {
        // Also where the turn was let go for a while: what is not journaled another run may take.
        if let Some(entry) = pass.database_mut(&step.database) {
            entry.lease.clone_from(&name);
            if let Some(facts) = facts {
                entry.server = server_name(&facts.identity).to_owned();
            }
        }
        let take_over = pass
            .snapshot
            .leases
            .get(&name)
            .map(|lease| lease.resource_version.clone());
        let holder = pass.holder();
        pass.effects.push(Effect::AcquireLease {
            name,
            holder,
            take_over,
        });
    }
    let start = pass.spec.timeouts.start.seconds().unwrap_or(600);
    let not_after = pass
        .now()
        .checked_add(jiff::SignedDuration::from_secs(start))
        .ok();
    let mut plan = JobPlan {
        name: step.job.clone(),
        step: step.name,
        database: step.database.clone(),
        run: pass.run().id,
        not_after,
        connection_check: facts.is_some_and(|facts| facts.server_version >= CONNECTION_CHECK_SINCE),
        ..JobPlan::default()
    };
    let hash = pass
        .database(&step.database)
        .map(|entry| entry.inventory_hash.clone())
        .unwrap_or_default();
    if let Some(inventory) = inventory(pass, &step.database) {
        plan.configured.clone_from(&inventory.configured);
        plan.confirm = facts
            .filter(|_| step.name == StepKind::Migrate && is_confirmed(pass.spec, step, inventory))
            .map(|facts| to_confirm(inventory, facts));
    }
    match step.name {
        StepKind::Inventory => {}
        StepKind::Migrate => {
            plan.expect = hash;
            plan.unlimited_locks = concurrently::is_pending(
                pass.database(&step.database),
                pass.snapshot.inventories.get(&step.database),
                facts,
            );
        }
        StepKind::Resolve => {
            plan.expect = hash;
            plan.migrations = resolved(pass, step);
            // An entry of an earlier release does not say it: it knew only this one.
            plan.resolution = Some(step.resolution.unwrap_or(Resolution::RolledBack));
        }
        StepKind::Down => {
            plan.expect = hash;
            plan.unlimited_locks =
                concurrently::is_in_down(pass.snapshot.inventories.get(&step.database), step);
            plan.migrations = vec![step.migration.clone()];
            plan.down = Some(DownPlan {
                transaction: in_transaction(pass, step),
                ledger_row: step.ledger_row.clone(),
                schema: facts
                    .map(|facts| facts.identity.schema.clone())
                    .unwrap_or_default(),
            });
        }
        StepKind::SmokeTest => plan.test.clone_from(&step.test),
        StepKind::Restore => plan.restore = restore_plan(pass, step),
    }
    pass.effects.push(Effect::CreateJob(Box::new(plan)));
    pass.again = true;
}

/// What the image holds for a database, as it was planned with.
fn inventory<'a>(pass: &'a Pass<'_>, database: &str) -> Option<&'a DatabaseInventory> {
    let hash = &pass.database(database)?.inventory_hash;
    let of_report = match &pass.snapshot.report {
        Some(Ok(report)) => report.databases.as_slice(),
        _ => &[],
    };
    of_report
        .iter()
        .filter(|entry| entry.database == database)
        .chain(pass.snapshot.inventories.get(database))
        .find(|entry| entry.hash == *hash)
}

/// Whether Prisma is asked before it migrates: where the layout leaves doubt, where its configuration may say something else in the Job
/// than it did in the inventory, or asks for a variable that the resource sets. What a command of the user's own reads is the user's
/// to say.
pub(super) fn is_confirmed(
    spec: &DatabaseMigrationSpec,
    step: &StepStatus,
    inventory: &DatabaseInventory,
) -> bool {
    let mut databases = spec.databases.iter();
    let Some(database) = databases.find(|it| it.name == step.database) else {
        return false;
    };
    if !database.prisma.migrate.is_empty() {
        return false;
    }
    let mut set = vec![database.env_var.as_str()];
    let own = database.env.iter().chain(&spec.job.env);
    set.extend(own.map(|variable| variable.name.as_str()));
    let may_differ = inventory.configured.as_ref().is_some_and(|said| {
        // What a group holds is not known here.
        let given = |name: &String| set.contains(&name.as_str()) || !spec.job.env_from.is_empty();
        !said.plain || said.read.iter().any(given)
    });
    inventory.doubt.is_some() || may_differ
}

/// What it is asked about. Of what was rolled back `migrate status` says nothing, although the next deploy applies it (facts of Prisma 5
/// to 7: "Database schema is up to date").
fn to_confirm(inventory: &DatabaseInventory, facts: &DatabaseFacts) -> Planned {
    let rows: &[LedgerRow] = match &facts.ledger {
        Ledger::Rows(rows) => rows,
        Ledger::Absent { .. } | Ledger::NoRight { .. } => &[],
    };
    let named = |name: &&str| !rows.iter().any(|row| row.migration_name == *name);
    let pending = evidence::missing(inventory, rows).into_iter().filter(named);
    Planned::of(&pending.map(str::to_owned).collect::<Vec<_>>())
}
