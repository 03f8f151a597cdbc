//! `/healthz`, `/readyz` and `/metrics`.
//!
//! *Healthy* is a process whose event loop answers and whose parts go on ([`Liveness`]): a database or an API server that is away is
//! no reason to kill it, and a leader that lost its Lease ends by itself. *Ready* is a process that could do its work: each part that needs
//! something first (the CRDs, a cache) takes a flag and raises it. Leading is not such a condition: a standby with
//! warm caches is as ready as the leader, or a rolling update would wait for a leader that waits for the update.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::liveness::Liveness;
use super::metrics::{CONTENT_TYPE, Metrics};

/// How long open connections may go on after the stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a connection may take, for its one request and the answer. One that sends half a header holds no memory for longer.
const WHOLE: Duration = Duration::from_secs(10);
/// Open connections at once. One more takes the place of the oldest: a probe is answered in milliseconds, what is old is stuck.
const CONNECTIONS: usize = 64;
/// The longest header, in bytes; hyper's smallest bound.
const HEADER: usize = 8 * 1024;

/// Which parts of the process are ready. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

/// One part's say in [`Readiness`].
#[derive(Clone, Debug)]
pub struct ReadyFlag {
    name: &'static str,
    all: Readiness,
}

impl Readiness {
    /// Nothing waited for: ready until the first flag is taken, so take them before the server starts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A part that is not ready until it says so.
    #[must_use]
    pub fn flag(&self, name: &'static str) -> ReadyFlag {
        self.set(name, false);
        ReadyFlag {
            name,
            all: self.clone(),
        }
    }

    /// The parts that are not ready, in alphabetical order.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter(|(_, ready)| !**ready)
            .map(|(name, _)| *name)
            .collect()
    }

    fn set(&self, name: &'static str, ready: bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, ready);
    }
}

impl ReadyFlag {
    /// Says whether the part is ready.
    pub fn set(&self, ready: bool) {
        self.all.set(self.name, ready);
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// A server that has its address.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl HttpServer {
    /// Takes the address. Port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        address: SocketAddr,
        readiness: Readiness,
        liveness: Liveness,
        metrics: Arc<Metrics>,
    ) -> Result<Self, HttpError> {
        let bind = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self {
            listener,
            address,
            router: router(readiness, liveness, metrics),
        })
    }

    /// The address it has.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes, and lets open requests finish for a moment.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let mut http = http1::Builder::new();
        http.keep_alive(false).max_buf_size(HEADER);
        let service = TowerToHyperService::new(self.router);
        let mut open = VecDeque::new();
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                // No file descriptor is left, say.
                Err(error) => {
                    tracing::warn!(%error, "a connection to the HTTP server was not accepted");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            open.retain(|task: &JoinHandle<()>| !task.is_finished());
            if open.len() >= CONNECTIONS
                && let Some(oldest) = open.pop_front()
            {
                oldest.abort();
            }
            let connection = http.serve_connection(TokioIo::new(stream), service.clone());
            open.push_back(tokio::spawn(async move {
                // Who went away, was too slow or sent something else hears nothing more.
                let _ = tokio::time::timeout(WHOLE, connection).await;
            }));
        }
        let _ = tokio::time::timeout(DRAIN, join_all(&mut open)).await;
        open.iter().for_each(JoinHandle::abort);
    }
}

fn router(readiness: Readiness, liveness: Liveness, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/readyz", get(ready))
        .with_state(readiness)
        .merge(
            Router::new()
                .route("/healthz", get(alive))
                .with_state(liveness),
        )
        .merge(
            Router::new()
                .route("/metrics", get(scrape))
                .with_state(metrics),
        )
}

