//! What statements that took effect come to together, in words.

use std::collections::BTreeSet;

use super::change::{Change, Read, Relation};
use super::effects::describe;
use super::token::Token;
use crate::facts::{Object, ObjectKind};

/// One object's way through the statements.
struct Way {
    /// How it was called before the first statement; `None` where the statements made it.
    before: Option<Object>,
    /// How it is called after the last one; `None` where it is gone.
    after: Option<Object>,
    /// It comes with another one that is said.
    silent: bool,
}

/// What the statements did, as far as it stands in the catalog now: what was made and is gone again is not said, and what
/// was renamed twice is said once.
pub(super) fn changes(
    statements: &[(&[Token], Read)],
    objects: &BTreeSet<Object>,
    schema: &str,
) -> Vec<String> {
    let mut ways: Vec<Way> = Vec::new();
    for (_, read) in statements {
        for change in read.changes.iter().filter(|change| change.proves()) {
            follow(&mut ways, change, read);
        }
    }
    let made = |object: &Object| {
        ways.iter()
            .any(|way| way.before.is_none() && way.after.as_ref() == Some(object))
    };
    let gone = |object: &Object| {
        ways.iter()
            .any(|way| way.after.is_none() && way.before.as_ref() == Some(object))
    };
    let mut said: Vec<String> = Vec::new();
    for way in ways.iter().filter(|way| !way.silent) {
        let line = match (&way.before, &way.after) {
            (None, Some(after)) if objects.contains(after) => {
                let done = if gone(after) { "replaced" } else { "added" };
                format!("{} {done}", describe(after, schema))
            }
            (Some(before), None) if !objects.contains(before) && !made(before) => {
                format!("{} removed", describe(before, schema))
            }
            (Some(before), Some(after)) if before != after && objects.contains(after) => {
                format!(
                    "{} is now {}",
                    describe(before, schema),
                    describe(after, schema)
                )
            }
            _ => continue,
        };
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

fn follow(ways: &mut Vec<Way>, change: &Change, read: &Read) {
    let mut way_of = |object: &Object| {
        let known = ways
            .iter()
            .position(|way| way.after.as_ref() == Some(object));
        known.unwrap_or_else(|| {
            ways.push(Way {
                before: Some(object.clone()),
                after: Some(object.clone()),
                silent: false,
            });
            ways.len() - 1
        })
    };
    match change {
        Change::Add { object, of, .. } => ways.push(Way {
            before: None,
            after: Some(object.clone()),
            silent: comes_with(read, object, of.as_ref()),
        }),
        Change::Remove { object, .. } => {
            let at = way_of(object);
            ways[at].after = None;
        }
        Change::Rename { from, to, .. } => {
            let at = way_of(from);
            ways[at].after = Some(to.clone());
        }
        Change::Forget(_)
        | Change::Own { .. }
        | Change::Unnamed(_)
        | Change::Shape { .. }
        | Change::Indexed { .. }
        | Change::Keyed { .. } => {}
    }
}

/// A part of a table or type, or an index of a constraint, that the same statement makes.
fn comes_with(read: &Read, object: &Object, of: Option<&Relation>) -> bool {
    read.changes.iter().any(|change| {
        let Change::Add { object: other, .. } = change else {
            return false;
        };
        let parent = !object.part.is_empty()
            && other.part.is_empty()
            && other.kind != ObjectKind::Index
            && (&other.schema, &other.name) == (&object.schema, &object.name);
        let twin = object.kind == ObjectKind::Index
            && other.kind == ObjectKind::Constraint
            && other.part == object.name
            && of.is_some_and(|of| (&other.schema, &other.name) == (&of.0, &of.1));
        parent || twin
    })
}
