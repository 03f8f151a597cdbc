//! A migration at work: its progress, whom it waits for, and what may not be touched meanwhile.

use dbm_protocol::{CONFIG_SECONDS, DatabaseInventory, QUESTION_SECONDS, REACH_SECONDS};
use jiff::Timestamp;

use super::at_work;
use super::concurrently;
use super::evidence::missing;
use super::going;
use super::inventory::Inventories;
use super::ledger_lost;
use super::lock_held::{self, InTheWay};
use super::names::lease_name;
use super::outcome;
use super::pass::Pass;
use super::plan::ledger_digest;
use super::rhythm;
use super::run;
use super::shown::{bounded, count_applied};
use super::snapshot::{Effect, Event};
use super::status;
use super::steps::is_confirmed;
use super::waiting;
use crate::api::{CurrentStatus, Phase, StepKind, StepStatus, Time, reasons};
use crate::facts::{ContainerEnd, DatabaseFacts, JobFacts, Ledger, OBSERVER, Session, Wait};
use crate::tools::prisma::{self, RowState};
use crate::tools::psql::Psql;

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
/// For so long a session that is at work is given the benefit of the doubt, seconds.
const MOMENT: i64 = 60;
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
            let (judged, mut held) = self::held(pass, &it);
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
                tell_held(pass, &it, &message);
            }
        } else {
            // Every second of it would be a write.
            let shown = age - age % observe;
            if shown > 0 {
                message.push_str(&format!(", running for {shown}s"));
                let activity = at_work::words(facts, &application);
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
        deleted = going::pod(Some(job));
    }
    if pass.snapshot.resource.namespace_deleting && reason == reasons::MIGRATING {
        message = going::with(step);
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

/// How the name of a migration's session begins.
pub(super) const OURS: &str = "dbm/";

/// What is said of a session that has the name of a look and is none.
const POOLERS: &str = "a connection pooler's server connection";
/// What is said of a session that our role may not end, because it is a superuser's.
pub(super) const OF_SUPERUSER: &str = "of superuser ";
/// The same of another role's.
pub(super) const OF_ROLE: &str = "of role ";

/// Who may end a session that our role may not end, by what [`who`] says of it.
pub(super) fn who_may_end(who: &str) -> Option<&'static str> {
    let said = |of: &str| who.contains(&format!("({of}")) || who.contains(&format!(", {of}"));
    if said(OF_SUPERUSER) {
        Some("only a superuser may")
    } else if said(OF_ROLE) {
        Some("a member of that role or of pg_signal_backend may, or a superuser")
    } else {
        None
    }
}

/// Whether our role may end a session, as far as is known.
pub(super) fn may_end(session: &Session) -> bool {
    session.may_end != Some(false)
}

/// The command that ends a session; empty where our role may not.
pub(super) fn end_it(psql: &Psql, session: &Session) -> String {
    match may_end(session) {
        true => psql.terminate(session.pid),
        false => String::new(),
    }
}

/// Whether a session may well end by itself, by what [`who`] says of it: it is a dump, it has been at work for a moment only, or
/// what it does is hidden from our role. One that is idle in its transaction waits for its own client.
pub(super) fn may_pass(who: &str) -> bool {
    let (_, parts) = who.split_once('(').unwrap_or_default();
    let mut parts = parts.trim_end_matches(')').split(", ");
    match parts.next() {
        Some(name) if is_dump(name) => return true,
        Some(POOLERS) => return false,
        _ => {}
    }
    let state = |part: &&str| part.starts_with("active") || part.starts_with("idle");
    match parts.find(state).map(|part| part.strip_prefix("active")) {
        None => true,
        Some(None) => false,
        Some(Some("")) => true,
        Some(Some(since)) => since
            .trim()
            .strip_suffix('s')
            .and_then(|seconds| seconds.parse().ok())
            .is_some_and(|seconds: i64| seconds <= MOMENT),
    }
}

fn is_dump(name: &str) -> bool {
    let session = Session {
        application_name: name.to_owned(),
        ..Session::default()
    };
    session.is_dump()
}

/// What is done first about a session in the way: it is looked at where it may well end by itself, else it is ended.
pub(super) fn first_step(psql: &Psql, session: &Session) -> String {
    let who = who(session);
    match may_pass(&who) {
        true => look_at(psql, &who, session.pid),
        false => ends_it(psql, session).1,
    }
}

/// The command that shows what a session is at.
pub(super) fn look_at(psql: &Psql, who: &str, pid: i32) -> String {
    match who_may_end(who) {
        // What it does is hidden from the migration's role, too.
        Some(_) => psql.at_work_as_admin(pid),
        None => psql.at_work(pid),
    }
}

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

/// Who may end it, and how, as a sentence that begins with a blank, and the command.
pub(super) fn ends_it(psql: &Psql, session: &Session) -> (String, String) {
    match who_may_end(&who(session)) {
        Some(may) => (
            format!(
                " To end it: SELECT pg_terminate_backend({}), which the role of the migration may not run: {may}.",
                session.pid
            ),
            psql.terminate_as_admin(session.pid),
        ),
        None => (
            format!(" To end it: SELECT pg_terminate_backend({}).", session.pid),
            psql.terminate(session.pid),
        ),
    }
}

/// Whom a step waits for, as a session that is in the way.
pub(super) fn in_the_way<'a>(database: &'a str, wait: &'a Wait) -> InTheWay<'a> {
    InTheWay {
        database,
        session: &wait.blocker,
        of_transaction: wait.relation.is_some(),
    }
}

/// Whom the session of that name waits for.
pub(super) fn waits<'a>(facts: &'a DatabaseFacts, application: &str) -> Option<&'a Wait> {
    let ours: Vec<i32> = facts
        .our_sessions
        .iter()
        .filter(|s| s.application_name == application)
        .map(|s| s.pid)
        .collect();
    facts.waits.iter().find(|wait| ours.contains(&wait.waiting))
}

