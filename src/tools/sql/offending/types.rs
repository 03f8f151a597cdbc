//! Rows whose values a column's new type does not take.

use super::super::cursor::Cursor;
use super::super::reference::statement;
use super::super::token::{Kind, Token};
use super::super::{Stopped, statement_at, text_of};
use super::actions::{self, NewType, casts, meets_rows};
use super::found::OffendingRows;

/// What a type is called in PostgreSQL's messages, and what it takes of a text, where that is known for certain.
const TYPES: [(&str, &[&str], &str); 9] = [
    ("character varying", &["VARCHAR", "CHARACTER VARYING"], ""),
    ("character", &["CHAR", "CHARACTER"], ""),
    ("smallint", &["SMALLINT", "INT2"], INTEGER),
    ("integer", &["INTEGER", "INT", "INT4"], INTEGER),
    ("bigint", &["BIGINT", "INT8"], INTEGER),
    ("numeric", &["NUMERIC", "DECIMAL", "DEC"], NUMBER),
    ("double precision", &["DOUBLE PRECISION", "FLOAT8"], NUMBER),
    (
        "uuid",
        &["UUID"],
        r"!~* '^\{?([0-9a-f]{4}-?){7}[0-9a-f]{4}\}?$'",
    ),
    (
        "boolean",
        &["BOOLEAN", "BOOL"],
        r"!~* '^\s*(t(r(ue?)?)?|f(a(l(se?)?)?)?|y(es?)?|no?|on|off?|1|0)\s*$'",
    ),
];
const INTEGER: &str = r"!~ '^\s*[-+]?[0-9]+\s*$'";
const NUMBER: &str =
    r"!~* '^\s*([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|nan|[-+]?inf(inity)?)\s*$'";

/// The least and the greatest of the types whose numbers end somewhere.
const RANGES: [(&str, &str); 3] = [
    ("smallint", "-32768 AND 32767"),
    ("integer", "-2147483648 AND 2147483647"),
    ("bigint", "-9223372036854775808 AND 9223372036854775807"),
];

/// The type that a message is about, with its modifier; `enum` for one of these, with its name.
fn type_of(message: &str) -> Option<(String, String)> {
    let known = |text: &str| {
        let end = text.find([':', '\n', '"']).unwrap_or(text.len());
        let text = text.get(..end).unwrap_or_default();
        let text = text.split(" (SQLSTATE").next().unwrap_or_default();
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let modifier = rest.split(')').next().unwrap_or_default();
        (
            name.trim().trim_end_matches('.').to_owned(),
            modifier.replace(' ', ""),
        )
    };
    for before in [
        "value too long for type ",
        "invalid input syntax for type ",
        "is out of range for type ",
    ] {
        if let Some((_, rest)) = message.split_once(before) {
            return Some(known(rest));
        }
    }
    if let Some((_, rest)) = message.split_once("invalid input value for enum \"") {
        return Some(("enum".to_owned(), rest.split('"').next()?.to_owned()));
    }
    if message.contains("numeric field overflow") {
        return Some(("numeric".to_owned(), String::new()));
    }
    let (name, _) = RANGES
        .iter()
        .find(|(name, _)| message.contains(&format!("{name} out of range")))?;
    Some(((*name).to_owned(), String::new()))
}

/// A type as messages call it, and its modifier.
fn canonical(sql: &str, tokens: &[Token]) -> Option<(&'static str, String)> {
    let mut cursor = Cursor { sql, tokens };
    let mut words = Vec::new();
    while let Some(word) = cursor.take_word() {
        words.push(word);
    }
    let modifier = match cursor.is_done() {
        true => String::new(),
        false => text_of(sql, cursor.group()?)?.replace(char::is_whitespace, ""),
    };
    cursor.is_done().then_some(())?;
    let spelt = words.join(" ");
    let (name, ..) = TYPES
        .iter()
        .find(|(_, spellings, _)| spellings.contains(&spelt.as_str()))?;
    Some((name, modifier))
}

/// The labels of an enum that the text makes, as they are spelt.
fn labels<'a>(sql: &'a str, statements: &'a [Vec<Token>], of: &[Token]) -> Option<&'a str> {
    let name = Cursor { sql, tokens: of }.qualified()?;
    statements.iter().find_map(|tokens| {
        let mut cursor = Cursor { sql, tokens };
        (cursor.take("CREATE") && cursor.take("TYPE")).then_some(())?;
        let made = cursor.qualified()?;
        (made.1 == name.1 && cursor.take("AS") && cursor.take("ENUM")).then_some(())?;
        let group = cursor.group()?;
        let plain = |token: &Token| matches!(token.kind, Kind::Text | Kind::Mark(','));
        group.iter().all(plain).then(|| text_of(sql, group))?
    })
}