/// With `?verbose` each part has a line, as those of Kubernetes' own components have.
async fn alive(State(liveness): State<Liveness>, RawQuery(query): RawQuery) -> Response {
    let parts = match query.as_deref() {
        Some("verbose") => liveness.ages(),
        _ => Vec::new(),
    };
    let lines: String = parts
        .iter()
        .map(|(part, age)| format!("{part}: {} s ago\n", age.as_secs()))
        .collect();
    match liveness.hanging().as_slice() {
        [] => (lines + "ok\n").into_response(),
        hanging => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("hanging: {}\n", hanging.join(", ")),
        )
            .into_response(),
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.missing().as_slice() {
        [] => "ok\n".into_response(),
        missing => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {}\n", missing.join(", ")),
        )
            .into_response(),
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.encode() {
        Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};

    use super::super::shutdown::{Shutdown, Trigger};
    use super::*;

    async fn fetch(address: SocketAddr, path: &'static str) -> std::io::Result<String> {
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address)?;
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    /// A server on a port of its own, what stops it, and its end.
    async fn serve(
        readiness: Readiness,
    ) -> Result<(SocketAddr, Trigger, JoinHandle<()>), HttpError> {
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let metrics = Arc::new(Metrics::new("1"));
        let server = HttpServer::bind(address, readiness, Liveness::default(), metrics).await?;
        let address = server.address();
        let (trigger, shutdown) = Shutdown::manual();
        Ok((
            address,
            trigger,
            tokio::spawn(server.serve(shutdown.wait())),
        ))
    }

    #[tokio::test]
    async fn answers_and_stops() -> Result<(), Box<dyn std::error::Error>> {
        let readiness = Readiness::new();
        let (crds, cache) = (readiness.flag("crds"), readiness.flag("cache"));
        let (address, trigger, serving) = serve(readiness).await?;

        assert!(
            fetch(address, "/healthz")
                .await?
                .starts_with("HTTP/1.1 200")
        );
        let waiting = fetch(address, "/readyz").await?;
        assert!(
            waiting.starts_with("HTTP/1.1 503") && waiting.ends_with("not ready: cache, crds\n"),
            "{waiting}"
        );
        cache.set(true);
        crds.set(true);
        assert!(fetch(address, "/readyz").await?.starts_with("HTTP/1.1 200"));
        let metrics = fetch(address, "/metrics").await?;
        assert!(
            metrics.contains("content-type: application/openmetrics-text")
                && metrics.contains("dbm_leader 0")
        );
        assert!(fetch(address, "/other").await?.starts_with("HTTP/1.1 404"));

        // a client that stays connected does not hold the process
        let idle = TcpStream::connect(address)?;
        trigger.request();
        tokio::time::timeout(Duration::from_secs(10), serving).await??;
        drop(idle);
        assert!(fetch(address, "/healthz").await.is_err());
        Ok(())
    }

    // Connections are made here without yielding: the server needs a thread of its own to take them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn requests_that_are_never_finished_take_no_place_from_others()
    -> Result<(), Box<dyn std::error::Error>> {
        let (address, trigger, serving) = serve(Readiness::new()).await?;
        let mut held = Vec::new();
        for _ in 0..3 * CONNECTIONS {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ")?;
            held.push(stream);
        }
        assert!(
            fetch(address, "/healthz")
                .await?
                .starts_with("HTTP/1.1 200")
        );
        // The oldest are closed: a read ends.
        held[0].set_read_timeout(Some(Duration::from_secs(10)))?;
        let ended = tokio::task::spawn_blocking(move || {
            let mut rest = [0; 1];
            (held[0].read(&mut rest), held)
        })
        .await?;
        assert!(!matches!(&ended.0, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock));

        let mut long = TcpStream::connect(address)?;
        let header = vec![b'x'; 4 * HEADER];
        let _ = long.write_all(b"GET /healthz HTTP/1.1\r\nX: ");
        let _ = long.write_all(&header);
        let mut answer = String::new();
        long.set_read_timeout(Some(Duration::from_secs(10)))?;
        let _ = long.read_to_string(&mut answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        trigger.request();
        serving.await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_taken_address_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = taken.local_addr()?;
        let error = HttpServer::bind(
            address,
            Readiness::new(),
            Liveness::default(),
            Arc::new(Metrics::new("1")),
        )
        .await
        .err();
        assert_eq!(
            error.map(|error| error.to_string()),
            Some(format!("cannot listen on {address}"))
        );
        Ok(())
    }
}
