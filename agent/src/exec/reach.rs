//! Waits for a database that no connection reaches yet: a proxy that was added to the pod opens the network seconds after
//! the other containers have started.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// Where a URL leads; nothing where that is no host that TCP reaches.
#[must_use]
pub fn place(url: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(url).ok()?;
    let elsewhere = url.query_pairs().any(|(name, _)| name == "host");
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!elsewhere && !host.contains('%')).then(|| (host.to_owned(), url.port().unwrap_or(PORT)))
}

/// Waits until somebody takes connections there, for so long at most, and while it is to go on. Where the first attempt
/// succeeds, that is all. What becomes of a connection is not its business: the command finds that out.
pub fn wait(
    (host, port): &(String, u16),
    patience: Duration,
    goes_on: impl Fn() -> bool,
    say: impl Fn(&str),
) {
    let began = Instant::now();
    let Err(error) = attempt(host, *port) else {
        return;
    };
    say(&format!(
        "the database's server does not take connections yet ({error}): waiting up to {} s for it, because a proxy in this pod may still be starting",
        patience.as_secs()
    ));
    while began.elapsed() < patience && goes_on() {
        thread::sleep(PAUSE);
        if attempt(host, *port).is_ok() {
            say(&format!(
                "it takes connections, after {} s",
                began.elapsed().as_secs()
            ));
            return;
        }
    }
    if goes_on() {
        say("it still takes no connections; the command is started all the same");
    }
}

fn attempt(host: &str, port: u16) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ATTEMPT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;
    use std::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn said(place: &(String, u16), patience: Duration, goes_on: impl Fn() -> bool) -> Vec<String> {
        let lines = RefCell::new(Vec::new());
        wait(place, patience, goes_on, |line| {
            lines.borrow_mut().push(line.to_owned());
        });
        lines.into_inner()
    }

    fn free() -> (String, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (
            "127.0.0.1".to_owned(),
            listener.local_addr().unwrap().port(),
        )
    }

    #[test]
    fn places() {
        let of = |url: &str| place(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(of("postgres://u:p@db/d").as_deref(), Some("db 5432"));
        assert_eq!(of("postgres://u@[::1]:6/d?a=b").as_deref(), Some("::1 6"));
        assert_eq!(of("postgres://u@db/d?host=/run"), None);
        assert_eq!(of("postgres://u@%2Frun/d"), None);
        assert_eq!(of("postgres:///d"), None);
    }

    #[test]
    fn a_server_that_is_there_costs_no_word() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = (
            "127.0.0.1".to_owned(),
            listener.local_addr().unwrap().port(),
        );
        assert!(said(&place, PATIENCE, || true).is_empty());
    }

    #[test]
    fn a_proxy_that_starts_late_is_waited_for() {
        let place = free();
        let port = place.1;
        let proxy = thread::spawn(move || {
            thread::sleep(Duration::from_millis(1200));
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            listener.accept().unwrap();
        });
        let lines = said(&place, PATIENCE, || true);
        proxy.join().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("proxy"), "{lines:?}");
        assert!(lines[1].starts_with("it takes connections"), "{lines:?}");
    }

    #[test]
    fn it_is_not_waited_for_ever_nor_against_a_wish_to_stop() {
        let lines = said(&free(), Duration::from_millis(600), || true);
        assert!(lines[1].contains("started all the same"), "{lines:?}");
        assert_eq!(said(&free(), PATIENCE, || false).len(), 1);
    }
}
