//! Makes a child's output fit to be shown: clean lines without credentials and without values of rows.

pub mod common;
mod dumps;
mod encodings;
mod lines;
mod rows;
pub mod secrets;
mod used;

use self::dumps::Open;
use self::lines::{Line, Lines};
use self::rows::Rows;
use self::secrets::{REDACTED, Secrets};
use crate::raised::Raised;

/// A line of the output is at most this long, bytes.
pub const LINE_LIMIT: usize = 16 * 1024;

const CUT: &str = " ... (line cut)";

/// Redacts a stream that comes in parts of any size.
pub struct Redactor {
    lines: Lines,
    shown: Shown,
}

struct Shown {
    secrets: Secrets,
    encoded: Open,
    rows: Rows,
}

impl Redactor {
    /// For a child with these secrets, and migrations that raise these texts.
    #[must_use]
    pub fn new(secrets: Secrets, raised: Raised) -> Redactor {
        // Enough that a secret which begins within the limit is seen as a whole.
        let lines = Lines::new(LINE_LIMIT + secrets.longest() + 1);
        Redactor {
            lines,
            shown: Shown {
                secrets,
                encoded: Open::default(),
                rows: Rows::new(raised),
            },
        }
    }

    /// Takes the next bytes, and gives each line that they complete.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        let shown = &mut self.shown;
        self.lines.push(bytes, |line| each(shown.line(line)));
    }

    /// What stands behind the last line end, if anything does.
    pub fn finish(&mut self) -> Option<String> {
        self.lines.finish().map(|line| self.shown.line(line))
    }
}

impl Shown {
    fn line(&mut self, line: Line) -> String {
        let cut = line.overflowed || line.text.len() > LINE_LIMIT;
        let encoded = &mut self.encoded;
        let text = self.secrets.redact_line(&line.text, LINE_LIMIT, encoded);
        let mut text = self.rows.redact(user_info(text, cut));
        if cut {
            text.truncate(text.floor_char_boundary(LINE_LIMIT));
            text.push_str(CUT);
        }
        text
    }
}

/// Replaces user and password of every URL, whatever it is for. In a line that was cut, a URL at its very end may have
/// lost the sign that tells them from the host.
fn user_info(mut text: String, cut: bool) -> String {
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let start = from + found + "://".len();
        let scheme_is_postgres = text[..start - "://".len()].ends_with("postgres")
            || text[..start - "://".len()].ends_with("postgresql");
        let rest = &text[start..];
        let word = rest
            .find(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\'' | '`' | '<' | '>'))
            .unwrap_or(rest.len());
        // A password of PostgreSQL may hold any sign that nobody encoded; of others, the user ends before the path.
        let authority = if scheme_is_postgres {
            word
        } else {
            rest[..word].find(['/', '?', '#']).unwrap_or(word)
        };
        let end = match rest[..authority].rfind('@') {
            Some(at) if rest[..at].contains(':') => Some(at),
            None if cut && scheme_is_postgres && word == rest.len() => Some(rest.len()),
            _ => None,
        };
        from = start;
        if let Some(end) = end {
            text.replace_range(start..start + end, REDACTED);
            from += REDACTED.len();
        }
    }
    text
}

