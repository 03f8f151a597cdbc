//! What a resource may say about its Jobs: an allow-list, not a pod template.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvFromSource, EnvVar, ResourceRequirements, Toleration,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, defaults};

/// Every Job of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// The ServiceAccount of the pods, default the namespace's own; its token is never mounted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub service_account_name: String,
    /// Resources of the container; where neither requests nor limits are given, requests of 100m and 256Mi.
    #[serde(default, skip_serializing_if = "is_unset")]
    #[x_kube(validation = Rule::new("[has(self.requests) ? self.requests : {}, has(self.limits) ? self.limits : {}].all(m, m.all(k, isQuantity(string(m[k]))))").message("requests and limits hold quantities like 100m or 256Mi"))]
    pub resources: ResourceRequirements,
    /// The user id; needed where the image's user is a name. Never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_as_user: Option<i64>,
    /// The group id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_as_group: Option<i64>,
    /// The group of the volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fs_group: Option<i64>,
    /// On which nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Which taints are tolerated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Scheduling affinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// The priority class.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub priority_class_name: String,
    /// Additional labels for the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('dbops.dev/'))").message("labels of dbops.dev/ are the operator's own"))]
    pub pod_labels: BTreeMap<String, String>,
    /// Additional annotations for the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('dbops.dev/'))").message("annotations of dbops.dev/ are the operator's own"))]
    pub pod_annotations: BTreeMap<String, String>,
    /// Additional environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub env: Vec<EnvVar>,
    /// The environment group: Secrets and ConfigMaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub env_from: Vec<EnvFromSource>,
    /// The working directory; default the image's own. Like the next two only where a Job runs spec.image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub working_dir: String,
    /// Folders that must be writable: each an emptyDir that starts with the image's content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    #[x_kube(validation = Rule::new("self.all(p, p.startsWith('/') && p != '/')").message("writablePaths are absolute paths, and not / itself"))]
    pub writable_paths: Vec<String>,
    /// The path of an agent that the image already holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub agent_path: String,
    /// How long a drained node waits for the running statement.
    #[serde(default = "defaults::hour")]
    pub termination_grace_period: Duration,
}

/// None are given.
fn is_unset(resources: &ResourceRequirements) -> bool {
    *resources == ResourceRequirements::default()
}

impl Default for JobSpec {
    fn default() -> Self {
        JobSpec {
            service_account_name: String::new(),
            resources: ResourceRequirements::default(),
            run_as_user: None,
            run_as_group: None,
            fs_group: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            affinity: None,
            priority_class_name: String::new(),
            pod_labels: BTreeMap::new(),
            pod_annotations: BTreeMap::new(),
            env: Vec::new(),
            env_from: Vec::new(),
            working_dir: String::new(),
            writable_paths: Vec::new(),
            agent_path: String::new(),
            termination_grace_period: defaults::hour(),
        }
    }
}
