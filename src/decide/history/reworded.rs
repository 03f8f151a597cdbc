//! Applied names under which the image has other SQL than was applied: what was applied as that may be pending under another name, worded
//! otherwise, and of what only changes rows nothing else would show it.

use std::collections::{BTreeMap, BTreeSet};

use dbm_protocol::{DatabaseInventory, Migration};

use super::content::Contents;
use super::{applied, gone, held, said};
use crate::facts::{LedgerRow, Object};
use crate::tools::prisma::{self, RowState};
use crate::tools::sql;

/// Where names are looked up: the schema, and what stands in the catalog, where that is known.
pub(super) type Place<'a> = (&'a str, Option<&'a BTreeSet<Object>>);

/// What the catalog says of the SQL that the image has under an applied name, and that is not what was applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    /// It has not run.
    NeverRan,
    /// It changes rows, and whether it ran is not seen.
    Open,
    /// Nothing speaks against its having run.
    Held,
}

/// An applied name that may have moved, and what may be it.
pub(super) struct Moved {
    /// That name.
    pub(super) name: String,
    /// The catalog shows that what stands under it now has not run.
    pub(super) proven: bool,
    /// What may be it.
    pub(super) doubtful: Vec<String>,
    /// Of those, the ones that have not run as they are.
    pub(super) mixed: BTreeMap<String, Part>,
}

/// Statements of a migration that may have run, and what speaks against the rest.
pub(super) type Part = (Vec<String>, Vec<String>);

/// The first of `edited` that may have moved, and what of `pending` may be it. `edits`: not only those that the catalog shows.
pub(super) fn beside(
    inventory: &DatabaseInventory,
    edited: &[&str],
    pending: &[&Migration],
    (schema, objects): (&str, &BTreeSet<Object>),
    edits: bool,
) -> Option<Moved> {
    let all: Vec<&Migration> = inventory.migrations.iter().collect();
    let held = held(&all, schema, objects);
    let moved = |wanted: Now| {
        let mut edited = edited.iter();
        edited.find(|name| now(inventory, name, &held, (schema, Some(objects))) == wanted)
    };
    let proven = moved(Now::NeverRan);
    let name = proven.or_else(|| moved(Now::Open).filter(|_| edits))?;
    let against = |m: &Migration| {
        let held = held.get(m.name.as_str());
        held.map_or_else(Vec::new, sql::Held::against)
    };
    let mixed: BTreeMap<String, Part> = pending
        .iter()
        .filter_map(|m| Some((m.name.clone(), mix(m, against(m), schema, objects)?)))
        .collect();
    let hides = |m: &&&Migration| {
        let script = m.sql.as_deref().unwrap_or_default();
        let held = held.get(m.name.as_str());
        let unseen = held.is_some_and(sql::Held::is_unseen) && !sql::statements(script).is_empty();
        unseen || mixed.contains_key(&m.name)
    };
    let doubtful: Vec<String> = pending
        .iter()
        .filter(hides)
        .map(|m| m.name.clone())
        .collect();
    Some(Moved {
        name: (*name).to_owned(),
        proven: proven.is_some(),
        doubtful,
        mixed,
    })
}

/// Of what is pending the first ones, as far as the catalog does not show whether they ran: what comes after one that has not run is new.
pub(super) fn first_unseen(
    inventory: &DatabaseInventory,
    pending: &[&Migration],
    schema: &str,
    objects: &BTreeSet<Object>,
) -> Vec<String> {
    let all: Vec<&Migration> = inventory.migrations.iter().collect();
    let held = held(&all, schema, objects);
    let open = |m: &&&Migration| {
        let script = m.sql.as_deref();
        let nothing = script.is_some_and(|script| sql::statements(script).is_empty());
        let held = held.get(m.name.as_str());
        nothing || held.is_some_and(|held| held.against().is_empty())
    };
    let unseen = |m: &&&Migration| {
        let script = m.sql.as_deref().unwrap_or_default();
        let held = held.get(m.name.as_str());
        held.is_some_and(sql::Held::is_unseen) && !sql::statements(script).is_empty()
    };
    let first = pending.iter().take_while(open);
    first.filter(unseen).map(|m| m.name.clone()).collect()
}

