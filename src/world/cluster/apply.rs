//! Changes the world as it was decided: what holds the resource, then the journal, then the effects, then the news.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event as KubeEvent, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::Status;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource as _};

use super::{Cluster, Error, SeenJob, jobs, slim, told};
use crate::api::{ActionState, DatabaseMigration, DatabasePhase, FINALIZER, RunOutcome, StepKind};
use crate::build;
use crate::decide::{Decision, Effect, Event, JobPlan, Refused, Resource, Snapshot, turns};
use crate::runtime::{clock, metrics};

/// What came of an effect.
enum Done {
    /// It is done; the next one may follow.
    Yes,
    /// It cannot be done now: the world has to be read again.
    LookAgain,
}

/// An answer that stays the same until somebody mends something: a quota, a policy, a webhook that cannot be called.
pub(super) fn lasting(status: &Status) -> bool {
    let webhook = status.code == 500 && status.message.contains("webhook");
    webhook || [400, 403, 413, 422].contains(&status.code)
}

impl Cluster {
    /// Carries a decision out. Answers the resource as it now is, and whether to decide again at once.
    ///
    /// # Errors
    /// [`Error::Conflict`] where somebody else changed the resource in between: nothing after that write was done.
    pub async fn apply(
        &self,
        snapshot: &Snapshot,
        object: Arc<DatabaseMigration>,
        decision: Decision,
    ) -> Result<(Arc<DatabaseMigration>, bool), Error> {
        let mut object = object;
        if !self.has_room(&object, &decision) {
            return Ok((object, true));
        }
        if decision.effects.contains(&Effect::AddFinalizer) {
            object = self.finalizer(&object, true).await?;
        }
        // Stored under the hash of its content, which may be done twice; lost after the journal says that it is known, the
        // image would have to be read again.
        let (stored, effects): (Vec<Effect>, Vec<Effect>) = decision
            .effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::StoreInventory { .. }));
        for effect in &stored {
            if matches!(self.effect(snapshot, effect).await?, Done::LookAgain) {
                return Ok((object, true));
            }
        }
        let was = snapshot
            .resource
            .status
            .run
            .as_ref()
            .and_then(|run| run.outcome);
        // The answer to the write may be lost, and an effect that fails keeps those after it from being tried.
        self.doubt(&snapshot.resource.uid, &effects);
        if let Some(status) = decision.status {
            let mut new = DatabaseMigration::clone(&object);
            new.status = Some(*status);
            object = self.write_status(&object, &new).await?;
            self.count(was, &object);
        }
        let mut again = decision.again;
        for effect in effects {
            let done = match &effect {
                Effect::AddFinalizer => Done::Yes,
                Effect::RemoveFinalizer => {
                    object = self.finalizer(&object, false).await?;
                    Done::Yes
                }
                other => self.effect(snapshot, other).await?,
            };
            if matches!(done, Done::LookAgain) {
                again = true;
                break;
            }
        }
        for event in &decision.events {
            self.tell(&object, event).await;
        }
        let run = object
            .status
            .as_ref()
            .and_then(|status| status.run.as_ref());
        let acting = object
            .status
            .as_ref()
            .and_then(|status| status.action.as_ref())
            .is_some_and(|action| action.state == ActionState::Running);
        if run.is_some_and(|run| run.finished_at.is_some()) && !acting {
            let mut memory = self.memory();
            let remembered = memory.of(&snapshot.resource.uid);
            if was.is_none() {
                remembered.looked();
            }
            // A run that is about to begin stands in no journal yet.
            if !again {
                remembered.rest();
            }
        }
        Ok((object, again))
    }

    /// Whether the turns that the decision journals can still be had on their servers.
    fn has_room(&self, object: &DatabaseMigration, decision: &Decision) -> bool {
        let Some(status) = &decision.status else {
            return true;
        };
        let migrates = |effect: &Effect| matches!(effect, Effect::CreateJob(plan) if plan.step == StepKind::Migrate);
        let starts = decision.effects.iter().any(migrates);
        self.shared.servers.claim(object, turns(status), starts)
    }

    async fn effect(&self, snapshot: &Snapshot, effect: &Effect) -> Result<Done, Error> {
        let resource = &snapshot.resource;
        let api: Api<Job> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        match effect {
            Effect::AddFinalizer | Effect::RemoveFinalizer => {}
            Effect::SetAction { name, uid, status } => {
                self.answer(resource, name, uid, status).await?;
            }
            Effect::MakeRestorePoint { database, name } => {
                self.make_restore_point(resource, database, name).await?;
            }
            Effect::StoreInventory { key, inventory } => {
                if !self.store_inventory(resource, key, inventory).await? {
                    return Ok(Done::LookAgain);
                }
            }
            Effect::AcquireLease {
                name,
                holder,
                take_over,
            } => {
                if !self
                    .acquire(&resource.uid, name, holder, take_over.as_deref())
                    .await?
                {
                    let who = ObjectRef::new(&resource.name).within(&resource.namespace);
                    self.shared.sleepers.sleep(name, who);
                    return Ok(Done::LookAgain);
                }
            }
            Effect::ReleaseLease { name, holder } => {
                self.release(&resource.uid, name, holder).await?;
            }
            Effect::CreateJob(plan) => return self.create(snapshot, &api, plan).await,
            Effect::DeleteJob { name, uid } => {
                // Foreground: the Job stays to be seen until its pod has ended.
                let parameters = DeleteParams {
                    propagation_policy: Some(PropagationPolicy::Foreground),
                    preconditions: Some(Preconditions {
                        uid: Some(uid.clone()),
                        resource_version: None,
                    }),
                    ..DeleteParams::default()
                };
                match api.delete(name, &parameters).await {
                    Ok(_) => self.memory().of(&resource.uid).tidied(uid),
                    Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
                    Err(error) => return Err(Error::api(format!("deleting Job {name}"))(error)),
                }
            }
            Effect::DeletePod {
                name,
                uid,
                grace_seconds,
            } => {
                self.delete_pod(resource, name, uid, *grace_seconds).await?;
            }
            Effect::AdoptJob { name, uid } => {
                let owner = build::owner(resource);
                let patch =
                    serde_json::json!({"metadata": {"uid": uid, "ownerReferences": [owner]}});
                match api
                    .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                    .await
                {
                    Ok(_) => self.memory().of(&resource.uid).tidied(uid),
                    // Gone, or another Job of that name: nothing to adopt.
                    Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
                    Err(error) => return Err(Error::api(format!("adopting Job {name}"))(error)),
                }
            }
        }
        Ok(Done::Yes)
    }

    /// Ends what is left in a pod whose own container has ended.
    async fn delete_pod(
        &self,
        resource: &Resource,
        name: &str,
        uid: &str,
        grace_seconds: i64,
    ) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        let parameters = DeleteParams {
            grace_period_seconds: u32::try_from(grace_seconds).ok(),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            // An older chart does not give this right. The pod stays, and nothing else is kept waiting for it.
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::warn!(
                    namespace = resource.namespace,
                    pod = name,
                    "may not delete a pod that only a sidecar keeps running"
                );
                Ok(())
            }
            Err(error) => Err(Error::api(format!("deleting pod {name}"))(error)),
        }
    }

    /// Makes a step's Job. One of that name that names this resource is ours: the answer to an earlier request was
    /// lost.
    async fn create(
        &self,
        snapshot: &Snapshot,
        api: &Api<Job>,
        plan: &JobPlan,
    ) -> Result<Done, Error> {
        let resource = &snapshot.resource;
        let refuse = |what: Refused, status: &Status| {
            let mut memory = self.memory();
            memory.of(&resource.uid).refuse(&plan.name, what, status);
            Ok(Done::LookAgain)
        };
        let from_secrets = match self.secret_variables(resource, plan).await {
            Ok(names) => names,
            Err(kube::Error::Api(status)) if lasting(&status) => {
                return refuse(Refused::Job, &status);
            }
            Err(error) => return Err(Error::api("reading the Secrets of job.envFrom")(error)),
        };
        let job = build::job(resource, plan, &self.shared.settings, &from_secrets);
        match api.create(&PostParams::default(), &job).await {
            Ok(made) => {
                tracing::info!(
                    namespace = resource.namespace,
                    resource = resource.name,
                    run = plan.run,
                    step = plan.step.as_str(),
                    database = plan.database,
                    job = plan.name,
                    "Job made"
                );
                self.memory()
                    .of(&resource.uid)
                    .made(jobs::facts(&SeenJob::from(&made), None));
                self.shared.metrics.job_created(match plan.step {
                    StepKind::Inventory => metrics::JobStep::Inventory,
                    StepKind::Migrate => metrics::JobStep::Migrate,
                    StepKind::Resolve => metrics::JobStep::Resolve,
                    StepKind::Down => metrics::JobStep::Down,
                    StepKind::SmokeTest => metrics::JobStep::SmokeTest,
                    StepKind::Restore => metrics::JobStep::Restore,
                });
                Ok(Done::Yes)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let found = api
                    .get_opt(&plan.name)
                    .await
                    .map_err(Error::api(format!("reading Job {}", plan.name)))?;
                let Some(found) = found else {
                    return Err(Error::Conflict(format!("Job {}", plan.name)));
                };
                let facts = jobs::facts(&SeenJob::from(&found), None);
                if facts.owner_uid.as_deref() == Some(resource.uid.as_str()) {
                    self.memory().of(&resource.uid).made(facts);
                    return Ok(Done::Yes);
                }
                refuse(Refused::Foreign, &status)
            }
            Err(kube::Error::Api(status)) if lasting(&status) => refuse(Refused::Job, &status),
            Err(error) => Err(Error::api(format!("creating Job {}", plan.name))(error)),
        }
    }

    fn resources(&self, object: &DatabaseMigration) -> Api<DatabaseMigration> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.shared.client.clone(), namespace)
    }

    async fn finalizer(
        &self,
        object: &Arc<DatabaseMigration>,
        on: bool,
    ) -> Result<Arc<DatabaseMigration>, Error> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let mut finalizers = object.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        if on {
            finalizers.push(FINALIZER.to_owned());
        }
        let patch = serde_json::json!({"metadata": {
            "resourceVersion": object.metadata.resource_version,
            "finalizers": finalizers,
        }});
        let api = self.resources(object);
        match api
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
        {
            Ok(new) => Ok(self.wrote(object, new)),
            Err(kube::Error::Api(status)) if status.code == 404 && !on => Ok(object.clone()),
            Err(error) => Err(Error::api(format!("setting the finalizer of {name}"))(
                error,
            )),
        }
    }

    async fn write_status(
        &self,
        old: &Arc<DatabaseMigration>,
        new: &DatabaseMigration,
    ) -> Result<Arc<DatabaseMigration>, Error> {
        let name = new.metadata.name.clone().unwrap_or_default();
        let written = self
            .resources(new)
            .replace_status(&name, &PostParams::default(), new)
            .await;
        let written = written.map_err(Error::api(format!("writing the status of {name}")))?;
        // Not after other writes: what was claimed for this one stands in no status before it.
        self.shared.servers.note(&written);
        Ok(self.wrote(old, written))
    }

    fn wrote(&self, old: &DatabaseMigration, mut new: DatabaseMigration) -> Arc<DatabaseMigration> {
        slim(&mut new);
        let new = Arc::new(new);
        self.memory().wrote(old, &new);
        new
    }

    /// Metrics of a run that has just ended.
    fn count(&self, was: Option<RunOutcome>, object: &DatabaseMigration) {
        let Some(status) = &object.status else { return };
        let Some(outcome) = status
            .run
            .as_ref()
            .and_then(|run| run.outcome)
            .filter(|_| was.is_none())
        else {
            return;
        };
        self.shared.metrics.run_finished(match outcome {
            RunOutcome::Succeeded => metrics::RunOutcome::Succeeded,
            RunOutcome::Failed => metrics::RunOutcome::Failed,
            RunOutcome::RolledBack => metrics::RunOutcome::RolledBack,
            RunOutcome::Superseded | RunOutcome::Aborted => metrics::RunOutcome::Aborted,
        });
        for database in &status.databases {
            match database.phase {
                DatabasePhase::Succeeded => self
                    .shared
                    .metrics
                    .database_finished(metrics::DatabaseOutcome::Succeeded),
                DatabasePhase::Failed => self
                    .shared
                    .metrics
                    .database_finished(metrics::DatabaseOutcome::Failed),
                DatabasePhase::Skipped => self
                    .shared
                    .metrics
                    .database_finished(metrics::DatabaseOutcome::Skipped),
                DatabasePhase::Unknown
                | DatabasePhase::Planned
                | DatabasePhase::Migrating
                | DatabasePhase::RolledBack => {}
            }
        }
    }

    /// An Event, and a line of the log. News that could not be told are no reason to stop.
    async fn tell(&self, object: &DatabaseMigration, event: &Event) {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let name = object.metadata.name.as_deref().unwrap_or_default();
        if event.warning {
            tracing::warn!(
                namespace,
                resource = name,
                reason = event.reason,
                "{}",
                event.message
            );
        } else {
            tracing::info!(
                namespace,
                resource = name,
                reason = event.reason,
                "{}",
                event.message
            );
        }
        let object = build::event(
            &object.object_ref(&()),
            event,
            &self.shared.reporter,
            clock::now(),
        );
        let api: Api<KubeEvent> = Api::namespaced(self.shared.client.clone(), namespace);
        if let Err(error) = api.create(&PostParams::default(), &object).await {
            tracing::warn!(
                namespace,
                resource = name,
                error = told(&error),
                "the Event could not be written"
            );
        }
    }
}
