//! What is marked applied with force although the catalog contradicts it: that is said for as long as the run is shown, and at its end.

use std::collections::BTreeMap;

use super::super::pass::Pass;
use super::super::shown::bounded;
use super::super::status;
use super::{baseline, marks};
use crate::api::{ActionKind, FindingKind, FindingStatus, MigrationActionSpec, Policy};
use crate::facts::DatabaseFacts;

/// What is kept of what contradicts it, characters.
const TEXT_LIMIT: usize = 200;
/// Migrations of which it is said.
const LIMIT: usize = 8;

/// Notes what the action goes against.
pub(super) fn note(pass: &mut Pass<'_>, spec: &MigrationActionSpec, facts: Option<&DatabaseFacts>) {
    let Some(facts) = facts.filter(|_| spec.force) else {
        return;
    };
    let (database, name) = (&spec.database, &spec.migration_name);
    let found: Vec<(String, String)> = match spec.action {
        ActionKind::Baseline => baseline::contradicted(pass, database, name, facts),
        _ => marks::contradicted(pass, spec, facts)
            .into_iter()
            .map(|what| (name.clone(), what))
            .collect(),
    };
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (migration, what) in found {
        by_name.entry(migration).or_default().push(what);
    }
    let Some(entry) = pass.database_mut(database) else {
        return;
    };
    entry
        .findings
        .retain(|finding| finding.kind != FindingKind::Forced);
    for (migration, what) in by_name.into_iter().take(LIMIT) {
        let migration = status::cut(&migration, status::NAME_LIMIT);
        entry.findings.push(FindingStatus {
            text: status::cut(&what.join("; "), TEXT_LIMIT),
            ..FindingStatus::new(FindingKind::Forced, &migration, Policy::Warn)
        });
    }
    entry.findings_count = bounded(entry.findings.len());
}

/// It was not marked.
pub(super) fn forget(pass: &mut Pass<'_>, database: &str) {
    let Some(entry) = pass.database_mut(database) else {
        return;
    };
    entry
        .findings
        .retain(|finding| finding.kind != FindingKind::Forced);
    entry.findings_count = bounded(entry.findings.len());
}
