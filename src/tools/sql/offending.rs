//! The query that lists the rows because of which a migration failed. PostgreSQL's own DETAIL has a value, which is shown to nobody.

mod actions;
mod constraints;
#[cfg(test)]
mod tests;
mod types;

use super::cursor::Cursor;
use super::reference::StatementRef;
use super::{Stopped, failed_statement, split, text_of, token};

/// How long a query may be, characters.
const MAX_QUERY: usize = 400;

/// Rows that are in the way, and what of the migration met them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffendingRows {
    /// The query that lists them.
    pub query: String,
    /// The column, in words: `"code" of "User"`.
    pub column: Option<String>,
    /// The statement that failed.
    pub statement: Option<StatementRef>,
}

/// Of a constraint that does not hold, a unique index that cannot be built, a column that was to be NOT NULL, and a new type that
/// does not take what is there. Where it is not certain which statement failed, there is none.
pub fn offending_rows(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<OffendingRows> {
    let found = match stopped.sql_state? {
        "23505" => of_index(sql, schema, stopped).or_else(|| constraints::rows(sql, stopped)),
        "23502" => nulls(stopped.message).map(|query| OffendingRows {
            query,
            column: None,
            statement: None,
        }),
        "23503" | "23514" => constraints::rows(sql, stopped),
        "22001" | "22003" | "22P02" => types::rows(sql, stopped),
        _ => None,
    };
    found.filter(|found| {
        let query = &found.query;
        query.chars().count() <= MAX_QUERY && !query.contains(char::is_control)
    })
}

fn of_index(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<OffendingRows> {
    let statement = failed_statement(sql, schema, stopped)?;
    Some(OffendingRows {
        query: duplicates(sql, statement.number)?,
        column: None,
        statement: Some(statement),
    })
}

/// `CREATE UNIQUE INDEX i ON t (a, b) WHERE c`: of the rows that it holds, those that are there more than once.
fn duplicates(sql: &str, number: usize) -> Option<String> {
    let read = token::tokens(sql);
    let statements = split(&read.tokens);
    let tokens = *statements.get(number.checked_sub(1)?)?;
    let mut cursor = Cursor { sql, tokens };
    if !(cursor.take("CREATE") && cursor.take("UNIQUE") && cursor.take("INDEX")) {
        return None;
    }
    cursor.take("CONCURRENTLY");
    cursor.take_if_not_exists();
    if !cursor.take("ON") {
        cursor.take_name();
        cursor.take("ON").then_some(())?;
    }
    cursor.take("ONLY");
    let before = cursor.tokens;
    cursor.take_name().then_some(())?;
    let name = before.len() - cursor.tokens.len();
    let table = text_of(sql, before.get(..name)?)?;
    if cursor.take("USING") {
        cursor.take_simple_name();
    }
    let columns = text_of(sql, cursor.group()?)?;
    // Of what else may follow, only a predicate decides which rows it holds.
    let rows = match cursor.peek_word() {
        "" => String::new(),
        "WHERE" => format!(" {}", text_of(sql, cursor.tokens)?),
        _ => return None,
    };
    let plain = |word: &str| !matches!(word, "ASC" | "DESC" | "NULLS" | "COLLATE");
    let mut words = columns.split_whitespace().map(str::to_ascii_uppercase);
    words.all(|word| plain(word.trim_end_matches(','))).then(|| {
        format!("SELECT {columns}, count(*) FROM {table}{rows} GROUP BY {columns} HAVING count(*) > 1")
    })
}

/// `column "a" of relation "t" contains null values`.
fn nulls(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("column \"")?;
    let (column, rest) = rest.split_once("\" of relation \"")?;
    let (table, rest) = rest.split_once('"')?;
    rest.starts_with(" contains null values")
        .then(|| format!("SELECT * FROM \"{table}\" WHERE \"{column}\" IS NULL"))
}
