//! Rows that a new constraint does not allow.

use super::super::cursor::Cursor;
use super::super::reference::statement;
use super::super::token::{Kind, Token};
use super::super::{Stopped, text_of};
use super::actions::{self, Action, meets_rows, taken};
use super::found::OffendingRows;

/// Reads the constraint of an action, and answers its query.
type Query = fn(&Action<'_>, Cursor<'_>) -> Option<String>;

/// Of the constraint that the message names, if the text adds it once.
pub(super) fn rows(sql: &str, stopped: &Stopped<'_>) -> Option<OffendingRows> {
    let (begin, query): (&str, Query) = match stopped.sql_state? {
        "23503" => ("violates foreign key constraint \"", orphans),
        "23514" => ("check constraint \"", unchecked),
        "23505" => ("could not create unique index \"", duplicates),
        _ => return None,
    };
    let (_, rest) = stopped.message.split_once(begin)?;
    let (name, rest) = rest.split_once('"')?;
    // Of a row that was to be written it says something else.
    if stopped.sql_state == Some("23514") && !rest.contains(" is violated by some row") {
        return None;
    }
    let statements = actions::read(sql)?;
    let all = actions::actions(sql, &statements);
    let mut adding = all
        .iter()
        .filter_map(|action| Some((action, action.constraint(name)?)));
    let (action, cursor) = adding.next().filter(|_| adding.next().is_none())?;
    // What is written afterwards may violate it, too.
    let mut later = statements.iter().skip(action.statement);
    if stopped.sql_state == Some("23503") && later.any(|tokens| meets_rows(tokens)) {
        return None;
    }
    Some(OffendingRows {
        query: query(action, cursor)?,
        column: None,
        statement: statement(sql, action.statement),
    })
}

/// The names in parentheses, each as it is spelt.
fn columns<'a>(sql: &'a str, group: &'a [Token]) -> Option<Vec<&'a str>> {
    let cursor = Cursor { sql, tokens: group };
    let each = cursor.split_by_comma().into_iter();
    each.map(|tokens| match tokens {
        [one] if matches!(one.kind, Kind::Word(_) | Kind::Name) => text_of(sql, tokens),
        _ => None,
    })
    .collect()
}

/// `FOREIGN KEY (a, b) REFERENCES t (c, d)`: rows that point to none.
fn orphans(action: &Action<'_>, mut cursor: Cursor<'_>) -> Option<String> {
    (cursor.take("FOREIGN") && cursor.take("KEY")).then_some(())?;
    let own = columns(cursor.sql, cursor.group()?)?;
    cursor.take("REFERENCES").then_some(())?;
    let parent = taken(&mut cursor, Cursor::take_name)?;
    let theirs = columns(cursor.sql, cursor.group()?)?;
    let first = theirs.first().filter(|_| own.len() == theirs.len())?;
    let pairs: Vec<String> = own
        .iter()
        .zip(&theirs)
        .map(|(own, their)| format!("p.{their} = c.{own}"))
        .collect();
    let set: Vec<String> = own
        .iter()
        .map(|own| format!("c.{own} IS NOT NULL"))
        .collect();
    Some(format!(
        "SELECT c.* FROM {} c LEFT JOIN {parent} p ON {} WHERE {} AND p.{first} IS NULL LIMIT 20",
        action.table,
        pairs.join(" AND "),
        set.join(" AND ")
    ))
}

/// `CHECK (e)`: rows for which it does not hold.
fn unchecked(action: &Action<'_>, mut cursor: Cursor<'_>) -> Option<String> {
    cursor.take("CHECK").then_some(())?;
    let group = cursor.group()?;
    let text = text_of(cursor.sql, group)?;
    let literal = group.iter().any(|token| token.kind == Kind::Text);
    let text = match text.contains(char::is_control) {
        true if literal || text.contains("--") => return None,
        true => text.split_whitespace().collect::<Vec<_>>().join(" "),
        false => text.to_owned(),
    };
    Some(format!(
        "SELECT * FROM {} WHERE NOT ({text}) LIMIT 20",
        action.table
    ))
}

/// `UNIQUE (a, b)` and `PRIMARY KEY (a, b)`.
fn duplicates(action: &Action<'_>, mut cursor: Cursor<'_>) -> Option<String> {
    let key = cursor.take("PRIMARY") && cursor.take("KEY");
    (key || cursor.take("UNIQUE")).then_some(())?;
    let columns = columns(cursor.sql, cursor.group()?)?.join(", ");
    Some(format!(
        "SELECT {columns}, count(*) FROM {} WHERE ({columns}) IS NOT NULL GROUP BY {columns} HAVING count(*) > 1 LIMIT 20",
        action.table
    ))
}
