//! From a Secret to a look at a database. A value never leaves this file but to connect.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

use super::lanes::{Full, Past};
use super::memory::{KnownTarget, LastLook};
use super::{Cluster, Error, Turn};
use crate::api::{DatabaseSpec, KeySelector, StepKind, StepStatus, reasons};
use crate::database::{self, Look, Rules, SslMode};
use crate::decide::{JobPlan, LookWant, Resource, status};
use crate::facts::{DatabaseFacts, Reading, Unreadable, UnreadableReason};
use crate::runtime::clock;

/// How long the place of a database is believed where nothing of the run is at work there: what is corrected in a Secret
/// is seen at the next look. Longer than a start takes, which needs it twice.
const TARGET_HOLDS: Duration = Duration::from_secs(5);

impl Cluster {
    /// Looks at a database, or takes the last look where it is young enough.
    pub(super) async fn database(
        &self,
        resource: &Resource,
        spec: &DatabaseSpec,
        index: usize,
        want: LookWant,
        turn: &Turn<'_>,
    ) -> Result<Reading<DatabaseFacts>, Error> {
        let uid = &resource.uid;
        let unread = status::get(&resource.status, reasons::OBSERVED).is_some_and(|observed| {
            // Of the image, not of a database.
            observed.status == "False" && observed.reason != reasons::INVENTORY_FAILED
        });
        let known = self.known_target(resource, spec);
        let past = {
            let mut memory = self.memory();
            let remembered = memory.of(uid);
            let connection = known.as_ref().map_or(&spec.connection, |k| &k.connection);
            let young = u64::try_from(want.age).unwrap_or(0);
            if let Some(last) = remembered.looks.get(&spec.name)
                && last.connection == *connection
                && clock::monotonic().saturating_sub(last.at).as_secs() < young
                && (last.what.catalog || !want.catalog)
                && (last.what.objects || !want.objects)
                && (last.what.others || !want.others)
            {
                return Ok(last.reading.clone());
            }
            // By this process, or by the one before it.
            let entry = resource
                .status
                .databases
                .iter()
                .find(|d| d.name == spec.name);
            let answered = match remembered.looks.get(&spec.name) {
                Some(last) => last.reading.known().is_some(),
                None => entry.is_some_and(|entry| entry.last_observed_at.is_some()),
            };
            Past {
                slow: unread || remembered.turned_away,
                answered: answered && !unread,
            }
        };
        let found = match known {
            Some(known) => Ok(known),
            None => self.target(&resource.namespace, spec, index).await?,
        };
        let look = Look {
            catalog: want.catalog,
            objects: want.objects,
            others: want.others,
        };
        let reading = match &found {
            Ok(known) => turn
                .ask(
                    past,
                    database::look(&known.target, known.ca.as_deref(), look),
                )
                .await
                .map_err(|Full| Error::Crowded)?,
            Err(unreadable) => Reading::Unknown(unreadable.clone()),
        };
        let connection = found.as_ref().map_or(&spec.connection, |k| &k.connection);
        let last = LastLook {
            connection: connection.clone(),
            at: clock::monotonic(),
            what: look,
            reading: reading.clone(),
        };
        let mut memory = self.memory();
        let remembered = memory.of(uid);
        remembered.turned_away = false;
        remembered.looks.insert(spec.name.clone(), last);
        match (&reading, found) {
            (Reading::Known(_), Ok(known)) => {
                remembered.targets.insert(spec.name.clone(), known);
            }
            // The Secret may have been rotated: read it again next time.
            _ => {
                remembered.targets.remove(&spec.name);
            }
        }
        Ok(reading)
    }

    /// Where a database is, as far as that is still believed. Where something of the run is at work, that is where the run
    /// found it, whatever the spec or the Secret says by now: what is at work there is judged there.
    fn known_target(&self, resource: &Resource, spec: &DatabaseSpec) -> Option<KnownTarget> {
        let mut memory = self.memory();
        let remembered = memory.of(&resource.uid);
        let known = remembered.targets.get(&spec.name)?;
        let age = clock::monotonic().saturating_sub(known.read_at);
        let same = known.connection == spec.connection;
        let run = resource.status.run.as_ref();
        let at_work = |step: &StepStatus| {
            step.database == spec.name
                && step.name != StepKind::SmokeTest
                && step.finished_at.is_none()
                && (!step.job_uid.is_empty() || remembered.has_made(&step.job))
        };
        let held = run.is_some_and(|run| run.steps.iter().any(at_work));
        (held || same && age < TARGET_HOLDS).then(|| known.clone())
    }

