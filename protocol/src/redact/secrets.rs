//! What must not stand in any output: the credentials of the child's environment, in every spelling they are likely to
//! be printed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::common::{Known, Strength};
use super::dumps::{Open, Windows};
use super::{encodings, used};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a secret is replaced by.
pub use crate::raised::REDACTED;

/// Parts of names of variables whose values are secret.
const SECRET_NAMES: [&str; 13] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "_PASS",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "CIPHER",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "SIGNING_KEY",
    "ENCRYPTION_KEY",
];
/// What a Secret may hold beside what is secret, by the ends of names; hidden, it would leave no message that helps.
const PUBLIC_NAMES: [&str; 15] = [
    "USER", "USERNAME", "ROLE", "OWNER", "HOST", "HOSTNAME", "SERVER", "ENDPOINT", "REGION",
    "PORT", "DATABASE", "DB", "NAME", "SCHEMA", "MODE",
];
/// Whole values, and lines of several, that are shorter are more likely a switch or a brace than a secret.
const SHORTEST_OF_NAMES: usize = 6;
/// Parameters of URLs that are secret.
const SECRET_PARAMETERS: [&str; 3] = ["password", "sslpassword", "api_key"];

/// Whether a variable that comes from a Secret is to be hidden as a whole, by its name and its value's length, bytes.
pub fn is_secret(name: &str, length: usize) -> bool {
    let name = name.to_ascii_uppercase();
    length >= SHORTEST_OF_NAMES && !PUBLIC_NAMES.iter().any(|end| name.ends_with(end))
}

/// The secrets of an environment.
#[derive(Clone, Default)]
pub struct Secrets {
    /// What is hidden wherever it stands, longest first, and whether only as a word of its own.
    all: Vec<(String, bool)>,
    /// Of each first byte, where they stand in `all`.
    by_first: Vec<Vec<usize>>,
    /// What is hidden where it is used as a password, in its spellings.
    used: BTreeSet<String>,
    /// Of what is hidden wherever it stands, pieces as others encode them.
    windows: Windows,
}

impl Secrets {
    /// Collects them. Each variable named in `whole` is secret as a whole; of the others, URLs with a password are, and
    /// those whose name says so.
    pub fn collect<'a>(
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
        whole: &[&str],
    ) -> Secrets {
        Secrets::collect_beside(environment, whole, &Known::default())
    }

    /// The same, where some words are no secret.
    pub fn collect_beside<'a>(
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
        whole: &[&str],
        known: &Known,
    ) -> Secrets {
        let mut found = Found::default();
        for (name, value) in environment {
            let upper = name.to_ascii_uppercase();
            let named = SECRET_NAMES.iter().any(|part| upper.contains(part));
            let mut in_url = Vec::new();
            passwords(value, &mut in_url);
            if named || !in_url.is_empty() || whole.contains(&name) {
                found.add(value, known);
            }
            in_url
                .iter()
                .for_each(|password| found.add(password, known));
        }
        found.secrets()
    }

    /// The length of the longest, bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.all.first().map_or(0, |(text, _)| text.len())
    }

    /// The first `limit` bytes of the text with every secret replaced. A secret that lies across the limit is replaced
    /// as a whole.
    #[must_use]
    pub fn redact(&self, text: &str, limit: usize) -> String {
        self.redact_line(text, limit, &mut Open::default())
    }

    /// The same of a line that may go on with what the line before it began to encode.
    pub(super) fn redact_line(&self, text: &str, limit: usize, open: &mut Open) -> String {
        let mut output = String::with_capacity(text.len().min(limit));
        let mut position = 0;
        for range in self.ranges(text, open) {
            if range.start >= limit {
                break;
            }
            output.push_str(&text[position..range.start]);
            output.push_str(REDACTED);
            position = range.end;
        }
        if position < limit {
            output.push_str(&text[position..text.floor_char_boundary(limit)]);
        }
        output
    }

    /// Where secrets stand; those that overlap or touch as one.
    fn ranges(&self, text: &str, open: &mut Open) -> Vec<Range<usize>> {
        let mut found = self.spelled(text);
        found.extend(used::ranges(text, true, |said| self.is_secret(said)));
        found.extend(self.windows.ranges(text, open));
        joined(found)
    }

    /// The text without these secrets, and with everything else: what is only used as a password is left.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut found = self.spelled(text);
        found.extend(used::ranges(text, false, |said| self.is_secret(said)));
        let mut output = text.to_owned();
        for range in joined(found).into_iter().rev() {
            output.replace_range(range, REDACTED);
        }
        output
    }

    fn is_secret(&self, text: &str) -> bool {
        self.used.contains(text) || self.all.iter().any(|(secret, _)| secret == text)
    }

    fn spelled(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (start, byte) in text.bytes().enumerate() {
            let candidates = match self.by_first.get(usize::from(byte)) {
                Some(candidates) if text.is_char_boundary(start) => candidates,
                _ => continue,
            };
            let rest = &text[start..];
            let longest =
                candidates
                    .iter()
                    .map(|index| &self.all[*index])
                    .find(|(secret, word)| {
                        rest.starts_with(secret.as_str())
                            && (!word || is_word(text, start..start + secret.len()))
                    });
            if let Some((secret, _)) = longest {
                ranges.push(start..start + secret.len());
            }
        }
        ranges
    }
}

