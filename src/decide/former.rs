//! What is known of databases under names that the spec has no more: a database is what its server says it is, and not its name
//! in `spec.databases`. Who renames an entry, lets two of them change places or leads a Secret elsewhere and back, finds
//! what was known of each where it is now.

use crate::api::{DatabaseMigrationStatus, DatabaseStatus, FormerDatabaseStatus};

/// How many are kept.
const KEPT: usize = 8;

/// What is known of a database beside its ledger, if anything is.
fn of(entry: &DatabaseStatus) -> Option<FormerDatabaseStatus> {
    let remembered = entry.remembered.as_ref();
    let former = FormerDatabaseStatus {
        turn: entry.turn.clone(),
        remembered: remembered
            .filter(|known| known.turn == entry.turn && known.count > 0)
            .cloned(),
        marks: entry.marks.clone(),
        unplanned: entry.unplanned.clone(),
        accepted: entry.accepted.clone(),
    };
    let empty = FormerDatabaseStatus {
        turn: entry.turn.clone(),
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
        entry.marks = known.marks;
        entry.unplanned = known.unplanned;
        entry.accepted = known.accepted;
    }
}
