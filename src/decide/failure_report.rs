//! A failed migration, told well: which statement failed, what took effect before it, what cannot be seen.

use std::collections::BTreeMap;

use dbm_protocol::recognise::image::capital;
use dbm_protocol::{DatabaseInventory, Migration};

use super::evidence::{self, script};
use super::history;
use super::status::{self, names};
use crate::api::{ComparedStatus, FailedStatement, FailedStatus, Traces};
use crate::facts::{DatabaseFacts, Ledger, Object};
use crate::tools::{prisma, sql};

/// What is said where the catalog was compared and shows nothing, which is no proof that nothing is left.
const NOTHING_SEEN: &str = "none of its statements is seen to have taken effect";

/// Lines about what is left.
const LEFT_LIMIT: usize = 10;

/// Statements that take back what is left; of more there are none.
const UNDO_LIMIT: usize = 20;

/// When the catalog was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// When the migration's end was judged.
    AtItsEnd,
    /// Later: others may have changed it since, and what was there before is not known any more.
    Later,
}

/// Fills in what is known of the statements, and answers it as a sentence that begins with a blank. `logs` is what
/// the ledger's row says of the error.
pub(super) fn statements(
    failed: &mut FailedStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    logs: &str,
    look: Look,
) -> String {
    let known = std::mem::take(&mut failed.undo);
    failed.undo_lacks.clear();
    let migration = inventory.migrations.iter().find(|m| m.name == failed.name);
    failed.has_down = migration.is_some_and(|m| m.down_sql.is_some());
    let script = script(inventory, &failed.name).unwrap_or_default();
    let (state, summary) = (failed.sql_state.clone(), failed.summary.clone());
    let stopped = sql::Stopped {
        position: prisma::position_in(logs, script),
        sql_state: Some(state.as_str()).filter(|state| !state.is_empty()),
        message: &summary,
    };
    let schema = &facts.identity.schema;
    let stopped = sql::located(script, schema, facts.objects.as_ref(), stopped);
    let rows = || sql::offending_rows(script, schema, &stopped).and_then(|found| found.statement);
    let adds = || sql::adds_without_default(script, &stopped);
    let at = sql::failed_statement(script, schema, &stopped)
        .or_else(rows)
        .or_else(adds);
    failed.statement = at.map(|at| FailedStatement {
        number: u32::try_from(at.number).unwrap_or(u32::MAX),
        of: u32::try_from(at.of).unwrap_or(u32::MAX),
        text: at.text,
    });
    let mut at = failed
        .statement
        .as_ref()
        .map(|statement| {
            format!(
                " It failed in statement {} of {}.",
                statement.number, statement.of
            )
        })
        .unwrap_or_default();
    let met = sql::was_there(script, schema, &stopped).unwrap_or_default();
    failed.was_there = status::cut(&met, 300);
    if !failed.was_there.is_empty() {
        failed.tried_before = evidence::may_have_left(inventory, facts, &failed.name, &met);
        at.push_str(&format!(" {}.", capital(&was_there(failed))));
        compare(failed, inventory, facts);
        at.push_str(&compared(failed));
    }
    let indexes = invalid_indexes(failed);
    let made = sql::indexes(script, schema);
    let is_invalid = |object: &&Object| {
        let mut all = failed.invalid_indexes.iter();
        all.any(|index| sql::is_named(index, object))
    };
    let there = |object: &&Object| {
        facts
            .objects
            .as_ref()
            .is_none_or(|all| all.contains(object))
    };
    let unnamed = failed
        .invalid_indexes
        .iter()
        .filter(|index| {
            !made
                .builds
                .iter()
                .any(|object| sql::is_named(index, object))
        })
        .count();
    // What else it builds is not there: the invalid ones are all that is left of it. Of those whose names PostgreSQL chose, that
    // is so where each is one that is invalid and new.
    if !indexes.is_empty()
        && made.alone
        && made.unnamed <= unnamed
        && made
            .builds
            .iter()
            .filter(|object| !is_invalid(object))
            .all(|object| !there(&object))
    {
        failed.traces = Traces::Some;
        failed.left = indexes.iter().map(|line| status::cut(line, 300)).collect();
        return format!("{at}{}", sentences(&indexes));
    }
    if failed.traces == Traces::None && indexes.is_empty() {
        return format!("{at} It left no trace in the schema.");
    }
    let Some(objects) = facts.objects.as_ref().filter(|_| !script.is_empty()) else {
        let left = match failed.traces {
            Traces::Some => "Statements before the error took effect: the schema has changed.",
            _ => {
                "Whether statements before the error took effect cannot be told from here: look at the schema."
            }
        };
        failed.left = indexes.iter().map(|line| status::cut(line, 300)).collect();
        return format!("{at} {left}{}", sentences(&indexes));
    };
    let before = evidence::before(inventory, facts, &failed.name);
    let seen = sql::Seen {
        objects,
        columns: facts.columns.as_ref(),
        before: &before,
    };
    let left = sql::left_behind_in(script, schema, &seen, &stopped);
    let at_its_end = look == Look::AtItsEnd;
    let number = failed.statement.as_ref().map(|it| it.number as usize);
    let number = number.or_else(|| sql::may_fail_from(script, schema, &stopped));
    // Where it stopped is not known, and that its own step changed the catalog is: what of it is there is its own.
    let was_there = ["42P07", "42701", "42710"].contains(&failed.sql_state.as_str());
    let changed = at_its_end && failed.traces == Traces::Some && !left.changes.is_empty();
    let number = number.or_else(|| (changed && !was_there).then_some(usize::MAX));
    let undo = number.and_then(|number| sql::undo(script, schema, &seen, number));
    take_back(failed, undo, |text| at_its_end || known.contains(text));
    let mut lines: Vec<sql::Doubt> = indexes.iter().cloned().map(Into::into).collect();
    if !left.changes.is_empty() {
        let changes = left.changes.join(", ");
        let as_of = match (look, &failed.statement) {
            (Look::AtItsEnd, _) => "",
            (Look::Later, Some(_)) => " (as the schema is now)",
            (Look::Later, None) => " (as the schema is now, unless it was so before)",
        };
        let took = format!(
            "{} took effect: {changes}{as_of}",
            numbers(&left.statements)
        );
        lines.push(took.into());
    } else if failed.traces == Traces::Some {
        lines.push("the schema has changed".to_owned().into());
    }
    // What may have left an index is known to have.
    let known = |doubt: &sql::Doubt| doubt.of_index && !indexes.is_empty();
    lines.extend(left.unseen.into_iter().filter(|doubt| !known(doubt)));
    if lines.is_empty() {
        lines.push(NOTHING_SEEN.to_owned().into());
    }
    lines.truncate(LEFT_LIMIT);
    let left = lines.iter().map(|line| status::cut(&line.to_string(), 300));
    failed.left = left.collect();
    // A full stop behind a command would be copied with it.
    let shown = lines.iter().map(|line| match &line.look {
        Some(look) => format!("{}; to see: `{look}`", line.text),
        None => line.text.clone(),
    });
    format!("{at}{}", sentences(&shown.collect::<Vec<_>>()))
}

