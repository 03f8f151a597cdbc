//! PURE. What foreign text may hold that people do not see.

/// Whether a character is invisible, or changes how what stands beside it is shown.
#[must_use]
pub fn is_deceiving(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_deceives_and_letters_do_not() {
        for c in [
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{202e}',
            '\u{2029}',
            '\u{3164}',
            '\u{e0001}',
            '\u{e007f}',
        ] {
            assert!(is_deceiving(c), "{c:?}");
        }
        for c in ['a', 'é', '名', ' ', '\u{301}', '😀', 'ع', '\u{3000}'] {
            assert!(!is_deceiving(c), "{c:?}");
        }
    }
}
