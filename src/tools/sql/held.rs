//! Whether a database holds already what migrations would do to its catalog.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::effects::{describe, effects};
use super::expected::{follow, replay};
use super::indexed;
use super::reader;
use super::replay::State;
use super::token::{self, Kind, Token};
use super::undo::qualified;
use super::{split, text_of};
use crate::facts::{Column, Index, Object, ObjectKind};

/// How one migration compares with the catalog, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What it makes and stands there.
    pub there: Vec<String>,
    /// What it makes and does not stand there.
    pub missing: Vec<String>,
    /// What it removes and stands there all the same.
    pub still: Vec<String>,
    /// What it makes and is there otherwise; filled in from [`otherwise`] where columns are compared with their types.
    pub different: Vec<String>,
}

impl Held {
    /// The catalog shows that it took effect, as far as it shows anything.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.there.is_empty() && self.missing.is_empty() && self.still.is_empty()
    }

    /// Nothing of what it does can be seen in the catalog.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.there.is_empty() && self.missing.is_empty() && self.still.is_empty()
    }

    /// What speaks against its having run, in words.
    #[must_use]
    pub fn against(&self) -> Vec<String> {
        let missing = self
            .missing
            .iter()
            .map(|what| format!("{what} is not there"));
        let still = self
            .still
            .iter()
            .map(|what| format!("{what} is still there"));
        let different = self.different.iter().cloned();
        missing.chain(still).chain(different).collect()
    }
}

/// Compares each of a list of migrations (name and text, in order, all of which ran or are to be taken as run) with what
/// stands in the catalog. What a later one takes away again is not asked for.
pub fn held(migrations: &[(&str, &str)], schema: &str, objects: &BTreeSet<Object>) -> Vec<Held> {
    let mut state = State::default();
    let mut removed: Vec<Vec<Object>> = Vec::new();
    for (by, (_, sql)) in migrations.iter().enumerate() {
        follow(&mut state, sql, by, schema);
        let touched = state.take_touched();
        let gone = |object: &Object| state.present(object) == Some(false);
        removed.push(touched.into_iter().filter(gone).collect());
    }
    let mut found = vec![Held::default(); migrations.len()];
    let parents: BTreeSet<(&str, &str)> = state
        .there()
        .filter(|(object, _)| is_parent(object) && !objects.contains(*object))
        .map(|(object, _)| (object.schema.as_str(), object.name.as_str()))
        .collect();
    for (object, entry) in state.there() {
        let Some(found) = found.get_mut(entry.by) else {
            continue;
        };
        if objects.contains(object) {
            found.there.push(describe(object, schema));
            continue;
        }
        // What goes with a table that is not there is not listed.
        let of = entry.of.as_ref().map(|of| (of.0.as_str(), of.1.as_str()));
        let own =
            (!object.part.is_empty()).then_some((object.schema.as_str(), object.name.as_str()));
        if !own.into_iter().chain(of).any(|of| parents.contains(&of)) {
            found.missing.push(describe(object, schema));
        }
    }
    for (found, removed) in found.iter_mut().zip(&removed) {
        let stands =
            |object: &&Object| state.present(object) == Some(false) && objects.contains(*object);
        let still: Vec<&Object> = removed.iter().filter(stands).collect();
        for object in &still {
            let with_parent = !object.part.is_empty()
                && still.iter().any(|other| {
                    is_parent(other)
                        && (&other.schema, &other.name) == (&object.schema, &object.name)
                });
            if !with_parent {
                found.still.push(describe(object, schema));
            }
        }
    }
    found
}

