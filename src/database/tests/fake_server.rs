//! Servers that answer a log-in with one error, or with nothing that is PostgreSQL's.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use rstest::rstest;

use crate::database::{Look, Password, Rules, SslMode, Target, look, parse};
use crate::facts::UnreadableReason::{self, *};
use crate::facts::{Reading, Unreadable};

const PASSWORD: &str = "p@ss w/ord";

/// Answers one connection's first message with some bytes, then waits for its end.
fn serve(answer: Vec<u8>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(&answer);
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    target(port)
}

fn target(port: u16) -> Target {
    let url = format!("postgres://me:x@127.0.0.1:{port}/shop?sslmode=disable&connect_timeout=1");
    let parsed = parse(
        &url,
        &Rules {
            allow_loopback: true,
        },
    )
    .unwrap();
    Target {
        password: Password::new(PASSWORD),
        ..parsed
    }
}

/// PostgreSQL's ErrorResponse.
fn error(code: &str, message: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (field, text) in [
        (b'S', "FATAL"),
        (b'V', "FATAL"),
        (b'C', code),
        (b'M', message),
        (b'D', "a detail"),
    ] {
        fields.push(field);
        fields.extend(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let mut answer = vec![b'E'];
    answer.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
    answer.extend(fields);
    answer
}

async fn unknown(target: &Target) -> Unreadable {
    match look(target, None, Look::default()).await {
        Reading::Known(facts) => panic!("{facts:?}"),
        Reading::Unknown(unreadable) => {
            for secret in [PASSWORD, "p%40ss%20w%2Ford", "a detail", "://"] {
                assert!(
                    !unreadable.message.contains(secret),
                    "{}",
                    unreadable.message
                );
            }
            unreadable
        }
    }
}

#[rstest]
#[case("3D000", "database \"shop\" does not exist", DatabaseMissing, "shop")]
#[case(
    "28P01",
    "password authentication failed for user \"me\"",
    AuthenticationFailed,
    "password"
)]
#[case(
    "28000",
    "role \"me\" does not exist",
    AuthenticationFailed,
    "pg_hba.conf"
)]
#[case(
    "28000",
    "no pg_hba.conf entry for host \"1\", user \"me\", database \"shop\", no encryption",
    TlsFailed,
    "sslmode=require"
)]
#[case(
    "28000",
    "no pg_hba.conf entry for host \"1\", user \"me\", database \"shop\", SSL off",
    TlsFailed,
    "sslmode=require"
)]
#[case(
    "57P03",
    "the database system is starting up",
    ServerUnavailable,
    "starting"
)]
#[case(
    "53300",
    "sorry, too many clients already",
    ServerUnavailable,
    "max_connections allows are taken. As a superuser see what holds them with `SELECT usename,"
)]
#[case(
    "53300",
    "too many connections for role \"me\"",
    ConnectionLimitReached,
    "ALTER ROLE ... CONNECTION LIMIT"
)]
#[case(
    "53300",
    "too many connections for database \"shop\"",
    ConnectionLimitReached,
    "ALTER DATABASE ... CONNECTION LIMIT"
)]
#[case(
    "53300",
    "remaining connection slots are reserved for roles with the SUPERUSER attribute",
    ServerUnavailable,
    "reserved for superusers"
)]
#[case("57P01", "terminating connection", ServerUnavailable, "administrator")]
#[case("08P01", "unsupported startup parameter: options", UrlPooled, "pooler")]
#[case(
    "42501",
    "permission denied for database \"shop\"",
    AuthenticationFailed,
    "GRANT CONNECT"
)]
#[case(
    "XX000",
    "could not use p@ss w/ord of user \"me\", p%40ss%20w%2Ford",
    QueryFailed,
    "could not use [redacted] of user \"[redacted]\", [redacted]"
)]
#[tokio::test]
async fn errors_of_the_server(
    #[case] code: &str,
    #[case] message: &str,
    #[case] reason: UnreadableReason,
    #[case] says: &str,
) {
    let unreadable = unknown(&serve(error(code, message))).await;
    assert_eq!(unreadable.reason, reason, "{}", unreadable.message);
    assert!(unreadable.message.contains(says), "{}", unreadable.message);
}

#[tokio::test]
async fn something_else_than_postgresql() {
    let unreadable = unknown(&serve(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    assert_eq!(unreadable.reason, Unreachable, "{}", unreadable.message);
}

#[tokio::test]
async fn a_server_without_tls_where_tls_is_asked_for() {
    for ssl_mode in [SslMode::Require, SslMode::VerifyFull] {
        let target = Target {
            ssl_mode,
            ..serve(b"N".to_vec())
        };
        let unreadable = unknown(&target).await;
        assert_eq!(unreadable.reason, TlsFailed, "{}", unreadable.message);
        assert!(
            unreadable.message.contains("offers no TLS"),
            "{}",
            unreadable.message
        );
    }
}

#[tokio::test]
async fn broken_tls() {
    let target = Target {
        ssl_mode: SslMode::Require,
        ..serve(b"Snonsense, and more of it".to_vec())
    };
    let unreadable = unknown(&target).await;
    assert!(
        matches!(unreadable.reason, TlsFailed | Unreachable),
        "{unreadable:?}"
    );
}

#[tokio::test]
async fn silence_ends_at_the_time_out() {
    let start = crate::runtime::clock::monotonic();
    let unreadable = unknown(&serve(vec![])).await;
    assert_eq!(unreadable.reason, Unreachable);
    assert!(
        unreadable.message.contains("within 1 s"),
        "{}",
        unreadable.message
    );
    assert!(crate::runtime::clock::monotonic().saturating_sub(start) < Duration::from_secs(3));
}

#[tokio::test]
async fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let unreadable = unknown(&target(port)).await;
    assert_eq!(unreadable.reason, ConnectionRefused);
}

#[tokio::test]
async fn no_such_host() {
    let nowhere = Target {
        host: "no-such-host.invalid".to_owned(),
        ..target(1)
    };
    let unreadable = unknown(&Target {
        connect_timeout: Duration::from_secs(20),
        ..nowhere
    })
    .await;
    assert_eq!(unreadable.reason, HostUnknown, "{}", unreadable.message);
}

#[tokio::test]
async fn spellings_of_loopback_that_only_the_look_up_knows() {
    for host in ["127.1", "0x7f000001", "2130706433"] {
        let sneaky = Target {
            host: host.to_owned(),
            allow_loopback: false,
            ..target(1)
        };
        let unreadable = unknown(&sneaky).await;
        assert!(
            matches!(unreadable.reason, UrlLoopback | HostUnknown),
            "{host}: {unreadable:?}"
        );
    }
}
