//! The statements that change nothing but the catalog.

use super::token::{Kind, Token};

/// What may stand before a parenthesis where an expression can run: types, clauses, and functions that only compute.
/// `nextval` is not among them, because it moves a sequence.
const CALLS: &[&str] = &[
    "AND",
    "AS",
    "BIT",
    "CHAR",
    "CHARACTER",
    "CHAR_LENGTH",
    "CHECK",
    "CLOCK_TIMESTAMP",
    "COALESCE",
    "CURRENT_TIMESTAMP",
    "DECIMAL",
    "DEFAULT",
    "FLOAT",
    "GEN_RANDOM_UUID",
    "IDENTITY",
    "IN",
    "INCLUDE",
    "INTERVAL",
    "KEY",
    "LENGTH",
    "LOWER",
    "NOT",
    "NOW",
    "NUMERIC",
    "OR",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TIMETZ",
    "UNIQUE",
    "UPPER",
    "UUID_GENERATE_V4",
    "VARBIT",
    "VARCHAR",
    "VARYING",
    "WHERE",
    "WITH",
];

/// Operators that are PostgreSQL's own on all common types.
const OPERATORS: &[&str] = &[
    "=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*", "/", "%", "||", "~", "~*", "!~", "!~*",
    "&&", "@>", "<@", "->", "->>", "?",
];

/// Settings that bound a migration and change nothing.
const SETTINGS: &[&str] = &[
    "LOCK_TIMEOUT",
    "STATEMENT_TIMEOUT",
    "IDLE_IN_TRANSACTION_SESSION_TIMEOUT",
    "CLIENT_MIN_MESSAGES",
    "MAINTENANCE_WORK_MEM",
];

/// Whether one statement is on the list.
pub(super) fn is_allowed(statement: &[Token]) -> bool {
    let mut cursor = Cursor { tokens: statement };
    match cursor.take_word() {
        Some("CREATE") => create(cursor),
        Some("ALTER") => alter(cursor),
        Some("DROP") => drop_object(cursor),
        // Rights and remarks, in all their forms.
        Some("COMMENT" | "GRANT" | "REVOKE") => true,
        Some("SET") => set(cursor),
        Some("RESET") => cursor.take_any(SETTINGS) && cursor.is_done(),
        Some("BEGIN" | "COMMIT") => {
            cursor.is_done() || cursor.take("TRANSACTION") && cursor.is_done()
        }
        Some("START") => cursor.take("TRANSACTION") && cursor.is_done(),
        _ => false,
    }
}

fn create(mut cursor: Cursor<'_>) -> bool {
    let replaces = cursor.take("OR") && cursor.take("REPLACE");
    match cursor.take_word() {
        // Their bodies are kept, not run.
        Some("FUNCTION" | "PROCEDURE" | "VIEW" | "TRIGGER") => true,
        _ if replaces => false,
        Some("POLICY" | "DOMAIN" | "SEQUENCE") => true,
        Some("UNLOGGED") => cursor.take("TABLE") && create_table(cursor),
        Some("TABLE") => create_table(cursor),
        Some("UNIQUE") => cursor.take("INDEX") && create_index(cursor),
        Some("INDEX") => create_index(cursor),
        Some("TYPE") => {
            cursor.take_name() && cursor.take("AS") && {
                cursor.take("ENUM");
                cursor.take_group() && cursor.is_done()
            }
        }
        Some("SCHEMA") => {
            cursor.take_if_not_exists();
            cursor.take_name() && cursor.is_done()
        }
        _ => false,
    }
}

/// `name ( ... )` and a tail without a query: nothing in it runs, because the table is empty.
fn create_table(mut cursor: Cursor<'_>) -> bool {
    cursor.take_if_not_exists();
    if !(cursor.take_name() && cursor.take_group()) {
        return false;
    }
    cursor
        .tokens
        .iter()
        .all(|token| !matches!(&token.kind, Kind::Word(word) if word == "AS" || word == "OF"))
}

fn create_index(mut cursor: Cursor<'_>) -> bool {
    if cursor.take("CONCURRENTLY") {
        return false;
    }
    cursor.take_if_not_exists();
    // Without a name PostgreSQL makes one up.
    let named = cursor.take("ON") || cursor.take_name() && cursor.take("ON");
    if !named {
        return false;
    }
    cursor.take("ONLY");
    if !cursor.take_name() {
        return false;
    }
    if cursor.take("USING") && !cursor.take_name() {
        return false;
    }
    cursor.take_group_of_harmless() && harmless(cursor.tokens)
}

fn alter(mut cursor: Cursor<'_>) -> bool {
    match cursor.take_word() {
        Some("TABLE") => {
            cursor.take_if_exists();
            cursor.take("ONLY");
            cursor.take_name()
                && cursor
                    .split_by_comma()
                    .into_iter()
                    .all(|tokens| table_action(Cursor { tokens }))
        }
        Some("INDEX" | "VIEW" | "SCHEMA") => {
            cursor.take_if_exists();
            cursor.take_name()
                && cursor.take("RENAME")
                && cursor.take("TO")
                && cursor.take_name()
                && cursor.is_done()
        }
        Some("TYPE") => {
            cursor.take_name()
                && match cursor.take_word() {
                    Some("ADD") => cursor.take("VALUE"),
                    Some("RENAME") => cursor.take("VALUE") || cursor.take("TO"),
                    _ => false,
                }
        }
        Some("SEQUENCE") => {
            cursor.take_if_exists();
            cursor.take_name() && cursor.take("OWNED") && cursor.take("BY")
        }
        Some("DEFAULT") => cursor.take("PRIVILEGES"),
        _ => false,
    }
}

