//! MigrationActions: what humans decide. One at a time is taken up, checked against the world as it is now, journaled in
//! `status.action`, carried out, and settled on its own object. What does not fit is refused with the reason.
//!
//! ```text
//!   Pending ── does not fit ─────────────────────────────▶ Refused
//!      │
//!      ├── Retry, AcceptValidation ─────────────────────▶ Done
//!      ├── Abort ── a migration runs: Running, its end ──▶ Done
//!      └── the others: Running, a Job ── judged by the database ──▶ Done (Succeeded | Failed)
//! ```
//!
//! The journal is written before each effect, so a crash anywhere finds either a Pending action and no trace of it, or
//! the journal and goes on from there.

mod after;
pub(super) mod answer;
mod baseline;
mod check;
mod fit;
mod marks;
mod orphans;
mod start;
pub(super) mod step;
pub(super) mod target;
mod unchanged;
mod work;

pub(super) use answer::running;
use answer::{done, refuse, said, tell_object, waiting};
pub(super) use check::wants_database;
pub use orphans::orphaned;
pub(super) use unchanged::wants_all;

use super::ending;
use super::pass::Pass;
use super::run::{self, Cause};
use super::snapshot::Resource;
use super::status;
use super::unplanned;
use crate::api::{
    ActionKind, ActionOutcome, ActionState, DatabaseStatus, StepKind, TakenAction, reasons,
};
use crate::facts::ActionFacts;
use fit::Fit;

/// The action by which a step's Job is judged here and not by the run.
pub(super) fn has_step(resource: &Resource) -> bool {
    running(&resource.status).is_some_and(|taken| taken.action != ActionKind::Abort)
}

/// Says on their objects what the journal says of actions, and takes up the next one. `true`: the pass is the action's
/// alone.
pub(super) fn advance(pass: &mut Pass<'_>) -> bool {
    let behind = settle(pass);
    let running = running(&pass.status).cloned();
    if let Some(taken) = &running {
        let by = format!(
            "{} ({}) is being carried out; look again when it is over",
            taken.name,
            taken.action.as_str()
        );
        for other in waiting(pass) {
            refuse(pass, &other, &by);
        }
        if taken.action != ActionKind::Abort {
            work::go_on(pass, taken);
            let over = answer::running(&pass.status).is_none();
            // A new run waited for it.
            pass.again |= over && run::cause(&pass.snapshot.resource).is_some();
            return true;
        }
        return false;
    }
    if behind && !waiting(pass).is_empty() {
        // The journal holds one action: what it says of the last is on its object before the next is taken up.
        pass.again = true;
        return true;
    }
    // One that waits does not hold up what was decided after it.
    for action in waiting(pass) {
        match check::fits(pass, &action) {
            Fit::Refused(why) => refuse(pass, &action, &why),
            Fit::Wait(why, milliseconds) => {
                said(pass, &action, &why);
                pass.requeue(milliseconds);
            }
            Fit::Yes => return take(pass, &action),
        }
    }
    false
}

/// What the journal says stands on the object too, whatever was lost in between. `true`: it did not.
fn settle(pass: &mut Pass<'_>) -> bool {
    let Some(taken) = pass.status.action.clone() else {
        return false;
    };
    let behind = pass
        .snapshot
        .actions
        .iter()
        .any(|action| action.uid == taken.uid && action.state != taken.state);
    if behind {
        tell_object(pass, &taken);
    }
    behind
}

/// Every action of a resource that goes is refused.
pub(super) fn refuse_all(pass: &mut Pass<'_>) {
    settle(pass);
    for action in waiting(pass) {
        refuse(pass, &action, "the DatabaseMigration is being deleted");
    }
}

/// Journals that an action is taken up, and begins. `true`: the pass is the action's alone.
fn take(pass: &mut Pass<'_>, action: &ActionFacts) -> bool {
    let now = pass.now();
    pass.status.action = Some(TakenAction {
        name: action.name.clone(),
        uid: action.uid.clone(),
        action: action.spec.action,
        requested_by: status::cut(&action.spec.requested_by, status::NAME_LIMIT),
        database: action.spec.database.clone(),
        state: ActionState::Running,
        outcome: None,
        message: String::new(),
        job: String::new(),
        started_at: status::time(now),
        finished_at: None,
    });
    let subject = match (
        action.spec.database.as_str(),
        action.spec.migration_name.as_str(),
    ) {
        ("", _) => String::new(),
        (database, "") => format!(" of {database}"),
        (database, migration) => format!(" of {database}: {migration}"),
    };
    let text = format!(
        "{} {}{subject}, asked for by {}: {}",
        action.spec.action.as_str(),
        action.name,
        action.spec.requested_by,
        action.spec.reason
    );
    pass.event(false, reasons::events::ACTION_TAKEN, text);
    match action.spec.action {
        ActionKind::Retry => {
            let shown: Vec<(String, String)> = pass
                .status
                .databases
                .iter()
                .map(|entry| (entry.name.clone(), entry.inventory_hash.clone()))
                .collect();
            run::start(pass, Cause::Retry);
            if action.spec.force {
                // What was forced is what was looked at: of another image it says nothing.
                for (name, hash) in shown {
                    if let Some(entry) = pass.database_mut(&name) {
                        entry.shown_inventory_hash = hash;
                    }
                }
                // What a baseline said and did not come to is taken back, or what was applied without a plan is accepted. That is
                // all then: anything else is asked anew.
                let about =
                    |entry: &DatabaseStatus| !entry.marks.is_empty() || !entry.unplanned.is_empty();
                let is_about = pass.status.databases.iter().any(about);
                if let Some(run) = &mut pass.status.run {
                    run.forced = !is_about;
                }
                for entry in &mut pass.status.databases {
                    entry.marks.clear();
                    unplanned::accept(entry);
                }
            }
            let run = pass.run().id;
            done(pass, ActionOutcome::Succeeded, format!("run {run} began"));
            // What the old run held is let go first; the new one is decided on what is then seen.
            pass.again = true;
            true
        }
        ActionKind::AcceptValidation => {
            after::accepted(pass, &action.spec);
            true
        }
        ActionKind::Abort => {
            if let Some(run) = &mut pass.status.run {
                run.aborting = true;
            }
            // The effect that says "Running" is superseded if it ends in this very pass.
            if let Some(taken) = pass.status.action.clone() {
                tell_object(pass, &taken);
            }
            false
        }
        ActionKind::MarkApplied
        | ActionKind::MarkRolledBack
        | ActionKind::DownMigration
        | ActionKind::Baseline
        | ActionKind::Restore => {
            work::begin(pass, action);
            true
        }
    }
}

/// Ends the run that a human asked to end, if nothing of it is at work any more. `true`: it has ended.
pub(super) fn abort(pass: &mut Pass<'_>) -> bool {
    let at_work = |step: &crate::api::StepStatus| step.name != StepKind::Inventory;
    if !pass.run().aborting || pass.active().iter().any(at_work) {
        return false;
    }
    ending::finish_aborted(pass);
    true
}
