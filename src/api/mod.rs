//! The API `dbops.dev/v1alpha1`: what users write, and what they read.

mod action;
mod database;
mod database_status;
mod defaults;
mod duration;
mod hash;
mod job;
mod policy;
pub mod reasons;
mod reference;
mod safety;
mod spec;
mod status;

pub use action::{
    ActionKind, ActionOutcome, ActionState, MigrationAction, MigrationActionSpec,
    MigrationActionStatus, RestoreTarget,
};
pub use database::{
    CaFrom, ConnectionSpec, DatabaseSpec, KeySelector, PrismaSpec, SecretKeySelector,
};
pub use database_status::{
    ComparedStatus, CurrentStatus, DatabasePhase, DatabaseStatus, FailedStatement, FailedStatus,
    FindingKind, FindingStatus, FormerDatabaseStatus, InstanceStatus, OtherDatabaseStatus,
    RememberedStatus, RestorePointStatus, Traces, WentBack,
};
pub use duration::Duration;
pub use hash::{digest, spec_hash};
pub use job::JobSpec;
pub use policy::{AcceptedStatus, Policy};
pub use reference::reference;
pub use safety::{
    BackupSpec, LogsSpec, OnMigrationFailure, OnValidationFailure, RestorePointPolicy, RestoreSpec,
    RollbackSpec, SmokeTestSpec, ValidationSpec,
};
pub use spec::{
    DatabaseMigration, DatabaseMigrationSpec, HistorySpec, PreflightSpec, PullPolicy, SecretName,
    TimeoutsSpec,
};
pub use status::{
    ChoiceStatus, Condition, DatabaseMigrationStatus, HistoryStatus, ImageStatus, Phase,
    Resolution, RunOutcome, RunStatus, StepKind, StepOutcome, StepStatus, TakenAction, Time,
    WaitStatus,
};

/// The API group.
pub const GROUP: &str = "dbops.dev";

/// Asks for a new run when its value changes.
pub const ANNOTATION_RETRY: &str = "dbops.dev/retry";
/// `"true"` suspends like `spec.suspend`; GitOps does not revert it.
pub const ANNOTATION_SUSPEND: &str = "dbops.dev/suspend";
/// `disabled` freezes the operator for this resource: the emergency stop.
pub const ANNOTATION_RECONCILE: &str = "dbops.dev/reconcile";
/// On every object that the operator makes for a resource: that resource's uid.
pub const ANNOTATION_UID: &str = "dbops.dev/uid";
/// On every object that the operator makes for a resource: that resource's name.
pub const LABEL_MIGRATION: &str = "dbops.dev/migration";
/// On every Job and pod: the run it belongs to.
pub const LABEL_RUN: &str = "dbops.dev/run";
/// On every Job and pod: which step it is.
pub const LABEL_STEP: &str = "dbops.dev/step";
/// On the Jobs and pods of a smoke test: its name in the resource.
pub const LABEL_TEST: &str = "dbops.dev/test";
/// On every Job and pod of one database: its name in the resource.
pub const LABEL_DATABASE: &str = "dbops.dev/database";
/// On stored inventories: the digest of image reference and paths under which they are found again.
pub const LABEL_INVENTORY: &str = "dbops.dev/inventory";
/// Holds a resource while a Job of its run has not ended.
pub const FINALIZER: &str = "dbops.dev/running-job";

/// The CustomResourceDefinitions as YAML, by file name, as `crds/` holds them.
///
/// # Errors
/// When a type has no YAML form, which a test rules out.
pub fn crds_yaml() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    use kube::CustomResourceExt;
    [DatabaseMigration::crd(), MigrationAction::crd()]
        .iter()
        .map(|crd| {
            let value = serde_json::to_value(crd).unwrap_or_default();
            let name = crd.metadata.name.clone().unwrap_or_default();
            Ok((format!("{name}.yaml"), serde_saphyr::to_string(&value)?))
        })
        .collect()
}
