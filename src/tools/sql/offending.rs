//! The query that lists the rows because of which a migration failed. PostgreSQL's own DETAIL has a value, which is shown to nobody.

use super::cursor::Cursor;
use super::{Stopped, failed_statement, split, text_of, token};

/// How long a query may be, characters.
const MAX_QUERY: usize = 250;

/// The query: of a unique index that could not be built, and of a column that was to be NOT NULL.
pub fn offending_rows(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<String> {
    let query = match stopped.sql_state? {
        "23505" => duplicates(sql, failed_statement(sql, schema, stopped)?.number)?,
        "23502" => nulls(stopped.message)?,
        _ => return None,
    };
    let fits = query.chars().count() <= MAX_QUERY && !query.contains(char::is_control);
    fits.then_some(query)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(
        "ALTER TABLE t ADD x int;\nCREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\");",
        Some("SELECT \"email\", count(*) FROM \"User\" GROUP BY \"email\" HAVING count(*) > 1")
    )]
    #[case(
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"User_email_key\" ON app.\"User\" USING btree (\"email\", lower(\"name\")) WHERE \"gone\" IS NULL",
        Some(
            "SELECT \"email\", lower(\"name\"), count(*) FROM app.\"User\" WHERE \"gone\" IS NULL GROUP BY \"email\", lower(\"name\") HAVING count(*) > 1"
        )
    )]
    #[case(
        "CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\" DESC);",
        None
    )]
    #[case(
        "CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\") INCLUDE (a);",
        None
    )]
    #[case("CREATE UNIQUE INDEX other ON \"User\"(\"email\");", None)]
    fn duplicates_of_a_unique_index(#[case] sql: &str, #[case] expected: Option<&str>) {
        let stopped = Stopped {
            position: None,
            sql_state: Some("23505"),
            message: "ERROR: could not create unique index \"User_email_key\"",
        };
        let found = offending_rows(sql, "public", &stopped);
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn rows_without_a_value() {
        let stopped = Stopped {
            position: None,
            sql_state: Some("23502"),
            message: "ERROR: column \"name\" of relation \"User\" contains null values",
        };
        assert_eq!(
            offending_rows("", "public", &stopped).as_deref(),
            Some("SELECT * FROM \"User\" WHERE \"name\" IS NULL")
        );
    }
}
