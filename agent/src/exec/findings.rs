//! Lines of the output that are worth a look.

use regex::{Regex, RegexBuilder};

use super::summary::shorten;
use dbm_protocol::{LogFinding, Problem, ProblemReason, Refusal};

/// How many are kept.
pub const KEPT: usize = 10;

/// How much of each is kept, bytes.
pub const TEXT_LIMIT: usize = 200;

/// What a pattern may keep in memory to be fast, bytes: there may be 32 of them, beside a migration in one container.
const CACHE: usize = 512 * 1024;

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
            .map(|pattern| compile(pattern))
            .collect::<Result<_, _>>()?;
        Ok(Findings {
            patterns,
            ..Findings::default()
        })
    }

    /// Takes the next line, redacted. Of equal lines the first is kept, and each is counted.
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
        if self.kept.len() == KEPT {
            return;
        }
        let mut text = line.trim().to_owned();
        shorten(&mut text, TEXT_LIMIT);
        if !self.kept.iter().any(|kept| kept.text == text) {
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

/// As the API server takes it (RE2): there a brace that begins no repetition means itself, as in a line of JSON.
fn compile(pattern: &str) -> Result<Regex, Refusal> {
    let build = |pattern: &str| RegexBuilder::new(pattern).dfa_size_limit(CACHE).build();
    build(pattern)
        .or_else(|error| build(&with_plain_braces(pattern)).map_err(|_| error))
        .map_err(|error| invalid(pattern, &error))
}

fn with_plain_braces(pattern: &str) -> String {
    let mut output = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '{']) {
        output.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with('{') {
            if !is_repetition(rest) {
                output.push('\\');
            }
            1
        } else {
            escape_length(rest)
        };
        output.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    output + rest
}

/// `{2}`, `{2,}` or `{2,3}`.
fn is_repetition(text: &str) -> bool {
    let inside = text[1..].split_once('}').map_or("", |(inside, _)| inside);
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty()
        && [least, most]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The bytes of the escape that the text begins with: `\{`, `\p{Greek}`, `\x{41}`.
fn escape_length(text: &str) -> usize {
    let named = ["\\p{", "\\P{", "\\x{"]
        .iter()
        .any(|start| text.starts_with(start));
    let end = if named {
        text.find('}').map(|at| at + 1)
    } else {
        text.char_indices().nth(2).map(|(at, _)| at)
    };
    end.unwrap_or(text.len())
}

fn invalid(pattern: &str, error: &regex::Error) -> Refusal {
    let mut shown = pattern.to_owned();
    shorten(&mut shown, TEXT_LIMIT);
    // A syntax error comes with a drawing, and the words below it.
    let error = error.to_string();
    let error = error.lines().last().unwrap_or_default();
    Refusal::Problem(Problem {
        reason: ProblemReason::Internal,
        message: format!(
            "the regular expression {shown:?} of validation.logs.patterns is not understood: {}",
            error.trim_start_matches("error: ")
        ),
    })
}

/// What Prisma says of an image each time, whatever is migrated: which OpenSSL it looks for, that a driver adapter
/// connects, where its configuration stands, how its client is generated.
const BANNERS: [&str; 4] = [
    "libssl/openssl",
    "Driver Adapter",
    "package.json#prisma",
    "prisma generate --no-engine",
];

/// Whether Prisma itself warns of what it does: `prisma:warn ...`, `warn ...`, `warn(prisma...)`, `WARNING: ...`.
fn is_warning(line: &str) -> bool {
    if BANNERS.iter().any(|banner| line.contains(banner)) {
        return false;
    }
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
            "prisma:warn The migration was edited",
            "  warn: x",
            "warn(prisma-client) x",
            "[12:00] warn(prisma:client) x",
            "WARNING: x",
        ] {
            assert_eq!(found(&[], &[line]).1, 1, "{line}");
        }
        for line in [
            "",
            "prisma:warn Prisma failed to detect the libssl/openssl version to use, and may not work as expected. Defaulting to \"openssl-1.1.x\".",
            "WARNING: Your schema specifies the following datasource properties but you are using a Driver Adapter via prisma.config.ts:",
            "warn The configuration property `package.json#prisma` is deprecated",
            "prisma:warn In production, we recommend using `prisma generate --no-engine`",
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
        let long = "é".repeat(1000);
        let lines: Vec<String> = (0..5000).map(|at| format!("warn {at} {long}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (kept, count) = found(&[], &lines);
        assert_eq!((kept.len(), count), (KEPT, 5000));
        assert!(kept.iter().all(|finding| finding.text.len() <= TEXT_LIMIT));
    }

    #[test]
    fn a_banner_is_found_where_it_is_looked_for_and_an_equal_line_is_one() {
        let banner = "prisma:warn Prisma failed to detect the libssl/openssl version to use";
        let (kept, count) = found(&["openssl"], &[banner, "warn x", " warn x", banner]);
        let lines: Vec<_> = kept.iter().map(|finding| finding.line).collect();
        assert_eq!((lines, count), (vec![1, 2], 4));
    }

    #[test]
    fn what_the_api_server_takes_is_taken() {
        for (pattern, line) in [
            (r#"{"level":"error""#, r#"{"level":"error","x":1}"#),
            ("a{,5}", "a{,5}"),
            ("é{", "né{"),
            (r"\{x{2}{", "{xx{"),
            (r"[{]\p{Greek}{2} {", "{αβ {"),
            (r"\x{41}{ \d", "A{ 1"),
            ("(?P<name>a)", "a"),
            (r"^\s*warn\b", "  warn"),
            ("[[:digit:]]{3}", "123"),
        ] {
            assert_eq!(
                found(&[pattern], &["", line, "other"]).0[0].line,
                2,
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let huge = "(a{1000}){1000}".to_owned();
        for pattern in [
            "(",
            "[a",
            "a{2,1}",
            "*",
            "(?<",
            "\\",
            "\\p{",
            "(é{",
            huge.as_str(),
        ] {
            let refusal = Findings::new(&[pattern.to_owned()]).unwrap_err();
            let Refusal::Problem(problem) = refusal else {
                panic!("{refusal:?}")
            };
            assert!(
                problem.message.contains("validation.logs.patterns")
                    && problem.message.lines().count() == 1,
                "{problem:?}"
            );
        }
    }
}
