//! The proxy between an operator and the API server: it passes everything on, and lets go wrong what a scenario says.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::request::Asked;
use super::script::{Fault, Rule};
use super::watches::{Control, pass_on};
use crate::harness::Operator;

/// An error of a body, or of a connection that is cut.
pub type Cut = Box<dyn std::error::Error + Send + Sync>;
pub type Body = UnsyncBoxBody<Bytes, Cut>;

/// A listening proxy; dropped, it is gone.
pub struct Proxy {
    /// Where it listens, as a URL.
    pub address: String,
    inner: Arc<Inner>,
    server: tokio::task::JoinHandle<()>,
}

struct Inner {
    upstream: Client,
    armed: Mutex<Armed>,
    watches: watch::Sender<Control>,
    /// The operator behind it, to be killed.
    operator: Mutex<Option<Operator>>,
}

#[derive(Default)]
struct Armed {
    rules: Vec<(Rule, usize)>,
    /// What was written since it was armed, in order.
    writes: Vec<String>,
    /// How often something went wrong.
    fired: usize,
    away_until: Option<Instant>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
        if std::thread::panicking()
            && let Some(operator) = self.inner.operator.lock().unwrap().as_ref()
        {
            let writes = &self.inner.armed.lock().unwrap().writes;
            eprintln!(
                "--- log of the operator\n{}\n--- its writes\n{writes:#?}",
                operator.log()
            );
        }
    }
}

impl Proxy {
    /// Listens on loopback.
    pub async fn start() -> Proxy {
        let mut config = Config::infer().await.expect("KUBECONFIG");
        // The administrator's certificate is not passed through; the operator says itself, in a header, whose rights it has.
        config.read_timeout = None;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            upstream: Client::try_from(config).unwrap(),
            armed: Mutex::default(),
            watches: watch::channel(Control::default()).0,
            operator: Mutex::default(),
        });
        let serving = inner.clone();
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let inner = serving.clone();
                if away(&inner) {
                    // As where nobody listens: there is nothing to be sent into.
                    continue;
                }
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(inner.clone(), request));
                    // Its end is the operator's, or what a scenario wants.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Proxy {
            address,
            inner,
            server,
        }
    }

    /// The operator that scenarios kill.
    pub fn put(&self, operator: Operator) {
        *self.inner.operator.lock().unwrap() = Some(operator);
    }

    /// Asks the operator's process something.
    pub fn operator<T>(&self, ask: impl FnOnce(&mut Operator) -> T) -> T {
        ask(self
            .inner
            .operator
            .lock()
            .unwrap()
            .as_mut()
            .expect("an operator"))
    }

    /// From here on requests are counted, and things go wrong.
    pub fn arm(&self, rules: &[Rule]) {
        if rules.iter().any(|rule| rule.fault == Fault::EchoWatches) {
            self.inner
                .watches
                .send_modify(|control| control.echo = true);
        }
        *self.inner.armed.lock().unwrap() = Armed {
            rules: rules.iter().map(|rule| (rule.clone(), 0)).collect(),
            ..Armed::default()
        };
    }

    /// What was written since, in order.
    pub fn writes(&self) -> Vec<String> {
        self.inner.armed.lock().unwrap().writes.clone()
    }

    /// How often something went wrong since.
    pub fn fired(&self) -> usize {
        self.inner.armed.lock().unwrap().fired
    }
}

/// Whether nobody answers at the moment.
fn away(inner: &Inner) -> bool {
    let until = inner.armed.lock().unwrap().away_until;
    until.is_some_and(|until| Instant::now() < until)
}

