//! Wiring and error policy: which watches wake a resource, and the loop of observe, decide and apply.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{join_all, pending, ready};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, ResourceExt};

use crate::api::{LABEL_MIGRATION, MigrationAction};
use crate::decide::decide;
use crate::runtime::clock;
use crate::runtime::liveness::{self, Pulse};
use crate::runtime::metrics::ReconcileOutcome;
use crate::runtime::options::Watched;
use crate::world::cluster::{
    Cache, Cluster, Error, Kept, PackedResource, SeenJob, SeenPod, Shared, Turn, Who,
};

/// More rounds than this in one go would be a decision that makes no progress.
const ROUNDS: usize = 16;
/// The wait after an error; the API server's own answers are tried again by the client before that.
const AFTER_ERROR: Duration = Duration::from_secs(3);
/// The wait after a conflict: the cache is about to learn of the other write.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// The wait after there was no room to wait for a database.
const AFTER_CROWDED: Duration = Duration::from_secs(5);
/// Objects that are listed at once. A page of Jobs or pods is held whole before what is kept of it is taken out, and its text is of
/// every kind: the memory that a big one takes is never given back.
const PAGE: u32 = 25;
/// The longest wait after a watch has failed: no later than this is a change seen after the API server is back.
const WATCH_AGAIN: Duration = Duration::from_secs(8);
/// Resources that there are not whose actions are answered at once.
const ANSWERED: usize = 4;
/// So long the actions of one of them may take: others wait behind them.
const ANSWER: Duration = Duration::from_secs(60);
/// The wait after [`ROUNDS`].
const AFTER_ROUNDS: Duration = Duration::from_secs(1);

/// Runs one controller for each watched namespace, or one for all, until `stop` completes.
pub async fn run<F>(shared: Arc<Shared>, watched: &Watched, stop: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + Sync + 'static,
{
    let namespaces: Vec<Option<String>> = match watched {
        Watched::All => vec![None],
        Watched::Namespaces(names) => names.iter().cloned().map(Some).collect(),
    };
    let scopes = namespaces
        .into_iter()
        .map(|namespace| scope(shared.clone(), namespace, stop()));
    join_all(scopes).await;
}

async fn scope<F>(shared: Arc<Shared>, namespace: Option<String>, stop: F)
where
    F: Future<Output = ()> + Send + Sync + 'static,
{
    fn api<K>(shared: &Shared, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match namespace {
            Some(namespace) => Api::namespaced(shared.client.clone(), namespace),
            None => Api::all(shared.client.clone()),
        }
    }
    let all = || watcher::Config::default().page_size(PAGE);
    let of_ours = || all().labels(LABEL_MIGRATION);
    let namespace = namespace.as_deref();

    let jobs = Arc::new(Cache::<SeenJob>::default());
    let job_events = heard(watcher(api::<Job>(&shared, namespace), of_ours()), &jobs);
    let pods = Arc::new(Cache::<SeenPod>::default());
    let pod_events = heard(watcher(api::<Pod>(&shared, namespace), of_ours()), &pods);
    let actions = Arc::new(Cache::<MigrationAction>::default());
    let action_events = heard(watcher(api(&shared, namespace), all()), &actions);

    let woken = stream::select(shared.sleepers.listen(), beats());
    let (resources, writer) = reflector::store();
    let changed = steady(watcher(api::<PackedResource>(&shared, namespace), all()))
        .reflect(writer)
        // Of one that is gone, too: what waited for it is told so.
        .touched_objects();
    let cluster = Arc::new(Cluster::new(
        shared.clone(),
        resources.clone(),
        jobs,
        pods,
        actions,
    ));
    let controller = Controller::for_stream(changed, resources)
        .watches_stream(job_events, |job| owner(&job))
        .watches_stream(pod_events, |pod| owner(&pod))
        .watches_stream(action_events, |action| decided_on(&action))
        .reconcile_on(woken)
        // Who still waits for its turn then has done nothing yet.
        .graceful_shutdown_on(stop.map({
            let cluster = cluster.clone();
            move |()| cluster.lanes.close()
        }))
        .run(reconcile, on_error, cluster.clone());
    let name = namespace.unwrap_or("all namespaces");
    let queue = shared.liveness.pulse(format!("work queue of {name}"));
    let road = shared.liveness.pulse(format!("reconciliations of {name}"));
    let (absent, asked) = mpsc::unbounded();
    let gone = cluster.clone();
    let work = async move {
        controller
            .for_each(|result| {
                match result {
                    Ok(_) | Err(kube::runtime::controller::Error::ReconcilerFailed(..)) => {}
                    Err(kube::runtime::controller::Error::ObjectNotFound(object)) => {
                        if object.name == NOBODY {
                            queue.beat();
                        } else {
                            let namespace = object.namespace.as_deref().unwrap_or_default();
                            let resource = ObjectRef::new(&object.name).within(namespace);
                            gone.gone(&resource);
                            // Not awaited here: what hangs would hold up every resource.
                            let _ = absent.unbounded_send(resource);
                        }
                    }
                    Err(error) => tracing::warn!(%error, "watch"),
                }
                ready(())
            })
            .await;
    };
    let beside = async {
        tokio::select! {
            () = moving(&cluster, &road) => {}
            () = answer_absent(&cluster, asked) => {}
        }
    };
    tokio::join!(work, beside);
}

/// A resource that there is not, for which the work queue is asked now and then: as long as it answers it goes on.
const NOBODY: &str = "";

fn beats() -> impl Stream<Item = Who> + Send + 'static {
    stream::unfold((), async |()| {
        tokio::time::sleep(liveness::BEAT).await;
        Some((Who::new(NOBODY), ()))
    })
}

