//! Just enough of PostgreSQL's grammar to split a migration, to tell when it cannot have destroyed a row, and to tell
//! what of it stands in the catalog.

mod alter;
mod apart;
mod catalog_only;
mod change;
mod columns;
mod concurrent;
mod create;
mod cursor;
mod differences;
mod doubts;
mod effects;
#[cfg(test)]
mod effects_tests;
mod expected;
mod explained;
mod held;
mod indexed;
mod initial;
mod labels;
mod ledger_writes;
mod left_behind;
#[cfg(test)]
mod left_behind_tests;
mod missing;
mod offending;
mod own_calls;
mod reader;
mod reference;
mod replay;
mod seen;
mod settings;
mod shapes;
mod stopped;
#[cfg(test)]
mod tests;
mod token;
mod transactional;
mod transactions;
mod undo;

use token::{Kind, Token, Tokens};

pub use apart::apart_from_new;
pub use change::Unseen;
pub use concurrent::{Indexes, indexes, is_named, waits_beside_others, waits_for_snapshots};
pub use doubts::{may_run_twice, not_run_from, unchecked, unshown};
pub use effects::{StatementEffects, describe, effects, took_effect};
pub use expected::{expected, missing_objects, not_there};
pub use held::{Held, held, held_up_to, left_of, made_again, otherwise, replacing};
pub use labels::with_label;
pub use ledger_writes::{LedgerWrites, ledger_writes};
pub use left_behind::{
    Doubt, LeftBehind, failed_statement, left_behind, left_behind_after, left_behind_in, located,
    still_there, was_there,
};
pub use offending::{
    CORRECT, NO_DEFAULT, OffendingRows, adds_without_default, offending_rows, shown_query,
};
pub use reference::{StatementRef, statement, statement_at};
pub use seen::Seen;
pub use settings::sets;
pub use stopped::Stopped;
pub use transactional::transactional;
pub use transactions::{Transactions, is_one_undone, transactions};
pub use undo::{Undo, may_fail_from, undo};

/// The statements of a text, each from its first to its last token, without the `;`.
///
/// A `;` in quotes, in dollar quotes, in a comment, in parentheses (`CREATE RULE ... DO (a; b)`) or in the body of a
/// function (`BEGIN ATOMIC a; b; END`) ends none. What is not closed reaches to the end of the text.
pub fn statements(sql: &str) -> Vec<&str> {
    split(&token::tokens(sql).tokens)
        .iter()
        .filter_map(|statement| text_of(sql, statement))
        .collect()
}

/// Whether every statement is of a kind that changes nothing but the catalog, so that no row's values can be lost and
/// "the catalog is as before" means "everything is as before".
///
/// It is a list of what is allowed. What is not surely in it is not: an unknown statement, a call of a function that is
/// not well known, a literal that can be read in two ways, a text without statements. A new column may rewrite its
/// table, which changes no value; `DROP TABLE`, `DROP COLUMN` and a change of a column's type are never in it. Event
/// triggers are beyond what the text tells.
pub fn only_catalog(sql: &str) -> bool {
    let read = token::tokens(sql);
    let allowed = |sql: &str, read: &Tokens| {
        let mut statements = split(&read.tokens).into_iter();
        !read.doubtful && statements.all(|statement| catalog_only::is_allowed(sql, statement))
    };
    !split(&read.tokens).is_empty()
        && allowed(sql, &read)
        && pieces(sql).all(|(piece, read)| allowed(piece, &read))
}

/// What is executed of a text by a client that splits it at every `;`, wherever that stands, as Prisma's driver adapters do:
/// `-- was: UPDATE a SET x = 1; UPDATE b SET x = 2;` holds no statement, and such a client executes the second of them. It
/// comes as far as the first piece that PostgreSQL does not take: half of a function, or the rest of a remark.
fn pieces(sql: &str) -> impl Iterator<Item = (&str, Tokens)> {
    sql.split(';')
        .map(|piece| (piece, token::tokens(piece)))
        .take_while(|(_, read)| {
            let (_, whole) = split_whole(&read.tokens);
            whole && !read.open && begins_as_command(&read.tokens)
        })
}

/// What PostgreSQL's commands begin with.
const COMMANDS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "IMPORT",
    "INSERT",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UNLISTEN",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "WITH",
];

/// What may follow a command about transactions.
const OF_TRANSACTION: &[&str] = &[
    "WORK",
    "TRANSACTION",
    "TO",
    "AND",
    "PREPARED",
    "ISOLATION",
    "READ",
    "NOT",
    "DEFERRABLE",
];

/// Whether there is nothing, or something that PostgreSQL may take for a command. A remark may begin with the same word
/// (`end of part 1`).
fn begins_as_command(tokens: &[Token]) -> bool {
    let word = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => Some(word.as_str()),
        _ => None,
    };
    match (tokens.first().map(|token| &token.kind), word(0)) {
        (None, _) | (Some(Kind::Mark('(')), _) => true,
        (_, Some("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT")) => {
            tokens.len() == 1 || word(1).is_some_and(|next| OF_TRANSACTION.contains(&next))
        }
        (_, Some(word)) => COMMANDS.contains(&word),
        _ => false,
    }
}

/// The tokens of each statement.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    split_whole(tokens).0
}

/// The same, and whether no parenthesis and no function's body is left open at the end.
fn split_whole(tokens: &[Token]) -> (Vec<&[Token]>, bool) {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut parentheses = 0_usize;
    let mut body = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match &token.kind {
            Kind::Mark('(' | '[') => parentheses += 1,
            Kind::Mark(')' | ']') => parentheses = parentheses.saturating_sub(1),
            Kind::Word(word) if parentheses == 0 && makes_function(&tokens[start..at]) => {
                let next = tokens.get(at + 1).map(|token| &token.kind);
                match word.as_str() {
                    // Elsewhere it is a name.
                    "BEGIN" if matches!(next, Some(Kind::Word(next)) if next == "ATOMIC") => {
                        body += 1;
                    }
                    "CASE" if body > 0 => body += 1,
                    "END" => body = body.saturating_sub(1),
                    _ => {}
                }
            }
            Kind::Mark(';') if parentheses == 0 && body == 0 => {
                statements.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    statements.push(&tokens[start..]);
    statements.retain(|statement| !statement.is_empty());
    (statements, parentheses == 0 && body == 0)
}

/// `CREATE [OR REPLACE] FUNCTION | PROCEDURE`.
fn makes_function(statement: &[Token]) -> bool {
    let word = |at: usize| match statement.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.as_str(),
        _ => "",
    };
    let what = if word(1) == "OR" { word(3) } else { word(1) };
    word(0) == "CREATE" && matches!(what, "FUNCTION" | "PROCEDURE")
}

fn text_of<'a>(sql: &'a str, statement: &[Token]) -> Option<&'a str> {
    let (first, last) = (statement.first()?, statement.last()?);
    sql.get(first.span.start..last.span.end)
}
