//! What one statement does to the catalog's names.

use super::cursor::Cursor;
use super::shapes::Aspect;
use super::token::{Kind, Token};
use super::{alter, create};
use crate::facts::{Index, Object, ObjectKind};

/// A relation: its schema and its name.
pub(super) type Relation = (String, String);

/// What a statement does to one object, if it runs to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is there afterwards.
    Add {
        object: Object,
        /// The relation that takes it along when it goes.
        of: Option<Relation>,
        /// Names that its definition holds, among them the columns that it depends on.
        mentions: Vec<String>,
        /// It may have been there before, or be there though the statement failed.
        conditional: bool,
    },
    /// It is not there afterwards.
    Remove {
        object: Object,
        /// It may not have been there before.
        conditional: bool,
        /// Whatever depends on it goes with it.
        cascade: bool,
    },
    /// It has another name, or stands in another schema.
    Rename {
        from: Object,
        to: Object,
        conditional: bool,
    },
    /// Nothing is known of it any longer.
    Forget(Object),
    /// A sequence goes with this relation from now on.
    Own {
        sequence: Object,
        of: Relation,
        column: String,
    },
    /// The server made something up for this relation, under a name of its own choice.
    Unnamed(Relation),
    /// A column is like that.
    Shape { column: Object, aspect: Aspect },
    /// An index is like that.
    Indexed { index: Object, like: Index },
    /// These columns of a relation may be NOT NULL now; all of them, where none is named.
    Keyed { of: Relation, columns: Vec<String> },
}

impl Change {
    /// It is not conditional and leaves a name, or takes one away.
    pub(super) fn proves(&self) -> bool {
        match self {
            Change::Add { conditional, .. } | Change::Rename { conditional, .. } => !conditional,
            Change::Remove {
                object,
                conditional,
                ..
            } => !conditional && object.kind != ObjectKind::Function,
            Change::Forget(_)
            | Change::Own { .. }
            | Change::Unnamed(_)
            | Change::Shape { .. }
            | Change::Indexed { .. }
            | Change::Keyed { .. } => false,
        }
    }
}

/// Why a statement's traces cannot be seen in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unseen {
    /// It changes rows.
    Rows,
    /// It changes what has no name (a type, a default, a right), it runs code, or it is not known.
    Other,
}

/// What one statement does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub changes: Vec<Change>,
    pub unseen: Option<Unseen>,
    /// What its names do not show is what columns are like, and nothing else.
    pub shaped: bool,
    /// It runs code of its own, which may do anything.
    pub runs_code: bool,
    /// It leaves names without a schema in doubt for all that follow.
    pub moves_path: bool,
    /// It takes back what came before it.
    pub rolls_back: bool,
}

impl Read {
    pub(super) fn unseen(unseen: Unseen) -> Read {
        Read {
            unseen: Some(unseen),
            ..Read::default()
        }
    }

    pub(super) fn changes(changes: Vec<Change>) -> Read {
        Read {
            changes,
            ..Read::default()
        }
    }

    fn code() -> Read {
        Read {
            unseen: Some(Unseen::Other),
            runs_code: true,
            ..Read::default()
        }
    }
}

/// Where names without a schema lead, and which of them are temporary tables.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `None` once the text changed its `search_path`.
    pub schema: Option<String>,
    /// Temporary tables: what is done to them is nobody's business.
    pub temporary: Vec<String>,
}

impl Names {
    /// A relation by its name as it is written. `None` where it is temporary, or its schema is not known.
    pub(super) fn relation(&self, cursor: &mut Cursor<'_>) -> Option<Relation> {
        match cursor.qualified()? {
            (Some(schema), name) => Some((schema, name)),
            (None, name) if self.temporary.contains(&name) => None,
            (None, name) => Some((self.schema.clone()?, name)),
        }
    }
}

/// An object that is no part of another.
pub(super) fn whole(kind: ObjectKind, (schema, name): Relation) -> Object {
    Object {
        kind,
        schema,
        name,
        part: String::new(),
    }
}

/// A part of a relation or type.
pub(super) fn part(kind: ObjectKind, of: &Relation, part: String) -> Object {
    Object {
        kind,
        schema: of.0.clone(),
        name: of.1.clone(),
        part,
    }
}

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
