//! An action's Job: journaled, made, followed, and judged by the database.

use super::super::concurrently;
use super::super::deleting;
use super::super::forced;
use super::super::names::lease_name;
use super::super::pass::{Pass, Seen};
use super::super::pending;
use super::super::plan::ledger_digest;
use super::super::run;
use super::super::running;
use super::super::session;
use super::super::steps;
use super::super::turn;
use super::super::waiting;
use super::after;
use super::baseline;
use super::fit::target_row;
use super::marks;
use super::start::{announce, start, words};
use super::step::said;
use super::target::restore_target;
use crate::api::{
    ActionKind, MigrationActionSpec, Phase, Resolution, StepKind, StepStatus, TakenAction, reasons,
};
use crate::facts::{ActionFacts, ContainerEnd, DatabaseFacts, JobProgress, Reading};
use crate::tools::prisma;

/// Journals the action's first step and makes its Job.
pub(super) fn begin(pass: &mut Pass<'_>, action: &ActionFacts) {
    let spec = &action.spec;
    let database = spec.database.clone();
    let facts = pass.facts(&database);
    let mut step = StepStatus {
        database: database.clone(),
        migration: spec.migration_name.clone(),
        ledger_row: spec.ledger_row.clone(),
        ..StepStatus::default()
    };
    match spec.action {
        ActionKind::MarkApplied | ActionKind::Baseline => {
            let against = facts
                .filter(|_| spec.force)
                .map_or_else(Vec::new, |facts| contradicted(pass, spec, facts));
            if let Some(entry) = pass.database_mut(&database) {
                forced::note(entry, against);
            }
            step.name = StepKind::Resolve;
            step.resolution = Some(Resolution::Applied);
            if spec.action == ActionKind::Baseline {
                let marks = baseline::names(pass, &database, &spec.migration_name);
                if let Some(entry) = pass.database_mut(&database) {
                    entry.marks = marks;
                }
            }
        }
        ActionKind::MarkRolledBack => {
            step.name = StepKind::Resolve;
            step.resolution = Some(Resolution::RolledBack);
        }
        ActionKind::DownMigration => {
            step.name = StepKind::Down;
            step.ledger_row = facts
                .and_then(|facts| target_row(facts, &spec.migration_name))
                .map(|row| row.id.clone())
                .unwrap_or_default();
        }
        ActionKind::Restore => {
            step.name = StepKind::Restore;
            step.commits = facts.map(|facts| facts.commits);
            step.other_ledgers = ledgers(pass, &database);
            step.message = restore_target(pass.snapshot, spec).unwrap_or_default();
        }
        ActionKind::Retry | ActionKind::AcceptValidation | ActionKind::Abort => {}
    }
    start(pass, step, facts);
}

/// What the catalog contradicts of what is marked applied: each migration with what does.
fn contradicted(
    pass: &Pass<'_>,
    spec: &MigrationActionSpec,
    facts: &DatabaseFacts,
) -> Vec<(String, String)> {
    let name = &spec.migration_name;
    match spec.action {
        ActionKind::Baseline => baseline::contradicted(pass, &spec.database, name, facts),
        _ => marks::contradicted(pass, spec, facts)
            .into_iter()
            .map(|what| (name.clone(), what))
            .collect(),
    }
}

/// The digests of the other databases' ledgers, as far as they can be read. What stands on the same server may go back
/// with it: a physical restore is of the whole server.
fn ledgers(pass: &Pass<'_>, but: &str) -> std::collections::BTreeMap<String, String> {
    let own = pass.facts(but).map(|facts| &facts.identity);
    let same_server = |facts: &DatabaseFacts| {
        own.is_some_and(|own| {
            lease_name(own) == lease_name(&facts.identity)
                || (!own.system_identifier.is_empty()
                    && own.system_identifier == facts.identity.system_identifier)
        })
    };
    let mut other = std::collections::BTreeMap::new();
    for (name, reading) in &pass.snapshot.databases {
        if let Reading::Known(facts) = reading
            && name != but
            && !same_server(facts)
        {
            other.insert(name.clone(), ledger_digest(&facts.ledger));
        }
    }
    other
}

