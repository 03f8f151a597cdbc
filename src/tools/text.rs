//! PURE. What foreign text may hold that people do not see.

use std::borrow::Cow;

/// Whether a character is invisible, or changes how what stands beside it is shown.
#[must_use]
pub fn is_deceiving(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
}

/// Foreign text on one line, without what is not seen: control characters are blanks, and what deceives is the replacement character.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| !c.is_control() && !is_deceiving(c);
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        c if c.is_control() => ' ',
        c if is_deceiving(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_and_says_what_it_shows() {
        assert!(matches!(one_line("é 名"), Cow::Borrowed("é 名")));
        assert_eq!(
            one_line("ok\nlevel=ERROR\u{1b}[31m\u{202e}x"),
            "ok level=ERROR [31m\u{fffd}x"
        );
    }

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