    /// Makes a restore point; what came of it is for the next look.
    pub(super) async fn make_restore_point(
        &self,
        resource: &Resource,
        database: &str,
        name: &str,
    ) -> Result<(), Error> {
        let mut databases = resource.spec.databases.iter().enumerate();
        let Some((index, spec)) = databases.find(|(_, spec)| spec.name == database) else {
            return Ok(());
        };
        let found = match self.known_target(resource, spec) {
            Some(known) => Ok(known),
            None => self.target(&resource.namespace, spec, index).await?,
        };
        let reading = match &found {
            Ok(known) => database::restore_point(&known.target, known.ca.as_deref(), name).await,
            Err(unreadable) => Reading::Unknown(unreadable.clone()),
        };
        self.memory()
            .of(&resource.uid)
            .restore_points
            .insert(database.to_owned(), reading);
        Ok(())
    }

    /// Reads where a database is.
    async fn target(
        &self,
        namespace: &str,
        spec: &DatabaseSpec,
        index: usize,
    ) -> Result<Result<KnownTarget, Unreadable>, Error> {
        let read_at = clock::monotonic();
        let reference = &spec.connection.secret_key_ref;
        let field = format!("databases[{index}].connection.secretKeyRef");
        let bytes = match self
            .secret(namespace, &reference.name, &reference.key, &field)
            .await?
        {
            Ok(bytes) => bytes,
            Err(unreadable) => return Ok(Err(unreadable)),
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return Ok(Err(unreadable(
                UnreadableReason::UrlInvalid,
                format!(
                    "key {} of Secret {} is not text. Write the URL into it; it goes on by itself.",
                    reference.key, reference.name
                ),
            )));
        };
        let target = match database::parse(
            &text,
            &Rules {
                allow_loopback: false,
            },
        ) {
            Ok(target)
                if spec.connection.ca_from.is_some() && target.ssl_mode == SslMode::Disable =>
            {
                return Ok(Err(unreadable(
                    UnreadableReason::UrlInvalid,
                    format!(
                        "key {} of Secret {}: sslmode=disable contradicts databases[{index}].connection.caFrom, which is there to verify the server: take the parameter out of the URL, or caFrom out of the resource. Once that is mended, it goes on by itself.",
                        reference.key, reference.name
                    ),
                )));
            }
            Ok(mut target) => {
                // Where the Job's pod will look for it, which is not where the operator's own would.
                target.names = self.shared.names.of(&target.host, namespace);
                target
            }
            Err(mut problem) => {
                problem.message = format!(
                    "key {} of Secret {}: {}. Once the Secret is mended, it goes on by itself.",
                    reference.key, reference.name, problem.message
                );
                return Ok(Err(problem));
            }
        };
        let known = |ca| KnownTarget {
            connection: spec.connection.clone(),
            read_at,
            target,
            ca,
        };
        let Some(from) = &spec.connection.ca_from else {
            return Ok(Ok(known(None)));
        };
        let field = format!("databases[{index}].connection.caFrom");
        let ca = match (&from.secret_key_ref, &from.config_map_key_ref) {
            (Some(selector), _) => {
                self.secret(namespace, &selector.name, &selector.key, &field)
                    .await?
            }
            (None, Some(selector)) => self.config_map_key(namespace, selector, &field).await?,
            (None, None) => return Ok(Ok(known(None))),
        };
        Ok(ca.map(|ca| known(Some(ca))))
    }

