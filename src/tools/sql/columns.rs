//! What a migration makes of columns beyond their names, compared with what the catalog says of them.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Read};
use super::effects::describe;
use super::expected::replay;
use super::replay::State;
use super::seen::Seen;
use super::shapes::{Aspect, Default, Shape};
use super::token::Token;
use crate::facts::{Column, Object, ObjectKind};

/// What there is to compare.
pub(super) struct Columns<'a> {
    /// What the columns that are altered were like before the first statement.
    pub before: BTreeMap<Object, Shape>,
    /// What they are altered in, by every name that they have on their way.
    altered: BTreeMap<Object, Vec<&'a Aspect>>,
    seen: &'a BTreeMap<Object, Column>,
}

/// `None` where no column is altered, or nothing is known of any.
pub(super) fn of<'a>(
    statements: &'a [(&[Token], Read)],
    seen: &Seen<'a>,
    schema: &str,
) -> Option<Columns<'a>> {
    let columns = seen.columns?;
    let mut altered: BTreeMap<Object, Vec<&Aspect>> = BTreeMap::new();
    let mut first = BTreeSet::new();
    let mut renames: Vec<(&Object, &Object)> = Vec::new();
    for change in statements.iter().flat_map(|(_, read)| &read.changes) {
        match change {
            Change::Rename { from, to, .. } => renames.push((from, to)),
            Change::Shape { column, aspect } if !matches!(aspect, Aspect::Whole(_)) => {
                let mut name = column.clone();
                altered.entry(name.clone()).or_default().push(aspect);
                for (from, to) in renames.iter().rev() {
                    if renamed(&mut name, to, from) {
                        altered.entry(name.clone()).or_default().push(aspect);
                    }
                }
                first.insert(name);
            }
            _ => {}
        }
    }
    // It may get another name later, under which it is compared.
    for change in statements.iter().flat_map(|(_, read)| &read.changes) {
        if let Change::Rename { from, to, .. } = change {
            let known: Vec<(Object, Vec<&Aspect>)> = altered
                .iter()
                .map(|(name, aspects)| (name.clone(), aspects.clone()))
                .collect();
            for (mut name, aspects) in known {
                if renamed(&mut name, from, to) {
                    altered.entry(name).or_default().extend(aspects);
                }
            }
        }
    }
    if first.is_empty() {
        return None;
    }
    let state = replay(seen.before, schema);
    let before = first.into_iter().filter_map(|column| {
        let shape = state.shape(&column)?.clone();
        Some((column, shape))
    });
    Some(Columns {
        before: before.collect(),
        altered,
        seen: columns,
    })
}

/// Whether a column's name changes with that of `from`, and how.
fn renamed(column: &mut Object, from: &Object, to: &Object) -> bool {
    let relation = (&column.schema, &column.name) == (&from.schema, &from.name);
    match from.kind {
        ObjectKind::Column if relation && column.part == from.part => {
            column.part.clone_from(&to.part);
        }
        ObjectKind::Table if relation => {
            column.schema.clone_from(&to.schema);
            column.name.clone_from(&to.name);
        }
        ObjectKind::Schema if column.schema == from.name => column.schema.clone_from(&to.name),
        _ => return false,
    }
    true
}

impl Columns<'_> {
    /// In what is altered of it, a column would be another one than it is.
    pub(super) fn differ(&self, state: &State, column: &Object) -> bool {
        let (Some(shape), Some(seen)) = (state.shape(column), self.seen.get(column)) else {
            return false;
        };
        let Some(aspects) = self.altered.get(column) else {
            return false;
        };
        aspects.iter().any(|aspect| !shape.only(aspect).fits(seen))
    }
}

