//! Takes values of rows out of error messages. PostgreSQL puts them into `DETAIL`, and some into the message itself.

use super::secrets::REDACTED;
use crate::raised::{self, Raised, Shown};

/// What adapters add to the end of a message.
const SQLSTATE: &str = " (SQLSTATE ";
/// Lines of one value that spans lines, at most; then the value is taken to have ended.
const LONGEST_VALUE: usize = 200;

/// Knows whether a value that began on an earlier line goes on.
#[derive(Debug, Default)]
pub struct Rows {
    raised: Raised,
    open: Option<Open>,
    hidden_lines: usize,
    /// The SQLSTATE that a line of its own gave to the message that follows.
    sql_state: Option<String>,
    /// Code raised the last message, and what follows it may be the author's, too.
    of_code: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// PostgreSQL's own text: until a line that cannot belong to it.
    Plain,
    /// JavaScript's `'...' +` on the line before.
    Joined,
    /// A context: until a blank line, or one that cannot belong to it.
    Paragraph,
    /// What code raised, which may hold blank lines: until a line that cannot belong to it, or what adapters add to its end.
    Text,
    /// What PostgreSQL quotes, which may hold blank lines, too: until the line with the closing quote.
    Quoted,
}

impl Rows {
    /// For the output of these migrations.
    #[must_use]
    pub fn new(raised: Raised) -> Rows {
        Rows {
            raised,
            ..Rows::default()
        }
    }

    /// The line without values of rows.
    pub fn redact(&mut self, line: String) -> String {
        if let Some(open) = self.open {
            if self.hidden_lines < LONGEST_VALUE && !ends(open, &line) {
                self.hidden_lines += 1;
                if is_last(open, &line) {
                    self.open = None;
                }
                let blank = line.trim().is_empty();
                return if blank { line } else { REDACTED.to_owned() };
            }
            self.open = None;
        }
        self.hidden_lines = 0;
        let line = self.message(line);
        let line = self.detail(line);
        let line = self.context(line);
        let line = quoted_fields(line, &mut self.open);
        self.phrases(line)
    }

    /// What code raised, and what PostgreSQL quotes of data it could not take (class 22).
    fn message(&mut self, line: String) -> String {
        let own = sql_state(&line);
        if let Some((_, state)) = line.split_once("Database error code: ") {
            self.sql_state = Some(state.trim().to_owned());
            return line;
        }
        let text = line.trim();
        let follows_its_code =
            self.sql_state.is_some() && !text.is_empty() && !text.starts_with("Database error");
        // Its own word for an error a server has in its own language.
        let is_error = line.contains("ERROR:") || own.is_some() || follows_its_code;
        let before = self.sql_state.clone().filter(|_| is_error);
        if is_error {
            self.sql_state = None;
        }
        let state = own.or(before).unwrap_or_default();
        let shown = if raised::is_raised(&state) {
            self.raised.of_code(&line)
        } else {
            self.raised.line(&line)
        };
        if is_error || shown != Shown::Other {
            self.of_code = raised::is_raised(&state) || shown != Shown::Other;
        }
        let line = match shown {
            Shown::Other => line,
            Shown::Without(text) => text,
            Shown::Open(text) => {
                self.open = (!line.contains(SQLSTATE)).then_some(Open::Text);
                text
            }
        };
        if raised::is_raised(&state) {
            let line = quoted_field(line, "message", &mut self.open);
            return quoted_field(line, "hint", &mut self.open);
        }
        if state.starts_with("22") && is_error {
            let (shown, goes_on) = raised::without_quoted(&line);
            if goes_on && !line.contains(SQLSTATE) {
                self.open = Some(Open::Quoted);
            }
            return shown;
        }
        line
    }

    /// Where an error came about: statements with their values, lines of data.
    fn context(&mut self, line: String) -> String {
        let start = line.trim_start();
        let marks = ["CONTEXT:", "QUERY:", "INTERNAL QUERY:", "HINT:"];
        let Some(mark) = marks
            .into_iter()
            .find(|mark| start.starts_with(mark))
            .filter(|mark| *mark != "HINT:" || self.of_code)
        else {
            return line;
        };
        self.open = Some(Open::Paragraph);
        let indent = line.len() - start.len();
        format!("{}{mark} {REDACTED}", &line[..indent])
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
        // invalid value "..." for "YYYY"
        if let Some(start) = line
            .find("invalid value \"")
            .map(|at| at + "invalid value \"".len())
            && let Some(length) = line[start..].rfind("\" for \"")
        {
            line.replace_range(start..start + length, REDACTED);
        }
        if QUOTING.iter().any(|phrase| line.contains(phrase)) {
            let (shown, goes_on) = last_quoted(&line);
            line = shown;
            if goes_on && self.open.is_none() {
                self.open = Some(Open::Quoted);
            }
        }
        value_out_of_range(line)
    }
}

