//! The part of an output that is worth reading, in bounded memory: from the first error on, and the end.

use std::collections::VecDeque;

use super::{Recognised, begins_error, image, recognise};
use crate::Problem;

/// How much of each of the two parts is kept.
const LIMIT: usize = 64 * 1024;

/// What Prisma says of a deploy that applied something.
pub const APPLIED: &str = "All migrations have been successfully applied";
/// What it says of one that found nothing to do.
pub const NOTHING_PENDING: &str = "No pending migrations to apply";

const CLOSING: [&str; 2] = [APPLIED, NOTHING_PENDING];

/// How the line begins in which Prisma says what it works on, before it does anything.
const DATASOURCE: &str = "Datasource \"";

/// How the line begins in which a native engine names what it applies, before it does so.
const APPLYING: &str = "Applying migration `";

/// After this line its closing words name all that it applied, a folder in a line of its own.
const LISTED: &str = "The following migration(s) have been applied:";
const FOLDER: &str = "  \u{2514}\u{2500} ";

/// Keeps what stands around the first error of an output, and what stands last.
#[derive(Debug, Default)]
pub struct Window {
    error: String,
    tail: VecDeque<String>,
    tail_size: usize,
    datasource: Option<String>,
    begun: Option<String>,
    listed: bool,
}

impl Window {
    /// Takes the next line.
    pub fn push(&mut self, line: &str) {
        if line.starts_with(DATASOURCE) {
            self.datasource = Some(line.to_owned());
        }
        self.listed |= line == LISTED;
        let applying = line.strip_prefix(APPLYING);
        let applying = applying.and_then(|rest| rest.strip_suffix('`'));
        let applied = line.strip_prefix(FOLDER).filter(|_| self.listed);
        let applied = applied.and_then(|rest| rest.strip_suffix('/'));
        if let Some(name) = applying.or(applied) {
            self.begun = Some(name.to_owned());
        }
        if (!self.error.is_empty() || begins_error(line)) && self.error.len() + line.len() < LIMIT {
            self.error.push_str(line);
            self.error.push('\n');
        }
        self.tail_size += line.len() + 1;
        self.tail.push_back(line.to_owned());
        while self.tail_size > LIMIT && self.tail.len() > 1 {
            self.tail_size -= self.tail.pop_front().map_or(0, |old| old.len() + 1);
        }
    }

    /// What the output says about its failure; the last line stands for an error that is not known.
    #[must_use]
    pub fn recognised(&self) -> Recognised {
        let mut found = recognise(&self.error).or(recognise(&self.end()));
        if found.message.is_none() {
            found.message = self.last_line();
        }
        found
    }

    /// What the output says is wrong with the image. A failure that the database or Prisma has a code for is none of the
    /// image's, whatever else was complained about; only a schema that is invalid may lack a variable.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        let found = self.recognised();
        let database = found.sql_state.is_some() || found.code.is_some_and(|code| code != "P1012");
        if database {
            return None;
        }
        image::problem(&self.error).or_else(|| image::problem(&self.end()))
    }

    /// Prisma's closing words after a deploy, where they stand in the output: all of them are known texts.
    #[must_use]
    pub fn closing_words(&self) -> Option<&'static str> {
        let known = |line: &String| CLOSING.into_iter().find(|words| line.contains(words));
        self.tail.iter().rev().find_map(known)
    }

    /// The line in which Prisma says what it works on, the last one.
    #[must_use]
    pub fn datasource(&self) -> Option<&str> {
        self.datasource.as_deref()
    }

    /// The last migration that Prisma says it applies, or applied. It may say so before the migration's row is written.
    #[must_use]
    pub fn begun(&self) -> Option<&str> {
        self.begun.as_deref()
    }

    fn end(&self) -> String {
        self.tail
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }

    /// The last line that is not blank.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        self.tail
            .iter()
            .rev()
            .map(|line| line.trim())
            .find(|line| !line.is_empty())
            .map(str::to_owned)
    }
}
