//! What is known of databases under names that the spec has no more: a database is what its server says it is, and not its name
//! in `spec.databases`. Who renames an entry, lets two of them change places or leads a Secret elsewhere and back, finds
//! what was known of each where it is now.

use crate::api::{DatabaseMigrationStatus, DatabaseStatus, FormerDatabaseStatus, reasons};

/// How many are kept.
const KEPT: usize = 8;

/// What is known of a database beside its ledger, if anything is.
fn of(entry: &DatabaseStatus) -> Option<FormerDatabaseStatus> {
    let remembered = entry.remembered.as_ref();
    let name = match entry.exchanged_with.as_str() {
        "" => &entry.name,
        owner => owner,
    };
    let former = FormerDatabaseStatus {
        turn: entry.turn.clone(),
        name: name.to_owned(),
        remembered: remembered
            .filter(|known| known.turn == entry.turn && known.count > 0)
            .cloned(),
        marks: entry.marks.clone(),
        unplanned: entry.unplanned.clone(),
        accepted: entry.accepted.clone(),
    };
    let empty = FormerDatabaseStatus {
        turn: entry.turn.clone(),
        name: name.to_owned(),
        ..FormerDatabaseStatus::default()
    };
    (!entry.turn.is_empty() && former != empty).then_some(former)
}

/// An entry leads elsewhere from now on, or is no more.
pub(super) fn left(status: &mut DatabaseMigrationStatus, entry: &DatabaseStatus) {
    let Some(former) = of(entry) else { return };
    let all = &mut status.former;
    all.retain(|other| other.turn != former.turn);
    all.insert(0, former);
    all.truncate(KEPT);
}

/// Each entry gets what is known of the database that it leads to.
pub(super) fn found(status: &mut DatabaseMigrationStatus) {
    let databases = status.databases.iter();
    let entries: Vec<String> = databases.map(|entry| entry.name.clone()).collect();
    for entry in &mut status.databases {
        let own = entry.remembered.as_ref();
        if entry.turn.is_empty() || own.is_some_and(|known| known.turn == entry.turn) {
            continue;
        }
        let known = status.former.iter().position(|it| it.turn == entry.turn);
        let Some(at) = known else { continue };
        let known = status.former.remove(at);
        if known.remembered.is_some() {
            entry.remembered = known.remembered;
        }
        // Whoever renames an entry leaves none of the old name.
        let of_other = known.name != entry.name && entries.contains(&known.name);
        entry.exchanged_with = if of_other { known.name } else { String::new() };
        entry.marks = known.marks;
        entry.unplanned = known.unplanned;
        entry.accepted = known.accepted;
    }
}

/// Why nothing starts on a database that was another entry's, in words: the Secrets may have been exchanged. `retry`: how it is run all
/// the same.
pub(super) fn exchanged(entry: &DatabaseStatus, retry: &str) -> Option<String> {
    let (name, other) = (&entry.name, &entry.exchanged_with);
    (!other.is_empty()).then(|| {
        format!(
            "{name}: it leads to the database that was {other}'s when a run last saw it, so nothing was started. Were their Secrets exchanged, or connection.secretKeyRef in the spec? Correct that; it goes on by itself. If it is meant, run it: {retry}"
        )
    })
}

/// A retry after people were told accepts it.
pub(super) fn carry(before: &DatabaseStatus, retry: bool, reason: &str, next: &mut DatabaseStatus) {
    if !(retry && reason == reasons::DATABASES_EXCHANGED) {
        next.exchanged_with.clone_from(&before.exchanged_with);
    }
}
