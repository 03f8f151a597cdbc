//! What a migration's own code raises (`RAISE EXCEPTION '... %', value`): the words are the author's, the values are rows'.
//!
//! The author's words stand in the migrations, so they are told from the values. What was raised by code that no
//! migration holds, or whose words are made at run time, is not shown at all.

/// What stands in place of a secret, or of a value of a row.
pub const REDACTED: &str = "[redacted]";
/// What stands in place of a whole text.
pub const HIDDEN: &str = "[redacted: a text that was raised, which may hold values of rows]";
/// A format with fewer letters of its own would fit any text.
const LEAST_WORDS: usize = 4;

/// The texts that migrations raise.
#[derive(Clone, Debug, Default)]
pub struct Raised {
    /// Each as the parts between its values.
    formats: Vec<Vec<String>>,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is none of these texts.
    Other,
    /// It is one, without values.
    Without(String),
    /// The same, and its last value goes on below.
    Open(String),
}

impl Raised {
    /// Those of these scripts.
    #[must_use]
    pub fn of<'a>(scripts: impl IntoIterator<Item = &'a str>) -> Raised {
        let mut formats: Vec<Vec<String>> = scripts
            .into_iter()
            .flat_map(formats)
            .map(|format| parts(&format))
            .filter(|parts| words(parts) >= LEAST_WORDS)
            .collect();
        // The one with most of its own words first: of two that fit, it leaves more to read.
        formats.sort_by_key(|parts| std::cmp::Reverse(words(parts)));
        formats.dedup();
        Raised { formats }
    }

    /// A line that may hold one of them.
    #[must_use]
    pub fn line(&self, line: &str) -> Shown {
        self.formats
            .iter()
            .filter(|parts| parts.len() > 1)
            .map(|parts| filled(parts, line))
            .find(|shown| *shown != Shown::Other)
            .unwrap_or(Shown::Other)
    }

    /// Whether a text is one of those without a value.
    fn is_plain(&self, text: &str) -> bool {
        let text = text
            .rsplit_once(" (SQLSTATE ")
            .map_or(text, |(text, _)| text);
        let mut formats = self.formats.iter();
        formats.any(|parts| parts.len() == 1 && parts[0].trim() == text.trim())
    }

    /// A line that PostgreSQL says was raised by code (SQLSTATE P0001, P0004): what cannot be told from values is hidden.
    #[must_use]
    pub fn of_code(&self, line: &str) -> Shown {
        let shown = self.line(line);
        if shown != Shown::Other {
            return shown;
        }
        let from = ["ERROR:", "FATAL:", "WARNING:"]
            .iter()
            .filter_map(|mark| line.find(mark).map(|at| at + mark.len()))
            .min();
        match from {
            Some(at) if self.is_plain(&line[at..]) => Shown::Without(line.to_owned()),
            Some(at) => Shown::Open(format!("{} {HIDDEN}", &line[..at])),
            // The driver's own form names its fields, and those are hidden by name.
            None if line.contains("DbError {") => Shown::Other,
            None => match line.split_once(": ").filter(|(lead, _)| is_lead(lead)) {
                Some((lead, _)) => Shown::Open(format!("{lead}: {HIDDEN}")),
                None => Shown::Open(HIDDEN.to_owned()),
            },
        }
    }
}

/// What stands before a message and is nobody's value: Prisma's words, or what a server that speaks another language calls an error.
fn is_lead(text: &str) -> bool {
    let word = text.chars().all(char::is_uppercase);
    word || ["Error", "Error querying the database"].contains(&text)
}

/// The quotes around values in messages of servers that speak English, German, French and the like.
const QUOTES: [(char, char); 4] = [('"', '"'), ('»', '«'), ('«', '»'), ('„', '“')];

