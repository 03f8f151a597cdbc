//! What is marked applied with force although the catalog contradicts it: that is said for as long as the run is shown, and at its end.

use std::collections::BTreeMap;

use super::status;
use crate::api::{DatabaseStatus, FindingKind, FindingStatus, Policy};

/// What is kept of what contradicts it, characters.
const TEXT_LIMIT: usize = 200;
/// Migrations of which it is said.
const LIMIT: usize = 8;

/// Notes what an action goes against: migrations, each with what contradicts it.
pub(super) fn note(entry: &mut DatabaseStatus, found: Vec<(String, String)>) {
    forget(entry);
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (migration, what) in found {
        by_name.entry(migration).or_default().push(what);
    }
    for (migration, what) in by_name.into_iter().take(LIMIT) {
        let migration = status::cut(&migration, status::NAME_LIMIT);
        entry.findings.push(FindingStatus {
            text: status::cut(&what.join("; "), TEXT_LIMIT),
            ..FindingStatus::new(FindingKind::Forced, &migration, Policy::Warn)
        });
        entry.findings_count += 1;
    }
}

/// It was not marked.
pub(super) fn forget(entry: &mut DatabaseStatus) {
    let before = entry.findings.len();
    entry
        .findings
        .retain(|finding| finding.kind != FindingKind::Forced);
    let gone = u32::try_from(before - entry.findings.len()).unwrap_or_default();
    entry.findings_count = entry.findings_count.saturating_sub(gone);
}

/// It is said in later runs, too, for as long as it is so.
pub(super) fn carry(before: &DatabaseStatus, next: &mut DatabaseStatus) {
    let findings = before.findings.iter();
    let forced = findings.filter(|finding| finding.kind == FindingKind::Forced);
    next.findings.extend(forced.cloned());
    next.findings_count = u32::try_from(next.findings.len()).unwrap_or_default();
}

/// What of it is not so any more is left out. `against`: what contradicts a migration by now, where the catalog was read and it is marked
/// applied.
pub(super) fn recheck(
    findings: Vec<FindingStatus>,
    against: impl Fn(&str) -> Option<Vec<String>>,
) -> Vec<FindingStatus> {
    let still = |mut finding: FindingStatus| {
        if finding.kind == FindingKind::Forced
            && let Some(what) = against(&finding.migration)
        {
            finding.text = status::cut(&what.join("; "), TEXT_LIMIT);
            return (!what.is_empty()).then_some(finding);
        }
        Some(finding)
    };
    findings.into_iter().filter_map(still).collect()
}