/// Whether USING is nothing but the column, cast to the type.
fn is_plain_cast(sql: &str, new: &NewType<'_>, using: &[Token]) -> bool {
    let joined = |tokens: &[Token]| {
        let spelt = tokens.iter().map(|token| match &token.kind {
            Kind::Word(word) => word.as_str(),
            _ => sql.get(token.span.clone()).unwrap_or_default(),
        });
        spelt.collect::<Vec<_>>().join(" ")
    };
    let mut cursor = Cursor { sql, tokens: using };
    loop {
        let mut inside = cursor;
        match inside.group() {
            Some(inner) if inside.is_done() => cursor.tokens = inner,
            _ => break,
        }
    }
    let column = match new.column.starts_with('"') {
        true => new.column.to_owned(),
        false => new.column.to_ascii_uppercase(),
    };
    let of = joined(new.of);
    [
        format!("{column} : : {of}"),
        format!("{column} : : TEXT : : {of}"),
        format!("CAST ( {column} AS {of} )"),
    ]
    .contains(&joined(cursor.tokens))
}

/// The rows of the only column whose new type may have been the one of the message.
pub(super) fn rows(sql: &str, stopped: &Stopped<'_>) -> Option<OffendingRows> {
    let state = stopped.sql_state?;
    let (name, modifier) = type_of(stopped.message)?;
    let statements = actions::read(sql)?;
    if statements.iter().any(|tokens| meets_rows(tokens)) {
        return None;
    }
    let mut found = Vec::new();
    for action in actions::actions(sql, &statements) {
        let Some(new) = action.new_type() else {
            // A default is no row's value.
            if casts(action.cursor.tokens) && !action.cursor.has(&["DEFAULT"]) {
                return None;
            }
            // Nor is it known to be the column's that is added.
            if state == "22001" && adds_text(action.cursor) {
                return None;
            }
            continue;
        };
        let of = canonical(sql, new.of);
        let fits = match (&of, name.as_str()) {
            (None, "enum") => {
                let called = Cursor {
                    sql,
                    tokens: new.of,
                }
                .qualified();
                called.is_some_and(|(_, called)| called == modifier)
                    && labels(sql, &statements, new.of).is_some()
            }
            (Some((of, with)), _) => *of == name && (modifier.is_empty() || *with == modifier),
            _ => false,
        };
        if fits {
            found.push((action.statement, action.table, new, of));
        }
    }
    let alters = |tokens: &&Vec<Token>| matches!(&tokens[..], [first, second, ..] if is(first, "ALTER") && is(second, "TABLE"));
    let mut others = statements.iter().filter(|tokens| !alters(tokens));
    if others.any(|tokens| casts(tokens)) {
        return None;
    }
    let (number, table, new, of) = found.pop().filter(|_| found.is_empty())?;
    if let Some(at) = stopped.position.and_then(|at| statement_at(sql, at)) {
        (at.number == number).then_some(())?;
    }
    let explicit = match new.using {
        None => false,
        Some(using) if state == "22001" || !is_plain_cast(sql, &new, using) => return None,
        Some(_) => true,
    };
    let column = new.column;
    let condition = match (state, of) {
        ("22001", Some((_, limit))) => {
            limit.parse::<u32>().ok()?;
            format!("length({column}::text) > {limit}")
        }
        ("22P02", None) => {
            let labels = labels(sql, &statements, new.of)?;
            format!("{column}::text NOT IN ({labels})")
        }
        ("22P02", Some((of, _))) if explicit => {
            let (_, _, pattern) = TYPES.iter().find(|(name, ..)| *name == of)?;
            (!pattern.is_empty()).then(|| format!("{column}::text {pattern}"))?
        }
        ("22003", Some(("numeric", modifier))) => {
            let (precision, scale) = modifier.split_once(',').unwrap_or((&modifier, "0"));
            let (precision, scale) = (precision.parse::<u32>().ok()?, scale.parse::<u32>().ok()?);
            let digits = precision.checked_sub(scale)?;
            format!("abs(round({column}::numeric, {scale})) >= 1e{digits}")
        }
        ("22003", Some((of, _))) => {
            let (_, range) = RANGES.iter().find(|(name, _)| *name == of)?;
            format!("{column}::numeric NOT BETWEEN {range}")
        }
        _ => return None,
    };
    Some(OffendingRows {
        query: format!("SELECT * FROM {table} WHERE {condition} LIMIT 20"),
        column: Some(format!("{column} of {table}")),
        statement: statement(sql, number),
    })
}

fn is(token: &Token, wanted: &str) -> bool {
    matches!(&token.kind, Kind::Word(word) if word == wanted)
}

/// A column with a text for its default, which may be too long itself.
fn adds_text(mut cursor: Cursor<'_>) -> bool {
    cursor.take("ADD")
        && cursor.skip_past(&["DEFAULT"])
        && cursor
            .tokens
            .first()
            .is_some_and(|token| token.kind == Kind::Text)
}
