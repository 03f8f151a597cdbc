//! The statements that take back what a migration that failed has made, and what they do not take back.
//!
//! Only what was surely not there before is dropped: a statement that makes something and says nothing of `IF NOT EXISTS` has
//! succeeded before the one that failed, so there was no such thing. Nothing is dropped with what depends on it.

use std::collections::BTreeSet;

use super::change::{Change, Read, Relation};
use super::cursor::Cursor;
use super::effects::describe;
use super::explained::explained;
use super::reader;
use super::reference::statement;
use super::seen::Seen;
use super::shapes::Aspect;
use super::stopped::Stopped;
use super::{Unseen, split, token};
use crate::facts::{Object, ObjectKind};

/// How what a failed migration has left is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// The statements, what was done last first.
    pub statements: Vec<String>,
    /// What was done, too, and they do not take back.
    pub lacks: Vec<String>,
}

/// One change that can be taken back.
struct Step {
    /// What takes it back; empty where something else that is taken back takes it along.
    text: String,
    /// What it made, by its present name; `None`: it gave another name.
    made: Option<Object>,
}

/// What takes back the statements that took effect for certain. `failed`: the number of the one that failed, from 1. Where that is
/// not known it may be beyond the last, if nothing of what stands there stood there before.
pub fn undo(sql: &str, schema: &str, seen: &Seen<'_>, failed: usize) -> Option<Undo> {
    let tokens = token::tokens(sql);
    let mut statements = reader::read(sql, &split(&tokens.tokens), schema);
    statements.truncate(failed.saturating_sub(1));
    let certain = *explained(sql, &statements, seen, schema).first()?;
    let mut found = Found {
        schema,
        ..Found::default()
    };
    for ((tokens, read), number) in statements.iter().take(certain).zip(1..) {
        let cursor = Cursor { sql, tokens };
        if !found.take(cursor, read) {
            let text = statement(sql, number).map_or(String::new(), |it| it.text);
            found.lacks.push(format!("statement {number} ({text})"));
        }
    }
    let there = |step: &Step| {
        let made = step.made.as_ref();
        made.is_none_or(|object| seen.objects.contains(object))
    };
    let steps = found.steps.iter().rev().filter(|step| there(step));
    let statements: Vec<String> = steps
        .map(|step| step.text.clone())
        .filter(|text| !text.is_empty())
        .collect();
    // A name that cannot be shown as it is cannot be copied either.
    let odd = statements
        .iter()
        .any(|text| text.contains(char::is_control));
    (!odd && !statements.is_empty()).then_some(Undo {
        statements,
        lacks: found.lacks,
    })
}

/// The statements, from 1, that change rows of nothing but what the text made before: before they could run a second time that has to
/// be gone, and what they did with it.
pub(super) fn confined(
    sql: &str,
    schema: &str,
    statements: &[(&[token::Token], Read)],
) -> BTreeSet<usize> {
    let mut found = Found {
        schema,
        ..Found::default()
    };
    let mut confined = BTreeSet::new();
    for ((tokens, read), number) in statements.iter().zip(1..) {
        let cursor = Cursor { sql, tokens };
        let rows = read.unseen == Some(Unseen::Rows) && !read.runs_code;
        if rows && found.is_confined(cursor) {
            confined.insert(number);
        }
        found.take(cursor, read);
    }
    confined
}

