//! Reads what Prisma, its engines and PostgreSQL's drivers print when something fails.
//!
//! Three kinds of text are known: Prisma's own (`Error: P3018` with `Database error code: 42703`), the engine's report
//! of an error that has no code (`Error: ERROR: ...` with a trace), and the texts of the JavaScript adapters
//! (`external connector error`), which name neither code nor, mostly, SQLSTATE. What a text does not say is inferred
//! only where the text is fixed and has one meaning: see [`known`].

pub mod image;
mod known;
mod window;

pub use window::{APPLIED, NOTHING_PENDING, Window};

/// What an output says about a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recognised {
    /// Prisma's code.
    pub code: Option<String>,
    /// PostgreSQL's SQLSTATE.
    pub sql_state: Option<String>,
    /// The migration that failed, or that blocks.
    pub migration: Option<String>,
    /// The error, in one or few lines.
    pub message: Option<String>,
}

impl Recognised {
    /// Fills what is missing here from another reading of the same run.
    #[must_use]
    pub fn or(self, other: Recognised) -> Recognised {
        // Parts of two different errors do not belong together: a reading that has something to say is taken whole,
        // apart from what it lacks about the same migration.
        if self == Recognised::default() {
            return other;
        }
        let same = self.migration.is_none()
            || other.migration.is_none()
            || self.migration == other.migration;
        if !same {
            return self;
        }
        Recognised {
            code: self.code.or(other.code),
            sql_state: self.sql_state.or(other.sql_state),
            migration: self.migration.or(other.migration),
            message: self.message.or(other.message),
        }
    }
}

/// Reads an output. Anything that it does not know gives an empty answer, never a guess.
#[must_use]
pub fn recognise(text: &str) -> Recognised {
    let migration = migration(text);
    let sql_state = explicit_sql_state(text).or_else(|| known::sql_state(text).map(str::to_owned));
    let code = explicit_code(text).or_else(|| known::code(text).map(str::to_owned));
    Recognised {
        message: message(text),
        code,
        sql_state,
        migration,
    }
}

/// Whether an error begins at this line.
#[must_use]
pub fn begins_error(line: &str) -> bool {
    let line = line.trim_start();
    [
        "Error:",
        "Error ",
        "ERROR:",
        "FATAL:",
        "PANIC:",
        "error:",
        "prisma:error",
    ]
    .iter()
    .any(|start| line.starts_with(start))
        || line.contains("Error: ")
        || line.contains("ERROR: ")
}

fn explicit_code(text: &str) -> Option<String> {
    for before in [
        "Error: ",
        "Error code: ",
        "error code: ",
        "code: '",
        "code: \"",
        "\"code\":\"",
        "errorCode: '",
    ] {
        if let Some(code) = after_each(text, before).find_map(prisma_code) {
            return Some(code);
        }
    }
    None
}

/// `P` and four digits, and then no further letter or digit.
fn prisma_code(text: &str) -> Option<String> {
    let code = text.get(..5)?;
    let digits = code.strip_prefix('P')?;
    let ends = text[5..]
        .chars()
        .next()
        .is_none_or(|next| !next.is_alphanumeric());
    (digits.bytes().all(|digit| digit.is_ascii_digit()) && ends).then(|| code.to_owned())
}

fn explicit_sql_state(text: &str) -> Option<String> {
    let marks = [
        "Database error code: ",
        "SqlState(E",
        "(SQLSTATE ",
        "SQLSTATE: ",
        "SQL state: ",
        "originalCode: '",
        "originalCode: \"",
        "\"originalCode\":\"",
        "code: \"",
        "code: '",
        "\"code\":\"",
        "\"code\": \"",
        "Code: `",
    ];
    for before in marks {
        if let Some(state) = after_each(text, before).find_map(sql_state) {
            return Some(state);
        }
    }
    // `sqlstate=42P01` and `ERROR:  42P01: relation ...` (verbose error reports of psql).
    after_each(text, "ERROR: ")
        .chain(after_each(text, "FATAL: "))
        .find_map(|rest| {
            let rest = rest.trim_start();
            sql_state(rest).filter(|_| rest[5..].starts_with(": "))
        })
}

