//! Whether a configuration says the same wherever it is loaded, by its text.
//!
//! The inventory loads it without what only the Job has: variables, the command line, mounted files. A plain one is made of
//! literals alone, names its URLs by variables, and imports nothing that could answer otherwise; of any other it is not
//! certain that Prisma will read what the inventory read. Whatever is not understood here is not plain.

use std::collections::{BTreeMap, BTreeSet};

use super::words::{Token, tokens};

/// What the value of a variable may be without deciding what Prisma reads.
const URLS: [&str; 4] = ["url", "directUrl", "shadowDatabaseUrl", "connectionString"];

/// A package may be imported whose functions decide nothing by themselves.
pub const MODULES: [&str; 12] = [
    "prisma/config",
    "@prisma/config",
    "@prisma/adapter-pg",
    "pg",
    "dotenv",
    "dotenv/config",
    "dotenv-expand",
    "dotenv-expand/config",
    "path",
    "node:path",
    "url",
    "node:url",
];

/// Whether it is plain.
pub fn is_plain(text: &str) -> bool {
    let Some(tokens) = tokens(text) else {
        return false;
    };
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        names: BTreeMap::new(),
    };
    while parser.at < tokens.len() {
        if parser.statement().is_none() {
            return false;
        }
    }
    true
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// Something of a package.
    Imported,
    /// The function by which Prisma's package reads a variable.
    Env,
    /// A value of this file. It is used as a whole: a part of it may be a URL.
    Value,
}

/// Each of its functions goes on after what it understood, or ends with `None`.
struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    names: BTreeMap<&'a str, Name>,
}

impl<'a> Parser<'a> {
    fn peek(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek(0)?;
        self.at += 1;
        Some(token)
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(Token::Sign(sign))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.peek(ahead) == Some(Token::Word(word))
    }

    fn skip(&mut self, sign: char) -> bool {
        let there = self.is(0, sign);
        self.at += usize::from(there);
        there
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        self.skip(sign).then_some(())
    }

    fn words(&mut self, words: &[&str]) -> bool {
        let there = words
            .iter()
            .enumerate()
            .all(|(ahead, word)| match word.chars().next() {
                Some(sign) if !sign.is_alphabetic() => self.is(ahead, sign),
                _ => self.is_word(ahead, word),
            });
        if there {
            self.at += words.len();
        }
        there
    }

