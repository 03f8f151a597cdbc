//! `CREATE ...`: what it adds to the catalog's names.

use super::change::{Change, Names, Read, Relation, Unseen, part, whole};
use super::cursor::Cursor;
use super::indexed;
use super::shapes::{self, Aspect, Shape};
use super::token::Kind;
use crate::facts::{Object, ObjectKind};

/// What begins a constraint of a table or a column.
const CONSTRAINTS: [&str; 6] = [
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "FOREIGN",
    "EXCLUDE",
    "REFERENCES",
];
/// Column types and clauses for which the server makes a sequence.
const SERIALS: [&str; 7] = [
    "SERIAL",
    "BIGSERIAL",
    "SMALLSERIAL",
    "SERIAL2",
    "SERIAL4",
    "SERIAL8",
    "IDENTITY",
];

/// What stands after `CREATE`. `None` where it is not understood.
pub(super) fn read(mut cursor: Cursor<'_>, names: &mut Names) -> Option<Read> {
    let replaces = cursor.take("OR") && cursor.take("REPLACE");
    let _ = cursor.take("GLOBAL") || cursor.take("LOCAL");
    if cursor.take_any(&["TEMP", "TEMPORARY"]) {
        return temporary(cursor, names);
    }
    cursor.take("UNLOGGED");
    match cursor.take_word()? {
        "TABLE" => table(cursor, names),
        "UNIQUE" if cursor.take("INDEX") => index(cursor, names, true),
        "INDEX" => index(cursor, names, false),
        "TYPE" => make_type(cursor, names),
        "DOMAIN" => simple(cursor, names, ObjectKind::Type, false),
        "VIEW" => simple(cursor, names, ObjectKind::View, replaces),
        "RECURSIVE" if cursor.take("VIEW") => simple(cursor, names, ObjectKind::View, replaces),
        "MATERIALIZED" if cursor.take("VIEW") => {
            let conditional = cursor.take_if_not_exists();
            simple(cursor, names, ObjectKind::View, conditional)
        }
        "SEQUENCE" => sequence(cursor, names),
        "SCHEMA" => schema(cursor),
        // Another one of the same name may stand beside it.
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => simple(cursor, names, ObjectKind::Function, true),
        "TRIGGER" => trigger(cursor, names, replaces, false),
        "CONSTRAINT" if cursor.take("TRIGGER") => trigger(cursor, names, replaces, true),
        "EXTENSION" => extension(cursor),
        // They have names, which are not looked at.
        "POLICY" | "RULE" | "STATISTICS" | "CAST" | "OPERATOR" | "COLLATION" | "CONVERSION"
        | "PUBLICATION" | "ROLE" | "USER" | "SERVER" | "FOREIGN" | "TEXT" | "ACCESS"
        | "TRANSFORM" | "EVENT" => Some(Read::unseen(Unseen::Other)),
        _ => None,
    }
}

/// Gone with the session; from here on its name means nothing to the catalog.
fn temporary(mut cursor: Cursor<'_>, names: &mut Names) -> Option<Read> {
    cursor.take("RECURSIVE");
    cursor
        .take_any(&["TABLE", "VIEW", "SEQUENCE"])
        .then_some(())?;
    cursor.take_if_not_exists();
    let (_, name) = cursor.qualified()?;
    names.temporary.push(name);
    Some(Read::default())
}

fn add(object: Object, conditional: bool) -> Change {
    Change::Add {
        object,
        of: None,
        mentions: Vec::new(),
        conditional,
    }
}

fn simple(
    mut cursor: Cursor<'_>,
    names: &Names,
    kind: ObjectKind,
    conditional: bool,
) -> Option<Read> {
    let relation = names.relation(&mut cursor)?;
    Some(Read::changes(vec![add(whole(kind, relation), conditional)]))
}