/// A line of an error whose SQLSTATE is of class 22 (data that could not be taken), with all that stands in quotes hidden, but
/// for names of types; and whether a value goes on below it.
#[must_use]
pub fn without_quoted(line: &str) -> (String, bool) {
    let first = |(open, close): (char, char)| line.find(open).map(|at| (at, open, close));
    let Some((at, open, close)) = QUOTES.into_iter().filter_map(first).min() else {
        return (line.to_owned(), false);
    };
    let (before, rest) = (&line[..at], &line[at + open.len_utf8()..]);
    let Some((inside, after)) = rest.split_once(close) else {
        return (format!("{before}{open}{REDACTED}"), true);
    };
    let of_type = ["enum ", "type ", "domain "]
        .iter()
        .any(|word| before.ends_with(word));
    if of_type {
        let (after, goes_on) = without_quoted(after);
        return (format!("{before}{open}{inside}{close}{after}"), goes_on);
    }
    // The value itself may hold quotes: all up to the last one is hidden.
    let end = rest
        .rfind(close)
        .map_or(rest.len(), |at| at + close.len_utf8());
    let goes_on = open == close && rest.matches(close).count() % 2 == 0;
    (
        format!("{before}{open}{REDACTED}{close}{}", &rest[end..]),
        goes_on,
    )
}

/// Whether an SQLSTATE is that of a text which code raised.
#[must_use]
pub fn is_raised(sql_state: &str) -> bool {
    matches!(sql_state, "P0001" | "P0004")
}

fn words(parts: &[String]) -> usize {
    let letters = |part: &String| part.chars().filter(|sign| sign.is_alphanumeric()).count();
    parts.iter().map(letters).sum()
}

/// The line with what stands between the parts hidden.
fn filled(parts: &[String], line: &str) -> Shown {
    let Some((first, rest)) = parts.split_first() else {
        return Shown::Other;
    };
    // A text that begins with a value follows PostgreSQL's own mark.
    let start = if first.is_empty() {
        ["ERROR: ", "FATAL: ", "WARNING: "]
            .iter()
            .find_map(|mark| line.find(mark).map(|at| at + mark.len()))
    } else {
        line.find(first.as_str()).map(|at| at + first.len())
    };
    let Some(mut at) = start else {
        return Shown::Other;
    };
    let mut shown = line[..at].to_owned();
    for (number, part) in rest.iter().enumerate() {
        shown.push_str(REDACTED);
        let last = number + 1 == rest.len();
        // The last part may be empty: then the value ends with the text, before what others add.
        let found = if part.is_empty() && last {
            Some(line[at..].rfind(" (SQLSTATE ").unwrap_or(line.len() - at))
        } else if last {
            line[at..].rfind(part.as_str())
        } else {
            line[at..].find(part.as_str())
        };
        match found {
            Some(length) => {
                at += length + part.len();
                shown.push_str(part);
            }
            None if first.is_empty() && number == 0 => return Shown::Other,
            None => return Shown::Open(shown),
        }
    }
    let open = rest.last().is_some_and(String::is_empty) && at == line.len();
    shown.push_str(&line[at..]);
    if open {
        Shown::Open(shown)
    } else {
        Shown::Without(shown)
    }
}

/// The literals that stand behind `RAISE` and its level.
fn formats(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lower = sql.to_ascii_lowercase();
    for (at, word) in lower.match_indices("raise") {
        let before = lower[..at].chars().next_back();
        if before.is_some_and(|sign| sign.is_alphanumeric() || sign == '_') {
            continue;
        }
        let rest = sql[at + word.len()..].trim_start();
        let level = rest
            .find(|sign: char| !sign.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        if let Some(literal) = literal(rest[level..].trim_start()) {
            found.push(literal);
        }
    }
    found
}

/// The text in the quotes that a text begins with.
fn literal(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix('\'')?;
    let mut found = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        found.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                found.push('\'');
                rest = after;
            }
            None => return Some(found),
        }
    }
}

