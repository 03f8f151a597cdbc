//! PostgreSQL's lexical rules, as far as it takes to find where a statement ends.
//!
//! Source: <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes, in upper case.
    Word(String),
    /// A name in double quotes.
    Name,
    /// A literal in single or dollar quotes.
    Text,
    /// A number, or a parameter like `$1`.
    Number,
    /// An operator, as long as it can be.
    Operator(String),
    /// `( ) [ ] , ; : .`
    Mark(char),
}

/// A token and where it stands, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Range<usize>,
}

/// The tokens of a text, and whether the text could be read in one way only.
pub(super) struct Tokens {
    pub tokens: Vec<Token>,
    /// A quote or a comment is not closed, a character belongs nowhere, or a literal means something else under
    /// another `standard_conforming_strings`.
    pub doubtful: bool,
    /// A quote or a comment is not closed.
    pub open: bool,
}

pub(super) fn tokens(sql: &str) -> Tokens {
    let mut lexer = Lexer {
        sql,
        at: 0,
        doubtful: false,
        open: false,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    Tokens {
        tokens,
        doubtful: lexer.doubtful,
        open: lexer.open,
    }
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    doubtful: bool,
    open: bool,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.sql[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes on for as long as characters are of a kind.
    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    /// Goes behind the next `end`, or to the end of the text, which is then doubtful.
    fn skip_past(&mut self, end: &str) {
        match self.rest().find(end) {
            Some(found) => self.at += found + end.len(),
            None => {
                self.at = self.sql.len();
                self.doubtful = true;
                self.open = true;
            }
        }
    }

    fn next_token(&mut self) -> Option<Token> {
        self.skip_blank();
        let start = self.at;
        let first = self.peek()?;
        let kind = match first {
            '\'' => self.text(false),
            '"' => self.name(),
            '$' => self.dollar(),
            c if is_name_start(c) => self.word(),
            c if c.is_ascii_digit() => self.number(),
            '(' | ')' | '[' | ']' | ',' | ';' | ':' | '.' => {
                self.at += 1;
                Kind::Mark(first)
            }
            c if is_operator(c) => self.operator(),
            c => {
                self.at += c.len_utf8();
                self.doubtful = true;
                Kind::Mark(c)
            }
        };
        Some(Token {
            kind,
            span: start..self.at,
        })
    }

    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|c| {
                matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{feff}')
            });
            if self.rest().starts_with("--") {
                self.skip_while(|c| c != '\n' && c != '\r');
            } else if self.rest().starts_with("/*") {
                self.comment();
            } else {
                return;
            }
        }
    }

    /// Comments nest.
    fn comment(&mut self) {
        let mut depth = 0;
        while self.at < self.sql.len() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += self.peek().map_or(1, char::len_utf8);
            }
        }
        self.doubtful = true;
        self.open = true;
    }

    /// A literal from its first quote on. A doubled quote is one inside; a backslash only with `E` before.
    fn text(&mut self, escapes: bool) -> Kind {
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    self.doubtful = true;
                    self.open = true;
                    break;
                }
                Some('\'') if self.rest().starts_with("''") => self.at += 2,
                Some('\'') => {
                    self.at += 1;
                    break;
                }
                Some('\\') if escapes => {
                    self.at += 1;
                    self.at += self.peek().map_or(0, char::len_utf8);
                }
                Some(c) => {
                    self.doubtful |= c == '\\';
                    self.at += c.len_utf8();
                }
            }
        }
        Kind::Text
    }

    /// A name in double quotes; a doubled quote ends it and begins it again, which comes to the same.
    fn name(&mut self) -> Kind {
        loop {
            self.at += 1;
            self.skip_past("\"");
            if self.peek() != Some('"') {
                return Kind::Name;
            }
        }
    }

    fn dollar(&mut self) -> Kind {
        let rest = self.rest();
        let tag_end = rest[1..]
            .find(|c| !is_name_part(c) || c == '$')
            .map(|end| end + 1);
        match tag_end {
            Some(end)
                if rest[end..].starts_with('$')
                    && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) =>
            {
                let delimiter = rest[..=end].to_owned();
                self.at += delimiter.len();
                self.skip_past(&delimiter);
                Kind::Text
            }
            _ => {
                self.at += 1;
                self.skip_while(|c| c.is_ascii_digit());
                Kind::Number
            }
        }
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        self.skip_while(is_name_part);
        let word = self.sql[start..self.at].to_uppercase();
        match (word.as_str(), self.peek()) {
            ("E", Some('\'')) => self.text(true),
            ("B" | "X" | "N", Some('\'')) => self.text(false),
            // U&"..." and U&'...': their escapes hold no quote.
            ("U", Some('&')) if self.rest().starts_with("&'") || self.rest().starts_with("&\"") => {
                self.at += 1;
                if self.peek() == Some('"') {
                    self.name()
                } else {
                    self.text(false)
                }
            }
            _ => Kind::Word(word),
        }
    }

    fn number(&mut self) -> Kind {
        self.skip_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        Kind::Number
    }

    /// Operators end where a comment begins.
    fn operator(&mut self) -> Kind {
        let start = self.at;
        while self.peek().is_some_and(is_operator)
            && !(self.at > start
                && (self.rest().starts_with("--") || self.rest().starts_with("/*")))
        {
            self.at += 1;
        }
        Kind::Operator(self.sql[start..self.at].to_owned())
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '$'
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}
