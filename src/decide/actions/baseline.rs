//! Baseline: what stands in a database and not in its ledger is marked applied, where it is all there: in a database that
//! Prisma has not migrated, where the history was rewritten, and where rows of the ledger are gone.

use std::collections::BTreeSet;

use dbm_protocol::{DatabaseInventory, Migration};

use super::super::history;
use super::super::pass::Pass;
use super::super::remembered;
use super::super::status::names as list;
use super::fit::{Fit, not_read, refused, rows};
use crate::api::{DatabaseSpec, MigrationActionSpec, Policy};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow, Object};
use crate::tools::{prisma, prisma::RowState, sql};

/// What a baseline marks: up to and including the named migration, what is not applied yet. Of a history that was
/// rewritten, and where the named one is of those that stand for what ran, such ones only.
pub(super) fn names(pass: &Pass<'_>, database: &str, last: &str) -> Vec<String> {
    let Some((inventory, facts)) = pass
        .snapshot
        .inventories
        .get(database)
        .zip(pass.facts(database))
    else {
        return Vec::new();
    };
    let word = word(pass, database, inventory, facts);
    let names = to_mark(inventory, facts, last, word).into_iter();
    names.map(|migration| migration.name.clone()).collect()
}

/// What an earlier one said and did not come to.
fn marks<'a>(pass: &'a Pass<'_>, database: &str) -> &'a [String] {
    pass.database(database).map_or(&[], |entry| &entry.marks)
}

/// Whoever marks something does not say that it is new.
fn word<'a>(
    pass: &'a Pass<'_>,
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> history::Word<'a> {
    let passes = |accepted: &[String]| {
        let policies = &pass.spec.preflight.history;
        history::lets_pass(inventory, rows(facts), policies, accepted)
    };
    history::Word {
        marks: marks(pass, database),
        new: false,
        doubts: passes(pass.database(database).map_or(&[], |entry| &entry.accepted)),
        by_policy: passes(&[]),
        edits: pass.spec.preflight.history.edited != Policy::Ignore,
    }
}

/// Something is pending because its row is gone.
fn is_gone(
    pass: &Pass<'_>,
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> bool {
    let applied = history::applied(rows(facts));
    let names = inventory.migrations.iter().map(|m| m.name.clone());
    let pending: Vec<String> = names
        .filter(|name| !applied.contains_key(name.as_str()))
        .collect();
    let entry = pass.database(database);
    entry.is_some_and(|entry| !remembered::gone(entry, facts, &pending).is_empty())
}

fn to_mark<'a>(
    inventory: &'a DatabaseInventory,
    facts: &DatabaseFacts,
    last: &str,
    word: history::Word<'_>,
) -> Vec<&'a Migration> {
    let rows = rows(facts);
    let applied = history::applied(rows);
    let schema = &facts.identity.schema;
    let rewritten = history::rewritten(inventory, rows, schema, facts.objects.as_ref(), word);
    let of_rewritten = rewritten.all();
    let Some(at) = inventory.migrations.iter().position(|m| m.name == last) else {
        return Vec::new();
    };
    let only = of_rewritten.contains(last);
    inventory.migrations[..=at]
        .iter()
        .filter(|m| !applied.contains_key(m.name.as_str()))
        .filter(|m| !only || of_rewritten.contains(m.name.as_str()))
        .collect()
}

