//! MarkApplied and MarkRolledBack: of the row that was judged, and not against what the catalog shows.

use dbm_agent::protocol::Migration;

use super::super::history;
use super::super::pass::Pass;
use super::super::status::names;
use super::fits::{Fit, refused, rows};
use super::still::not_read;
use crate::api::{ActionKind, FailedStatus, MigrationActionSpec, StepKind, StepStatus};
use crate::facts::{DatabaseFacts, LedgerRow};
use crate::tools::{prisma, prisma::RowState, sql};

/// MarkApplied and MarkRolledBack: the row that was judged is still the row that blocks.
pub(super) fn fits(
    pass: &Pass<'_>,
    spec: &MigrationActionSpec,
    facts: &DatabaseFacts,
) -> Result<(), Fit> {
    let (database, name) = (&spec.database, &spec.migration_name);
    let Some(row) = rows(facts).iter().find(|row| row.id == spec.ledger_row) else {
        return refused(format!(
            "{database}: the ledger has no row {} (any more). Look again: {}",
            spec.ledger_row,
            pass.command("status")
        ));
    };
    if row.migration_name != *name {
        return refused(format!(
            "{database}: row {} is of {}, not of {name}",
            row.id, row.migration_name
        ));
    }
    match prisma::row_state(row) {
        RowState::Applied | RowState::AppliedByHand => {
            return refused(format!("{database}: {name} is applied already"));
        }
        RowState::RolledBack => {
            return refused(format!("{database}: {name} is rolled back already"));
        }
        RowState::Failed | RowState::Unfinished | RowState::ScriptDone => {}
    }
    if spec.action == ActionKind::MarkApplied {
        let Some(inventory) = pass.snapshot.inventories.get(database) else {
            return Err(not_read(pass, database));
        };
        if !inventory.migrations.iter().any(|m| m.name == *name) {
            return refused(format!(
                "{database}: the image {} does not hold {name}, and Prisma marks only what it finds (P3017). Release an image that holds it",
                pass.spec.image
            ));
        }
    }
    if spec.force {
        return Ok(());
    }
    let against = against(pass, spec, facts, row);
    if against.is_empty() {
        return Ok(());
    }
    let list: Vec<&str> = against.iter().map(String::as_str).collect();
    let list = names(&list);
    if spec.action == ActionKind::MarkApplied {
        return refused(format!(
            "{database}: {name} is not finished: {list}. Finish it by hand first; if it is to be marked applied all the same, add --force"
        ));
    }
    refused(format!(
        "{database}: something of {name} is left: {list}. Undo it first; if the row is to be marked rolled back all the same, add --force"
    ))
}

/// What the catalog holds against it, in words; nothing where it cannot be compared.
fn against(
    pass: &Pass<'_>,
    spec: &MigrationActionSpec,
    facts: &DatabaseFacts,
    row: &LedgerRow,
) -> Vec<String> {
    let inventory = pass.snapshot.inventories.get(&spec.database);
    let Some((inventory, objects)) = inventory.zip(facts.objects.as_ref()) else {
        return Vec::new();
    };
    let name = spec.migration_name.as_str();
    let schema = &facts.identity.schema;
    let applied = history::applied(rows(facts));
    let ran: Vec<&Migration> = inventory
        .migrations
        .iter()
        .filter(|m| m.name == name || applied.contains_key(m.name.as_str()))
        .collect();
    let Some(script) = ran
        .iter()
        .find(|m| m.name == name)
        .and_then(|m| m.sql.as_deref())
    else {
        return Vec::new();
    };
    if spec.action == ActionKind::MarkApplied {
        let held = history::held(&ran, schema, objects);
        return held.get(name).map(sql::Held::against).unwrap_or_default();
    }
    // The whole catalog is as it was when nothing of it was found in there, maybe by an earlier run, or as it was before the
    // step began: nothing that stands there is the migration's.
    let failed = pass
        .database(&spec.database)
        .and_then(|entry| entry.failed.as_ref());
    let clean = |failed: &FailedStatus| {
        failed.ledger_row == row.id
            && !failed.catalog.is_empty()
            && facts.catalog.as_ref() == Some(&failed.catalog)
    };
    if failed.is_some_and(clean) {
        return Vec::new();
    }
    let step = pass
        .steps()
        .iter()
        .rfind(|step| step.name == StepKind::Migrate && step.database == spec.database);
    let as_before = |step: &StepStatus| {
        !step.catalog.is_empty() && facts.catalog.as_ref() == Some(&step.catalog)
    };
    if step.is_some_and(as_before) {
        return Vec::new();
    }
    let logs = row.logs.as_deref().unwrap_or_default();
    let failure = prisma::parse_failure(logs, &prisma::raised(inventory));
    let stopped = sql::Stopped {
        position: prisma::position_in(logs, script),
        sql_state: failure.sql_state.as_deref(),
        message: &failure.summary,
    };
    let left = sql::left_behind_after(script, schema, objects, &stopped);
    let before: Vec<(&str, &str)> = ran
        .iter()
        .filter(|m| m.name != name)
        .filter_map(|m| Some((m.name.as_str(), m.sql.as_deref()?)))
        .collect();
    sql::left_of(&before, left.changes, schema)
}
