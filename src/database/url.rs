//! PURE. The connection string of a Secret, taken apart: what the operator itself connects with, and nothing more.
//!
//! A URL belongs to whoever writes the Secret. Of its parameters only those in [`parse`]'s list have an effect here.
//! Those that name files (`sslcert`, `sslidentity`, `sslkey`, `sslrootcert`, the path of a socket) are refused: they mean
//! nothing (or something else) in the operator's own container, and the operator never opens a file that a Secret
//! names. `options` and `application_name` are ignored, because a look sets its own, and so is what is not known here.
//!
//! No message holds any part of the value, because a misplaced character can turn a password into a host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use dbm_protocol::connection::{self, Wrong};
use dbm_protocol::raised::REDACTED;
use percent_encoding::percent_decode_str;
use url::Url;

use super::pooler;
use crate::facts::{Unreadable, UnreadableReason};

/// PostgreSQL's own port.
const DEFAULT_PORT: u16 = 5432;
/// What Prisma waits for a connection by default, and so do we.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A URL may ask for no more than this.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// PostgreSQL cuts longer names (NAMEDATALEN - 1), and what was cut would be looked for in vain.
const MAX_NAME_BYTES: usize = 63;

/// What a connection string may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Loopback and link-local targets are allowed: on a laptop, never in a cluster.
    pub allow_loopback: bool,
}

/// A password. It is never printed: `Debug` is redacted and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password from its plain text.
    pub fn new(plain: impl Into<String>) -> Self {
        Password(plain.into())
    }

    /// The plain text: to log in with, and to find it in a text that is to be redacted.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

/// How much TLS is asked for. Prisma knows the first three; with `sslaccept=strict` it verifies as
/// [`SslMode::VerifyFull`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// None.
    Disable,
    /// If the server offers it, unverified.
    #[default]
    Prefer,
    /// Always, unverified.
    Require,
    /// Always, the certificate must come from a trusted authority.
    VerifyCa,
    /// Always, and the certificate must also be of this host.
    VerifyFull,
}

/// Where to connect, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host's name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password; empty if there is none.
    pub password: Password,
    /// The database.
    pub database: String,
    /// The schema of the ledger: `schema`, default `public`.
    pub schema: String,
    /// From `sslmode` and `sslaccept`.
    pub ssl_mode: SslMode,
    /// How long name look-up, TCP, TLS and log-in may take together: `connect_timeout`, default 5 s, at most 30 s.
    pub connect_timeout: Duration,
    /// `options` asks for another role (`-c role=...`) than the one that logs in: Prisma's session has its rights, and a
    /// look does not.
    pub other_role: bool,
    /// From [`Rules`]: what the host's name resolves to is judged by it again.
    pub allow_loopback: bool,
    /// The names by which a pod of the resource's namespace would look for the host, in its order
    /// ([`super::names::PodNames`]); none: the host as it is.
    pub names: Vec<String>,
}

/// Takes a Secret's value apart.
///
/// # Errors
/// [`Unreadable`] with a reason that begins with `Url`, and a message that says what to do and holds nothing of `raw`.
pub fn parse(raw: &str, rules: &Rules) -> Result<Target, Unreadable> {
    let text = connection::string(raw).map_err(|wrong| no_string(wrong, raw))?;
    let url = Url::parse(text).map_err(|error| invalid(&not_a_url(error)))?;
    check_fragment(&url)?;

    let host = host(&url, rules)?;
    let user = decoded(url.username(), "the user's name")?;
    if user.is_empty() {
        return Err(invalid(
            "the URL names no user: write it before the host, as in postgresql://USER:PASSWORD@HOST",
        ));
    }
    let password = decoded(url.password().unwrap_or_default(), "the password")?;
    let database = database(&url)?;
    let parameters = Parameters::read(&url)?;

    Ok(Target {
        host,
        port: url.port().unwrap_or(DEFAULT_PORT),
        user,
        password: Password(password),
        database,
        schema: parameters.schema,
        ssl_mode: parameters.ssl_mode,
        connect_timeout: parameters.connect_timeout,
        other_role: parameters.other_role,
        allow_loopback: rules.allow_loopback,
        names: Vec::new(),
    })
}

