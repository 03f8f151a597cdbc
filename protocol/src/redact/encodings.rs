//! How other programs write a text: in quotes, and in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A shorter piece of base64 may stand anywhere by chance.
const SHORTEST_PIECE: usize = 8;

/// As JavaScript, JSON (of Node, Go, Python, PHP; also within JSON) and SQL write it between their quotes.
pub(super) fn quoted(text: &str, mut each: impl FnMut(&str)) {
    let slashes = text.replace('\\', "\\\\");
    each(&slashes.replace('\'', "\\'"));
    each(&text.replace('\'', "''"));
    let json = slashes.replace('"', "\\\"");
    let variants = [
        json.replace('/', "\\/"),
        escaped(&json, |sign| matches!(sign, '<' | '>' | '&')),
        escaped(&json, |sign| !sign.is_ascii()),
        escaped(&json, |sign| {
            matches!(sign, '<' | '>' | '&') || !sign.is_ascii()
        }),
        json.replace('\\', "\\\\").replace('"', "\\\""),
        json,
    ];
    variants.iter().for_each(|variant| each(variant));
}

/// With these signs as `\u003c`.
fn escaped(text: &str, is: impl Fn(char) -> bool) -> String {
    let mut output = String::with_capacity(text.len());
    let mut units = [0; 2];
    for sign in text.chars() {
        if is(sign) {
            for unit in sign.encode_utf16(&mut units) {
                output.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            output.push(sign);
        }
    }
    output
}

/// As a whole, and the piece that it makes within a longer text, which begins at one of three places of a group.
pub(super) fn base64(text: &str, mut each: impl FnMut(&str)) {
    if text.len() * 4 / 3 < SHORTEST_PIECE {
        return;
    }
    each(&STANDARD.encode(text));
    each(&URL_SAFE.encode(text));
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(text.as_bytes());
        // What a sign shares with the bytes around is left out.
        let from = (before * 8).div_ceil(6);
        let to = bytes.len() * 8 / 6;
        for encoded in [
            STANDARD_NO_PAD.encode(&bytes),
            URL_SAFE_NO_PAD.encode(&bytes),
        ] {
            if let Some(piece) = encoded.get(from..to).filter(|p| p.len() >= SHORTEST_PIECE) {
                each(piece);
            }
        }
    }
}
