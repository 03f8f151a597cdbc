//! Finds secrets in what was encoded by bytes: base64 that is wrapped at any column, hex, dumps of buffers.

use std::collections::HashSet;
use std::ops::Range;

/// So many bytes in a row of a secret give it away.
const WINDOW: usize = 5;

/// Shorter runs of base64 hold no window at every place of a group.
const SHORTEST_RUN: usize = 8;

/// The pieces of secrets.
#[derive(Clone, Default)]
pub(super) struct Windows {
    pieces: HashSet<[u8; WINDOW]>,
    /// Whether a piece begins with these two bytes.
    begins: Vec<bool>,
}

/// What the end of a line encodes, where that may go on in the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    base64: Vec<u8>,
    hex: Vec<u8>,
    decimal: Vec<u8>,
}

impl Windows {
    /// Adds those of a secret.
    pub(super) fn add(&mut self, secret: &[u8]) {
        if self.begins.is_empty() {
            self.begins = vec![false; 1 << 16];
        }
        for window in secret.windows(WINDOW) {
            let mut piece = [0; WINDOW];
            piece.copy_from_slice(window);
            self.begins[usize::from(piece[0]) << 8 | usize::from(piece[1])] = true;
            self.pieces.insert(piece);
        }
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        bytes.windows(WINDOW).any(|window| {
            let place = usize::from(window[0]) << 8 | usize::from(window[1]);
            self.begins.get(place) == Some(&true) && self.pieces.contains(window)
        })
    }

    /// Where they stand in a line, which may go on with what the line before it ended with.
    pub(super) fn ranges(&self, line: &str, open: &mut Open) -> Vec<Range<usize>> {
        if self.pieces.is_empty() {
            return Vec::new();
        }
        let before = std::mem::take(open);
        let mut found = Vec::new();
        self.in_base64(line, &before, open, &mut found);
        self.in_numbers(line, &before, open, &mut found);
        found
    }

    fn in_base64(&self, line: &str, before: &Open, open: &mut Open, found: &mut Vec<Range<usize>>) {
        let is_sign = |byte: u8| sextet(byte).is_some() || byte == b'=';
        let bytes = line.as_bytes();
        let (first, last) = (line.len() - line.trim_start().len(), line.trim_end().len());
        let mut start = 0;
        while start < bytes.len() {
            if !is_sign(bytes[start]) {
                start += 1;
                continue;
            }
            let length = bytes[start..]
                .iter()
                .take_while(|byte| is_sign(**byte))
                .count();
            let end = start + length;
            let run = &bytes[start..end];
            let goes_on = start == first && !before.base64.is_empty();
            // Wrapped so that a line holds less than a window.
            let alone = start == first && end == last;
            if length >= SHORTEST_RUN || goes_on || alone {
                let carried: &[u8] = if goes_on { &before.base64 } else { &[] };
                let mut decoded = carried.to_vec();
                decode(run, &mut decoded);
                if end == last {
                    open.base64 = tail(&decoded);
                }
                let elsewhere = |from: usize| {
                    let mut decoded = Vec::new();
                    decode(run.get(from..).unwrap_or_default(), &mut decoded);
                    self.holds(&decoded)
                };
                if self.holds(&decoded) || length >= SHORTEST_RUN && (1..4).any(elsewhere) {
                    found.push(start..end);
                }
            }
            start = end;
        }
    }

    fn in_numbers(
        &self,
        line: &str,
        before: &Open,
        open: &mut Open,
        found: &mut Vec<Range<usize>>,
    ) {
        let first = line.len() - line.trim_start().len();
        let mut words = words(line).peekable();
        // What a dump begins a line with: where in the data it is.
        if let Some((range, word)) = words.peek()
            && word.len() >= 7
            && word.bytes().all(|byte| byte.is_ascii_hexdigit())
            && line[range.end..].starts_with([':', ' '])
            && line[..range.start].trim().is_empty()
            && !line[range.end..].trim().is_empty()
        {
            words.next();
        }
        let words: Vec<(Range<usize>, &str)> = words.collect();
        for (read, carried, left) in [
            (hex as Read, &before.hex, &mut open.hex),
            (decimal as Read, &before.decimal, &mut open.decimal),
        ] {
            let mut at = 0;
            while at < words.len() {
                let from = at;
                let mut bytes = if from == 0 {
                    carried.clone()
                } else {
                    Vec::new()
                };
                while at < words.len() && read(words[at].1, &mut bytes) {
                    at += 1;
                }
                if at == from {
                    at += 1;
                    continue;
                }
                if from == 0 || at == words.len() {
                    *left = tail(&bytes);
                }
                if self.holds(&bytes) {
                    // Beside what it encodes, a dump prints the text.
                    found.push(match from {
                        0 => first..line.len(),
                        _ => words[from].0.start..words[at - 1].0.end,
                    });
                }
            }
        }
    }
}

