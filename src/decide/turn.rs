//! Whether a database may be touched now: who has its turn, and who is in the way, for how long.

use super::lock_held::{self, InTheWay};
use super::names::lease_name;
use super::pass::Pass;
use super::session::{OURS, ends_it, first_step, left_behind, who, who_may_end};
use super::snapshot::{Effect, Event};
use super::status;
use crate::api::{DatabasePhase, Phase, reasons};
use crate::facts::DatabaseFacts;

/// The reason with which a session in the way is waited for, and what is said of it then, or nothing while it is too early.
pub(super) fn held(pass: &mut Pass<'_>, it: &InTheWay<'_>) -> (&'static str, String) {
    let before = (reasons::WAITING_LOCK, String::new());
    let unknown = pass.spec.timeouts.unknown.seconds().unwrap_or(900);
    let now = status::seconds(pass.now());
    let Some(run) = &mut pass.status.run else {
        return before;
    };
    let judged = lock_held::judged(run, now, unknown, it);
    pass.waiting.insert(judged.subject);
    match judged.left {
        Some(left) => {
            pass.requeue(u64::try_from(left).unwrap_or(1) * 1000);
            before
        }
        None => (reasons::LOCK_HELD, judged.said),
    }
}

/// Tells of it, once in a run.
pub(super) fn tell_held(pass: &mut Pass<'_>, it: &InTheWay<'_>, message: &str) {
    let run = pass.status.run.as_mut();
    if run.is_some_and(|run| lock_held::is_news(run, it)) {
        pass.calls.push(Event {
            warning: true,
            reason: reasons::LOCK_HELD,
            message: status::cut(message, status::MESSAGE_LIMIT),
        });
    }
}

/// Another run, which is not over, has the turn on a database.
pub(super) fn is_busy(pass: &Pass<'_>, facts: &DatabaseFacts) -> bool {
    let held = pass.snapshot.leases.get(&lease_name(&facts.identity));
    held.is_some_and(|held| held.holder != pass.holder() && !held.holder_gone)
}

/// Whether a database may be touched now: nobody holds Prisma's lock, no session of a migration is left, no other run
/// has the turn. Where not, says who.
pub(super) fn may_touch(pass: &mut Pass<'_>, name: &str, facts: &DatabaseFacts) -> bool {
    if let Some(session) = facts
        .lock_holder
        .as_ref()
        .or_else(|| facts.our_sessions.first())
    {
        let session = session.clone();
        let it = InTheWay {
            database: name,
            session: &session,
            of_transaction: false,
        };
        let (reason, said) = held(pass, &it);
        let (then, mut next) = match left_behind(&session) {
            Some(left) => (format!(". {left}"), ends_it(&pass.psql(name), &session).1),
            None => {
                let then = match who_may_end(&who(&session)) {
                    Some(may) => format!(
                        ". It goes on by itself when that session has ended; if it does not end, have it ended by SELECT pg_terminate_backend({}), which the role of the migration may not run: {may}",
                        session.pid
                    ),
                    None => "; it goes on by itself".to_owned(),
                };
                // A migration has an end.
                let next = match session.application_name.starts_with(OURS) {
                    true => String::new(),
                    false => first_step(&pass.psql(name), &session),
                };
                (then, next)
            }
        };
        let text = format!(
            "{name}: waits for {}, which holds Prisma's lock or is a migration's session",
            who(&session)
        );
        let text = if reason == reasons::LOCK_HELD {
            let (how, command) = ends_it(&pass.psql(name), &session);
            next = command;
            let how = match left_behind(&session) {
                Some(left) if session.may_end != Some(false) => format!(" {left}"),
                _ => how,
            };
            let text = format!("{text}.{said}{how} The run then goes on by itself.");
            tell_held(pass, &it, &text);
            text
        } else {
            format!("{text}{then}")
        };
        pass.working(Phase::Pending, reason, text);
        pass.status.next_command = next;
        pass.requeue(2_000);
        return false;
    }
    let lease = lease_name(&facts.identity);
    if let Some(held) = pass.snapshot.leases.get(&lease) {
        if held.holder == pass.holder() || held.holder_gone {
            return true;
        }
        let other = held
            .holder
            .splitn(3, '/')
            .take(2)
            .collect::<Vec<_>>()
            .join("/");
        let database = &facts.identity.database;
        let text = if held.holder_hidden {
            format!(
                "{name}: DatabaseMigration {other} has the turn on the same database ({database}), and the operator may not read it, so whether its run is over cannot be seen. Give the operator its namespace back (watchNamespaces), or, if nothing of it is at work any more, delete Lease {lease} in the operator's namespace; it goes on by itself"
            )
        } else {
            format!(
                "{name}: DatabaseMigration {other} is at work on the same database ({database}); it goes on by itself"
            )
        };
        pass.working(Phase::Pending, reasons::DATABASE_BUSY, text);
        pass.requeue(5_000);
        return false;
    }
    true
}

/// Gives the turn on a database to the next run.
pub(super) fn release(pass: &mut Pass<'_>, database: &str) {
    let holder = pass.holder();
    let Some(entry) = pass.database_mut(database) else {
        return;
    };
    if !entry.lease.is_empty() {
        let name = std::mem::take(&mut entry.lease);
        pass.effects.push(Effect::ReleaseLease { name, holder });
    }
}

/// It is as if it had not been started: another run may have its turn, and it is planned again.
pub(super) fn set_aside(pass: &mut Pass<'_>, database: &str) {
    release(pass, database);
    if let Some(entry) = pass.database_mut(database) {
        entry.phase = DatabasePhase::Planned;
        entry.current = None;
    }
}
