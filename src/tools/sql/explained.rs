//! Up to which of a migration's statements the catalog shows that they took effect: every explanation that fits.

use std::collections::BTreeSet;

use super::change::Read;
use super::columns;
use super::initial;
use super::replay::State;
use super::seen::Seen;
use super::text_of;
use super::token::Token;
use crate::facts::Object;

/// After how many statements the catalog would be as it is, by all that is known of it; none where a statement takes back what came before it.
pub(super) fn explained(
    sql: &str,
    statements: &[(&[Token], Read)],
    seen: &Seen<'_>,
    schema: &str,
) -> Vec<usize> {
    if statements.iter().any(|(_, read)| read.rolls_back) {
        return Vec::new();
    }
    let columns = columns::of(statements, seen, schema);
    let shaped = columns.map(|columns| fitting(sql, statements, seen.objects, Some(&columns)));
    // What the columns were like before may have been read wrongly, or somebody changed it.
    shaped
        .filter(|fitting| !fitting.is_empty())
        .unwrap_or_else(|| explanations(sql, statements, seen.objects))
}

/// After how many statements the catalog would be as it is, in every way that fits.
pub(super) fn explanations(
    sql: &str,
    statements: &[(&[Token], Read)],
    objects: &BTreeSet<Object>,
) -> Vec<usize> {
    fitting(sql, statements, objects, None)
}

fn fitting(
    sql: &str,
    statements: &[(&[Token], Read)],
    objects: &BTreeSet<Object>,
    columns: Option<&columns::Columns<'_>>,
) -> Vec<usize> {
    let mut state = initial::state(sql, statements);
    for (column, shape) in columns.iter().flat_map(|columns| &columns.before) {
        state.begin_like(column.clone(), shape.clone());
    }
    let mut wrong = BTreeSet::new();
    let mut compare = |state: &mut State| {
        for object in state.take_touched() {
            let there = objects.contains(&object);
            let other = state.present(&object).is_some_and(|known| known != there);
            if other || columns.is_some_and(|columns| columns.differ(state, &object)) {
                wrong.insert(object);
            } else {
                wrong.remove(&object);
            }
        }
        wrong.is_empty()
    };
    let mut fitting = Vec::new();
    if compare(&mut state) {
        fitting.push(0);
    }
    for ((tokens, read), number) in statements.iter().zip(1..) {
        for change in &read.changes {
            state.apply(change, number);
        }
        if read.runs_code {
            state.forget_named_in(text_of(sql, tokens).unwrap_or_default());
        }
        if compare(&mut state) {
            fitting.push(number);
        }
    }
    fitting
}
