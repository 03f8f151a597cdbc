//! The query that lists the rows because of which a migration failed. PostgreSQL's own DETAIL has a value, which is shown to nobody.

mod actions;
mod constraints;
mod found;
#[cfg(test)]
mod tests;
mod types;

use super::cursor::Cursor;
use super::reference::{StatementRef, statement};
use super::{Stopped, failed_statement, split, text_of, token};

pub use self::found::OffendingRows;

/// How long a query may be, characters.
const MAX_QUERY: usize = 400;

/// What stands before such a query where it is shown.
pub const CORRECT: &str = "Correct the rows that this lists before it is run again: ";

/// The query that a text shows.
pub fn shown_query(text: &str) -> Option<&str> {
    // In the middle of a sentence it begins with a small letter.
    let (_, query) = text.split_once(CORRECT.trim_start_matches('C'))?;
    Some(query).filter(|query| !query.is_empty())
}

/// What is said of a column that no table with rows can get: no row is to be corrected for that.
pub const NO_DEFAULT: &str = "adds a column that must not be null and has no default";

/// The statement that adds such a column, where PostgreSQL refused it because the table has rows.
pub fn adds_without_default(sql: &str, stopped: &Stopped<'_>) -> Option<StatementRef> {
    (stopped.sql_state == Some("23502")).then_some(())?;
    let (column, table) = null_column(stopped.message)?;
    let statements = actions::read(sql)?;
    let all = actions::actions(sql, &statements);
    let adds = |action: &&actions::Action<'_>| {
        let mut cursor = action.cursor;
        let adds = cursor.take("ADD");
        cursor.take("COLUMN");
        cursor.take_if_not_exists();
        let of = action.table.rsplit('.').next().unwrap_or_default();
        adds && of.trim_matches('"') == table && cursor.identifier().as_deref() == Some(column)
    };
    let found = all.iter().find(adds)?;
    statement(sql, found.statement)
}

/// The column and the table of `column "a" of relation "t" contains null values`.
fn null_column(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("column \"")?;
    let (column, rest) = rest.split_once("\" of relation \"")?;
    let (table, rest) = rest.split_once('"')?;
    rest.starts_with(" contains null values")
        .then_some((column, table))
}

/// Of a constraint that does not hold, a unique index that cannot be built, a column that was to be NOT NULL, and a new type that
/// does not take what is there. Where it is not certain which statement failed, there is none.
pub fn offending_rows(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<OffendingRows> {
    let found = match stopped.sql_state? {
        "23505" => of_index(sql, schema, stopped).or_else(|| constraints::rows(sql, stopped)),
        "23502" => nulls(sql, stopped),
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
        "WHERE" => {
            let _ = cursor.take("WHERE");
            format!("({}) AND ", text_of(sql, cursor.tokens)?)
        }
        _ => return None,
    };
    let plain = |word: &str| !matches!(word, "ASC" | "DESC" | "NULLS" | "COLLATE");
    let mut words = columns.split_whitespace().map(str::to_ascii_uppercase);
    words.all(|word| plain(word.trim_end_matches(','))).then(|| {
        // Rows with a null among them are in nobody's way.
        format!("SELECT {columns}, count(*) FROM {table} WHERE {rows}({columns}) IS NOT NULL GROUP BY {columns} HAVING count(*) > 1")
    })
}

/// `column "a" of relation "t" contains null values`.
fn nulls(sql: &str, stopped: &Stopped<'_>) -> Option<OffendingRows> {
    if adds_without_default(sql, stopped).is_some() {
        return None;
    }
    let (column, table) = null_column(stopped.message)?;
    let read = token::tokens(sql);
    // It is said where a table is altered; its position is not.
    let alters = |tokens: &[token::Token]| {
        let mut cursor = Cursor { sql, tokens };
        if !(cursor.take("ALTER") && cursor.take("TABLE")) {
            return false;
        }
        cursor.take_if_exists();
        cursor.take("ONLY");
        let is_it = cursor.qualified().is_some_and(|(_, name)| name == table);
        is_it
            && (cursor.has(&["NOT", "NULL"]) || cursor.has(&["PRIMARY"]))
            && cursor.names().iter().any(|name| name == column)
    };
    let all = split(&read.tokens);
    let mut numbers = all.iter().zip(1..).filter(|(tokens, _)| alters(tokens));
    let number = numbers.next().map(|(_, number)| number);
    let only = number.filter(|_| numbers.next().is_none());
    // Code may alter it, too.
    let code = |tokens: &&[token::Token]| Cursor { sql, tokens }.peek_word() == "DO";
    let only = only.filter(|_| !all.iter().any(code));
    Some(OffendingRows {
        query: format!("SELECT * FROM \"{table}\" WHERE \"{column}\" IS NULL LIMIT 20"),
        column: None,
        statement: only.and_then(|number| statement(sql, number)),
    })
}
