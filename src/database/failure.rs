//! Why a database could not be read, in words that say what to do and hold no credential.

use std::io::ErrorKind;
use std::time::Duration;

use dbm_protocol::redact::secrets::{REDACTED, Secrets};

use super::pooler;
use super::url::{SslMode, Target};
use crate::facts::{Unreadable, UnreadableReason};

/// A message of the server is cut after this many characters.
const MAX_SERVER_MESSAGE: usize = 300;

/// The driver's error in whose form an answer over the limit is handed on.
pub(super) const TOO_BIG: &str = "the answer is too big";

/// What an error of the driver means.
pub(super) fn explain(error: &sqlx::Error, target: &Target) -> Unreadable {
    let (reason, message) = match error {
        sqlx::Error::Database(error) => return refused_by_server(error.as_ref(), target),
        sqlx::Error::Io(error) => io(error, target),
        sqlx::Error::Tls(error) => tls(&error.to_string(), target),
        sqlx::Error::Protocol(text) if text == TOO_BIG => (
            UnreadableReason::QueryFailed,
            format!(
                "{} answers with more than a ledger and a catalog can hold: look whether _prisma_migrations is the table that Prisma made",
                place(target)
            ),
        ),
        sqlx::Error::Protocol(_) => (
            UnreadableReason::Unreachable,
            format!(
                "{} does not answer as PostgreSQL does: check the port",
                place(target)
            ),
        ),
        sqlx::Error::Configuration(_) => (
            UnreadableReason::UrlInvalid,
            "the connection's settings do not fit together: check the URL's parameters".to_owned(),
        ),
        _ => (
            UnreadableReason::QueryFailed,
            format!(
                "an answer of {} could not be read: report this as a fault of the operator",
                place(target)
            ),
        ),
    };
    Unreadable { reason, message }
}

/// No answer in time.
pub(super) fn timed_out(target: &Target, limit: Duration) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::Unreachable,
        message: format!(
            "no answer from {} within {} s: check the host, the port, network policies and firewalls",
            place(target),
            limit.as_secs()
        ),
    }
}

/// It took the connection, and then gave no answer in time.
pub(super) fn not_answered(target: &Target, limit: Duration) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::NotAnswered,
        message: format!(
            "{} took the connection and did not answer within {} s: look at the server's load (CPU, disk, pg_stat_activity) and at the network between",
            place(target),
            limit.as_secs()
        ),
    }
}

/// An answer that cannot be true.
pub(super) fn unexpected(what: &str) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::QueryFailed,
        message: what.to_owned(),
    }
}

/// Where it is, as the URL says.
pub(super) fn place(target: &Target) -> String {
    if target.host.contains(':') {
        format!("[{}]:{}", target.host, target.port)
    } else {
        format!("{}:{}", target.host, target.port)
    }
}

fn io(error: &std::io::Error, target: &Target) -> (UnreadableReason, String) {
    let place = place(target);
    match error.kind() {
        ErrorKind::ConnectionRefused => (
            UnreadableReason::ConnectionRefused,
            format!("{place} refuses connections: check the port, and that the server runs"),
        ),
        // What the TLS library says about a certificate comes as invalid data.
        ErrorKind::InvalidData => tls(&error.to_string(), target),
        _ => (
            UnreadableReason::Unreachable,
            format!(
                "the connection to {place} failed or was cut ({}): check the network and the server",
                error.kind()
            ),
        ),
    }
}

fn tls(detail: &str, target: &Target) -> (UnreadableReason, String) {
    let place = place(target);
    let message = if detail.contains("does not support TLS") {
        format!(
            "{place} offers no TLS: turn it on there, or set sslmode=disable and no certificate authority"
        )
    } else {
        format!(
            "{place} was reached and TLS failed: {} ({})",
            tls_advice(detail),
            redacted(detail, target)
        )
    };
    (UnreadableReason::TlsFailed, message)
}

/// By the TLS library's own words for what is wrong with a certificate.
fn tls_advice(detail: &str) -> &'static str {
    if detail.contains("UnknownIssuer") || detail.contains("CaUsedAsEndEntity") {
        "its certificate is of no authority that is trusted here; name that authority in connection.caFrom"
    } else if detail.contains("NotValidForName") || detail.contains("not valid for name") {
        "its certificate is of another host; use a host name that stands in the certificate"
    } else if detail.contains("xpired") || detail.contains("NotValidYet") {
        "its certificate is not valid now; renew it, or set the clocks"
    } else {
        "name its certificate authority in connection.caFrom, or check that the certificate is of this host and still valid"
    }
}

