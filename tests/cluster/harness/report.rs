//! What is printed of a failed test, and the search for its password.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ApiResource, DynamicObject, ListParams, LogParams};
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Api, ResourceExt};

use super::operator::{Operator, metrics_at};
use super::stage::Stage;
use super::{message, reason, status};

/// Where `local-cluster/operator-up` installs the operator.
pub const OPERATOR_NAMESPACE: &str = "dbm-system";
/// Where the installed one serves `/metrics`.
const METRICS_PORT: u16 = 8080;
const OPERATOR_LABEL: &str = "app.kubernetes.io/name=database-migration-operator";

impl Stage {
    /// The operator's pods.
    pub async fn operator_pods(&self) -> Vec<Pod> {
        Api::<Pod>::namespaced(self.client.clone(), OPERATOR_NAMESPACE)
            .list(&ListParams::default().labels(OPERATOR_LABEL))
            .await
            .unwrap()
            .items
    }

    /// The logs of pods since the test began, each line after the pod's name.
    async fn logs(&self, pods: &[Pod]) -> Vec<(String, String)> {
        let since = i64::try_from(self.began.elapsed().as_secs()).unwrap() + 2;
        let mut logs = Vec::new();
        for pod in pods {
            let namespace = pod.namespace().unwrap_or_default();
            let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
            for container in &pod.spec.as_ref().unwrap().containers {
                let parameters = LogParams {
                    container: Some(container.name.clone()),
                    since_seconds: Some(since),
                    ..LogParams::default()
                };
                if let Ok(log) = api.logs(&pod.name_any(), &parameters).await {
                    logs.push((format!("{}/{}", pod.name_any(), container.name), log));
                }
            }
        }
        logs
    }

    /// What the operator's own process has logged.
    fn process_log(&self) -> Option<(String, String)> {
        let operator = self.operator.lock().unwrap();
        Some((
            "the operator's process".to_owned(),
            operator.as_ref()?.log(),
        ))
    }

    /// What the operators say to Prometheus: the process of this test, else the installed one's pods.
    async fn metrics(&self) -> Vec<(String, String)> {
        let process = self
            .operator
            .lock()
            .unwrap()
            .as_ref()
            .map(Operator::http_address);
        let mut places: Vec<SocketAddr> = process.into_iter().collect();
        let pods = self.operator_pods().await.into_iter();
        let addresses = pods.filter_map(|pod| pod.status?.pod_ip?.parse().ok());
        places.extend(addresses.map(|address: IpAddr| SocketAddr::new(address, METRICS_PORT)));
        let mut texts = Vec::new();
        for place in places {
            texts.push((format!("/metrics of {place}"), metrics_at(place).await));
        }
        texts
    }

    /// Prints what helps to understand a failure.
    pub async fn diagnose(&self) {
        eprintln!("\n===== {} =====", self.namespace);
        let mut before = String::new();
        for seen in self.resources.all() {
            let object = &seen.object;
            let line = format!(
                "{} generation {} {} {:?} {}: {}{}",
                object.name_any(),
                object.metadata.generation.unwrap_or(0),
                super::run_id(object),
                status(object).phase,
                reason(object),
                message(object),
                if seen.deleted { " (gone)" } else { "" }
            );
            if line != before {
                eprintln!("{line}");
            }
            before = line;
        }
        let resources: Api<database_migration_operator::api::DatabaseMigration> = self.api();
        for object in resources.list(&ListParams::default()).await.unwrap() {
            let text = serde_json::to_string_pretty(&object.status).unwrap();
            eprintln!("--- status of {}\n{text}", object.name_any());
        }
        eprintln!("--- events");
        for seen in self.events.all() {
            let event = &seen.object;
            eprintln!(
                "{} {} {}: {}",
                event.involved_object.kind.as_deref().unwrap_or_default(),
                event.involved_object.name.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                event.message.as_deref().unwrap_or_default()
            );
        }
        let pods = self.api::<Pod>().list(&ListParams::default()).await;
        for (name, log) in self.logs(&pods.unwrap().items).await {
            eprintln!("--- log of {name}\n{}", tail(&log, 40));
        }
        for (name, log) in self.logs(&self.operator_pods().await).await {
            let ours: Vec<&str> = log
                .lines()
                .filter(|line| line.contains(&self.namespace))
                .collect();
            eprintln!("--- log of {name}\n{}", tail(&ours.join("\n"), 60));
        }
        if let Some((name, log)) = self.process_log() {
            eprintln!("--- log of {name}\n{}", tail(&log, 60));
        }
    }

