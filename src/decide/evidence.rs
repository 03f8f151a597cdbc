//! What a look after a migration shows: what is missing, what is not as it should be, what was left behind.

use std::collections::{BTreeMap, BTreeSet};

use dbm_protocol::{DatabaseInventory, Migration};

use crate::api::{StepStatus, Traces};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow, Object};
use crate::tools::{prisma, sql};

/// Whether the catalog shows that it left something, or that it cannot have.
pub(super) fn traces(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    name: &str,
) -> Traces {
    let Some(catalog) = &facts.catalog else {
        return Traces::Unknown;
    };
    if step.catalog.is_empty() {
        return Traces::Unknown;
    }
    if *catalog != step.catalog {
        // Migrations that the same step applied before this one changed the catalog, too; only a first one's
        // difference is its own for certain.
        let alone = !applied_since(step, inventory, facts);
        return if alone { Traces::Some } else { Traces::Unknown };
    }
    let script = script(inventory, name);
    if script.is_some_and(sql::only_catalog) {
        Traces::None
    } else {
        Traces::Unknown
    }
}

/// The file of a migration; none where the image does not hold it, or it was too big to be kept.
pub(super) fn script<'a>(inventory: &'a DatabaseInventory, name: &str) -> Option<&'a str> {
    let found = inventory.migrations.iter().find(|m| m.name == name);
    found.and_then(|m| m.sql.as_deref())
}

/// What a row says of the error with which its migration failed.
pub(super) fn failure(inventory: &DatabaseInventory, row: &LedgerRow) -> prisma::Failure {
    let logs = row.logs.as_deref().unwrap_or_default();
    prisma::parse_failure(logs, &prisma::raised(inventory))
}

/// Where a failure of a row ended its file.
pub(super) fn stopped<'a>(
    failure: &'a prisma::Failure,
    row: &LedgerRow,
    script: &str,
    facts: &DatabaseFacts,
) -> sql::Stopped<'a> {
    let stopped = sql::Stopped {
        position: prisma::position_in(row.logs.as_deref().unwrap_or_default(), script),
        sql_state: failure.sql_state.as_deref(),
        message: &failure.summary,
    };
    let schema = &facts.identity.schema;
    sql::located(script, schema, facts.objects.as_ref(), stopped)
}

/// Whether an earlier try of a migration, which was marked rolled back, may have left this, in the words of [`sql::was_there`]: one that
/// itself met it there did not.
pub(super) fn may_have_left(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    name: &str,
    what: &str,
) -> bool {
    let Ledger::Rows(rows) = &facts.ledger else {
        return false;
    };
    let script = script(inventory, name).unwrap_or_default();
    let met = |row: &LedgerRow| {
        let failure = failure(inventory, row);
        let stopped = stopped(&failure, row, script, facts);
        sql::was_there(script, &facts.identity.schema, &stopped).as_deref() == Some(what)
    };
    rows.iter().any(|row| {
        let tried = prisma::row_state(row) == prisma::RowState::RolledBack;
        row.migration_name == name && tried && !met(row)
    })
}

/// Whether the step applied a migration before the one that failed.
pub(super) fn applied_since(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> bool {
    let Ledger::Rows(rows) = &facts.ledger else {
        return false;
    };
    let applied = inventory.migrations.len() - missing(inventory, rows).len();
    applied > step.applied.map_or(0, |before| before as usize)
}

/// What was applied before a migration, name and text, in order; nothing where the text of one that was applied is not known.
pub(super) fn before<'a>(
    inventory: &'a DatabaseInventory,
    facts: &DatabaseFacts,
    name: &str,
) -> Vec<(&'a str, &'a str)> {
    let Ledger::Rows(rows) = &facts.ledger else {
        return Vec::new();
    };
    let applied = rows
        .iter()
        .filter(|row| prisma::row_state(row).is_applied() && row.migration_name != name);
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for row in applied {
        let text = inventory.migrations.iter().find(|migration| {
            migration.name == row.migration_name
                && prisma::checksum_matches(&row.checksum, migration)
        });
        let Some((migration, text)) = text.and_then(|m| Some((m, m.sql.as_deref()?))) else {
            return Vec::new();
        };
        known.insert(&migration.name, text);
    }
    let all = inventory.migrations.iter();
    all.filter_map(|migration| known.get_key_value(migration.name.as_str()))
        .map(|(name, text)| (*name, *text))
        .collect()
}

/// What the image holds and the ledger has not as applied, in order.
pub(super) fn missing<'a>(inventory: &'a DatabaseInventory, rows: &[LedgerRow]) -> Vec<&'a str> {
    let applied: BTreeSet<&str> = rows
        .iter()
        .filter(|row| prisma::row_state(row).is_applied())
        .map(|row| row.migration_name.as_str())
        .collect();
    let names = inventory
        .migrations
        .iter()
        .map(|migration| migration.name.as_str());
    names.filter(|name| !applied.contains(name)).collect()
}