    /// The names of the variables that `job.envFrom` takes from Secrets, for a step that gets them: their values are to be hidden in
    /// what it prints. What a Secret gets between this look and the container's start is known by its name only, as a password or a URL.
    ///
    /// # Errors
    /// When a Secret cannot be read.
    pub(super) async fn secret_variables(
        &self,
        resource: &Resource,
        plan: &JobPlan,
    ) -> Result<Vec<String>, kube::Error> {
        let mut names = Vec::new();
        if plan.step == StepKind::Inventory {
            return Ok(names);
        }
        let api: Api<Secret> = Api::namespaced(self.shared.client.clone(), &resource.namespace);
        for source in &resource.spec.job.env_from {
            let Some(of) = source.secret_ref.as_ref().filter(|of| may_exist(&of.name)) else {
                continue;
            };
            let prefix = source.prefix.as_deref().unwrap_or_default();
            if let Some(secret) = api.get_opt(&of.name).await? {
                let keys = secret.data.unwrap_or_default().into_keys();
                names.extend(keys.map(|key| format!("{prefix}{key}")));
            }
        }
        Ok(names)
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        field: &str,
    ) -> Result<Result<Vec<u8>, Unreadable>, Error> {
        if !may_exist(name) {
            return Ok(Err(no_name("Secret", name, field)));
        }
        let api: Api<Secret> = Api::namespaced(self.shared.client.clone(), namespace);
        let secret = match api.get_opt(name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(Err(missing("Secret", name, field))),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Ok(Err(unreadable(
                    UnreadableReason::SecretForbidden,
                    format!(
                        "the operator may not read Secret {name} in namespace {namespace}: install the chart with this namespace in watchNamespaces"
                    ),
                )));
            }
            Err(error) => return Err(Error::api(format!("reading Secret {name}"))(error)),
        };
        let data = secret.data.unwrap_or_default();
        match data.get(key) {
            Some(value) => Ok(Ok(value.0.clone())),
            None => Ok(Err(key_missing("Secret", name, key, field, data.keys()))),
        }
    }

    async fn config_map_key(
        &self,
        namespace: &str,
        selector: &KeySelector,
        field: &str,
    ) -> Result<Result<Vec<u8>, Unreadable>, Error> {
        if !may_exist(&selector.name) {
            return Ok(Err(no_name("ConfigMap", &selector.name, field)));
        }
        let api: Api<ConfigMap> = Api::namespaced(self.shared.client.clone(), namespace);
        let found = api
            .get_opt(&selector.name)
            .await
            .map_err(Error::api(format!("reading ConfigMap {}", selector.name)))?;
        let Some(map) = found else {
            return Ok(Err(missing("ConfigMap", &selector.name, field)));
        };
        let data = map.data.unwrap_or_default();
        match data.get(&selector.key) {
            Some(value) => Ok(Ok(value.clone().into_bytes())),
            None => Ok(Err(key_missing(
                "ConfigMap",
                &selector.name,
                &selector.key,
                field,
                data.keys(),
            ))),
        }
    }
}

fn unreadable(reason: UnreadableReason, message: String) -> Unreadable {
    Unreadable { reason, message }
}

/// Whether an object may have this name. What is no such name is never asked for: a slash or a blank in it would make
/// another address of the request, or none.
pub(super) fn may_exist(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| letter(byte) || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && bytes.first().copied().is_some_and(letter)
        && bytes.last().copied().is_some_and(letter)
        && bytes.iter().copied().all(inner)
        && !name.contains("..")
}

fn no_name(kind: &str, name: &str, field: &str) -> Unreadable {
    unreadable(
        UnreadableReason::SecretMissing,
        format!(
            "{name:?} is no name that a {kind} can have (lower-case letters, digits, '-' and '.'). Correct {field}.name; it goes on by itself."
        ),
    )
}

fn missing(kind: &str, name: &str, field: &str) -> Unreadable {
    unreadable(
        UnreadableReason::SecretMissing,
        format!(
            "{kind} {name} does not exist. Create it, or correct {field}.name; it goes on by itself."
        ),
    )
}

/// Names of keys are no secret, and they show the typing error.
fn key_missing<'a>(
    kind: &str,
    name: &str,
    key: &str,
    field: &str,
    keys: impl Iterator<Item = &'a String>,
) -> Unreadable {
    let keys: Vec<&str> = keys.map(String::as_str).take(5).collect();
    let has = if keys.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it has: {}", keys.join(", "))
    };
    let hint = keys
        .first()
        .map(|only| format!(", or set {field}.key to {only}"))
        .filter(|_| keys.len() == 1)
        .unwrap_or_else(|| format!(", or correct {field}.key"));
    unreadable(
        UnreadableReason::SecretKeyMissing,
        format!("{kind} {name} has no key {key} ({has}). Add the key{hint}; it goes on by itself."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_asked_for() {
        for name in ["a", "identity-db", "a.b-c.9", &"x".repeat(253)] {
            assert!(may_exist(name), "{name}");
        }
        for name in [
            "",
            "a b",
            "../b/secrets/c",
            "a/b",
            "a..b",
            ".a",
            "a-",
            "A",
            "ö",
            "a?b",
            &"x".repeat(254),
        ] {
            assert!(!may_exist(name), "{name}");
        }
    }
}
