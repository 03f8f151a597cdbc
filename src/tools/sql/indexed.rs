//! What an index is like beyond its name: what a text makes of it, and whether that is what the catalog says.

use super::change::Relation;
use super::cursor::Cursor;
use super::token::Kind;
use crate::facts::Index;

/// `[USING method] (column, ...) ... [WHERE ...]`, from behind the table; or `[KEY] (column, ...)` of a constraint. `None` where it is
/// something else.
pub(super) fn like(mut cursor: Cursor<'_>, table: &Relation, unique: bool) -> Option<Index> {
    if cursor.take("USING") {
        cursor.identifier()?;
    }
    cursor.take("KEY");
    if cursor.take("NULLS") {
        cursor.take("NOT");
        cursor.take("DISTINCT");
    }
    let group = cursor.group()?;
    let all = Cursor {
        tokens: group,
        ..cursor
    };
    let columns = all.split_by_comma().into_iter().map(|tokens| {
        let mut one = Cursor { tokens, ..cursor };
        let column = one.identifier()?;
        let next = one.tokens.first().map(|token| &token.kind);
        // A call, a path, an operator.
        matches!(next, None | Some(Kind::Word(_))).then_some(column)
    });
    Some(Index {
        table: table.1.clone(),
        unique,
        columns: columns.collect(),
        partial: cursor.has(&["WHERE"]),
    })
}

/// In what the catalog's index is another one, in words that follow its name.
pub(super) fn differences(made: &Index, seen: &Index) -> Vec<String> {
    let mut found = Vec::new();
    if made.table != seen.table {
        found.push(format!("is on table \"{}\"", seen.table));
    }
    if made.unique != seen.unique {
        let is = if seen.unique { "is" } else { "is not" };
        found.push(format!("{is} UNIQUE"));
    }
    // An expression is spelt in many ways.
    if let (Some(made), Some(seen)) = (&made.columns, &seen.columns)
        && made != seen
    {
        let names: Vec<String> = seen.iter().map(|name| format!("\"{name}\"")).collect();
        found.push(format!("is of ({})", names.join(", ")));
    } else if made.columns.is_some() != seen.columns.is_some() {
        let is = if seen.columns.is_some() {
            "is not"
        } else {
            "is"
        };
        found.push(format!("{is} of an expression"));
    }
    if made.partial != seen.partial {
        let has = if seen.partial { "has a" } else { "has no" };
        found.push(format!("{has} WHERE"));
    }
    found
}
