//! What a statement does to the catalog's names, in terms of its objects.

use super::cursor::Cursor;
use super::shapes::Aspect;
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

    /// It runs code of its own, or it is not known.
    pub(super) fn code() -> Read {
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
