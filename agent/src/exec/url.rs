//! Merges the operator's settings into a connection string, and leaves everything else in it as it stands, byte for byte.
//!
//! - `application_name` is replaced: by it the operator knows its own connections.
//! - Settings of the server go into `options`. What the user set there stays, and where it names the same setting, the
//!   user's wins.
//! - `sslcert`, Prisma's parameter for the certificate authority, is added unless there is one.
//! - Where the server's certificate is to be verified (there is an authority, or `sslmode` is one of libpq's that do), `sslmode=require` and
//!   `sslaccept=strict` are set: Prisma takes modes that it does not know for `prefer`, and any certificate unless it is told otherwise.
//!
//! Blanks are written as `%20`, which every reader understands; a reader of URLs also takes `+` for one, libpq does not.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use dbm_protocol::connection;

/// What stands in a value unescaped.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// What to merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings<'a> {
    /// `application_name`; empty leaves the user's.
    pub application_name: &'a str,
    /// Settings of the server, by name, in order.
    pub server: Vec<(&'static str, u64)>,
    /// The file with the certificate authority; empty for none.
    pub ca_file: &'a str,
}

/// The URL in a variable's value, if Prisma can migrate by it.
///
/// # Errors
/// With what is wrong, in words that hold nothing of the value.
pub fn check(value: &str) -> Result<&str, &'static str> {
    let text = connection::string(value).map_err(connection::Wrong::message)?;
    match url::Url::parse(text) {
        Ok(_) => Ok(text),
        Err(url::ParseError::InvalidPort) => Err(
            "is no valid URL: its port is no number, or its password holds a sign such as / or # that has to be percent-encoded",
        ),
        Err(_) => Err("is no valid URL; are all signs of its password percent-encoded?"),
    }
}

/// Whether a URL says of itself that it leads through a transaction pooler, by which nobody migrates.
#[must_use]
pub fn is_pooled(url: &str) -> bool {
    let (rest, _) = url.split_once('#').unwrap_or((url, ""));
    let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
    query
        .split('&')
        .any(|part| key(part) == "pgbouncer" && ["true", "1"].contains(&value(part)))
}

/// The URL with the settings in it.
#[must_use]
pub fn merge(url: &str, settings: &Settings) -> String {
    let (rest, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
    let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parameters: Vec<Cow<str>> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(Cow::from)
        .collect();

    if !settings.application_name.is_empty() {
        let own = format!(
            "application_name={}",
            utf8_percent_encode(settings.application_name, VALUE)
        );
        replace(&mut parameters, "application_name", own);
    }
    merge_options(&mut parameters, &settings.server);
    let has_authority = |part: &Cow<str>| key(part) == "sslcert" && !value(part).is_empty();
    if !settings.ca_file.is_empty() && !parameters.iter().any(has_authority) {
        let own = format!("sslcert={}", utf8_percent_encode(settings.ca_file, VALUE));
        replace(&mut parameters, "sslcert", own);
    }
    let verifies = |part: &Cow<str>| {
        key(part) == "sslmode" && ["verify-ca", "verify-full"].contains(&value(part))
    };
    if !settings.ca_file.is_empty() || parameters.iter().any(verifies) {
        replace(&mut parameters, "sslmode", "sslmode=require".to_owned());
        replace(&mut parameters, "sslaccept", "sslaccept=strict".to_owned());
    }
    if parameters.is_empty() {
        url.to_owned()
    } else {
        format!("{base}?{}{fragment}", parameters.join("&"))
    }
}

/// Puts the parameter where its first namesake stands, and drops the others.
fn replace(parameters: &mut Vec<Cow<str>>, name: &str, own: String) {
    let at = parameters
        .iter()
        .position(|part| key(part) == name)
        .unwrap_or(parameters.len());
    parameters.retain(|part| key(part) != name);
    parameters.insert(at.min(parameters.len()), own.into());
}

fn merge_options(parameters: &mut Vec<Cow<str>>, server: &[(&str, u64)]) {
    // Where a parameter is there twice, drivers take the last.
    let place = parameters.iter().rposition(|part| key(part) == "options");
    let current = place.map_or("", |at| value(&parameters[at])).to_owned();
    let decoded = decode(&current);
    let taken = setting_names(&decoded);
    let added: Vec<String> = server
        .iter()
        .filter(|(name, _)| !taken.iter().any(|other| other == name))
        .map(|(name, number)| format!("-c%20{name}%3D{number}"))
        .collect();
    if added.is_empty() {
        return;
    }
    let kept = without_open_escape(&current, &decoded);
    let blank = if kept.is_empty() { "" } else { "%20" };
    let merged = Cow::from(format!("options={kept}{blank}{}", added.join("%20")));
    match place {
        Some(at) => parameters[at] = merged,
        None => parameters.push(merged),
    }
}

/// PostgreSQL ignores a backslash at the very end; with more behind it, it would escape the blank.
fn without_open_escape<'a>(encoded: &'a str, decoded: &str) -> &'a str {
    let backslashes = decoded.len() - decoded.trim_end_matches('\\').len();
    if backslashes.is_multiple_of(2) {
        return encoded;
    }
    encoded
        .strip_suffix('\\')
        .or_else(|| encoded.strip_suffix("%5C"))
        .or_else(|| encoded.strip_suffix("%5c"))
        .unwrap_or(encoded)
}

