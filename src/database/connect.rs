//! One connection, with everything set that a look relies on.

use std::net::SocketAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use super::failure;
use super::url::{SslMode, Target, is_local_address, local_refused};
use crate::facts::{Unreadable, UnreadableReason};

/// By this name the sessions of a look are known, and told apart from those of a migration (`dbm/...`).
const APPLICATION_NAME: &str = "dbm-observer";

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

/// Connects, within the target's own time-out for everything together.
pub(super) async fn connect(
    target: &Target,
    ca_pem: Option<&[u8]>,
) -> Result<PgConnection, Unreadable> {
    let options = options(target, ca_pem)?;
    match tokio::time::timeout(target.connect_timeout, attempt(target, &options)).await {
        Ok(connected) => connected,
        Err(_) => Err(failure::timed_out(target, target.connect_timeout)),
    }
}

async fn attempt(target: &Target, options: &PgConnectOptions) -> Result<PgConnection, Unreadable> {
    resolve(target).await?;
    options
        .connect()
        .await
        .map_err(|error| failure::explain(&error, target))
}

/// Looks the host's name up first, so that "no such host" is told apart from every other failure, and so that a name
/// that leads to this machine is refused.
///
/// The driver looks the name up again. A name that changes between the two could lead elsewhere; what it would gain is
/// a PostgreSQL handshake with that address, whose answer nobody gets to see.
async fn resolve(target: &Target) -> Result<(), Unreadable> {
    let unknown = || Unreadable {
        reason: UnreadableReason::HostUnknown,
        message: format!(
            "the host {} does not resolve: check its name, and that it is a full one if it stands in another namespace",
            target.host
        ),
    };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((target.host.as_str(), target.port))
        .await
        .map_err(|_| unknown())?
        .collect();
    if addresses.is_empty() {
        return Err(unknown());
    }
    if !target.allow_loopback
        && addresses
            .iter()
            .any(|address| is_local_address(address.ip()))
    {
        return Err(local_refused());
    }
    Ok(())
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
        .application_name(APPLICATION_NAME)
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
