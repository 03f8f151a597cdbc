//! `ALTER ...` and `DROP ...`: what they change among the catalog's names.

use super::change::{Change, Names, Read, Relation, Unseen, part, whole};
use super::create;
use super::cursor::Cursor;
use super::shapes;
use crate::facts::{Object, ObjectKind};

/// What stands after `ALTER`. `None` where it is not understood.
pub(super) fn alter(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    match cursor.take_word()? {
        "TABLE" => table(cursor, names),
        "INDEX" => renamed(cursor, names, ObjectKind::Index),
        "VIEW" => renamed(cursor, names, ObjectKind::View),
        "MATERIALIZED" if cursor.take("VIEW") => renamed(cursor, names, ObjectKind::View),
        "SEQUENCE" => renamed(cursor, names, ObjectKind::Sequence),
        "DOMAIN" => renamed(cursor, names, ObjectKind::Type),
        "TYPE" => alter_type(cursor, names),
        "SCHEMA" => schema(cursor),
        "TRIGGER" => trigger(cursor, names),
        "FUNCTION" | "PROCEDURE" | "ROUTINE" | "AGGREGATE" => {
            // Which one of the name it is depends on its arguments.
            let function = whole(ObjectKind::Function, names.relation(&mut cursor)?);
            Some(Read {
                unseen: Some(Unseen::Other),
                ..Read::changes(vec![Change::Forget(function)])
            })
        }
        "POLICY" | "RULE" | "STATISTICS" | "EXTENSION" | "ROLE" | "USER" | "DATABASE"
        | "DEFAULT" | "OPERATOR" | "COLLATION" | "CONVERSION" | "PUBLICATION" | "SERVER"
        | "FOREIGN" | "TEXT" | "SYSTEM" | "EVENT" | "LARGE" | "LANGUAGE" => {
            Some(Read::unseen(Unseen::Other))
        }
        _ => None,
    }
}

fn to(cursor: &mut Cursor<'_>) -> Option<String> {
    cursor.take("TO").then_some(())?;
    cursor.identifier()
}

/// `RENAME TO` and `SET SCHEMA` of a whole object.
fn moved(cursor: &mut Cursor<'_>, object: &Object, conditional: bool) -> Option<Change> {
    let mut to_object = object.clone();
    if cursor.take("RENAME") {
        to_object.name = to(cursor)?;
    } else if cursor.take("SET") && cursor.take("SCHEMA") {
        to_object.schema = cursor.identifier()?;
    } else {
        return None;
    }
    Some(Change::Rename {
        from: object.clone(),
        to: to_object,
        conditional,
    })
}

fn renamed(mut cursor: Cursor<'_>, names: &Names, kind: ObjectKind) -> Option<Read> {
    if kind == ObjectKind::Index && cursor.take("ALL") {
        return Some(Read::unseen(Unseen::Other));
    }
    let conditional = cursor.take_if_exists();
    let object = whole(kind, names.relation(&mut cursor)?);
    let mut rest = cursor;
    if let Some(change) = moved(&mut rest, &object, conditional) {
        return Some(Read::changes(vec![change]));
    }
    let mut changes = Vec::new();
    if kind == ObjectKind::Sequence && cursor.skip_past(&["OWNED"]) && cursor.take("BY") {
        changes.extend(create::owner(cursor, names, object));
    }
    Some(Read {
        unseen: Some(Unseen::Other),
        ..Read::changes(changes)
    })
}

fn table(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    if cursor.take("ALL") {
        return Some(Read::unseen(Unseen::Other));
    }
    let conditional = cursor.take_if_exists();
    cursor.take("ONLY");
    let table = names.relation(&mut cursor)?;
    cursor.take_operator("*");
    let mut read = Read::default();
    let mut opaque = false;
    for tokens in cursor.split_by_comma() {
        let action = Cursor { tokens, ..cursor };
        let from = read.changes.len();
        if table_action(action, names, &table, conditional, &mut read.changes).is_none() {
            read.unseen = Some(Unseen::Other);
            opaque |= !matches!(read.changes[from..], [Change::Shape { .. }]);
        }
    }
    read.shaped = read.unseen.is_some() && !opaque;
    Some(read)
}

