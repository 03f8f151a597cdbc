//! What a test waits for on its stage, and what it asks of all that was seen.

use std::collections::BTreeMap;

use database_migration_operator::api::{
    DatabaseMigration, LABEL_MIGRATION, LABEL_STEP, Phase, StepKind, StepOutcome, reasons,
};
use database_migration_operator::build::CONTAINER;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt;

use super::stage::Stage;
use super::{LIMIT, is_ready, message, reason};

impl Stage {
    /// Waits until the newest version of a resource is so.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        mut is: impl FnMut(&DatabaseMigration) -> bool,
    ) -> DatabaseMigration {
        let least = *self.least.lock().unwrap().get(name).unwrap_or(&0);
        let found = self
            .resources
            .until(LIMIT, |seen| {
                let last = seen.iter().rfind(|seen| seen.object.name_any() == name)?;
                let object = &last.object;
                let new_enough = object.metadata.generation.unwrap_or(0) >= least;
                (new_enough && !last.deleted && is(object)).then(|| object.clone())
            })
            .await;
        found.unwrap_or_else(|| panic!("{name} was not {what} within {LIMIT:?}"))
    }

    pub async fn until_ready(&self, name: &str) -> DatabaseMigration {
        self.until(name, "Ready", is_ready).await
    }

    /// Waits for a reason of Ready, and checks that its message helps.
    pub async fn until_reason(&self, name: &str, expected: &str) -> DatabaseMigration {
        let found = self
            .until(name, expected, |object| reason(object) == expected)
            .await;
        assert!(message(&found).len() > 20, "{:?}", message(&found));
        found
    }

    /// Waits until the run has ended without success.
    pub async fn until_failed(&self, name: &str) -> DatabaseMigration {
        self.until(name, "Failed", |object| {
            super::status(object).phase == Some(Phase::Failed)
                && super::holds(object, reasons::STALLED) == Some(true)
                && super::outcome(object).is_some()
        })
        .await
    }

    /// Waits until a resource is gone.
    pub async fn until_gone(&self, name: &str) {
        assert!(
            self.goes(name).await,
            "{name} was not gone within {LIMIT:?}"
        );
    }

    /// Whether a resource goes in time.
    pub(super) async fn goes(&self, name: &str) -> bool {
        let gone = self.resources.until(LIMIT, |seen| {
            let last = seen.iter().rfind(|seen| seen.object.name_any() == name)?;
            last.deleted.then_some(())
        });
        gone.await.is_some()
    }

    /// Whether any version of a resource was so.
    pub fn ever(&self, name: &str, mut was: impl FnMut(&DatabaseMigration) -> bool) -> bool {
        self.resources
            .all()
            .iter()
            .any(|seen| seen.object.name_any() == name && was(&seen.object))
    }

    /// The messages of a resource's Events of a reason, once there are so many.
    pub async fn until_events(&self, name: &str, reason: &str, number: usize) -> Vec<String> {
        let mut last = Vec::new();
        let found = self
            .events
            .until(LIMIT, |seen| {
                let mut messages = BTreeMap::new();
                for event in seen.iter().map(|seen| &seen.object) {
                    let of = event.involved_object.name.as_deref() == Some(name);
                    if of && event.reason.as_deref() == Some(reason) {
                        let message = event.message.clone().unwrap_or_default();
                        messages.insert(event.name_any(), message);
                    }
                }
                last = messages.into_values().collect();
                (last.len() >= number).then(|| last.clone())
            })
            .await;
        found.unwrap_or_else(|| panic!("not {number} Events {reason} of {name}: {last:?}"))
    }

    /// Every Job of a step that there ever was, each once, in the order of their making.
    pub fn jobs_of(&self, name: &str, step: &str) -> Vec<Job> {
        let mut found: Vec<Job> = Vec::new();
        for seen in self.jobs.all() {
            let labels = seen.object.labels();
            if labels.get(LABEL_MIGRATION).map(String::as_str) != Some(name)
                || labels.get(LABEL_STEP).map(String::as_str) != Some(step)
            {
                continue;
            }
            match found.iter_mut().find(|job| job.uid() == seen.object.uid()) {
                Some(job) => *job = seen.object,
                None => found.push(seen.object),
            }
        }
        found
    }

    /// The ends of the containers in which a resource's migrations ran, in the order of the pods' making: also of pods
    /// that are gone. The operator may judge by the database before the kubelet has said that the container has ended,
    /// and the resource and the pods come by two watches: so it waits for the ends of all that began, of one at least.
    pub async fn migrations_of(&self, name: &str) -> Vec<ContainerStateTerminated> {
        let found = self.pods.until(LIMIT, |seen| {
            let ends = migrations(name, seen.iter().map(|seen| &seen.object));
            let all: Option<Vec<_>> = ends.into_iter().collect();
            all.filter(|ends| !ends.is_empty())
        });
        found
            .await
            .unwrap_or_else(|| panic!("a migration of {name} did not end within {LIMIT:?}"))
    }

    /// How many Jobs of a resource got so far as to migrate something. Where the machine is so busy that a Job does not
    /// reach the server, there is another one.
    pub fn attempts(&self, name: &str) -> usize {
        let jobs = self.jobs_of(name, "migrate").len();
        let last = self.resources.all();
        let last = last.iter().rfind(|seen| seen.object.name_any() == name);
        let steps = super::steps(&last.unwrap().object, StepKind::Migrate);
        let never = steps
            .iter()
            .filter(|step| step.outcome == Some(StepOutcome::NeverBegan));
        jobs - never.count()
    }
}

/// Of each pod in which a resource's migrations began, in the order of their making: how its container ended, if it did.
fn migrations<'a>(
    name: &str,
    versions: impl Iterator<Item = &'a Pod>,
) -> Vec<Option<ContainerStateTerminated>> {
    let mut found: Vec<(Option<String>, Option<ContainerStateTerminated>)> = Vec::new();
    for pod in versions {
        let labels = pod.labels();
        if labels.get(LABEL_MIGRATION).map(String::as_str) != Some(name)
            || labels.get(LABEL_STEP).map(String::as_str) != Some("migrate")
        {
            continue;
        }
        let containers = pod
            .status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten());
        let state = containers
            .filter(|container| container.name == CONTAINER)
            .find_map(|container| container.state.clone());
        let Some(state) = state.filter(|s| s.running.is_some() || s.terminated.is_some()) else {
            continue;
        };
        match found.iter_mut().find(|(known, _)| *known == pod.uid()) {
            Some(entry) => entry.1 = state.terminated.or(entry.1.take()),
            None => found.push((pod.uid(), state.terminated)),
        }
    }
    found.into_iter().map(|(_, end)| end).collect()
}
