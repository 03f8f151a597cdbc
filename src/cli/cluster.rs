//! The cluster: reaching it, reading resources, and what its errors mean to somebody at a terminal.

use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config, ResourceExt};

use super::args::{Global, Which};
use super::exit::Failure;
use super::request::which;
use super::screen::Facts;
use super::text::safe;
use crate::api::{DatabaseMigration, MigrationAction};

/// Errors in a row after which a watch is given up.
const PATIENCE: u32 = 5;

/// A cluster and the namespace that is looked at.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// Where it is, for people.
    pub facts: Facts,
}

impl Cluster {
    /// Reads the kubeconfig, or what a pod has. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// When there is no configuration, or it does not have what was named.
    pub async fn new(global: &Global) -> Result<Self, Failure> {
        let (mut config, name) = config(global).await?;
        if let Some(user) = &global.act_as {
            // The groups of the kubeconfig's own `as` belong to that user.
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups = Some(global.act_as_groups.clone());
            config.auth_info.impersonate_uid = None;
            config.auth_info.impersonate_user_extra = None;
        }
        let facts = Facts {
            cluster: name,
            server: config.cluster_url.to_string().trim_end_matches('/').into(),
            user: String::new(),
        };
        let namespace = global
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)
            .map_err(|error| Failure::unreachable(format!("the kubeconfig: {}", chain(&error))))?;
        Ok(Cluster {
            client,
            namespace,
            facts,
        })
    }

    /// The DatabaseMigrations of the namespace.
    pub fn migrations(&self) -> Api<DatabaseMigration> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The MigrationActions of the namespace.
    pub fn actions(&self) -> Api<MigrationAction> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// One resource.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub async fn get(&self, name: &str) -> Result<DatabaseMigration, Failure> {
        let what = format!("DatabaseMigration {}/{}", safe(&self.namespace), safe(name));
        let found = self.migrations().get(name).await;
        found.map_err(|error| self.failure(&what, &error, "get databasemigrations"))
    }

    /// All, or those with labels.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(
        &self,
        selector: Option<&str>,
        everywhere: bool,
    ) -> Result<Vec<DatabaseMigration>, Failure> {
        let api = if everywhere {
            Api::all(self.client.clone())
        } else {
            self.migrations()
        };
        let parameters = ListParams {
            label_selector: selector.map(str::to_owned),
            ..ListParams::default()
        };
        let list = api.list(&parameters).await.map_err(|error| {
            self.failure("the DatabaseMigrations", &error, "list databasemigrations")
        })?;
        Ok(list.items)
    }

    /// The one that was named, or those that were selected.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn select(&self, chosen: &Which) -> Result<Vec<DatabaseMigration>, Failure> {
        if let Some(name) = &chosen.name {
            return Ok(vec![self.get(name).await?]);
        }
        let found = self.list(chosen.selector.as_deref(), false).await?;
        if found.is_empty() {
            return Err(Failure::failed(format!(
                "no DatabaseMigration in {} matches {}",
                safe(&self.namespace),
                which(chosen)
            )));
        }
        Ok(found)
    }

    /// How the API server knows the caller.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn who(&self) -> Result<String, Failure> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = api
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .map_err(|error| self.failure("who you are", &error, "create selfsubjectreviews"))?;
        let user = review.status.and_then(|status| status.user_info?.username);
        user.filter(|user| !user.is_empty())
            .ok_or_else(|| Failure::failed("the API server does not say who you are"))
    }

    /// An object as it is now and each time it changes; `None` while there is none. It ends with a failure when it may
    /// not be watched, or the cluster has not answered several times in a row.
    pub fn watch<K>(
        &self,
        api: Api<K>,
        name: &str,
        what: &'static str,
    ) -> impl Stream<Item = Result<Option<K>, Failure>> + Send + use<K>
    where
        K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        let cluster = self.clone();
        let mut errors = 0;
        watcher::watch_object(api, name)
            .default_backoff()
            .filter_map(move |event| {
                let event = match event {
                    Ok(object) => {
                        errors = 0;
                        Some(Ok(object))
                    }
                    Err(error) => {
                        errors += 1;
                        cluster.watch_failure(what, &error, errors).map(Err)
                    }
                };
                std::future::ready(event)
            })
    }

    /// A watch's error that it does not recover from by itself.
    pub fn watch_failure(
        &self,
        what: &str,
        error: &watcher::Error,
        in_a_row: u32,
    ) -> Option<Failure> {
        let need = format!("list and watch {what}");
        match error {
            watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
                let refused = matches!(error, kube::Error::Api(status)
                    if matches!(status.code, 401 | 403 | 404 | 405));
                (refused || in_a_row >= PATIENCE).then(|| self.failure(what, error, &need))
            }
            other if in_a_row >= PATIENCE => {
                Some(Failure::unreachable(format!("{what}: {}", chain(other))))
            }
            _ => None,
        }
    }

    /// What an error of the API server means. `need` is the right that it takes.
    pub fn failure(&self, what: &str, error: &kube::Error, need: &str) -> Failure {
        let kube::Error::Api(status) = error else {
            return Failure::unreachable(format!(
                "the cluster {} ({}) cannot be reached: {}",
                safe(&self.facts.cluster),
                safe(&self.facts.server),
                safe(&chain(error))
            ));
        };
        let message = safe(&status.message);
        match status.code {
            401 => Failure::unreachable(format!(
                "the cluster {} does not let you in: log in again ({message})",
                safe(&self.facts.cluster)
            )),
            // What an admission policy says is about more than the right to create.
            403 if message.contains("denied request") => Failure::failed(message),
            403 if message.contains("cannot impersonate") => Failure::failed(format!(
                "{message}\n--as takes the right to impersonate that user, --as-group that group."
            )),
            403 => Failure::failed(format!("{message}\nIt takes the right to {need}.")),
            404 if status
                .details
                .as_ref()
                .is_none_or(|details| details.name.is_empty()) =>
            {
                Failure::failed(format!(
                    "the cluster {} does not know the API dbops.dev/v1alpha1: install the operator's CustomResourceDefinitions, see its chart",
                    safe(&self.facts.cluster)
                ))
            }
            404 => Failure::failed(format!(
                "{what} is not there; see: kubectl dbm status -n {}",
                safe(&self.namespace)
            )),
            _ => Failure::failed(format!("{what}: {message}")),
        }
    }
}

