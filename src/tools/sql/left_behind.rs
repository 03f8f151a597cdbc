//! What a migration that failed has left in the catalog.
//!
//! Statements run one after the other, and a failure ends them; what was committed is what the first of them did, up to
//! one of them: to none where the whole file was one transaction, to the one before the failure where each was its own.
//! So there are as many explanations of what stands there now as there are statements, and one more. Each is played
//! through and compared with the catalog. What all of those say that fit is certain; nothing else is.

use std::collections::BTreeSet;
use std::ops::Range;

use super::change::{Change, Read, Unseen};
use super::columns;
use super::cursor::Cursor;
use super::differences::changes;
use super::effects::{StatementEffects, describe};
use super::explained::explained;
use super::missing;
use super::reader;
use super::reference::{StatementRef, statement, statement_at};
use super::seen::Seen;
use super::stopped::Stopped;
use super::token::Token;
use super::transactions::transactions;
use super::undo;
use super::{split, token};
use crate::facts::{Object, ObjectKind};

/// What a failed migration has left behind. All three empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// The statements, from 1, that took effect for certain, as the catalog shows.
    pub statements: Vec<usize>,
    /// What they did, in words: `column "User"."first_name" added`.
    pub changes: Vec<String>,
    /// What may have happened, and the catalog does not show.
    pub unseen: Vec<Doubt>,
}

/// Something that is said, and what shows whether it is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubt {
    /// `unknown: whether statement 3 changed rows: UPDATE t SET ...`.
    pub text: String,
    /// What shows it in `psql`.
    pub look: Option<String>,
    /// It is whether a build that failed left its index, which is then INVALID.
    pub of_index: bool,
}

impl From<String> for Doubt {
    fn from(text: String) -> Self {
        Doubt {
            text,
            ..Doubt::default()
        }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.look {
            Some(look) => write!(out, "{}; to see: {look}", self.text),
            None => out.write_str(&self.text),
        }
    }
}

/// What a migration has left, judged from what stands in the catalog now, when nothing is known of its failure. It takes
/// for granted that nothing that the file makes stood there before: with a [`Stopped`] that is not needed, so prefer
/// [`left_behind_after`].
pub fn left_behind(sql: &str, schema: &str, objects: &BTreeSet<Object>) -> LeftBehind {
    judge(sql, schema, &Seen::of(objects), None)
}

/// What a migration has left, judged from what stands in the catalog now and from what is known of its failure: only
/// what stands before the statement that failed can have taken effect.
pub fn left_behind_after(
    sql: &str,
    schema: &str,
    objects: &BTreeSet<Object>,
    stopped: &Stopped<'_>,
) -> LeftBehind {
    left_behind_in(sql, schema, &Seen::of(objects), stopped)
}

/// The same, by all that is known of the catalog.
pub fn left_behind_in(
    sql: &str,
    schema: &str,
    seen: &Seen<'_>,
    stopped: &Stopped<'_>,
) -> LeftBehind {
    match failed_statement(sql, schema, stopped) {
        Some(failed) => judge(sql, schema, seen, Some(failed.number)),
        None if let Some(from) = missing::none_from(sql, schema, stopped) => {
            judge(sql, schema, seen, Some(from))
        }
        None if stopped.exists_already() => LeftBehind {
            unseen: vec![
                "unknown: what it made itself, because something of the same name was there before it ran"
                    .to_owned()
                    .into(),
            ],
            ..LeftBehind::default()
        },
        None => judge(sql, schema, seen, None),
    }
}

