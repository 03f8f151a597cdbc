//! The election against a small API server of our own: one Lease, versions, a watch.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;

type Test = Result<(), Box<dyn std::error::Error>>;

const FAST: Settings = Settings {
    duration: Duration::from_secs(1),
    renew_deadline: Duration::from_millis(800),
    renew_interval: Duration::from_millis(200),
    retry: Duration::from_millis(50),
};

#[derive(Debug, Default)]
struct Stored {
    lease: Option<Lease>,
    version: u64,
    writes: usize,
    reads: usize,
    down: bool,
}

/// One Lease on a server.
#[derive(Clone, Debug)]
struct Server {
    stored: Arc<Mutex<Stored>>,
    changes: watch::Sender<Option<Lease>>,
}

impl Server {
    fn new() -> Self {
        Self {
            stored: Arc::default(),
            changes: watch::channel(None).0,
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Stored) -> T) -> T {
        look(&mut self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, lease: Option<Lease>) -> Option<Lease> {
        let lease = self.with(|stored| {
            stored.version += 1;
            let version = stored.version.to_string();
            stored.lease = lease.map(|mut lease| {
                lease.metadata.resource_version = Some(version);
                lease
            });
            stored.lease.clone()
        });
        self.changes.send_replace(lease.clone());
        lease
    }

    fn holder(&self) -> Option<String> {
        self.with(|stored| {
            stored
                .lease
                .as_ref()
                .and_then(|lease| object::record(lease).holder)
        })
    }

    fn candidate(&self, pod: &str) -> Election {
        let router = Router::new()
            .route(
                "/apis/coordination.k8s.io/v1/namespaces/dbm/leases",
                get(list_or_watch).post(create),
            )
            .route(
                "/apis/coordination.k8s.io/v1/namespaces/dbm/leases/leader",
                get(read).put(replace),
            )
            .with_state(self.clone());
        Election::new(Client::new(router, "dbm"), "dbm", "leader", pod, FAST)
    }
}

fn answer(status: StatusCode, body: &impl serde::Serialize) -> Response {
    (status, serde_json::to_string(body).unwrap_or_default()).into_response()
}

fn refusal(status: StatusCode) -> Response {
    let reason = status
        .canonical_reason()
        .unwrap_or_default()
        .replace(' ', "");
    let body = json!({"kind": "Status", "status": "Failure", "code": status.as_u16(), "reason": reason, "message": ""});
    answer(status, &body)
}

async fn list_or_watch(State(server): State<Server>, uri: Uri) -> Response {
    if uri
        .query()
        .is_some_and(|query| query.contains("watch=true"))
    {
        let mut changes = server.changes.subscribe();
        changes.mark_changed();
        let events = stream::unfold(
            (changes, None),
            async |(mut changes, before): (_, Option<Value>)| {
                let (kind, lease) = loop {
                    watch::Receiver::changed(&mut changes).await.ok()?;
                    match (changes.borrow_and_update().clone(), &before) {
                        (Some(lease), _) => break ("MODIFIED", json!(lease)),
                        (None, Some(before)) => break ("DELETED", before.clone()),
                        (None, None) => {}
                    }
                };
                let line = format!("{}\n", json!({"type": kind, "object": lease}));
                Some((
                    Ok::<_, std::convert::Infallible>(line),
                    (changes, Some(lease)),
                ))
            },
        );
        return Body::from_stream(events).into_response();
    }
    let (items, version) = server.with(|stored| {
        (
            Vec::from_iter(stored.lease.clone()),
            stored.version.to_string(),
        )
    });
    let metadata = json!({"resourceVersion": version});
    answer(
        StatusCode::OK,
        &json!({"kind": "LeaseList", "apiVersion": "coordination.k8s.io/v1", "metadata": metadata, "items": items}),
    )
}

async fn read(State(server): State<Server>) -> Response {
    let lease = server.with(|stored| {
        stored.reads += 1;
        stored.lease.clone()
    });
    lease.map_or_else(
        || refusal(StatusCode::NOT_FOUND),
        |lease| answer(StatusCode::OK, &lease),
    )
}

async fn create(server: State<Server>, body: Bytes) -> Response {
    match server.with(|stored| stored.lease.is_some()) {
        true => refusal(StatusCode::CONFLICT),
        false => write(&server, &body),
    }
}

async fn replace(server: State<Server>, body: Bytes) -> Response {
    let sent: Option<Lease> = serde_json::from_slice(&body).ok();
    let version = |lease: &Option<Lease>| {
        lease
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone())
    };
    match server.with(|stored| (version(&stored.lease), stored.down)) {
        (_, true) => refusal(StatusCode::INTERNAL_SERVER_ERROR),
        (None, _) => refusal(StatusCode::NOT_FOUND),
        (have, _) if have != version(&sent) => refusal(StatusCode::CONFLICT),
        _ => write(&server, &body),
    }
}

fn write(server: &Server, body: &[u8]) -> Response {
    server.with(|stored| stored.writes += 1);
    match serde_json::from_slice(body) {
        Ok(lease) => answer(StatusCode::OK, &server.put(Some(lease))),
        Err(_) => refusal(StatusCode::BAD_REQUEST),
    }
}

