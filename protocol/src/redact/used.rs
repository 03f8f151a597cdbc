//! Where a text uses something as a password, whatever it is: behind a key that says so, in quotes behind the word, before the
//! host of a URL.

use std::ops::Range;

/// How keys end whose values are secret, in upper case.
const KEYS: [&str; 14] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "_PASS",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "SIGNING_KEY",
    "ENCRYPTION_KEY",
];

/// Values that stand for one.
const PLACEHOLDERS: [&str; 5] = ["?", "...", "***", super::secrets::REDACTED, "null"];

/// Where they stand. `is_secret`: whether a text is a secret of the process. With `any`, everything in quotes and right behind a
/// `=` is taken for one.
pub(super) fn ranges(text: &str, any: bool, is_secret: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, sign) in text.char_indices() {
        match sign {
            '=' | ':' => found.extend(behind_key(text, at, any, &is_secret)),
            '@' => found.extend(before_host(text, at, &is_secret)),
            _ => {}
        }
    }
    behind_word(text, any, &is_secret, &mut found);
    found
}

/// `password=...`, `"password": "..."`, `Pwd = x`.
fn behind_key(
    text: &str,
    at: usize,
    any: bool,
    is_secret: &impl Fn(&str) -> bool,
) -> Option<Range<usize>> {
    let is_operator = |sign: char| matches!(sign, '=' | ':' | '>' | '<' | '!');
    let before = text[..at].trim_end_matches(' ');
    let after = &text[at + 1..];
    // `password::text`, `password <= x`, `https://`.
    if before.ends_with(is_operator) || after.starts_with([':', '/']) {
        return None;
    }
    let key_end = before.trim_end_matches(['"', '\'', '`', '\\']);
    let is_key = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.');
    let key = &key_end[key_end.trim_end_matches(is_key).len()..];
    if !names_secret(key) {
        return None;
    }
    let sign = &text[at..=at];
    let after = after.trim_start_matches(['=', '>']);
    let value = after.trim_start_matches([' ', '\t']);
    let value = value.strip_prefix("Some(").unwrap_or(value);
    let spaced = before.len() < at || value.len() < text.len() - at - 1;
    let start = text.len() - value.len();
    let before_key = key_end[..key_end.len() - key.len()].trim_end_matches(' ');
    // Of a parser that says what it did not expect.
    let word_before = before_key.ends_with(char::is_alphanumeric);
    if sign == ":" && word_before && key.eq_ignore_ascii_case("token") {
        return None;
    }
    if let Some((open, length)) = in_quotes(value) {
        let said = &value[open..open + length];
        let hidden = !said.is_empty() && !is_placeholder(said) && (any || is_secret(said));
        return hidden.then(|| start + open..start + open + length);
    }
    if value.starts_with("<Buffer ") {
        return any.then(|| start..start + value.find('>').unwrap_or(value.len()));
    }
    let length = unquoted(value, before_key);
    let said = &value[..length];
    let bare = said.trim_end_matches(['.', ',', ';', ')', ']', '}']);
    let is_value = !said.is_empty() && !is_placeholder(said) && !is_placeholder(bare);
    if !is_value {
        return None;
    }
    if any && sign == "=" && !spaced {
        // Where the shell is, as `env` prints it.
        let is_folder = matches!(key, "PWD" | "OLDPWD") && said.starts_with('/');
        let said = said.trim_end_matches([',', ';']);
        return (!is_folder).then(|| start..start + said.len());
    }
    [said, bare]
        .into_iter()
        .find(|said| is_secret(said))
        .map(|said| start..start + said.len())
}

fn names_secret(key: &str) -> bool {
    let upper = key.to_ascii_uppercase().replace('-', "_");
    KEYS.iter().any(|end| upper.ends_with(end)) || upper == "PASS"
}

fn is_placeholder(text: &str) -> bool {
    let numbered = text
        .strip_prefix('$')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    numbered || PLACEHOLDERS.contains(&text)
}

/// How long the opening quote is, with the backslashes before it, and the text behind it up to the closing one, or to the end.
fn in_quotes(value: &str) -> Option<(usize, usize)> {
    let escapes = value.len() - value.trim_start_matches('\\').len();
    let quote = value[escapes..].chars().next()?;
    if !matches!(quote, '"' | '\'' | '`') {
        return None;
    }
    let inside = &value[escapes + 1..];
    let mut backslashes = 0;
    for (at, sign) in inside.char_indices() {
        if sign == '\\' {
            backslashes += 1;
            continue;
        }
        let closes = backslashes == escapes || escapes == 0 && backslashes % 2 == 0;
        if sign == quote && closes {
            return Some((escapes + 1, at - escapes.min(backslashes)));
        }
        backslashes = 0;
    }
    Some((escapes + 1, inside.len()))
}

/// How long a value without quotes is: in a query up to the next parameter, in a list that `;` parts up to that, else up to a
/// blank.
fn unquoted(value: &str, before_key: &str) -> usize {
    let blank = value
        .find(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\'' | '`'))
        .unwrap_or(value.len());
    if before_key.ends_with(['?', '&']) {
        return value.find(['&', '#']).map_or(blank, |end| end.min(blank));
    }
    let parted = value.find(';');
    if before_key.ends_with(';') {
        return parted.unwrap_or(blank);
    }
    // The first of such a list.
    let goes_on = |end: &usize| {
        let rest = value[end + 1..].trim_start();
        let key = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == ' '));
        key.is_some_and(|key| key > 0 && rest[key..].starts_with('='))
    };
    match parted.filter(goes_on) {
        Some(end) if end < blank => end,
        _ => blank,
    }
}

