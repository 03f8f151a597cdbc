//! Reading a statement from its tokens, one after the other.

use super::token::{Kind, Token};

/// PostgreSQL cuts names after this many bytes (NAMEDATALEN - 1).
const MAX_NAME: usize = 63;

/// A place in a statement. Each `take` goes on only where it finds what it looks for.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    /// The whole text, from which names are read.
    pub sql: &'a str,
    /// What is left of the statement.
    pub tokens: &'a [Token],
}

impl<'a> Cursor<'a> {
    pub(super) fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(super) fn advance_if(&mut self, wanted: impl Fn(&Kind) -> bool) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if wanted(&first.kind) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn take_word(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        match &first.kind {
            Kind::Word(word) => {
                self.tokens = rest;
                Some(word)
            }
            _ => None,
        }
    }

    pub(super) fn take(&mut self, wanted: &str) -> bool {
        self.take_any(&[wanted])
    }

    pub(super) fn take_any(&mut self, wanted: &[&str]) -> bool {
        self.advance_if(|kind| matches!(kind, Kind::Word(word) if wanted.contains(&word.as_str())))
    }

    pub(super) fn take_operator(&mut self, wanted: &str) -> bool {
        self.advance_if(|kind| matches!(kind, Kind::Operator(operator) if operator == wanted))
    }

    pub(super) fn take_if_exists(&mut self) -> bool {
        self.take("IF") && self.take("EXISTS")
    }

    pub(super) fn take_if_not_exists(&mut self) -> bool {
        self.take("IF") && self.take("NOT") && self.take("EXISTS")
    }

    pub(super) fn take_simple_name(&mut self) -> bool {
        self.advance_if(|kind| matches!(kind, Kind::Word(_) | Kind::Name))
    }

    /// A name, with a schema or without.
    pub(super) fn take_name(&mut self) -> bool {
        if !self.take_simple_name() {
            return false;
        }
        while self.advance_if(|kind| *kind == Kind::Mark('.')) {
            if !self.take_simple_name() {
                return false;
            }
        }
        true
    }

    /// A name, as the catalog spells it: folded to lower case without quotes, cut after 63 bytes. `None` where it is
    /// spelt with escapes (`U&"..."`), which are not read here.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let spelt = self.sql.get(first.span.clone())?;
        let mut name = match first.kind {
            Kind::Word(_) => spelt.to_ascii_lowercase(),
            Kind::Name => spelt
                .strip_prefix('"')?
                .strip_suffix('"')?
                .replace("\"\"", "\""),
            _ => return None,
        };
        while name.len() > MAX_NAME {
            name.pop();
        }
        self.tokens = rest;
        (!name.is_empty()).then_some(name)
    }

    /// A name with its schema, where it has one. `None` for more than these two.
    pub(super) fn qualified(&mut self) -> Option<(Option<String>, String)> {
        let first = self.identifier()?;
        if !self.advance_if(|kind| *kind == Kind::Mark('.')) {
            return Some((None, first));
        }
        let second = self.identifier()?;
        match self.tokens.first() {
            Some(token) if token.kind == Kind::Mark('.') => None,
            _ => Some((Some(first), second)),
        }
    }

    /// The value of a literal in single quotes. `None` where it has escapes or is in another form.
    pub(super) fn literal(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let spelt = self.sql.get(first.span.clone())?;
        if first.kind != Kind::Text || spelt.len() < 2 || spelt.contains('\\') {
            return None;
        }
        let value = spelt.strip_prefix('\'')?.strip_suffix('\'')?;
        self.tokens = rest;
        Some(value.replace("''", "'"))
    }

    /// Whether a word stands anywhere in what is left, outside of parentheses.
    pub(super) fn has(&self, wanted: &[&str]) -> bool {
        self.find(wanted).is_some()
    }

    /// Goes behind the first of these words that stands outside of parentheses.
    pub(super) fn skip_past(&mut self, wanted: &[&str]) -> bool {
        match self.find(wanted) {
            Some(at) => {
                self.tokens = &self.tokens[at + 1..];
                true
            }
            None => false,
        }
    }

    fn find(&self, wanted: &[&str]) -> Option<usize> {
        let mut depth = 0_usize;
        self.tokens.iter().position(|token| {
            match &token.kind {
                Kind::Mark('(' | '[') => depth += 1,
                Kind::Mark(')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(&token.kind, Kind::Word(word) if wanted.contains(&word.as_str()))
        })
    }

    /// The next word, without going on.
    pub(super) fn peek_word(&self) -> &'a str {
        match self.tokens.first().map(|token| &token.kind) {
            Some(Kind::Word(word)) => word,
            _ => "",
        }
    }

    /// Every name in what is left, whatever it names.
    pub(super) fn names(&self) -> Vec<String> {
        let mut cursor = *self;
        let mut names = Vec::new();
        while let Some((_, rest)) = cursor.tokens.split_first() {
            match cursor.identifier() {
                Some(name) => names.push(name),
                None => cursor.tokens = rest,
            }
        }
        names
    }

    /// A group in parentheses.
    pub(super) fn take_group(&mut self) -> bool {
        self.group().is_some()
    }

    /// The tokens of a group in parentheses, without these.
    pub(super) fn group(&mut self) -> Option<&'a [Token]> {
        let tokens = self.tokens;
        if tokens.first()?.kind != Kind::Mark('(') {
            return None;
        }
        let mut depth = 0_usize;
        for (at, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Mark('(') => depth += 1,
                Kind::Mark(')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.tokens = &tokens[at + 1..];
                return Some(&tokens[1..at]);
            }
        }
        None
    }

    /// What stands between the commas that are in no parentheses.
    pub(super) fn split_by_comma(&self) -> Vec<&'a [Token]> {
        let mut depth = 0_usize;
        let tokens = self.tokens;
        tokens
            .split(|token| {
                match token.kind {
                    Kind::Mark('(' | '[') => depth += 1,
                    Kind::Mark(')' | ']') => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0 && token.kind == Kind::Mark(',')
            })
            .collect()
    }
}