/// What clouds answer a machine by with its own credentials and settings, beside the link-local 169.254.169.254: Alibaba Cloud's
/// metadata, Azure's platform, and AWS' metadata by IPv6.
const PLATFORM_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];
const PLATFORM_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The IPv4 address that one of IPv6 leads to: mapped (`::ffff:0:0/96`), compatible (`::/96`), translated (`64:ff9b::/96`) or tunnelled
/// (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(of(high, low))
        }
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// Whether an address is of this machine, this link or the cloud's own services: never a database's, seen from inside a cluster.
pub fn is_local_address(address: IpAddr) -> bool {
    fn local_v4(address: Ipv4Addr) -> bool {
        // 0.0.0.0/8 is "this host": a connect to it reaches loopback.
        address.is_loopback()
            || address.is_link_local()
            || address.octets()[0] == 0
            || address.is_broadcast()
            || address.is_multicast()
            || PLATFORM_V4.contains(&address)
    }
    fn local_v6(address: Ipv6Addr) -> bool {
        address.is_loopback()
            || address.is_unspecified()
            || address.is_unicast_link_local()
            || address.is_multicast()
            || address == PLATFORM_V6
    }
    match address {
        IpAddr::V4(address) => local_v4(address),
        IpAddr::V6(address) => local_v6(address) || embedded(address).is_some_and(local_v4),
    }
}

/// The message for a target that [`is_local_address`] refuses.
pub(super) fn local_refused() -> Unreadable {
    Unreadable {
        reason: UnreadableReason::UrlLoopback,
        message: "the URL's host is a loopback, link-local or multicast address or one of the cloud's own services, which in a \
                  cluster is the pod itself, its node or its platform: name the database's Service or host"
            .to_owned(),
    }
}

fn names_file(message: String) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::UrlNamesFile,
        message,
    }
}

/// PostgreSQL takes a host that begins so for the path of a Unix socket.
fn is_socket(host: &str) -> bool {
    host.starts_with(['/', '@'])
}

fn socket_refused() -> Unreadable {
    names_file(
        "the URL's host is the path of a Unix socket, which neither the operator nor a Job can reach: name a host that \
         TCP reaches"
            .to_owned(),
    )
}

/// `sslcert` is Prisma's word for the server's authority, and everybody else's for the client's certificate.
fn certificate_refused(parameter: &str) -> Unreadable {
    let instead = match parameter {
        "sslcert" | "sslrootcert" => {
            "name the server's certificate authority in connection.caFrom, which reaches Prisma, too"
        }
        _ => "let this user log in with a password; client certificates are not supported",
    };
    names_file(format!(
        "the URL's parameter {parameter} names a file, and the operator opens none that a Secret names: take it out, and \
         {instead}"
    ))
}

fn invalid(message: &str) -> Unreadable {
    Unreadable {
        reason: UnreadableReason::UrlInvalid,
        message: message.to_owned(),
    }
}

/// Only what kind of mistake it is: `url`'s own texts hold no part of the input either, but do not say what to do.
fn not_a_url(error: url::ParseError) -> String {
    match error {
        url::ParseError::InvalidPort => "the URL's port is not a number: if the password holds a character such as \
             / ? # or @, write it percent-encoded (%2F %3F %23 %40)"
            .to_owned(),
        url::ParseError::EmptyHost => {
            "the URL has no host: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()
        }
        _ => "the value is not a URL: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters \
              of the password percent-encoded"
            .to_owned(),
    }
}

/// What the agent would not hand to Prisma either.
fn no_string(wrong: Wrong, raw: &str) -> Unreadable {
    let (reason, message) = match wrong {
        Wrong::Empty => (
            UnreadableReason::UrlInvalid,
            "the value is empty: set it to postgresql://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
        ),
        Wrong::ControlCharacter => (
            UnreadableReason::UrlInvalid,
            "the value holds a line break or another control character in its middle: write it in one line".to_owned(),
        ),
        Wrong::Quoted(quote) => (
            UnreadableReason::UrlInvalid,
            format!("the value begins with {quote}: write the URL without quotes around it"),
        ),
        Wrong::Proxy => (
            UnreadableReason::UrlNotDirect,
            "the URL goes through Prisma's proxy (prisma:// or prisma+postgres://), where no migration can be seen or \
             locked: use the direct postgresql:// URL of the database"
                .to_owned(),
        ),
        Wrong::Protocol => match Url::parse(raw.trim()) {
            // A value that is no URL at all.
            Err(_) => (
                UnreadableReason::UrlInvalid,
                not_a_url(url::ParseError::RelativeUrlWithoutBase),
            ),
            Ok(url) if ["postgres", "postgresql"].contains(&url.scheme()) => (
                UnreadableReason::UrlInvalid,
                "the URL must begin with postgresql:// or postgres://, in small letters and with both slashes, as Prisma wants it"
                    .to_owned(),
            ),
            Ok(_) => (
                UnreadableReason::UrlNotPostgres,
                "the URL is not one of PostgreSQL: it must begin with postgresql:// or postgres://".to_owned(),
            ),
        },
    };
    Unreadable { reason, message }
}

fn check_fragment(url: &Url) -> Result<(), Unreadable> {
    match url.fragment() {
        Some(_) => Err(invalid(
            "the URL holds a #, which cuts off all that follows: write it as %23",
        )),
        None => Ok(()),
    }
}