/// `pid 4242 (portal, idle in transaction 3m, role app, from 10.0.3.7, its transaction open since 2026-11-29 03:02:11 UTC)`, as far as
/// it can be seen.
pub(super) fn who(session: &Session) -> String {
    let mut parts = Vec::new();
    let of_look = session.application_name == OBSERVER;
    let user = session.user.as_deref().map(foreign);
    let named = of_look || !session.application_name.is_empty();
    if of_look {
        // Of the operator's own looks none is left when it is read who is at work.
        parts.push(POOLERS.to_owned());
    } else if named {
        parts.push(foreign(&session.application_name));
    } else if let Some(user) = &user {
        parts.push(user.clone());
    }
    if let Some(state) = &session.state {
        let since = session
            .state_seconds
            .or(session.transaction_seconds)
            .map(|s| format!(" {}", duration(s)))
            .unwrap_or_default();
        parts.push(format!("{state}{since}"));
    }
    if session.may_end == Some(false) {
        let of = if session.superuser {
            OF_SUPERUSER
        } else {
            OF_ROLE
        };
        parts.push(format!("{of}{}", user.as_deref().unwrap_or("?")));
    } else if let Some(user) = user.filter(|_| named) {
        parts.push(format!("role {user}"));
    }
    if let Some(client) = &session.client {
        parts.push(format!("from {}", foreign(client)));
    }
    if let Some(since) = session.transaction_since {
        let at = since.strftime("%Y-%m-%d %H:%M:%S UTC");
        parts.push(format!("its transaction open since {at}"));
    }
    if parts.is_empty() {
        format!("pid {}", session.pid)
    } else {
        format!("pid {} ({})", session.pid, parts.join(", "))
    }
}

/// What a client or a server calls something: one short line that ends no bracket and begins no other part.
fn foreign(text: &str) -> String {
    let harmless = |c: char| match c {
        '(' | ')' | ',' | ';' => '_',
        c => c,
    };
    status::cut(text, status::NAME_LIMIT)
        .chars()
        .map(harmless)
        .collect()
}

/// Who holds the lock that is waited for, and which, if it is a table's:
/// `pid 4242 (portal, idle in transaction 3m, holds a lock on "User")`.
pub(super) fn holder(wait: &Wait) -> String {
    let who = who(&wait.blocker);
    let Some(relation) = wait.relation.as_deref().filter(|name| !name.is_empty()) else {
        return who;
    };
    let relation = status::cut(relation, status::NAME_LIMIT);
    match who.strip_suffix(')') {
        Some(who) => format!("{who}, holds a lock on {relation})"),
        None => format!("{who} (holds a lock on {relation})"),
    }
}

/// What is said of a session that holds Prisma's lock, or has a migration's name, and does nothing: a pooler keeps its
/// connections to the server when its client is gone, with the locks that were taken on them.
pub(super) fn left_behind(session: &Session) -> Option<String> {
    let of_look = session.application_name == OBSERVER;
    let idle = session.state.as_deref() == Some("idle") && session.transaction_seconds.is_none();
    let whose = if of_look {
        "No migration is at work in it: a migration that went through a connection pooler left it behind. End it"
    } else if idle {
        "It is idle: if it stays so, a migration that went through a connection pooler left it behind, and it never ends by \
         itself. Then end it"
    } else {
        return None;
    };
    let pid = session.pid;
    let may = match (may_end(session), session.superuser) {
        (true, _) => "",
        (false, true) => ", which only a superuser may",
        (false, false) => {
            ", which its own role, a member of pg_signal_backend or a superuser may, and the migration's role may not"
        }
    };
    Some(format!(
        "{whose}: SELECT pg_terminate_backend({pid}){};",
        may
    ))
}

/// `38s`, `3m`, `2h`.
fn duration(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
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
            outcome::release(pass, &database);
        }
    } else {
        pass.working(Phase::Migrating, reasons::WAITING_FOR_BACKEND, message);
        pass.status.next_command = next;
    }
}

/// Another run, which is not over, has the turn on a database.
pub(super) fn is_busy(pass: &Pass<'_>, facts: &DatabaseFacts) -> bool {
    let held = pass.snapshot.leases.get(&lease_name(&facts.identity));
    held.is_some_and(|held| held.holder != run::holder(pass) && !held.holder_gone)
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
        let (reason, held) = self::held(pass, &it);
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
            let text = format!("{text}.{held}{how} The run then goes on by itself.");
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
        if held.holder == run::holder(pass) || held.holder_gone {
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
