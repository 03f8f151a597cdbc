//! Takes values of rows out of error messages. PostgreSQL puts them into `DETAIL`, and some into the message itself.

use super::secrets::REDACTED;

/// Lines of one value that spans lines, at most; then the value is taken to have ended.
const LONGEST_VALUE: usize = 200;

/// Knows whether a value that began on an earlier line goes on.
#[derive(Debug, Default)]
pub struct Rows {
    open: Option<Open>,
    hidden_lines: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// PostgreSQL's own text: until a line that cannot belong to it.
    Plain,
    /// JavaScript's `'...' +` on the line before.
    Joined,
}

impl Rows {
    /// The line without values of rows.
    pub fn redact(&mut self, line: String) -> String {
        if let Some(open) = self.open {
            if self.hidden_lines < LONGEST_VALUE && !(open == Open::Plain && begins_other(&line)) {
                self.hidden_lines += 1;
                if open == Open::Joined && !line.trim_end().ends_with('+')
                    || open == Open::Plain && closes(&line)
                {
                    self.open = None;
                }
                return REDACTED.to_owned();
            }
            self.open = None;
        }
        self.hidden_lines = 0;
        let line = self.detail(line);
        let line = quoted_fields(line, &mut self.open);
        self.phrases(line)
    }

    /// `DETAIL: ...` up to the end of the line, or of the line within an escaped text.
    fn detail(&mut self, line: String) -> String {
        let Some(start) = line.find("DETAIL:") else {
            return line;
        };
        let value = &line[start + "DETAIL:".len()..];
        match escaped_line_end(value) {
            Some(end) => format!(
                "{}DETAIL: {REDACTED}{}",
                &line[..start],
                self.detail(value[end..].to_owned())
            ),
            None => {
                if !is_closed(value) {
                    self.open = Some(Open::Plain);
                }
                format!("{}DETAIL: {REDACTED}", &line[..start])
            }
        }
    }

    /// Values that stand in other texts.
    fn phrases(&mut self, line: String) -> String {
        let mut line = line;
        if let Some(start) = line.find("Failing row contains (") {
            if !is_closed(&line[start..]) && self.open.is_none() {
                self.open = Some(Open::Plain);
            }
            line.truncate(start + "Failing row contains ".len());
            line.push_str(REDACTED);
        }
        // Key (email)=(a@b.c) already exists.
        if let Some(key) = line.find("Key (")
            && let Some(middle) = line[key..].find(")=(")
        {
            let start = key + middle + ")=".len();
            let ends = [
                ") already exists",
                ") is duplicated",
                ") is not present",
                ") is still referenced",
            ];
            // Not the last of them: what follows a key that conflicts with another holds the other's values.
            let end = ends
                .iter()
                .filter_map(|end| line[start..].rfind(end))
                .max()
                .map(|end| start + end + 1);
            if end.is_none() && !is_closed(&line[start..]) && self.open.is_none() {
                self.open = Some(Open::Plain);
            }
            line.replace_range(start..end.unwrap_or(line.len()), REDACTED);
        }
        // COPY users, line 3, column email: "..."
        if let Some(copy) = line.find("COPY ")
            && let Some(column) = line[copy..].find(", line ")
            && let Some(value) = line[copy + column..].find(": \"")
        {
            line.truncate(copy + column + value);
            line.push_str(": ");
            line.push_str(REDACTED);
        }
        if QUOTING.iter().any(|phrase| line.contains(phrase)) {
            line = last_quoted(&line);
        }
        value_out_of_range(line)
    }
}

/// Messages that end with the value in quotes.
const QUOTING: [&str; 8] = [
    "invalid input syntax for ",
    "invalid input value for ",
    "value out of range: ",
    "malformed array literal: ",
    "malformed record literal: ",
    "malformed range literal: ",
    "invalid value \"",
    "could not parse ",
];

/// What stands behind `: "`, or `: \"` in an escaped text, up to the last quote of that kind.
fn last_quoted(line: &str) -> String {
    for quote in ["\\\\\"", "\\\"", "\""] {
        let open = format!(": {quote}");
        if let Some(start) = QUOTING
            .iter()
            .filter_map(|phrase| line.find(phrase))
            .min()
            .and_then(|from| line[from..].find(&open).map(|at| from + at + open.len()))
        {
            let end = line[start..]
                .rfind(quote)
                .map_or(line.len(), |end| start + end);
            return format!("{}{REDACTED}{}", &line[..start], &line[end..]);
        }
    }
    line.to_owned()
}

/// `value "..." is out of range for type integer`.
fn value_out_of_range(mut line: String) -> String {
    if let Some(start) = line.find("value \"").map(|at| at + "value ".len())
        && let Some(length) = line[start..].find(" is out of range for type")
    {
        line.replace_range(start..start + length, REDACTED);
    }
    line
}

/// `detail: Some("...")`, `detail: '...'`, `"detail":"..."` and the like.
fn quoted_fields(mut line: String, open: &mut Option<Open>) -> String {
    let mut from = 0;
    while let Some(found) = line[from..].to_ascii_lowercase().find("detail") {
        let after_name = from + found + "detail".len();
        let rest = &line[after_name..];
        let value = rest.trim_start_matches(['\\', '"', '\'']).trim_start();
        from = after_name;
        let Some(value) = value.strip_prefix([':', '=']) else {
            continue;
        };
        let value = value.trim_start();
        let value = value.strip_prefix("Some(").unwrap_or(value);
        let escapes = value.len() - value.trim_start_matches('\\').len();
        let Some(quote) = value[escapes..]
            .chars()
            .next()
            .filter(|sign| matches!(sign, '"' | '\'' | '`'))
        else {
            continue;
        };
        let start = line.len() - value.len() + escapes + 1;
        let length = closing_quote(&line[start..], quote, escapes);
        if length.is_some_and(|length| line[start + length..].trim_end().ends_with('+')) {
            *open = Some(Open::Joined);
        }
        let end = length.map_or(line.len(), |length| start + length);
        line.replace_range(start..end, REDACTED);
        from = start + REDACTED.len();
    }
    line
}

