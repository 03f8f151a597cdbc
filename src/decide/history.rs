//! Rewritten history: applied migrations that the image does not have any more, and pending ones that stand for them.
//!
//! A pending migration with the content of such a one was renamed: it has run. One whose objects are all there, while
//! applied ones are missing from the image, is what a squashed history looks like. Neither may run, whatever the policy.

use std::collections::{BTreeMap, BTreeSet};

use dbm_agent::protocol::{DatabaseInventory, Migration};

use super::plan::Blocker;
use super::status::names;
use crate::api::reasons;
use crate::facts::{DatabaseFacts, LedgerRow, Object, TableName};
use crate::tools::prisma::{self, RowState};
use crate::tools::sql;

/// Prisma's code for a database that is not empty and has no ledger.
pub(super) const NOT_EMPTY: &str = "P3005";

/// Prisma's table.
const LEDGER: &str = "_prisma_migrations";

/// Tables of PostGIS, which Prisma does not count.
const POSTGIS: [&str; 5] = [
    "spatial_ref_sys",
    "geometry_columns",
    "geography_columns",
    "raster_columns",
    "raster_overviews",
];

/// The tables by which Prisma takes a database without a ledger for one that needs a baseline (P3005).
pub(super) fn counted<'a>(
    tables: &'a [TableName],
    schema: &str,
    inventory: &DatabaseInventory,
) -> Vec<&'a TableName> {
    let looked_at =
        |table: &&TableName| table.schema == schema || inventory.schemas.contains(&table.schema);
    let postgis = |table: &TableName| {
        let is = |name: &&str| table.name.eq_ignore_ascii_case(name);
        POSTGIS.iter().any(is)
    };
    let external = |table: &TableName| {
        let full = format!("{}.{}", table.schema, table.name);
        let configured = inventory.configured.iter();
        configured
            .flat_map(|said| &said.external_tables)
            .any(|named| *named == full)
    };
    tables
        .iter()
        .filter(looked_at)
        .filter(|table| table.name != LEDGER && !postgis(table) && !external(table))
        .collect()
}

/// A ledger in a schema that the datasource names, where the URL's schema has none: Prisma takes it for its own, does not
/// find it where it looks, and fails.
pub(super) fn elsewhere<'a>(
    tables: &'a [TableName],
    schema: &str,
    inventory: &DatabaseInventory,
) -> Option<&'a TableName> {
    tables.iter().find(|table| {
        table.name == LEDGER && table.schema != schema && inventory.schemas.contains(&table.schema)
    })
}

/// Up to which migration a database without a ledger holds what they make, as far as the catalog was read.
pub(super) fn up_to(inventory: &DatabaseInventory, facts: &DatabaseFacts) -> Option<String> {
    let objects = facts.objects.as_ref()?;
    let texts = inventory.migrations.iter();
    // Up to the first whose text was too big to be kept.
    let scripts: Vec<(&str, &str)> = texts
        .map_while(|m| Some((m.name.as_str(), m.sql.as_deref()?)))
        .collect();
    let at = sql::held_up_to(&scripts, &facts.identity.schema, objects)?;
    scripts.get(at).map(|(name, _)| (*name).to_owned())
}

/// Rows that say that a migration is in the database, by name.
pub(super) fn applied(rows: &[LedgerRow]) -> BTreeMap<&str, &LedgerRow> {
    rows.iter()
        .filter(|row| prisma::row_state(row).is_applied())
        .map(|row| (row.migration_name.as_str(), row))
        .collect()
}

/// The migrations of the image that a human said to be applied, without their ever having begun here: by a baseline, or as
/// those that stand for others.
fn said<'a>(
    inventory: &'a DatabaseInventory,
    rows: &'a [LedgerRow],
) -> Vec<(&'a Migration, &'a LedgerRow)> {
    let mut by_name: BTreeMap<&str, Vec<&LedgerRow>> = BTreeMap::new();
    for row in rows {
        by_name.entry(&row.migration_name).or_default().push(row);
    }
    let only = |migration: &'a Migration| match by_name.get(migration.name.as_str())?.as_slice() {
        [row] if prisma::row_state(row) == RowState::AppliedByHand => Some((migration, *row)),
        _ => None,
    };
    inventory.migrations.iter().filter_map(only).collect()
}

/// The names of the image's migrations.
fn names_of(inventory: &DatabaseInventory) -> BTreeSet<&str> {
    let all = inventory.migrations.iter();
    all.map(|migration| migration.name.as_str()).collect()
}