/// What is so of the columns now because statements made it so, in words.
pub(super) fn changes(
    statements: &[(&[Token], Read)],
    seen: &Seen<'_>,
    schema: &str,
) -> Vec<String> {
    let Some(columns) = seen.columns else {
        return Vec::new();
    };
    let mut made: Vec<(Object, &Aspect)> = Vec::new();
    for change in statements.iter().flat_map(|(_, read)| &read.changes) {
        match change {
            Change::Rename { from, to, .. } => {
                for (name, _) in &mut made {
                    renamed(name, from, to);
                }
            }
            Change::Shape { column, aspect } => {
                let same = |other: &Aspect| {
                    std::mem::discriminant(other) == std::mem::discriminant(aspect)
                };
                made.retain(|(name, other)| name != column || !same(other));
                if !matches!(aspect, Aspect::Whole(_)) {
                    made.push((column.clone(), aspect));
                }
            }
            _ => {}
        }
    }
    let lines = made.into_iter().filter_map(|(column, aspect)| {
        let mut shape = Shape::default();
        shape.take(aspect);
        columns.get(&column).filter(|seen| shape.fits(seen))?;
        let what = match aspect {
            Aspect::NotNull(true) => "is NOT NULL now".to_owned(),
            Aspect::NotNull(false) => "is not NOT NULL any more".to_owned(),
            Aspect::Default(Default::None) => "has no default any more".to_owned(),
            Aspect::Default(Default::Some(_)) => "has its new default".to_owned(),
            Aspect::Type(_) => "has its new type".to_owned(),
            Aspect::Whole(_) => return None,
        };
        Some(format!("{} {what}", describe(&column, schema)))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Doubt, Stopped, expected, left_behind_in};
    use super::*;
    use rstest::rstest;

    /// A column as the catalog has it: NOT NULL, its default, its type.
    type Like = (bool, Option<&'static str>, &'static str);

    const NULLABLE: Like = (false, None, "text");
    const REQUIRED: Like = (true, None, "text");
    const TEXT: &str = "CREATE TABLE \"User\" (id int, name TEXT, CONSTRAINT p PRIMARY KEY (id));";
    const SET_NOT_NULL: &str = "ALTER TABLE \"User\" ALTER COLUMN name SET NOT NULL;";
    const SET_TYPE: &str = "ALTER TABLE \"User\" ALTER COLUMN name SET DATA TYPE VARCHAR(9);";
    const SET_DEFAULT: &str = "ALTER TABLE \"User\" ALTER name SET DEFAULT 'new';";

    /// What ran before; the file; how the column "User"."name" is now; what took effect, and what is not known.
    #[rstest]
    #[case::it_did(TEXT, SET_NOT_NULL, REQUIRED, &[1], &["column \"User\".\"name\" is NOT NULL now"], &[])]
    #[case::it_did_not(TEXT, SET_NOT_NULL, NULLABLE, &[], &[], &[])]
    #[case::it_did_not_whatever_was_before("", SET_NOT_NULL, NULLABLE, &[], &[], &[])]
    #[case::it_may_have_been_so("", SET_NOT_NULL, REQUIRED, &[], &[],
    &["unknown: whether statement 1 took effect, as the column may have been so before: ALTER TABLE \"User\" ALTER COLUMN name SET NOT NULL; to see: \\d \"User\""])]
    #[case::it_was_so("CREATE TABLE \"User\" (name TEXT NOT NULL);", SET_NOT_NULL, REQUIRED, &[], &[],
    &["unknown: whether statement 1 took effect, as the column may have been so before: ALTER TABLE \"User\" ALTER COLUMN name SET NOT NULL; to see: \\d \"User\""])]
    #[case::dropped("CREATE TABLE \"User\" (name TEXT NOT NULL);", "ALTER TABLE \"User\" ALTER COLUMN name DROP NOT NULL",
    NULLABLE, &[1], &["column \"User\".\"name\" is not NOT NULL any more"], &[])]
    #[case::not_dropped("", "ALTER TABLE \"User\" ALTER COLUMN name DROP NOT NULL", REQUIRED, &[], &[], &[])]
    #[case::a_type(TEXT, SET_TYPE, (false, None, "character varying(9)"), &[1], &["column \"User\".\"name\" has its new type"], &[])]
    #[case::no_type("", SET_TYPE, NULLABLE, &[], &[], &[])]
    #[case::the_same_type("CREATE TABLE \"User\" (name VARCHAR(9));", SET_TYPE, (false, None, "character varying(9)"), &[], &[],
    &["unknown: whether statement 1 took effect, as the column may have been so before: ALTER TABLE \"User\" ALTER COLUMN name SET DATA TYPE VARCHAR(9); to see: \\d \"User\""])]
    #[case::a_default(TEXT, SET_DEFAULT, (false, Some("'new'::text"), "text"), &[1], &["column \"User\".\"name\" has its new default"], &[])]
    #[case::no_default("", SET_DEFAULT, NULLABLE, &[], &[], &[])]
    #[case::another_default("", SET_DEFAULT, (false, Some("'old'::text"), "text"), &[], &[], &[])]
    #[case::a_default_for_another("CREATE TABLE \"User\" (name TEXT DEFAULT 'old');", SET_DEFAULT, (false, Some("'new'::text"), "text"),
    &[1], &["column \"User\".\"name\" has its new default"], &[])]
    #[case::default_gone("CREATE TABLE \"User\" (name TEXT DEFAULT 'old' NOT NULL);", "ALTER TABLE \"User\" ALTER name DROP DEFAULT", REQUIRED,
    &[1], &["column \"User\".\"name\" has no default any more"], &[])]
    #[case::two_of_three(TEXT, &[SET_DEFAULT, SET_NOT_NULL, SET_TYPE].concat(), (true, Some("'new'::text"), "text"),
    &[1, 2], &["column \"User\".\"name\" has its new default", "column \"User\".\"name\" is NOT NULL now"], &[])]
    #[case::one_by_the_next("", &[SET_TYPE, "UPDATE \"User\" SET name = 'x';", SET_NOT_NULL].concat(), NULLABLE, &[], &[], &[])]
    #[case::renamed_on_the_way("CREATE TABLE \"Old\" (called TEXT);",
    &["ALTER TABLE \"Old\" RENAME called TO name; ALTER TABLE \"Old\" RENAME TO \"User\";", SET_NOT_NULL].concat(),
    NULLABLE, &[1, 2], &["table \"Old\" is now table \"User\""], &[])]
    #[case::renamed_later("CREATE TABLE \"User\" (called TEXT);",
    "ALTER TABLE \"User\" ALTER called SET NOT NULL; ALTER TABLE \"User\" RENAME called TO name", REQUIRED,
    &[1, 2], &["column \"User\".\"called\" is now column \"User\".\"name\"", "column \"User\".\"name\" is NOT NULL now"], &[])]
    #[case::of_a_key("CREATE TABLE \"User\" (name TEXT, PRIMARY KEY (name));", SET_NOT_NULL, REQUIRED, &[], &[],
    &["unknown: whether statement 1 took effect, as the column may have been so before: ALTER TABLE \"User\" ALTER COLUMN name SET NOT NULL; to see: \\d \"User\""])]
    #[case::code_may_have_done_it(&[TEXT, "DO $$ BEGIN ALTER TABLE \"User\" ALTER name SET NOT NULL; END $$;"].concat(), SET_NOT_NULL, REQUIRED, &[], &[],
    &["unknown: whether statement 1 took effect, as the column may have been so before: ALTER TABLE \"User\" ALTER COLUMN name SET NOT NULL; to see: \\d \"User\""])]
    #[case::somebody_changed_it(TEXT, SET_TYPE, (false, None, "integer"), &[], &[],
    &["unknown: whether statement 1 took effect, as the column may have been so before: ALTER TABLE \"User\" ALTER COLUMN name SET DATA TYPE VARCHAR(9); to see: \\d \"User\""])]
    #[case::beside_what_is_not_read(TEXT, "ALTER TABLE \"User\" ALTER name SET STATISTICS 5", NULLABLE, &[], &[],
    &["unknown: whether statement 1 took effect: ALTER TABLE \"User\" ALTER name SET STATISTICS ?; to see: \\d \"User\""])]
    fn what_columns_are_like_tells(
        #[case] before: &str,
        #[case] sql: &str,
        #[case] (not_null, default, of_type): Like,
        #[case] took_effect: &[usize],
        #[case] changes: &[&str],
        #[case] unseen: &[&str],
    ) {
        let objects = expected(
            &[(
                "0",
                "CREATE TABLE \"User\" (id int, name text, CONSTRAINT p PRIMARY KEY (id))",
            )],
            "public",
        );
        let name = objects.iter().find(|object| object.part == "name").unwrap();
        let column = Column {
            not_null,
            default: default.map(str::to_owned),
            of_type: of_type.to_owned(),
        };
        let columns = BTreeMap::from([(name.clone(), column)]);
        let seen = Seen {
            objects: &objects,
            columns: Some(&columns),
            before: &[("1", before)],
        };
        // It failed in what comes behind all of it.
        let file = format!("{} ;SELECT nope;", sql.trim_end_matches(';'));
        let stopped = Stopped {
            position: Some(file.chars().count() - 3),
            sql_state: Some("42703"),
            message: "",
        };
        let left = left_behind_in(&file, "public", &seen, &stopped);
        assert_eq!(left.statements, took_effect);
        assert_eq!(left.changes, changes);
        let said: Vec<String> = left.unseen.iter().map(Doubt::to_string).collect();
        assert_eq!(said, unseen);
    }
}