/// Counts a request, and says what goes wrong with it.
fn due(inner: &Inner, asked: &Asked) -> Vec<Fault> {
    let mut armed = inner.armed.lock().unwrap();
    if asked.writes {
        let line = format!("{} {} {}", asked.verb, asked.resource, asked.name);
        armed.writes.push(line.trim_end().to_owned());
    }
    let mut faults = Vec::new();
    for (rule, count) in &mut armed.rules {
        if rule.on.fits(&asked.verb, &asked.resource, asked.writes) {
            *count += 1;
            if (rule.on.from..=rule.on.to).contains(count) {
                faults.push(rule.fault.clone());
            }
        }
    }
    armed.fired += faults.len();
    faults
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let uri = request.uri().clone();
    let asked = Asked::of(
        request.method().as_str(),
        uri.path(),
        uri.query().unwrap_or_default(),
    );
    if away(&inner) {
        return Err("nobody answers".into());
    }
    let faults = due(&inner, &asked);
    for fault in &faults {
        match fault {
            Fault::KillBefore => {
                kill(&inner);
                return Err("killed".into());
            }
            Fault::CutBefore => return Err("cut".into()),
            Fault::Answer(code) => return Ok(refusal(*code)),
            Fault::HoldWatches(kinds, time) => hold(&inner, kinds, *time),
            _ => {}
        }
    }
    let hides = faults.contains(&Fault::HideEnd);
    if hides {
        let kinds = ["jobs".to_owned(), "pods".to_owned()];
        inner
            .watches
            .send_modify(|control| control.held.extend(kinds));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let forwarded = Request::from_parts(parts, kube::client::Body::from(body));
    let response = inner.upstream.send(forwarded).await;
    let response =
        response.inspect_err(|error| eprintln!("{} {}: {error}", asked.verb, asked.resource))?;
    for fault in &faults {
        match fault {
            Fault::KillAfter => {
                kill(&inner);
                return Err("killed".into());
            }
            Fault::CutAfter => return Err("cut".into()),
            Fault::Away(time) => {
                inner.armed.lock().unwrap().away_until = Some(Instant::now() + *time);
                inner.watches.send_modify(|control| control.cuts += 1);
            }
            Fault::ExpireWatches => inner.watches.send_modify(|control| control.expiries += 1),
            _ => {}
        }
    }
    let (parts, body) = response.into_parts();
    if asked.verb == "watch" && parts.status == StatusCode::OK {
        let (sender, lines) = mpsc::unbounded_channel();
        let kind = asked.resource.clone();
        tokio::spawn(pass_on(body, kind, inner.watches.subscribe(), sender));
        let frames = tokio_stream(lines).map(|line| line.map(Frame::data));
        return Ok(Response::from_parts(
            parts,
            StreamBody::new(frames).boxed_unsync(),
        ));
    }
    let bytes = body.collect().await?.to_bytes();
    if hides {
        let made: serde_json::Value = serde_json::from_slice(&bytes)?;
        tokio::spawn(hidden(inner.clone(), made));
    }
    Ok(Response::from_parts(parts, whole(bytes)))
}

fn tokio_stream(
    mut lines: mpsc::UnboundedReceiver<Result<Bytes, Cut>>,
) -> impl futures::Stream<Item = Result<Bytes, Cut>> {
    futures::stream::poll_fn(move |context| lines.poll_recv(context))
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// The API server's own form of a refusal.
fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a test lets this go wrong", "reason": reason, "code": code,
    });
    let mut response = Response::new(whole(Bytes::from(status.to_string())));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    if code == 429 {
        headers.insert("retry-after", http::HeaderValue::from_static("1"));
    }
    response
}

/// Kills the operator and starts it again.
fn kill(inner: &Inner) {
    if let Some(operator) = inner.operator.lock().unwrap().as_mut() {
        operator.restart(None);
    }
}

fn hold(inner: &Arc<Inner>, kinds: &[String], time: Duration) {
    inner
        .watches
        .send_modify(|control| control.held.extend(kinds.iter().cloned()));
    let (inner, kinds) = (inner.clone(), kinds.to_vec());
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        inner
            .watches
            .send_modify(|control| control.held.retain(|kind| !kinds.contains(kind)));
    });
}

/// Waits until a Job has ended, deletes it with its pod, and lets the watches go on.
async fn hidden(inner: Arc<Inner>, made: serde_json::Value) {
    use k8s_openapi::api::batch::v1::Job;
    use kube::api::{Api, DeleteParams};
    let text = |key: &str| {
        made["metadata"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let client = Client::try_default().await.expect("KUBECONFIG");
    let jobs: Api<Job> = Api::namespaced(client, &text("namespace"));
    let name = text("name");
    let ended = |job: Option<&Job>| {
        let status = job.and_then(|job| job.status.as_ref());
        status.is_some_and(|status| {
            status
                .succeeded
                .or(status.failed)
                .is_some_and(|ends| ends > 0)
        })
    };
    kube::runtime::wait::await_condition(jobs.clone(), &name, ended)
        .await
        .expect("the Job is watched");
    let uid = text("uid");
    let _ = jobs.delete(&name, &DeleteParams::foreground()).await;
    kube::runtime::wait::await_condition(jobs, &name, kube::runtime::conditions::is_deleted(&uid))
        .await
        .expect("the Job is watched");
    inner.watches.send_modify(|control| {
        control.held.remove("jobs");
        control.held.remove("pods");
    });
}