/// Applied migrations that the image does not have, and nobody accounted for: neither has the image their content under
/// another name, applied as well, nor did a human say after them that something else of the image is applied.
pub(super) fn lost<'a>(
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
) -> BTreeMap<&'a str, &'a LedgerRow> {
    let applied = applied(rows);
    let known = names_of(inventory);
    let said = said(inventory, rows);
    let mut lost = applied.clone();
    lost.retain(|name, row| {
        let same = |migration: &Migration| {
            applied.contains_key(migration.name.as_str())
                && prisma::checksum_matches(&row.checksum, migration)
        };
        !known.contains(name)
            && !inventory.migrations.iter().any(same)
            && !said
                .iter()
                .any(|(_, later)| later.started_at >= row.started_at)
    });
    lost
}

/// What of an image stands for what has run already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rewritten {
    /// Pending, and the name under which its content was applied.
    pub(super) renamed: Vec<(String, String)>,
    /// Pending, and may stand for applied ones that the image does not have.
    pub(super) squashed: Vec<String>,
    /// The last of `squashed` that the catalog shows to be there as a whole.
    pub(super) shown: Option<String>,
    /// What the first of `squashed` makes and is not there.
    pub(super) against: Vec<String>,
    /// The catalog's objects matter for it.
    pub(super) by_name: bool,
    /// Nothing of the image is applied.
    pub(super) nothing_in_common: bool,
}

impl Rewritten {
    /// Every migration that must not run.
    pub(super) fn all(&self) -> BTreeSet<&str> {
        let renamed = self.renamed.iter().map(|(new, _)| new.as_str());
        renamed
            .chain(self.squashed.iter().map(String::as_str))
            .collect()
    }

    /// Up to which one they can be said to be applied, as far as that is shown.
    pub(super) fn baseline(&self) -> Option<&str> {
        let renamed = self.renamed.last().map(|(new, _)| new.as_str());
        renamed.max(self.shown.as_deref())
    }

    /// Why nothing may start.
    pub(super) fn blocker(&self, database: &str, lost: &[&str]) -> Option<Blocker> {
        let blocked = |reason, message| {
            Some(Blocker {
                reason,
                message,
                next: String::new(),
            })
        };
        if let Some((new, old)) = self.renamed.first() {
            let more = match self.renamed.len() {
                1 => String::new(),
                number => format!(" (and {} more like it)", number - 1),
            };
            let message = format!(
                "{database}: {new}{more} is pending, and its content was applied as {old}, which the image does not have: it was renamed and has run already, so nothing was started. Release it under its old name, or tell Prisma that it is applied under the new one."
            );
            return blocked(reasons::RENAMED_FOUND, message);
        }
        let squashed: Vec<&str> = self.squashed.iter().map(String::as_str).collect();
        if squashed.is_empty() {
            return None;
        }
        let common = if self.nothing_in_common {
            "the image has none of the migrations that are applied"
        } else {
            "the image lacks migrations that are applied"
        };
        if lost.is_empty() {
            let message = format!(
                "{database}: a baseline said that {} has run, and it is not marked applied yet, so nothing was started. Baseline again to go on; where it was wrong, a retry with --force takes it back.",
                names(&squashed)
            );
            return blocked(reasons::SQUASHED_FOUND, message);
        }
        let there = if self.shown.is_some() {
            format!("what {} would make is there already", names(&squashed))
        } else if self.against.is_empty() {
            format!(
                "whether {} ran cannot be seen in the catalog",
                names(&squashed)
            )
        } else {
            let first: Vec<&str> = self.against.iter().take(3).map(String::as_str).collect();
            format!(
                "a part of what {} would make is there already ({})",
                names(&squashed),
                first.join(", ")
            )
        };
        let message = format!(
            "{database}: {common} ({}), and {there}. This looks like a squashed history, so nothing was started. If the pending ones stand for the applied ones, tell Prisma that they are applied; else release an image that has those.",
            names(lost)
        );
        blocked(reasons::SQUASHED_FOUND, message)
    }
}