/// Five digits or capital letters that are no code of Prisma, and then no further letter or digit.
fn sql_state(text: &str) -> Option<String> {
    let state = text.get(..5)?;
    let class_is_known = state.starts_with(|first: char| {
        first.is_ascii_digit() || matches!(first, 'F' | 'H' | 'P' | 'X')
    });
    let fits = state
        .bytes()
        .all(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase())
        && state.bytes().any(|letter| letter.is_ascii_digit());
    let ends = text[5..]
        .chars()
        .next()
        .is_none_or(|next| !next.is_alphanumeric() && next != '_');
    // PL/pgSQL's own errors are P0001 to P0004; Prisma's codes begin at P1000.
    let is_prisma = prisma_code(state).is_some() && !state.starts_with("P0");
    (class_is_known && fits && ends && !is_prisma).then(|| state.to_owned())
}

fn migration(text: &str) -> Option<String> {
    let named = after_each(text, "Migration name: ").find_map(line_of);
    named
        .or_else(|| {
            // P3009, also where it lists several: the first one blocks.
            text.lines().find_map(|line| {
                let rest = line.trim().strip_prefix("The `")?;
                let (name, rest) = rest.split_once("` migration started at ")?;
                rest.contains(" failed").then(|| name.to_owned())
            })
        })
        .or_else(|| {
            after_each(text, "with migration_name=\"")
                .find_map(|rest| rest.split_once('"').map(|(name, _)| name.to_owned()))
        })
        .or_else(|| {
            // P3006.
            after_each(text, "Migration `").find_map(|rest| {
                let (name, rest) = rest.split_once('`')?;
                rest.starts_with(" failed to apply")
                    .then(|| name.to_owned())
            })
        })
        .filter(|name| !name.is_empty())
}

/// PostgreSQL's own line if there is one, else the first paragraph after the line that begins the error.
fn message(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let postgres = lines.iter().find_map(|line| {
        let start = ["ERROR: ", "FATAL: ", "PANIC: "]
            .iter()
            .filter_map(|mark| line.find(mark))
            .min()?;
        let text = &line[start..];
        // The SQLSTATE has a field of its own.
        Some(
            text.rsplit_once(" (SQLSTATE ")
                .map_or(text, |(text, _)| text)
                .to_owned(),
        )
    });
    if postgres.is_some() {
        return postgres;
    }
    let start = lines.iter().position(|line| begins_error(line))?;
    let paragraph = lines[start..]
        .iter()
        .enumerate()
        .filter_map(|(number, line)| {
            let plain = if number == 0 {
                line.split_once("Error: ").map_or(*line, |(_, rest)| rest)
            } else {
                *line
            };
            says_something(plain).then_some(plain)
        });
    let mut chosen: Vec<&str> = Vec::new();
    for line in paragraph {
        if begins_trace(line) {
            break;
        }
        chosen.push(line);
        // The line that names a failed migration belongs to the one above it, and so does the context of a time-out.
        if chosen.len() == 3 {
            break;
        }
    }
    (!chosen.is_empty()).then(|| chosen.join("\n"))
}

/// Lines that only lead to the next one say nothing by themselves.
fn says_something(line: &str) -> bool {
    !line.is_empty()
        && (prisma_code(line).is_none() || line.len() > 7)
        && line != "external connector error"
        && !line.starts_with("Prisma schema validation - ")
        && !line.starts_with("Error code: ")
        && !line.starts_with("Please ")
}

fn begins_trace(line: &str) -> bool {
    let number = line.split_once(": ").is_some_and(|(start, rest)| {
        !start.is_empty()
            && start.bytes().all(|digit| digit.is_ascii_digit())
            && rest.contains("::")
    });
    number
        || line.starts_with("at ")
        || line.starts_with("-->")
        || line.starts_with("[Context:")
        || line.starts_with('{')
}

fn line_of(rest: &str) -> Option<String> {
    rest.lines().next().map(|line| line.trim().to_owned())
}

fn after_each<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(mark)
        .map(move |(start, _)| &text[start + mark.len()..])
}

#[cfg(test)]
mod tests;