/// Where the quote stands that closes a value: with as many backslashes before it as the opening one had.
fn closing_quote(text: &str, quote: char, escapes: usize) -> Option<usize> {
    let mut backslashes = 0;
    for (at, letter) in text.char_indices() {
        if letter == '\\' {
            backslashes += 1;
        } else {
            if letter == quote && (backslashes == escapes || escapes == 0 && backslashes % 2 == 0) {
                return Some(at - escapes.min(backslashes));
            }
            backslashes = 0;
        }
    }
    None
}

/// `\n` as two signs.
fn escaped_line_end(text: &str) -> Option<usize> {
    text.match_indices("\\n")
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with('\\'))
}

/// Whether a detail ends on its line.
fn is_closed(value: &str) -> bool {
    closes(value) && value.matches('(').count() == value.matches(')').count()
}

fn closes(line: &str) -> bool {
    line.trim_end().ends_with(['.', '"', '\'', ',', '}'])
}

/// Whether a line belongs to something else than a value that began above it.
fn begins_other(line: &str) -> bool {
    let line = line.trim_start();
    const STARTS: [&str; 15] = [
        "HINT:",
        "CONTEXT:",
        "STATEMENT:",
        "LOCATION:",
        "WHERE:",
        "ERROR:",
        "FATAL:",
        "Error:",
        "Position:",
        "DbError",
        "Database error",
        "Migration name:",
        "Applying migration",
        "0: ",
        "DETAIL:",
    ];
    STARTS.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(text: &str) -> String {
        let mut rows = Rows::default();
        text.lines()
            .map(|line| rows.redact(line.to_owned()))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn details() {
        for (text, expected) in [
            (
                "DETAIL: Key (email)=(a@b.c) already exists.",
                "DETAIL: (redacted)",
            ),
            (
                "ERROR: x DETAIL:  Key (a)=(b) is duplicated.\nHINT: y",
                "ERROR: x DETAIL: (redacted)\nHINT: y",
            ),
            (
                "DETAIL: Failing row contains (1, two\nthree, four).\nHINT: y",
                "DETAIL: (redacted)\n(redacted)\nHINT: y",
            ),
            (
                r"Some('ERROR: x\nDETAIL: Key (a)=(b).\nHINT: y')",
                r"Some('ERROR: x\nDETAIL: (redacted)\nHINT: y')",
            ),
            (
                r#"DbError { code: SqlState(E23505), detail: Some("Key (a)=(\"b\") is duplicated."), hint: None }"#,
                r#"DbError { code: SqlState(E23505), detail: Some("(redacted)"), hint: None }"#,
            ),
            (
                "  detail: 'Key (a)=(b\\'s) already exists.',",
                "  detail: '(redacted)',",
            ),
            (
                "  detail: 'Key (a)=(b\\n' +\n    'c) already exists.',\n  code: '23505'",
                "  detail: '(redacted)' +\n(redacted)\n  code: '23505'",
            ),
            (
                r#"{"severity":"ERROR","detail":"Key (a)=(b)","code":"23505"}"#,
                r#"{"severity":"ERROR","detail":"(redacted)","code":"23505"}"#,
            ),
            (
                r#"{\"detail\":\"Key (a)=(b)\",\"code\":\"1\"}"#,
                r#"{\"detail\":\"(redacted)\",\"code\":\"1\"}"#,
            ),
            ("  detail: undefined,", "  detail: undefined,"),
            ("see the details: below", "see the details: below"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn values_in_messages() {
        for (text, expected) in [
            (
                "Key (email)=(a@b.c) already exists.",
                "Key (email)=(redacted) already exists.",
            ),
            (
                "Key (a)=(x) conflicts with existing key (a)=(y).",
                "Key (a)=(redacted)",
            ),
            (
                "Failing row contains (1, secret).",
                "Failing row contains (redacted)",
            ),
            (
                "ERROR: invalid input syntax for type integer: \"secret\"",
                "ERROR: invalid input syntax for type integer: \"(redacted)\"",
            ),
            (
                "ERROR: invalid input value for enum \"Role\": \"secret\"",
                "ERROR: invalid input value for enum \"Role\": \"(redacted)\"",
            ),
            (
                r#"message: "invalid input syntax for type uuid: \"secret\"", detail: None"#,
                r#"message: "invalid input syntax for type uuid: \"(redacted)\"", detail: None"#,
            ),
            (
                "ERROR: value \"99999999999\" is out of range for type integer",
                "ERROR: value (redacted) is out of range for type integer",
            ),
            (
                "COPY users, line 3, column email: \"secret\"",
                "COPY users, line 3, column email: (redacted)",
            ),
            (
                "ERROR: column \"full_name\" does not exist",
                "ERROR: column \"full_name\" does not exist",
            ),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_without_end_does_not_hide_all_that_follows() {
        let text = format!("DETAIL: Key (a)=(b\n{}the end", "value\n".repeat(1000));
        assert!(redact(&text).ends_with("the end"));
    }
}
