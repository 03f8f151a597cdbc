//! What stands in the catalog after statements that ran to their end, as far as their texts tell.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Relation};
use super::shapes::{Aspect, Shape};
use crate::facts::{Index, Object, ObjectKind};

/// What is known of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Whether it is there; `None` where that cannot be told.
    pub present: Option<bool>,
    /// Which text put it there, by a number of the caller's.
    pub by: usize,
    /// The relation that it goes with.
    pub of: Option<Relation>,
    /// What a column is like.
    pub shape: Shape,
    /// Which text said last what a column is like, and what of it that was; nothing of one that is made by it.
    pub reshaped: Option<(usize, Shape)>,
    /// What an index is like, by the text that made it.
    pub index: Option<Index>,
    mentions: Vec<String>,
}

/// What is known of all objects that were named so far.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    entries: BTreeMap<Object, Entry>,
    touched: BTreeSet<Object>,
}

impl State {
    /// Whether an object is there; `None` where that cannot be told.
    pub(super) fn present(&self, object: &Object) -> Option<bool> {
        self.entries.get(object)?.present
    }

    /// The objects that are there for certain.
    pub(super) fn there(&self) -> impl Iterator<Item = (&Object, &Entry)> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.present == Some(true))
    }

    /// The columns of which a text says what they are like and does not make them, by which text, and what of it.
    pub(super) fn reshaped(&self) -> impl Iterator<Item = (&Object, usize, &Shape)> {
        let entries = self.entries.iter();
        entries
            .filter(|(_, entry)| entry.present != Some(false) && entry.shape != Shape::default())
            .filter_map(|(object, entry)| {
                let (by, shape) = entry.reshaped.as_ref()?;
                Some((object, *by, shape))
            })
    }

    /// What was said of since this was asked last.
    pub(super) fn take_touched(&mut self) -> BTreeSet<Object> {
        std::mem::take(&mut self.touched)
    }

    /// Says how it was before the first statement.
    pub(super) fn begin_with(&mut self, object: Object, present: bool) {
        self.set(object, Some(present));
    }

    /// Nothing is known any longer of what a text names, because it may have done anything to it.
    pub(super) fn forget_named_in(&mut self, text: &str) {
        let text = text.to_lowercase();
        for (object, entry) in &mut self.entries {
            let known = entry.present.is_some() || entry.shape != Shape::default();
            if known && names(&text, object) {
                entry.present = None;
                entry.shape = Shape::default();
                self.touched.insert(object.clone());
            }
        }
    }

    pub(super) fn apply(&mut self, change: &Change, by: usize) {
        match change {
            Change::Add {
                object,
                of,
                mentions,
                ..
            } => {
                let entry = Entry {
                    present: Some(true),
                    by,
                    of: of.clone(),
                    mentions: mentions.clone(),
                    shape: Shape::default(),
                    reshaped: None,
                    index: None,
                };
                self.touched.insert(object.clone());
                self.entries.insert(object.clone(), entry);
            }
            Change::Remove {
                object, cascade, ..
            } => {
                self.remove(object, *cascade);
                // A default may go with what it calls.
                if *cascade {
                    self.forget_shapes();
                }
            }
            Change::Rename { from, to, .. } => {
                self.rename(from, to, by);
                if !matches!(
                    to.kind,
                    ObjectKind::Column | ObjectKind::Table | ObjectKind::Constraint
                ) || from.schema != to.schema
                {
                    self.forget_spelling();
                }
            }
            Change::Forget(object) => self.set(object.clone(), None),
            Change::Shape { column, aspect } => {
                self.touched.insert(column.clone());
                let entry = self.entries.entry(column.clone()).or_default();
                entry.shape.take(aspect);
                if matches!(aspect, Aspect::Whole(_)) {
                    entry.reshaped = None;
                } else {
                    let own = entry.reshaped.take().filter(|(other, _)| *other == by);
                    let mut own = own.map_or_else(Shape::default, |(_, own)| own);
                    own.take(aspect);
                    entry.reshaped = Some((by, own));
                }
                // One that is made has nothing below it that is named.
                if !matches!(aspect, Aspect::Whole(_)) {
                    self.inherit(column);
                }
            }
            Change::Indexed { index, like } => {
                self.entries.entry(index.clone()).or_default().index = Some(like.clone());
            }
            Change::Keyed { of, columns } => self.key(of, columns),
            Change::Own {
                sequence,
                of,
                column,
            } => {
                let entry = self.entries.entry(sequence.clone()).or_default();
                entry.of = Some(of.clone());
                entry.mentions = vec![column.clone()];
            }
            Change::Unnamed(_) => {}
        }
    }

    /// Says what a column was like before the first statement.
    pub(super) fn begin_like(&mut self, column: Object, shape: Shape) {
        self.touched.insert(column.clone());
        self.entries.entry(column).or_default().shape = shape;
    }

    /// What is known of what a column is like.
    pub(super) fn shape(&self, column: &Object) -> Option<&Shape> {
        Some(&self.entries.get(column)?.shape)
    }

    /// What any column is like is not known any longer.
    pub(super) fn forget_shapes(&mut self) {
        self.reshape(|_| true, |shape| *shape = Shape::default());
    }

    /// Types and defaults hold the names of others.
    fn forget_spelling(&mut self) {
        let forget = |shape: &mut Shape| {
            shape.of_type = None;
            shape.default = None;
        };
        self.reshape(|_| true, forget);
    }

    /// What has a table as its parent may have been changed with it.
    fn inherit(&mut self, column: &Object) {
        let parent = (column.schema.clone(), column.name.clone());
        let is_child = |(other, entry): &(&Object, &Entry)| {
            other.kind == ObjectKind::Table && entry.of.as_ref() == Some(&parent)
        };
        let all = self.entries.iter().filter(is_child);
        let children: Vec<Object> = all.map(|(other, _)| other.clone()).collect();
        let of_child = |other: &Object| {
            other.part == column.part && children.iter().any(|child| is_part(other, child))
        };
        if !children.is_empty() {
            self.reshape(of_child, |shape| *shape = Shape::default());
        }
    }

    /// A key's columns are NOT NULL, whatever was said of them.
    fn key(&mut self, of: &Relation, columns: &[String]) {
        let first = Object {
            kind: ObjectKind::Column,
            schema: of.0.clone(),
            name: of.1.clone(),
            part: String::new(),
        };
        for (object, entry) in self.entries.range_mut(first..) {
            if (&object.schema, &object.name) != (&of.0, &of.1) || object.kind != ObjectKind::Column
            {
                break;
            }
            if columns.is_empty() || columns.contains(&object.part) {
                entry.shape.not_null = None;
                self.touched.insert(object.clone());
            }
        }
    }

    fn reshape(&mut self, which: impl Fn(&Object) -> bool, how: impl Fn(&mut Shape)) {
        for (object, entry) in &mut self.entries {
            if entry.shape != Shape::default() && which(object) {
                how(&mut entry.shape);
                self.touched.insert(object.clone());
            }
        }
    }

    fn set(&mut self, object: Object, present: Option<bool>) {
        self.touched.insert(object.clone());
        let entry = self.entries.entry(object).or_default();
        entry.present = present;
        entry.shape = Shape::default();
    }

    fn set_all(&mut self, present: Option<bool>, which: impl Fn(&Object, &Entry) -> bool) {
        for (object, entry) in &mut self.entries {
            if entry.present != present && which(object, entry) {
                entry.present = present;
                self.touched.insert(object.clone());
            }
        }
    }

    fn forget(&mut self, which: impl Fn(&Object, &Entry) -> bool) {
        self.set_all(None, which);
    }

    /// Takes an object away, and with it what PostgreSQL takes along without being asked.
    fn remove(&mut self, object: &Object, cascade: bool) {
        // Of several functions with one name, one is gone.
        let gone = (object.kind != ObjectKind::Function).then_some(false);
        self.set(object.clone(), gone);
        match object.kind {
            ObjectKind::Table | ObjectKind::View => self.remove_relation(object),
            ObjectKind::Type => self.set_all(Some(false), |other, _| {
                other.kind == ObjectKind::EnumValue && is_part(other, object)
            }),
            ObjectKind::Schema => {
                self.set_all(Some(false), |other, _| other.schema == object.name);
            }
            // What depends on the column goes with it; a name in a definition may be something else.
            ObjectKind::Column => self.forget(|other, entry| {
                entry.present == Some(true)
                    && depends_on_columns(other)
                    && is_of(other, entry, object)
                    && (entry.mentions.is_empty() || entry.mentions.contains(&object.part))
            }),
            // What stands by an index takes it along; whether it does is not known here.
            ObjectKind::Constraint => self.forget(|other, entry| {
                other.kind == ObjectKind::Index
                    && other.schema == object.schema
                    && other.name == object.part
                    && entry.present == Some(true)
            }),
            _ => {}
        }
        if cascade {
            self.cascade(object);
        }
    }

    fn remove_relation(&mut self, relation: &Object) {
        self.set_all(Some(false), |other, entry| is_of(other, entry, relation));
        // A partition takes its own along.
        let partitions: Vec<Object> = self
            .entries
            .iter()
            .filter(|(other, entry)| {
                other.kind == ObjectKind::Table && is_of(other, entry, relation)
            })
            .map(|(other, _)| other.clone())
            .collect();
        for partition in partitions {
            self.set_all(Some(false), |other, entry| is_of(other, entry, &partition));
        }
    }

    /// Whatever may depend on an object may be gone.
    fn cascade(&mut self, object: &Object) {
        let far = !matches!(
            object.kind,
            ObjectKind::Table
                | ObjectKind::View
                | ObjectKind::Column
                | ObjectKind::Constraint
                | ObjectKind::Sequence
                | ObjectKind::Index
        );
        self.forget(|other, entry| {
            entry.present == Some(true)
                && match other.kind {
                    ObjectKind::Table | ObjectKind::Schema => false,
                    ObjectKind::Constraint
                    | ObjectKind::View
                    | ObjectKind::Trigger
                    | ObjectKind::Function => true,
                    _ => far,
                }
        });
    }

    fn rename(&mut self, from: &Object, to: &Object, by: usize) {
        let moved = self.entries.remove(from).unwrap_or_default();
        self.set(from.clone(), Some(false));
        self.touched.insert(to.clone());
        let index_of = moved.of.clone();
        self.entries.insert(
            to.clone(),
            Entry {
                present: Some(true),
                by,
                ..moved
            },
        );
        match to.kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::Type => self.move_parts(from, to),
            ObjectKind::Schema => self.move_schema(&from.name, &to.name),
            ObjectKind::Column => {
                for (other, entry) in &mut self.entries {
                    if is_of(other, entry, from) {
                        let columns = entry.index.iter_mut().filter_map(|i| i.columns.as_mut());
                        for name in columns.flatten().chain(&mut entry.mentions) {
                            if *name == from.part {
                                name.clone_from(&to.part);
                            }
                        }
                    }
                }
            }
            // A constraint and its index have one name: where it stands by one is not known here.
            ObjectKind::Constraint => self.forget(|other, _| {
                other.kind == ObjectKind::Index
                    && other.schema == from.schema
                    && (other.name == from.part || other.name == to.part)
            }),
            ObjectKind::Index => self.forget(|other, _| {
                other.kind == ObjectKind::Constraint
                    && other.schema == from.schema
                    && index_of.as_ref().is_none_or(|of| of.1 == other.name)
                    && (other.part == from.name || other.part == to.name)
            }),
            _ => {}
        }
    }

    /// The parts of a relation or type, and what goes with it, follow it to its new name.
    fn move_parts(&mut self, from: &Object, to: &Object) {
        let parts: Vec<Object> = self
            .entries
            .keys()
            .filter(|other| is_part(other, from))
            .cloned()
            .collect();
        for old in parts {
            let entry = self.entries.remove(&old).unwrap_or_default();
            let new = Object {
                schema: to.schema.clone(),
                name: to.name.clone(),
                ..old.clone()
            };
            self.touched.insert(new.clone());
            self.entries.insert(new, entry);
            self.set(old, Some(false));
        }
        let old = (from.schema.clone(), from.name.clone());
        let mut elsewhere = Vec::new();
        for (object, entry) in &mut self.entries {
            if entry.of.as_ref() == Some(&old) {
                entry.of = Some((to.schema.clone(), to.name.clone()));
                if from.schema != to.schema && object.kind != ObjectKind::Table {
                    elsewhere.push(object.clone());
                }
            }
        }
        // Indexes and sequences move to the other schema with their table.
        for old in elsewhere {
            let entry = self.entries.remove(&old).unwrap_or_default();
            let new = Object {
                schema: to.schema.clone(),
                ..old.clone()
            };
            self.touched.insert(new.clone());
            self.entries.insert(new, entry);
            self.set(old, Some(false));
        }
    }

    fn move_schema(&mut self, from: &str, to: &str) {
        let inside: Vec<Object> = self
            .entries
            .keys()
            .filter(|object| object.schema == from)
            .cloned()
            .collect();
        for old in inside {
            let entry = self.entries.remove(&old).unwrap_or_default();
            let new = Object {
                schema: to.to_owned(),
                ..old.clone()
            };
            self.touched.insert(new.clone());
            self.entries.insert(new, entry);
            self.set(old, Some(false));
        }
        for entry in self.entries.values_mut() {
            if let Some(of) = &mut entry.of
                && of.0 == from
            {
                to.clone_into(&mut of.0);
            }
        }
    }
}

/// Whether a text in lower case holds the name of an object, or of the relation or type that it is part of.
pub(super) fn names(text: &str, object: &Object) -> bool {
    holds(text, &object.name) || !object.part.is_empty() && holds(text, &object.part)
}

fn holds(text: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    let apart = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !name.is_empty()
        && text.match_indices(&name).any(|(at, _)| {
            apart(text[..at].chars().next_back()) && apart(text[at + name.len()..].chars().next())
        })
}

fn is_part(object: &Object, of: &Object) -> bool {
    !object.part.is_empty() && object.schema == of.schema && object.name == of.name
}

/// Whether an object goes with a relation, or with the one that a column is of.
fn is_of(object: &Object, entry: &Entry, relation: &Object) -> bool {
    let part = is_part(object, relation) && object.kind != ObjectKind::EnumValue;
    let owned = entry
        .of
        .as_ref()
        .is_some_and(|(schema, name)| *schema == relation.schema && *name == relation.name);
    object != relation && (part || owned)
}

fn depends_on_columns(object: &Object) -> bool {
    matches!(
        object.kind,
        ObjectKind::Index | ObjectKind::Constraint | ObjectKind::Sequence
    )
}
