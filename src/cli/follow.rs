//! Staying with something until it is over: an action, or a resource.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt;

use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::screen::OPERATOR;
use super::terminal::say;
use super::text::safe;
use super::verdict;
use crate::api::{
    ActionKind, DatabaseMigration, DatabaseMigrationStatus, MigrationAction, MigrationActionSpec,
    MigrationActionStatus,
};

/// After this an action that nobody took up is said to be so.
const UNANSWERED: Duration = Duration::from_secs(30);

/// Follows an action until it is Done or Refused, telling each change on standard error.
///
/// # Errors
/// When it cannot be watched, or was deleted.
pub async fn action(
    cluster: &Cluster,
    created: &MigrationAction,
    lead: &str,
) -> Result<MigrationAction, Failure> {
    let name = created.name_any();
    let mut events = pin!(cluster.watch(cluster.actions(), &name, "migrationactions"));
    let mut told = MigrationActionStatus::default();
    let mut unanswered = pin!(tokio::time::sleep(UNANSWERED));
    let mut answered = false;
    loop {
        let event = tokio::select! {
            () = &mut unanswered, if !answered => {
                answered = true;
                say(&format!(
                    "{lead}the operator has not taken up {name} for {} s; is it running? {OPERATOR}",
                    UNANSWERED.as_secs()
                ));
                continue;
            }
            event = events.next() => event,
        };
        let object = match event {
            Some(Ok(Some(object))) => object,
            Some(Ok(None)) => {
                return Err(Failure::failed(format!(
                    "{lead}MigrationAction {name} was deleted before it was over"
                )));
            }
            Some(Err(failure)) => return Err(failure),
            None => return Err(Failure::unreachable("the watch has ended")),
        };
        if let Some(status) = &object.status {
            answered = answered || *status != MigrationActionStatus::default();
            if (status.state, &status.message) != (told.state, &told.message) {
                say(&format!("{lead}{}", action_words(status)));
            }
            told.clone_from(status);
        }
        if verdict::action(&object).is_some() {
            return Ok(object);
        }
    }
}

/// `Running: the message`.
pub fn action_words(status: &MigrationActionStatus) -> String {
    let mut text = format!("{:?}", status.state);
    if let Some(outcome) = status.outcome {
        text.push_str(&format!(", {outcome:?}"));
    }
    if !status.message.is_empty() {
        text.push_str(&format!(": {}", safe(&status.message)));
    }
    text
}

/// Whether the run goes on after an action, so that its end is worth waiting for.
pub fn goes_on(kind: ActionKind) -> bool {
    matches!(
        kind,
        ActionKind::Retry
            | ActionKind::MarkApplied
            | ActionKind::Baseline
            | ActionKind::AcceptValidation
    )
}

/// Whether a resource's status knows of an action that was carried out: what it said before is not about now.
pub fn has_followed(
    resource: &DatabaseMigration,
    action: &str,
    asked: &MigrationActionSpec,
) -> bool {
    let Some(status) = &resource.status else {
        return false;
    };
    let run = status.run.as_ref().map(|run| run.id.as_str());
    let new_run = run.is_some_and(|run| run != asked.run);
    let carried_out = status
        .action
        .as_ref()
        .is_some_and(|taken| taken.name == action && taken.state.is_final());
    match asked.action {
        ActionKind::Retry => new_run,
        _ => new_run || carried_out,
    }
}