/// The columns and indexes that each of these migrations makes and that are there and are not as it makes them, in words. Later ones that
/// alter them are counted in.
pub fn otherwise(
    migrations: &[(&str, &str)],
    schema: &str,
    columns: &BTreeMap<Object, Column>,
    indexes: &BTreeMap<Object, Index>,
) -> Vec<Vec<String>> {
    let mut state = State::default();
    for (by, (_, sql)) in migrations.iter().enumerate() {
        follow(&mut state, sql, by, schema);
    }
    let mut found: Vec<Vec<String>> = vec![Vec::new(); migrations.len()];
    let say = |found: &mut Vec<Vec<String>>, by: usize, object: &Object, differences: &[String]| {
        let Some(found) = found.get_mut(by).filter(|_| !differences.is_empty()) else {
            return;
        };
        let text = format!(
            "{} {}, not as the migration makes it",
            describe(object, schema),
            differences.join(" and ")
        );
        if !found.contains(&text) {
            found.push(text);
        }
    };
    let made = state
        .there()
        .filter_map(|(object, entry)| Some((object, entry.by, state.shape(object)?)));
    // One that an earlier text made is as the last one has it.
    for (object, by, shape) in made.chain(state.reshaped()) {
        if let Some(seen) = columns.get(object) {
            say(&mut found, by, object, &shape.differences(seen));
        }
    }
    for (object, entry) in state.there() {
        if let (Some(like), Some(seen)) = (&entry.index, indexes.get(object)) {
            say(
                &mut found,
                entry.by,
                object,
                &indexed::differences(like, seen),
            );
        }
    }
    found
}

/// The statements that replace each index which a text makes by `CREATE INDEX` and which stands there otherwise. Of one that holds a literal,
/// or is built CONCURRENTLY, there are none.
pub fn replacing(sql: &str, schema: &str, indexes: &BTreeMap<Object, Index>) -> Vec<String> {
    let read = token::tokens(sql);
    let mut found = Vec::new();
    for (tokens, read) in reader::read(sql, &split(&read.tokens), schema) {
        let [Change::Add { .. }, Change::Indexed { index, like }] = read.changes.as_slice() else {
            continue;
        };
        let other = indexes
            .get(index)
            .is_some_and(|seen| !indexed::differences(like, seen).is_empty());
        let plain = |token: &Token| match &token.kind {
            Kind::Text => false,
            Kind::Word(word) => word != "CONCURRENTLY",
            _ => true,
        };
        let text = text_of(sql, tokens).filter(|_| other && tokens.iter().all(plain));
        if let Some(text) = text {
            let name = qualified(&index.schema, &index.name);
            found.extend([format!("DROP INDEX {name}"), text.to_owned()]);
        }
    }
    found
}

fn is_parent(object: &Object) -> bool {
    object.part.is_empty()
        && matches!(
            object.kind,
            ObjectKind::Table | ObjectKind::View | ObjectKind::Type
        )
}

/// Up to which of these migrations (from 0) the catalog holds everything that they make: the last one that makes
/// something. `None`: not even the first that makes something is there as a whole.
pub fn held_up_to(
    migrations: &[(&str, &str)],
    schema: &str,
    objects: &BTreeSet<Object>,
) -> Option<usize> {
    let mut state = State::default();
    let mut missing = BTreeSet::new();
    let mut last = None;
    for (by, (_, sql)) in migrations.iter().enumerate() {
        follow(&mut state, sql, by, schema);
        let mut makes = false;
        for object in state.take_touched() {
            let wanted = state.present(&object) == Some(true);
            if wanted && !objects.contains(&object) {
                missing.insert(object);
            } else {
                makes |= wanted;
                missing.remove(&object);
            }
        }
        if makes && missing.is_empty() {
            last = Some(by);
        }
    }
    last
}

