//! The exit codes of `status` and `wait` for every reason that a resource may show, in each state in which it shows it.

use std::collections::BTreeSet;

use database_migration_operator::api::DatabaseMigration;
use futures::{StreamExt, stream};
use serde_json::json;

use crate::server::Server;

/// How a resource is, which a reason then explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Ready is True.
    Ready,
    /// `Reconciling`: it is worked on, or waits.
    Working,
    /// `Stalled` in this phase.
    Stalled(&'static str),
    /// Neither: on purpose.
    Suspended,
}
use State::{Ready, Stalled, Suspended, Working};

/// The end of a `wait` whose time is over: it would have stayed.
const STAYS: i32 = 1;

/// Reasons, and for each state in which they are shown the exit codes of `status` and of `wait`. A new reason has to be put here.
type Row = (&'static [&'static str], &'static [(State, i32, i32)]);

const EXITS: &[Row] = &[
    // It is well.
    (
        &[
            "Succeeded",
            "DatabaseAhead",
            "DatabasesRead",
            "PlanReady",
            "HistoryAccepted",
            "LedgerVerified",
            "TestsPassed",
            "ValidationAccepted",
        ],
        &[(Ready, 0, 0)],
    ),
    (&["Suspended"], &[(Suspended, 0, 3)]),
    // It is worked on.
    (
        &[
            "Planning",
            "Migrating",
            "SmokeTesting",
            "Watching",
            "Resolving",
            "RollingBack",
            "Restoring",
            "PullingImage",
            "WaitingRetry",
            "DatabaseBusy",
            "ServerBusy",
            "SessionMissing",
            "Overdue",
        ],
        &[(Working, 0, STAYS)],
    ),
    // It is being ended, or was.
    (
        &["Killed"],
        &[(Working, 0, STAYS), (Stalled("Failed"), 1, 1)],
    ),
    // It goes on by itself, mostly; where it lasts, somebody is needed.
    (
        &[
            "WaitingLock",
            "WaitingForBackend",
            "ServerUnavailable",
            "NotAnswered",
            "Unschedulable",
        ],
        &[
            (Working, 0, STAYS),
            (Stalled("Pending"), 3, 3),
            (Stalled("Migrating"), 3, 3),
        ],
    ),
    // Somebody has to mend it, while it still waits for that.
    (
        &[
            "SecretMissing",
            "SecretKeyMissing",
            "SecretForbidden",
            "UrlInvalid",
            "UrlNotPostgres",
            "UrlNotDirect",
            "UrlPooled",
            "UrlNamesFile",
            "UrlLoopback",
            "HostUnknown",
            "ConnectionRefused",
            "Unreachable",
            "AuthenticationFailed",
            "DatabaseMissing",
            "TlsFailed",
            "ConnectionLimitReached",
            "QueryFailed",
            "ImagePullFailed",
            "ImageUserNotNumeric",
            "ImageUserRoot",
            "EnvironmentMissing",
            "QuotaExceeded",
            "PodSecurityViolated",
            "ServiceAccountMissing",
            "PodRefused",
        ],
        &[(Working, 3, 3), (Stalled("Pending"), 3, 3)],
    ),
    // Somebody has to look, and it goes on by itself when the session has ended.
    (&["LockHeld"], &[(Working, 3, 3)]),
    // The same, before a container ran; of one that ran the run has failed.
    (
        &["WrongArchitecture", "ContainerNotStarted", "OutOfMemory"],
        &[(Working, 3, 3), (Stalled("Failed"), 1, 1)],
    ),
    // A later look found a change.
    (&["PendingFound"], &[(Stalled("Succeeded"), 3, 3)]),
    // Nothing was started, or what was read changed: somebody decides.
    (
        &[
            "FailedRowFound",
            "UnfinishedRowFound",
            "BaselineNeeded",
            "LedgerElsewhere",
            "LedgerForbidden",
            "RightMissing",
            "RenamedFound",
            "SquashedFound",
            "UnseenFound",
            "EditedFound",
            "UnknownFound",
            "AheadFound",
            "OutOfOrderFound",
            "RestorePointForbidden",
            "DuplicateDatabase",
            "DatabasesExchanged",
            "PlanChanged",
            "ForeignJob",
            "JobRefused",
            "InventoryFailed",
            "SchemaMissing",
            "ProviderUnsupported",
            "MigrationsMissing",
            "MigrationsElsewhere",
            "MigrationsEmpty",
            "MigrationUnreadable",
            "MigrationNameInvalid",
            "PrismaMissing",
            "PrismaUnsupported",
            "CommandMissing",
            "ConfigMissing",
            "ConfigInvalid",
            "ConnectionInvalid",
            "EngineMissing",
            "ReadOnlyFileSystem",
            "DatasourceVariableUnset",
            "AdvisoryLockDisabled",
            "ImageKeepsChanging",
            "StartTimeout",
        ],
        &[(Stalled("Blocked"), 3, 3), (Stalled("Failed"), 1, 1)],
    ),
    // The run failed.
    (
        &[
            "MigrationFailed",
            "MigrationUnfinished",
            "OwnTransactionFailed",
            "TransactionLeftOpen",
            "EngineLost",
            "SearchPathMoved",
            "RoleChanged",
            "ScriptDoneNotRecorded",
            "PrismaFailed",
            "OtherDatabaseMigrated",
            "LedgerIncomplete",
            "LedgerLost",
            "UnplannedMigrations",
            "OtherMigrations",
            "InvalidIndexFound",
            "LockTimeout",
            "UnreachableFromJob",
            "SmokeTestFailed",
            "LogLineFound",
            "ResolveFailed",
            "RollbackFailed",
            "RestoreFailed",
            "Aborted",
        ],
        &[(Stalled("Failed"), 1, 1)],
    ),
    (&["RolledBack"], &[(Stalled("RolledBack"), 3, 3)]),
];