/// In order; those that overlap or touch as one.
fn joined(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_by_key(|range| range.start);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for range in found {
        match ranges.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => ranges.push(range),
        }
    }
    ranges
}

/// What was found so far.
#[derive(Default)]
struct Found {
    /// In all spellings, and whether as words only.
    spelled: BTreeMap<String, bool>,
    used: BTreeSet<String>,
    windows: Windows,
}

impl Found {
    fn add(&mut self, secret: &str, known: &Known) {
        let decoded = percent_decode_str(secret).decode_utf8_lossy();
        let strength = known.strength(&decoded);
        let mut spelled = BTreeSet::new();
        spellings(secret, &mut spelled);
        spelled.remove("");
        match strength {
            Strength::Used => self.used.extend(spelled),
            Strength::Word | Strength::Everywhere => {
                // What hides more counts.
                for text in spelled {
                    let word = strength == Strength::Word;
                    let entry = self.spelled.entry(text).or_insert(word);
                    *entry &= word;
                }
                self.windows.add(secret.as_bytes());
                self.windows.add(decoded.as_bytes());
            }
        }
    }

    fn secrets(self) -> Secrets {
        let mut all: Vec<(String, bool)> = self.spelled.into_iter().collect();
        all.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let mut by_first = vec![Vec::new(); 256];
        for (index, (text, _)) in all.iter().enumerate() {
            by_first[usize::from(text.as_bytes()[0])].push(index);
        }
        Secrets {
            all,
            by_first,
            used: self.used,
            windows: self.windows,
        }
    }
}

fn is_word(text: &str, range: Range<usize>) -> bool {
    let before = text[..range.start].chars().next_back();
    let after = text[range.end..].chars().next();
    ![before, after]
        .into_iter()
        .flatten()
        .any(|next| next.is_alphanumeric() || next == '_')
}

/// The passwords in a URL of any scheme, as written.
fn passwords(value: &str, found: &mut Vec<String>) {
    let Some((_, rest)) = value.split_once("://") else {
        return;
    };
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // As the standard reads it, and as meant by who forgot to encode a sign in the password.
    for part in [authority, before_query, rest] {
        if let Some((user, _)) = part.rsplit_once('@')
            && let Some((_, password)) = user.split_once(':')
            && !password.is_empty()
        {
            found.push(password.to_owned());
        }
    }
    for parameter in query.split(['&', '#']) {
        if let Some((key, secret)) = parameter.split_once('=')
            && SECRET_PARAMETERS.contains(&key)
            && !secret.is_empty()
        {
            found.push(secret.to_owned());
        }
    }
}

