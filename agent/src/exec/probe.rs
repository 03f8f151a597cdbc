//! Finds out whether Prisma connects by the variable that is watched, where its configuration's code may take another one: Prisma is
//! asked for its status while that variable leads to a listener of our own, on the loopback interface. It holds no credential then.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::command::Command;
use super::elsewhere;
use super::environment::Variables;
use dbm_protocol::QUESTION_SECONDS;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the first messages of a connection may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a first message may hold, bytes: as PostgreSQL itself.
const MESSAGE_LIMIT: usize = 10_000;
/// Codes of first messages, of PostgreSQL's protocol (message formats, SSLRequest, GSSENCRequest and StartupMessage).
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const STARTUP: u32 = 196_608;

/// What Prisma did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It connected by the variable, to its database.
    Own,
    /// It connected by the variable's host and port, to another database.
    OtherDatabase,
    /// It ended, or took too long, and did not connect by it.
    Not,
    /// It could not be asked.
    Unasked(String),
}

/// Asks. `own` is the variable; others that lead where it does lead to the listener, too.
pub(super) fn ask(question: &Command, variables: &Variables, own: &str) -> Found {
    ask_within(
        question,
        variables,
        own,
        Duration::from_secs(QUESTION_SECONDS),
    )
}

fn ask_within(question: &Command, variables: &Variables, own: &str, limit: Duration) -> Found {
    let Some(url) = variables
        .get(OsStr::new(own))
        .and_then(|value| value.to_str())
    else {
        return Found::Unasked(format!("{own} is not set"));
    };
    let unasked = |error: io::Error| Found::Unasked(format!("it cannot be started: {error}"));
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(listener) => listener,
        Err(error) => return unasked(error),
    };
    let port = match listener
        .set_nonblocking(true)
        .and_then(|()| listener.local_addr())
    {
        Ok(address) => address.port(),
        Err(error) => return unasked(error),
    };
    let Some((led, database)) = led_to(url, port) else {
        return Found::Unasked(format!("{own} is no URL"));
    };
    let mut asked = variables.clone();
    for (name, value) in variables {
        let same = value.to_str().is_some_and(|value| {
            url::Url::parse(value).is_ok() && elsewhere::leads(url, value, Duration::ZERO).is_none()
        });
        if same || name == own {
            asked.insert(name.clone(), led.clone().into());
        }
    }
    let started = Process::new(&question.program)
        .args(&question.arguments)
        .current_dir(&question.directory)
        .env_clear()
        .envs(&asked)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return unasked(error),
    };
    let found = watch(&listener, &mut child, &database, limit);
    // It has only been asked.
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
    found
}

/// The URL with the listener in its place, and the database that it names.
fn led_to(url: &str, port: u16) -> Option<(String, String)> {
    let mut url = url::Url::parse(url).ok()?;
    let path = url.path().trim_start_matches('/').to_owned();
    let database = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
    let database = database.into_owned();
    url.set_host(Some(&Ipv4Addr::LOCALHOST.to_string())).ok()?;
    url.set_port(Some(port)).ok()?;
    url.set_username("dbm").ok()?;
    url.set_password(Some("dbm")).ok()?;
    let ours = [
        "sslmode",
        "sslcert",
        "sslaccept",
        "sslidentity",
        "sslpassword",
        "sslrootcert",
        "host",
    ];
    let kept: Vec<String> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !part.is_empty() && !ours.contains(&name)
        })
        .map(str::to_owned)
        .chain(["sslmode=disable".to_owned()])
        .collect();
    url.set_query(Some(&kept.join("&")));
    Some((url.to_string(), database))
}

fn watch(listener: &TcpListener, child: &mut Child, database: &str, limit: Duration) -> Found {
    let began = Instant::now();
    loop {
        // Looked at first: what came just before its end counts.
        let ended = !matches!(child.try_wait(), Ok(None));
        match listener.accept() {
            // Whoever wants TLS is not told that there is none to be had: the host and the port are the variable's.
            Ok((stream, _)) => {
                return match asked_for(stream) {
                    Some(wanted) if wanted != database => Found::OtherDatabase,
                    _ => Found::Own,
                };
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Found::Unasked(format!("nothing can be listened for: {error}")),
        }
        if ended || began.elapsed() > limit {
            return Found::Not;
        }
        thread::sleep(PAUSE);
    }
}

/// The database that a client asks for, if it comes to that.
fn asked_for(mut stream: TcpStream) -> Option<String> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    for _ in 0..3 {
        let mut head = [0; 8];
        stream.read_exact(&mut head).ok()?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        match u32::from_be_bytes([e, f, g, h]) {
            TLS | GSS => stream.write_all(b"N").ok()?,
            STARTUP if (8..=MESSAGE_LIMIT).contains(&length) => {
                let mut rest = vec![0; length - 8];
                stream.read_exact(&mut rest).ok()?;
                return named(&rest);
            }
            _ => return None,
        }
    }
    None
}