/// The statement that failed: by its position; else, where something exists already or a unique index cannot be built,
/// the only one that makes something of the name in the message.
pub fn failed_statement(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<StatementRef> {
    if let Some(found) = stopped.position.and_then(|at| statement_at(sql, at)) {
        return Some(found);
    }
    if let Some(number) = missing::met(sql, schema, stopped) {
        return statement(sql, number);
    }
    // Said of an index that stands already, too, when its table is written anew.
    let index = stopped.sql_state == Some("23505")
        && stopped.message.contains("could not create unique index \"");
    if !index && is_alone(sql) {
        return statement(sql, 1);
    }
    if !stopped.exists_already() && !index {
        return None;
    }
    let effects = super::effects(sql, schema);
    let mut makers = effects
        .iter()
        .filter(|effects| effects.adds.iter().any(|object| stopped.names(object)));
    let maker = makers.next().filter(|_| makers.next().is_none())?;
    let written_anew = |later: &StatementEffects| later.unseen == Some(Unseen::Other);
    if index && effects.iter().skip(maker.number).any(written_anew) {
        return None;
    }
    statement(sql, maker.number)
}

/// The same end, with the place of the statement that failed where only the last one can have: the catalog shows what all before it do, and
/// one of them failed.
pub fn located<'a>(
    sql: &str,
    schema: &str,
    objects: Option<&BTreeSet<Object>>,
    stopped: Stopped<'a>,
) -> Stopped<'a> {
    let known =
        stopped.position.is_some() || stopped.sql_state.is_none() || stopped.exists_already();
    let Some(objects) = objects.filter(|_| !known) else {
        return stopped;
    };
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    let seen = Seen::of(objects);
    let before = explained(sql, &statements, &seen, schema).first().copied();
    let last = statements
        .last()
        .filter(|_| before == Some(statements.len() - 1) && !read.doubtful);
    let start = last.and_then(|(tokens, _)| Some(tokens.first()?.span.start));
    Stopped {
        position: start.map(|at| sql.get(..at).unwrap_or_default().chars().count() + 1),
        ..stopped
    }
}

/// A text of one statement, which is undone wholly when it fails but for the index of a concurrent build.
fn is_alone(sql: &str) -> bool {
    let read = token::tokens(sql);
    let statements = split(&read.tokens);
    let [tokens] = statements.as_slice() else {
        return false;
    };
    let mut cursor = Cursor { sql, tokens };
    !read.doubtful && !matches!(cursor.take_word(), None | Some("CALL" | "DO" | "EXECUTE"))
}

