//! The labels that a text adds to enums: names of the schema, and no values of rows.

use super::cursor::Cursor;
use super::{split, token};

/// What PostgreSQL says of a label that is not committed yet, as it is shown without what it quotes.
const HIDDEN: &str = "unsafe use of new value \"[redacted]\"";

/// A message with the label that it is about, where the text adds just one.
pub fn with_label(message: &str, sql: &str) -> String {
    let label = || {
        let read = token::tokens(sql);
        let statements = split(&read.tokens);
        let mut labels = statements.iter().filter_map(|tokens| {
            let mut cursor = Cursor { sql, tokens };
            (cursor.take("ALTER") && cursor.take("TYPE") && cursor.take_name()).then_some(())?;
            (cursor.take("ADD") && cursor.take("VALUE")).then_some(())?;
            cursor.take_if_not_exists();
            cursor.literal()
        });
        let first = labels.next()?;
        let alone = labels.next().is_none() && !read.doubtful;
        (alone && !first.contains(char::is_control)).then_some(first)
    };
    match label().filter(|_| message.contains(HIDDEN)) {
        Some(label) => message.replace(HIDDEN, &HIDDEN.replace("[redacted]", &label)),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::with_label;

    const SAID: &str = "ERROR: unsafe use of new value \"[redacted]\"\nHINT: ...";

    #[rstest::rstest]
    #[case(
        "ALTER TYPE \"Role\" ADD VALUE 'OWNER'; UPDATE t SET a = 'x';",
        "OWNER"
    )]
    #[case("ALTER TYPE app.r ADD VALUE IF NOT EXISTS 'OWNER' BEFORE 'A'", "OWNER")]
    #[case(
        "ALTER TYPE r ADD VALUE 'A'; ALTER TYPE r ADD VALUE 'B';",
        "[redacted]"
    )]
    #[case("UPDATE t SET a = 'OWNER'", "[redacted]")]
    fn the_label_is_shown_where_it_is_the_files(#[case] sql: &str, #[case] expected: &str) {
        assert_eq!(with_label(SAID, sql), SAID.replace("[redacted]", expected));
    }
}