type Read = fn(&str, &mut Vec<u8>) -> bool;

fn tail(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(WINDOW - 1)..].to_vec()
}

/// Of both alphabets.
fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn decode(run: &[u8], bytes: &mut Vec<u8>) {
    let (mut held, mut bits) = (0u32, 0);
    for sextet in run.iter().filter_map(|byte| sextet(*byte)) {
        held = held << 6 | u32::from(sextet);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
}

/// What stands between the signs that part numbers.
fn words(line: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let parts = |sign: char| {
        sign.is_ascii_whitespace()
            || matches!(
                sign,
                ',' | ':' | ';' | '\\' | '[' | ']' | '(' | ')' | '<' | '>' | '"' | '\''
            )
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(|sign| !parts(sign))?;
        let end = line[start..]
            .find(parts)
            .map_or(line.len(), |end| start + end);
        at = end;
        Some((start..end, &line[start..end]))
    })
}

fn hex(word: &str, bytes: &mut Vec<u8>) -> bool {
    let digits = word
        .strip_prefix("0x")
        .or_else(|| word.strip_prefix('x'))
        .unwrap_or(word);
    let even = !digits.is_empty() && digits.len().is_multiple_of(2);
    if !even || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let pairs = digits.as_bytes().chunks(2);
    bytes.extend(pairs.filter_map(|pair| {
        let text = str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    }));
    true
}

fn decimal(word: &str, bytes: &mut Vec<u8>) -> bool {
    let byte: Option<u8> = word
        .parse()
        .ok()
        .filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()));
    bytes.extend(byte);
    byte.is_some()
}

#[cfg(test)]
mod tests {
    use super::super::redact_text;
    use super::super::secrets::Secrets;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const URL: &str = "postgresql://app:correct-horse-battery@db:5432/shop?schema=public";

    fn shown(text: &str) -> String {
        redact_text(
            &Secrets::collect([("DATABASE_URL", URL)], &["DATABASE_URL"]),
            text,
        )
    }

    fn wrapped(text: &str, width: usize) -> String {
        let parts: Vec<&str> = text
            .as_bytes()
            .chunks(width)
            .filter_map(|part| str::from_utf8(part).ok())
            .collect();
        parts.join("\n")
    }

    #[test]
    fn base64_in_lines_of_any_width() {
        for width in [4, 8, 12, 20, 32, 64, 76] {
            let text = format!("key: x\n{}\ndone", wrapped(&STANDARD.encode(URL), width));
            let shown = shown(&text);
            // Of the URL no line is left, but for one that holds less than a window of it.
            let left: Vec<&str> = shown.lines().filter(|line| *line != "[redacted]").collect();
            assert!(left.len() <= 3 + 8 / width, "{width}: {shown}");
            assert!(
                shown.starts_with("key: x\n") && shown.ends_with("\ndone"),
                "{shown}"
            );
        }
    }

    #[test]
    fn hex_and_buffers() {
        let hex: String = URL.bytes().map(|byte| format!("{byte:02x}")).collect();
        let pairs: Vec<String> = URL.bytes().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = URL.bytes().map(|byte| byte.to_string()).collect();
        let rows: Vec<String> = pairs
            .chunks(16)
            .enumerate()
            .map(|(row, bytes)| {
                format!(
                    "{:08x}: {}  {}",
                    row * 16,
                    bytes.join(" "),
                    &URL[row * 16..(row * 16 + bytes.len())]
                )
            })
            .collect();
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            format!("\\x{hex}"),
            wrapped(&hex, 32),
            format!("<Buffer {} ... 15 more bytes>", pairs[..50].join(" ")),
            format!("{{\"type\":\"Buffer\",\"data\":[{}]}}", numbers.join(",")),
            format!(
                "Uint8Array(65) [\n  {}\n]",
                numbers
                    .chunks(12)
                    .map(|row| row.join(", "))
                    .collect::<Vec<_>>()
                    .join(",\n  ")
            ),
            format!("\\x{}", pairs.join("\\x")),
            rows.join("\n"),
        ] {
            let shown = shown(&text);
            for part in [
                "63 6f 72 72 65",
                "636f7272",
                "636F7272",
                "99, 111, 114",
                "99,111,114",
                "\\x63\\x6f",
                "correct",
                "horse",
                "battery",
            ] {
                assert!(!shown.contains(part), "{text}: {shown}");
            }
            assert!(shown.contains("[redacted]"), "{shown}");
        }
    }

    #[test]
    fn other_numbers_are_left() {
        for text in [
            "<Buffer 70 72 69 73 6d 61>",
            "Uint8Array(3) [ 1, 2, 3 ]",
            "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "packages/tasks-db/prisma/migrations/20260101000000_init/migration.sql",
            "aGVsbG8sIHRoaXMgaXMgYSB0ZXh0",
            "00000000: 68 65 6c 6c 6f  hello",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