/// What takes back what is left. `own`: the run itself made that; what was found later may have been made by others since.
fn take_back(failed: &mut FailedStatus, undo: Option<sql::Undo>, own: impl Fn(&String) -> bool) {
    let Some(mut undo) = undo else { return };
    undo.statements.retain(own);
    let long = undo.statements.iter().any(|text| text.len() > 300);
    // A part of them, or of one, would take back something else.
    if undo.statements.is_empty() || long || undo.statements.len() > UNDO_LIMIT {
        return;
    }
    failed.undo = undo.statements;
    let more = undo.lacks.len().saturating_sub(LEFT_LIMIT);
    let lacks = undo.lacks.iter().take(LEFT_LIMIT);
    failed.undo_lacks = lacks.map(|line| status::cut(line, 300)).collect();
    if more > 0 {
        failed.undo_lacks.push(format!("{more} more"));
    }
}

/// Compares what a migration that met something already there does with the catalog.
pub(super) fn compare(
    failed: &mut FailedStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) {
    let schema = &facts.identity.schema;
    failed.compared = None;
    let Some(script) = script(inventory, &failed.name) else {
        return;
    };
    let applied = match &facts.ledger {
        Ledger::Rows(rows) => history::applied(rows),
        Ledger::Absent { .. } | Ledger::NoRight { .. } => BTreeMap::new(),
    };
    let ran: Vec<&Migration> = inventory
        .migrations
        .iter()
        .filter(|m| m.name == failed.name || applied.contains_key(m.name.as_str()))
        .collect();
    let all = history::compared(&ran, facts);
    let Some(held) = all.and_then(|mut all| all.remove(failed.name.as_str())) else {
        return;
    };
    let unseen = sql::unshown(script, schema);
    let unseen = unseen
        .iter()
        .map(|found| format!("statement {} ({})", found.number, found.text));
    let cut = |lines: &mut dyn Iterator<Item = String>| -> Vec<String> {
        let lines = lines.take(LEFT_LIMIT);
        lines.map(|line| status::cut(&line, 300)).collect()
    };
    // Where nothing else stands against it than indexes, these are replaced.
    let replacing = facts
        .indexes
        .as_ref()
        .map(|indexes| sql::replacing(script, schema, indexes));
    let replacing = replacing.filter(|it| {
        let short = it.len() <= UNDO_LIMIT && it.iter().all(|text| text.len() <= 300);
        short && it.len() == 2 * held.against().len()
    });
    failed.compared = Some(ComparedStatus {
        replacing: replacing.unwrap_or_default(),
        there: cut(&mut held.there.iter().cloned()),
        against: cut(&mut held.against().into_iter()),
        unseen: cut(&mut { unseen }),
    });
}