/// What a migration makes and stands in the catalog before it ran, in words: also where it says `IF NOT EXISTS`. What it
/// takes away itself before it makes it anew, and what is in `own`, does not count.
pub fn made_again(
    sql: &str,
    schema: &str,
    objects: &BTreeSet<Object>,
    own: &BTreeSet<Object>,
) -> Vec<String> {
    let mut removed: BTreeSet<Object> = BTreeSet::new();
    let mut found: BTreeSet<Object> = BTreeSet::new();
    for effects in effects(sql, schema) {
        removed.extend(effects.removes);
        let anew = |object: &Object| {
            removed.contains(object)
                || !object.part.is_empty()
                    && removed.iter().any(|other| {
                        is_parent(other)
                            && (&other.schema, &other.name) == (&object.schema, &object.name)
                    })
        };
        let adds = effects.adds.into_iter();
        let again = adds
            .filter(|object| objects.contains(object) && !own.contains(object) && !anew(object));
        found.extend(again);
    }
    let whole: BTreeSet<(&str, &str)> = found
        .iter()
        .filter(|object| is_parent(object))
        .map(|object| (object.schema.as_str(), object.name.as_str()))
        .collect();
    // Of a table that is there its columns are not listed.
    let listed = |object: &&Object| {
        object.part.is_empty() || !whole.contains(&(object.schema.as_str(), object.name.as_str()))
    };
    let listed = found.iter().filter(listed);
    listed.map(|object| describe(object, schema)).collect()
}