fn host(url: &Url, rules: &Rules) -> Result<String, Unreadable> {
    let raw = url.host_str().unwrap_or_default();
    if raw.is_empty() {
        return Err(invalid(
            "the URL has no host: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        ));
    }
    if raw.contains('%') {
        return Err(if is_socket(&percent_decode_str(raw).decode_utf8_lossy()) {
            socket_refused()
        } else {
            invalid("the URL's host is percent-encoded: write it as it is")
        });
    }
    if raw.contains(',') {
        return Err(invalid(
            "the URL names several hosts: name the one that takes writes",
        ));
    }
    let host = raw.trim_start_matches('[').trim_end_matches(']').to_owned();
    if !rules.allow_loopback {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let by_name = name == "localhost" || name.ends_with(".localhost");
        if by_name || host.parse().is_ok_and(is_local_address) {
            return Err(local_refused());
        }
    }
    Ok(host)
}

fn database(url: &Url) -> Result<String, Unreadable> {
    let raw = url.path().strip_prefix('/').unwrap_or(url.path());
    if raw.is_empty() {
        return Err(invalid(
            "the URL names no database: write it after the host, as in postgresql://HOST:PORT/DATABASE",
        ));
    }
    if raw.contains('@') || raw.contains('/') {
        return Err(invalid(
            "the URL's path holds a / or @: if it belongs to the password or to the database's name, write it \
             percent-encoded (%2F %40)",
        ));
    }
    decoded(raw, "the database's name")
}

/// Percent-decodes one part.
fn decoded(raw: &str, what: &str) -> Result<String, Unreadable> {
    let text = percent_decode_str(raw).decode_utf8().map_err(|_| {
        invalid(&format!(
            "{what} in the URL is not UTF-8: percent-encode its UTF-8 bytes"
        ))
    })?;
    if text.chars().any(char::is_control) {
        return Err(invalid(&format!(
            "{what} in the URL holds a control character: take it out"
        )));
    }
    Ok(text.into_owned())
}

/// The parameters that have an effect on a look; every other one is ignored.
struct Parameters {
    schema: String,
    ssl_mode: SslMode,
    connect_timeout: Duration,
    other_role: bool,
}

impl Parameters {
    fn read(url: &Url) -> Result<Self, Unreadable> {
        let mut read = Parameters {
            schema: "public".to_owned(),
            ssl_mode: SslMode::default(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            other_role: false,
        };
        let mut strict = false;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "schema" if !value.is_empty() => read.schema = schema(&value)?,
                "sslmode" => read.ssl_mode = ssl_mode(&value)?,
                "sslaccept" => strict = value == "strict",
                "options" => read.other_role = value.contains("role="),
                "connect_timeout" => read.connect_timeout = connect_timeout(&value)?,
                "pgbouncer" if value == "true" || value == "1" => return Err(pooler::by_url()),
                "host" if is_socket(&value) => return Err(socket_refused()),
                "host" | "hostaddr" if !value.is_empty() => {
                    return Err(invalid(
                        "the URL's parameter host asks for another host: name the host before the port",
                    ));
                }
                // To newer PostgreSQL clients `system` is the authorities that the system trusts, and no file.
                "sslrootcert" if value == "system" => {}
                "sslcert" | "sslidentity" | "sslkey" | "sslrootcert" if !value.is_empty() => {
                    return Err(certificate_refused(&name));
                }
                _ => {}
            }
        }
        if strict && read.ssl_mode != SslMode::Disable {
            read.ssl_mode = SslMode::VerifyFull;
        }
        Ok(read)
    }
}

fn schema(value: &str) -> Result<String, Unreadable> {
    if value.chars().any(char::is_control) {
        return Err(invalid(
            "the URL's parameter schema holds a control character: take it out",
        ));
    }
    if value.len() > MAX_NAME_BYTES {
        return Err(invalid(
            "the URL's parameter schema is longer than the 63 bytes that PostgreSQL keeps: shorten it",
        ));
    }
    Ok(value.to_owned())
}

fn ssl_mode(value: &str) -> Result<SslMode, Unreadable> {
    match value {
        "disable" => Ok(SslMode::Disable),
        "" | "allow" | "prefer" => Ok(SslMode::Prefer),
        // What node-postgres calls an unverified connection.
        "require" | "no-verify" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(invalid(
            "the URL's parameter sslmode must be disable, prefer, require, verify-ca or verify-full",
        )),
    }
}

/// Seconds; 0 means Prisma's "wait for ever", which a look never does: then the default.
fn connect_timeout(value: &str) -> Result<Duration, Unreadable> {
    match value.parse::<u64>() {
        Ok(0) => Ok(DEFAULT_CONNECT_TIMEOUT),
        Ok(seconds) => Ok(Duration::from_secs(seconds).min(MAX_CONNECT_TIMEOUT)),
        Err(_) => Err(invalid(
            "the URL's parameter connect_timeout must be a whole number of seconds",
        )),
    }
}