/// The first statement that can have failed with an error that names something: it names that as well, or its changes are not all
/// read from its text. What stands before it has succeeded.
pub fn may_fail_from(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<usize> {
    let read = token::tokens(sql);
    if stopped.sql_state == Some("55P03") {
        // What only makes something new waits for nobody.
        let waits = |tokens: &&[token::Token]| {
            let mut cursor = Cursor { sql, tokens };
            let makes = cursor.take("CREATE") && cursor.take_any(&["TYPE", "TABLE"]);
            let refers = ["REFERENCES", "LIKE", "INHERITS", "PARTITION", "AS", "OF"];
            let is_of = |token: &token::Token| matches!(&token.kind, token::Kind::Word(word) if refers.contains(&word.as_str()));
            let of_type = cursor.tokens.iter().filter(|token| is_of(token)).count();
            let is_enum = cursor.has(&["ENUM"]) && of_type == 1;
            !makes || of_type > 0 && !is_enum
        };
        let at = split(&read.tokens).iter().position(waits)?;
        return Some(at + 1);
    }
    // Something that is not there, or rows that do not fit.
    let names_it = [
        "42703", "42P01", "42704", "42883", "23505", "23503", "23514",
    ];
    names_it.contains(&stopped.sql_state?).then_some(())?;
    let mut quoted = stopped.message.split('"');
    let mut named: Vec<&str> = Vec::new();
    while let (Some(_), Some(name)) = (quoted.next(), quoted.next()) {
        named.push(name);
    }
    let missing = stopped
        .sql_state
        .is_some_and(|state| state.starts_with("42"));
    let name = if missing { named.first() } else { named.last() };
    let name = name?.rsplit('.').next()?;
    let statements = reader::read(sql, &split(&read.tokens), schema);
    let mentions = |tokens: &[token::Token]| {
        let mut tokens = tokens.iter();
        tokens.any(|token| {
            let text = sql.get(token.span.clone()).unwrap_or_default();
            let plain = text.trim_matches('"').replace("\"\"", "\"");
            plain == name || !text.starts_with('"') && plain.to_lowercase() == name.to_lowercase()
        })
    };
    let at = statements.iter().position(|(tokens, _)| mentions(tokens))?;
    let unread = |read: &Read| {
        let unnamed = |change: &Change| matches!(change, Change::Unnamed(_));
        read.unseen.is_some() || read.rolls_back || read.changes.iter().any(unnamed)
    };
    let first = statements.iter().position(|(_, read)| unread(read));
    Some(first.unwrap_or(at).min(at) + 1)
}

#[derive(Default)]
struct Found<'a> {
    schema: &'a str,
    steps: Vec<Step>,
    /// Tables, views and types that were made, by their present names.
    new: BTreeSet<Relation>,
    lacks: Vec<String>,
}

