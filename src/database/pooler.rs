//! What is said of a connection pooler that stands between a URL and its database.

use crate::facts::{Unreadable, UnreadableReason};

/// What follows from it, whatever showed it.
const WHY_NOT: &str = "A migration's time-outs would be lost there, and Prisma's migration lock broken or left behind: use the \
    direct URL of the database";

fn pooled(what: &str) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::UrlPooled,
        message: format!("{what}. {WHY_NOT}"),
    }
}

/// The URL itself says so (`pgbouncer=true`).
pub(super) fn by_url() -> Unreadable {
    pooled("the URL goes through a transaction pooler (pgbouncer=true)")
}

/// It takes no settings of the session's own.
pub(super) fn settings_refused(place: &str) -> Unreadable {
    pooled(&format!(
        "{place} is a connection pooler, which refuses the settings that a session sends with its log-in"
    ))
}

/// It took the settings of the log-in, and the session has not got them.
pub(super) fn settings_lost(place: &str, lost: &[&str]) -> Unreadable {
    pooled(&format!(
        "the settings that were sent to {place} with the log-in did not reach the server's session ({}), as behind a connection pooler such as PgBouncer",
        lost.join(", ")
    ))
}

/// One session, and several processes of the server that answered it.
pub(super) fn several_processes(place: &str) -> Unreadable {
    pooled(&format!(
        "{place} answers one session by several processes of the server, as a transaction pooler such as PgBouncer does"
    ))
}