/// `app:x@db`, as in a URL whose scheme is not printed.
fn before_host(text: &str, at: usize, is_secret: &impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let parts = |sign: char| sign.is_whitespace() || matches!(sign, '"' | '\'' | '`' | '/');
    let before = text[..at].rsplit(parts).next().unwrap_or_default();
    let word = at - before.len();
    let start = word + text[word..at].find(':')? + 1;
    is_secret(&text[start..at]).then_some(start..at)
}

/// `PASSWORD 'x'`, `the password is "x"`, `--password x`.
fn behind_word(
    text: &str,
    any: bool,
    is_secret: &impl Fn(&str) -> bool,
    found: &mut Vec<Range<usize>>,
) {
    let lower = text.to_ascii_lowercase();
    for (at, word) in lower.match_indices("password") {
        let rest = &text[at + word.len()..];
        let mut value = rest.trim_start_matches([' ', '\t']);
        if value.len() == rest.len() {
            continue;
        }
        for filler in ["is ", "was ", "of "] {
            value = value.strip_prefix(filler).unwrap_or(value);
        }
        let start = text.len() - value.len();
        if let Some((open, length)) = in_quotes(value) {
            let said = &value[open..open + length];
            let literal = any && value.starts_with('\'');
            if !said.is_empty() && !is_placeholder(said) && (literal || is_secret(said)) {
                found.push(start + open..start + open + length);
            }
        } else if text[..at].ends_with("--") {
            let length = value.find(char::is_whitespace).unwrap_or(value.len());
            if length > 0 && (any || is_secret(&value[..length])) {
                found.push(start..start + length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::secrets::Secrets;

    /// With `app` as a password that is too common to be hidden elsewhere.
    fn shown(text: &str) -> String {
        let secrets = Secrets::collect([("DATABASE_URL", "postgresql://app:app@db/shop")], &[]);
        secrets.redact(text, usize::MAX)
    }

    #[test]
    fn what_is_used_as_a_password_is_hidden() {
        for (text, expected) in [
            (
                "host=db user=app password=app",
                "host=db user=app password=[redacted]",
            ),
            (
                "host=db password=hunter two dbname=x",
                "host=db password=[redacted] two dbname=x",
            ),
            (
                r"host=db password='a \'b c' dbname=x",
                "host=db password='[redacted]' dbname=x",
            ),
            (
                "Server=db;User Id=app;Password=a b&c;Database=x",
                "Server=db;User Id=app;Password=[redacted];Database=x",
            ),
            ("Pwd=a,b;Server=db", "Pwd=[redacted];Server=db"),
            ("db?sslpassword=x&a=1", "db?sslpassword=[redacted]&a=1"),
            (
                "{ user: 'app', password: 'x' }",
                "{ user: 'app', password: '[redacted]' }",
            ),
            (
                r#"{"password":"x","user":"app"}"#,
                r#"{"password":"[redacted]","user":"app"}"#,
            ),
            (
                r#"{\"password\":\"x\",\"a\":1}"#,
                r#"{\"password\":\"[redacted]\",\"a\":1}"#,
            ),
            ("password: <Buffer 61 70 70>", "password: [redacted]>"),
            (
                "Config { password: Some(\"x\") }",
                "Config { password: Some(\"[redacted]\") }",
            ),
            ("DB_PASSWORD=x", "DB_PASSWORD=[redacted]"),
            ("password: app", "password: [redacted]"),
            ("password = app.", "password = [redacted]."),
            (
                "ALTER ROLE app PASSWORD 'x'",
                "ALTER ROLE app PASSWORD '[redacted]'",
            ),
            ("the password is \"app\"", "the password is \"[redacted]\""),
            ("psql --password x -c y", "psql --password [redacted] -c y"),
            ("app:app@db:5432", "app:[redacted]@db:5432"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "(\\PC|\u{a0}|\u{2003}|password|[=:@;&?'\"\\\\ ])*") {
            let secrets = Secrets::collect([("DATABASE_URL", "postgresql://app:app@db/shop")], &[]);
            let _ = (secrets.hide(&text), secrets.redact(&text, usize::MAX));
        }
    }

    #[test]
    fn the_same_word_elsewhere_is_left() {
        for text in [
            "ERROR: relation \"app_users\" does not exist",
            "column \"password\" of relation \"app\" already exists",
            "password authentication failed for user \"app\"",
            "the provided database credentials for `app` are not valid.",
            "Datasource \"db\": PostgreSQL database \"app\", schema \"app\" at \"db:5432\"",
            "ALTER TABLE \"User\" ADD COLUMN \"password\" TEXT;",
            "password::text, password <= 'x', \"password\" = $1, password=$1, password=?",
            "Unexpected token: 'x', missing password: see the docs",
            "PWD=/app",
            "password: string;",
            "psql --password",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
