//! Makes clean lines of a stream of bytes, in constant memory.

/// Drops escape sequences and control characters from bytes that come in parts of any size, and parts them into lines of
/// bounded length.
#[derive(Debug)]
pub struct Lines {
    state: Escape,
    line: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The text, clean.
    pub text: String,
    /// Its end was dropped.
    pub overflowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    /// After ESC.
    Started,
    /// Within `ESC [ ...`.
    Control,
    /// Within `ESC ] ...` and its like, until BEL or `ESC \`.
    Text,
    TextEnding,
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

impl Lines {
    /// Keeps up to `limit` bytes of each line.
    #[must_use]
    pub fn new(limit: usize) -> Lines {
        Lines {
            state: Escape::None,
            line: Vec::new(),
            limit,
            overflowed: false,
        }
    }

    /// Takes the next bytes, and gives each line that they complete.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Line)) {
        for &byte in bytes {
            if byte == b'\n' {
                // A sequence that never ends ends here.
                self.state = Escape::None;
                each(self.take());
            } else if self.is_text(byte) {
                if self.line.len() < self.limit {
                    self.line.push(byte);
                } else {
                    self.overflowed = true;
                }
            }
        }
    }

    /// What stands behind the last line end, if anything does.
    pub fn finish(&mut self) -> Option<Line> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        let text = without_controls(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        Line {
            text,
            overflowed: std::mem::take(&mut self.overflowed),
        }
    }

    fn is_text(&mut self, byte: u8) -> bool {
        let (next, text) = match (self.state, byte) {
            (Escape::None | Escape::Started | Escape::Control, ESC) => (Escape::Started, false),
            (Escape::None, _) => (Escape::None, byte == b'\t' || !byte.is_ascii_control()),
            (Escape::Started, b'[') => (Escape::Control, false),
            (Escape::Started, b']' | b'P' | b'X' | b'^' | b'_') => (Escape::Text, false),
            (Escape::Started, 0x20..=0x2f) => (Escape::Started, false),
            (Escape::Started, _) => (Escape::None, false),
            (Escape::Control, 0x20..=0x3f) => (Escape::Control, false),
            (Escape::Control, _) => (Escape::None, false),
            (Escape::Text | Escape::TextEnding, ESC) => (Escape::TextEnding, false),
            (Escape::Text, BEL) => (Escape::None, false),
            (Escape::Text, _) => (Escape::Text, false),
            (Escape::TextEnding, b'\\') => (Escape::None, false),
            (Escape::TextEnding, _) => (Escape::Text, false),
        };
        self.state = next;
        text
    }
}

/// The text without control characters and without those that change the direction of writing.
#[must_use]
pub fn without_controls(text: &str) -> String {
    text.chars()
        .filter(|letter| {
            *letter == '\t'
                || !letter.is_control()
                    && !matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(limit: usize, parts: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        for part in parts {
            lines.push(part, |line| found.push((line.text, line.overflowed)));
        }
        found.extend(lines.finish().map(|line| (line.text, line.overflowed)));
        found
    }

    fn text(bytes: &[u8]) -> String {
        lines(1000, &[bytes])
            .into_iter()
            .map(|(text, _)| text)
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn cleans() {
        assert_eq!(
            text(b"\x1b[1;31mError\x1b[0m: \x07x\x08y\r\nz"),
            "Error: xy|z"
        );
        assert_eq!(
            text(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(Bc"),
            "abc"
        );
        assert_eq!(text(b"\x1b]never ends\nnext"), "|next");
        assert_eq!(text(b"a\xff\xfeb\tc"), "a\u{fffd}\u{fffd}b\tc");
        assert_eq!(text("a\u{9b}b\u{202e}c é €".as_bytes()), "abc é €");
        assert_eq!(text(b"\n\na"), "||a");
    }

    #[test]
    fn cuts() {
        assert_eq!(
            lines(3, &[b"abc\nab", b"cd\ne"]),
            [
                ("abc".into(), false),
                ("abc".into(), true),
                ("e".into(), false)
            ]
        );
    }

    proptest! {
        #[test]
        fn parts_do_not_matter(bytes in prop::collection::vec(prop_oneof![Just(0x1b), Just(b'['), Just(b']'), Just(b'\n'), any::<u8>()], 0..60), cut in 0usize..60) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(lines(20, &[&bytes[..cut], &bytes[cut..]]), lines(20, &[&bytes]));
        }
    }
}