/// Goes one step further with the action that is being carried out.
pub(super) fn go_on(pass: &mut Pass<'_>, taken: &TakenAction) {
    let step = pass.active().into_iter().find(|step| {
        matches!(
            step.name,
            StepKind::Resolve | StepKind::Down | StepKind::Restore
        ) && step.job == taken.job
    });
    let Some(step) = step else {
        // The journal says Running and holds no step: nothing of it is at work.
        after::failed(
            pass,
            None,
            "its step is not in the journal; nothing is at work",
        );
        return;
    };
    let restore = step.name == StepKind::Restore;
    let end = match pass.job(&step.job) {
        Seen::NotYet => return,
        Seen::Foreign => return pending::foreign(pass, &step),
        Seen::Gone if !pass.was_there(&step) => match make_again(pass, &step) {
            true => return,
            false => None,
        },
        Seen::Gone => None,
        Seen::Job(job) => {
            if step.job_uid.is_empty() {
                let uid = job.uid.clone();
                if let Some(entry) = pass.step_mut(&step.job) {
                    entry.job_uid = uid;
                }
            }
            match &job.progress {
                JobProgress::NotStarted(why) => {
                    // What keeps it from starting may be what the spec was corrected for; else the new run waits for it.
                    let gives_way = pending::is_stuck(pass, &step, why)
                        && run::cause(&pass.snapshot.resource).is_some();
                    pending::not_started(pass, &step, job, why, gives_way);
                    return;
                }
                JobProgress::Running { since } => {
                    if let Some(entry) = pass.step_mut(&step.job) {
                        entry.pod_deleted |= job.pod_going;
                    }
                    let waits = waits_for_lock(pass, &step);
                    if !waits {
                        announce(pass, &step);
                    }
                    if restore {
                        // Its database is down, and not looked at.
                        let observe = pass.spec.timeouts.observe.seconds().unwrap_or(10).max(1);
                        pass.requeue(u64::try_from(observe).unwrap_or(10) * 1000);
                    } else {
                        running::look_again(pass, &step, *since, waits);
                    }
                    return;
                }
                JobProgress::Ended(end) => Some(end),
                JobProgress::Lost { .. } => None,
            }
        }
    };
    judge(pass, &step, end, restore);
}

/// Who holds what the action waits for.
fn waits_for_lock(pass: &mut Pass<'_>, step: &StepStatus) -> bool {
    let application = prisma::application_name(&pass.run().id, &step.database);
    let Some(wait) = pass
        .facts(&step.database)
        .and_then(|facts| session::waits(facts, &application))
        .cloned()
    else {
        return false;
    };
    let holder = session::holder(&wait);
    if step.name == StepKind::Down
        && let Some(entry) = pass.step_mut(&step.job)
    {
        // Its failure names who that was.
        entry.message.clone_from(&holder);
    }
    let (phase, _, text) = words(pass, step);
    let psql = pass.psql(&step.database);
    let best = match step.name {
        StepKind::Down
            if concurrently::is_in_down(pass.snapshot.inventories.get(&step.database), step) =>
        {
            concurrently::let_it_end(&wait)
        }
        _ => "",
    };
    let (then, next) = if best.is_empty() {
        let then = match session::may_end(&wait.blocker) {
            true => format!(
                ". To end that session: SELECT pg_terminate_backend({});",
                wait.blocker.pid
            ),
            false => format!(".{}", session::ends_it(&psql, &wait.blocker).0),
        };
        (then, session::first_step(&psql, &wait.blocker))
    } else {
        (best.to_owned(), psql.at_work(wait.blocker.pid))
    };
    let it = session::in_the_way(&step.database, &wait);
    let (reason, held) = turn::held(pass, &it);
    let mut text = format!("{text}; it waits for {holder}{then}");
    let mut next = next;
    if reason == reasons::LOCK_HELD {
        let (how, command) = session::ends_it(&psql, &wait.blocker);
        text = format!("{}; it waits for {holder}.{held}{how}", words(pass, step).2);
        turn::tell_held(pass, &it, &text);
        next = command;
    }
    let going = deleting::pod(pass.snapshot.jobs.get(&step.job).and_then(Option::as_ref));
    if !going.is_empty() {
        text.truncate(text.trim_end_matches(['.', ';']).len());
        text.push_str(&going);
    }
    pass.working(phase, reason, text);
    pass.status.next_command = next;
    true
}

