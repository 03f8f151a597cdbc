//! Where in its script a migration failed, as the native engine writes it down.
//!
//! Source: `apply_migration_script` of prisma-engines' PostgreSQL connector, and ledgers in public database dumps. After
//! PostgreSQL's message comes a block of up to five lines and the one with the error, each with its number, then the
//! driver's error in debug form:
//!
//! ```text
//! Position:
//!   4 -- Rename
//!   5 UPDATE "User" SET "name" = 'x';
//!
//! DbError { severity: "ERROR", ..., position: Some(Original(171)), where_: None, ... }
//! ```
//!
//! `Original` counts characters from 1 in what was sent. `Internal` counts in a function's body, which is no place in the
//! script. To find the block's line the engine takes the number for bytes, so behind letters that are no ASCII it shows a
//! line too early; the number is right.

/// The position in the script that was sent.
pub(super) fn position(logs: &str) -> Option<usize> {
    let start = logs.rfind("\nDbError {").map(|at| at + 1).or_else(|| {
        // A message alone.
        logs.starts_with("DbError {").then_some(0)
    })?;
    let error = without_literals(&logs[start..]);
    let (_, after) = error.split_once(", position: Some(Original(")?;
    let (number, _) = after.split_once(')')?;
    number.parse().ok().filter(|position| *position > 0)
}

/// The same, where the block beside it shows the line that this file has there.
pub(super) fn position_in(logs: &str, sql: &str) -> Option<usize> {
    let position = position(logs)?;
    if position > sql.chars().count() + 1 {
        return None;
    }
    match block(logs) {
        Some((number, shown)) => {
            let (wanted, line) = shown_line(sql, position)?;
            (number == wanted && line.trim() == shown.trim()).then_some(position)
        }
        None => Some(position),
    }
}

/// What stands outside of Rust's string literals: a message may hold anything.
fn without_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => inside = !inside,
            '\\' if inside => {
                characters.next();
            }
            // The trace is no part of it.
            '\n' if !inside => break,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// The last line of the last block: its number and its text.
fn block(logs: &str) -> Option<(usize, &str)> {
    let at = logs.rfind("\nPosition:\n")?;
    let last = logs[at + "\nPosition:\n".len()..]
        .lines()
        .take_while(|line| !line.trim().is_empty() && !line.starts_with("DbError {"))
        .last()?
        .trim_start();
    let end = last
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(last.len());
    let number = last[..end].parse().ok()?;
    Some((number, &last[end..]))
}

/// The line that the engine shows for a position, found as the engine does.
fn shown_line(sql: &str, position: usize) -> Option<(usize, &str)> {
    let mut bytes = 0;
    sql.lines().zip(1..).find_map(|(line, number)| {
        bytes += line.len() + 1;
        (position <= bytes).then_some((number, line))
    })
}
