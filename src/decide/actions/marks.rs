//! MarkApplied and MarkRolledBack: of the row that was judged, and not against what the catalog shows.

use dbm_protocol::Migration;

use super::super::doubts;
use super::super::evidence;
use super::super::history;
use super::super::pass::Pass;
use super::super::plan;
use super::super::status::names;
use super::fit::{Fit, not_read, refused, rows};
use crate::api::{ActionKind, FailedStatus, MigrationActionSpec, StepKind, Traces};
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
            return refused(format!(
                "{database}: {name} is rolled back already. To run it again: {}",
                pass.retry_command()
            ));
        }
        RowState::Failed | RowState::Unfinished | RowState::ScriptDone => {}
    }
    if plan::is_left_over(row, rows(facts)) {
        if spec.action == ActionKind::MarkApplied {
            return refused(format!(
                "{database}: {name} is applied already, by another row, and Prisma refuses to mark it again (P3008): mark row {}, which is left over, rolled back",
                row.id
            ));
        }
        // It is not run again, so nothing has to be undone before.
        return Ok(());
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
    let Some(inventory) = pass.snapshot.inventories.get(database) else {
        return Err(not_read(pass, database));
    };
    let against = against(pass, spec, facts, row);
    let list: Vec<&str> = against.iter().map(String::as_str).collect();
    let list = names(&list);
    if spec.action == ActionKind::MarkApplied {
        if !against.is_empty() {
            return refused(format!(
                "{database}: {name} is not finished: {list}. Finish it by hand first; if it is to be marked applied all the same, add --force"
            ));
        }
        if facts.objects.is_none() {
            return refused(too_many(database, "that it is finished"));
        }
        let unchecked = doubts::unchecked(inventory, facts, row);
        if !unchecked.is_empty() {
            return refused(format!(
                "{database}: whether {name} is finished cannot be seen in the catalog alone: {}. Look at that first; if all of it is done, add --force",
                unchecked.join("; ")
            ));
        }
        return Ok(());
    }
    if !against.is_empty() {
        return refused(format!(
            "{database}: something of {name} is left: {list}. Undo it first; if the row is to be marked rolled back all the same, add --force"
        ));
    }
    if is_clean(pass, spec) {
        return Ok(());
    }
    if facts.objects.is_none() && !is_as_before(pass, spec, facts) {
        return refused(too_many(database, "that nothing of it is left"));
    }
    let mut again = match of_other_text(pass, spec, facts) {
        Some((_, again)) => again,
        None => doubts::again(inventory, facts, row),
    };
    if is_as_before(pass, spec, facts) {
        // What would be there, or gone, is not.
        again.retain(|line| {
            !["(CREATE ", "(DROP "]
                .iter()
                .any(|word| line.contains(word))
        });
    }
    if !again.is_empty() {
        return refused(format!(
            "{database}: this of {name} may have taken effect before it failed, and would run a second time: {}. Check it, and undo it first; if nothing of it is left, add --force",
            again.join("; ")
        ));
    }
    Ok(())
}

fn too_many(database: &str, what: &str) -> String {
    format!(
        "{database}: the database has more objects than can be compared, so it cannot be checked {what}. If you have seen that it is so, add --force"
    )
}

/// Where the image holds another text of it by now: what takes back what failed and was not done, and what would run a second time.
fn of_other_text(
    pass: &Pass<'_>,
    spec: &MigrationActionSpec,
    facts: &DatabaseFacts,
) -> Option<(Vec<String>, Vec<String>)> {
    let failed = pass.database(&spec.database)?.failed.as_ref()?;
    let is_it = failed.ledger_row == spec.ledger_row && failed.corrected;
    is_it.then(|| doubts::still(failed, facts))?
}

/// When it failed, it was judged that nothing of it is left.
fn is_clean(pass: &Pass<'_>, spec: &MigrationActionSpec) -> bool {
    let failed = pass
        .database(&spec.database)
        .and_then(|entry| entry.failed.as_ref());
    failed
        .is_some_and(|failed| failed.ledger_row == spec.ledger_row && failed.traces == Traces::None)
}

/// The whole catalog is as it was before the step began: nothing that stands there is the migration's.
fn is_as_before(pass: &Pass<'_>, spec: &MigrationActionSpec, facts: &DatabaseFacts) -> bool {
    // As it was when nothing of it was found in there, maybe by an earlier run.
    let failed = pass
        .database(&spec.database)
        .and_then(|entry| entry.failed.as_ref());
    let clean = |failed: &FailedStatus| {
        failed.ledger_row == spec.ledger_row
            && !failed.catalog.is_empty()
            && facts.catalog.as_ref() == Some(&failed.catalog)
    };
    if failed.is_some_and(clean) {
        return true;
    }
    let mut steps = pass.steps().iter();
    let step = steps.rfind(|step| step.name == StepKind::Migrate && step.database == spec.database);
    step.is_some_and(|step| {
        !step.catalog.is_empty() && facts.catalog.as_ref() == Some(&step.catalog)
    })
}

/// The indexes that it left, and that are invalid still, in words.
fn invalid(pass: &Pass<'_>, spec: &MigrationActionSpec, facts: &DatabaseFacts) -> Vec<String> {
    let failed = pass
        .database(&spec.database)
        .and_then(|entry| entry.failed.as_ref());
    let known = failed.filter(|failed| failed.ledger_row == spec.ledger_row);
    let known = known.map_or(&[][..], |failed| &failed.invalid_indexes);
    let still = known
        .iter()
        .filter(|index| facts.invalid_indexes.contains(index));
    still
        .map(|index| format!("index {index} is there and INVALID"))
        .collect()
}

/// What the catalog contradicts where a migration is marked applied, in words.
pub(super) fn contradicted(
    pass: &Pass<'_>,
    spec: &MigrationActionSpec,
    facts: &DatabaseFacts,
) -> Vec<String> {
    let row = rows(facts).iter().find(|row| row.id == spec.ledger_row);
    row.map_or_else(Vec::new, |row| against(pass, spec, facts, row))
}

/// What the catalog holds against it, in words; what cannot be compared is none of it.
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
        let held = history::compared(&ran, facts).and_then(|mut all| all.remove(name));
        return held.as_ref().map(sql::Held::against).unwrap_or_default();
    }
    let mut against = invalid(pass, spec, facts);
    if let Some((undo, _)) = of_other_text(pass, spec, facts) {
        against.extend(undo.iter().map(|text| format!("this was not run: {text}")));
        return against;
    }
    let failure = evidence::failure(inventory, row);
    let stopped = evidence::stopped(&failure, row, script, facts);
    // The next try would fail at it again.
    if let Some(what) = sql::still_there(script, schema, &stopped, objects)
        && evidence::may_have_left(inventory, facts, name, &what)
    {
        against.push(format!(
            "{what} was there before, and the earlier try that was marked rolled back may have left it"
        ));
    }
    if is_as_before(pass, spec, facts) {
        return against;
    }
    let known = evidence::before(inventory, facts, name);
    let seen = sql::Seen {
        objects,
        columns: facts.columns.as_ref(),
        before: &known,
    };
    let left = sql::left_behind_in(script, schema, &seen, &stopped);
    let before: Vec<(&str, &str)> = ran
        .iter()
        .filter(|m| m.name != name)
        .filter_map(|m| Some((m.name.as_str(), m.sql.as_deref()?)))
        .collect();
    against.extend(sql::left_of(&before, left.changes, schema));
    against
}
