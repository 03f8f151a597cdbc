//! PURE. What else is in the instance of a database: a restore of the whole instance takes it back, too.

use super::names::lease_name;
use super::pass::Pass;
use super::shown::bounded;
use super::status::{NAME_LIMIT, NAMES_LIMIT, cut};
use crate::api::{DatabaseStatus, InstanceStatus, OtherDatabaseStatus};
use crate::facts::{DatabaseFacts, DatabaseIdentity, OtherDatabase};

/// Puts what a look saw of it where people see it.
pub(super) fn seen(pass: &mut Pass<'_>, name: &str, facts: &DatabaseFacts) {
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

/// What the choice of a restore says of it; empty where it is not known.
pub(super) fn words(entry: &DatabaseStatus) -> String {
    let Some(instance) = &entry.instance else {
        return String::new();
    };
    let mut text = String::new();
    if !instance.same_database.is_empty() {
        text.push_str(&format!(
            "; {}, in the same database, goes back with it",
            names(&instance.same_database)
        ));
    }
    if instance.others_count > 0 {
        let shown: Vec<String> = instance.others.iter().map(other).collect();
        let count = match instance.others_count {
            1 => "1 other database".to_owned(),
            more => format!("{more} other databases"),
        };
        text.push_str(&format!(
            "; if the command restores the whole instance, {count} on the server too: {}",
            more(&shown, instance.others_count)
        ));
    }
    text
}

fn names(list: &[String]) -> String {
    more(list, bounded(list.len()))
}

/// `tasks (of this resource)`, or of which of its databases, where that has another name.
pub fn other(other: &OtherDatabaseStatus) -> String {
    match other.of_resource.as_slice() {
        [] => other.name.clone(),
        [one] if *one == other.name => format!("{one} (of this resource)"),
        several => format!("{} ({} of this resource)", other.name, names(several)),
    }
}

/// The first names of a list that has so many: `a, b, c and 2 more`.
fn more(list: &[String], count: u32) -> String {
    let shown = &list[..list.len().min(3)];
    let left = (count as usize).saturating_sub(shown.len());
    let rest = match left {
        0 => String::new(),
        left => format!(" and {left} more"),
    };
    format!("{}{rest}", shown.join(", "))
}
