//! Rewritten history: applied migrations that the image does not have any more, and pending ones that stand for them.
//!
//! A pending migration with the content of such a one was renamed: it has run. One that makes what is there already, if
//! only partly, while applied ones are missing from the image, is what a squashed history looks like; what only changes
//! rows beside it may be a part of that. None of them may run, whatever the policy, before a human has said what it is.

mod content;
mod reworded;
mod rewritten;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use dbm_protocol::{DatabaseInventory, Migration};

use crate::facts::{DatabaseFacts, Ledger, LedgerRow, Object, TableName};
use crate::tools::prisma::{self, RowState};
use crate::tools::sql;

use content::Contents;
pub(super) use rewritten::{Rewritten, Word, lets_pass, rewritten};

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

/// Whether of one of these, up to the last, the catalog shows nothing, by its text alone: it only changes rows, say.
pub(super) fn has_unseen(
    inventory: &DatabaseInventory,
    pending: &[String],
    last: &str,
    facts: &DatabaseFacts,
) -> bool {
    let marked = inventory
        .migrations
        .iter()
        .filter(|migration| migration.name.as_str() <= last && pending.contains(&migration.name));
    let mut scripts = marked.map(|migration| migration.sql.as_deref());
    scripts.any(|script| {
        script.is_none_or(|script| {
            let effects = sql::effects(script, &facts.identity.schema);
            let mut effects = effects.iter();
            effects.all(|effects| effects.adds.is_empty() && effects.removes.is_empty())
        })
    })
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

/// Applied migrations that the image does not have, nor has it their content under another name, applied as well.
fn gone<'a>(
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
) -> BTreeMap<&'a str, &'a LedgerRow> {
    let applied = applied(rows);
    let known = names_of(inventory);
    let mut gone = applied.clone();
    gone.retain(|name, row| {
        let same = |migration: &Migration| {
            applied.contains_key(migration.name.as_str())
                && prisma::checksum_matches(&row.checksum, migration)
        };
        !known.contains(name) && !inventory.migrations.iter().any(same)
    });
    gone
}

/// Those of them that nobody accounted for: no human said after them that something else of the image is applied.
pub(super) fn lost<'a>(
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
) -> BTreeMap<&'a str, &'a LedgerRow> {
    let said = said(inventory, rows);
    let mut lost = gone(inventory, rows);
    lost.retain(|_, row| {
        let mut later = said.iter();
        !later.any(|(_, later)| later.started_at >= row.started_at)
    });
    lost
}

/// Those that a human accounted for by marking something of the image, while Prisma has deployed nothing of it since: of
/// what is pending beside that it is not said yet whether it ran with them.
fn accounted<'a>(
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
) -> BTreeMap<&'a str, &'a LedgerRow> {
    let known = names_of(inventory);
    let last = said(inventory, rows)
        .into_iter()
        .map(|(_, row)| row.started_at)
        .max();
    let deployed = |row: &LedgerRow| {
        known.contains(row.migration_name.as_str())
            && prisma::row_state(row) == RowState::Applied
            && Some(row.started_at) > last
    };
    if last.is_none() || rows.iter().any(deployed) {
        return BTreeMap::new();
    }
    gone(inventory, rows)
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

/// What contradicts that an applied migration ran, in words; none where the catalog was not read, or the image does not hold it.
pub(super) fn contradicted(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    name: &str,
) -> Option<Vec<String>> {
    let Ledger::Rows(rows) = &facts.ledger else {
        return None;
    };
    let applied = applied(rows);
    let all = inventory.migrations.iter();
    let ran: Vec<&Migration> = all
        .filter(|m| applied.contains_key(m.name.as_str()))
        .collect();
    Some(compared(&ran, facts)?.remove(name)?.against())
}

/// How each of these migrations compares with the catalog, by name, where all of them ran or are to be taken as run: columns and indexes
/// with what they are like, all else by its name. None where the catalog is not known.
pub(super) fn compared<'a>(
    migrations: &[&'a Migration],
    facts: &DatabaseFacts,
) -> Option<BTreeMap<&'a str, sql::Held>> {
    let schema = &facts.identity.schema;
    let mut held = held(migrations, schema, facts.objects.as_ref()?);
    let texts: Vec<(&str, &str)> = migrations
        .iter()
        .map(|m| (m.name.as_str(), m.sql.as_deref().unwrap_or_default()))
        .collect();
    if let Some((columns, indexes)) = facts.columns.as_ref().zip(facts.indexes.as_ref()) {
        let otherwise = sql::otherwise(&texts, schema, columns, indexes);
        for ((name, _), different) in texts.iter().zip(otherwise) {
            if let Some(held) = held.get_mut(name) {
                held.different = different;
            }
        }
    }
    Some(held)
}

/// Pending migrations with the content of an applied one that the image does not have under its name, as it was. Each that
/// a human has accounted for since takes one of them away: equal content may be there on purpose.
fn renamed(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    applied: &BTreeMap<&str, &LedgerRow>,
    contents: &Contents<'_>,
) -> Vec<(String, String)> {
    let said = said(inventory, rows);
    let mut found = Vec::new();
    for migration in &inventory.migrations {
        if applied.contains_key(migration.name.as_str()) {
            continue;
        }
        let same = |row: &&&LedgerRow| contents.is(row, migration) && !contents.is_intact(row);
        let gone: Vec<&&LedgerRow> = applied.values().filter(same).collect();
        let accounted = said.iter().filter(|(_, row)| {
            contents.is(row, migration) && gone.iter().any(|old| row.started_at >= old.started_at)
        });
        if let Some(old) = gone.get(accounted.count()) {
            found.push((migration.name.clone(), old.migration_name.clone()));
        }
    }
    found
}

/// Applied names under which the image has SQL that never ran, each with the name that what was applied has there now:
/// Prisma runs no name twice.
fn reused(
    inventory: &DatabaseInventory,
    applied: &BTreeMap<&str, &LedgerRow>,
    contents: &Contents<'_>,
) -> Vec<(String, String)> {
    let ran = |migration: &Migration| applied.values().any(|row| contents.is(row, migration));
    // Applied by Prisma itself, as it is: that one does not stand for another.
    let own = |migration: &Migration| {
        let row = applied.get(migration.name.as_str());
        row.is_some_and(|row| {
            prisma::row_state(row) == RowState::Applied && contents.is(row, migration)
        })
    };
    let mut found = Vec::new();
    for migration in &inventory.migrations {
        let Some(row) = applied.get(migration.name.as_str()) else {
            continue;
        };
        if migration.unreadable.is_some() || ran(migration) {
            continue;
        }
        let mut all = inventory.migrations.iter();
        if let Some(now) = all.find(|m| contents.is(row, m) && !own(m)) {
            found.push((migration.name.clone(), now.name.clone()));
        }
    }
    found
}

/// Pending migrations with the SQL of one that is applied, and that the image has, too, as it was.
fn repeated(
    inventory: &DatabaseInventory,
    applied: &BTreeMap<&str, &LedgerRow>,
    contents: &Contents<'_>,
) -> BTreeMap<String, String> {
    let empty = |m: &Migration| {
        let text = m.sql.as_deref();
        text.is_some_and(|text| sql::statements(text).is_empty())
    };
    let is_pending = |m: &&Migration| !applied.contains_key(m.name.as_str()) && !empty(m);
    let same = |m: &Migration| {
        let mut rows = applied.values();
        let row = rows.find(|row| contents.is(row, m) && contents.is_intact(row))?;
        Some((m.name.clone(), row.migration_name.clone()))
    };
    let all = inventory.migrations.iter();
    all.filter(is_pending).filter_map(same).collect()
}
