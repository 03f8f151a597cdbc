//! What would stand in the catalog after a list of migrations, and what of it does not.

use std::collections::BTreeSet;

use super::change::Change;
use super::effects::describe;
use super::reader;
use super::replay::State;
use super::{split, text_of, token};
use crate::facts::{Object, ObjectKind};

/// The objects that stand in the catalog for certain after all of these migrations (name and text, in order) ran on an
/// empty schema. A later `DROP` or `RENAME` counts, with what it takes along. What code, a `CASCADE` or a change of the
/// `search_path` may have touched is left out.
pub fn expected(migrations: &[(&str, &str)], schema: &str) -> BTreeSet<Object> {
    replay(migrations, schema)
        .there()
        .map(|(object, _)| object.clone())
        .collect()
}

/// What a list of migrations would have made and does not stand in the catalog: the migration's name and the object in
/// words, in the order of the migrations. Of a table that is not there its columns and indexes are not listed.
pub fn not_there(
    migrations: &[(&str, &str)],
    schema: &str,
    objects: &BTreeSet<Object>,
) -> Vec<(String, String)> {
    let state = replay(migrations, schema);
    let mut missing: Vec<(usize, &Object)> = state
        .there()
        .filter(|(object, _)| !objects.contains(object))
        .filter(|(object, entry)| {
            let gone = |(schema, name): (&str, &str)| {
                [ObjectKind::Table, ObjectKind::View, ObjectKind::Type]
                    .into_iter()
                    .any(|kind| {
                        let parent = Object {
                            kind,
                            schema: schema.to_owned(),
                            name: name.to_owned(),
                            part: String::new(),
                        };
                        state.present(&parent) == Some(true) && !objects.contains(&parent)
                    })
            };
            let with_parent = !object.part.is_empty() && gone((&object.schema, &object.name));
            let with_owner = entry.of.as_ref().is_some_and(|of| gone((&of.0, &of.1)));
            !with_parent && !with_owner
        })
        .map(|(object, entry)| (entry.by, object))
        .collect();
    missing.sort();
    missing
        .into_iter()
        .filter_map(|(by, object)| {
            let (name, _) = migrations.get(by)?;
            Some(((*name).to_owned(), describe(object, schema)))
        })
        .collect()
}

/// What one migration would make and does not stand in the catalog, in words.
pub fn missing_objects(sql: &str, schema: &str, objects: &BTreeSet<Object>) -> Vec<String> {
    not_there(&[("", sql)], schema, objects)
        .into_iter()
        .map(|(_, object)| object)
        .collect()
}

pub(super) fn replay(migrations: &[(&str, &str)], schema: &str) -> State {
    let mut state = State::default();
    for (by, (_, sql)) in migrations.iter().enumerate() {
        follow(&mut state, sql, by, schema);
    }
    state
}

/// What one more migration does to what is known.
pub(super) fn follow(state: &mut State, sql: &str, by: usize, schema: &str) {
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    // What is taken back by the text itself is not followed.
    let certain = !statements.iter().any(|(_, read)| read.rolls_back);
    for (tokens, read) in &statements {
        for change in &read.changes {
            state.apply(change, by);
            if !certain {
                state.forget_shapes();
                for object in objects_of(change) {
                    state.apply(&Change::Forget(object.clone()), by);
                }
            }
        }
        if read.runs_code {
            state.forget_named_in(text_of(sql, tokens).unwrap_or_default());
        }
    }
}

fn objects_of(change: &Change) -> Vec<&Object> {
    match change {
        Change::Add { object, .. } | Change::Remove { object, .. } | Change::Forget(object) => {
            vec![object]
        }
        Change::Rename { from, to, .. } => vec![from, to],
        Change::Own { .. }
        | Change::Unnamed(_)
        | Change::Shape { .. }
        | Change::Indexed { .. }
        | Change::Keyed { .. } => Vec::new(),
    }
}
