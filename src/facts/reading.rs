//! What was looked at is known, or it is not known and there is a reason. "Nothing there" is a thing that is known.

use crate::api::reasons;

/// A look at something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// It could be read.
    Known(T),
    /// It could not be read; nothing may be concluded about it.
    Unknown(Unreadable),
}

impl<T> Reading<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Reading::Known(value) => Some(value),
            Reading::Unknown(_) => None,
        }
    }
}

/// Why a database could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which kind.
    pub reason: UnreadableReason,
    /// What happened and what to do, for people; without the database's name in the resource (the caller puts it
    /// before), and never with a credential or a URL.
    pub message: String,
}

/// The kinds of [`Unreadable`]. Each one is a reason of the `Observed` condition by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnreadableReason {
    /// There is no such Secret (or ConfigMap, for the certificate authority).
    SecretMissing,
    /// The Secret has no such key.
    SecretKeyMissing,
    /// The operator may not read the Secret.
    SecretForbidden,
    /// The value is not a URL, or has a part that is not allowed.
    UrlInvalid,
    /// A URL of something that is not PostgreSQL.
    UrlNotPostgres,
    /// `prisma://` and `prisma+postgres://`: not a direct connection.
    UrlNotDirect,
    /// `pgbouncer=true`: a transaction pooler breaks Prisma's lock.
    UrlPooled,
    /// A parameter or the host names a file: a certificate, a key, a socket.
    UrlNamesFile,
    /// The host is a loopback, link-local or multicast address, or one of the cloud's own services.
    UrlLoopback,
    /// The host's name does not resolve.
    HostUnknown,
    /// Nobody listens there.
    ConnectionRefused,
    /// No answer in time, or the connection was cut.
    Unreachable,
    /// The server took the connection, or did so a moment ago, and gave no answer in time.
    NotAnswered,
    /// User or password are wrong, or the server does not let this user in.
    AuthenticationFailed,
    /// There is no such database. It is never created.
    DatabaseMissing,
    /// TLS is required, or its certificate is not trusted.
    TlsFailed,
    /// The role, or the database, may have no more connections.
    ConnectionLimitReached,
    /// The server is starting, stopping, or has no connection left.
    ServerUnavailable,
    /// A session holds a lock behind which not even the catalog can be read.
    WaitingLock,
    /// A query failed for another reason.
    QueryFailed,
}

impl UnreadableReason {
    /// The condition reason: the name itself.
    pub fn as_str(self) -> &'static str {
        match self {
            UnreadableReason::SecretMissing => reasons::SECRET_MISSING,
            UnreadableReason::SecretKeyMissing => reasons::SECRET_KEY_MISSING,
            UnreadableReason::SecretForbidden => reasons::SECRET_FORBIDDEN,
            UnreadableReason::UrlInvalid => reasons::URL_INVALID,
            UnreadableReason::UrlNotPostgres => reasons::URL_NOT_POSTGRES,
            UnreadableReason::UrlNotDirect => reasons::URL_NOT_DIRECT,
            UnreadableReason::UrlPooled => reasons::URL_POOLED,
            UnreadableReason::UrlNamesFile => reasons::URL_NAMES_FILE,
            UnreadableReason::UrlLoopback => reasons::URL_LOOPBACK,
            UnreadableReason::HostUnknown => reasons::HOST_UNKNOWN,
            UnreadableReason::ConnectionRefused => reasons::CONNECTION_REFUSED,
            UnreadableReason::Unreachable => reasons::UNREACHABLE,
            UnreadableReason::NotAnswered => reasons::NOT_ANSWERED,
            UnreadableReason::AuthenticationFailed => reasons::AUTHENTICATION_FAILED,
            UnreadableReason::DatabaseMissing => reasons::DATABASE_MISSING,
            UnreadableReason::TlsFailed => reasons::TLS_FAILED,
            UnreadableReason::ConnectionLimitReached => reasons::CONNECTION_LIMIT_REACHED,
            UnreadableReason::ServerUnavailable => reasons::SERVER_UNAVAILABLE,
            UnreadableReason::WaitingLock => reasons::WAITING_LOCK,
            UnreadableReason::QueryFailed => reasons::QUERY_FAILED,
        }
    }
}
