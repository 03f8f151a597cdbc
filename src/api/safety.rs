//! What is proven before a run, verified after it, and done when it failed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, Policy, defaults};

/// What is proven of backups before a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSpec {
    /// Whether a restore point is made on every database before the first statement.
    #[serde(default)]
    pub restore_point: RestorePointPolicy,
}

/// Whether a restore point is made. LSN and time are recorded in any case but None; the name needs the right to
/// pg_create_restore_point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestorePointPolicy {
    /// Nothing starts without a named one.
    Required,
    /// Named where the role may, else LSN and time only.
    #[default]
    BestEffort,
    /// None is made.
    None,
}

/// What is verified after the migrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationSpec {
    /// Commands that prove that the application works with the new schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = Rule::new("self.all(t, self.exists_one(e, e.name == t.name))").message("names of smoke tests must be unique"))]
    pub smoke_tests: Vec<SmokeTestSpec>,
    /// What is looked for in the output of the migrations.
    #[serde(default)]
    pub logs: LogsSpec,
    /// How long the databases are looked at after the last step, before the run is called Succeeded.
    #[serde(default = "defaults::never")]
    pub watch: Duration,
}

impl Default for ValidationSpec {
    fn default() -> Self {
        ValidationSpec {
            smoke_tests: Vec::new(),
            logs: LogsSpec::default(),
            watch: defaults::never(),
        }
    }
}

/// A command that proves something, run as a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmokeTestSpec {
    /// Its name: a DNS label of at most 30 characters.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("a smoke test's name is a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit"))]
    pub name: String,
    /// The command; exit code 0 is a pass.
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
    pub command: Vec<String>,
    /// The image, default spec.image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("self.trim() == self && !self.contains(' ')").message("image must be an image reference, without blanks"))]
    pub image: String,
    /// It runs after this database; empty: after all of them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 30))]
    pub after: String,
    /// A try that takes longer is ended and has failed.
    #[serde(default = "defaults::five_minutes")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("timeout must be at least 1s"))]
    pub timeout: Duration,
    /// Maximum attempts; one that passes after a failure is said to be flaky.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
}

/// What is looked for in the output of the migrations. Prisma's own warnings always are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogsSpec {
    /// What a find leads to; Deny: the validation fails.
    #[serde(default = "LogsSpec::warn")]
    pub policy: Policy,
    /// Regular expressions; a line of the output that matches one is a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    #[x_kube(validation = Rule::new("self.all(p, 'x'.matches(p) ? true : true)").message("patterns are regular expressions (RE2)"))]
    pub patterns: Vec<String>,
}

impl LogsSpec {
    fn warn() -> Policy {
        Policy::Warn
    }
}

impl Default for LogsSpec {
    fn default() -> Self {
        LogsSpec {
            policy: Policy::Warn,
            patterns: Vec::new(),
        }
    }
}

/// What is done when a run failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackSpec {
    /// When a migration failed.
    #[serde(default)]
    pub on_migration_failure: OnMigrationFailure,
    /// When the validation failed.
    #[serde(default)]
    pub on_validation_failure: OnValidationFailure,
    /// What the action Restore runs; never run by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreSpec>,
}

/// What is done when a migration failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnMigrationFailure {
    /// It stops, says what happened, and waits for a human.
    #[default]
    Halt,
    /// A migration that provably left no trace is marked rolled back; else as Halt.
    RevertIfClean,
}

/// What is done when the validation failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnValidationFailure {
    /// It stops, says what happened, and waits for a human.
    #[default]
    Halt,
}

/// The command that brings a database back. It gets DBM_RESTORE_DATABASE, DBM_RESTORE_POINT, DBM_RESTORE_LSN and
/// DBM_RESTORE_TIME, the last three empty where not known, and every database's URL as <NAME>_DATABASE_URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSpec {
    /// The image.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.trim() == self && !self.contains(' ')").message("image must be an image reference, without blanks"))]
    pub image: String,
    /// The command; exit code 0 says that the database is back.
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
    pub command: Vec<String>,
    /// A restore that takes longer is ended and has failed.
    #[serde(default = "defaults::two_hours")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("timeout must be at least 1s"))]
    pub timeout: Duration,
}