/// A secret as it stands, encoded and decoded, and as programs print strings; line by line, as output comes in lines.
fn spellings(secret: &str, found: &mut BTreeSet<String>) {
    let decoded = percent_decode_str(secret).decode_utf8_lossy().into_owned();
    let form = percent_decode_str(&secret.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned();
    for plain in [secret.to_owned(), decoded, form] {
        let encoded = utf8_percent_encode(&plain, NON_ALPHANUMERIC).to_string();
        let unreserved = ["-", "_", ".", "!", "~", "*", "'", "(", ")"]
            .iter()
            .fold(encoded.clone(), |text, sign| {
                text.replace(&encode(sign), sign)
            });
        let as_user_info = ["$", "&", "+", ","]
            .iter()
            .fold(unreserved.clone(), |text, sign| {
                text.replace(&encode(sign), sign)
            });
        let form = encoded.replace("%20", "+");
        for variant in [&encoded, &unreserved, &as_user_info, &form] {
            add_lines(&lower_escapes(variant), found);
            add_lines(variant, found);
        }
        encodings::quoted(&plain, |text| add_lines(text, found));
        encodings::base64(&plain, |text| add_lines(text, found));
        add_lines(&plain, found);
    }
}

fn encode(sign: &str) -> String {
    utf8_percent_encode(sign, NON_ALPHANUMERIC).to_string()
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut escaped = 0;
    text.chars()
        .map(|letter| {
            escaped = if letter == '%' {
                3
            } else {
                usize::saturating_sub(escaped, 1)
            };
            if escaped > 0 {
                letter.to_ascii_lowercase()
            } else {
                letter
            }
        })
        .collect()
}

/// The lines of a text as the output's own lines are cleaned. Of several, those that are too short to be secret by themselves,
/// such as the braces of a JSON text, are left out.
fn add_lines(text: &str, found: &mut BTreeSet<String>) {
    let several = text.lines().nth(1).is_some();
    let lines = text.lines().map(super::lines::without_controls);
    found.extend(lines.filter(|line| !several || line.trim().len() >= SHORTEST_OF_NAMES));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(environment: &[(&str, &str)], whole: &[&str], text: &str) -> String {
        Secrets::collect(environment.iter().copied(), whole).redact(text, usize::MAX)
    }

    #[test]
    fn every_spelling_of_a_password() {
        let environment = [(
            "DATABASE_URL",
            "postgresql://app:p%40ss%2Fw%22o@db:5432/shop?schema=public",
        )];
        for text in [
            "p%40ss%2Fw%22o",
            "p@ss/w\"o",
            "p%40ss%2fw%22o",
            "p@ss/w\\\"o",
            environment[0].1,
        ] {
            assert_eq!(
                redact(&environment, &[], &format!("x {text} y")),
                "x [redacted] y",
                "{text}"
            );
        }
    }

    #[test]
    fn a_password_that_nobody_encoded() {
        let environment = [("DATABASE_URL", "postgresql://app:a/b@c#d@db:5432/shop")];
        assert_eq!(redact(&environment, &[], "got a/b@c#d."), "got [redacted].");
    }

    #[test]
    fn other_secrets() {
        let environment = [
            ("SMTP_PASSWORD", "correct horse"),
            ("ENV", "production"),
            ("MODE", "direct-url-to-hide"),
            ("REDIS", "redis://:hunter22@r/0"),
            ("TOKEN", "-----BEGIN-----\nline one\n-----END-----"),
            ("PUBLIC_URL", "https://example.com/a@b"),
            ("U", "postgres://h/d?sslpassword=tls%20word"),
        ];
        let text = "correct horse production direct-url-to-hide hunter22 line one tls word https://example.com/a@b";
        assert_eq!(
            redact(&environment, &["MODE"], text),
            "[redacted] production [redacted] [redacted] [redacted] [redacted] https://example.com/a@b"
        );
    }

    #[test]
    fn as_other_programs_write_it() {
        let environment = [(
            "DATABASE_URL",
            "postgresql://app:p%40ss%2Fw%22o%20%3Cé%27@db:5432/shop?schema=public",
        )];
        for text in [
            "p@ss/w\"o <é'",
            r#"p@ss/w\"o <é'"#,
            r#"p@ss\/w\"o <é'"#,
            r#"p@ss/w\"o \u003cé'"#,
            r#"p@ss/w\"o <\u00e9'"#,
            r#"p@ss/w\"o \u003c\u00e9'"#,
            r#"p@ss/w\\\"o <é'"#,
            r#"p@ss/w"o <é\'"#,
            "p@ss/w\"o <é''",
            "p%40ss%2Fw%22o+%3C%C3%A9%27",
            "p%40ss%2fw%22o%20%3c%c3%a9%27",
        ] {
            assert_eq!(
                redact(&environment, &[], &format!("x {text} y")),
                "x [redacted] y",
                "{text}"
            );
        }
    }

    #[test]
    fn as_a_secret_of_the_cluster_holds_it() {
        use base64::Engine;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let password = "correct-horse?>~battery";
        let url = format!("postgresql://app:{password}@db:5432/shop");
        let environment = [("DATABASE_URL", url.as_str())];
        // Wherever it stands in what was encoded, no piece of it is left that a reader could decode.
        for before in ["", "a", "ab", "abc", "app:"] {
            for after in ["", "@", "@db", "@db:5"] {
                let whole = format!("{before}{password}{after}");
                for encoded in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    let shown = redact(&environment, &[], &format!("data: {encoded}"));
                    let left = shown.replace(REDACTED, "").replace("data: ", "");
                    let most = before.len() + after.len() + 5;
                    assert!(left.len() * 3 / 4 <= most, "{encoded}: {shown}");
                }
            }
        }
        let encoded = STANDARD.encode(&url);
        assert_eq!(
            redact(&environment, &[], &format!("{encoded}\n")),
            "[redacted]\n"
        );
    }

    #[test]
    fn short_ones_only_as_words() {
        let environment = [("DATABASE_URL", "postgresql://app:a1b2@db/shop")];
        assert_eq!(
            redact(&environment, &[], "a1b2 database a1b2, (a1b2) a1b2c"),
            "[redacted] database [redacted], ([redacted]) a1b2c"
        );
        let environment = [
            ("DATABASE_URL", "postgresql://app:a@db/shop"),
            ("DB_PASSWORD", "b"),
        ];
        assert_eq!(
            redact(
                &environment,
                &[],
                "a b, a:a@b postgresql://app:a@db/shop PASSWORD=b"
            ),
            "a b, a:[redacted]@b [redacted] PASSWORD=[redacted]"
        );
    }

    #[test]
    fn overlapping_ones_leave_no_rest_and_a_limit_cuts_none() {
        let environment = [("A_SECRET", "abcdefgh"), ("B_SECRET", "efghijkl")];
        assert_eq!(redact(&environment, &[], "-abcdefghijkl-"), "-[redacted]-");
        let secrets = Secrets::collect(environment, &[]);
        assert_eq!(secrets.redact("12345678abcdefgh", 10), "12345678[redacted]");
        assert_eq!(secrets.redact("12345678abcdefgh", 8), "12345678");
        assert_eq!(Secrets::default().redact("1234é", 5), "1234");
    }
}