/// Looks for it among what is pending; `marks` is what a human said to have run. `objects` is `None` where they are not known: then what may be a squashed history is
/// taken for one.
pub(super) fn rewritten(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    schema: &str,
    objects: Option<&BTreeSet<Object>>,
    marks: &[String],
) -> Rewritten {
    let mut found = seen(inventory, rows, schema, objects);
    // With the first of several that is marked, the ledger does not show the others any more.
    let applied = applied(rows);
    let known = found.all();
    let said: Vec<String> = inventory
        .migrations
        .iter()
        .map(|migration| &migration.name)
        .filter(|name| marks.contains(name) && !applied.contains_key(name.as_str()))
        .filter(|name| !known.contains(name.as_str()))
        .cloned()
        .collect();
    if let Some(last) = said.last() {
        found.shown = found.shown.max(Some(last.clone()));
        found.squashed.extend(said);
        found.squashed.sort();
    }
    found
}

fn seen(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    schema: &str,
    objects: Option<&BTreeSet<Object>>,
) -> Rewritten {
    let applied = applied(rows);
    let mut found = Rewritten {
        renamed: renamed(inventory, rows, &applied),
        ..Rewritten::default()
    };
    let lost = lost(inventory, rows);
    let is_renamed =
        |name: &str, found: &Rewritten| found.renamed.iter().any(|(new, _)| new == name);
    let pending: Vec<&Migration> = inventory
        .migrations
        .iter()
        .filter(|m| !applied.contains_key(m.name.as_str()) && !is_renamed(&m.name, &found))
        .collect();
    let Some(newest_lost) = lost.keys().next_back() else {
        return found;
    };
    if pending.is_empty() {
        return found;
    }
    found.by_name = true;
    found.nothing_in_common = pending.len() == inventory.migrations.len();
    let script = |m: &&Migration| m.sql.is_some();
    let Some(objects) = objects.filter(|_| pending.iter().all(script)) else {
        let older = |m: &&&Migration| found.nothing_in_common || m.name.as_str() < *newest_lost;
        found.squashed = pending
            .iter()
            .filter(older)
            .map(|m| m.name.clone())
            .collect();
        return found;
    };
    let all: Vec<&Migration> = inventory.migrations.iter().collect();
    let held = held(&all, schema, objects);
    let mut squashed = Vec::new();
    for migration in pending {
        let name = migration.name.as_str();
        let Some(held) = held.get(name) else { continue };
        let first = squashed.is_empty();
        if held.is_whole() {
            found.shown = Some(name.to_owned());
        } else if held.is_unseen() {
            // Beside others that stand for what ran, it may be a part of it: what changes rows cannot be seen.
            if !found.nothing_in_common && (first || name > *newest_lost) {
                continue;
            }
            if found.shown.is_some() && name < *newest_lost {
                found.shown = Some(name.to_owned());
            }
        } else if found.nothing_in_common && first && !held.there.is_empty() {
            found.against = held.against();
        } else if found.nothing_in_common {
            break;
        } else {
            continue;
        }
        squashed.push(name.to_owned());
    }
    found.squashed = squashed;
    found
}

/// How migrations of an image compare with the catalog, by name, where all of them ran or are to be taken as run.
pub(super) fn held<'a>(
    migrations: &[&'a Migration],
    schema: &str,
    objects: &BTreeSet<Object>,
) -> BTreeMap<&'a str, sql::Held> {
    let names = migrations.iter().map(|m| m.name.as_str());
    let scripts = migrations
        .iter()
        .map(|m| m.sql.as_deref().unwrap_or_default());
    let scripts: Vec<(&str, &str)> = names.clone().zip(scripts).collect();
    names.zip(sql::held(&scripts, schema, objects)).collect()
}

/// Pending migrations with the content of an applied one whose name the image does not have. Each that a human has
/// accounted for since takes one of them away: equal content may be there on purpose.
fn renamed(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    applied: &BTreeMap<&str, &LedgerRow>,
) -> Vec<(String, String)> {
    let known = names_of(inventory);
    let said = said(inventory, rows);
    let mut found = Vec::new();
    for migration in &inventory.migrations {
        if applied.contains_key(migration.name.as_str()) {
            continue;
        }
        let same = |row: &&&LedgerRow| {
            !known.contains(row.migration_name.as_str())
                && prisma::checksum_matches(&row.checksum, migration)
        };
        let gone: Vec<&&LedgerRow> = applied.values().filter(same).collect();
        let accounted = said.iter().filter(|(_, row)| {
            prisma::checksum_matches(&row.checksum, migration)
                && gone.iter().any(|old| row.started_at >= old.started_at)
        });
        if let Some(old) = gone.get(accounted.count()) {
            found.push((migration.name.clone(), old.migration_name.clone()));
        }
    }
    found
}
