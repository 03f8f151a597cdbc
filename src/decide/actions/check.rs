//! Whether an action fits the state that it names, as the world is now. What changed since is refused, never guessed.

use super::super::doubts;
use super::super::names::lease_name;
use super::super::pass::Pass;
use super::super::session;
use super::super::snapshot::Resource;
use super::super::status::names;
use super::super::turn;
use super::baseline;
use super::fit::{Fit, by_hand, not_read, refused, rows, stale, target_row};
use super::marks;
use super::target::restore_target;
use super::unchanged::still_there;
use crate::api::{ActionKind, MigrationActionSpec, RunOutcome, StepKind, reasons};
use crate::facts::{ActionFacts, DatabaseFacts, Reading};
use crate::tools::{prisma, sql};

/// How soon it is looked again at something that passes by itself, milliseconds.
const SOON: u64 = 2_000;

/// The API server says when an action was made, and the operator when a run began: so far apart may their clocks be, seconds.
const CLOCKS: i64 = 60;

/// The database that must be looked at before an action can be judged, and whether with its objects.
pub(in super::super) fn wants_database<'a>(
    resource: &'a Resource,
    action: &'a ActionFacts,
) -> Option<(&'a str, bool)> {
    let spec = &action.spec;
    let named = resource
        .spec
        .databases
        .iter()
        .any(|d| d.name == spec.database);
    let fits = named && stale(&resource.status, spec).is_none();
    let compared = [
        ActionKind::Baseline,
        ActionKind::MarkApplied,
        ActionKind::MarkRolledBack,
    ];
    fits.then_some((spec.database.as_str(), compared.contains(&spec.action)))
}

pub(super) fn fits(pass: &mut Pass<'_>, action: &ActionFacts) -> Fit {
    let begun = pass.run().started_at.map(|time| time.0);
    let before = action.created_at.as_second() + CLOCKS;
    let of_run = stale(&pass.status, &action.spec).is_none();
    if of_run && begun.is_some_and(|begun| before < begun.as_second()) {
        return Fit::Refused(format!(
            "it was made before run {} began, which it names: nobody can have decided on that. Look again: {}",
            action.spec.run,
            pass.command("status")
        ));
    }
    match check(pass, &action.spec) {
        Ok(()) => Fit::Yes,
        Err(fit) => fit,
    }
}

fn check(pass: &mut Pass<'_>, spec: &MigrationActionSpec) -> Result<(), Fit> {
    if let Some(run) = stale(&pass.status, spec) {
        let why = format!(
            "it was decided on run {}, and the run is {run} now. Look again: {}",
            spec.run,
            pass.command("status")
        );
        return Err(Fit::Refused(why));
    }
    let run = pass.run();
    match spec.action {
        ActionKind::Abort => {
            if run.finished_at.is_some() {
                return refused(format!("run {} has ended already", run.id));
            }
            return Ok(());
        }
        ActionKind::AcceptValidation => return acceptable(pass),
        _ => {}
    }
    let busy = pass.active();
    if let Some(step) = busy.iter().find(|step| step.name != StepKind::Inventory) {
        let what = if step.database.is_empty() {
            step.name.as_str().to_owned()
        } else {
            format!("{} of {}", step.name.as_str(), step.database)
        };
        return refused(format!(
            "{what} is at work (Job {}); decide again when it has ended",
            step.job
        ));
    }
    if spec.action == ActionKind::Retry {
        return Ok(());
    }
    let Some(database) = pass
        .spec
        .databases
        .iter()
        .find(|database| database.name == spec.database)
    else {
        let known: Vec<&str> = pass
            .spec
            .databases
            .iter()
            .map(|d| d.name.as_str())
            .collect();
        return refused(format!(
            "the resource has no database {}; it has: {}",
            spec.database,
            names(&known)
        ));
    };
    if spec.action == ActionKind::Restore {
        if pass.spec.rollback.restore.is_none() {
            return refused(
                "spec.rollback.restore is not set: it is the command that brings the database back"
                    .to_owned(),
            );
        }
        restore_target(pass.snapshot, spec).map_err(Fit::Refused)?;
        let by_name = spec.target.as_ref().is_some_and(|t| t.time.is_none());
        if by_name && is_moved(pass, &spec.database) {
            return refused(format!(
                "{}: its Secret leads to another database than the one in whose history that restore point is. Correct the Secret, or give a time",
                spec.database
            ));
        }
        // A database that cannot be read may be just what is to be restored.
        return match pass.facts(&spec.database) {
            Some(facts) => free(pass, &spec.database, facts),
            None => Ok(()),
        };
    }
    let facts = match pass.snapshot.databases.get(&spec.database) {
        Some(Reading::Known(facts)) => facts,
        Some(Reading::Unknown(why)) => {
            let text = format!("{}: {}", spec.database, why.message);
            return Err(Fit::Wait(text, 5_000));
        }
        None => {
            return Err(Fit::Wait(format!("{} is looked at", spec.database), 1_000));
        }
    };
    free(pass, &spec.database, facts)?;
    match spec.action {
        ActionKind::Baseline => baseline::fits(pass, database, spec, facts),
        ActionKind::DownMigration => down(pass, spec, facts),
        ActionKind::MarkApplied => {
            marks::fits(pass, spec, facts)?;
            still_there(pass)
        }
        _ => marks::fits(pass, spec, facts),
    }
}

