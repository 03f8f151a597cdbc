//! PURE. What foreign text may hold that people do not see.

/// Whether a character is invisible, or changes how what stands beside it is shown.
#[must_use]
pub fn is_deceiving(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