/// The client's configuration and the cluster's name.
async fn config(global: &Global) -> Result<(Config, String), Failure> {
    let read = match &global.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let named = global.kubeconfig.is_some() || global.context.is_some();
            return match Config::incluster() {
                Ok(config) if !named => Ok((config, "this cluster".to_owned())),
                _ => Err(Failure::unreachable(format!(
                    "there is no cluster to ask: {error}; give one by --kubeconfig, or KUBECONFIG"
                ))),
            };
        }
    };
    let name = global
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    let cluster = kubeconfig
        .contexts
        .iter()
        .find(|context| Some(&context.name) == name.as_ref())
        .and_then(|context| context.context.as_ref())
        .map_or_else(|| "?".to_owned(), |context| context.cluster.clone());
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| safe(&context.name))
        .collect();
    let options = KubeConfigOptions {
        context: global.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.map_err(|error| match error {
        KubeconfigError::LoadContext(name) => Failure::usage(format!(
            "the kubeconfig has no context {}; it has: {}",
            safe(&name),
            contexts.join(", ")
        )),
        KubeconfigError::CurrentContextNotSet => {
            Failure::usage("the kubeconfig has no current context: add --context NAME")
        }
        error => Failure::unreachable(format!("the kubeconfig: {}", chain(&error))),
    })?;
    config.connect_timeout = Some(Duration::from_secs(10));
    Ok((config, cluster))
}

/// An error with its causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    text
}

/// The names of resources, for a message.
pub fn names(resources: &[DatabaseMigration]) -> String {
    let names: Vec<String> = resources.iter().map(|r| safe(&r.name_any())).collect();
    names.join(", ")
}