/// `database` of a first message's pairs; where there is none, the user's name is meant.
fn named(pairs: &[u8]) -> Option<String> {
    let texts: Vec<&[u8]> = pairs.split(|byte| *byte == 0).collect();
    let value = |wanted: &[u8]| {
        let mut pairs = texts.chunks(2).filter_map(|pair| match pair {
            [name, value] => Some((*name, *value)),
            _ => None,
        });
        let found = pairs.find(|(name, _)| *name == wanted);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    value(b"database").or_else(|| value(b"user"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const URL: &str = "postgresql://u:p%40@db.example:5433/shop%20a?schema=s&sslmode=require&sslaccept=strict&options=-c%20a%3D1";

    #[test]
    fn only_the_place_is_another() {
        let (led, database) = led_to(URL, 99).unwrap();
        assert_eq!(
            led,
            "postgresql://dbm:dbm@127.0.0.1:99/shop%20a?schema=s&options=-c%20a%3D1&sslmode=disable"
        );
        assert_eq!(database, "shop a");
        assert_eq!(led_to("no url", 99), None);
    }

    /// A shell in Prisma's place, with what PostgreSQL's clients send first.
    fn asked(script: &str) -> Found {
        let question = Command {
            program: "/bin/bash".into(),
            arguments: vec!["-c".into(), script.into()],
            directory: "/".into(),
        };
        let set = [
            ("OWN", URL),
            (
                "SAME",
                "postgres://other:q@db.example:5433/shop%20a?schema=s",
            ),
            (
                "OTHER",
                "postgres://u:p@other.example:5433/shop%20a?schema=s",
            ),
            ("FLAG", "1"),
            ("PATH", "/usr/bin:/bin"),
        ];
        let variables: Variables = set
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        ask_within(&question, &variables, "OWN", Duration::from_secs(5))
    }

    #[test]
    fn where_it_connects() {
        let connect = |variable: &str, send: &str| {
            format!(
                "rest=${{{variable}#*@127.0.0.1:}}; exec 3<>/dev/tcp/127.0.0.1/${{rest%%/*}} || exit 1; {send}; sleep 9"
            )
        };
        let startup = |database: &str| {
            let pairs = format!("user\\0dbm\\0database\\0{database}\\0\\0");
            let length = 8 + "user0dbm0database00".len() + database.len() + 1;
            format!("printf '\\0\\0\\0\\{length:03o}\\0\\3\\0\\0{pairs}' >&3")
        };
        let tls = "printf '\\0\\0\\0\\010\\004\\322\\026\\057' >&3; head -c 1 <&3 >/dev/null";
        for (script, found) in [
            (connect("OWN", &startup("shop a")), Found::Own),
            (connect("SAME", &startup("shop a")), Found::Own),
            (
                connect("OWN", &format!("{tls}; {}", startup("shop a"))),
                Found::Own,
            ),
            (connect("OWN", &startup("other")), Found::OtherDatabase),
            (
                connect("OWN", "true").replace("sleep 9", "exit"),
                Found::Own,
            ),
            (connect("OTHER", &startup("shop a")), Found::Not),
            ("exit 0".to_owned(), Found::Not),
            ("test $FLAG = 1 && exit 0; sleep 9".to_owned(), Found::Not),
        ] {
            assert_eq!(asked(&script), found, "{script}");
        }
    }

    #[test]
    fn it_holds_no_credential() {
        let script = "case \"$OWN$SAME\" in *u:p*|*q@*) sleep 1; exit;; esac; rest=${OWN#*@127.0.0.1:}; \
                      exec 3<>/dev/tcp/127.0.0.1/${rest%%/*}";
        assert_eq!(asked(script), Found::Own);
    }
}
