//! A migration at work: its progress, whom it waits for, and what may not be touched meanwhile.

use dbm_protocol::{CONFIG_SECONDS, DatabaseInventory, QUESTION_SECONDS, REACH_SECONDS};
use jiff::Timestamp;

use super::activity;
use super::concurrently;
use super::deleting;
use super::evidence::missing;
use super::ledger_lost;
use super::pass::Pass;
use super::plan::ledger_digest;
use super::plan_status::count_applied;
use super::rhythm;
use super::session::{ends_it, first_step, holder, in_the_way, may_end, waits};
use super::snapshot::Effect;
use super::snapshot::Inventories;
use super::status;
use super::status::bounded;
use super::steps::is_confirmed;
use super::turn;
use super::waiting;
use crate::api::{CurrentStatus, Phase, StepKind, StepStatus, Time, reasons};
use crate::facts::{ContainerEnd, DatabaseFacts, JobFacts, Ledger};
use crate::tools::prisma::{self, RowState};

/// After how many seconds a command that migrates is expected to have opened its session, once the agent has started it.
const FIRST_SESSION: i64 = 10;
/// What is said of one that has not.
const ELSEWHERE: &str = "; no session of it is in the watched database, and its ledger is as it was: it has not begun to \
    migrate yet, or it migrates another database than connection.secretKeyRef names. Compare envVar, env, job.env and \
    prisma.migrate with the schema's datasource. Nothing is ended; at its end the ledger decides";
/// What is kept of what a server says that a session does, characters.
const ACTIVITY_LIMIT: usize = 200;
/// What is said of one that is at work while the run was asked to end.
const ABORTING: &str =
    ". An abort was asked for: the run ends when this migration has ended, which is not cut off";
/// How long a session may outlive its process before that is said, seconds.
const BACKEND_GRACE: i64 = 3;
/// The pod's own agent ends a migration after `timeouts.kill`; so much later the operator takes its Job away, seconds: that counts from
/// its command, before which it may ask a configuration, wait for the network and ask Prisma.
const KILL_GRACE: i64 = (CONFIG_SECONDS + REACH_SECONDS + QUESTION_SECONDS) as i64 + 60;

