//! Restore points: one name on every database before the first statement of a run, always with LSN and time.

use std::collections::BTreeMap;

use super::database_plan::DatabasePlan;
use super::pass::Pass;
use super::planning;
use super::snapshot::{Effect, Event};
use super::status;
use super::waiting;
use crate::api::{DatabaseStatus, Phase, RestorePointPolicy, RestorePointStatus, Time, reasons};
use crate::facts::Reading;

/// Sees to it that there is one on every database, where something is to be run. `false`: not yet, or never.
pub(super) fn made(pass: &mut Pass<'_>, plans: Option<&BTreeMap<String, DatabasePlan>>) -> bool {
    let pending = plans.is_some_and(|plans| plans.values().any(|plan| !plan.pending.is_empty()));
    let databases: Vec<&String> = pass.spec.databases.iter().map(|d| &d.name).collect();
    !pending || made_on(pass, &databases)
}

/// The same for these databases. What a run began with may be another database by now, or nothing was pending then.
pub(super) fn made_on(pass: &mut Pass<'_>, databases: &[&String]) -> bool {
    let policy = pass.spec.preflight.backup.restore_point;
    if policy == RestorePointPolicy::None {
        return true;
    }
    let run = pass.run().id;
    let mut told = Vec::new();
    let mut lacking = Vec::new();
    for name in databases.iter().copied() {
        let known = pass
            .database(name)
            .and_then(DatabaseStatus::own_restore_point);
        if known.is_some_and(|point| point.run == run) {
            continue;
        }
        match pass.snapshot.restore_points.get(name) {
            None => lacking.push(name.clone()),
            Some(Reading::Unknown(why)) => {
                waiting::unreadable(pass, name, why);
                return false;
            }
            Some(Reading::Known(point)) => {
                if let (RestorePointPolicy::Required, Some(why)) = (policy, &point.refused) {
                    let text = format!(
                        "{name}: preflight.backup.restorePoint is Required, and {why} It goes on by itself."
                    );
                    blocked(pass, text);
                    return false;
                }
                // One without a name is what a role gets by default: it stands in the status, and is no news.
                if let Some(point_name) = &point.name {
                    told.push(format!("{name}: {point_name} at {}", point.lsn));
                }
                let mut made = RestorePointStatus {
                    run: run.clone(),
                    turn: String::new(),
                    name: point.name.clone().unwrap_or_default(),
                    lsn: point.lsn.clone(),
                    at: Some(Time(status::seconds(point.at))),
                    commits: point.commits,
                    commits_since: None,
                };
                if let Some(database) = pass.database_mut(name) {
                    made.turn.clone_from(&database.turn);
                    database.restore_point = Some(made);
                }
            }
        }
    }
    if !lacking.is_empty() {
        again(pass);
        for database in lacking {
            pass.effects.push(Effect::MakeRestorePoint {
                database,
                name: format!("dbm-{run}"),
            });
        }
        pass.again = true;
        pass.before_journal = true;
        return false;
    }
    if !told.is_empty() {
        tell(pass, &told.join("; "));
    }
    let preflight = status::get(&pass.status, reasons::PREFLIGHT_PASSED);
    if preflight.is_some_and(|passed| passed.reason == reasons::RESTORE_POINT_FORBIDDEN) {
        // Of a run that has begun, which is not planned again.
        planning::accepted(pass);
    }
    true
}

/// In the words with which the run starts, where that is told in this very pass: one Event is one request.
fn tell(pass: &mut Pass<'_>, points: &str) {
    let starts = |event: &&mut Event| event.reason == reasons::events::RUN_STARTED;
    match pass.events.iter_mut().find(starts) {
        Some(event) => {
            let text = format!("{}; restore points {points}", event.message);
            event.message = status::cut(&text, status::MESSAGE_LIMIT);
        }
        None => pass.event(false, reasons::events::RESTORE_POINT, points),
    }
}

fn blocked(pass: &mut Pass<'_>, text: String) {
    pass.condition(
        reasons::PREFLIGHT_PASSED,
        false,
        reasons::RESTORE_POINT_FORBIDDEN,
        &text,
    );
    pass.stalled(Phase::Blocked, reasons::RESTORE_POINT_FORBIDDEN, text, "");
    waiting::poll(pass, reasons::STALLED);
}

/// It was refused a moment ago and is tried again: until that is known, what was said stands.
fn again(pass: &mut Pass<'_>) {
    let before = &pass.snapshot.resource.status;
    let said = status::get(before, reasons::STALLED)
        .filter(|condition| condition.reason == reasons::RESTORE_POINT_FORBIDDEN)
        .map(|condition| condition.message.clone());
    if let Some(text) = said {
        pass.condition(
            reasons::PREFLIGHT_PASSED,
            false,
            reasons::RESTORE_POINT_FORBIDDEN,
            &text,
        );
        pass.halted(Phase::Blocked, reasons::RESTORE_POINT_FORBIDDEN, text, "");
    }
}