/// The rows of applied migrations, of those that the image holds or of those that it does not; what was started last is first.
fn applied<'a>(
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
    held: bool,
) -> Vec<&'a LedgerRow> {
    let all = inventory.migrations.iter();
    let known: BTreeSet<&str> = all.map(|migration| migration.name.as_str()).collect();
    let mut found: Vec<&LedgerRow> = prisma::latest_by_name(rows)
        .into_values()
        .filter(|(state, row)| {
            state.is_applied() && known.contains(row.migration_name.as_str()) == held
        })
        .map(|(_, row)| row)
        .collect();
    found.sort_by_key(|row| std::cmp::Reverse(row.started_at));
    found
}

/// Of rows with the latest first, those that came since a step began with so many of them. The clocks of those who write
/// rows need not be the operator's, and a step may begin within the second in which the last one applied its own, so the
/// number decides.
fn since<'a>(
    step: &StepStatus,
    mut rows: Vec<&'a LedgerRow>,
    before: Option<u32>,
) -> Vec<&'a LedgerRow> {
    let began = step.started_at.as_ref().map(|time| time.0.as_second());
    match before {
        Some(before) => rows.truncate(rows.len().saturating_sub(before as usize)),
        // The step of an earlier release.
        None => rows.retain(|row| began.is_some_and(|began| row.started_at.as_second() >= began)),
    }
    rows
}

/// How many applied migrations the image does not hold.
pub(super) fn count_others(inventory: &DatabaseInventory, ledger: &Ledger) -> u32 {
    match ledger {
        Ledger::Rows(rows) => {
            u32::try_from(applied(inventory, rows, false).len()).unwrap_or(u32::MAX)
        }
        Ledger::Absent { .. } | Ledger::NoRight { .. } => 0,
    }
}

/// What was applied since the step began and is not in the image, in order.
pub(super) fn unplanned<'a>(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
) -> Vec<&'a str> {
    // What it was planned with is not known any more: then the next plan speaks of them.
    if inventory.migrations.is_empty() {
        return Vec::new();
    }
    let found = since(step, applied(inventory, rows, false), step.others);
    let in_order = found.into_iter().rev();
    in_order.map(|row| row.migration_name.as_str()).collect()
}

/// The rows by which a step applied migrations of the image.
fn applied_by_step<'a>(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    rows: &'a [LedgerRow],
) -> Vec<&'a LedgerRow> {
    since(step, applied(inventory, rows, true), step.applied)
}

/// What of a step's own migrations writes to the ledger itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnWrites {
    /// Migrations by whose text rows come, each with the statement.
    pub(super) adds: Vec<String>,
    /// Migrations by whose text rows go, each with the statement.
    pub(super) removes: Vec<String>,
    /// Of the latter those that are not applied as far as the ledger says.
    pub(super) lost: Vec<String>,
}

/// The clocks of those who write rows need not be the operator's, seconds.
const CLOCKS: i64 = 3_600;

/// Looks for it in those that may have run in the step: whose rows came since it began, or are missing.
pub(super) fn own_writes(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> OwnWrites {
    let rows: &[LedgerRow] = match &facts.ledger {
        Ledger::Rows(rows) => rows,
        Ledger::Absent { .. } | Ledger::NoRight { .. } => &[],
    };
    let began = step.started_at.as_ref().map(|time| time.0.as_second());
    let missing = missing(inventory, rows);
    let latest = prisma::latest_by_name(rows);
    let mut found = OwnWrites::default();
    for migration in &inventory.migrations {
        let name = migration.name.as_str();
        let is_missing = missing.contains(&name);
        let came = latest.get(name).is_some_and(|(_, row)| {
            began.is_none_or(|began| row.started_at.as_second() >= began - CLOCKS)
        });
        let Some(script) = migration.sql.as_deref().filter(|_| is_missing || came) else {
            continue;
        };
        let writes = sql::ledger_writes(script, &facts.identity.schema);
        let said =
            |at: &sql::StatementRef| format!("{name} (statement {}: {})", at.number, at.text);
        found.adds.extend(writes.adds.first().map(said));
        found.removes.extend(writes.removes.first().map(said));
        if is_missing && !writes.removes.is_empty() {
            found.lost.push(name.to_owned());
        }
    }
    found
}

/// What the step applied with a checksum that is not the image's. What was edited before is the plan's to judge.
pub(super) fn other_content<'a>(
    step: &StepStatus,
    inventory: &'a DatabaseInventory,
    rows: &[LedgerRow],
) -> Vec<&'a str> {
    let applied = applied_by_step(step, inventory, rows);
    let differs = |migration: &&Migration| {
        applied.iter().any(|row| {
            row.migration_name == migration.name
                && !prisma::checksum_matches(&row.checksum, migration)
        })
    };
    let all = inventory.migrations.iter();
    all.filter(differs)
        .map(|migration| migration.name.as_str())
        .collect()
}

