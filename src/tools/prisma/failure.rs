//! The ledger's `logs`: what Prisma wrote down about a failure.
//!
//! Two forms are known. The native engine writes paragraphs: "A migration failed to apply ...", "Migration name: ...",
//! "Database error code: 42703", "Database error:" with PostgreSQL's message, "Position:" with a piece of the file, the
//! driver's whole error in debug form, and a trace. The engine with adapters writes its message and a trace only. The
//! agent reads the same texts from a Job's output; one reader could serve both.

mod position;
#[cfg(test)]
mod tests;

use dbm_protocol::DatabaseInventory;
use dbm_protocol::raised::{self, REDACTED, Raised, Shown};

/// A summary is cut after this many bytes.
const MAX_SUMMARY: usize = 1024;
/// And after this many lines.
const MAX_LINES: usize = 4;

/// Why a migration failed, as far as its ledger row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Prisma's code, e.g. `P3018`.
    pub code: Option<String>,
    /// PostgreSQL's SQLSTATE, five characters.
    pub sql_state: Option<String>,
    /// The error in at most four lines and 1,024 bytes, without control characters, DETAIL, statements, row values
    /// and what stands before the @ of a URL.
    pub summary: String,
    /// Where in the script, in characters from 1. It counts in what the engine sent, which is the whole file only for
    /// engines that do not split it: see [`position_in`].
    pub position: Option<usize>,
}

/// Reads `logs`. A row has logs only where its script failed to apply, so the code is P3018 unless they name another.
/// `raised` are the texts that the migrations raise, in which words are told from values.
pub fn parse_failure(logs: &str, raised: &Raised) -> Failure {
    let clean = printable(logs);
    if clean.trim().is_empty() {
        return Failure::default();
    }
    let state = sql_state(&clean);
    Failure {
        code: Some(prisma_code(&clean).unwrap_or("P3018").to_owned()),
        sql_state: state.map(str::to_owned),
        summary: summary(&clean, state.unwrap_or_default(), raised),
        position: position::position(&clean),
    }
}

/// The texts that the migrations of an image raise.
pub fn raised(inventory: &DatabaseInventory) -> Raised {
    let migrations = inventory.migrations.iter();
    Raised::of(
        migrations
            .flat_map(|migration| [migration.sql.as_deref(), migration.down_sql.as_deref()])
            .flatten(),
    )
}

/// Where in a migration's file the failure is, in characters from 1: the position in `logs`, if the piece of the script
/// that the engine printed beside it is the file's own at that place. An engine that sends one statement at a time counts
/// from that statement's beginning, and what it printed does not fit the file.
pub fn position_in(logs: &str, sql: &str) -> Option<usize> {
    position::position_in(&printable(logs), sql)
}

/// Without escape sequences of terminals and without control characters other than line ends.
fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // Parameters, then one letter.
                while characters
                    .next_if(|c| !c.is_ascii_alphabetic() && *c != '\n')
                    .is_some()
                {}
                characters.next_if(char::is_ascii_alphabetic);
            }
        } else if character == '\n' || !character.is_control() {
            clean.push(character);
        }
    }
    clean
}

/// The first word that is `P` and four digits.
fn prisma_code(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| {
        word.len() == 5 && word.starts_with('P') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
            // P0001 to P0004 are SQLSTATEs of PL/pgSQL.
            && !word.starts_with("P0")
    })
}

fn sql_state(text: &str) -> Option<&str> {
    [
        "Database error code: ",
        "SQLSTATE ",
        "SqlState(E",
        "code: \"",
    ]
    .into_iter()
    .find_map(|before| {
        text.match_indices(before).find_map(|(at, _)| {
            let after = &text[at + before.len()..];
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(after.len());
            let state = &after[..end];
            let fits = state.len() == 5
                && state
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
            fits.then_some(state)
        })
    })
}

/// What a line of `logs` is.
#[derive(PartialEq)]
enum Line {
    /// Part of the message.
    Message,
    /// Says nothing that is not said elsewhere.
    Frame,
    /// Begins what may hold values; all up to the next line that names itself belongs to it.
    Private,
    /// Nothing after this is for people.
    End,
}

fn kind(line: &str) -> Line {
    let line = line.trim();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| line.starts_with(prefix));
    let traced = line.split_once(": ").is_some_and(|(number, place)| {
        number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.is_empty()
            && place.contains("::")
    });
    if traced
        || begins(&[
            "Position:",
            "DbError {",
            "with migration_name=",
            "at schema-engine/",
        ])
    {
        Line::End
    } else if begins(&[
        "DETAIL:",
        "Detail:",
        "CONTEXT:",
        "QUERY:",
        "STATEMENT:",
        "WHERE:",
        "Failing row contains",
    ]) {
        Line::Private
    } else if line.is_empty()
        || line == "Error: external connector error"
        || line == "external connector error"
        || line == "Database error:"
        || begins(&[
            "A migration failed to apply",
            "Migration name:",
            "Database error code:",
            "Read more about",
        ])
    {
        Line::Frame
    } else {
        Line::Message
    }
}

fn summary(text: &str, state: &str, raised: &Raised) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut private = false;
    for line in text.lines() {
        match kind(line) {
            Line::End => break,
            Line::Private => private = true,
            // A value may hold blank lines.
            Line::Frame => {}
            Line::Message => {
                let line = line.trim();
                private = private
                    && !["ERROR:", "HINT:"]
                        .iter()
                        .any(|known| line.starts_with(known));
                // What code raises it may raise with a hint of its own.
                private |= raised::is_raised(state) && line.starts_with("HINT:");
                if private || kept.len() == MAX_LINES {
                    continue;
                }
                let (line, open) = without_raised(line, state, raised);
                kept.push(line);
                private = open;
            }
        }
    }
    let mut summary = kept.join("\n");
    while summary.len() > MAX_SUMMARY {
        summary.pop();
    }
    summary
}

/// The line without values, and whether a value goes on below it.
fn without_raised(line: &str, state: &str, raised: &Raised) -> (String, bool) {
    let shown = if raised::is_raised(state) {
        raised.of_code(line)
    } else {
        raised.line(line)
    };
    match shown {
        Shown::Other if state.starts_with("22") => {
            let (line, goes_on) = raised::without_quoted(line);
            let (line, more) = without_values(&line);
            (line, goes_on || more)
        }
        Shown::Other => without_values(line),
        Shown::Without(text) => (text, false),
        Shown::Open(text) => (text, true),
    }
}

/// Takes out what PostgreSQL quotes of rows and inputs, and what a URL says before its @; and whether a value goes on below the
/// line.
fn without_values(line: &str) -> (String, bool) {
    let mut line = line.to_owned();
    let mut goes_on = false;
    for (open, close) in [
        ("=(", ")"),
        ("contains (", ")"),
        // invalid input syntax for type integer: "..."; names are quoted without a colon before them.
        (": \"", "\""),
        ("value \"", "\""),
        ("://", "@"),
    ] {
        let (hidden, more) = hide(&line, open, close);
        line = hidden;
        goes_on |= more;
    }
    (line, goes_on)
}

/// Everything between `open` and the last `close` after it, or the end of the line where values may hold anything; there
/// they may go on below it.
fn hide(line: &str, open: &str, close: &str) -> (String, bool) {
    match line.split_once(open) {
        None => (line.to_owned(), false),
        Some((before, after)) => match after.rsplit_once(close) {
            Some((_, rest)) => (format!("{before}{open}{REDACTED}{close}{rest}"), false),
            None if open == "://" => (line.to_owned(), false),
            None => (format!("{before}{open}{REDACTED}"), true),
        },
    }
}
