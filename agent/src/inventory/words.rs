//! The words of a program in JavaScript or TypeScript, as far as a configuration needs it.

/// One of them. Comments are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A name or a key word.
    Word(&'a str),
    /// What a literal text holds, escapes as they are written.
    Text(&'a str),
    /// A number.
    Number,
    /// A sign.
    Sign(char),
    /// A template with something in it, or a regular expression.
    Odd,
}

/// After these words a `/` begins a regular expression.
const BEFORE_VALUE: [&str; 8] = [
    "return", "typeof", "case", "in", "of", "do", "else", "await",
];

/// None where it is cut off, or holds something that no program does.
pub fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Some(found);
        };
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find(LINE_ENDS).map_or("", |end| &comment[end..]);
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
            continue;
        }
        let (token, length) = match first {
            '"' | '\'' => {
                let length = literal(rest, first)?;
                (Token::Text(&rest[1..length - 1]), length)
            }
            '`' => {
                let (length, plain) = template(rest)?;
                let text = Token::Text(&rest[1..length - 1]);
                (if plain { text } else { Token::Odd }, length)
            }
            '/' if begins_value(&found) => (Token::Odd, regular_expression(rest)?),
            _ if first.is_ascii_digit() => (Token::Number, word(rest)),
            _ if is_of_word(first) => (Token::Word(&rest[..word(rest)]), word(rest)),
            _ => (Token::Sign(first), first.len_utf8()),
        };
        found.push(token);
        rest = &rest[length..];
    }
}

const LINE_ENDS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

fn is_of_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '$'
}

fn word(text: &str) -> usize {
    text.find(|sign| !is_of_word(sign)).unwrap_or(text.len())
}

fn begins_value(found: &[Token<'_>]) -> bool {
    match found.last() {
        None | Some(Token::Sign(_)) => !matches!(found.last(), Some(Token::Sign(')' | ']' | '}'))),
        Some(Token::Word(word)) => BEFORE_VALUE.contains(word),
        Some(Token::Text(_) | Token::Number | Token::Odd) => false,
    }
}

/// How long a text in quotes is, with them.
fn literal(text: &str, quote: char) -> Option<usize> {
    let mut signs = text.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => {
                signs.next()?;
            }
            '\n' | '\r' => return None,
            _ if sign == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// How long a template is, and whether nothing is put into it.
fn template(text: &str) -> Option<(usize, bool)> {
    let mut at = 1;
    let mut plain = true;
    loop {
        let rest = &text[at..];
        match rest.chars().next()? {
            '`' => return Some((at + 1, plain)),
            '\\' => at += 1 + rest.chars().nth(1)?.len_utf8(),
            '$' if rest[1..].starts_with('{') => {
                plain = false;
                at += inside(rest)?;
            }
            sign => at += sign.len_utf8(),
        }
    }
}

/// How long `${...}` is.
fn inside(text: &str) -> Option<usize> {
    let mut at = 2;
    let mut depth = 1;
    while depth > 0 {
        let rest = &text[at..];
        at += match rest.chars().next()? {
            quote @ ('"' | '\'') => literal(rest, quote)?,
            '`' => template(rest)?.0,
            sign => {
                depth += i32::from(sign == '{') - i32::from(sign == '}');
                sign.len_utf8()
            }
        };
    }
    Some(at)
}

fn regular_expression(text: &str) -> Option<usize> {
    let mut class = false;
    let mut signs = text.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => {
                signs.next()?;
            }
            '\n' | '\r' => return None,
            '[' => class = true,
            ']' => class = false,
            '/' if !class => return Some(at + 1 + word(&text[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Token::{Number, Odd, Sign, Text, Word};
    use super::*;

    #[test]
    fn what_it_is_made_of() {
        for (text, expected) in [
            (
                "a /* b */ .c // d\n;",
                vec![Word("a"), Sign('.'), Word("c"), Sign(';')],
            ),
            (
                "'it\\'s' \"//\" `/*`",
                vec![Text("it\\'s"), Text("//"), Text("/*")],
            ),
            ("`a${ {x: `}`} }b` 1_0", vec![Odd, Number]),
            ("(/[/'\"]\\//g)", vec![Sign('('), Odd, Sign(')')]),
            (
                "a / b / c",
                vec![Word("a"), Sign('/'), Word("b"), Sign('/'), Word("c")],
            ),
            ("return /}/", vec![Word("return"), Odd]),
            ("\u{feff}é", vec![Word("é")]),
        ] {
            assert_eq!(tokens(text), Some(expected), "{text}");
        }
        for cut_off in ["'a", "'a\n'", "`a", "`${a`", "/* a", "= /a", "'\\"] {
            assert_eq!(tokens(cut_off), None, "{cut_off}");
        }
    }
}
