//! The ledger's `logs`: what Prisma wrote down about a failure.
//!
//! Two forms are known. The native engine writes paragraphs: "A migration failed to apply ...", "Migration name: ...",
//! "Database error code: 42703", "Database error:" with PostgreSQL's message, "Position:" with a piece of the file, the
//! driver's whole error in debug form, and a trace. The engine with adapters writes its message and a trace only. The
//! agent reads the same texts from a Job's output; one reader could serve both.

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
}

/// Reads `logs`. A row has logs only where its script failed to apply, so the code is P3018 unless they name another.
pub fn parse_failure(logs: &str) -> Failure {
    let clean = printable(logs);
    if clean.trim().is_empty() {
        return Failure::default();
    }
    Failure {
        code: Some(prisma_code(&clean).unwrap_or("P3018").to_owned()),
        sql_state: sql_state(&clean).map(str::to_owned),
        summary: summary(&clean),
    }
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

fn summary(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut private = false;
    for line in text.lines() {
        match kind(line) {
            Line::End => break,
            Line::Private => private = true,
            Line::Frame => private = private && !line.trim().is_empty(),
            Line::Message => {
                private = private
                    && !["ERROR:", "HINT:"]
                        .iter()
                        .any(|known| line.trim().starts_with(known));
                if !private && kept.len() < MAX_LINES {
                    kept.push(without_values(line.trim()));
                }
            }
        }
    }
    let mut summary = kept.join("\n");
    while summary.len() > MAX_SUMMARY {
        summary.pop();
    }
    summary
}

/// Takes out what PostgreSQL quotes of rows and inputs, and what a URL says before its @.
fn without_values(line: &str) -> String {
    let line = hide(line, "=(", ")");
    let line = hide(&line, "contains (", ")");
    // invalid input syntax for type integer: "..."; names are quoted without a colon before them.
    let line = hide(&line, ": \"", "\"");
    let line = hide(&line, "value \"", "\"");
    hide(&line, "://", "@")
}

/// Everything between `open` and the last `close` after it, or the end of the line where values may hold anything.
fn hide(line: &str, open: &str, close: &str) -> String {
    match line.split_once(open) {
        None => line.to_owned(),
        Some((before, after)) => match after.rsplit_once(close) {
            Some((_, rest)) => format!("{before}{open}***{close}{rest}"),
            None if open == "://" => line.to_owned(),
            None => format!("{before}{open}***"),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NATIVE: &str = r#"A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve

Migration name: 20261124103000_unique_labels

Database error code: 23505

Database error:
ERROR: could not create unique index "Label_name_lower_key"
DETAIL: Key (lower(name))=(secret bug) is duplicated.
more of the secret
HINT: Remove one of them.

Position:
  0
  1 UPDATE t SET a = 'secret';

DbError { severity: "ERROR", code: SqlState(E23505), detail: Some("Key (lower(name))=(secret bug) is duplicated.") }

   0: sql_schema_connector::apply_migration::apply_script
           with migration_name="20261124103000_unique_labels"
"#;

    #[test]
    fn the_native_form() {
        assert_eq!(
            parse_failure(NATIVE),
            Failure {
                code: Some("P3018".to_owned()),
                sql_state: Some("23505".to_owned()),
                summary: "ERROR: could not create unique index \"Label_name_lower_key\"\nHINT: Remove one of them."
                    .to_owned(),
            }
        );
    }

    #[test]
    fn the_form_of_the_engine_with_adapters() {
        let logs = "external connector error\nError querying the database: ERROR: column \"full_name\" of relation \
                    \"User\" does not exist (SQLSTATE 42703)\n   0: sql_schema_connector::apply_migration::apply_script\n";
        let failure = parse_failure(logs);
        assert_eq!(failure.sql_state.as_deref(), Some("42703"));
        assert_eq!(
            failure.summary,
            "Error querying the database: ERROR: column \"full_name\" of relation \"User\" does not exist (SQLSTATE 42703)"
        );
    }

    #[test]
    fn values_are_taken_out_and_names_stay() {
        for (said, expected) in [
            (
                "invalid input syntax for type integer: \"4 \"secret\" 2\"",
                "invalid input syntax for type integer: \"***\"",
            ),
            (
                "invalid input value for enum \"Role\": \"secret\"",
                "invalid input value for enum \"Role\": \"***\"",
            ),
            (
                "value \"secret\" is out of range for type integer",
                "value \"***\" is out of range for type integer",
            ),
            (
                "Key (a, b)=(secret, (x)) already exists.",
                "Key (a, b)=(***) already exists.",
            ),
            ("Key (a)=(secret", "Key (a)=(***"),
            (
                "no server at postgresql://me:secret@w@host:1/db",
                "no server at postgresql://***@host:1/db",
            ),
            (
                "relation \"shop.users\" does not exist",
                "relation \"shop.users\" does not exist",
            ),
            ("see https://pris.ly/d/x", "see https://pris.ly/d/x"),
        ] {
            assert_eq!(parse_failure(said).summary, expected);
        }
    }

    #[test]
    fn other_codes_and_no_codes() {
        assert_eq!(parse_failure(" \n").code, None);
        assert_eq!(
            parse_failure("Error: P1017 closed").code.as_deref(),
            Some("P1017")
        );
        let raised = parse_failure("Database error code: P0001\n\nDatabase error:\nERROR: stop");
        assert_eq!(
            (raised.code.as_deref(), raised.sql_state.as_deref()),
            (Some("P3018"), Some("P0001"))
        );
        assert_eq!(parse_failure("Database error code: 42p01x").sql_state, None);
        assert_eq!(
            parse_failure("\u{1b}[31mERROR: \u{7}x\u{1b}[0m").summary,
            "ERROR: x"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_bounded_and_printable(text in any::<String>()) {
            let failure = parse_failure(&text);
            prop_assert!(failure.summary.len() <= MAX_SUMMARY);
            prop_assert!(failure.summary.chars().all(|c| c == '\n' || !c.is_control()));
        }

        #[test]
        fn no_detail_gets_through(detail in "[^\n\r]{0,80}", rest in any::<String>()) {
            let marked = format!("ERROR: x\nDETAIL: {detail} marker-7f3a\n{}", rest.replace("marker-7f3a", ""));
            prop_assert!(!parse_failure(&marked).summary.contains("marker-7f3a"));
        }
    }
}