fn table(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    let conditional = cursor.take_if_not_exists();
    let table = names.relation(&mut cursor)?;
    let mut parent = None;
    if cursor.take("PARTITION") {
        cursor.take("OF").then_some(())?;
        parent = names.relation(&mut cursor);
    } else if cursor.peek_word() == "OF" {
        // It goes with its type.
        return None;
    }
    let mut parts = Vec::new();
    let mut keys = Vec::new();
    if let Some(tokens) = cursor.group() {
        for tokens in (Cursor { tokens, ..cursor }).split_by_comma() {
            let cursor = Cursor { tokens, ..cursor };
            element(cursor, &table, conditional, &mut parts);
            if matches!(cursor.peek_word(), "CONSTRAINT" | "PRIMARY") {
                keys.extend(key(cursor, &table));
            }
        }
    }
    if cursor.take("INHERITS") {
        let tokens = cursor.group()?;
        parent = names.relation(&mut Cursor { tokens, ..cursor });
    }
    if parent.is_some() {
        keys.push(Change::Keyed {
            of: table.clone(),
            columns: Vec::new(),
        });
    }
    let mut changes = vec![Change::Add {
        object: whole(ObjectKind::Table, table),
        of: parent,
        mentions: Vec::new(),
        conditional,
    }];
    changes.append(&mut parts);
    changes.append(&mut keys);
    Some(Read::changes(changes))
}

/// One element of a table: a column or a constraint. What is not understood adds nothing.
fn element(cursor: Cursor<'_>, table: &Relation, conditional: bool, changes: &mut Vec<Change>) {
    match cursor.peek_word() {
        "LIKE" => {}
        "CONSTRAINT" => constraint(cursor, table, conditional, changes),
        word if CONSTRAINTS.contains(&word) => changes.push(Change::Unnamed(table.clone())),
        _ => {
            column(cursor, table, conditional, changes);
        }
    }
}

/// A column's name, its type and its own constraints.
pub(super) fn column(
    mut cursor: Cursor<'_>,
    table: &Relation,
    conditional: bool,
    changes: &mut Vec<Change>,
) -> Option<()> {
    let name = cursor.identifier()?;
    let column = part(ObjectKind::Column, table, name.clone());
    changes.push(add(column.clone(), conditional));
    // What was there already is what it was.
    let shape = match conditional {
        true => Shape::default(),
        false => shapes::defined(cursor),
    };
    let aspect = Aspect::Whole(shape);
    changes.push(Change::Shape { column, aspect });
    let mut named = false;
    while let Some((first, rest)) = cursor.tokens.split_first() {
        let word = match &first.kind {
            Kind::Word(word) => word.as_str(),
            _ => "",
        };
        if word == "CONSTRAINT" {
            let from = changes.len();
            constraint(cursor, table, conditional, changes);
            for change in &mut changes[from..] {
                if let Change::Add { mentions, .. } = change {
                    mentions.push(name.clone());
                }
            }
            named = true;
        } else if SERIALS.contains(&word) {
            changes.push(Change::Unnamed(table.clone()));
        } else if CONSTRAINTS.contains(&word) {
            if !named {
                changes.push(Change::Unnamed(table.clone()));
            }
            named = false;
        }
        // A group belongs to what stands before it.
        if cursor.group().is_none() {
            cursor.tokens = rest;
        }
    }
    Some(())
}

/// `CONSTRAINT name ...`. What stands by an index has one of the same name.
pub(super) fn constraint(
    mut cursor: Cursor<'_>,
    table: &Relation,
    conditional: bool,
    changes: &mut Vec<Change>,
) {
    cursor.take("CONSTRAINT");
    let Some(name) = cursor.identifier() else {
        return;
    };
    let mentions = cursor.names();
    let object = part(ObjectKind::Constraint, table, name.clone());
    changes.push(Change::Add {
        object,
        of: None,
        mentions: mentions.clone(),
        conditional,
    });
    if matches!(cursor.peek_word(), "PRIMARY" | "UNIQUE" | "EXCLUDE") {
        let index = whole(ObjectKind::Index, (table.0.clone(), name));
        let mut using = cursor;
        // An index that stands there already takes the constraint's name.
        if using.skip_past(&["USING"]) && using.take("INDEX") {
            if let Some(old) = using.identifier() {
                changes.push(Change::Rename {
                    from: whole(ObjectKind::Index, (table.0.clone(), old)),
                    to: index,
                    conditional,
                });
            }
            return;
        }
        changes.push(Change::Add {
            object: index.clone(),
            of: Some(table.clone()),
            mentions,
            conditional,
        });
        if !conditional && cursor.take_any(&["PRIMARY", "UNIQUE"]) {
            let like = indexed::like(cursor, table, true);
            changes.extend(like.map(|like| Change::Indexed { index, like }));
        }
    }
}

/// What a primary key makes NOT NULL.
pub(super) fn key(mut cursor: Cursor<'_>, table: &Relation) -> Option<Change> {
    (cursor.skip_past(&["PRIMARY"]) && cursor.take("KEY")).then_some(())?;
    let columns = match cursor.group() {
        Some(tokens) => Cursor { tokens, ..cursor }.names(),
        None => Vec::new(),
    };
    Some(Change::Keyed {
        of: table.clone(),
        columns,
    })
}

