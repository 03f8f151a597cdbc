//! What is said of an action, in the journal and on its own object, and its end.

use super::super::pass::Pass;
use super::super::remembered;
use super::super::snapshot::Effect;
use super::super::status;
use crate::api::{
    ActionKind, ActionOutcome, ActionState, DatabaseMigrationStatus, MigrationActionStatus,
    RunOutcome, TakenAction, reasons,
};
use crate::facts::ActionFacts;

/// The action that is being carried out, if there is one.
pub(in super::super) fn running(status: &DatabaseMigrationStatus) -> Option<&TakenAction> {
    status
        .action
        .as_ref()
        .filter(|taken| taken.state == ActionState::Running)
}

/// Actions that nothing was said about yet, oldest first.
pub(super) fn waiting(pass: &Pass<'_>) -> Vec<ActionFacts> {
    let known = |action: &&ActionFacts| {
        let taken = pass.status.action.as_ref();
        let refused =
            |effect: &Effect| matches!(effect, Effect::SetAction { uid, .. } if *uid == action.uid);
        taken.is_none_or(|taken| taken.uid != action.uid) && !pass.effects.iter().any(refused)
    };
    pass.snapshot
        .actions
        .iter()
        .filter(known)
        .cloned()
        .collect()
}

pub(super) fn tell_object(pass: &mut Pass<'_>, taken: &TakenAction) {
    pass.effects
        .retain(|effect| !matches!(effect, Effect::SetAction { uid, .. } if *uid == taken.uid));
    pass.effects.push(Effect::SetAction {
        name: taken.name.clone(),
        uid: taken.uid.clone(),
        status: Box::new(MigrationActionStatus {
            state: taken.state,
            outcome: taken.outcome,
            message: taken.message.clone(),
            job: taken.job.clone(),
            started_at: taken.started_at.clone(),
            finished_at: taken.finished_at.clone(),
        }),
    });
}

/// It does not fit: nothing is done, and it says why.
pub(super) fn refuse(pass: &mut Pass<'_>, action: &ActionFacts, why: &str) {
    let message = status::cut(why, status::MESSAGE_LIMIT);
    let text = format!(
        "{} {}: refused: {message}",
        action.spec.action.as_str(),
        action.name
    );
    pass.event(true, reasons::events::ACTION_REFUSED, text);
    let now = pass.now();
    pass.effects.push(Effect::SetAction {
        name: action.name.clone(),
        uid: action.uid.clone(),
        status: Box::new(MigrationActionStatus {
            state: ActionState::Refused,
            message,
            finished_at: status::time(now),
            ..MigrationActionStatus::default()
        }),
    });
}

/// It waits for something that passes by itself.
pub(super) fn said(pass: &mut Pass<'_>, action: &ActionFacts, why: &str) {
    pass.effects.push(Effect::SetAction {
        name: action.name.clone(),
        uid: action.uid.clone(),
        status: Box::new(MigrationActionStatus {
            message: status::cut(why, status::MESSAGE_LIMIT),
            ..MigrationActionStatus::default()
        }),
    });
}

/// Journals the end of the action that is being carried out, and says so on its object.
pub(super) fn done(pass: &mut Pass<'_>, outcome: ActionOutcome, message: impl Into<String>) {
    let now = pass.now();
    let Some(taken) = &mut pass.status.action else {
        return;
    };
    taken.state = ActionState::Done;
    taken.outcome = Some(outcome);
    taken.message = status::cut(&message.into(), status::MESSAGE_LIMIT);
    taken.finished_at = status::time(now);
    let taken = taken.clone();
    remembered::forget(pass, &taken);
    let failed = outcome == ActionOutcome::Failed;
    let reason = if failed {
        reasons::events::ACTION_FAILED
    } else {
        reasons::events::ACTION_DONE
    };
    let text = format!(
        "{} {}: {}",
        taken.action.as_str(),
        taken.name,
        taken.message
    );
    pass.event(failed, reason, text);
    tell_object(pass, &taken);
    // What waits behind it is judged at once. Its own object need not be there any more, whose change would wake the resource.
    pass.again |= !waiting(pass).is_empty();
}

/// The run has ended, for whatever reason: so an Abort of it is over.
pub(in super::super) fn run_ended(pass: &mut Pass<'_>, outcome: RunOutcome) {
    if running(&pass.status).is_none_or(|taken| taken.action != ActionKind::Abort) {
        return;
    }
    let run = pass.run().id;
    let text = match outcome {
        RunOutcome::Aborted => format!("run {run} ended before its next step"),
        RunOutcome::Superseded => format!("run {run} gave way to a new one"),
        RunOutcome::Failed => format!("run {run} failed before its next step"),
        RunOutcome::RolledBack => format!("run {run} was rolled back before its next step"),
        RunOutcome::Succeeded => format!("run {run} had no next step"),
    };
    done(pass, ActionOutcome::Succeeded, text);
}