/// The names of the settings in `options`, as the server reads them: words parted by blanks, a backslash takes the next
/// sign as it is; `-c name=value`, `-cname=value` or `--name=value`.
fn setting_names(options: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next()
        } else {
            word.strip_prefix("--")
                .or_else(|| word.strip_prefix("-c"))
                .map(str::to_owned)
        };
        if let Some((name, _)) = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='))
        {
            names.push(name.to_ascii_lowercase().replace('-', "_"));
        }
    }
    names
}

fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.extend(letters.next()),
            blank if blank.is_ascii_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn key(parameter: &str) -> String {
    decode(parameter.split_once('=').map_or(parameter, |(key, _)| key))
}

fn value(parameter: &str) -> &str {
    parameter.split_once('=').map_or("", |(_, value)| value)
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn settings() -> Settings<'static> {
        Settings {
            application_name: "dbm/shop",
            server: vec![("lock_timeout", 5000), ("statement_timeout", 60000)],
            ca_file: "",
        }
    }

    fn options(url: &str) -> String {
        let url = url::Url::parse(url).unwrap();
        url.query_pairs()
            .filter(|(key, _)| key == "options")
            .last()
            .unwrap()
            .1
            .into_owned()
    }

    #[test]
    fn adds_to_a_plain_url() {
        assert_eq!(
            merge("postgresql://u:p%2F@h:5432/d", &settings()),
            "postgresql://u:p%2F@h:5432/d?application_name=dbm/shop&\
             options=-c%20lock_timeout%3D5000%20-c%20statement_timeout%3D60000"
        );
    }

    #[test]
    fn keeps_what_is_there() {
        let merged = merge(
            "postgres://u:p@h/d?schema=my%20app&options=-c+search_path%3Da%2Cb&application_name=web&sslmode=require#x?y",
            &settings(),
        );
        assert_eq!(
            merged,
            "postgres://u:p@h/d?schema=my%20app&options=-c+search_path%3Da%2Cb%20-c%20lock_timeout%3D5000%20-c%20\
             statement_timeout%3D60000&application_name=dbm/shop&sslmode=require#x?y"
        );
        assert_eq!(
            options(&merged),
            "-c search_path=a,b -c lock_timeout=5000 -c statement_timeout=60000"
        );
    }

    #[test]
    fn the_users_own_setting_wins() {
        for own in [
            "-c lock_timeout=1s",
            "-clock_timeout=1s",
            "--lock-timeout=1s",
            "-c  LOCK_TIMEOUT=1s",
            "-c work_mem=1 --lock_timeout=1s",
        ] {
            let url = format!("postgres://h/d?options={}", utf8_percent_encode(own, VALUE));
            assert_eq!(
                options(&merge(&url, &settings())),
                format!("{own} -c statement_timeout=60000")
            );
        }
        // A value that only looks like it.
        let merged = merge(
            "postgres://h/d?options=-c%20search_path%3D-c%5C%20lock_timeout%3D1",
            &settings(),
        );
        assert_eq!(
            options(&merged),
            "-c search_path=-c\\ lock_timeout=1 -c lock_timeout=5000 -c statement_timeout=60000"
        );
    }

    #[test]
    fn nothing_to_set_changes_nothing() {
        for url in [
            "postgres://u@h/d",
            "postgres://u@h/d?",
            "postgres://u@h/d?a=1&b",
            "postgres://u@h/d?options=-c%20a%3Db#f",
        ] {
            assert_eq!(
                merge(url, &Settings::default()).trim_end_matches('?'),
                url.trim_end_matches('?')
            );
        }
    }

    #[test]
    fn authority() {
        let own = Settings {
            ca_file: "/dbm/ca/ca.crt",
            ..Settings::default()
        };
        for (url, merged) in [
            (
                "postgres://h/d?a=1",
                "postgres://h/d?a=1&sslcert=/dbm/ca/ca.crt&sslmode=require&sslaccept=strict",
            ),
            (
                "postgres://h/d?sslcert=mine",
                "postgres://h/d?sslcert=mine&sslmode=require&sslaccept=strict",
            ),
            (
                "postgres://h/d?sslcert=&sslaccept=accept_invalid_certs&sslmode=prefer",
                "postgres://h/d?sslcert=/dbm/ca/ca.crt&sslaccept=strict&sslmode=require",
            ),
        ] {
            assert_eq!(merge(url, &own), merged);
        }
    }

    #[test]
    fn modes_that_prisma_does_not_know_verify_all_the_same() {
        for (url, merged) in [
            (
                "postgres://h/d?sslmode=verify-full&a=1",
                "postgres://h/d?sslmode=require&a=1&sslaccept=strict",
            ),
            (
                "postgres://h/d?sslaccept=accept_invalid_certs&sslmode=verify-ca",
                "postgres://h/d?sslaccept=strict&sslmode=require",
            ),
            (
                "postgres://h/d?sslmode=require",
                "postgres://h/d?sslmode=require",
            ),
            ("postgres://h/d", "postgres://h/d"),
        ] {
            assert_eq!(merge(url, &Settings::default()), merged);
        }
    }

    #[test]
    fn says_what_is_wrong_and_nothing_of_the_value() {
        let good = "postgres://u:p@[::1]:5432/d?host=/run";
        assert_eq!(check(good), Ok(good));
        assert_eq!(check(&format!(" {good}\r\n")), Ok(good));
        for bad in [
            "",
            "  ",
            "secret",
            "mysql://u:secret@h/d",
            "prisma+postgres://x/?api_key=secret",
            "\"postgres://u:secret@h/d\"",
            "postgres://u:sec\nret@h/d",
            "postgres://u:se/cret@h:x/d",
            "postgres://u:secret@h:port/d",
        ] {
            let message = check(bad).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn parameters_are_kept_and_merging_again_changes_nothing(
            parameters in prop::collection::vec(("[a-z_]{1,12}", "[ -~]{0,20}"), 0..6),
            user_options in prop::option::of("[ -~]{0,40}"),
            fragment in prop::option::of("[a-z?&=]{0,5}"),
        ) {
            let parameters: Vec<_> =
                parameters.into_iter().filter(|(key, _)| key != "options" && key != "application_name").collect();
            let mut url = url::Url::parse("postgresql://user:p%40ss@db.example:5433/app").unwrap();
            for (key, value) in &parameters {
                url.query_pairs_mut().append_pair(key, value);
            }
            if let Some(options) = &user_options {
                url.query_pairs_mut().append_pair("options", options);
            }
            url.set_fragment(fragment.as_deref());
            let merged = merge(url.as_str(), &settings());
            prop_assert_eq!(merge(&merged, &settings()), merged.clone());

            let after = url::Url::parse(&merged).unwrap();
            let kept: Vec<(String, String)> = after
                .query_pairs()
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .filter(|(key, _)| key != "options" && key != "application_name")
                .collect();
            prop_assert_eq!(kept, parameters);
            prop_assert_eq!((after.password(), after.path(), after.fragment()), (url.password(), url.path(), url.fragment()));
            // Every word of the user's is still there, in front, and each setting exactly once.
            let before = words(user_options.as_deref().unwrap_or(""));
            let now = words(&options(&merged));
            prop_assert_eq!(&now[..before.len()], before.as_slice());
            for name in ["lock_timeout", "statement_timeout"] {
                prop_assert!(setting_names(&options(&merged)).iter().any(|other| other == name) || before.last().is_some_and(|last| last == "-c"));
            }
        }
    }
}
