//! What makes a failed migration succeed the next time, where that is known.

use crate::facts::DatabaseFacts;
use crate::tools::sql_state::NO_RIGHT;
use crate::tools::{rights, sql};

/// SQLSTATE of a statement that cannot run inside a transaction.
const IN_TRANSACTION: &str = "25001";

/// SQLSTATE of an enum's label that is used in the transaction that adds it.
const NEW_LABEL: &str = "55P04";

/// As sentences that each begin with a blank: the right that is missing, the migration of its own, the rows that are in the way.
pub(super) fn remedy(script: &str, stopped: &sql::Stopped<'_>, facts: &DatabaseFacts) -> String {
    let state = stopped.sql_state.unwrap_or_default();
    let mut text = right(state, stopped.message, facts);
    if state == IN_TRANSACTION && sql::waits_beside_others(script) {
        text.push_str(" Before version 7.4 Prisma sends a file as one query: put what is run CONCURRENTLY into a migration of its own.");
    }
    if state == NEW_LABEL {
        text.push_str(" A new label can be used only once it is committed: put ALTER TYPE ... ADD VALUE into a migration of its own, before the one that uses it.");
    }
    if let Some(found) = sql::offending_rows(script, &facts.identity.schema, stopped) {
        let of = match &found.column {
            Some(column) => format!(" It failed because of {column}."),
            None => String::new(),
        };
        text.push_str(&format!("{of} {}{}", sql::CORRECT, found.query));
    }
    if let Some(at) = sql::adds_without_default(script, stopped) {
        text.push_str(&format!(
            " Statement {} {}, which a table with rows does not get: give it a default, or add it, fill it, and only then set NOT NULL.",
            at.number,
            sql::NO_DEFAULT
        ));
    }
    text
}

/// What gives the role a right that it lacks, as a sentence that begins with a blank.
pub(super) fn right(sql_state: &str, said: &str, facts: &DatabaseFacts) -> String {
    let asked = ["", NO_RIGHT].contains(&sql_state);
    let remedy = asked.then(|| rights::remedy(said, &facts.role)).flatten();
    // A statement that is to be pasted ends the sentence without a full stop behind its semicolon.
    remedy.map_or_else(String::new, |remedy| match remedy.trim_end_matches('.') {
        sql if sql.ends_with(';') => format!(" {sql}"),
        text => format!(" {text}."),
    })
}
