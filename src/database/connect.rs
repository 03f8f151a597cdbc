//! One connection, with everything set that a look relies on.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use super::ask::ask;
use super::pooler::settings_lost;
use super::quote::literal;
use super::url::{SslMode, Target};
use super::{answer, failure, resolve};
use crate::facts::{OBSERVER, Unreadable, UnreadableReason};

/// The session's settings, sent with the log-in, so that they cost no round trip and win over the role's own.
///
/// `row_security=off` turns rows that a policy would hide into an error. `search_path` makes every definition come
/// fully qualified, and lets nobody's own functions stand in for PostgreSQL's. The rest keeps a look short and
/// harmless, and its texts the same whatever the role's settings are.
const SETTINGS: [(&str, &str); 10] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("default_transaction_read_only", "on"),
    ("search_path", "pg_catalog"),
    ("row_security", "off"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("IntervalStyle", "postgres"),
    ("jit", "off"),
];

/// Of these settings a look sees whether they arrived.
const PROBED: [&str; 4] = [
    "default_transaction_read_only",
    "statement_timeout",
    "lock_timeout",
    "search_path",
];

/// A connection on which our settings hold, and the server's process that answered.
pub(super) struct Connected {
    pub(super) connection: PgConnection,
    pub(super) pid: i32,
}

/// Connects, within the target's own time-out for everything together.
pub(super) async fn connect(
    target: &Target,
    ca_pem: Option<&[u8]>,
) -> Result<Connected, Unreadable> {
    let options = options(target, ca_pem)?;
    match tokio::time::timeout(target.connect_timeout, attempt(target, options)).await {
        Ok(connected) => connected,
        Err(_) => Err(failure::timed_out(target, target.connect_timeout)),
    }
}

async fn attempt(target: &Target, options: PgConnectOptions) -> Result<Connected, Unreadable> {
    let host = resolve::host(
        target,
        matches!(options.get_ssl_mode(), PgSslMode::VerifyFull),
    )
    .await?;
    let mut connection = options
        .host(&host)
        .connect()
        .await
        .map_err(|error| failure::explain(&error, target))?;
    let pid = probe(&mut connection, target).await?;
    Ok(Connected { connection, pid })
}

/// Asks, before anything else, whether the session has the settings that were sent with the log-in. Where it has not,
/// somebody else's session answers: that of a pooler, which would not pass a migration's settings on either.
async fn probe(connection: &mut PgConnection, target: &Target) -> Result<i32, Unreadable> {
    // Nothing that a search path may lead elsewhere.
    let setting = |name: &str| format!("'{name}', pg_catalog.current_setting({})", literal(name));
    let settings: Vec<String> = PROBED.into_iter().map(setting).collect();
    let sql = format!(
        "select 'session'::pg_catalog.text, pg_catalog.json_build_object('pid', pg_catalog.pg_backend_pid(), \
         'settings', pg_catalog.json_build_object({}))::pg_catalog.text",
        settings.join(", ")
    );
    let rows = ask(connection, sql)
        .await
        .map_err(|error| failure::explain(&error, target))?;
    let session: Session = match rows.first() {
        Some(row) => answer::body(row)?,
        None => {
            return Err(failure::unexpected(
                "the server's answer is empty: check the port",
            ));
        }
    };
    let sent = |name: &str| SETTINGS.iter().find(|(known, _)| *known == name);
    let lost: Vec<&str> = PROBED
        .into_iter()
        .filter(|name| {
            sent(name).is_some_and(|(_, value)| {
                session.settings.get(*name).map(String::as_str) != Some(value)
            })
        })
        .collect();
    if lost.is_empty() {
        Ok(session.pid)
    } else {
        Err(settings_lost(&failure::place(target), &lost))
    }
}

#[derive(Deserialize)]
struct Session {
    pid: i32,
    settings: BTreeMap<String, String>,
}

/// Every option is set, so that none comes from the operator's own environment (`PGHOST`, `PGPASSWORD` ...).
fn options(target: &Target, ca_pem: Option<&[u8]>) -> Result<PgConnectOptions, Unreadable> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(target.password.reveal())
        .database(&target.database)
        .ssl_mode(ssl_mode(target.ssl_mode, ca_pem.is_some()))
        .application_name(OBSERVER)
        .options(SETTINGS)
        // A parameter that a pooler would refuse, and that no query here needs.
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .disable_statement_logging();
    if let Some(pem) = ca_pem {
        if !pem.windows(10).any(|window| window == b"-----BEGIN") {
            return Err(Unreadable {
                reason: UnreadableReason::TlsFailed,
                message:
                    "the certificate authority is not PEM: it must hold -----BEGIN CERTIFICATE-----"
                        .to_owned(),
            });
        }
        options = options.ssl_root_cert_from_pem(pem.to_vec());
    }
    Ok(options)
}

/// A certificate authority means that the certificate is to be verified, whatever the URL says.
fn ssl_mode(asked: SslMode, has_ca: bool) -> PgSslMode {
    match (asked, has_ca) {
        (SslMode::VerifyCa, _) => PgSslMode::VerifyCa,
        (SslMode::VerifyFull, _) | (_, true) => PgSslMode::VerifyFull,
        (SslMode::Disable, false) => PgSslMode::Disable,
        (SslMode::Prefer, false) => PgSslMode::Prefer,
        (SslMode::Require, false) => PgSslMode::Require,
    }
}
