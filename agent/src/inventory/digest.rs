//! Digests of a migration's file: as it stands, and with all its line ends as LF or as CRLF.

use sha2::{Digest, Sha256};

use dbm_protocol::hex;

/// Computes all three in one pass over a file of any size.
#[derive(Clone, Default)]
pub struct Digests {
    plain: Sha256,
    lf: Sha256,
    crlf: Sha256,
    pending_return: bool,
}

impl Digests {
    /// Takes the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.plain.update(part);
        let mut rest = part;
        if self.pending_return {
            self.pending_return = false;
            if let Some(after) = rest.strip_prefix(b"\n") {
                self.line_end();
                rest = after;
            } else if !rest.is_empty() {
                self.both(b"\r");
            } else {
                self.pending_return = true;
            }
        }
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.both(&rest[..at]);
            let end = &rest[at..];
            if let Some(after) = end.strip_prefix(b"\r\n") {
                self.line_end();
                rest = after;
            } else if let Some(after) = end.strip_prefix(b"\n") {
                self.line_end();
                rest = after;
            } else if end.len() == 1 {
                self.pending_return = true;
                rest = &[];
            } else {
                self.both(b"\r");
                rest = &end[1..];
            }
        }
        self.both(rest);
    }

    /// The digest of the file, and those of its variants that differ from it.
    #[must_use]
    pub fn finish(mut self) -> (String, Vec<String>) {
        if self.pending_return {
            self.both(b"\r");
        }
        let plain = hex(&self.plain.finalize());
        let others = [hex(&self.lf.finalize()), hex(&self.crlf.finalize())];
        let others = others.into_iter().filter(|other| *other != plain).collect();
        (plain, others)
    }

    fn both(&mut self, bytes: &[u8]) {
        self.lf.update(bytes);
        self.crlf.update(bytes);
    }

    fn line_end(&mut self) {
        self.lf.update(b"\n");
        self.crlf.update(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sha256(text: &str) -> String {
        hex(&Sha256::digest(text.as_bytes()))
    }

    fn digests(parts: &[&str]) -> (String, Vec<String>) {
        let mut digests = Digests::default();
        parts
            .iter()
            .for_each(|part| digests.update(part.as_bytes()));
        digests.finish()
    }

    #[test]
    fn variants() {
        assert_eq!(
            digests(&["a\nb\n"]),
            (sha256("a\nb\n"), vec![sha256("a\r\nb\r\n")])
        );
        assert_eq!(
            digests(&["a\r", "\nb\r\n"]),
            (sha256("a\r\nb\r\n"), vec![sha256("a\nb\n")])
        );
        assert_eq!(digests(&["a\r\nb\n"]).1.len(), 2);
        assert_eq!(digests(&["a"]), (sha256("a"), vec![]));
        assert_eq!(
            digests(&[]).0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn parts_do_not_matter(text in "[ab\r\n]{0,40}", cut in 0usize..40) {
            let cut = cut.min(text.len());
            let lf = text.replace("\r\n", "\n");
            let crlf = lf.replace('\n', "\r\n");
            let expected: Vec<String> = [lf, crlf].iter().filter(|other| **other != text).map(|other| sha256(other)).collect();
            prop_assert_eq!(digests(&[&text[..cut], "", &text[cut..]]), (sha256(&text), expected));
        }
    }
}
