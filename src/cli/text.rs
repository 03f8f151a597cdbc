//! PURE. Text for a terminal: what comes from others is made harmless, what is long is wrapped, times are said shortly.

use std::fmt::Write as _;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::tools::text::is_deceiving;

/// A text of others on one line: control characters and those that turn the direction of writing are spelled out, so
/// that nothing in a name or a message moves the cursor, changes a colour or hides a part.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            c => push_safe(&mut out, c),
        }
    }
    out
}

/// The same for a text of many lines: its lines and tabs stay, its colours are taken out, all else is spelled out. Nothing
/// is hidden: what an escape might swallow is shown.
pub fn safe_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = colour(rest) {
            rest = &rest[length..];
            continue;
        }
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c => push_safe(&mut out, c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The length of the colour's escape sequence that a text begins with.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

fn push_safe(out: &mut String, c: char) {
    if c.is_control() {
        // Writing to a string does not fail.
        let _ = write!(out, "\\x{:02x}", u32::from(c));
    } else if is_deceiving(c) {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// How many columns a text takes; colours take none.
pub fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().width()
}

/// A text with blanks behind it, up to a width.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// At most so many columns, with an ellipsis. For a text without colours.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// The words of a text that fit into so many columns, with an ellipsis for the others. For a text without colours.
pub fn cut_words(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for word in text.split(' ') {
        if out.width() + word.width() + 2 > columns {
            break;
        }
        out.push_str(word);
        out.push(' ');
    }
    out.push('…');
    out
}

/// The lines of a text at most `columns` wide, broken at blanks; a word longer than that stays whole, so that it can be
/// copied. `None` breaks nothing.
pub fn wrap(text: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else {
        return vec![text.to_owned()];
    };
    let columns = columns.max(20);
    if width(text) <= columns {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The lines of a shell command at most `columns` wide, each but the last ended by ` \\`, so that the whole of them can be copied and
/// run. It is broken only at blanks outside of quotes; the further lines are set in by two. `None` breaks nothing.
pub fn command_lines(command: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns.filter(|columns| width(command) > *columns) else {
        return vec![command.to_owned()];
    };
    let columns = columns.max(20);
    let mut lines = Vec::new();
    let mut line = String::new();
    let words = shell_words(command);
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let mut word = (*word).to_owned();
        // An option stays with its value, where both of them fit.
        let value = words.next_if(|value| {
            let together = width(&word) + width(value) + 5;
            word.starts_with('-') && !value.starts_with('-') && together <= columns
        });
        if let Some(value) = value {
            word.push_str(&format!(" {value}"));
        }
        // A long one that holds JSON is broken inside of that, where blanks mean nothing, and without a backslash.
        if let Some(pieces) = json_pieces(&word).filter(|_| width(&word) + 4 > columns) {
            if !line.trim_start().is_empty() {
                lines.push(format!("{line} \\"));
            }
            line = "  ".to_owned();
            for piece in pieces {
                if !line.trim_start().is_empty() && width(&line) + width(piece) + 2 > columns {
                    lines.push(std::mem::replace(&mut line, "    ".to_owned()));
                }
                line.push_str(piece);
            }
            continue;
        }
        // The blank and the backslash after it take two more.
        if !line.trim_start().is_empty() && width(&line) + 1 + width(&word) + 2 > columns {
            lines.push(format!("{line} \\"));
            line = "  ".to_owned();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

/// The parts of a word of a command that ends with JSON in quotes, where that may be broken.
fn json_pieces(word: &str) -> Option<Vec<&str>> {
    let (_, json) = word.strip_suffix('\'')?.split_once("='")?;
    // It begins and ends with an object, and quotes nothing itself.
    let plain = json.starts_with('{') && json.ends_with('}') && !json.contains(['\'', '\\', ' ']);
    plain.then(|| word.split_inclusive([',', '{', '[']).collect())
}

/// The parts of a command between blanks outside of quotes, as they are written.
fn shell_words(command: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, c) in command.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => {
                words.push(&command[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&command[start..]);
    words
}

/// The lines of what is said beside a result: each is broken between words, and the command that it may end with stays one that can be
/// copied. What is set in stands as it is.
pub fn said_lines(text: &str, columns: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        if line.starts_with(' ') || columns.is_none_or(|columns| width(line) <= columns) {
            lines.push(line.to_owned());
            continue;
        }
        let command = line.rfind(": kubectl ").map(|at| at + 2);
        let (prose, command) = line.split_at(command.unwrap_or(line.len()));
        lines.extend(wrap(prose.trim_end(), columns));
        if !command.is_empty() {
            let room = columns.map(|columns| columns.saturating_sub(2));
            lines.extend(
                command_lines(command, room)
                    .iter()
                    .map(|line| format!("  {line}")),
            );
        }
    }
    lines
}

/// A length of time in one or two units: `0.4 s`, `38 s`, `2 m`, `1 h 5 m`, `3 d`.
pub fn length(milliseconds: i64) -> String {
    let ms = milliseconds.max(0);
    let seconds = ms / 1000;
    match seconds {
        0..=9 if ms % 1000 >= 100 => format!("{seconds}.{} s", ms % 1000 / 100),
        0 => "less than 1 s".to_owned(),
        1..=59 => format!("{seconds} s"),
        60..=599 if seconds % 60 != 0 => format!("{} m {} s", seconds / 60, seconds % 60),
        60..=3599 => format!("{} m", seconds / 60),
        3600..=86_399 if seconds % 3600 >= 60 => {
            format!("{} h {} m", seconds / 3600, seconds % 3600 / 60)
        }
        3600..=86_399 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago in one unit, as a head line says it: `2 m`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - since.as_second()).max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} m", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The time between two instants.
pub fn between(start: Timestamp, end: Timestamp) -> String {
    length(end.as_millisecond() - start.as_millisecond())
}

/// `1 migration`, `2 migrations`.
pub fn count(number: impl Into<u64>, one: &str) -> String {
    let number = number.into();
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// What `<text> ago` reads well with, and the instant itself: `03:02:11 UTC, 2 m ago`; with its day where it is not of
/// this one.
pub fn instant(at: Timestamp, now: Timestamp) -> String {
    let format = if now.as_second() / 86_400 == at.as_second() / 86_400 {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    format!(
        "{} UTC, {} ago",
        at.to_zoned(jiff::tz::TimeZone::UTC).strftime(format),
        age(at, now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_reaches_the_terminal_as_a_command() {
        assert_eq!(
            safe("a\x1b[31mb\x07\u{202e}c\nd\re"),
            r"a\x1b[31mb\x07\u{202e}c de"
        );
        assert_eq!(safe("\u{9b}31m"), r"\x9b31m");
        assert_eq!(safe_lines("\x1b[31mred\x1b[0m\n\tx\x08"), "red\n\tx\\x08");
        assert_eq!(
            safe_lines("\x1b]0;title\x07DROP TABLE x;\x1b[2J"),
            r"\x1b]0;title\x07DROP TABLE x;\x1b[2J"
        );
    }

    #[rstest::rstest]
    #[case(0, "less than 1 s")]
    #[case(400, "0.4 s")]
    #[case(2_100, "2.1 s")]
    #[case(14_900, "14 s")]
    #[case(60_000, "1 m")]
    #[case(125_000, "2 m 5 s")]
    #[case(3_900_000, "1 h 5 m")]
    #[case(200_000_000, "2 d")]
    fn lengths(#[case] milliseconds: i64, #[case] said: &str) {
        assert_eq!(length(milliseconds), said);
    }

    #[test]
    fn wraps_at_blanks_by_columns() {
        assert_eq!(wrap("a b", None), ["a b"]);
        assert_eq!(
            wrap("one two three four five six", Some(20)),
            ["one two three four", "five six"]
        );
        let long = "x".repeat(40);
        assert_eq!(wrap(&format!("a {long} b"), Some(20)), ["a", &long, "b"]);
    }

    #[rstest::rstest]
    #[case("kubectl dbm status shop", &["kubectl dbm status shop"])]
    #[case(
        "kubectl dbm down shop --database identity --reason \"a longer one\"",
        &["kubectl dbm down shop \\", "  --database identity \\", "  --reason \\", "  \"a longer one\""]
    )]
    #[case(
        r#"psql -c 'SELECT a, b FROM c' "it's "' x"#,
        &["psql -c \\", "  'SELECT a, b FROM c' \\", "  \"it's \"' x"]
    )]
    #[case(r"psql -c it\'s\ one more word", &[r"psql -c it\'s\ one \", "  more word"])]
    #[case(
        r#"kubectl run a --overrides='{"spec":{"a":[{"b":"c"}],"d":1}}' -- sh -c 'x y'"#,
        &["kubectl run a \\", r#"  --overrides='{"#, r#"    "spec":{"a":[{"#, r#"    "b":"c"}],"d":1}}' \"#, "  -- sh -c 'x y'"]
    )]
    fn a_long_command_is_continued(#[case] command: &str, #[case] lines: &[&str]) {
        assert_eq!(command_lines(command, Some(24)), lines);
        assert_eq!(command_lines(command, None), [command]);
    }

    #[test]
    fn what_is_said_is_broken_between_words_and_its_command_can_be_copied() {
        let text = "error: shop is not there; see: kubectl dbm status -n production\n\n  a: line that is set in stays as it is";
        let lines = [
            "error: shop is not there;",
            "see:",
            "  kubectl dbm status \\",
            "    -n production",
            "",
            "  a: line that is set in stays as it is",
        ];
        assert_eq!(said_lines(text, Some(26)), lines);
        assert_eq!(said_lines(text, None).join("\n"), text);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(pad("数据", 6), "数据  ");
        assert_eq!(cut("数据库迁移", 5), "数据…");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut_words("数据 库迁移", 9), "数据 …");
        assert_eq!(cut_words("one two", 7), "one two");
        assert_eq!(cut_words("one two", 6), "one …");
    }
}
