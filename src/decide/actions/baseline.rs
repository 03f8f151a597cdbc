//! Baseline: what stands in a database that Prisma has not migrated is marked applied, where it is all there.

use super::super::pass::Pass;
use super::fits::{Fit, refused, rows};
use super::still::not_read;
use crate::api::{DatabaseSpec, MigrationActionSpec};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};
use crate::tools::{prisma, prisma::RowState, sql};

/// What a baseline marks: up to and including the named migration, what is not applied yet.
pub(super) fn names(pass: &Pass<'_>, database: &str, last: &str) -> Vec<String> {
    let rows = pass.facts(database).map(rows).unwrap_or_default();
    let applied = |name: &str| {
        let of_name = |row: &&LedgerRow| row.migration_name == name;
        rows.iter()
            .filter(of_name)
            .any(|row| prisma::row_state(row).is_applied())
    };
    let Some(inventory) = pass.snapshot.inventories.get(database) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for migration in &inventory.migrations {
        if !applied(&migration.name) {
            names.push(migration.name.clone());
        }
        if migration.name == last {
            return names;
        }
    }
    Vec::new()
}

/// Baseline: no ledger, or one that a baseline began; and everything that the migrations make is there.
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
    match &facts.ledger {
        Ledger::Absent { objects: 0 } => {
            return refused(format!(
                "{name}: its schema is empty: there is nothing to baseline, retry and let Prisma deploy"
            ));
        }
        Ledger::Absent { .. } => {}
        Ledger::NoRight { grant } => {
            return refused(format!(
                "{name}: the role may not read _prisma_migrations. Run as the table's owner: {grant}"
            ));
        }
        Ledger::Rows(rows) => {
            let by_hand = |row: &LedgerRow| prisma::row_state(row) == RowState::AppliedByHand;
            if !rows.iter().all(by_hand) {
                return refused(format!(
                    "{name}: Prisma has migrated it before, so it needs no baseline"
                ));
            }
        }
    }
    let Some(inventory) = pass.snapshot.inventories.get(name) else {
        return Err(not_read(pass, name));
    };
    let Some(at) = inventory.migrations.iter().position(|m| m.name == *last) else {
        return refused(format!(
            "{name}: the image {} does not hold {last}",
            pass.spec.image
        ));
    };
    let wanted = &inventory.migrations[..=at];
    let Some(objects) = &facts.objects else {
        return refused(format!(
            "{name}: the database has more objects than can be compared, so it cannot be checked that what these migrations make is there. Baseline it with Prisma by hand"
        ));
    };
    let scripts = wanted
        .iter()
        .map(|m| Some((m.name.as_str(), m.sql.as_deref()?)));
    let Some(scripts) = scripts.collect::<Option<Vec<_>>>() else {
        return refused(format!(
            "{name}: the migrations' SQL was too big to be kept, so it cannot be checked what they make. Baseline it with Prisma by hand"
        ));
    };
    let absent = sql::not_there(&scripts, &facts.identity.schema, objects);
    if !absent.is_empty() {
        let list: Vec<String> = absent
            .iter()
            .take(3)
            .map(|(migration, object)| format!("{object} ({migration})"))
            .collect();
        let more = match absent.len().saturating_sub(3) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return refused(format!(
            "{name}: not everything that these migrations make is there: {}{more}. Baseline up to an earlier migration",
            list.join(", ")
        ));
    }
    Ok(())
}