/// Takes a place among the reconciliations now and then: as long as it gets one they end. It goes on until there is none to be had
/// any more.
async fn moving(cluster: &Cluster, road: &Pulse) {
    while cluster.lanes.enter().await.is_some() {
        road.beat();
        tokio::time::sleep(liveness::BEAT).await;
    }
    pending().await
}

/// Answers what somebody decided on resources that there are not, of a few at a time.
async fn answer_absent(cluster: &Cluster, absent: mpsc::UnboundedReceiver<Who>) {
    let answer =
        async |resource: Who| match tokio::time::timeout(ANSWER, cluster.answer_orphans(&resource))
            .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "actions without a resource are not answered");
            }
            Err(_) => {
                tracing::warn!(%resource, "actions without a resource are not answered in time");
            }
        };
    absent.for_each_concurrent(ANSWERED, answer).await;
}

/// A watch that goes on after errors by itself, and tells the controller of none.
///
/// A controller that hears of an error of one watch stops polling all of them for a backoff of its own. Requests that
/// the others have under way wait unread meanwhile, fail when they are looked at, and stop them all again, for longer each time: after
/// 20 s without an API server nothing was watched for minutes.
fn steady<K: kube::Resource<DynamicType = ()> + Send + 'static>(
    watch: impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static {
    watch
        .backoff(WatchBackoff(DefaultBackoff::default()))
        .filter_map(async |event| match event {
            Ok(event) => Some(Ok(event)),
            Err(error) => {
                tracing::warn!(%error, "watching {} failed; it is tried again", K::plural(&()));
                None
            }
        })
}

/// The usual backoff, which is kind to API servers with thousands of clients, up to [`WATCH_AGAIN`]: this is one client.
struct WatchBackoff(DefaultBackoff);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.0.next()?.min(WATCH_AGAIN))
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// The objects that a watch tells of, after the cache has heard of them.
fn heard<
    K: Kept<Object: kube::Resource<DynamicType = ()> + Clone + Send> + Send + Sync + 'static,
