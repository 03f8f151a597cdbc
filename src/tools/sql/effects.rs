//! Which objects of the catalog each statement of a migration adds or removes.

use std::collections::BTreeSet;

use super::change::{Change, Unseen};
use super::reader;
use super::{split, token};
use crate::facts::{Object, ObjectKind};

/// What one statement does to the catalog, if it runs to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementEffects {
    /// Which statement of the text, from 1.
    pub number: usize,
    /// What is there afterwards.
    pub adds: Vec<Object>,
    /// What is not there afterwards; what goes with a removed object is not listed.
    pub removes: Vec<Object>,
    /// It does something that the catalog's names do not show.
    pub unseen: Option<Unseen>,
    /// It says `IF [NOT] EXISTS` or `OR REPLACE`, or it leaves its object behind when it fails (an index built
    /// concurrently), or the object may have a namesake (a function): what stands there proves nothing about it.
    pub conditional: bool,
}

/// What each statement of a text does. Names without a schema are in `schema`, the first of the connection's
/// `search_path`; once the text changes that path they are not known any more, and such a statement shows nothing.
///
/// What is not understood adds and removes nothing: it is [`Unseen::Other`].
pub fn effects(sql: &str, schema: &str) -> Vec<StatementEffects> {
    let read = token::tokens(sql);
    reader::read(sql, &split(&read.tokens), schema)
        .into_iter()
        .zip(1..)
        .map(|((_, read), number)| {
            let mut effects = StatementEffects {
                number,
                unseen: read.unseen,
                ..StatementEffects::default()
            };
            for change in read.changes {
                effects.take(change);
            }
            effects
        })
        .collect()
}

/// Whether the catalog is as it is after this one statement, by its names: `false` also where these do not show it.
pub fn took_effect(statement: &str, schema: &str, objects: &BTreeSet<Object>) -> bool {
    let effects = effects(statement, schema);
    let shown = |effects: &StatementEffects| {
        effects.unseen.is_none() && !(effects.adds.is_empty() && effects.removes.is_empty())
    };
    effects.iter().all(|effects| {
        shown(effects)
            && effects.adds.iter().all(|object| objects.contains(object))
            && effects
                .removes
                .iter()
                .all(|object| !objects.contains(object))
    })
}

impl StatementEffects {
    fn take(&mut self, change: Change) {
        match change {
            Change::Add {
                object,
                conditional,
                ..
            } => {
                self.conditional |= conditional;
                self.adds.push(object);
            }
            Change::Remove {
                object,
                conditional,
                ..
            } => {
                self.conditional |= conditional || object.kind == ObjectKind::Function;
                self.removes.push(object);
            }
            Change::Rename {
                from,
                to,
                conditional,
            } => {
                self.conditional |= conditional;
                self.removes.push(from);
                self.adds.push(to);
            }
            Change::Forget(_)
            | Change::Own { .. }
            | Change::Unnamed(_)
            | Change::Shape { .. }
            | Change::Indexed { .. }
            | Change::Keyed { .. } => {}
        }
    }
}

/// An object for people: its kind, and its name with quotes; the schema only where it is another one.
pub fn describe(object: &Object, schema: &str) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace(char::is_control, " "));
    let mut name = quote(&object.name);
    if !object.schema.is_empty() && object.schema != schema {
        name = format!("{}.{name}", quote(&object.schema));
    }
    let kind = match object.kind {
        ObjectKind::Schema => "schema",
        ObjectKind::Table => "table",
        ObjectKind::View => "view",
        ObjectKind::Sequence => "sequence",
        ObjectKind::Index => "index",
        ObjectKind::Column => "column",
        ObjectKind::Constraint => "constraint",
        ObjectKind::Type => "type",
        ObjectKind::EnumValue => return format!("value {} of type {name}", quote(&object.part)),
        ObjectKind::Function => "function",
        ObjectKind::Trigger => "trigger",
        ObjectKind::Extension => "extension",
    };
    if object.part.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {name}.{}", quote(&object.part))
    }
}