#[tokio::test]
async fn a_leader_writes_once_an_interval_and_reads_nothing() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    let candidate = server.candidate("a");
    let identity = candidate.identity().to_owned();
    assert!(identity.starts_with("a_"));
    let leadership = candidate.acquire(&shutdown).await.ok_or("no leader")?;
    assert_eq!(server.holder(), Some(identity));

    let watched = server.clone();
    let (writes, reads) = leadership
        .run(async move {
            sleep(Duration::from_millis(900)).await;
            watched.with(|stored| (stored.writes, stored.reads))
        })
        .await?;
    assert!(
        (3..=5).contains(&writes),
        "the first, and four of 200 ms: {writes}"
    );
    assert_eq!(reads, 0);
    assert_eq!(server.holder(), None, "released when the work is done");
    Ok(())
}

#[tokio::test]
async fn the_next_takes_over_at_once_from_one_that_released() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    let first = server
        .candidate("a")
        .acquire(&shutdown)
        .await
        .ok_or("no leader")?;
    let second = server.candidate("b");
    let identity = second.identity().to_owned();
    let waiting = tokio::spawn(async move { second.acquire(&shutdown).await });
    let too_early = first
        .run(async {
            sleep(Duration::from_millis(1_500)).await;
            waiting.is_finished()
        })
        .await?;
    assert!(!too_early);
    let begun = clock::monotonic();
    let second = waiting.await?.ok_or("no leader")?;
    assert!(clock::monotonic() - begun < Duration::from_millis(500));
    assert_eq!(server.holder(), Some(identity));
    drop(second);
    Ok(())
}

#[tokio::test]
async fn a_leader_that_died_is_followed_after_the_duration() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    drop(
        server
            .candidate("a")
            .acquire(&shutdown)
            .await
            .ok_or("no leader")?,
    );
    let begun = clock::monotonic();
    let next = server.candidate("b").acquire(&shutdown).await;
    assert!(next.is_some());
    assert!(clock::monotonic() - begun >= FAST.duration);
    Ok(())
}

#[tokio::test]
async fn a_lease_taken_by_another_ends_the_work() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    let leadership = server
        .candidate("a")
        .acquire(&shutdown)
        .await
        .ok_or("no leader")?;
    let stored = server
        .with(|stored| stored.lease.clone())
        .ok_or("no lease")?;
    server.put(Some(object::held(stored, "b", FAST.duration, clock::now())));
    let ended = timeout(
        Duration::from_secs(5),
        leadership.run(std::future::pending::<()>()),
    )
    .await?;
    assert!(matches!(ended, Err(LeaseLost::Taken)), "{ended:?}");
    assert_eq!(server.holder().as_deref(), Some("b"), "left alone");
    Ok(())
}

#[tokio::test]
async fn a_deleted_lease_ends_the_work() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    let leadership = server
        .candidate("a")
        .acquire(&shutdown)
        .await
        .ok_or("no leader")?;
    server.put(None);
    let ended = timeout(
        Duration::from_secs(5),
        leadership.run(std::future::pending::<()>()),
    )
    .await?;
    assert!(matches!(ended, Err(LeaseLost::Taken)), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_for_too_long_ends_the_work_before_others_may_lead() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    let leadership = server
        .candidate("a")
        .acquire(&shutdown)
        .await
        .ok_or("no leader")?;
    server.with(|stored| stored.down = true);
    let begun = clock::monotonic();
    let ended = timeout(
        Duration::from_secs(5),
        leadership.run(std::future::pending::<()>()),
    )
    .await?;
    assert!(matches!(ended, Err(LeaseLost::NotRenewed(_))), "{ended:?}");
    assert!(clock::monotonic() - begun < FAST.duration);
    Ok(())
}

#[tokio::test]
async fn a_short_absence_and_a_touched_lease_cost_nothing() -> Test {
    let server = Server::new();
    let (_trigger, shutdown) = Shutdown::manual();
    let leadership = server
        .candidate("a")
        .acquire(&shutdown)
        .await
        .ok_or("no leader")?;
    let hand = server.clone();
    leadership
        .run(async move {
            hand.with(|stored| stored.down = true);
            sleep(Duration::from_millis(400)).await;
            hand.with(|stored| stored.down = false);
            let mut touched = hand.with(|stored| stored.lease.clone()).unwrap_or_default();
            touched.metadata.labels = Some([("touched".to_owned(), "yes".to_owned())].into());
            hand.put(Some(touched));
            sleep(Duration::from_millis(600)).await;
        })
        .await?;
    let labels = server
        .with(|stored| stored.lease.clone())
        .and_then(|lease| lease.metadata.labels);
    assert!(labels.is_some_and(|labels| labels.contains_key("touched")));
    Ok(())
}

#[tokio::test]
async fn a_standby_stops_when_asked() -> Test {
    let server = Server::new();
    let (trigger, shutdown) = Shutdown::manual();
    let leader = server
        .candidate("a")
        .acquire(&shutdown)
        .await
        .ok_or("no leader")?;
    let standby = tokio::spawn({
        let (candidate, shutdown) = (server.candidate("b"), shutdown.clone());
        async move { candidate.acquire(&shutdown).await.is_some() }
    });
    trigger.request();
    assert!(!timeout(Duration::from_secs(5), standby).await??);
    drop(leader);
    Ok(())
}
