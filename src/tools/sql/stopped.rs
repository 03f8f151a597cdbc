//! Where, and by what error, a text came to its end.

use crate::facts::{Object, ObjectKind};

/// What is known of a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped<'a> {
    /// Where in the text, in characters from 1, if the tool said so.
    pub position: Option<usize>,
    /// The SQLSTATE.
    pub sql_state: Option<&'a str>,
    /// PostgreSQL's message.
    pub message: &'a str,
}

impl Stopped<'_> {
    /// Something of that name stood there already, so what stands there now is no proof.
    pub(super) fn exists_already(&self) -> bool {
        matches!(
            self.sql_state,
            Some("42P07" | "42701" | "42710" | "42723" | "42P06")
        )
    }

    /// The message names that object, and the SQLSTATE is one of its kind.
    pub(super) fn names(&self, object: &Object) -> bool {
        let kind = object.kind;
        let of_its_kind = match self.sql_state {
            Some("42P07") => matches!(
                kind,
                ObjectKind::Table | ObjectKind::View | ObjectKind::Sequence | ObjectKind::Index
            ),
            Some("42701") => kind == ObjectKind::Column,
            Some("23505") => kind == ObjectKind::Index,
            Some("42P06") => kind == ObjectKind::Schema,
            Some("42723") => kind == ObjectKind::Function,
            _ => matches!(
                kind,
                ObjectKind::Type
                    | ObjectKind::EnumValue
                    | ObjectKind::Constraint
                    | ObjectKind::Trigger
                    | ObjectKind::Extension
            ),
        };
        let own = if object.part.is_empty() {
            &object.name
        } else {
            &object.part
        };
        of_its_kind
            && self.message.contains(&format!("\"{own}\""))
            && (object.part.is_empty()
                || kind == ObjectKind::EnumValue
                || self.message.contains(&format!("\"{}\"", object.name)))
    }
}