/// It runs: what it has done, what it does, whom it waits for. Nothing is ended but by `timeouts.kill`.
pub(super) fn running(
    pass: &mut Pass<'_>,
    inventories: &Inventories,
    step: &StepStatus,
    job: &JobFacts,
    since: Timestamp,
) {
    let observe = pass.spec.timeouts.observe.seconds().unwrap_or(10).max(1);
    let age = pass.age(since);
    let concurrent = pass
        .database(&step.database)
        .is_some_and(|entry| concurrently::is_planned(&entry.findings));
    let mut next = String::new();
    let mut reason = reasons::MIGRATING;
    let name = step.database.clone();
    let mut message = format!("{name}: migrating");
    let application = prisma::application_name(&pass.run().id, &name);
    let facts = pass.facts(&name);
    let waiting = facts.is_some_and(|facts| waits(facts, &application).is_some());
    look_again(pass, step, since, waiting);
    if let (Some(facts), Some(inventory)) = (facts, inventories.get(&name)) {
        let lost = ledger_lost::seen(pass, step, inventory, facts);
        progress(pass, &name, inventory, facts);
        if let Some(entry) = pass.database(&name) {
            // As the screen counts: of what this run set out to apply.
            let all = entry.applied_by_run + entry.pending_count;
            message = format!("{name}: {} of {all} applied", entry.applied_by_run);
            if let Some(current) = &entry.current {
                message.push_str(&format!("; {}", current.name));
            }
        }
        if let Some(lost) = lost {
            reason = reasons::LEDGER_LOST;
            message = format!(
                "{lost}. Nothing is ended; at its end nothing that the ledger says is believed"
            );
        } else if let Some(wait) = waits(facts, &application) {
            let it = in_the_way(&name, wait);
            let (judged, mut held) = turn::held(pass, &it);
            reason = judged;
            let holder = holder(wait);
            let psql = pass.psql(&name);
            next = first_step(&psql, &wait.blocker);
            if reason == reasons::LOCK_HELD {
                let (how, command) = ends_it(&psql, &wait.blocker);
                held.push_str(&how);
                next = command;
            }
            if let Some(entry) = pass.step_mut(&step.job) {
                entry.message.clone_from(&holder);
            }
            let seconds = wait.seconds.map(|s| format!("{s}s ")).unwrap_or_default();
            let then = if concurrent {
                let others = concurrently::other_snapshots(facts, Some(wait.blocker.pid));
                let best = concurrently::let_it_end(wait);
                if !best.is_empty() {
                    next = match may_end(&wait.blocker) {
                        true => psql.at_work(wait.blocker.pid),
                        // What it does is hidden from the migration's role, too.
                        false => psql.at_work_as_admin(wait.blocker.pid),
                    };
                }
                format!("{others}; it waits for as long as that takes{best}")
            } else {
                format!(
                    "; attempt {} of {}",
                    step.attempt, pass.spec.timeouts.lock_attempts
                )
            };
            message.push_str(&format!(" waits {seconds}for {holder}{then}"));
            if reason == reasons::LOCK_HELD {
                message.push_str(&format!(".{held}"));
                turn::tell_held(pass, &it, &message);
            }
        } else {
            // Every second of it would be a write.
            let shown = age - age % observe;
            if shown > 0 {
                message.push_str(&format!(", running for {shown}s"));
                let activity = activity::words(facts, &application);
                let activity = status::cut(&activity, ACTIVITY_LIMIT);
                let current = pass.database_mut(&name).and_then(|it| it.current.as_mut());
                if let Some(current) = current.filter(|_| !activity.is_empty()) {
                    message.push_str(&format!(": {activity}"));
                    current.activity = activity;
                }
            }
            if concurrent {
                message.push_str(&concurrently::other_snapshots(facts, None));
            }
            let expected = first_session(pass, step, inventory);
            if age >= expected && is_elsewhere(step, facts, &application) {
                reason = reasons::SESSION_MISSING;
                message.push_str(ELSEWHERE);
                waiting::tell_once(pass, step, reason, &message);
            }
        }
    }
    let ends_it = pass.spec.timeouts.kill.seconds().unwrap_or(0);
    let mut deleted = String::new();
    if ends_it == 0 || age <= ends_it {
        if let Some(entry) = pass.step_mut(&step.job) {
            // It stays in the cause of a failure.
            entry.pod_deleted |= job.pod_going;
        }
        deleted = deleting::pod(Some(job));
    }
    if pass.snapshot.resource.namespace_deleting && reason == reasons::MIGRATING {
        message = deleting::with(step);
    } else if !deleted.is_empty() {
        message.truncate(message.trim_end_matches('.').len());
        message.push_str(&deleted);
    }
    if pass.run().aborting {
        message.truncate(message.trim_end_matches('.').len());
        message.push_str(ABORTING);
    }
    let overdue = pass.spec.timeouts.overdue.seconds().unwrap_or(0);
    if overdue > 0 && age > overdue {
        message.push_str(&format!(
            "; overdue: longer than {}",
            pass.spec.timeouts.overdue.0
        ));
        if reason == reasons::MIGRATING {
            reason = reasons::OVERDUE;
            waiting::tell_once(pass, step, reason, &message);
        }
    }
    let kill = pass.spec.timeouts.kill.seconds().unwrap_or(0);
    if kill > 0 && age > kill {
        reason = reasons::KILLED;
        message = format!(
            "{name}: longer than timeouts.kill ({}); its process is ended, then the database decides",
            pass.spec.timeouts.kill.0
        );
        waiting::tell_once(pass, step, reason, &message);
        if age > kill + KILL_GRACE {
            pass.effects.push(Effect::DeleteJob {
                name: job.name.clone(),
                uid: job.uid.clone(),
            });
        }
    }
    pass.working(Phase::Migrating, reason, message);
    pass.status.next_command = next;
}

