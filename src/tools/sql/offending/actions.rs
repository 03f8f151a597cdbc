//! What a migration's `ALTER TABLE` statements do, one action after the other, and what else may read or write rows.

use super::super::cursor::Cursor;
use super::super::token::{Kind, Token};
use super::super::{split, text_of, token};

/// One action of an `ALTER TABLE`.
pub(super) struct Action<'a> {
    /// In which statement, from 1.
    pub statement: usize,
    /// The table, as it is spelt.
    pub table: &'a str,
    /// The action.
    pub cursor: Cursor<'a>,
}

/// Of a column's type.
pub(super) struct NewType<'a> {
    pub column: &'a str,
    /// The tokens of the type.
    pub of: &'a [Token],
    /// Of the expression behind USING.
    pub using: Option<&'a [Token]>,
}

/// With what a statement begins that neither reads nor writes a row's values.
const SCHEMA_ONLY: [&str; 13] = [
    "ALTER", "BEGIN", "COMMENT", "COMMIT", "CREATE", "DROP", "END", "GRANT", "LOCK", "RESET",
    "REVOKE", "SET", "START",
];

/// The statements of a text, if it can be read in one way only.
pub(super) fn read(sql: &str) -> Option<Vec<Vec<Token>>> {
    let read = token::tokens(sql);
    let whole = !read.doubtful && !read.open;
    whole.then(|| {
        split(&read.tokens)
            .iter()
            .map(|tokens| tokens.to_vec())
            .collect()
    })
}

/// The actions of all of them.
pub(super) fn actions<'a>(sql: &'a str, statements: &'a [Vec<Token>]) -> Vec<Action<'a>> {
    let each = (1..).zip(statements);
    each.flat_map(|(number, tokens)| of_statement(sql, number, tokens).unwrap_or_default())
        .collect()
}

fn of_statement<'a>(
    sql: &'a str,
    statement: usize,
    tokens: &'a [Token],
) -> Option<Vec<Action<'a>>> {
    let mut cursor = Cursor { sql, tokens };
    (cursor.take("ALTER") && cursor.take("TABLE")).then_some(())?;
    cursor.take_if_exists();
    cursor.take("ONLY");
    let table = taken(&mut cursor, Cursor::take_name)?;
    let pieces = cursor.split_by_comma();
    let action = |tokens| Action {
        statement,
        table,
        cursor: Cursor { sql, tokens },
    };
    Some(pieces.into_iter().map(action).collect())
}

/// The text of what is taken.
pub(super) fn taken<'a>(
    cursor: &mut Cursor<'a>,
    take: impl Fn(&mut Cursor<'a>) -> bool,
) -> Option<&'a str> {
    let before = cursor.tokens;
    take(cursor).then_some(())?;
    text_of(
        cursor.sql,
        before.get(..before.len() - cursor.tokens.len())?,
    )
}

/// Whether a statement may meet rows beside what its own actions say.
pub(super) fn meets_rows(tokens: &[Token]) -> bool {
    let word = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.as_str(),
        _ => "",
    };
    // A table of a query's rows.
    let filled = word(0) == "CREATE" && {
        let cursor = Cursor { sql: "", tokens };
        cursor.has(&["TABLE", "MATERIALIZED"]) && cursor.has(&["AS"])
    };
    !SCHEMA_ONLY.contains(&word(0)) || filled
}

/// Whether something is cast in it, as in the expression of an index.
pub(super) fn casts(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| match &token.kind {
        Kind::Mark(mark) => *mark == ':',
        Kind::Word(word) => matches!(word.as_str(), "CAST" | "GENERATED"),
        _ => false,
    })
}

impl<'a> Action<'a> {
    /// `ALTER [COLUMN] c [SET DATA] TYPE t [COLLATE n] [USING e]`.
    pub(super) fn new_type(&self) -> Option<NewType<'a>> {
        let mut cursor = self.cursor;
        cursor.take("ALTER").then_some(())?;
        cursor.take("COLUMN");
        let column = taken(&mut cursor, Cursor::take_simple_name)?;
        if cursor.take("SET") {
            cursor.take("DATA").then_some(())?;
        }
        cursor.take("TYPE").then_some(())?;
        let tokens = cursor.tokens;
        let is =
            |token: &Token, wanted: &str| matches!(&token.kind, Kind::Word(word) if word == wanted);
        let using = tokens.iter().position(|token| is(token, "USING"));
        let end = tokens
            .iter()
            .position(|token| is(token, "COLLATE"))
            .or(using)
            .unwrap_or(tokens.len());
        Some(NewType {
            column,
            of: tokens.get(..end)?,
            using: using.and_then(|at| tokens.get(at + 1..)),
        })
    }

    /// What stands behind `ADD CONSTRAINT "name"`.
    pub(super) fn constraint(&self, name: &str) -> Option<Cursor<'a>> {
        let mut cursor = self.cursor;
        (cursor.take("ADD") && cursor.take("CONSTRAINT")).then_some(())?;
        (cursor.identifier()? == name).then_some(cursor)
    }
}