/// The invalid indexes that were not there before the step. The journal names the first ones in order and has the
/// number of all: beyond the last name only more than there were are new, and then any of them may be the one.
pub(super) fn new_invalid_indexes<'a>(step: &StepStatus, facts: &'a DatabaseFacts) -> Vec<&'a str> {
    let named = &step.invalid_indexes;
    let unnamed = (step.invalid_index_count as usize).saturating_sub(named.len());
    let unknown = |index: &&String| unnamed > 0 && named.last().is_none_or(|last| *index > last);
    let new = facts
        .invalid_indexes
        .iter()
        .filter(|index| !named.contains(index));
    let (beyond, mut found): (Vec<&String>, Vec<&String>) = new.partition(unknown);
    if beyond.len() > unnamed {
        found.extend(beyond);
    }
    found.into_iter().map(String::as_str).collect()
}

/// The invalid indexes that are a migration's own: its file makes or drops one of that name, or it is new since the step
/// began and no other file's. That one stood there before is no excuse: an earlier try left it.
pub(super) fn own_invalid_indexes(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    name: &str,
) -> Vec<String> {
    let mut found = named_invalid_indexes(inventory, facts, &|migration| migration.name == name);
    // One that was applied before it in the same step may have left one, too.
    let others = named_invalid_indexes(inventory, facts, &|migration| migration.name != name);
    for index in new_invalid_indexes(step, facts) {
        if !found.iter().chain(&others).any(|known| known == index) {
            found.push(index.to_owned());
        }
    }
    // What it only drops, and did not wholly, it drops when it runs again.
    let script = script(inventory, name).unwrap_or_default();
    let made = sql::indexes(script, &facts.identity.schema);
    let is_of = |index: &str, list: &[Object]| list.iter().any(|it| sql::is_named(index, it));
    found.retain(|index| !is_of(index, &made.drops) || is_of(index, &made.builds));
    found
}

/// The invalid indexes that the files of some migrations make or drop by name.
pub(super) fn named_invalid_indexes(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    of: &dyn Fn(&Migration) -> bool,
) -> Vec<String> {
    if facts.invalid_indexes.is_empty() {
        return Vec::new();
    }
    let all = inventory.migrations.iter().filter(|m| of(m));
    let named: Vec<_> = all
        .filter_map(|migration| migration.sql.as_deref())
        .map(|script| sql::indexes(script, &facts.identity.schema))
        .flat_map(|found| found.builds.into_iter().chain(found.drops))
        .collect();
    let is_own = |index: &&String| named.iter().any(|object| sql::is_named(index, object));
    facts
        .invalid_indexes
        .iter()
        .filter(is_own)
        .cloned()
        .collect()
}

/// The invalid indexes that the step's migrations left, with those that an earlier try had left and `IF NOT EXISTS` then
/// skipped.
pub(super) fn left_invalid(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> Vec<String> {
    let Ledger::Rows(rows) = &facts.ledger else {
        return Vec::new();
    };
    // One that failed is the step's, too: there was none when it began.
    let open = rows.iter().filter(|row| prisma::row_state(row).blocks());
    let ran: BTreeSet<&str> = applied_by_step(step, inventory, rows)
        .into_iter()
        .chain(open)
        .map(|row| row.migration_name.as_str())
        .collect();
    let mut found = named_invalid_indexes(inventory, facts, &|migration| {
        ran.contains(migration.name.as_str())
    });
    for index in new_invalid_indexes(step, facts) {
        if !found.iter().any(|known| known == index) {
            found.push(index.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn new(before: &[String], now: &[String]) -> Vec<String> {
        let step = StepStatus {
            invalid_indexes: before.iter().take(20).cloned().collect(),
            invalid_index_count: u32::try_from(before.len()).unwrap(),
            ..StepStatus::default()
        };
        let facts = DatabaseFacts {
            invalid_indexes: now.to_vec(),
            ..DatabaseFacts::default()
        };
        let found = new_invalid_indexes(&step, &facts);
        found.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn what_was_invalid_before_is_not_new_however_many_there_were() {
        let before: Vec<String> = (10..45).map(|n| format!("public.i{n}")).collect();
        assert_eq!(new(&before, &before), Vec::<String>::new());
        assert_eq!(new(&before, &before[5..]), Vec::<String>::new());
        let mut one_more = before.clone();
        one_more.insert(3, "public.i12a".to_owned());
        assert_eq!(new(&before, &one_more), ["public.i12a"]);
        let mut at_the_end = before.clone();
        at_the_end.push("public.z".to_owned());
        assert!(new(&before, &at_the_end).contains(&"public.z".to_owned()));
        assert_eq!(new(&[], &before[..1]), ["public.i10"]);
    }
}