fn table_action(mut cursor: Cursor<'_>) -> bool {
    match cursor.take_word() {
        Some("ADD") => harmless(cursor.tokens),
        Some("ALTER") => {
            cursor.take("COLUMN");
            cursor.take_simple_name()
                && match (cursor.take_word(), cursor.take_word()) {
                    (Some("SET"), Some("DEFAULT")) => true,
                    (Some("DROP"), Some("DEFAULT")) => cursor.is_done(),
                    (Some("SET" | "DROP"), Some("NOT")) => cursor.take("NULL") && cursor.is_done(),
                    (Some("SET"), Some("STATISTICS" | "STORAGE")) => true,
                    _ => false,
                }
        }
        Some("RENAME" | "VALIDATE") => true,
        Some("DROP") => {
            cursor.take("CONSTRAINT") && {
                cursor.take_if_exists();
                cursor.take_simple_name() && cursor.is_done()
            }
        }
        Some("ENABLE" | "DISABLE") => {
            cursor.take("ROW") && cursor.take("LEVEL") && cursor.take("SECURITY")
        }
        Some("OWNER") => cursor.take("TO"),
        _ => false,
    }
}

/// What can be made again from the catalog alone. Without CASCADE nothing that holds rows goes with it.
fn drop_object(mut cursor: Cursor<'_>) -> bool {
    let kind = cursor.take_any(&[
        "INDEX", "VIEW", "TYPE", "DOMAIN", "FUNCTION", "TRIGGER", "POLICY",
    ]);
    let banned = |token: &Token| matches!(&token.kind, Kind::Word(word) if word == "CASCADE" || word == "CONCURRENTLY");
    kind && !cursor.tokens.iter().any(banned)
}

fn set(mut cursor: Cursor<'_>) -> bool {
    let _ = cursor.take("LOCAL") || cursor.take("SESSION");
    if !cursor.take_any(SETTINGS) {
        return false;
    }
    let to = cursor.take("TO") || cursor.take_operator("=");
    let value = cursor.tokens.first().map(|token| &token.kind);
    to && cursor.tokens.len() == 1
        && matches!(value, Some(Kind::Text | Kind::Number | Kind::Word(_)))
}

/// No token that could run something which is not known: every call and every operator is on its list. The table after
/// `REFERENCES`, and a name of a constraint, are no calls.
fn harmless(tokens: &[Token]) -> bool {
    let mut cursor = Cursor { tokens };
    loop {
        if cursor.take("REFERENCES") && !cursor.take_name() {
            return false;
        }
        if cursor.take("USING")
            && !cursor.take_any(&["BTREE", "HASH", "GIN", "GIST", "BRIN", "INDEX"])
        {
            return false;
        }
        let Some((first, rest)) = cursor.tokens.split_first() else {
            return true;
        };
        let opens = matches!(rest.first().map(|token| &token.kind), Some(Kind::Mark('(')));
        let known = match &first.kind {
            Kind::Word(word) => !opens || CALLS.contains(&word.as_str()),
            Kind::Name => !opens,
            Kind::Operator(operator) => OPERATORS.contains(&operator.as_str()),
            Kind::Text | Kind::Number | Kind::Mark(_) => true,
        };
        if !known
            || matches!(&first.kind, Kind::Word(word) if word == "SELECT" || word == "OPERATOR")
        {
            return false;
        }
        cursor.tokens = rest;
    }
}

/// A place in a statement. Each `take` goes on only where it finds what it looks for.
struct Cursor<'a> {
    tokens: &'a [Token],
}

impl<'a> Cursor<'a> {
    fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    fn advance_if(&mut self, wanted: impl Fn(&Kind) -> bool) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if wanted(&first.kind) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn take_word(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        match &first.kind {
            Kind::Word(word) => {
                self.tokens = rest;
                Some(word)
            }
            _ => None,
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.take_any(&[wanted])
    }

    fn take_any(&mut self, wanted: &[&str]) -> bool {
        self.advance_if(|kind| matches!(kind, Kind::Word(word) if wanted.contains(&word.as_str())))
    }

    fn take_operator(&mut self, wanted: &str) -> bool {
        self.advance_if(|kind| matches!(kind, Kind::Operator(operator) if operator == wanted))
    }

    fn take_if_exists(&mut self) {
        let _ = self.take("IF") && self.take("EXISTS");
    }

    fn take_if_not_exists(&mut self) {
        let _ = self.take("IF") && self.take("NOT") && self.take("EXISTS");
    }

    fn take_simple_name(&mut self) -> bool {
        self.advance_if(|kind| matches!(kind, Kind::Word(_) | Kind::Name))
    }

    /// A name, with a schema or without.
    fn take_name(&mut self) -> bool {
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

    /// A group in parentheses.
    fn take_group(&mut self) -> bool {
        self.group().is_some()
    }

    fn take_group_of_harmless(&mut self) -> bool {
        self.group().is_some_and(harmless)
    }

    /// The tokens of a group in parentheses, without these.
    fn group(&mut self) -> Option<&'a [Token]> {
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
    fn split_by_comma(&self) -> Vec<&'a [Token]> {
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