/// Follows a resource until `over` says how it ended, or until it has waited for a person for `patience`, telling on standard
/// error each change that is `news`.
///
/// # Errors
/// When it cannot be watched, or was deleted.
pub async fn resource(
    cluster: &Cluster,
    name: &str,
    lead: &str,
    news: impl Fn(&DatabaseMigration) -> bool,
    over: impl Fn(&DatabaseMigration) -> Option<Exit>,
    patience: Option<Duration>,
) -> Result<(DatabaseMigration, Exit), Failure> {
    let mut events = pin!(cluster.watch(cluster.migrations(), name, "databasemigrations"));
    let mut told = String::new();
    let mut waits: Option<Waits> = None;
    loop {
        let next = match &mut waits {
            None => events.next().await,
            Some(waits) => tokio::select! {
                // What has just come counts before the time that has just passed.
                biased;
                next = events.next() => next,
                () = waits.over.as_mut() => return Ok((waits.resource.clone(), Exit::Human)),
            },
        };
        let resource = match next {
            Some(Ok(Some(resource))) => resource,
            Some(Ok(None)) => {
                return Err(Failure::failed(format!(
                    "DatabaseMigration {}/{} is not there",
                    safe(&cluster.namespace),
                    safe(name)
                )));
            }
            Some(Err(failure)) => return Err(failure),
            None => return Err(Failure::unreachable("the watch has ended")),
        };
        let words = resource
            .status
            .as_ref()
            .map_or(String::new(), progress_words);
        if news(&resource) && words != told && !words.is_empty() {
            say(&format!("{lead}{words}"));
            told = words;
        }
        if let Some(exit) = over(&resource) {
            return Ok((resource, exit));
        }
        waits = Waits::next(waits, resource, patience);
    }
}

/// A resource that waits for a person.
struct Waits {
    /// As it was seen last.
    resource: DatabaseMigration,
    /// When it has waited for long enough.
    over: Pin<Box<tokio::time::Sleep>>,
}

impl Waits {
    /// What a new state makes of it: it goes on from where it began, also where another thing is to be mended by now.
    fn next(
        before: Option<Waits>,
        resource: DatabaseMigration,
        patience: Option<Duration>,
    ) -> Option<Waits> {
        let patience = patience.filter(|_| verdict::needs_person(&resource))?;
        let over = before.map_or_else(
            || Box::pin(tokio::time::sleep(patience)),
            |before| before.over,
        );
        Some(Waits { resource, over })
    }
}

/// `Migrating 1/2: the message`.
pub fn progress_words(status: &DatabaseMigrationStatus) -> String {
    let phase = status
        .phase
        .map_or(String::new(), |phase| format!("{phase:?}"));
    let mut parts = vec![phase];
    if !status.databases_ready.is_empty() {
        parts.push(safe(&status.databases_ready));
    }
    let lead = parts.join(" ");
    if status.message.is_empty() {
        lead.trim().to_owned()
    } else {
        format!("{lead}: {}", safe(&status.message))
    }
}

/// Stays no longer than `limit`.
///
/// # Errors
/// When the time is over, with `hint`; and what `work` fails with.
pub async fn within<T>(
    limit: Option<&crate::api::Duration>,
    hint: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(limit) = limit else {
        return work.await;
    };
    let seconds = u64::try_from(limit.seconds().unwrap_or_default()).unwrap_or_default();
    match tokio::time::timeout(Duration::from_secs(seconds), work).await {
        Ok(result) => result,
        Err(_) => Err(Failure::failed(format!(
            "timed out after {}; {hint}",
            limit.0
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::reasons;

    fn waiting(reason: &str) -> DatabaseMigration {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "dbops.dev/v1alpha1",
            "kind": "DatabaseMigration",
            "metadata": {"name": "shop", "generation": 1},
            "spec": {"image": "i", "databases": []},
            "status": {"observedGeneration": 1, "conditions": [{
                "type": "Reconciling", "status": "True", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn patience_begins_with_the_first_thing_to_mend_and_ends_with_the_last() {
        let patience = Some(Duration::from_secs(60));
        let first = Waits::next(None, waiting(reasons::SECRET_MISSING), patience).unwrap();
        let end = first.over.deadline();
        let second = Waits::next(Some(first), waiting(reasons::HOST_UNKNOWN), patience).unwrap();
        assert_eq!(second.over.deadline(), end);
        assert_eq!(second.resource, waiting(reasons::HOST_UNKNOWN));
        let mended = Waits::next(Some(second), waiting(reasons::MIGRATING), patience);
        assert!(mended.is_none());
    }

    #[tokio::test]
    async fn without_patience_it_ends_at_once_and_with_none_it_stays() {
        let wrong = || waiting(reasons::SECRET_KEY_MISSING);
        let waits = Waits::next(None, wrong(), Some(Duration::ZERO)).unwrap();
        waits.over.await;
        assert!(Waits::next(None, wrong(), None).is_none());
    }
}
