//! One database of a resource: how it is reached and where its migrations stand in the image.

use k8s_openapi::api::core::v1::EnvVar;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// One database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSpec {
    /// Its name in this resource: a DNS label of at most 30 characters.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("a database's name is a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit"))]
    pub name: String,
    /// Where it is.
    pub connection: ConnectionSpec,
    /// The environment variable that Prisma migrates by.
    #[serde(default = "defaults::database_url")]
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("must be the name of an environment variable"))]
    pub env_var: String,
    /// Additional environment variables for the Jobs of this database, e.g. the pooled URL beside a direct one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub env: Vec<EnvVar>,
    /// Where its Prisma project stands in the image.
    #[serde(default)]
    pub prisma: PrismaSpec,
    /// Databases of this list, standing earlier in it, that must be migrated first; matters where parallelism is more
    /// than 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 30)))]
    pub depends_on: Vec<String>,
}

/// How a database is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSpec {
    /// The Secret's key that holds a direct PostgreSQL URL, never one of a transaction pooler.
    pub secret_key_ref: SecretKeySelector,
    /// The certificate authority of the server, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_from: Option<CaFrom>,
}

/// A key of a Secret in the namespace of the resource, `DATABASE_URL` by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeySelector {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key.
    #[serde(default = "defaults::database_url")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Where a certificate authority is read from: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)").message("caFrom needs exactly one of secretKeyRef and configMapKeyRef"))]
pub struct CaFrom {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeySelector>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeySelector>,
}

/// A key of a Secret or ConfigMap in the namespace of the resource, `ca.crt` by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySelector {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key.
    #[serde(default = "defaults::ca_crt")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Where a Prisma project stands in the image. Paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrismaSpec {
    /// The schema: a file, or a folder of files.
    #[serde(default = "defaults::schema")]
    #[schemars(length(min = 1, max = 512))]
    pub schema: String,
    /// The folder of the migrations; default: the one that Prisma reads. Any other is refused, unless `migrate` is set or
    /// what Prisma reads cannot be known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub migrations: String,
    /// prisma.config.ts or its like; its folder becomes the working directory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub config: String,
    /// How Prisma itself is called, which must do what the words after it say; default: node on the prisma package found from the schema
    /// up, then PATH. A command that migrates by itself belongs into `migrate`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub cli: Vec<String>,
    /// The command that migrates; default: Prisma's `migrate deploy --schema <schema>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub migrate: Vec<String>,
}

impl Default for PrismaSpec {
    fn default() -> Self {
        PrismaSpec {
            schema: defaults::schema(),
            migrations: String::new(),
            config: String::new(),
            cli: Vec::new(),
            migrate: Vec::new(),
        }
    }
}