impl Found<'_> {
    /// Takes in what a statement did. `false`: not all of it can be taken back, and it is named as a whole.
    fn take(&mut self, cursor: Cursor<'_>, read: &Read) -> bool {
        let known: BTreeSet<Relation> = self.new.clone();
        let whole = match read.unseen {
            None => true,
            Some(_) if read.runs_code => false,
            Some(Unseen::Rows) => self.is_confined(cursor),
            Some(Unseen::Other) => {
                self.is_new(target(cursor))
                    || !read.changes.is_empty()
                        && read.changes.iter().all(|change| self.is_within(change))
            }
        };
        // It takes over what was there.
        let takes_over = read.changes.iter().any(
            |change| matches!(change, Change::Rename { from, .. } if from.kind == ObjectKind::Index),
        ) && read.changes.len() > 1;
        if takes_over {
            return false;
        }
        let mut all = whole;
        for change in &read.changes {
            all &= self.change(cursor, read, change, &known);
        }
        all
    }

    /// The rows that it changes go with what was made: with their table, or with the columns that it fills.
    fn is_confined(&self, cursor: Cursor<'_>) -> bool {
        let target = target(cursor);
        self.is_new(target.clone()) || target.is_some_and(|it| self.fills_new(cursor, it))
    }

    /// `UPDATE t SET a = 1, b = 2`, of columns that are new.
    fn fills_new(&self, mut cursor: Cursor<'_>, (schema, name): Relation) -> bool {
        let schema = match schema.as_str() {
            "" => self.schema,
            schema => schema,
        };
        if !cursor.take("UPDATE") || !cursor.skip_past(&["SET"]) {
            return false;
        }
        let is_made = |column: &str| {
            let mut made = self.steps.iter().filter_map(|step| step.made.as_ref());
            made.any(|made| {
                made.kind == ObjectKind::Column
                    && (made.schema.as_str(), made.name.as_str()) == (schema, name.as_str())
                    && made.part == column
            })
        };
        // Of what follows the assignments nothing begins with a name and an equals sign.
        cursor.split_by_comma().into_iter().all(|tokens| {
            let mut cursor = Cursor { tokens, ..cursor };
            let column = cursor.identifier();
            column.is_some_and(|column| is_made(&column)) && cursor.take_operator("=")
        })
    }

    fn is_new(&self, relation: Option<Relation>) -> bool {
        relation.is_some_and(|(schema, name)| {
            let schema = match schema.as_str() {
                "" => self.schema.to_owned(),
                _ => schema,
            };
            self.new.contains(&(schema, name))
        })
    }

    /// What it changes goes with what was made.
    fn is_within(&self, change: &Change) -> bool {
        match change {
            Change::Shape { column, .. } => {
                let made = |step: &Step| step.made.as_ref() == Some(column);
                self.new.contains(&relation(column)) || self.steps.iter().any(made)
            }
            Change::Unnamed(of) | Change::Keyed { of, .. } | Change::Own { of, .. } => {
                self.new.contains(of)
            }
            Change::Add { object, of, .. } => {
                let of = of.clone().unwrap_or_else(|| relation(object));
                self.new.contains(&of)
            }
            Change::Remove { object, .. } | Change::Rename { from: object, .. } => {
                !object.part.is_empty() && self.new.contains(&relation(object))
            }
            // It is of an index that the same statement adds.
            Change::Indexed { .. } => true,
            Change::Forget(_) => false,
        }
    }

    /// `false`: it cannot be taken back. `known`: what was made before this statement.
    fn change(
        &mut self,
        cursor: Cursor<'_>,
        read: &Read,
        change: &Change,
        known: &BTreeSet<Relation>,
    ) -> bool {
        match change {
            Change::Add {
                object,
                of,
                conditional,
                ..
            } => {
                // Built concurrently it says the same of what was there: nothing.
                let sure =
                    !conditional || object.kind == ObjectKind::Index && !cursor.has(&["EXISTS"]);
                if !sure || object.kind == ObjectKind::Function {
                    return false;
                }
                let place = relation(object);
                let within = match object.part.is_empty() {
                    true => of.as_ref().is_some_and(|of| self.new.contains(of)),
                    false => self.new.contains(&place),
                };
                // Two new tables may refer to each other.
                let refers = object.kind == ObjectKind::Constraint
                    && known.contains(&place)
                    && cursor.has(&["REFERENCES"]);
                let text = if within && !refers || comes_along(read, object) {
                    Some(String::new())
                } else {
                    dropped(object, cursor)
                };
                if object.part.is_empty() && object.kind != ObjectKind::Index {
                    self.new.insert(place);
                }
                let Some(text) = text else { return false };
                self.steps.push(Step {
                    text,
                    made: Some(object.clone()),
                });
                true
            }
            Change::Remove { object, .. } => {
                let whole = object.part.is_empty() && object.kind != ObjectKind::Index;
                let is_it =
                    |made: &Object| made == object || whole && relation(made) == relation(object);
                let before = self.steps.len();
                self.steps
                    .retain(|step| !step.made.as_ref().is_some_and(is_it));
                let own = self.steps.len() < before;
                if whole {
                    self.new.remove(&relation(object));
                }
                if !own && !self.is_within(change) {
                    let line = format!("{} removed", describe(object, self.schema));
                    self.lacks.push(line);
                }
                true
            }
            Change::Rename {
                from,
                to,
                conditional,
            } => {
                if *conditional {
                    return false;
                }
                if self.is_within(change) {
                    self.renamed(from, to);
                    return true;
                }
                let Some(text) = named_back(from, to) else {
                    return false;
                };
                self.renamed(from, to);
                self.steps.push(Step { text, made: None });
                true
            }
            Change::Own { sequence, of, .. } => {
                // It goes with that table.
                if self.new.contains(of) {
                    let own = |step: &&mut Step| step.made.as_ref() == Some(sequence);
                    if let Some(step) = self.steps.iter_mut().find(own) {
                        step.text.clear();
                    }
                }
                true
            }
            Change::Shape {
                aspect: Aspect::Whole(_),
                ..
            }
            | Change::Keyed { .. }
            | Change::Indexed { .. } => true,
            Change::Shape { .. } | Change::Unnamed(_) => {
                self.is_within(change) || added(read, change)
            }
            Change::Forget(_) => false,
        }
    }

    fn renamed(&mut self, from: &Object, to: &Object) {
        let whole = from.part.is_empty();
        for step in &mut self.steps {
            let Some(made) = &mut step.made else { continue };
            if made == from {
                made.clone_from(to);
            } else if whole && from.kind != ObjectKind::Index && relation(made) == relation(from) {
                made.schema.clone_from(&to.schema);
                made.name.clone_from(&to.name);
            }
        }
        if whole && self.new.remove(&relation(from)) {
            self.new.insert(relation(to));
        }
    }
}

/// The statement adds the column of which that is so.
fn added(read: &Read, change: &Change) -> bool {
    let Change::Unnamed(of) = change else {
        return false;
    };
    // Of a column's own constraint, which goes with it.
    let mut adds = read.changes.iter();
    read.unseen.is_none()
        && adds.any(|other| {
            matches!(other, Change::Add { object, .. }
                if object.kind == ObjectKind::Column && relation(object) == *of)
        })
}

fn relation(object: &Object) -> Relation {
    (object.schema.clone(), object.name.clone())
}

/// What goes with another thing that the same statement adds: an index with its constraint, that with its trigger, a part with its
/// whole.
fn comes_along(read: &Read, object: &Object) -> bool {
    read.changes.iter().any(|change| {
        let Change::Add { object: other, .. } = change else {
            return false;
        };
        let twin = object.kind == ObjectKind::Index
            && other.kind == ObjectKind::Constraint
            && other.part == object.name;
        let of_trigger = object.kind == ObjectKind::Constraint
            && other.kind == ObjectKind::Trigger
            && other.part == object.part;
        let of_column = object.kind == ObjectKind::Constraint
            && other.kind == ObjectKind::Column
            && relation(other) == relation(object)
            && matches!(change, Change::Add { .. })
            && read.changes.iter().any(|mine| {
                matches!(mine, Change::Add { object: it, mentions, .. }
                    if it == object && mentions.contains(&other.part))
            });
        twin || of_trigger || of_column
    })
}