/// What of a migration stands in the catalog that the ones before it do not make, in words: what speaks against its being
/// undone.
pub fn left_of(before: &[(&str, &str)], changes: Vec<String>, schema: &str) -> Vec<String> {
    let state = replay(before, schema);
    let known: BTreeSet<String> = state
        .there()
        .map(|(object, _)| format!("{} added", describe(object, schema)))
        .collect();
    changes
        .into_iter()
        .filter(|change| !known.contains(change))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::expected;
    use super::*;

    fn catalog(migrations: &[(&str, &str)]) -> BTreeSet<Object> {
        expected(migrations, "public")
    }

    const INIT: (&str, &str) = (
        "1",
        "CREATE TABLE \"Item\" (\"id\" INTEGER NOT NULL, CONSTRAINT \"Item_pkey\" PRIMARY KEY (\"id\"));",
    );
    const STOCK: (&str, &str) = ("2", "ALTER TABLE \"Item\" ADD COLUMN \"stock\" INTEGER;");
    const DATA: (&str, &str) = ("3", "DELETE FROM \"Item\";");
    const DROP: (&str, &str) = ("4", "ALTER TABLE \"Item\" DROP COLUMN \"stock\";");

    #[test]
    fn a_squashed_file_is_whole_where_its_objects_are_there() {
        let squashed = (
            "0",
            "CREATE TABLE IF NOT EXISTS \"Item\" (\"id\" INTEGER NOT NULL, \"stock\" INTEGER, CONSTRAINT \"Item_pkey\" PRIMARY KEY (\"id\")); DELETE FROM \"Item\";",
        );
        let there = catalog(&[INIT, STOCK]);
        assert!(held(&[squashed], "public", &there)[0].is_whole());
        let without = catalog(&[INIT]);
        let found = &held(&[squashed], "public", &without)[0];
        assert_eq!(found.missing, ["column \"Item\".\"stock\""]);
        assert!(!found.there.is_empty());
        let found = &held(&[squashed], "public", &BTreeSet::new())[0];
        assert_eq!(found.missing, ["table \"Item\""]);
        assert!(found.there.is_empty());
        assert!(held(&[DATA], "public", &there)[0].is_unseen());
    }

    #[test]
    fn what_a_later_one_takes_away_is_not_asked_for() {
        let there = catalog(&[INIT]);
        let all = [INIT, STOCK, DATA, DROP];
        assert!(held(&all, "public", &there)[1].is_unseen());
        assert!(held(&all, "public", &there)[3].is_unseen());
        let found = &held(&all, "public", &catalog(&[INIT, STOCK]))[3];
        assert_eq!(
            found.against(),
            ["column \"Item\".\"stock\" is still there"]
        );
    }

    #[test]
    fn a_baseline_goes_up_to_the_last_that_is_there_and_makes_something() {
        let up_to =
            |there: &[(&str, &str)]| held_up_to(&[INIT, STOCK, DATA], "public", &catalog(there));
        assert_eq!(up_to(&[]), None);
        assert_eq!(up_to(&[INIT]), Some(0));
        assert_eq!(up_to(&[INIT, STOCK]), Some(1));
        let gone_again = [INIT, STOCK, DROP, ("5", "CREATE TABLE \"B\" (id int);")];
        let there = catalog(&gone_again);
        assert_eq!(held_up_to(&gone_again, "public", &there), Some(3));
        let other = [
            (
                "1",
                "CREATE SCHEMA IF NOT EXISTS \"app\"; CREATE TABLE \"app\".\"Item\" (id int);",
            ),
            STOCK,
        ];
        assert_eq!(held_up_to(&other, "public", &catalog(&other[..1])), Some(0));
    }

    #[test]
    fn what_earlier_ones_made_is_not_left_of_a_later_one() {
        let changes = || {
            vec![
                "table \"Item\" added".to_owned(),
                "table \"B\" added".to_owned(),
            ]
        };
        assert_eq!(left_of(&[INIT], changes(), "public"), ["table \"B\" added"]);
        assert_eq!(left_of(&[], changes(), "public"), changes());
    }

    #[test]
    fn an_index_that_stands_there_otherwise_is_replaced() {
        let sql = "CREATE TABLE t (a int, b text);\nCREATE UNIQUE INDEX \"i\" ON t (a);\nCREATE INDEX j ON t (b);\n\
            CREATE INDEX k ON t (a) WHERE b = 'secret';";
        let like = |unique: bool, partial: bool, column: &str| Index {
            table: "t".to_owned(),
            unique,
            columns: Some(vec![column.to_owned()]),
            partial,
        };
        let object = |name: &str| Object {
            kind: ObjectKind::Index,
            schema: "public".to_owned(),
            name: name.to_owned(),
            part: String::new(),
        };
        let seen = [
            (object("i"), like(false, false, "a")),
            (object("j"), like(false, false, "b")),
            (object("k"), like(false, false, "a")),
        ];
        assert_eq!(
            replacing(sql, "public", &seen.into()),
            [
                "DROP INDEX \"public\".\"i\"",
                "CREATE UNIQUE INDEX \"i\" ON t (a)"
            ]
        );
    }

    /// What a later one says of a column is its own, also of one that an earlier one made.
    #[test]
    fn columns_that_are_not_as_the_last_one_has_them() {
        let texts = [
            ("1", "CREATE TABLE t (a int, b text);"),
            (
                "2",
                "ALTER TABLE t ALTER COLUMN b SET NOT NULL; ALTER TABLE o ALTER COLUMN c SET DEFAULT 1;",
            ),
        ];
        let column = |table: &str, name: &str| Object {
            kind: ObjectKind::Column,
            schema: "public".to_owned(),
            name: table.to_owned(),
            part: name.to_owned(),
        };
        let seen = |not_null: bool, default: Option<&str>, of_type: &str| Column {
            not_null,
            default: default.map(str::to_owned),
            of_type: of_type.to_owned(),
        };
        let found = |b: Column, c: Column| {
            let columns = [
                (column("t", "a"), seen(false, None, "integer")),
                (column("t", "b"), b),
                (column("o", "c"), c),
            ];
            let found = otherwise(&texts, "public", &columns.into(), &BTreeMap::new());
            found.into_iter().map(|list| list.len()).collect::<Vec<_>>()
        };
        let right = || (seen(true, None, "text"), seen(false, Some("1"), "integer"));
        assert_eq!(found(right().0, right().1), [0, 0]);
        assert_eq!(found(seen(false, None, "text"), right().1), [1, 1]);
        // Its type is the first one's to say.
        assert_eq!(found(seen(true, None, "integer"), right().1), [1, 0]);
        assert_eq!(found(right().0, seen(false, None, "integer")), [0, 1]);
    }
}
