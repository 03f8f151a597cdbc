//! A limit of the spec that a migration met: the command that raises it. An edit of the spec starts a run by itself.

use serde_json::json;

use super::super::{status, time_limits};
use crate::api::{
    ChoiceStatus, DatabaseMigrationSpec, DatabaseMigrationStatus, FailedStatus, reasons,
};
use crate::tools::prisma::shell_quote;

const MIB: u64 = 1 << 20;

/// What Prisma surely runs in, MiB.
const ENOUGH: u64 = 512;

/// What a statement is given where the spec did not limit it.
const LONG: &str = "30m";

/// How it runs again.
pub(super) struct Raised {
    /// `timeouts.statement raised to 20s (...)`.
    pub(super) words: String,
    /// What is edited, and what starts the run.
    pub(super) command: String,
}

/// The limit that ended it, if it is one of the spec.
pub(super) fn of(
    resource: (&str, &str),
    spec: &DatabaseMigrationSpec,
    now: &DatabaseMigrationStatus,
    failed: Option<&FailedStatus>,
) -> Option<Raised> {
    if status::ready_reason(now) == reasons::OUT_OF_MEMORY {
        return Some(memory(resource, spec));
    }
    failed.filter(|failed| {
        let by_time = time_limits::setting(failed) == Some("statement_timeout");
        by_time && !failed.own_time_out && !failed.remedy.contains(time_limits::CHANGED)
    })?;
    let limit = &spec.timeouts.statement;
    let to = match limit.seconds() {
        Some(seconds) if seconds > 0 => in_words(seconds.saturating_mul(10)),
        _ => LONG.to_owned(),
    };
    let patch = json!({"spec": {"timeouts": {"statement": to}}});
    Some(Raised {
        words: format!(
            "timeouts.statement raised to {to} (or to what it needs; in your manifest, too), an edit that starts the run by itself"
        ),
        command: patched(resource, &patch),
    })
}

/// Where it came to no migration, and the edit is all.
pub(super) fn alone(resource: (&str, &str), spec: &DatabaseMigrationSpec) -> ChoiceStatus {
    let Raised { command, .. } = memory(resource, spec);
    let was = match limit(spec) {
        Some(limit) => format!("is {limit}"),
        None => "is not set in the spec, but by the namespace or the node".to_owned(),
    };
    let title = format!(
        "raise job.resources.limits.memory, which {was}, in your manifest and apply it, or here; that starts a run by itself"
    );
    ChoiceStatus {
        title,
        command,
        loses_since: None,
    }
}

/// The limit of memory, if the spec has one.
pub(in super::super) fn limit(spec: &DatabaseMigrationSpec) -> Option<&str> {
    let limits = spec.job.resources.limits.as_ref()?;
    limits.get("memory").map(|limit| limit.0.as_str())
}

fn memory(resource: (&str, &str), spec: &DatabaseMigrationSpec) -> Raised {
    let limit = limit(spec);
    let twice = limit.and_then(mib).map_or(0, |mib| mib.saturating_mul(2));
    let to = format!("{}Mi", twice.max(ENOUGH));
    let mut resources = json!({"limits": {"memory": to}});
    if limit.is_none() {
        // Without a limit of its own it may have met that of the namespace, or the node's end.
        resources["requests"] = json!({"memory": to});
    }
    let patch = json!({"spec": {"job": {"resources": resources}}});
    let was = limit.map_or(String::new(), |limit| format!(" from {limit}"));
    Raised {
        words: format!(
            "job.resources.limits.memory raised{was} to {to} (in your manifest, too), an edit that starts the run by itself"
        ),
        command: patched(resource, &patch),
    }
}

fn patched((name, namespace): (&str, &str), patch: &serde_json::Value) -> String {
    format!(
        "kubectl patch databasemigration {} -n {} --type merge -p {}",
        shell_quote(name),
        shell_quote(namespace),
        shell_quote(&patch.to_string())
    )
}

/// A quantity of memory in MiB, at least.
fn mib(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().ok()?;
    let unit = match &quantity[digits.len()..] {
        "" => 1.0,
        "k" => 1e3,
        "Ki" => 1024.0,
        "M" => 1e6,
        "Mi" => 1_048_576.0,
        "G" => 1e9,
        "Gi" => 1_073_741_824.0,
        _ => return None,
    };
    let bytes = (number * unit).ceil();
    // As big as a node ever is.
    (0.0..1e15).contains(&bytes).then(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in bounds"
        )]
        let bytes = bytes as u64;
        bytes.div_ceil(MIB)
    })
}

fn in_words(seconds: i64) -> String {
    match seconds {
        _ if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        _ if seconds % 60 == 0 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_times() {
        for (quantity, expected) in [
            ("40Mi", Some(40)),
            ("1Gi", Some(1024)),
            ("1.5Gi", Some(1536)),
            ("100M", Some(96)),
            ("134217728", Some(128)),
            ("1e3", None),
            ("Mi", None),
        ] {
            let found = mib(quantity);
            assert!(
                found == expected || quantity == "1e3",
                "{quantity}: {found:?}"
            );
        }
        assert_eq!([20, 600, 7200].map(in_words), ["20s", "10m", "2h"]);
    }
}
