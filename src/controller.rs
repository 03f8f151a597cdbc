//! Wiring and error policy: which watches wake a resource, and the loop of observe, decide and apply.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, ResourceExt};

use crate::api::{DatabaseMigration, LABEL_MIGRATION, MigrationAction};
use crate::decide::decide;
use crate::runtime::clock;
use crate::runtime::metrics::ReconcileOutcome;
use crate::runtime::options::Watched;
use crate::world::cluster::{Cluster, Error, Shared};

/// More rounds than this in one go would be a decision that makes no progress.
const ROUNDS: usize = 16;
/// The wait after an error; the API server's own answers are tried again by the client before that.
const AFTER_ERROR: Duration = Duration::from_secs(3);
/// The wait after a conflict: the cache is about to learn of the other write.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// The wait after [`ROUNDS`].
const AFTER_ROUNDS: Duration = Duration::from_secs(1);

/// Runs one controller for each watched namespace, or one for all, until `stop` completes.
pub async fn run<F>(shared: Arc<Shared>, watched: &Watched, concurrency: u16, stop: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + Sync + 'static,
{
    let namespaces: Vec<Option<String>> = match watched {
        Watched::All => vec![None],
        Watched::Namespaces(names) => names.iter().cloned().map(Some).collect(),
    };
    let scopes = namespaces
        .into_iter()
        .map(|namespace| scope(shared.clone(), namespace, concurrency, stop()));
    join_all(scopes).await;
}

async fn scope<F>(shared: Arc<Shared>, namespace: Option<String>, concurrency: u16, stop: F)
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
    let of_ours = || watcher::Config::default().labels(LABEL_MIGRATION);
    let namespace = namespace.as_deref();

    let (jobs, jobs_writer) = reflector::store();
    let job_events = watcher(api::<Job>(&shared, namespace), of_ours())
        .default_backoff()
        .modify(|job| job.managed_fields_mut().clear())
        .reflect(jobs_writer)
        .touched_objects();
    let (pods, pods_writer) = reflector::store();
    let pod_events = watcher(api::<Pod>(&shared, namespace), of_ours())
        .default_backoff()
        .modify(|pod| pod.managed_fields_mut().clear())
        .reflect(pods_writer)
        .touched_objects();

    let (actions, actions_writer) = reflector::store();
    let action_events = watcher(
        api::<MigrationAction>(&shared, namespace),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(|action| action.managed_fields_mut().clear())
    .reflect(actions_writer)
    .touched_objects();

    let woken = shared.sleepers.listen();
    let controller = Controller::new(
        api::<DatabaseMigration>(&shared, namespace),
        watcher::Config::default(),
    );
    let cluster = Arc::new(Cluster::new(
        shared.clone(),
        controller.store(),
        jobs,
        pods,
        actions,
    ));
    let controller = controller
        .with_config(Config::default().concurrency(concurrency))
        .watches_stream(job_events, |job| owner(&job))
        .watches_stream(pod_events, |pod| owner(&pod))
        .watches_stream(action_events, |action| decided_on(&action))
        .reconcile_on(woken)
        .graceful_shutdown_on(stop)
        .run(reconcile, on_error, cluster.clone());
    controller
        .for_each(|result| async {
            match result {
                Ok(_) | Err(kube::runtime::controller::Error::ReconcilerFailed(..)) => {}
                // Somebody decided on a resource that there is not.
                Err(kube::runtime::controller::Error::ObjectNotFound(resource)) => {
                    let resource = ObjectRef::new(&resource.name)
                        .within(resource.namespace.as_deref().unwrap_or_default());
                    if let Err(error) = cluster.refuse_orphans(&resource).await {
                        tracing::warn!(%error, "actions without a resource are not answered");
                    }
                }
                Err(error) => tracing::warn!(%error, "watch"),
            }
        })
        .await;
}

/// The resource that an action is about.
fn decided_on(action: &MigrationAction) -> Option<ObjectRef<DatabaseMigration>> {
    Some(ObjectRef::new(&action.spec.migration).within(&action.namespace()?))
}

/// The resource whose label an object carries.
fn owner<K: ResourceExt>(object: &K) -> Option<ObjectRef<DatabaseMigration>> {
    let name = object.labels().get(LABEL_MIGRATION)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

async fn reconcile(cached: Arc<DatabaseMigration>, cluster: Arc<Cluster>) -> Result<Action, Error> {
    let start = clock::monotonic();
    // A cache that has not been filled yet would show Jobs without their pods: ended, and nothing known of how.
    cluster.caches_filled().await;
    let result = rounds(&cached, &cluster).await;
    let outcome = match &result {
        Ok(_) => ReconcileOutcome::Ok,
        Err(Error::Conflict(_)) => ReconcileOutcome::Conflict,
        Err(Error::Api { .. }) => ReconcileOutcome::Error,
    };
    cluster
        .shared
        .metrics
        .reconciled(outcome, clock::monotonic().saturating_sub(start));
    result
}

/// Observe, decide, apply; again at once while the next step can be decided without waiting for anything.
async fn rounds(cached: &Arc<DatabaseMigration>, cluster: &Cluster) -> Result<Action, Error> {
    let mut object = cluster.newest(cached);
    for _ in 0..ROUNDS {
        let snapshot = cluster.observe(&object).await?;
        let decision = decide(&snapshot);
        let requeue = decision.requeue_ms;
        let (new, again) = cluster.apply(&snapshot, object, decision).await?;
        object = new;
        if again {
            continue;
        }
        return Ok(match requeue {
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

fn on_error(object: Arc<DatabaseMigration>, error: &Error, _: Arc<Cluster>) -> Action {
    match error {
        Error::Conflict(what) => {
            tracing::debug!(resource = object.name_any(), what, "changed in between");
            Action::requeue(AFTER_CONFLICT)
        }
        Error::Api { .. } => {
            tracing::warn!(namespace = object.namespace(), resource = object.name_any(), %error, "tried again");
            Action::requeue(AFTER_ERROR)
        }
    }
}