fn index(mut cursor: Cursor<'_>, names: &Names, unique: bool) -> Option<Read> {
    // A build that failed leaves an index that is not valid.
    let mut conditional = cursor.take("CONCURRENTLY");
    // Whatever has the name will do.
    let any = cursor.take_if_not_exists();
    conditional |= any;
    let name = if cursor.peek_word() == "ON" {
        None
    } else {
        Some(cursor.identifier()?)
    };
    cursor.take("ON").then_some(())?;
    cursor.take("ONLY");
    let table = names.relation(&mut cursor)?;
    let Some(name) = name else {
        return Some(Read {
            unseen: Some(Unseen::Other),
            ..Read::changes(vec![Change::Unnamed(table)])
        });
    };
    let index = whole(ObjectKind::Index, (table.0.clone(), name));
    let like = indexed::like(cursor, &table, unique).filter(|_| !any);
    let mut changes = vec![Change::Add {
        object: index.clone(),
        mentions: cursor.names(),
        of: Some(table),
        conditional,
    }];
    changes.extend(like.map(|like| Change::Indexed { index, like }));
    Some(Read::changes(changes))
}

/// A type; with its values, where it is an enum.
fn make_type(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    let name = names.relation(&mut cursor)?;
    let mut changes = vec![add(whole(ObjectKind::Type, name.clone()), false)];
    if cursor.take("AS") && cursor.take("ENUM") {
        let tokens = cursor.group()?;
        for tokens in (Cursor { tokens, ..cursor }).split_by_comma() {
            if let Some(value) = (Cursor { tokens, ..cursor }).literal() {
                changes.push(add(part(ObjectKind::EnumValue, &name, value), false));
            }
        }
    }
    Some(Read::changes(changes))
}

fn sequence(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    let conditional = cursor.take_if_not_exists();
    let sequence = whole(ObjectKind::Sequence, names.relation(&mut cursor)?);
    let mut changes = vec![add(sequence.clone(), conditional)];
    if cursor.skip_past(&["OWNED"]) && cursor.take("BY") {
        changes.extend(owner(cursor, names, sequence));
    }
    Some(Read::changes(changes))
}

/// `OWNED BY [schema.]table.column`.
pub(super) fn owner(mut cursor: Cursor<'_>, names: &Names, sequence: Object) -> Option<Change> {
    let mut written = vec![cursor.identifier()?];
    while cursor.advance_if(|kind| *kind == Kind::Mark('.')) {
        written.push(cursor.identifier()?);
    }
    let column = written.pop()?;
    let table = written.pop()?;
    let schema = match written.pop() {
        Some(schema) => schema,
        None => names.schema.clone()?,
    };
    Some(Change::Own {
        sequence,
        of: (schema, table),
        column,
    })
}

fn schema(mut cursor: Cursor<'_>) -> Option<Read> {
    let conditional = cursor.take_if_not_exists();
    let name = if cursor.take("AUTHORIZATION") {
        cursor.identifier()?
    } else {
        let name = cursor.identifier()?;
        if cursor.take("AUTHORIZATION") {
            cursor.identifier()?;
        }
        name
    };
    let object = whole(ObjectKind::Schema, (String::new(), name));
    Some(Read {
        // What it makes at once stands in the same statement, and is not read.
        unseen: (!cursor.is_done()).then_some(Unseen::Other),
        ..Read::changes(vec![add(object, conditional)])
    })
}

fn trigger(
    mut cursor: Cursor<'_>,
    names: &Names,
    conditional: bool,
    is_constraint: bool,
) -> Option<Read> {
    let name = cursor.identifier()?;
    cursor.skip_past(&["ON"]).then_some(())?;
    let table = names.relation(&mut cursor)?;
    let mut changes = vec![add(
        part(ObjectKind::Trigger, &table, name.clone()),
        conditional,
    )];
    if is_constraint {
        changes.push(add(part(ObjectKind::Constraint, &table, name), conditional));
    }
    Some(Read::changes(changes))
}

fn extension(mut cursor: Cursor<'_>) -> Option<Read> {
    let conditional = cursor.take_if_not_exists();
    let name = cursor.identifier()?;
    let object = whole(ObjectKind::Extension, (String::new(), name));
    Some(Read::changes(vec![add(object, conditional)]))
}