/// Redacts a whole text, for a message that was not part of the output.
#[must_use]
pub fn redact_text(secrets: &Secrets, text: &str) -> String {
    let mut redactor = Redactor::new(secrets.clone(), Raised::default());
    let mut lines = Vec::new();
    redactor.push(text.as_bytes(), |line| lines.push(line));
    lines.extend(redactor.finish());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn redact(text: &str) -> String {
        redact_text(&Secrets::default(), text)
    }

    #[test]
    fn users_of_urls() {
        for (text, expected) in [
            (
                "at postgresql://app:pass@db:5432/x?y=z.",
                "at postgresql://[redacted]@db:5432/x?y=z.",
            ),
            (
                "postgres://app:p@s/s@db, \"postgres://a:b@c\"",
                "postgres://[redacted]@db, \"postgres://[redacted]@c\"",
            ),
            (
                "https://user:pass@host/p and https://host/p:1@2",
                "https://[redacted]@host/p and https://host/p:1@2",
            ),
            ("postgresql://db:5432/x", "postgresql://db:5432/x"),
            ("postgresql://app@db/x", "postgresql://app@db/x"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn long_lines_are_cut_and_no_password_is_cut_in_two() {
        let secrets =
            || Secrets::collect([("DATABASE_URL", "postgres://u:correct-horse@h/d")], &[]);
        for shift in 0..20 {
            let text = format!(
                "{}correct-horse{}",
                "x".repeat(LINE_LIMIT - shift),
                "y".repeat(100_000)
            );
            let shown = redact_text(&secrets(), &text);
            assert!(shown.len() <= LINE_LIMIT + CUT.len(), "{}", shown.len());
            assert!(!shown.contains("correct"), "{shift}");
            let url = format!(
                "{}postgres://other:pass-word-of-another@h/d",
                "x".repeat(LINE_LIMIT - 12 - shift)
            );
            assert!(!redact_text(&secrets(), &url).contains("pass"), "{shift}");
        }
    }

    fn contains_none(shown: &str, secrets: &[&str]) -> bool {
        let rest = shown.replace(REDACTED, "\u{1}");
        secrets.iter().all(|secret| !rest.contains(secret))
    }

    proptest! {
        #[test]
        fn no_password_survives(
            password in "[!-~é]{8,20}",
            before in "[ -~]{0,30}",
            after in "[ -~\\n]{0,30}",
            spelling in 0usize..7,
            chunk in 1usize..50,
        ) {
            let encoded = utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string();
            let url = format!("postgresql://app:{encoded}@db.example:5432/shop?schema=public");
            let secrets = Secrets::collect([("DATABASE_URL", url.as_str())], &["DATABASE_URL"]);
            let printed = match spelling {
                0 => password.clone(),
                1 => encoded.clone(),
                2 => url.clone(),
                3 => STANDARD.encode(&url),
                4 => url.bytes().map(|byte| format!("{byte:02x}")).collect(),
                5 => url.bytes().map(|byte| format!("{byte:02X} ")).collect(),
                _ => format!("{password}{encoded}{password}"),
            };
            let mut redactor = Redactor::new(secrets, Raised::default());
            let mut shown = Vec::new();
            for part in format!("{before}{printed}{after}").as_bytes().chunks(chunk) {
                redactor.push(part, |line| shown.push(line));
            }
            shown.extend(redactor.finish());
            let shown = shown.join("\n");
            let decoded = [&password, &encoded, &url].map(String::as_str);
            prop_assert!(contains_none(&shown, &decoded), "{}", shown);
            let pairs: String = password.bytes().map(|byte| format!("{byte:02x}")).collect();
            let spaced: String = password.bytes().map(|byte| format!("{byte:02X} ")).collect();
            prop_assert!(contains_none(&shown, &[&pairs, spaced.trim(), &STANDARD.encode(&url)]), "{}", shown);
        }

        #[test]
        fn a_text_without_secrets_is_left_as_it_is(
            password in "[a-z]{1,7}|app|email|prisma|postgres|x|[!-~]{8,20}",
            text in "([a-z_]{1,12}[ .,()]){0,12}",
        ) {
            let encoded = utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string();
            let url = format!("postgresql://app:{encoded}@db.example:5432/shop?schema=public");
            let secrets = Secrets::collect([("DATABASE_URL", url.as_str())], &["DATABASE_URL"]);
            prop_assume!(password.len() < 8 || !text.contains(&password));
            prop_assert_eq!(redact_text(&secrets, &text), text.clone());
            let named = format!("ERROR: missing of relation \"{password}_users\", column \"{text}\"");
            if password.len() < 8 || password == "postgres" {
                prop_assert_eq!(redact_text(&secrets, &named), named.clone());
            }
        }
    }
}