fn refused_by_server(error: &dyn sqlx::error::DatabaseError, target: &Target) -> Unreadable {
    let code = error.code().unwrap_or_default().into_owned();
    let place = place(target);
    let said = error.message();
    let (reason, message) = match code.as_str() {
        "3D000" => (
            UnreadableReason::DatabaseMissing,
            format!(
                "{place} has no database {}: create it, or mend the name; the operator creates none",
                target.database
            ),
        ),
        // Without TLS the server may have no entry for us, and then says so among its reasons.
        "28000" if target.ssl_mode == SslMode::Disable && wants_tls(said) => (
            UnreadableReason::TlsFailed,
            format!("{place} lets this user in by TLS only: set sslmode=require"),
        ),
        "28P01" => (
            UnreadableReason::AuthenticationFailed,
            format!("{place} refuses the user or its password: check them; percent-encode special characters"),
        ),
        code if code.starts_with("28") => (
            UnreadableReason::AuthenticationFailed,
            format!(
                "{place} does not let this user in: check the user, its LOGIN right, and pg_hba.conf for this database"
            ),
        ),
        "42501" if said.contains("row-level security") || said.contains("row security") => (
            UnreadableReason::QueryFailed,
            "row-level security hides rows of _prisma_migrations from this role: let its owner read it, or switch the \
             policies of that table off"
                .to_owned(),
        ),
        "42501" => (
            UnreadableReason::AuthenticationFailed,
            format!(
                "this role lacks a right ({}): GRANT CONNECT ON DATABASE and what the message names",
                redacted(said, target)
            ),
        ),
        // A pooler that takes no settings of the session's own.
        "08P01" if said.contains("startup parameter") => return pooler::settings_refused(&place),
        "55000" => (
            UnreadableReason::ServerUnavailable,
            format!(
                "{place} takes no connection to the database {} (55000): allow connections to it (ALTER DATABASE ... \
                 ALLOW_CONNECTIONS true), or mend the name. Once that is so, it goes on by itself",
                target.database
            ),
        ),
        "53300" => full(said, target),
        "57P03" | "57P01" | "57P02" | "57P05" => (
            UnreadableReason::ServerUnavailable,
            format!("{place} takes no connection now ({code}): {}; it is tried again by itself", unavailable(&code)),
        ),
        "57014" => (
            UnreadableReason::NotAnswered,
            format!("{place} did not answer a question within 10 s: it is overloaded, or its catalog is very big"),
        ),
        "55P03" => (
            UnreadableReason::ServerUnavailable,
            "_prisma_migrations or a system catalog is locked by another session for longer than 2 s: end that session, or wait; it goes on by itself"
                .to_owned(),
        ),
        _ => (
            UnreadableReason::QueryFailed,
            format!("{place} says ({code}): {}", redacted(said, target)),
        ),
    };
    Unreadable { reason, message }
}

/// Shows what holds the connections.
const SESSIONS: &str = "SELECT usename, datname, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC";

/// Which of the limits it is, by PostgreSQL's own words. That of a role or a database is small, and is mostly held for long.
fn full(said: &str, target: &Target) -> (UnreadableReason, String) {
    let place = place(target);
    let (reason, limit, raise) = if said.contains("too many connections for role") {
        (
            UnreadableReason::ConnectionLimitReached,
            format!(
                "the role {} has as many connections as its own limit allows",
                target.user
            ),
            "end what is not needed, or raise the role's limit with `ALTER ROLE ... CONNECTION LIMIT ...`: a migration that runs has one, and so has the operator while it looks",
        )
    } else if said.contains("too many connections for database") {
        (
            UnreadableReason::ConnectionLimitReached,
            format!(
                "the database {} has as many connections as its own limit allows",
                target.database
            ),
            "end what is not needed, or raise the database's limit with `ALTER DATABASE ... CONNECTION LIMIT ...`: a migration that runs has one, and so has the operator while it looks",
        )
    } else if said.contains("remaining connection slots are reserved") {
        (
            UnreadableReason::ServerUnavailable,
            "all connections but those reserved for superusers are taken".to_owned(),
            "end what is not needed, or raise max_connections; it is tried again by itself",
        )
    } else {
        (
            UnreadableReason::ServerUnavailable,
            "all connections that max_connections allows are taken".to_owned(),
            "end what is not needed, or raise max_connections; it is tried again by itself",
        )
    };
    let message = format!(
        "{place} takes no connection now (53300): {limit}. As a superuser see what holds them with `{SESSIONS}`, then {raise}"
    );
    (reason, message)
}

fn unavailable(code: &str) -> &'static str {
    match code {
        "57P03" => "it is starting or stopping",
        _ => "it is stopping, or an administrator cut the connection",
    }
}

/// PostgreSQL's words for a missing `pg_hba.conf` entry of a connection without TLS: "no encryption" since 14, before
/// that "SSL off".
fn wants_tls(said: &str) -> bool {
    said.contains("no encryption") || said.contains("SSL off")
}

/// The first line of a server's text, without the user's name (where PostgreSQL says it is one) and without the password in any
/// of its spellings.
pub(super) fn redacted(text: &str, target: &Target) -> String {
    let mut line = text.lines().next().unwrap_or_default().to_owned();
    for of in ["user", "role"] {
        line = line.replace(
            &format!("{of} \"{}\"", target.user),
            &format!("{of} \"{REDACTED}\""),
        );
    }
    let line = without_password(line, target);
    line.chars().take(MAX_SERVER_MESSAGE).collect()
}

/// A text without the password in any of its spellings; one that is short or common may stand anywhere by chance, and is
/// hidden where it is used as one.
pub(super) fn without_password(text: String, target: &Target) -> String {
    let password = target.password.reveal();
    if password.is_empty() {
        return text;
    }
    let secrets = Secrets::collect([("PASSWORD", password)], &[]);
    let lines: Vec<String> = text.split('\n').map(|line| secrets.hide(line)).collect();
    lines.join("\n")
}