    /// Where the test's password stands and should not.
    pub async fn leaks(&self) -> Vec<String> {
        let spellings = self.spellings();
        let spellings: Vec<&str> = spellings.iter().map(String::as_str).collect();
        self.mentions(&spellings).await
    }

    /// Where any of these texts stands: objects, Events, logs, and what was deleted in between.
    pub async fn mentions(&self, wanted: &[&str]) -> Vec<String> {
        let mut texts = self.objects().await;
        let pods = self.api::<Pod>().list(&ListParams::default()).await;
        texts.extend(self.logs(&pods.unwrap().items).await);
        texts.extend(self.logs(&self.operator_pods().await).await);
        texts.extend(self.process_log());
        texts.extend(self.metrics().await);
        // What was deleted in between.
        let json = |value: serde_json::Value| value.to_string();
        for seen in self.resources.all() {
            let text = json(serde_json::to_value(&seen.object).unwrap());
            texts.push(("a version of the resource".to_owned(), text));
        }
        for seen in self.jobs.all() {
            let text = json(serde_json::to_value(&seen.object).unwrap());
            texts.push((format!("Job {}", seen.object.name_any()), text));
        }
        for seen in self.events.all() {
            let text = json(serde_json::to_value(&seen.object).unwrap());
            texts.push((format!("Event {}", seen.object.name_any()), text));
        }
        assert!(texts.len() > 3, "there is something to search");
        texts
            .into_iter()
            .filter(|(_, text)| wanted.iter().any(|wanted| text.contains(wanted)))
            .map(|(name, text)| format!("{name}: {}", tail(&text, 20)))
            .collect()
    }

    /// Every object of the namespace that is not a Secret, and the operator's Leases, as JSON.
    async fn objects(&self) -> Vec<(String, String)> {
        let discovery = Discovery::new(self.client.clone()).run().await.unwrap();
        let kinds: Vec<ApiResource> = discovery
            .groups()
            .flat_map(|group| group.recommended_resources())
            .filter(|(kind, capabilities)| {
                capabilities.scope == Scope::Namespaced
                    && capabilities.supports_operation(verbs::LIST)
                    && kind.plural != "secrets"
            })
            .map(|(kind, _)| kind)
            .collect();
        assert!(kinds.iter().any(|kind| kind.kind == "DatabaseMigration"));
        let list = async |kind: &ApiResource, namespace: &str| {
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), namespace, kind);
            let objects = api.list(&ListParams::default()).await;
            let objects = objects.map(|list| list.items).unwrap_or_default();
            let texts: Vec<(String, String)> = objects
                .iter()
                .map(|object| {
                    let text = serde_json::to_string(object).unwrap();
                    (format!("{} {}", kind.kind, object.name_any()), text)
                })
                .collect();
            texts
        };
        let mut texts: Vec<(String, String)> =
            join_all(kinds.iter().map(|kind| list(kind, &self.namespace)))
                .await
                .concat();
        for kind in kinds
            .iter()
            .filter(|kind| ["leases", "configmaps"].contains(&kind.plural.as_str()))
        {
            texts.extend(list(kind, OPERATOR_NAMESPACE).await);
        }
        let maps = self.api::<ConfigMap>().list(&ListParams::default()).await;
        for map in maps.unwrap() {
            for (key, bytes) in map.binary_data.iter().flatten() {
                let mut text = String::new();
                let mut unpacked = flate2::read::GzDecoder::new(bytes.0.as_slice());
                if unpacked.read_to_string(&mut text).is_ok() {
                    texts.push((format!("ConfigMap {} {key}", map.name_any()), text));
                }
            }
        }
        texts
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
