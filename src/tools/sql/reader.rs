//! What each statement of a text does to the catalog's names, read from its tokens.

use super::change::{Change, Names, Read, Unseen, whole};
use super::cursor::Cursor;
use super::token::{Kind, Token};
use super::{alter, create};
use crate::facts::ObjectKind;

/// What every statement of a text does, with the statement's tokens.
pub(super) fn read<'a>(
    sql: &str,
    statements: &[&'a [Token]],
    schema: &str,
) -> Vec<(&'a [Token], Read)> {
    let mut names = Names {
        schema: Some(schema.to_owned()),
        temporary: Vec::new(),
    };
    statements
        .iter()
        .map(|tokens| {
            let read = statement(Cursor { sql, tokens }, &mut names);
            if read.moves_path {
                names.schema = None;
            }
            (*tokens, read)
        })
        .collect()
}

fn statement(whole_statement: Cursor<'_>, names: &mut Names) -> Read {
    let mut cursor = whole_statement;
    let known = match cursor.take_word() {
        Some("CREATE") => create::read(cursor, names),
        Some("ALTER") => alter::alter(cursor, names),
        Some("DROP") => alter::drop(cursor, names),
        Some("INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "MERGE" | "COPY") => {
            Some(Read::unseen(Unseen::Rows))
        }
        Some("WITH" | "SELECT" | "TABLE" | "VALUES") => Some(query(whole_statement, names)),
        Some("SET") => Some(set(cursor)),
        Some("RESET") => Some(Read {
            moves_path: cursor.take_any(&["SEARCH_PATH", "ALL"]),
            ..Read::default()
        }),
        Some("DISCARD") => Some(Read {
            moves_path: true,
            ..Read::default()
        }),
        Some("ROLLBACK" | "ABORT") => Some(Read {
            rolls_back: true,
            ..Read::default()
        }),
        Some(
            "BEGIN" | "START" | "COMMIT" | "END" | "SAVEPOINT" | "RELEASE" | "LOCK" | "ANALYZE"
            | "VACUUM" | "CHECKPOINT" | "SHOW" | "LISTEN" | "NOTIFY" | "UNLISTEN",
        ) => Some(Read::default()),
        Some("COMMENT" | "GRANT" | "REVOKE" | "REINDEX" | "CLUSTER" | "REFRESH" | "SECURITY") => {
            Some(Read::unseen(Unseen::Other))
        }
        _ => None,
    };
    known.unwrap_or_else(Read::code)
}

fn set(mut cursor: Cursor<'_>) -> Read {
    let _ = cursor.take("LOCAL") || cursor.take("SESSION");
    Read {
        // SET SCHEMA 'x' is another spelling; a role has a search_path of its own.
        moves_path: matches!(
            cursor.peek_word(),
            "SEARCH_PATH" | "SCHEMA" | "ROLE" | "AUTHORIZATION"
        ),
        ..Read::default()
    }
}

/// A query may change rows, make a table, and call functions.
fn query(cursor: Cursor<'_>, names: &mut Names) -> Read {
    let word = |wanted: &[&str]| {
        cursor
            .tokens
            .iter()
            .any(|token| matches!(&token.kind, Kind::Word(word) if wanted.contains(&word.as_str())))
    };
    if word(&["INSERT", "UPDATE", "DELETE", "MERGE"]) {
        return Read::unseen(Unseen::Rows);
    }
    let moves_path = word(&["SET_CONFIG"]);
    let mut into = cursor;
    if into.skip_past(&["INTO"]) {
        let temporary = into.take_any(&["TEMP", "TEMPORARY"]);
        into.take("UNLOGGED");
        into.take("TABLE");
        if temporary {
            names.temporary.extend(into.identifier());
            return Read::code();
        }
        let Some(table) = names.relation(&mut into) else {
            return Read::code();
        };
        return Read {
            moves_path,
            ..Read::changes(vec![Change::Add {
                object: whole(ObjectKind::Table, table),
                of: None,
                mentions: Vec::new(),
                conditional: false,
            }])
        };
    }
    Read {
        moves_path,
        ..Read::code()
    }
}
