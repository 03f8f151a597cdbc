//! What a migration is compared with.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Column, Object};

/// What stands in the catalog now.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// By name.
    pub objects: &'a BTreeSet<Object>,
    /// What the columns are like, where that is known.
    pub columns: Option<&'a BTreeMap<Object, Column>>,
    /// The migrations, name and text, that were applied before, in order: what the columns were like is read from them.
    pub before: &'a [(&'a str, &'a str)],
}

impl<'a> Seen<'a> {
    /// Nothing but the names.
    pub fn of(objects: &'a BTreeSet<Object>) -> Seen<'a> {
        Seen {
            objects,
            columns: None,
            before: &[],
        }
    }
}