/// The database is another one than the one on which its restore point was made.
fn is_moved(pass: &Pass<'_>, database: &str) -> bool {
    let point = pass
        .database(database)
        .and_then(|d| d.restore_point.as_ref());
    let turn = pass
        .facts(database)
        .map(|facts| lease_name(&facts.identity));
    point
        .zip(turn)
        .is_some_and(|(point, turn)| !point.is_of(&turn))
}

/// Nobody migrates it: Prisma's lock is free, no session of a migration is left, no other run has the turn.
fn free(pass: &Pass<'_>, database: &str, facts: &DatabaseFacts) -> Result<(), Fit> {
    let session = facts.lock_holder.as_ref().or(facts.our_sessions.first());
    if let Some(session) = session {
        let text = format!(
            "{database}: waits for {}, which holds Prisma's lock or is a migration's session. If it never ends: SELECT pg_terminate_backend({});",
            session::who(session),
            session.pid
        );
        return Err(Fit::Wait(text, SOON));
    }
    if turn::is_busy(pass, facts) {
        let text = format!("{database}: another DatabaseMigration is at work on the same database");
        return Err(Fit::Wait(text, 5_000));
    }
    Ok(())
}

/// DownMigration: there is a down.sql, and nothing was applied after what it undoes.
fn down(pass: &Pass<'_>, spec: &MigrationActionSpec, facts: &DatabaseFacts) -> Result<(), Fit> {
    let (database, name) = (&spec.database, &spec.migration_name);
    let Some(inventory) = pass.snapshot.inventories.get(database) else {
        return Err(not_read(pass, database));
    };
    let Some(script) = inventory
        .migrations
        .iter()
        .find(|migration| migration.name == *name)
        .map(|migration| migration.down_sql.as_deref().unwrap_or_default())
    else {
        return refused(format!(
            "{database}: the image {} does not hold {name}",
            pass.spec.image
        ));
    };
    if sql::statements(script).is_empty() {
        return refused(format!(
            "{database}: the image {} holds no down.sql beside {name}, or an empty one. {}",
            pass.spec.image,
            by_hand(pass, database, name, target_row(facts, name))
        ));
    }
    let Some(row) = target_row(facts, name) else {
        return refused(format!(
            "{database}: {name} is not in the ledger, or is rolled back already: there is nothing to undo"
        ));
    };
    if !doubts::is_of_image(inventory, row) {
        return refused(format!(
            "{database}: what ran of {name} is another text than the one that the image {} holds, so the down.sql beside it may undo something else. Release the image that ran it, or undo it by hand",
            pass.spec.image
        ));
    }
    if prisma::row_state(row).is_applied() {
        let later = rows(facts).iter().filter(|other| {
            prisma::row_state(other).is_applied() && other.started_at > row.started_at
        });
        let later: Vec<&str> = later.map(|row| row.migration_name.as_str()).collect();
        if !later.is_empty() {
            return refused(format!(
                "{database}: {} applied after {name}; undo the newest first",
                match later.as_slice() {
                    [one] => format!("{one} was"),
                    many => format!("{} were", names(many)),
                }
            ));
        }
        if !sql::transactional(script) {
            return refused(format!(
                "{database}: the down.sql of {name} cannot run in a transaction, and Prisma does not mark an applied migration rolled back. Run it by hand, or write a new migration that undoes it"
            ));
        }
    }
    Ok(())
}

/// AcceptValidation: the run failed, and nothing else failed than its validation.
fn acceptable(pass: &Pass<'_>) -> Result<(), Fit> {
    let run = pass.run();
    let reason = super::super::status::ready_reason(&pass.status).to_owned();
    let validation = [reasons::SMOKE_TEST_FAILED, reasons::LOG_LINE_FOUND];
    if run.outcome == Some(RunOutcome::Failed) && validation.contains(&reason.as_str()) {
        return still_there(pass);
    }
    let now = if reason.is_empty() {
        "nothing"
    } else {
        reason.as_str()
    };
    refused(format!(
        "no validation of run {} failed (it says {now}), so there is nothing to accept",
        run.id
    ))
}
