//! PURE. SQL in colours: keywords, texts and comments; just enough to read a migration by.

use crate::cli::style::{Style, Tone};

const KEYWORDS: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "BEGIN",
    "BY",
    "CASCADE",
    "CASE",
    "CHECK",
    "COLUMN",
    "COMMENT",
    "COMMIT",
    "CONCURRENTLY",
    "CONSTRAINT",
    "CREATE",
    "DATA",
    "DEFAULT",
    "DELETE",
    "DISTINCT",
    "DO",
    "DOMAIN",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "EXTENSION",
    "FOREIGN",
    "FROM",
    "FUNCTION",
    "GRANT",
    "GROUP",
    "IF",
    "IN",
    "INDEX",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LANGUAGE",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PRIMARY",
    "REFERENCES",
    "RENAME",
    "REPLACE",
    "RESTRICT",
    "RETURNS",
    "REVOKE",
    "ROLLBACK",
    "SCHEMA",
    "SELECT",
    "SEQUENCE",
    "SET",
    "TABLE",
    "THEN",
    "TO",
    "TRIGGER",
    "TRUNCATE",
    "TYPE",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALID",
    "VALIDATE",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WITH",
];

/// What loses something.
const LOSING: &[&str] = &["DELETE", "DROP", "TRUNCATE"];

/// A text of SQL with colours. What looks like SQL inside of quotes and comments is left alone.
pub fn highlight(sql: &str, style: Style) -> String {
    if !style.colour {
        return sql.to_owned();
    }
    let mut out = String::with_capacity(sql.len() * 2);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (length, tone) = piece(rest, first);
        let (text, after) = rest.split_at(length);
        match tone {
            // A colour that runs over a line's end would colour what a pager shows beside it.
            Some(tone) => {
                let lines: Vec<String> = text
                    .split('\n')
                    .map(|line| style.paint(tone, line))
                    .collect();
                out.push_str(&lines.join("\n"));
            }
            None => out.push_str(text),
        }
        rest = after;
    }
    out
}

/// How long the next piece is, bytes, and its colour.
fn piece(rest: &str, first: char) -> (usize, Option<Tone>) {
    let until = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |found| from + found + end.len())
    };
    if rest.starts_with("--") {
        return (rest.find('\n').unwrap_or(rest.len()), Some(Tone::Dim));
    }
    if rest.starts_with("/*") {
        return (until("*/", 2), Some(Tone::Dim));
    }
    match first {
        '\'' => (until("'", 1), Some(Tone::Good)),
        '"' => (until("\"", 1), None),
        c if c.is_alphabetic() || c == '_' => {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let word = rest[..length].to_uppercase();
            let tone = if LOSING.contains(&word.as_str()) {
                Some(Tone::Bad)
            } else if KEYWORDS.contains(&word.as_str()) {
                Some(Tone::Code)
            } else {
                None
            };
            (length, tone)
        }
        c => (c.len_utf8(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::safe_lines;

    const COLOUR: Style = Style { colour: true };

    #[test]
    fn keeps_every_character() {
        for sql in [
            "ALTER TABLE \"User\" ADD COLUMN \"a\" TEXT; -- why\nUPDATE \"User\" SET a = 'it''s';",
            "/* open",
            "'open",
            "\"open",
            "é ü 数据 $$x$$",
            "",
        ] {
            assert_eq!(safe_lines(&highlight(sql, COLOUR)), sql);
            assert_eq!(highlight(sql, Style::PLAIN), sql);
        }
    }

    #[test]
    fn keywords_only_outside_of_quotes() {
        assert!(highlight("drop table x", COLOUR).contains("\x1b["));
        let quoted = highlight("\"drop\"", COLOUR);
        assert_eq!(quoted, "\"drop\"");
    }
}
