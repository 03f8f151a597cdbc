//! Whether a script may run inside one transaction.

use super::cursor::Cursor;
use super::token::Token;
use super::{pieces, split, token};

/// Whether every statement of a text may run inside one transaction that somebody else began. What is not known is
/// taken to be fine: PostgreSQL refuses the rest by itself (25001), and then nothing of it has happened.
///
/// Source: the notes "cannot be executed inside a transaction block" in PostgreSQL's reference pages of the commands.
pub fn transactional(sql: &str) -> bool {
    let all = |sql: &str, tokens: &[Token]| {
        let mut statements = split(tokens).into_iter();
        statements.all(|statement| allows(sql, statement))
    };
    all(sql, &token::tokens(sql).tokens)
        && pieces(sql).all(|(piece, read)| all(piece, &read.tokens))
}

fn allows(sql: &str, statement: &[Token]) -> bool {
    let mut cursor = Cursor {
        sql,
        tokens: statement,
    };
    match cursor.take_word() {
        // Its own transactions.
        Some("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT") => {
            // Back to a savepoint of its own.
            statement_is_to_savepoint(cursor)
        }
        Some("PREPARE") => cursor.peek_word() != "TRANSACTION",
        Some("VACUUM") => false,
        Some("CREATE" | "DROP") => {
            !matches!(
                cursor.peek_word(),
                "DATABASE" | "TABLESPACE" | "SUBSCRIPTION"
            ) && !cursor.has(&["CONCURRENTLY"])
        }
        Some("ALTER") => match cursor.take_word() {
            Some("SYSTEM") => false,
            Some("DATABASE") => !cursor.has(&["TABLESPACE"]),
            Some("SUBSCRIPTION") => !cursor.has(&["REFRESH"]),
            Some("TABLE") => !cursor.has(&["CONCURRENTLY"]),
            _ => true,
        },
        Some("REINDEX") => {
            let options = cursor.group().unwrap_or_default();
            let concurrently = Cursor {
                tokens: options,
                ..cursor
            };
            !matches!(cursor.peek_word(), "DATABASE" | "SYSTEM" | "SCHEMA")
                && !cursor.has(&["CONCURRENTLY"])
                && !concurrently.has(&["CONCURRENTLY"])
        }
        Some("CLUSTER") => !cursor.is_done(),
        _ => true,
    }
}

fn statement_is_to_savepoint(mut cursor: Cursor<'_>) -> bool {
    let _ = cursor.take("WORK") || cursor.take("TRANSACTION");
    cursor.take("TO")
}