/// The relation that a statement writes to or alters, with an empty schema where it names none.
fn target(mut cursor: Cursor<'_>) -> Option<Relation> {
    match cursor.take_word()? {
        "UPDATE" | "TRUNCATE" => {
            cursor.take("TABLE");
        }
        "INSERT" | "MERGE" => cursor.take("INTO").then_some(())?,
        "DELETE" => cursor.take("FROM").then_some(())?,
        "COPY" => {}
        "ALTER" => {
            cursor
                .take_any(&["TABLE", "TYPE", "VIEW", "SEQUENCE"])
                .then_some(())?;
            cursor.take_if_exists();
        }
        "COMMENT" => {
            cursor.take("ON").then_some(())?;
            cursor.take_any(&["TABLE", "TYPE", "VIEW"]).then_some(())?;
        }
        _ => return None,
    }
    cursor.take("ONLY");
    let (schema, name) = cursor.qualified()?;
    // Of several the others may be old.
    (cursor.peek_word() != "," && !cursor.advance_if(|kind| *kind == token::Kind::Mark(',')))
        .then(|| (schema.unwrap_or_default(), name))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// With its schema, where it stands in one.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    match schema {
        "" => quoted(name),
        schema => format!("{}.{}", quoted(schema), quoted(name)),
    }
}

/// Each may be run once more, where what comes after it was not done.
fn dropped(object: &Object, cursor: Cursor<'_>) -> Option<String> {
    let name = qualified(&object.schema, &object.name);
    let part = quoted(&object.part);
    Some(match object.kind {
        ObjectKind::Schema => format!("DROP SCHEMA IF EXISTS {name}"),
        ObjectKind::Table => format!("DROP TABLE IF EXISTS {name}"),
        ObjectKind::View if cursor.has(&["MATERIALIZED"]) => {
            format!("DROP MATERIALIZED VIEW IF EXISTS {name}")
        }
        ObjectKind::View => format!("DROP VIEW IF EXISTS {name}"),
        ObjectKind::Sequence => format!("DROP SEQUENCE IF EXISTS {name}"),
        ObjectKind::Index => format!("DROP INDEX IF EXISTS {name}"),
        ObjectKind::Type => format!("DROP TYPE IF EXISTS {name}"),
        ObjectKind::Extension => format!("DROP EXTENSION IF EXISTS {name}"),
        ObjectKind::Column => format!("ALTER TABLE {name} DROP COLUMN IF EXISTS {part}"),
        // Its table may be a new one, which is dropped after it.
        ObjectKind::Constraint => {
            format!("ALTER TABLE IF EXISTS {name} DROP CONSTRAINT IF EXISTS {part}")
        }
        ObjectKind::Trigger => format!("DROP TRIGGER IF EXISTS {part} ON {name}"),
        // PostgreSQL takes no value back.
        ObjectKind::EnumValue | ObjectKind::Function => return None,
    })
}

fn named_back(from: &Object, to: &Object) -> Option<String> {
    let name = qualified(&to.schema, &to.name);
    let (old, new) = (quoted(&from.part), quoted(&to.part));
    let whole = |kind: &str| {
        if from.schema == to.schema {
            format!("ALTER {kind} {name} RENAME TO {}", quoted(&from.name))
        } else {
            format!("ALTER {kind} {name} SET SCHEMA {}", quoted(&from.schema))
        }
    };
    Some(match from.kind {
        ObjectKind::Schema => whole("SCHEMA"),
        ObjectKind::Table => whole("TABLE"),
        ObjectKind::Sequence => whole("SEQUENCE"),
        ObjectKind::Index => whole("INDEX"),
        ObjectKind::Type => whole("TYPE"),
        ObjectKind::Column => format!("ALTER TABLE {name} RENAME COLUMN {new} TO {old}"),
        ObjectKind::Constraint => format!("ALTER TABLE {name} RENAME CONSTRAINT {new} TO {old}"),
        ObjectKind::Trigger => format!("ALTER TRIGGER {new} ON {name} RENAME TO {old}"),
        ObjectKind::EnumValue => format!(
            "ALTER TYPE {name} RENAME VALUE {} TO {}",
            literal(&to.part),
            literal(&from.part)
        ),
        // Materialized or not is not known here.
        ObjectKind::View => return None,
        ObjectKind::Function | ObjectKind::Extension => return None,
    })
}

#[cfg(test)]
mod tests;
