//! What a step of an action is told, and what its end says.

use super::super::deleting;
use super::super::history;
use super::super::pass::Pass;
use super::baseline;
use super::fit::rows;
use crate::api::{ActionKind, StepStatus};
use crate::facts::ContainerEnd;
use crate::tools::sql;

/// What a Job's end says, in a sentence.
pub(super) fn said(step: &StepStatus, end: Option<&ContainerEnd>, otherwise: &str) -> String {
    let summary = end.and_then(|end| end.summary.as_deref());
    let message = summary
        .and_then(|summary| summary.message.clone())
        .unwrap_or_default();
    match (message.is_empty(), end) {
        (false, _) => format!("{otherwise}: {message}"),
        (true, Some(end)) if end.out_of_memory() => {
            format!("{otherwise}: its container ran out of memory")
        }
        (true, Some(end)) => format!("{otherwise} (exit code {})", end.exit_code),
        (true, None) if step.taken_away => {
            format!("{otherwise}: its Job was taken away before it started")
        }
        (true, None) if step.pod_deleted => {
            format!("{otherwise}: its pod was deleted, {}", deleting::BY)
        }
        (true, None) => format!("{otherwise}: its pod was lost"),
    }
}

/// Whether the down.sql of a step runs in one transaction that also marks the row.
pub(in super::super) fn in_transaction(pass: &Pass<'_>, step: &StepStatus) -> bool {
    pass.snapshot
        .inventories
        .get(&step.database)
        .and_then(|inventory| {
            let of_name = |m: &&dbm_protocol::Migration| m.name == step.migration;
            inventory
                .migrations
                .iter()
                .find(of_name)?
                .down_sql
                .as_deref()
        })
        .is_some_and(sql::transactional)
}

/// The migrations that a resolve step marks.
pub(in super::super) fn resolved(pass: &Pass<'_>, step: &StepStatus) -> Vec<String> {
    let baseline = pass
        .status
        .action
        .as_ref()
        .is_some_and(|taken| taken.action == ActionKind::Baseline && taken.job == step.job);
    let marks = pass
        .database(&step.database)
        .map_or(&[][..], |entry| &entry.marks);
    if baseline && !marks.is_empty() {
        let applied = pass.facts(&step.database).map(rows).unwrap_or_default();
        let applied = history::applied(applied);
        let open = |name: &&String| !applied.contains_key(name.as_str());
        marks.iter().filter(open).cloned().collect()
    } else if baseline {
        baseline::names(pass, &step.database, &step.migration)
    } else {
        vec![step.migration.clone()]
    }
}