/// The types of conditions that are no reason.
const TYPES: [&str; 8] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "Observed",
    "Planned",
    "PreflightPassed",
    "Migrated",
    "Validated",
];

/// Every reason of `src/api/reasons.rs`, read from its source.
fn reasons() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/reasons.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let items = syn::parse_file(&source).unwrap().items;
    let values = items.into_iter().filter_map(|item| match item {
        syn::Item::Const(constant) => match *constant.expr {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    values
        .filter(|value| !TYPES.contains(&value.as_str()))
        .collect()
}

#[test]
fn every_reason_has_its_exit_codes() {
    let all = reasons();
    assert!(all.len() > 100, "the source has moved: {all:?}");
    let rows = EXITS.iter().flat_map(|(names, _)| names.iter());
    let named: Vec<String> = rows.map(|name| (*name).to_owned()).collect();
    let once: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(named.len(), once.len(), "each once");
    let missing: Vec<_> = all.difference(&once).collect();
    let stale: Vec<_> = once.difference(&all).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "{missing:?} are new, {stale:?} are gone"
    );
}

fn resource(reason: &str, state: State) -> DatabaseMigration {
    let (phase, ready, other) = match state {
        Ready => ("Succeeded", "True", None),
        Working => ("Pending", "False", Some("Reconciling")),
        Stalled(phase) => (phase, "False", Some("Stalled")),
        Suspended => ("Suspended", "False", None),
    };
    let conditions: Vec<_> = [Some(("Ready", ready)), other.map(|kind| (kind, "True"))]
        .into_iter()
        .flatten()
        .map(|(kind, value)| {
            json!({"type": kind, "status": value, "reason": reason, "message": "said",
                "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "dbops.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": "shop", "namespace": "production", "generation": 1},
        "spec": {"image": "i", "databases": []},
        "status": {"observedGeneration": 1, "phase": phase, "message": "said", "conditions": conditions},
    }))
    .unwrap()
}

/// By the program itself, as a script calls it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_wait_end_as_the_reason_says() {
    let cases = EXITS.iter().flat_map(|(names, states)| {
        names
            .iter()
            .flat_map(|name| states.iter().map(move |state| (*name, *state)))
    });
    let calls = cases.map(|(name, (state, status, wait))| async move {
        let server = Server::of(vec![resource(name, state)]).await;
        let looked = server.call(&["status", "shop"]).await;
        // Only what nothing ends is to meet the time-out: on a busy machine one second is nothing.
        let stays = wait == STAYS && state == Working;
        let limit = if stays { "1s" } else { "60s" };
        let waits = ["wait", "shop", "--patience", "0s", "--timeout", limit];
        let waited = server.call(&waits).await;
        let wrong = (looked.code, waited.code) != (status, wait);
        let silent = stays && !waited.err.contains("timed out after 1s");
        (wrong || silent).then(|| format!("{name} {state:?}: {looked:?} {waited:?}"))
    });
    let wrong: Vec<Option<String>> = stream::iter(calls).buffer_unordered(16).collect().await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