    fn word(&mut self) -> Option<&'a str> {
        match self.next()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        match self.next()? {
            Token::Text(text) => Some(text),
            _ => None,
        }
    }

    fn statement(&mut self) -> Option<()> {
        if self.skip(';') {
            return Some(());
        }
        if self.is_word(0, "import") && !self.is(1, '.') {
            self.at += 1;
            return self.import();
        }
        if self.words(&["export", "default"])
            || self.words(&["module", ".", "exports", "="])
            || self.words(&["exports", ".", "default", "="])
        {
            return self.value(false);
        }
        let _ = self.is_word(0, "export") && self.is_word(1, "const") && self.words(&["export"]);
        if self.words(&["const"]) || self.words(&["let"]) || self.words(&["var"]) {
            return self.binding();
        }
        if self.words(&["async", "function"]) || self.words(&["function"]) {
            // It is not called while the file is loaded: nothing can name it but what is not run either.
            self.word()?;
            self.balanced('(', ')')?;
            return self.balanced('{', '}');
        }
        self.value(false)
    }

    fn import(&mut self) -> Option<()> {
        if let Some(Token::Text(module)) = self.peek(0) {
            self.at += 1;
            return MODULES.contains(&module).then_some(());
        }
        let only_types = self.is_word(0, "type") && !self.is(1, ',') && !self.is_word(1, "from");
        self.at += usize::from(only_types);
        let mut names = BTreeSet::new();
        while !self.words(&["from"]) {
            match self.next()? {
                Token::Word(word) => names.insert(word),
                Token::Sign('{' | '}' | ',' | '*') => continue,
                _ => return None,
            };
        }
        let module = self.text()?;
        // A type is nothing when it runs.
        if only_types {
            return Some(());
        }
        self.imported(&names, module)
    }

    fn imported(&mut self, names: &BTreeSet<&'a str>, module: &str) -> Option<()> {
        if !MODULES.contains(&module) || names.contains("process") {
            return None;
        }
        let of_prisma = module.ends_with("prisma/config");
        for name in names {
            let env = *name == "env";
            if env && (!of_prisma || names.contains("as")) {
                return None;
            }
            let kind = if env { Name::Env } else { Name::Imported };
            self.names.insert(name, kind);
        }
        Some(())
    }

    fn binding(&mut self) -> Option<()> {
        let mut names = BTreeSet::new();
        let parts = self.skip('{');
        while !self.is(0, '=') {
            match self.next()? {
                Token::Word(word) => {
                    names.insert(word);
                }
                Token::Sign(',' | '}') if parts => {}
                // The name of its type.
                Token::Sign(':') if !parts => {
                    self.word()?;
                    while self.skip('.') {
                        self.word()?;
                    }
                }
                _ => return None,
            }
        }
        self.sign('=')?;
        if let (true, Some(Token::Text(module))) =
            (self.is_word(0, "require") && self.is(1, '('), self.peek(2))
            && self.is(3, ')')
            && !self.is(4, '.')
            && !self.is(4, '(')
        {
            self.at += 4;
            return self.imported(&names, module);
        }
        let fresh = |name: &&str| !["env", "process", "require"].contains(name);
        if parts || !names.iter().all(fresh) {
            return None;
        }
        self.value(false)?;
        for name in names {
            self.names.insert(name, Name::Value);
        }
        Some(())
    }

    /// What is evaluated when the file is loaded; `url`: it may be the value of a variable.
    fn value(&mut self, url: bool) -> Option<()> {
        let mut variable = false;
        match self.next()? {
            Token::Text(_) | Token::Number => {}
            Token::Sign('{') => self.object()?,
            Token::Sign('[') => self.list(']')?,
            Token::Sign('(') => {
                self.value(url)?;
                self.sign(')')?;
            }
            Token::Word("true" | "false" | "null" | "undefined" | "__dirname" | "__filename") => {}
            Token::Word("process") if self.words(&[".", "cwd", "(", ")"]) => {}
            Token::Word("process") if url && self.words(&[".", "env"]) => {
                variable = true;
                if self.skip('.') {
                    self.word()?;
                } else {
                    self.sign('[')?;
                    self.text()?;
                    self.sign(']')?;
                }
            }
            Token::Word("import") if self.words(&[".", "meta", "."]) => {
                let word = self.word()?;
                ["url", "dirname", "filename"]
                    .contains(&word)
                    .then_some(())?;
            }
            Token::Word("require") => {
                self.sign('(')?;
                let module = self.text()?;
                self.sign(')')?;
                MODULES.contains(&module).then_some(())?;
                self.used()?;
            }
            Token::Word("new") => {
                let name = self.word()?;
                (self.names.get(name) == Some(&Name::Imported)).then_some(())?;
                self.used()?;
            }
            Token::Word(name) => match self.names.get(name)? {
                Name::Imported => self.used()?,
                Name::Env if url => {
                    variable = true;
                    self.sign('(')?;
                    self.text()?;
                    self.sign(')')?;
                }
                Name::Env => return None,
                Name::Value => {}
            },
            Token::Sign(_) | Token::Odd => return None,
        }
        self.after(variable)
    }

    /// What may follow a value.
    fn after(&mut self, variable: bool) -> Option<()> {
        loop {
            if self.is(0, '!') && !self.is(1, '=') {
                self.at += 1;
            } else if self.words(&["as"]) || self.words(&["satisfies"]) {
                self.word()?;
                while self.skip('.') {
                    self.word()?;
                }
            } else if variable && (self.words(&["?", "?"]) || self.words(&["|", "|"])) {
                self.text()?;
            } else {
                return Some(());
            }
        }
    }

    /// The parts of something imported, and its calls.
    fn used(&mut self) -> Option<()> {
        loop {
            if self.skip('.') {
                // What was read from a file, or from the environment, may be another where it runs.
                let word = self.word()?;
                (!["parsed", "env"].contains(&word)).then_some(())?;
            } else if self.skip('(') {
                self.list(')')?;
            } else {
                return Some(());
            }
        }
    }

    fn list(&mut self, end: char) -> Option<()> {
        while !self.skip(end) {
            self.value(false)?;
            if !self.skip(',') {
                return self.sign(end);
            }
        }
        Some(())
    }

    fn object(&mut self) -> Option<()> {
        while !self.skip('}') {
            self.property()?;
            if !self.skip(',') {
                return self.sign('}');
            }
        }
        Some(())
    }

    fn property(&mut self) -> Option<()> {
        let asynchronous = self.is_word(0, "async") && matches!(self.peek(1), Some(Token::Word(_)));
        self.at += usize::from(asynchronous);
        let key = match self.next()? {
            Token::Word(key) | Token::Text(key) if !key.starts_with('$') => key,
            _ => return None,
        };
        // Prisma calls it when it connects.
        let called_later = key == "adapter";
        if self.is(0, '(') {
            called_later.then_some(())?;
            self.balanced('(', ')')?;
            return self.balanced('{', '}');
        }
        if asynchronous {
            return None;
        }
        if !self.skip(':') {
            let known = self.names.get(key)?;
            return (*known != Name::Env).then_some(());
        }
        if called_later && self.function()? {
            return Some(());
        }
        self.value(URLS.contains(&key))
    }

    /// A function is skipped that nobody calls when the file is loaded.
    fn function(&mut self) -> Option<bool> {
        let start = self.at;
        let _ = self.words(&["async"]);
        if self.words(&["function"]) {
            if matches!(self.peek(0), Some(Token::Word(_))) {
                self.at += 1;
            }
            self.balanced('(', ')')?;
        } else {
            if self.is(0, '(') {
                self.balanced('(', ')')?;
            } else if self.word().is_none() {
                self.at = start;
                return Some(false);
            }
            if !self.words(&["=", ">"]) {
                self.at = start;
                return Some(false);
            }
        }
        if self.is(0, '{') {
            self.balanced('{', '}')?;
        } else {
            self.expression()?;
        }
        (self.is(0, ',') || self.is(0, '}')).then_some(true)
    }

    /// Up to what ends a property.
    fn expression(&mut self) -> Option<()> {
        loop {
            match self.peek(0)? {
                Token::Sign(',' | '}') => return Some(()),
                Token::Sign('(') => self.balanced('(', ')')?,
                Token::Sign('{') => self.balanced('{', '}')?,
                Token::Sign('[') => self.balanced('[', ']')?,
                _ => self.at += 1,
            }
        }
    }

    fn balanced(&mut self, open: char, close: char) -> Option<()> {
        self.sign(open)?;
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                Token::Sign(sign) if sign == open => depth += 1,
                Token::Sign(sign) if sign == close => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