/// `held`: how the image's migrations compare with the catalog, where that is known.
fn now(
    inventory: &DatabaseInventory,
    name: &str,
    held: &BTreeMap<&str, sql::Held>,
    (schema, objects): Place<'_>,
) -> Now {
    let mut all = inventory.migrations.iter();
    let script = all.find(|m| m.name == name);
    let script = script.and_then(|m| m.sql.as_deref()).unwrap_or_default();
    let none = BTreeSet::new();
    match held.get(name) {
        Some(held) if !held.against().is_empty() => Now::NeverRan,
        _ if sql::apart_from_new(script, schema, objects.unwrap_or(&none)).is_empty() => Now::Held,
        _ => Now::Open,
    }
}

/// What a mark says of applied names.
#[derive(Default)]
pub(super) struct Told {
    /// Those under which other SQL stands, and the name that what was applied has.
    pub(super) reused: Vec<(String, String)>,
    /// The catalog's objects matter for it.
    pub(super) by_name: bool,
}

/// Applied names of which a human said that what was applied under them has another name now, by marking that one: the SQL that the
/// image has there never ran, and never does.
pub(super) fn told(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    contents: &Contents<'_>,
    place: Place<'_>,
) -> Told {
    // A mark stands for what the image lacks, where it lacks anything.
    if !gone(inventory, rows).is_empty() {
        return Told::default();
    }
    let applied = applied(rows);
    let said = said(inventory, rows);
    // What it holds may have stood there: it changes rows.
    let changes = |migration: &Migration| {
        let script = migration.sql.as_deref().unwrap_or_default();
        !sql::apart_from_new(script, place.0, &BTreeSet::new()).is_empty()
    };
    let mut said = said.into_iter().filter(|(marked, _)| {
        changes(marked) && !applied.values().any(|row| is_of(contents, row, marked))
    });
    let Some((marked, mark)) = said.next() else {
        return Told::default();
    };
    let edited = inventory.migrations.iter().filter(|migration| {
        let row = applied.get(migration.name.as_str());
        row.is_some_and(|row| {
            prisma::row_state(row) == RowState::Applied
                && row.started_at <= mark.started_at
                && !contents.is_intact(row)
        })
    });
    let edited: Vec<&Migration> = edited
        .filter(|migration| migration.unreadable.is_none())
        .collect();
    let all: Vec<&Migration> = inventory.migrations.iter().collect();
    let held = match place.1 {
        Some(objects) if !edited.is_empty() => held(&all, place.0, objects),
        _ => BTreeMap::new(),
    };
    Told {
        by_name: !edited.is_empty(),
        reused: edited
            .into_iter()
            .filter(|migration| now(inventory, &migration.name, &held, place) != Now::Held)
            .map(|migration| (migration.name.clone(), marked.name.clone()))
            .collect(),
    }
}

/// It has the content of an applied one beside its own row.
fn is_of(contents: &Contents<'_>, row: &LedgerRow, migration: &Migration) -> bool {
    row.migration_name != migration.name && contents.is(row, migration)
}

/// What of one that has not run as it is may have run. `against`: what speaks against its having run.
pub(super) fn mix(
    migration: &Migration,
    against: Vec<String>,
    schema: &str,
    objects: &BTreeSet<Object>,
) -> Option<Part> {
    let script = migration.sql.as_deref().unwrap_or_default();
    let open = sql::apart_from_new(script, schema, objects);
    let open: Vec<String> = open
        .iter()
        .map(|statement| format!("statement {} ({})", statement.number, statement.text))
        .collect();
    (!against.is_empty() && !open.is_empty()).then_some((open, against))
}