/// Baseline: no ledger, or one that a baseline began, that has what the image lacks, or that lost rows; and everything that the
/// migrations make is there.
pub(super) fn fits(
    pass: &Pass<'_>,
    database: &DatabaseSpec,
    spec: &MigrationActionSpec,
    facts: &DatabaseFacts,
) -> Result<(), Fit> {
    let (name, last) = (&database.name, &spec.migration_name);
    if spec.plan_hash != pass.status.plan_hash {
        return refused(format!(
            "{name}: the plan has changed since. Look again: {}",
            pass.command("plan")
        ));
    }
    if let Ledger::NoRight { grant } = &facts.ledger {
        return refused(format!(
            "{name}: the role may not read _prisma_migrations. Run as the table's owner: {grant}"
        ));
    }
    let Some(inventory) = pass.snapshot.inventories.get(name) else {
        return Err(not_read(pass, name));
    };
    let word = word(pass, name, inventory, facts);
    match &facts.ledger {
        Ledger::Absent { tables } => {
            // Where Prisma asked for one, it gets one.
            let asked = pass
                .database(name)
                .and_then(|entry| entry.failed.as_ref())
                .is_some_and(|failed| failed.code == history::NOT_EMPTY);
            let schema = &facts.identity.schema;
            if !asked && history::counted(tables, schema, inventory).is_empty() {
                return refused(format!(
                    "{name}: it holds no table for which Prisma asks for a baseline: retry and let Prisma deploy"
                ));
            }
        }
        Ledger::Rows(rows) => {
            let by_hand = |row: &LedgerRow| prisma::row_state(row) == RowState::AppliedByHand;
            let schema = &facts.identity.schema;
            let objects = facts.objects.as_ref();
            let rewritten = history::rewritten(inventory, rows, schema, objects, word);
            let lost = history::lost(inventory, rows);
            if !rows.iter().all(by_hand)
                && lost.is_empty()
                && rewritten.all().is_empty()
                && !is_gone(pass, name, inventory, facts)
            {
                return refused(format!(
                    "{name}: Prisma has migrated it before, and the image has every migration that is applied, so it needs no baseline"
                ));
            }
        }
        Ledger::NoRight { .. } => {}
    }
    if !inventory.migrations.iter().any(|m| m.name == *last) {
        return refused(format!(
            "{name}: the image {} does not hold {last}",
            pass.spec.image
        ));
    }
    let wanted = to_mark(inventory, facts, last, word);
    if wanted.is_empty() {
        return refused(format!("{name}: {last} is applied already"));
    }
    if spec.force {
        return Ok(());
    }
    let Some(objects) = &facts.objects else {
        return refused(format!(
            "{name}: the database has more objects than can be compared, so it cannot be checked that what these migrations make is there. If you know that it is, add --force"
        ));
    };
    if wanted.iter().any(|migration| migration.sql.is_none()) {
        return refused(format!(
            "{name}: the migrations' SQL was too big to be kept, so it cannot be checked what they make. If you know that it is there, add --force"
        ));
    }
    let against: Vec<String> = against(inventory, facts, &wanted)
        .into_iter()
        .map(|(migration, what)| format!("{what} ({migration})"))
        .chain(unseen(inventory, facts, &wanted, objects, word))
        .collect();
    if !against.is_empty() {
        let first: Vec<&str> = against.iter().map(String::as_str).collect();
        let earlier = history::up_to(inventory, facts).filter(|earlier| earlier < last);
        let then = match (&facts.ledger, earlier) {
            (Ledger::Absent { .. }, Some(earlier)) => {
                format!("Up to {earlier} everything is there: baseline up to that one")
            }
            _ => "Baseline up to an earlier migration, if there is one up to which everything is there"
                .to_owned(),
        };
        return refused(format!(
            "{name}: not everything that these migrations make is there: {}. {then}; if it is right all the same, add --force",
            list(&first)
        ));
    }
    Ok(())
}

/// What a baseline marks although the catalog contradicts it: each migration with what does, in words.
pub(super) fn contradicted(
    pass: &Pass<'_>,
    database: &str,
    last: &str,
    facts: &DatabaseFacts,
) -> Vec<(String, String)> {
    let inventory = pass.snapshot.inventories.get(database);
    let Some(inventory) = inventory else {
        return Vec::new();
    };
    let word = word(pass, database, inventory, facts);
    let wanted = to_mark(inventory, facts, last, word);
    against(inventory, facts, &wanted)
}

/// These, and what is applied: all of it is taken as run.
fn taken_as_run<'a>(
    inventory: &'a DatabaseInventory,
    facts: &DatabaseFacts,
    wanted: &[&Migration],
) -> Vec<&'a Migration> {
    let applied = history::applied(rows(facts));
    let names: BTreeSet<&str> = wanted.iter().map(|m| m.name.as_str()).collect();
    inventory
        .migrations
        .iter()
        .filter(|m| names.contains(m.name.as_str()) || applied.contains_key(m.name.as_str()))
        .collect()
}

/// What speaks against it that these ran: each with what does, in words.
fn against(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    wanted: &[&Migration],
) -> Vec<(String, String)> {
    let ran = taken_as_run(inventory, facts, wanted);
    let held = history::compared(&ran, facts).unwrap_or_default();
    let of = |migration: &&Migration| {
        let found = held.get(migration.name.as_str()).map(sql::Held::against);
        let name = migration.name.clone();
        let found = found.unwrap_or_default().into_iter();
        found.map(move |what| (name.clone(), what))
    };
    wanted.iter().flat_map(of).collect()
}

/// What of these neither shows in the catalog nor is told by what does, in words: that nothing speaks against it is not enough where
/// nothing speaks for it.
fn unseen(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    wanted: &[&Migration],
    objects: &BTreeSet<Object>,
    word: history::Word<'_>,
) -> Vec<String> {
    let schema = &facts.identity.schema;
    let ran = taken_as_run(inventory, facts, wanted);
    let held = history::held(&ran, schema, objects);
    let rewritten = history::rewritten(inventory, rows(facts), schema, Some(objects), word);
    let up_to = history::up_to(inventory, facts);
    let names = wanted.iter().map(|migration| migration.name.as_str());
    names
        .filter(|name| {
            let unseen = held.get(name).is_some_and(sql::Held::is_unseen);
            let shown = match &facts.ledger {
                Ledger::Absent { .. } => up_to.as_deref().is_some_and(|last| *name <= last),
                _ => rewritten.is_proven(name),
            };
            (unseen || rewritten.is_unseen(name)) && !shown
        })
        .map(|name| format!("what {name} does cannot be seen in the catalog: look whether it ran"))
        .collect()
}