>(
    watch: impl Stream<Item = Result<watcher::Event<K::Object>, watcher::Error>> + Send + 'static,
    cache: &Arc<Cache<K>>,
) -> impl Stream<Item = Result<K::Object, watcher::Error>> + Send + 'static {
    let cache = cache.clone();
    steady(watch)
        .inspect_ok(move |event| cache.hear(event))
        .touched_objects()
}

/// The resource that an action is about.
fn decided_on(action: &MigrationAction) -> Option<Who> {
    Some(ObjectRef::new(&action.spec.migration).within(&action.namespace()?))
}

/// The resource whose label an object carries.
fn owner<K: ResourceExt>(object: &K) -> Option<Who> {
    let name = object.labels().get(LABEL_MIGRATION)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

async fn reconcile(cached: Arc<PackedResource>, cluster: Arc<Cluster>) -> Result<Action, Error> {
    // A cache that has not been filled yet would show Jobs without their pods: ended, and nothing known of how.
    cluster.caches_filled().await;
    // The controller itself bounds nothing: of those that wait it takes any, and under load the same ones again and again.
    let Some(turn) = cluster.lanes.enter().await else {
        return Ok(Action::await_change());
    };
    let start = clock::monotonic();
    let cached = cluster.cached(&cached);
    // Boxed, because thousands may wait above and need no room for what comes here.
    let result = Box::pin(rounds(&cached, &cluster, &turn)).await;
    if result.is_err() {
        // Who cannot be worked on holds up nobody.
        cluster.settle(&*cached, &BTreeSet::new());
    }
    let outcome = match &result {
        Ok(_) | Err(Error::Crowded) => ReconcileOutcome::Ok,
        Err(Error::Conflict(_)) => ReconcileOutcome::Conflict,
        Err(Error::Api { .. } | Error::Packed(_)) => ReconcileOutcome::Error,
    };
    cluster
        .shared
        .metrics
        .reconciled(outcome, clock::monotonic().saturating_sub(start));
    result
}

/// Observe, decide, apply; again at once while the next step can be decided without waiting for anything.
async fn rounds(
    cached: &PackedResource,
    cluster: &Cluster,
    turn: &Turn<'_>,
) -> Result<Action, Error> {
    let mut object = cluster.newest(cached)?;
    for _ in 0..ROUNDS {
        let snapshot = cluster.observe(&object, turn).await?;
        let mut decision = decide(&snapshot);
        decision.poll_ms = cluster.pace(&*object, decision.poll_ms);
        let next = decision.next_ms();
        let in_line = decision.in_line.clone();
        let (new, again) = cluster.apply(&snapshot, object, decision).await?;
        object = new;
        if again {
            continue;
        }
        cluster.settle(&*object, &in_line);
        return Ok(match next {
            None => Action::await_change(),
            Some(ms) => {
                let finished = object
                    .status
                    .as_ref()
                    .and_then(|status| status.run.as_ref())
                    .is_some_and(|run| run.finished_at.is_some());
                // Of a finished one the next look, or sooner what an action on it waits for.
                let ms = if finished {
                    ms.min(cluster.next_look_ms(&object)).max(1_000)
                } else {
                    ms
                };
                Action::requeue(Duration::from_millis(ms))
            }
        });
    }
    tracing::warn!(
        resource = object.name_any(),
        "{ROUNDS} rounds in one go; going on in a second"
    );
    Ok(Action::requeue(AFTER_ROUNDS))
}

fn on_error(object: Arc<PackedResource>, error: &Error, _: Arc<Cluster>) -> Action {
    match error {
        Error::Conflict(what) => {
            tracing::debug!(resource = object.name_any(), what, "changed in between");
            Action::requeue(AFTER_CONFLICT)
        }
        Error::Crowded => Action::requeue(AFTER_CROWDED),
        Error::Api { .. } | Error::Packed(_) => {
            tracing::warn!(namespace = object.namespace(), resource = object.name_any(), %error, "tried again");
            Action::requeue(AFTER_ERROR)
        }
    }
}
