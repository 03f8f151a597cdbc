//! What a look saw of a database that is no plan: how much was written since its restore point, and what else is on its server.

use super::names::lease_name;
use super::pass::Pass;
use super::status::{self, NAME_LIMIT, NAMES_LIMIT, bounded, cut};
use crate::api::{InstanceStatus, OtherDatabaseStatus};
use crate::facts::{DatabaseFacts, DatabaseIdentity, OtherDatabase};

/// How many transactions were committed since the restore points, and what else is on the servers, for those who think of going
/// back.
pub(super) fn since_restore_point(pass: &mut Pass<'_>) {
    if pass.spec.rollback.restore.is_none() {
        return;
    }
    let now = pass.now();
    for database in &pass.spec.databases {
        let Some(facts) = pass.facts(&database.name) else {
            continue;
        };
        seen(pass, &database.name, facts);
        // What another database commits says nothing.
        let turn = lease_name(&facts.identity);
        if let Some(entry) = pass.database_mut(&database.name)
            && let Some(point) = &mut entry.restore_point
            && point.is_of(&turn)
        {
            // Statistics that were reset count from nothing again.
            point.commits_since = Some((facts.commits - point.commits).max(0));
            entry.last_observed_at = status::time(now);
        }
    }
}

/// Puts what a look saw of it where people see it.
fn seen(pass: &mut Pass<'_>, name: &str, facts: &DatabaseFacts) {
    let Some(others) = &facts.others else {
        return;
    };
    let own = lease_name(&facts.identity);
    let of = |turn: &str| -> Vec<String> {
        let beside = pass.status.databases.iter();
        beside
            .filter(|entry| entry.name != name && entry.turn == turn)
            .map(|entry| entry.name.clone())
            .collect()
    };
    let mut list: Vec<OtherDatabaseStatus> = others
        .first
        .iter()
        .map(|other| OtherDatabaseStatus {
            name: cut(&other.name, NAME_LIMIT),
            of_resource: turn(&facts.identity, other).map_or_else(Vec::new, |turn| of(&turn)),
        })
        .collect();
    // They came by name.
    list.sort_by_key(|other| other.of_resource.is_empty());
    list.truncate(NAMES_LIMIT);
    let seen = InstanceStatus {
        others: list,
        others_count: others.count.max(bounded(others.first.len())),
        same_database: of(&own),
    };
    if let Some(entry) = pass.database_mut(name) {
        entry.instance = Some(seen);
    }
}

/// The turn of another database of the same server. Of a server that does not say who it is nothing is known of the others: a
/// name and a number are the same on many.
fn turn(identity: &DatabaseIdentity, other: &OtherDatabase) -> Option<String> {
    let known = !identity.system_identifier.is_empty();
    known.then(|| {
        lease_name(&DatabaseIdentity {
            database_oid: other.oid,
            database: other.name.clone(),
            ..identity.clone()
        })
    })
}