/// The intent stands in the journal and no Job was ever confirmed. It is made only where the ledger is as it was and
/// nothing is at work. `false`: the database decides what became of it.
fn make_again(pass: &mut Pass<'_>, step: &StepStatus) -> bool {
    if pass.is_other_database(step) {
        // Nothing is made for another database than was decided on, and one that the spec does not name is never looked at.
        return false;
    }
    if pending::refused(pass, step) {
        return true;
    }
    let facts = pass.facts(&step.database);
    match facts {
        Some(facts) => {
            if ledger_digest(&facts.ledger) != step.ledger {
                return false;
            }
            // A script that marks no row shows in the schema only.
            let undone = facts.catalog.as_ref() != Some(&step.catalog);
            if step.name == StepKind::Down && undone {
                return false;
            }
            // A database that came back counts its transactions from nothing: its Job was made, ran, and went unseen.
            let restored = step.commits.is_some_and(|before| facts.commits < before);
            if step.name == StepKind::Restore && restored {
                return false;
            }
            if turn::may_touch(pass, &step.database, facts) {
                steps::make_job(pass, step, Some(facts));
            }
            true
        }
        // A restore is for databases that cannot be read, too; where its ledger was never read, it was not.
        None if step.name == StepKind::Restore && step.ledger.is_empty() => {
            let held = steps::turn(pass, step, None)
                .and_then(|turn| pass.snapshot.leases.get(&turn))
                .is_some_and(|held| held.holder != pass.holder() && !held.holder_gone);
            if held {
                pass.requeue(5_000);
            } else {
                steps::make_job(pass, step, None);
            }
            true
        }
        None => {
            unreadable(pass, step);
            true
        }
    }
}

/// The database cannot be read: nothing is judged.
fn unreadable(pass: &mut Pass<'_>, step: &StepStatus) {
    match pass.snapshot.databases.get(&step.database) {
        Some(Reading::Unknown(why)) => {
            waiting::unreadable(pass, &step.database, why);
            pass.status.phase = Some(Phase::RollingBack);
        }
        _ => pass.requeue(1_000),
    }
}

fn judge(pass: &mut Pass<'_>, step: &StepStatus, end: Option<&ContainerEnd>, restore: bool) {
    if pass.is_other_database(step) {
        let other = "the spec or its Secret names another database by now";
        let text = if pass.was_there(step) {
            format!(
                "{}: {other}, so what Job {} did was not verified. Look at the database",
                step.database, step.job
            )
        } else {
            format!(
                "{}: {other}. Its Job was not seen, and nothing is known to have been executed",
                step.database
            )
        };
        return after::failed(pass, Some(step), &said(step, end, &text));
    }
    let exited_well = end.is_some_and(|end| end.exit_code == 0);
    let Some(facts) = pass.facts(&step.database) else {
        // A Job that is gone with its pod does nothing more either.
        let gone = matches!(pass.snapshot.jobs.get(&step.job), Some(None));
        if restore && (end.is_some() || gone) && !exited_well {
            // It failed and left the database down, or it was down before: said at once.
            let what = after::unwell(step, end);
            let database = &step.database;
            let text = said(
                step,
                end,
                &format!("{database}: {what}, and the database cannot be read"),
            );
            after::failed(pass, Some(step), &text);
            return;
        }
        return unreadable(pass, step);
    };
    // One that has left the spec meanwhile is looked at no more.
    let in_spec = |name: &String| pass.spec.databases.iter().any(|d| d.name == *name);
    let mut others = step.other_ledgers.keys().filter(|name| in_spec(name));
    let others_unread = others.any(|name| pass.facts(name).is_none());
    if restore && others_unread && exited_well {
        return unreadable_other(pass, step);
    }
    if let Some(session) = facts.lock_holder.as_ref().or(facts.our_sessions.first()) {
        let pid = session.pid;
        let text = format!(
            "{}: the Job has ended, and session {} is still at work in the database. Nothing is judged before it has ended; if it never does: SELECT pg_terminate_backend({pid});",
            step.database,
            session::who(session),
        );
        let next = session::end_it(&pass.psql(&step.database), session);
        running::wait_for_backend(pass, &step.job, end, text, next);
        return;
    }
    match step.name {
        StepKind::Restore => after::judge_restore(pass, step, end, facts),
        StepKind::Down => after::judge_down(pass, step, end, facts),
        _ => after::judge_resolve(pass, step, end, facts),
    }
}

fn unreadable_other(pass: &mut Pass<'_>, step: &StepStatus) {
    let unread =
        step.other_ledgers
            .keys()
            .find_map(|name| match pass.snapshot.databases.get(name) {
                Some(Reading::Unknown(why)) => Some((name.clone(), why.clone())),
                _ => None,
            });
    match unread {
        Some((name, why)) => waiting::unreadable(pass, &name, &why),
        None => pass.requeue(1_000),
    }
}
