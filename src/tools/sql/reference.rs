//! A statement of a migration by its place, and its first line without a value.

use super::cursor::Cursor;
use super::token::{Kind, Token};
use super::{split, token};

/// A text is cut after this many characters.
const MAX_TEXT: usize = 120;

/// A statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRef {
    /// Which one, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
    /// Its first line in at most 120 characters, every literal but a type's length replaced by `?`; of a statement that changes rows only
    /// what stands before its values. `...` stands for what is left out.
    pub text: String,
}

/// The statement at a character of the text, counted from 1 as PostgreSQL counts.
pub fn statement_at(sql: &str, characters: usize) -> Option<StatementRef> {
    let wanted = characters.checked_sub(1)?;
    let length = sql.chars().count();
    // An error "at end of input" stands one behind the last character.
    let byte = match sql.char_indices().nth(wanted) {
        Some((byte, _)) => byte,
        None if wanted == length => sql.len(),
        None => return None,
    };
    let read = token::tokens(sql);
    let statements = split(&read.tokens);
    let number = statements
        .iter()
        .take_while(|tokens| tokens.first().is_some_and(|first| first.span.start <= byte))
        .count();
    reference(sql, &statements, read.doubtful, number)
}

/// The statement with a number, from 1.
pub fn statement(sql: &str, number: usize) -> Option<StatementRef> {
    let read = token::tokens(sql);
    reference(sql, &split(&read.tokens), read.doubtful, number)
}

fn reference(
    sql: &str,
    statements: &[&[Token]],
    doubtful: bool,
    number: usize,
) -> Option<StatementRef> {
    let tokens = statements.get(number.checked_sub(1)?)?;
    Some(StatementRef {
        number,
        of: statements.len(),
        text: first_line(sql, tokens, doubtful),
    })
}

/// With what a statement that is known begins. What begins otherwise may be data (of a `COPY ... FROM stdin`).
const BEGINNINGS: [&str; 33] = [
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DELETE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXECUTE",
    "GRANT",
    "INSERT",
    "LOCK",
    "MERGE",
    "PREPARE",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
    "WITH",
];

/// Behind these words a statement that changes rows may hold values, even where they look like names.
fn ends_before_values(statement: &str, word: &str) -> bool {
    match statement {
        "INSERT" => matches!(
            word,
            "VALUES" | "SELECT" | "DEFAULT" | "WITH" | "OVERRIDING"
        ),
        "UPDATE" => matches!(word, "SET"),
        "DELETE" => matches!(word, "WHERE" | "USING"),
        "MERGE" => matches!(word, "USING"),
        "COPY" => matches!(word, "FROM" | "TO"),
        "SELECT" | "WITH" | "DO" | "CALL" | "EXECUTE" => true,
        _ => false,
    }
}

/// Types that take a length, or a precision and a scale.
const MODIFIED: [&str; 12] = [
    "BIT",
    "CHAR",
    "CHARACTER",
    "DEC",
    "DECIMAL",
    "NUMERIC",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TIMETZ",
    "VARCHAR",
    "VARYING",
];

/// Whether a number behind these tokens is a type's own, as in `VARCHAR(6)` and `DECIMAL(6, 2)`, and so part of the schema.
fn is_modifier(statement: &str, before: &[Token]) -> bool {
    let of_type =
        |kind: &Kind| matches!(kind, Kind::Word(word) if MODIFIED.contains(&word.as_str()));
    let last: Vec<&Kind> = before
        .iter()
        .rev()
        .take(4)
        .map(|token| &token.kind)
        .collect();
    matches!(statement, "ALTER" | "CREATE")
        && match last.as_slice() {
            [Kind::Mark('('), name, ..] => of_type(name),
            [Kind::Mark(','), Kind::Number, Kind::Mark('('), name] => of_type(name),
            _ => false,
        }
}

fn first_line(sql: &str, tokens: &[Token], doubtful: bool) -> String {
    let beginning = Cursor { sql, tokens }.peek_word();
    let mut text = String::new();
    let mut whole = true;
    if !BEGINNINGS.contains(&beginning) {
        return "...".to_owned();
    }
    let mut end = tokens.first().map_or(0, |first| first.span.start);
    for (at, token) in tokens.iter().enumerate() {
        let between = sql.get(end..token.span.start).unwrap_or_default();
        if between.contains(['\n', '\r']) && at > 0 {
            whole = false;
            break;
        }
        if at > 0 && !between.is_empty() {
            text.push(' ');
        }
        end = token.span.end;
        match &token.kind {
            Kind::Number if is_modifier(beginning, tokens.get(..at).unwrap_or_default()) => {
                text.push_str(sql.get(token.span.clone()).unwrap_or_default());
            }
            Kind::Text | Kind::Number => text.push('?'),
            _ => text.push_str(sql.get(token.span.clone()).unwrap_or_default()),
        }
        let stops = match &token.kind {
            // What follows could be a piece of it.
            Kind::Text => doubtful,
            Kind::Word(word) => ends_before_values(beginning, word),
            _ => false,
        };
        if stops {
            whole = at + 1 == tokens.len();
            break;
        }
    }
    let mut text: String = text.replace(char::is_control, " ");
    if text.chars().count() > MAX_TEXT - 4 {
        text = text.chars().take(MAX_TEXT - 4).collect();
        whole = false;
    }
    if !whole {
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::statement;

    #[rstest::rstest]
    #[case(
        "ALTER TABLE t ALTER a SET DATA TYPE VARCHAR(6)",
        "ALTER TABLE t ALTER a SET DATA TYPE VARCHAR(6)"
    )]
    #[case(
        "ALTER TABLE t ADD b DECIMAL(6, 2) DEFAULT 1.5, ADD c character varying(9)",
        "ALTER TABLE t ADD b DECIMAL(6, 2) DEFAULT ?, ADD c character varying(9)"
    )]
    #[case(
        "ALTER TABLE t ADD CHECK (a IN (6, 2))",
        "ALTER TABLE t ADD CHECK (a IN (?, ?))"
    )]
    #[case("UPDATE t SET a = 'b'", "UPDATE t SET ...")]
    fn a_types_length_is_no_value(#[case] sql: &str, #[case] expected: &str) {
        assert_eq!(
            statement(sql, 1).map(|found| found.text).as_deref(),
            Some(expected)
        );
    }
}
