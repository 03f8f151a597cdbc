//! Digests as texts.

use sha2::{Digest, Sha256};

/// sha256, in lower-case hex, over names in the order of their bytes, each with a line end after it.
#[must_use]
pub fn digest_of_names(names: &[String]) -> String {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    let mut digest = Sha256::new();
    for name in sorted {
        digest.update(name.as_bytes());
        digest.update(b"\n");
    }
    hex(&digest.finalize())
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}
