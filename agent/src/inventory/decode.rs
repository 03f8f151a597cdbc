//! Reads bytes as Prisma's command line does: as UTF-8, with U+FFFD for what is none.

/// Decodes a text that comes in parts.
#[derive(Default)]
pub(super) struct Decoder {
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
    /// How many bytes came before `begun`.
    position: u64,
    /// Where the first byte stands that is no UTF-8.
    pub(super) bad: Option<u64>,
    /// Where the first NUL stands.
    pub(super) nul: Option<u64>,
}

impl Decoder {
    /// Takes the next part, and gives on what it means.
    pub(super) fn push(&mut self, part: &[u8], mut each: impl FnMut(&str)) {
        let joined;
        let mut rest = if self.begun.is_empty() {
            part
        } else {
            self.begun.extend_from_slice(part);
            joined = std::mem::take(&mut self.begun);
            joined.as_slice()
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.good(text, &mut each);
                    return;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.good(&String::from_utf8_lossy(good), &mut each);
                    let Some(length) = error.error_len() else {
                        self.begun = bad.to_vec();
                        return;
                    };
                    self.replace(length, &mut each);
                    rest = &bad[length..];
                }
            }
        }
    }

    /// What was begun has no end.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&str)) {
        let length = std::mem::take(&mut self.begun).len();
        if length > 0 {
            self.replace(length, &mut each);
        }
    }

    fn good(&mut self, text: &str, each: &mut impl FnMut(&str)) {
        if let (None, Some(at)) = (self.nul, text.find('\0')) {
            self.nul = Some(self.position + at as u64);
        }
        self.position += text.len() as u64;
        each(text);
    }

    fn replace(&mut self, length: usize, each: &mut impl FnMut(&str)) {
        self.bad = self.bad.or(Some(self.position));
        self.position += length as u64;
        each("\u{fffd}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(parts: &[&[u8]]) -> (String, Option<u64>, Option<u64>) {
        let mut decoder = Decoder::default();
        let mut text = String::new();
        for part in parts {
            decoder.push(part, |more| text.push_str(more));
        }
        decoder.finish(|more| text.push_str(more));
        (text, decoder.bad, decoder.nul)
    }

    #[test]
    fn places() {
        assert_eq!(
            decoded(&[b"ab\xe9c"]),
            ("ab\u{fffd}c".to_owned(), Some(2), None)
        );
        assert_eq!(decoded(&["ä".as_bytes(), b"\0"]).2, Some(2));
        assert_eq!(
            decoded(&[b"a\xc3"]),
            ("a\u{fffd}".to_owned(), Some(1), None)
        );
    }

    proptest! {
        #[test]
        fn parts_do_not_matter(bytes in prop::collection::vec(prop::sample::select(vec![0_u8, b'a', 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xff, 0xed, 0xa0]), 0..24), cut in 0_usize..24) {
            let cut = cut.min(bytes.len());
            let (text, bad, _) = decoded(&[&bytes[..cut], &[], &bytes[cut..]]);
            prop_assert_eq!(&text, &String::from_utf8_lossy(&bytes));
            prop_assert_eq!(bad.is_some(), std::str::from_utf8(&bytes).is_err());
        }
    }
}