/// `None` where the action leaves no name behind.
fn table_action(
    mut cursor: Cursor<'_>,
    names: &Names,
    table: &Relation,
    conditional: bool,
    changes: &mut Vec<Change>,
) -> Option<()> {
    let mut rest = cursor;
    let object = whole(ObjectKind::Table, table.clone());
    if let Some(change) = moved(&mut rest, &object, conditional) {
        changes.push(change);
        return Some(());
    }
    match cursor.take_word()? {
        "RENAME" => {
            let kind = if cursor.take("CONSTRAINT") {
                ObjectKind::Constraint
            } else {
                cursor.take("COLUMN");
                ObjectKind::Column
            };
            let from = part(kind, table, cursor.identifier()?);
            let to = part(kind, table, to(&mut cursor)?);
            changes.push(Change::Rename {
                from,
                to,
                conditional,
            });
            Some(())
        }
        "ADD" => match cursor.peek_word() {
            "CONSTRAINT" => {
                let from = changes.len();
                create::constraint(cursor, table, conditional, changes);
                let named = changes.len() > from;
                changes.extend(create::key(cursor, table));
                named.then_some(())
            }
            "PRIMARY" | "UNIQUE" | "CHECK" | "FOREIGN" | "EXCLUDE" => {
                changes.push(Change::Unnamed(table.clone()));
                changes.extend(create::key(cursor, table));
                None
            }
            _ => {
                cursor.take("COLUMN");
                let conditional = cursor.take_if_not_exists() || conditional;
                create::column(cursor, table, conditional, changes)
            }
        },
        "DROP" => {
            let kind = if cursor.take("CONSTRAINT") {
                ObjectKind::Constraint
            } else {
                cursor.take("COLUMN");
                ObjectKind::Column
            };
            let conditional = cursor.take_if_exists() || conditional;
            let object = part(kind, table, cursor.identifier()?);
            let cascade = cursor.has(&["CASCADE"]);
            changes.push(Change::Remove {
                object,
                conditional,
                cascade,
            });
            Some(())
        }
        "ALTER" => {
            cursor.take("COLUMN");
            let column = part(ObjectKind::Column, table, cursor.identifier()?);
            let aspect = shapes::altered(cursor)?;
            changes.push(Change::Shape { column, aspect });
            None
        }
        // A partition goes with its parent, or no longer.
        "ATTACH" | "DETACH" if cursor.take("PARTITION") => {
            let partition = names.relation(&mut cursor)?;
            changes.push(Change::Keyed {
                of: partition.clone(),
                columns: Vec::new(),
            });
            changes.push(Change::Forget(whole(ObjectKind::Table, partition)));
            None
        }
        "INHERIT" => {
            changes.push(Change::Keyed {
                of: table.clone(),
                columns: Vec::new(),
            });
            changes.push(Change::Forget(object));
            None
        }
        _ => None,
    }
}

fn alter_type(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    let name = names.relation(&mut cursor)?;
    let object = whole(ObjectKind::Type, name.clone());
    let mut rest = cursor;
    if let Some(change) = moved(&mut rest, &object, false) {
        return Some(Read::changes(vec![change]));
    }
    if cursor.take("ADD") && cursor.take("VALUE") {
        let conditional = cursor.take_if_not_exists();
        let value = part(ObjectKind::EnumValue, &name, cursor.literal()?);
        return Some(Read::changes(vec![Change::Add {
            object: value,
            of: None,
            mentions: Vec::new(),
            conditional,
        }]));
    }
    if cursor.take("RENAME") && cursor.take("VALUE") {
        let from = part(ObjectKind::EnumValue, &name, cursor.literal()?);
        cursor.take("TO").then_some(())?;
        let to = part(ObjectKind::EnumValue, &name, cursor.literal()?);
        return Some(Read::changes(vec![Change::Rename {
            from,
            to,
            conditional: false,
        }]));
    }
    Some(Read::unseen(Unseen::Other))
}

fn schema(mut cursor: Cursor<'_>) -> Option<Read> {
    let name = cursor.identifier()?;
    if !cursor.take("RENAME") {
        return Some(Read::unseen(Unseen::Other));
    }
    let new = to(&mut cursor)?;
    let object = |name| whole(ObjectKind::Schema, (String::new(), name));
    Some(Read::changes(vec![Change::Rename {
        from: object(name),
        to: object(new),
        conditional: false,
    }]))
}

fn trigger(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    let name = cursor.identifier()?;
    cursor.take("ON").then_some(())?;
    let table = names.relation(&mut cursor)?;
    if !cursor.take("RENAME") {
        return Some(Read::unseen(Unseen::Other));
    }
    let new = to(&mut cursor)?;
    Some(Read::changes(vec![Change::Rename {
        from: part(ObjectKind::Trigger, &table, name),
        to: part(ObjectKind::Trigger, &table, new),
        conditional: false,
    }]))
}

/// What stands after `DROP`. `None` where it is not understood.
pub(super) fn drop(mut cursor: Cursor<'_>, names: &Names) -> Option<Read> {
    let kind = match cursor.take_word()? {
        "TABLE" => ObjectKind::Table,
        "VIEW" => ObjectKind::View,
        "MATERIALIZED" if cursor.take("VIEW") => ObjectKind::View,
        "INDEX" => ObjectKind::Index,
        "SEQUENCE" => ObjectKind::Sequence,
        "TYPE" | "DOMAIN" => ObjectKind::Type,
        "SCHEMA" => ObjectKind::Schema,
        "EXTENSION" => ObjectKind::Extension,
        "FUNCTION" | "PROCEDURE" | "ROUTINE" | "AGGREGATE" => ObjectKind::Function,
        "TRIGGER" => ObjectKind::Trigger,
        "POLICY" | "RULE" | "STATISTICS" | "CAST" | "OPERATOR" | "COLLATION" | "CONVERSION"
        | "PUBLICATION" | "ROLE" | "USER" | "SERVER" | "FOREIGN" | "TEXT" | "ACCESS"
        | "TRANSFORM" | "EVENT" => return Some(Read::unseen(Unseen::Other)),
        // DROP OWNED takes whatever it finds.
        _ => return None,
    };
    cursor.take("CONCURRENTLY");
    let conditional = cursor.take_if_exists();
    let cascade = cursor.has(&["CASCADE"]);
    let mut changes = Vec::new();
    for tokens in cursor.split_by_comma() {
        let mut one = Cursor { tokens, ..cursor };
        let object = match kind {
            ObjectKind::Schema | ObjectKind::Extension => {
                whole(kind, (String::new(), one.identifier()?))
            }
            ObjectKind::Trigger => {
                let name = one.identifier()?;
                one.take("ON").then_some(())?;
                part(kind, &names.relation(&mut one)?, name)
            }
            _ => whole(kind, names.relation(&mut one)?),
        };
        changes.push(Change::Remove {
            object,
            conditional,
            cascade,
        });
    }
    Some(Read::changes(changes))
}