/// Messages that end with the value in quotes.
const QUOTING: [&str; 7] = [
    "invalid input syntax for ",
    "invalid input value for ",
    "value out of range: ",
    "malformed array literal: ",
    "malformed record literal: ",
    "malformed range literal: ",
    "could not parse ",
];

/// Without what stands behind `: "`, or `: \"` in an escaped text, up to the last quote of that kind; and whether there is no such
/// quote on this line, so that the value goes on below it.
fn last_quoted(line: &str) -> (String, bool) {
    for quote in ["\\\\\"", "\\\"", "\""] {
        let open = format!(": {quote}");
        if let Some(start) = QUOTING
            .iter()
            .filter_map(|phrase| line.find(phrase))
            .min()
            .and_then(|from| line[from..].find(&open).map(|at| from + at + open.len()))
        {
            let end = line[start..].rfind(quote).map(|end| start + end);
            let rest = end.map_or("", |end| &line[end..]);
            return (format!("{}{REDACTED}{rest}", &line[..start]), end.is_none());
        }
    }
    (line.to_owned(), false)
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

/// `(SQLSTATE P0001)`, `SqlState(EP0001)`.
fn sql_state(line: &str) -> Option<String> {
    ["(SQLSTATE ", "SqlState(E"].iter().find_map(|mark| {
        let (_, rest) = line.rsplit_once(mark)?;
        rest.get(..5).map(str::to_owned)
    })
}

/// `detail: Some("...")`, `where: '...'`, `"detail":"..."` and the like.
fn quoted_fields(mut line: String, open: &mut Option<Open>) -> String {
    for name in ["detail", "where", "internalquery"] {
        line = quoted_field(line, name, open);
    }
    line
}

/// The same of one field.
fn quoted_field(mut line: String, name: &str, open: &mut Option<Open>) -> String {
    let mut from = 0;
    while let Some(found) = line[from..].to_ascii_lowercase().find(name) {
        let after_name = from + found + name.len();
        let rest = &line[after_name..];
        let value = rest.trim_start_matches(['\\', '"', '\'', '_']).trim_start();
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

/// Whether a value that began above has ended before this line.
fn ends(open: Open, line: &str) -> bool {
    match open {
        Open::Joined => false,
        Open::Plain | Open::Text | Open::Quoted => begins_other(line),
        Open::Paragraph => line.trim().is_empty() || begins_other(line),
    }
}

/// Whether a value that began above ends with this line.
fn is_last(open: Open, line: &str) -> bool {
    let line = line.trim_end();
    match open {
        Open::Joined => !line.ends_with('+'),
        Open::Plain => ends_detail(line),
        Open::Paragraph => false,
        Open::Text => line.contains(SQLSTATE),
        Open::Quoted => line.contains(SQLSTATE) || closes_quote(line),
    }
}

/// How PostgreSQL's own details end. A value may hold full stops, commas and quotes at the ends of its lines.
fn ends_detail(line: &str) -> bool {
    let line = line.trim_end_matches([',', '"', '\'', '`', '}', ' ']);
    line.ends_with("\".") && line.contains(" table \"")
        || [").", " exists.", " duplicated."]
            .iter()
            .any(|end| line.ends_with(end))
}

/// Whether a line closes a quote that was opened above it: what it opens itself it has closed before that.
fn closes_quote(line: &str) -> bool {
    ['"', '«', '»', '“']
        .iter()
        .any(|quote| line.ends_with(*quote) && line.matches(*quote).count() % 2 == 1)
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
    const STARTS: [&str; 17] = [
        "HINT:",
        "CONTEXT:",
        "STATEMENT:",
        "LOCATION:",
        "WHERE:",
        "ERROR:",
        "FATAL:",
        "WARNING:",
        "NOTICE:",
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
#[path = "rows_tests.rs"]
mod tests;
