//! PURE. From what was observed to what is to be done. No I/O, no clock: time is a value of the snapshot.
//!
//! ```text
//!            first sight, changed spec, retry
//!                          │
//!                          ▼
//!   ┌──────────────── run::start ◀───────────────────────────────┐
//!   │                      │                                     │
//!   │      inventory::inventories ── inventory step              │ a new cause, once
//!   │                      │                                     │ nothing runs
//!   │      planning::plan ── Blocked, Pending, Suspended (waits) │
//!   │                      │                                     │
//!   │      migrate::advance ── migrate step per database ────────┤
//!   │            │                    │                          │
//!   │        all verified       one failed                       │
//!   │            ▼                    ▼                          │
//!   │        Succeeded             Failed ───────────────────────┤
//!   │            │                                               │
//!   └────── finished::look, every interval ──────────────────────┘
//! ```

mod actions;
mod activity;
mod backoff;
mod choices;
mod concurrently;
mod container;
mod database_plan;
mod datasource;
mod deleting;
mod deletion;
mod doubts;
mod earlier_failure;
mod ending;
mod evidence;
mod failure_report;
mod finished;
mod forced;
mod former;
mod helper_containers;
mod history;
mod instance;
mod invalid;
mod inventory;
mod judge;
mod ledger_lost;
mod lock_held;
mod migrate;
mod names;
mod next_look;
mod outcome;
mod pass;
mod patience;
mod pending;
mod plan;
mod plan_status;
mod planning;
mod progress;
mod read_only;
mod remembered;
mod restore_points;
mod rhythm;
mod rollback;
mod run;
mod running;
mod servers;
mod session;
mod smoke_tests;
mod snapshot;
mod starting;
pub mod status;
mod steps;
mod time_limits;
mod turn;
mod unanswered;
mod unplanned;
mod validate;
mod waiting;
mod wants;
mod watch;

pub use crate::facts::ServerFacts;
pub use actions::orphaned;
pub use database_plan::{Blocker, DatabasePlan};
pub use failure_report::{compared, was_there};
pub use instance::other as other_database;
pub use judge::{Verdict, judge};
pub use names::{inventory_key, is_pinned, job_name, lease_name, run_id};
pub use plan::{ledger_digest, plan};
pub use run::{Cause, cause};
pub use servers::{server_name, turns};
pub use snapshot::{
    Decision, DownPlan, Effect, Event, JobPlan, LeaseFacts, Refusal, Refused, Resource,
    RestorePlan, Snapshot,
};
pub use wants::{LookWant, Wants, wants};

use crate::api::{Phase, StepKind, reasons};
use pass::Pass;

/// The whole decision.
pub fn decide(snapshot: &Snapshot) -> Decision {
    if snapshot.resource.frozen {
        return Decision::default();
    }
    let mut pass = Pass::new(snapshot);
    run::give_back_left(&mut pass);
    decided(&mut pass);
    helper_containers::tidy(&mut pass);
    pass.finish()
}

fn decided(pass: &mut Pass<'_>) {
    let snapshot = pass.snapshot;
    if snapshot.resource.deleting {
        actions::refuse_all(pass);
        deletion::decide(pass);
        return;
    }
    if actions::advance(pass) {
        return;
    }
    let cause = run::cause(&snapshot.resource);
    let unfinished = pass
        .status
        .run
        .as_ref()
        .is_some_and(|run| run.finished_at.is_none());
    let at_work = pass
        .active()
        .iter()
        .any(|step| step.name != StepKind::Inventory);
    if let Some(cause) = cause
        && !(unfinished && at_work)
    {
        run::start(pass, cause);
        if unfinished {
            // What the old run held is let go first; the new one is decided on what is then seen.
            pass.again = true;
            return;
        }
    } else if !unfinished {
        finished::look(pass);
        return;
    }
    go_on(pass, cause.is_some() && at_work);
}

/// An unfinished run.
fn go_on(pass: &mut Pass<'_>, draining: bool) {
    if actions::abort(pass) {
        return;
    }
    let begun = pass
        .steps()
        .iter()
        .any(|step| matches!(step.name, StepKind::Migrate | StepKind::SmokeTest));
    let readable = planning::observed(pass, None);
    let shown = (!readable).then(|| pass.status.clone());
    let at_work = pass
        .active()
        .iter()
        .any(|step| step.name != StepKind::Inventory);
    // What the new spec's image holds does not concern a run that gives way.
    let inventories = (!draining).then(|| inventory::inventories(pass)).flatten();
    // A database that cannot be read is the better news than "reading what the image holds".
    if let Some(shown) = shown
        && pass.status.phase == Some(Phase::Planning)
    {
        keep_words(pass, &shown);
    }
    if !readable {
        if at_work {
            beside_unreadable(pass, inventories, draining);
        }
        return;
    }
    if at_work {
        // An image that is looked at again, or cannot be, holds back what comes next, not the look at what runs.
        let hold = draining || inventories.is_none();
        let known = inventories.unwrap_or_else(|| pass.snapshot.inventories.clone());
        migrate::advance(pass, &known, None, hold, draining);
        let left = |step: &crate::api::StepStatus| step.name != StepKind::Inventory;
        if draining && !pass.active().iter().any(left) {
            // The new run is due at once.
            pass.again = true;
        }
        return;
    }
    let Some(inventories) = inventories else {
        return;
    };
    if begun {
        migrate::advance(pass, &inventories, None, draining, draining);
        return;
    }
    let Some(plans) = planning::plan(pass, &inventories) else {
        return;
    };
    if inventory::needs_fresh_look(pass, &plans) {
        inventory::start_step(pass);
        return;
    }
    migrate::advance(pass, &inventories, Some(&plans), draining, draining);
}

/// One database cannot be read: nothing is started, and what runs on the others is looked after and judged all the same.
/// The database that cannot be read has the word, unless the run ended on what was found.
fn beside_unreadable(
    pass: &mut Pass<'_>,
    inventories: Option<snapshot::Inventories>,
    draining: bool,
) {
    let shown = pass.status.clone();
    let ended = |pass: &Pass<'_>| pass.steps().len() - pass.active().len();
    let (ended_before, told_before) = (ended(pass), pass.events.len());
    let known = inventories.unwrap_or_else(|| pass.snapshot.inventories.clone());
    migrate::advance(pass, &known, None, true, draining);
    let at_work = |step: &crate::api::StepStatus| step.name != StepKind::Inventory;
    // The new run is due at once.
    pass.again |= draining && !pass.active().iter().any(at_work);
    if ended(pass) == ended_before {
        // That something waits or is overdue is news once, and what was said of it last is not in the status now.
        pass.events.truncate(told_before);
    }
    let run = pass.status.run.as_ref();
    let over = run.is_some_and(|run| run.finished_at.is_some());
    if !over && pass.status.phase != Some(Phase::Failed) {
        keep_words(pass, &shown);
    }
}

/// Takes over what people read from another version of the status.
fn keep_words(pass: &mut Pass<'_>, shown: &crate::api::DatabaseMigrationStatus) {
    pass.status.phase = shown.phase;
    pass.status.message.clone_from(&shown.message);
    pass.status.next_command.clone_from(&shown.next_command);
    for kind in [reasons::READY, reasons::RECONCILING, reasons::STALLED] {
        status::drop_condition(&mut pass.status, kind);
        if let Some(condition) = status::get(shown, kind) {
            pass.status.conditions.push(condition.clone());
        }
    }
}