/// Comes back when the database of a running step is to be looked at again.
pub(super) fn look_again(pass: &mut Pass<'_>, step: &StepStatus, since: Timestamp, waits: bool) {
    let seconds = rhythm::seconds(
        &pass.spec.timeouts,
        &pass.status,
        step,
        pass.age(since),
        waits,
    );
    pass.requeue(u64::try_from(seconds).unwrap_or(10) * 1000);
}

/// After how many seconds in its container a migration is to be seen in its database: the agent may wait that long before it starts
/// the command, for a proxy of the pod, and where there is doubt for a configuration and for Prisma's answer.
fn first_session(pass: &Pass<'_>, step: &StepStatus, inventory: &DatabaseInventory) -> i64 {
    let mut before = REACH_SECONDS;
    if inventory.external_unknown {
        before += CONFIG_SECONDS;
    }
    if is_confirmed(pass.spec, step, inventory) {
        before += QUESTION_SECONDS;
    }
    FIRST_SESSION + before as i64
}

/// Whether nothing shows that a command works on the watched database: no session of it, and a ledger as it was. A migration under
/// way holds its session to its end, whatever it waits for.
fn is_elsewhere(step: &StepStatus, facts: &DatabaseFacts, application: &str) -> bool {
    step.name == StepKind::Migrate
        && facts.lock_holder.is_none()
        && !facts
            .our_sessions
            .iter()
            .any(|session| session.application_name == application)
        && ledger_digest(&facts.ledger) == step.ledger
}

/// Puts the ledger's progress where people see it.
pub(super) fn progress(
    pass: &mut Pass<'_>,
    name: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) {
    let Ledger::Rows(rows) = &facts.ledger else {
        return;
    };
    let pending: Vec<String> = missing(inventory, rows)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let current = rows.iter().find(|row| {
        matches!(
            prisma::row_state(row),
            RowState::Unfinished | RowState::ScriptDone
        )
    });
    let now = pass.now();
    let Some(entry) = pass.database_mut(name) else {
        return;
    };
    entry.applied = bounded(inventory.migrations.len() - pending.len());
    entry.total = bounded(inventory.migrations.len());
    entry.pending_count = bounded(pending.len());
    entry.pending = pending;
    entry.last_observed_at = status::time(now);
    entry.current = current.map(|row| CurrentStatus {
        name: status::cut(&row.migration_name, status::NAME_LIMIT),
        started_at: Some(Time(status::seconds(row.started_at))),
        activity: String::new(),
    });
    count_applied(pass, name);
}

/// A session outlives its process: wait, then say Stalled, and keep looking.
pub(super) fn wait_for_backend(
    pass: &mut Pass<'_>,
    job: &str,
    end: Option<&ContainerEnd>,
    message: String,
    next: String,
) {
    let now = pass.now();
    // A pod that was lost leaves no time: the first sight of that is journaled.
    let since = end.map_or_else(
        || {
            let seen = pass
                .step_mut(job)
                .map(|step| step.ended_at.get_or_insert(Time(status::seconds(now))).0);
            seen.unwrap_or(now)
        },
        |end| end.finished_at,
    );
    let age = pass.age(since);
    if end.is_some() && age < BACKEND_GRACE {
        pass.requeue(200);
        return;
    }
    pass.requeue(2_000);
    let limit = pass.spec.timeouts.unknown.seconds().unwrap_or(900);
    if age > limit {
        pass.stalled(
            Phase::Migrating,
            reasons::WAITING_FOR_BACKEND,
            message,
            next,
        );
        // Another run's start waits for the session just the same.
        if let Some(database) = pass.step_mut(job).map(|step| step.database.clone()) {
            turn::release(pass, &database);
        }
    } else {
        pass.working(Phase::Migrating, reasons::WAITING_FOR_BACKEND, message);
        pass.status.next_command = next;
    }
}
