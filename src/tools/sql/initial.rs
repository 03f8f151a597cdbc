//! What must have stood in the catalog before a migration, if its statements could run.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Read, Relation};
use super::replay::{State, names};
use super::text_of;
use super::token::Token;
use crate::facts::{Object, ObjectKind};

/// PostgreSQL cuts a table's name in the names that it makes up; so much of it is always left.
const KEPT_OF_A_NAME: usize = 28;

/// Before its first `CREATE` an object was not there, and before its first `DROP` it was, or the statement would have
/// failed. Where it may have come or gone without a word, nothing is said of it.
pub(super) fn state(sql: &str, statements: &[(&[Token], Read)]) -> State {
    let mut initial = Initial::default();
    for (tokens, read) in statements {
        for change in &read.changes {
            initial.take(change);
        }
        if read.runs_code {
            let text = text_of(sql, tokens).unwrap_or_default();
            initial.code.push(text.to_lowercase());
        }
    }
    let mut state = State::default();
    for (object, present) in initial.known {
        if let Some(present) = present {
            state.begin_with(object, present);
        }
    }
    state
}

#[derive(Default)]
struct Initial {
    known: BTreeMap<Object, Option<bool>>,
    /// What ran so far and may have done anything to what it names, in lower case.
    code: Vec<String>,
    /// Relations, types and schemas that went, or went under another name, and took along whatever was theirs.
    gone: BTreeSet<Relation>,
    /// Tables that lost a column, and with it what depended on it.
    lost_columns: BTreeSet<Relation>,
    /// Names that an index or a constraint may have come to, or lost, with its twin.
    twins: BTreeSet<String>,
    /// Tables for which the server made something up.
    unnamed: BTreeSet<Relation>,
    cascaded: bool,
}

impl Initial {
    fn take(&mut self, change: &Change) {
        match change {
            Change::Add {
                object,
                of,
                conditional,
                ..
            } => self.note(object, of.as_ref(), (!conditional).then_some(false)),
            Change::Remove {
                object,
                conditional,
                cascade,
            } => {
                self.note(object, None, (!conditional).then_some(true));
                self.goes(object);
                self.cascaded |= cascade;
            }
            Change::Rename {
                from,
                to,
                conditional,
            } => {
                self.note(from, None, (!conditional).then_some(true));
                self.goes(from);
                self.note(to, None, (!conditional).then_some(false));
                self.twin(to);
            }
            Change::Forget(object) => {
                self.known.entry(object.clone()).or_insert(None);
            }
            Change::Unnamed(table) => {
                self.unnamed.insert(table.clone());
            }
            Change::Own { .. }
            | Change::Shape { .. }
            | Change::Indexed { .. }
            | Change::Keyed { .. } => {}
        }
    }

    fn note(&mut self, object: &Object, of: Option<&Relation>, present: Option<bool>) {
        if self.known.contains_key(object) {
            return;
        }
        let known = if self.is_doubtful(object, of, present) {
            None
        } else {
            match self.parent(object) {
                Some(Some(true)) | None => present,
                // What is part of nothing was not there; what is part of something doubtful is doubtful.
                Some(of_parent) => of_parent,
            }
        };
        self.known.insert(object.clone(), known);
    }

    /// What is known of the relation or type that an object is part of, if that was named.
    fn parent(&self, object: &Object) -> Option<Option<bool>> {
        if object.part.is_empty() {
            return None;
        }
        [ObjectKind::Table, ObjectKind::View, ObjectKind::Type]
            .into_iter()
            .find_map(|kind| {
                let parent = Object {
                    kind,
                    part: String::new(),
                    ..object.clone()
                };
                self.known.get(&parent).copied()
            })
    }

    fn is_doubtful(&self, object: &Object, of: Option<&Relation>, present: Option<bool>) -> bool {
        let own = (object.schema.clone(), object.name.clone());
        let belongs_to = if object.part.is_empty() {
            of
        } else {
            Some(&own)
        };
        let by_index = matches!(object.kind, ObjectKind::Index | ObjectKind::Constraint);
        object.kind == ObjectKind::Function
            || self.cascaded && object.kind != ObjectKind::Table
            || self.code.iter().any(|text| names(text, object))
            || belongs_to.is_some_and(|relation| self.gone.contains(relation))
            || self.gone.contains(&(String::new(), object.schema.clone()))
            || by_index && belongs_to.is_some_and(|table| self.lost_columns.contains(table))
            || by_index && self.twins.contains(own_name(object))
            || object.kind == ObjectKind::Sequence
                && !(self.gone.is_empty() && self.lost_columns.is_empty())
            || present == Some(true) && self.is_made_up(object)
    }

    /// It may be what the server made up a name for in the same text.
    fn is_made_up(&self, object: &Object) -> bool {
        let kind = matches!(
            object.kind,
            ObjectKind::Index | ObjectKind::Constraint | ObjectKind::Sequence
        );
        kind && self.unnamed.iter().any(|(schema, table)| {
            let kept: String = table
                .chars()
                .scan(0, |bytes, c| {
                    *bytes += c.len_utf8();
                    (*bytes <= KEPT_OF_A_NAME).then_some(c)
                })
                .collect();
            *schema == object.schema && own_name(object).starts_with(&kept)
        })
    }

    fn goes(&mut self, object: &Object) {
        self.twin(object);
        let relation = (object.schema.clone(), object.name.clone());
        match object.kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::Type | ObjectKind::Schema => {
                self.gone.insert(relation);
            }
            ObjectKind::Column => {
                self.lost_columns.insert(relation);
            }
            _ => {}
        }
    }

    /// A constraint that stands by an index and that index have one name.
    fn twin(&mut self, object: &Object) {
        if matches!(object.kind, ObjectKind::Index | ObjectKind::Constraint) {
            self.twins.insert(own_name(object).to_owned());
        }
    }
}

fn own_name(object: &Object) -> &str {
    if object.part.is_empty() {
        &object.name
    } else {
        &object.part
    }
}