/// The parts of a format between its values; `%%` is a sign. Only the first line counts, because output comes in lines; values
/// in those below it are as one that goes on there.
fn parts(format: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut lines = format.lines();
    let mut signs = lines.next().unwrap_or_default().chars().peekable();
    while let Some(sign) = signs.next() {
        let last = parts.len() - 1;
        if sign != '%' {
            parts[last].push(sign);
        } else if signs.next_if_eq(&'%').is_some() {
            parts[last].push('%');
        } else {
            parts.push(String::new());
        }
    }
    let goes_on = lines.any(|line| line.contains('%'));
    if goes_on && parts.last().is_some_and(|last| !last.is_empty()) {
        parts.push(String::new());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "DO $$ BEGIN\n  RAISE EXCEPTION 'user % has no e-mail, it''s %%', u.name;\n  raise 'balance of account % is %', a, b;\n\
        RAISE EXCEPTION '%', everything;\n RAISE EXCEPTION 'plain text';\n praise 'nobody % here'; RAISE notice '% rows are bad', n; END $$;";

    fn line(text: &str) -> String {
        match Raised::of([SQL]).line(text) {
            Shown::Other => "other".to_owned(),
            Shown::Without(text) => text,
            Shown::Open(text) => format!("{text}|"),
        }
    }

    #[test]
    fn values_are_told_from_words() {
        for (text, expected) in [
            (
                "ERROR: user alice@example.com has no e-mail, it's % (SQLSTATE P0001)",
                "ERROR: user [redacted] has no e-mail, it's % (SQLSTATE P0001)",
            ),
            (
                "ERROR: balance of account 4711 is 12.50 (SQLSTATE P0001)",
                "ERROR: balance of account [redacted] is [redacted] (SQLSTATE P0001)",
            ),
            (
                "ERROR: balance of account is is is 1 is 12.50",
                "ERROR: balance of account [redacted] is [redacted]|",
            ),
            ("ERROR: user alice", "ERROR: user [redacted]|"),
            ("ERROR: 17 rows are bad", "ERROR: [redacted] rows are bad"),
            ("17 rows are bad", "other"),
            ("ERROR: plain text", "other"),
            ("ERROR: nobody alice here", "other"),
            ("", "other"),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    /// A text of two lines, the second of which holds the value.
    #[test]
    fn a_text_that_goes_on_is_open() {
        let raised = Raised::of(["RAISE EXCEPTION 'these users are bad:\n%', names;"]);
        let line = "ERROR: these users are bad:";
        let open = Shown::Open(format!("{line}{REDACTED}"));
        assert_eq!(raised.of_code(line), open);
        assert_eq!(raised.line(line), open);
        assert_eq!(
            raised.of_code("alice@example.com: is bad"),
            Shown::Open(HIDDEN.to_owned())
        );
    }

    #[test]
    fn what_no_migration_words_is_hidden_where_code_raised_it() {
        let raised = Raised::of([SQL]);
        assert_eq!(
            raised
                .of_code("Error querying the database: ERROR: alice@example.com (SQLSTATE P0001)"),
            Shown::Open(format!("Error querying the database: ERROR: {HIDDEN}"))
        );
        assert_eq!(
            raised.of_code("ERROR: user alice has no e-mail, it's %"),
            Shown::Without("ERROR: user [redacted] has no e-mail, it's %".to_owned())
        );
        let plain = "ERROR: plain text (SQLSTATE P0001)";
        assert_eq!(raised.of_code(plain), Shown::Without(plain.to_owned()));
        assert_eq!(
            raised.of_code("ERROR: plain text of alice"),
            Shown::Open(format!("ERROR: {HIDDEN}"))
        );
        assert_eq!(
            raised.of_code("Error querying the database: FEHLER: alice (SQLSTATE P0001)"),
            Shown::Open(format!("Error querying the database: {HIDDEN}"))
        );
        assert!(is_raised("P0001") && !is_raised("P3018"));
    }
}