/// What the failed statement was to make, where something of that name was there before the migration ran, in words:
/// `column "User"."nickname"`.
pub fn was_there(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<String> {
    object_there(sql, schema, stopped).map(|object| describe(&object, schema))
}

/// The same, where it stands there still.
pub fn still_there(
    sql: &str,
    schema: &str,
    stopped: &Stopped<'_>,
    objects: &BTreeSet<Object>,
) -> Option<String> {
    let object = object_there(sql, schema, stopped)?;
    objects.contains(&object).then(|| describe(&object, schema))
}

fn object_there(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<Object> {
    if !stopped.exists_already() {
        return None;
    }
    let failed = failed_statement(sql, schema, stopped)?;
    let effects = super::effects(sql, schema);
    let (before, rest) = effects.split_at_checked(failed.number.checked_sub(1)?)?;
    let mut adds = rest.first()?.adds.iter();
    let object = adds.find(|object| stopped.names(object))?;
    let own = |effects: &StatementEffects| {
        effects.adds.contains(object) || effects.unseen == Some(Unseen::Other)
    };
    (!before.iter().any(own)).then(|| object.clone())
}

fn judge(sql: &str, schema: &str, seen: &Seen<'_>, failed: Option<usize>) -> LeftBehind {
    let objects = seen.objects;
    let tokens = token::tokens(sql);
    let mut statements = reader::read(sql, &split(&tokens.tokens), schema);
    let mut left = LeftBehind::default();
    if let Some(failed) = failed {
        let of_the_failed = statements.split_off(failed.saturating_sub(1).min(statements.len()));
        for change in of_the_failed
            .iter()
            .take(1)
            .flat_map(|(_, read)| &read.changes)
        {
            // A build that failed leaves its index behind, and such an addition is conditional.
            if let Change::Add {
                object,
                conditional: true,
                ..
            } = change
                && object.kind == ObjectKind::Index
                && objects.contains(object)
            {
                let text = format!(
                    "unknown: whether statement {failed}, which failed, left {}, which is then INVALID",
                    describe(object, schema)
                );
                left.unseen.push(Doubt {
                    text,
                    look: None,
                    of_index: true,
                });
            }
        }
    }
    let fitting = explained(sql, &statements, seen, schema);
    let (Some(mut certain), Some(possible)) = (fitting.first().copied(), fitting.last()) else {
        let doubts = doubts(sql, &statements, 0..statements.len(), ("", ""));
        if !doubts.is_empty() {
            left.unseen.extend(doubts);
            left.unseen.push(
                "the schema is not as any part of this migration alone would leave it: something else changed it, too"
                    .to_owned()
                    .into(),
            );
        }
        return left;
    };
    // Without a transaction of the text's own what precedes the one that failed has run, as the first of it did: what it did to the
    // rows of what is new goes with that.
    let ran = failed.is_some() && certain > 0 && *possible == statements.len();
    let confined = undo::confined(sql, schema, &statements);
    if ran
        && !transactions(sql).begins
        && (certain + 1..=*possible).all(|at| confined.contains(&at))
    {
        certain = *possible;
    }
    let visible = |read: &Read| read.changes.iter().any(Change::proves);
    left.changes = changes(&statements[..certain], objects, schema);
    left.changes
        .extend(columns::changes(&statements[..certain], seen, schema));
    // What a later statement that took effect came after has run, whether it is seen or not.
    for ((_, read), number) in statements[..certain].iter().zip(1..) {
        if visible(read) || read.unseen.is_some() {
            left.statements.push(number);
        }
        if read.unseen == Some(Unseen::Rows) {
            left.changes
                .push(format!("rows changed by statement {number}"));
        }
    }
    let so_before = match seen.columns {
        Some(_) => ", as the column may have been so before",
        None => "",
    };
    let why = (", as the schema looks the same either way", so_before);
    left.unseen
        .extend(doubts(sql, &statements, certain..*possible, why));
    left
}

/// What is said of the statements of which it is open whether they ran. `why`: why that is so of what the schema's names
/// show, and of what a column is like.
fn doubts(
    sql: &str,
    statements: &[(&[Token], Read)],
    open: Range<usize>,
    why: (&str, &str),
) -> Vec<Doubt> {
    statements
        .iter()
        .zip(1..)
        .take(open.end)
        .skip(open.start)
        .filter(|((_, read), _)| read.unseen.is_some() || !read.changes.is_empty())
        .map(|((tokens, read), number)| {
            let (verb, why) = match read.unseen {
                Some(Unseen::Rows) => ("changed rows", ""),
                Some(Unseen::Other) if read.shaped => ("took effect", why.1),
                Some(Unseen::Other) => ("took effect", ""),
                None => ("took effect", why.0),
            };
            let text =
                statement(sql, number).map_or(String::new(), |found| format!(": {}", found.text));
            Doubt {
                text: format!("unknown: whether statement {number} {verb}{why}{text}"),
                look: look(Cursor { sql, tokens }),
                of_index: false,
            }
        })
        .collect()
}

/// What shows in `psql` whether a statement has run: the rows of its table, or what it alters.
pub(super) fn look(mut cursor: Cursor<'_>) -> Option<String> {
    let rows = match cursor.take_word()? {
        "UPDATE" => true,
        "INSERT" => cursor.take("INTO"),
        "DELETE" => cursor.take("FROM"),
        "ALTER" if cursor.take("TABLE") => {
            cursor.take_if_exists();
            false
        }
        _ => return None,
    };
    cursor.take("ONLY");
    let start = cursor.tokens.first()?.span.start;
    let before = cursor.tokens;
    if !cursor.take_name() {
        return None;
    }
    let last = before.get(before.len() - cursor.tokens.len() - 1)?;
    let name = cursor.sql.get(start..last.span.end)?;
    if name.contains(char::is_control) || name.chars().count() > 80 {
        return None;
    }
    Some(match rows {
        true => format!("SELECT * FROM {name} LIMIT 20"),
        false => format!("\\d {name}"),
    })
}
