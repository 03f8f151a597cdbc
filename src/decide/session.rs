//! A session that is in the way, in words: who it is, who may end it, and how.

use super::lock_held::InTheWay;
use super::status;
use crate::facts::{DatabaseFacts, OBSERVER, Session, Wait};
use crate::tools::psql::Psql;

/// For so long a session that is at work is given the benefit of the doubt, seconds.
const MOMENT: i64 = 60;
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
