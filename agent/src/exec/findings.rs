//! Lines of the output that are worth a look.

use regex_lite::Regex;

use super::summary::shorten;
use crate::protocol::{LogFinding, Problem, ProblemReason, Refusal};

/// How many are kept.
pub const KEPT: usize = 10;

/// How much of each is kept, bytes.
pub const TEXT_LIMIT: usize = 200;

/// What is looked for, and what was found.
#[derive(Debug, Default)]
pub struct Findings {
    patterns: Vec<Regex>,
    line: u32,
    kept: Vec<LogFinding>,
    count: u32,
}

impl Findings {
    /// Looks for lines that match one of these, and for Prisma's own warnings.
    ///
    /// # Errors
    /// When one is no regular expression.
    pub fn new(patterns: &[String]) -> Result<Findings, Refusal> {
        let patterns = patterns
            .iter()
            .map(|pattern| Regex::new(pattern).map_err(|error| invalid(pattern, &error)))
            .collect::<Result<_, _>>()?;
        Ok(Findings {
            patterns,
            ..Findings::default()
        })
    }

    /// Takes the next line, redacted.
    pub fn look(&mut self, line: &str) {
        self.line = self.line.saturating_add(1);
        let pattern = self
            .patterns
            .iter()
            .position(|pattern| pattern.is_match(line));
        if pattern.is_none() && !is_warning(line) {
            return;
        }
        self.count = self.count.saturating_add(1);
        if self.kept.len() < KEPT {
            let mut text = line.trim().to_owned();
            shorten(&mut text, TEXT_LIMIT);
            self.kept.push(LogFinding {
                line: self.line,
                text,
                pattern: pattern.and_then(|index| u32::try_from(index).ok()),
            });
        }
    }

    /// The first ones, and how many there are.
    #[must_use]
    pub fn take(&mut self) -> (Vec<LogFinding>, u32) {
        (std::mem::take(&mut self.kept), self.count)
    }
}

fn invalid(pattern: &str, error: &regex_lite::Error) -> Refusal {
    let mut shown = pattern.to_owned();
    shorten(&mut shown, TEXT_LIMIT);
    Refusal::Problem(Problem {
        reason: ProblemReason::Internal,
        message: format!(
            "the regular expression {shown:?} of validation.logs.patterns is not understood: {error}"
        ),
    })
}

/// Whether Prisma itself warns: `prisma:warn ...`, `warn ...`, `warn(prisma...)`, `WARNING: ...`.
fn is_warning(line: &str) -> bool {
    let start = line.trim_start();
    let word = start.strip_prefix("warn").is_some_and(|rest| {
        !rest.starts_with(|sign: char| sign.is_alphanumeric() || sign == '_' || sign == '-')
    });
    word || ["prisma:warn", "WARNING:"]
        .iter()
        .any(|prefix| start.starts_with(prefix))
        || line.contains("warn(prisma")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(patterns: &[&str], lines: &[&str]) -> (Vec<LogFinding>, u32) {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let mut findings = Findings::new(&patterns).unwrap();
        lines.iter().for_each(|line| findings.look(line));
        findings.take()
    }

    #[test]
    fn prismas_warnings() {
        for line in [
            "prisma:warn Prisma failed to detect the libssl/openssl version to use",
            "warn The configuration property `package.json#prisma` is deprecated",
            "  warn: x",
            "warn(prisma-client) x",
            "[12:00] warn(prisma:client) x",
            "WARNING: Your schema specifies the following datasource properties",
        ] {
            assert_eq!(found(&[], &[line]).1, 1, "{line}");
        }
        for line in [
            "",
            "warnings_table was created",
            "warning-free",
            "Applying migration `20260101_warn`",
            "CREATE TABLE warn",
            "All migrations have been successfully applied.",
        ] {
            assert_eq!(found(&[], &[line]).1, 0, "{line}");
        }
    }

    #[test]
    fn the_first_pattern_that_matches_names_the_line() {
        let (kept, count) = found(
            &["(?i)deprecated", "x{3}", "^warn"],
            &["nothing", "", "is DEPRECATED xxx", "xxx", "warn of it"],
        );
        assert_eq!(count, 3);
        let kept: Vec<_> = kept
            .iter()
            .map(|finding| (finding.line, finding.pattern))
            .collect();
        assert_eq!(kept, [(3, Some(0)), (4, Some(1)), (5, Some(2))]);
    }

    #[test]
    fn many_and_long_ones_are_counted_and_cut() {
        let line = format!("warn {}", "é".repeat(1000));
        let lines = vec![line.as_str(); 5000];
        let (kept, count) = found(&[], &lines);
        assert_eq!((kept.len(), count), (KEPT, 5000));
        assert!(kept.iter().all(|finding| finding.text.len() <= TEXT_LIMIT));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for pattern in ["(", "[a", "a{2,1}", "*", "(?<", "\\"] {
            let refusal = Findings::new(&[pattern.to_owned()]).unwrap_err();
            let Refusal::Problem(problem) = refusal else {
                panic!("{refusal:?}")
            };
            assert!(
                problem.message.contains("validation.logs.patterns"),
                "{problem:?}"
            );
        }
    }
}