/// The same as sentences that each begin with a blank.
pub fn compared(failed: &FailedStatus) -> String {
    let Some(compared) = &failed.compared else {
        return String::new();
    };
    let list = |lines: &[String]| names(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    match (
        compared.there.as_slice(),
        compared.against.as_slice(),
        compared.unseen.as_slice(),
    ) {
        ([], ..) => String::new(),
        (_, [], []) => {
            " All that it does is there already, as if somebody had applied it by hand.".to_owned()
        }
        (_, [], unseen) => format!(
            " All that the catalog shows of it is there already; whether this was done it does not show: {}.",
            list(unseen)
        ),
        (there, against, _) => format!(
            " Of what the migration does, this is there already: {}; this is still missing or different: {}.",
            list(there),
            list(against)
        ),
    }
}

/// What was there already, and who may have left it: that nobody can know for certain.
pub fn was_there(failed: &FailedStatus) -> String {
    let who = if failed.tried_before {
        "the migration was tried before and marked rolled back: that try may have left it, or somebody else made it"
    } else {
        "an earlier try of this migration may have left it, or somebody else made it"
    };
    let link = if failed.tried_before { ";" } else { ":" };
    format!("{} was there before this run{link} {who}", failed.was_there)
}

/// One line for each index that it left invalid.
fn invalid_indexes(failed: &FailedStatus) -> Vec<String> {
    let of = |index: &String| {
        format!(
            "index {index} is there and INVALID: queries do not use it, a second build of it fails, and IF NOT EXISTS skips it"
        )
    };
    failed.invalid_indexes.iter().map(of).collect()
}

fn sentences(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!(" {}.", capital(line)))
        .collect()
}

/// `statement 1`, `statements 1 and 2`, `statements 1, 2, 3 and 4 more`.
fn numbers(list: &[usize]) -> String {
    match list {
        [one] => format!("statement {one}"),
        [one, two] => format!("statements {one} and {two}"),
        many => {
            let texts: Vec<String> = many.iter().map(usize::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            format!("statements {}", names(&texts))
        }
    }
}
