//! The statements that change nothing but the catalog.

use super::cursor::Cursor;
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
pub(super) fn is_allowed(sql: &str, statement: &[Token]) -> bool {
    let mut cursor = Cursor {
        sql,
        tokens: statement,
    };
    match cursor.take_word() {
        Some("CREATE") => create(cursor),
        Some("ALTER") => alter(cursor),
        Some("DROP") => drop_object(cursor),
        Some("COMMENT") => cursor.take("ON") && is_of_database(cursor),
        // On an object: a role that is granted stands in no database's catalog.
        Some("GRANT" | "REVOKE") => cursor.skip_past(&["ON"]) && is_of_database(cursor),
        Some("SET") => set(cursor),
        Some("RESET") => cursor.take_any(SETTINGS) && cursor.is_done(),
        Some("BEGIN" | "COMMIT") => {
            cursor.is_done() || cursor.take("TRANSACTION") && cursor.is_done()
        }
        Some("START") => cursor.take("TRANSACTION") && cursor.is_done(),
        _ => false,
    }
}

/// What follows is an object of this database, and not one that all databases of the server share, or that is data.
fn is_of_database(cursor: Cursor<'_>) -> bool {
    !matches!(
        cursor.peek_word(),
        "DATABASE" | "LARGE" | "PARAMETER" | "ROLE" | "SUBSCRIPTION" | "TABLESPACE" | ""
    ) || matches!(
        cursor.tokens.first().map(|token| &token.kind),
        Some(Kind::Name)
    )
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
    take_group_of_harmless(&mut cursor) && harmless(cursor)
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
                    .all(|tokens| table_action(Cursor { tokens, ..cursor }))
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
        Some("ADD") => harmless(cursor),
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
fn harmless(mut cursor: Cursor<'_>) -> bool {
    // A function of a schema is somebody's own, whatever it is called.
    let mut of_schema = false;
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
            Kind::Word(word) => !opens || !of_schema && CALLS.contains(&word.as_str()),
            Kind::Name => !opens,
            Kind::Operator(operator) => OPERATORS.contains(&operator.as_str()),
            Kind::Text | Kind::Number | Kind::Mark(_) => true,
        };
        if !known
            || matches!(&first.kind, Kind::Word(word) if word == "SELECT" || word == "OPERATOR")
        {
            return false;
        }
        of_schema = first.kind == Kind::Mark('.');
        cursor.tokens = rest;
    }
}

fn take_group_of_harmless(cursor: &mut Cursor<'_>) -> bool {
    let rest = *cursor;
    cursor
        .group()
        .is_some_and(|tokens| harmless(Cursor { tokens, ..rest }))
}
