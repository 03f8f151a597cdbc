//! What of a migration the catalog does not show: whether it was finished, and what would happen twice.

use std::collections::BTreeSet;

use super::change::{Read, Unseen};
use super::cursor::Cursor;
use super::explained::explanations;
use super::left_behind::{failed_statement, look};
use super::missing;
use super::reader;
use super::reference::{StatementRef, statement};
use super::stopped::Stopped;
use super::token::{Kind, Token};
use super::undo;
use super::{split, token};
use crate::facts::Object;

/// The statements of which the catalog would show whether they took effect, if their names did not lead elsewhere since the
/// text changed its path or role, and those that change rows and may not have run, from the one with the number `from` on: in words,
/// each with how to see it. A change of rows before that is not among them: it was made.
pub fn unchecked(sql: &str, schema: &str, from: usize) -> Vec<String> {
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    // What is remarked on an object changes nothing that works.
    let remark = |tokens: &[Token]| matches!(tokens.first(), Some(first) if first.kind == Kind::Word("COMMENT".to_owned()));
    let open = |tokens: &[Token], read: &Read| {
        read.unseen == Some(Unseen::Other) && !read.moves_path && !remark(tokens)
    };
    let moved = statements.iter().position(|(_, read)| read.moves_path);
    statements
        .iter()
        .zip(1..)
        .filter(|((tokens, read), number)| {
            let astray = moved.is_some_and(|at| *number > at) && open(tokens, read);
            astray || *number >= from && read.unseen == Some(Unseen::Rows)
        })
        .map(|((tokens, read), number)| {
            let text =
                statement(sql, number).map_or(String::new(), |found| format!(" ({})", found.text));
            // Some rows of a table do not tell whether it changed others.
            let look = look(Cursor { sql, tokens }).filter(|_| read.unseen != Some(Unseen::Rows));
            let look = look.map_or(String::new(), |look| format!(", to see: `{look}`"));
            format!("statement {number}{text}{look}")
        })
        .collect()
}

/// The first statement that may not have run: the one that failed, else the one after those that the catalog shows.
pub fn not_run_from(
    sql: &str,
    schema: &str,
    objects: Option<&BTreeSet<Object>>,
    stopped: Option<&Stopped<'_>>,
) -> usize {
    if let Some(failed) = stopped.and_then(|stopped| failed_statement(sql, schema, stopped)) {
        return failed.number;
    }
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    let shown = objects
        .filter(|_| !statements.iter().any(|(_, read)| read.rolls_back))
        .and_then(|objects| explanations(sql, &statements, objects).first().copied());
    shown.unwrap_or(0) + 1
}

/// The statements of which the catalog never shows whether they took effect. What is remarked on an object changes nothing that
/// works.
pub fn unshown(sql: &str, schema: &str) -> Vec<StatementRef> {
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    let remark = |tokens: &[Token]| matches!(tokens.first(), Some(first) if first.kind == Kind::Word("COMMENT".to_owned()));
    let hidden = |tokens: &[Token], read: &Read| {
        let hides = read.unseen.is_some() || read.runs_code || read.rolls_back || read.moves_path;
        hides && !remark(tokens)
    };
    statements
        .iter()
        .zip(1..)
        .filter(|((tokens, read), _)| hidden(tokens, read))
        .filter_map(|(_, number)| statement(sql, number))
        .collect()
}

/// The statements that may have changed rows to stay, as far as the catalog and the failure tell: those that would do it a
/// second time if the text ran again. What stands in a transaction that the text began and had not ended when it failed is
/// not among them.
pub fn may_run_twice(
    sql: &str,
    schema: &str,
    objects: Option<&BTreeSet<Object>>,
    stopped: Option<&Stopped<'_>>,
) -> Vec<StatementRef> {
    let read = token::tokens(sql);
    let mut statements = reader::read(sql, &split(&read.tokens), schema);
    if let Some(failed) = stopped.and_then(|stopped| failed_statement(sql, schema, stopped)) {
        statements.truncate(failed.number.saturating_sub(1));
        let open = open_since(sql, &statements);
        statements.truncate(open);
    } else if let Some(from) = stopped.and_then(|stopped| missing::none_from(sql, schema, stopped))
    {
        statements.truncate(from.saturating_sub(1));
    }
    let rolls_back = statements.iter().any(|(_, read)| read.rolls_back);
    let fitting = objects
        .filter(|_| !rolls_back)
        .map(|objects| explanations(sql, &statements, objects))
        .unwrap_or_default();
    let possible = fitting.last().copied().unwrap_or(statements.len());
    let confined = undo::confined(sql, schema, &statements);
    statements
        .iter()
        .zip(1..)
        .take(possible)
        .filter(|((tokens, read), number)| changes_rows(tokens, read) && !confined.contains(number))
        .filter_map(|(_, number)| statement(sql, number))
        .collect()
}

/// How many of the statements come before a transaction that is still open after the last of them.
fn open_since(sql: &str, statements: &[(&[Token], Read)]) -> usize {
    let mut open = None;
    for ((tokens, _), at) in statements.iter().zip(0..) {
        let mut cursor = Cursor { sql, tokens };
        match cursor.take_word() {
            Some("BEGIN" | "START") => open = open.or(Some(at)),
            // Where the next one begins at once, it is that which is open.
            Some("COMMIT" | "END") => open = cursor.has(&["CHAIN"]).then_some(at + 1),
            Some("PREPARE") if cursor.take("TRANSACTION") => open = None,
            Some("ROLLBACK" | "ABORT") if !cursor.has(&["TO"]) => {
                open = cursor.has(&["CHAIN"]).then_some(at + 1);
            }
            _ => {}
        }
    }
    open.unwrap_or(statements.len())
}

/// It may change what stands in rows.
pub(super) fn changes_rows(tokens: &[Token], read: &Read) -> bool {
    let word = |token: &Token| match &token.kind {
        Kind::Word(word) => Some(word.clone()),
        _ => None,
    };
    let first = tokens.first().and_then(word).unwrap_or_default();
    match first.as_str() {
        "SELECT" | "TABLE" | "VALUES" if read.unseen != Some(Unseen::Rows) => calls(tokens),
        "ALTER" => {
            read.runs_code
                || tokens
                    .iter()
                    .any(|token| word(token).as_deref() == Some("USING"))
        }
        "CREATE" | "DROP" => read.runs_code,
        _ => read.unseen == Some(Unseen::Rows) || read.runs_code && !read.moves_path,
    }
}

/// What a query may call without changing a row.
const HARMLESS: [&str; 12] = [
    "PG_SLEEP",
    "SET_CONFIG",
    "COUNT",
    "MAX",
    "MIN",
    "SUM",
    "NOW",
    "IN",
    "AS",
    "FROM",
    "EXISTS",
    "VALUES",
];

fn calls(tokens: &[Token]) -> bool {
    tokens.windows(2).any(|pair| {
        let called = match &pair[0].kind {
            Kind::Word(word) => !HARMLESS.contains(&word.as_str()),
            Kind::Name => true,
            _ => false,
        };
        called && pair[1].kind == Kind::Mark('(')
    })
}

#[cfg(test)]
mod tests {
    use super::super::expected;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("CREATE TABLE t (a int); ALTER TABLE t ADD COLUMN b int;", &[])]
    #[case("CREATE TABLE t (a int); UPDATE t SET a = 1;", &[])]
    #[case("SET ROLE x; CREATE TABLE \"R2\" (a int); CREATE TABLE app.\"R3\" (a int);", &[2])]
    #[case("SET search_path = app; ALTER TABLE \"R2\" ADD COLUMN b int;", &[2])]
    #[case("SELECT set_config('search_path', '', false); CREATE TABLE app.a (a int);", &[])]
    #[case("DO $$ BEGIN END $$;", &[])]
    #[case("REINDEX INDEX CONCURRENTLY i;", &[])]
    fn what_the_catalog_does_not_show(#[case] sql: &str, #[case] expected: &[usize]) {
        let found = unchecked(sql, "public", usize::MAX);
        let begin = |number: &usize| format!("statement {number}");
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (line, number) in found.iter().zip(expected) {
            assert!(line.starts_with(&begin(number)), "{line}");
        }
    }

    #[rstest]
    #[case("BEGIN; CREATE TABLE t (a int); COMMENT ON TABLE t IS 'x'; COMMIT;", &[])]
    #[case("CREATE TABLE t (a int); INSERT INTO t VALUES (1);", &[2])]
    #[case("SET ROLE x; CREATE TABLE t (a int); ALTER TABLE t ALTER a TYPE text;", &[1, 2, 3])]
    #[case("DO $$ BEGIN END $$; CREATE INDEX ON t (a);", &[1, 2])]
    fn what_the_catalog_never_shows(#[case] sql: &str, #[case] expected: &[usize]) {
        let found: Vec<usize> = unshown(sql, "public").iter().map(|at| at.number).collect();
        assert_eq!(found, expected);
    }

    const NOPE: &str = "ALTER TABLE nope ADD COLUMN x int;";

    /// The text before the statement that failed; what of it stands in the catalog; what would run twice.
    #[rstest]
    #[case("UPDATE t SET a = 1;", "", &[1])]
    #[case("BEGIN; UPDATE t SET a = 1; COMMIT;", "", &[2])]
    #[case("BEGIN; UPDATE t SET a = 1;", "", &[])]
    #[case("UPDATE t SET a = 1; COMMIT; BEGIN; UPDATE t SET a = 2;", "", &[1])]
    // What the catalog shows not to have stayed took what came after it along.
    #[case("CREATE TABLE n (a int); UPDATE t SET a = 1;", "", &[])]
    #[case("CREATE TABLE n (a int); UPDATE t SET a = 1;", "CREATE TABLE n (a int);", &[2])]
    // Before it ran a second time, what it fills would have to be gone.
    #[case("ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = 1 WHERE a > 0;", "", &[])]
    #[case("CREATE TABLE n (a int); INSERT INTO n VALUES (1);", "CREATE TABLE n (a int);", &[])]
    #[case("ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = 1, a = 2;", "ALTER TABLE t ADD COLUMN b int;", &[2])]
    #[case("ALTER TABLE t ADD COLUMN IF NOT EXISTS b int; UPDATE t SET b = 1;", "ALTER TABLE t ADD COLUMN b int;", &[2])]
    #[case("REINDEX INDEX CONCURRENTLY i; COMMENT ON TABLE t IS 'x';", "", &[])]
    #[case("ALTER TABLE t ALTER a TYPE int USING a * 100;", "", &[1])]
    #[case("DO $$ BEGIN END $$;", "", &[1])]
    #[case("SELECT pg_sleep(1); SELECT count(*) FROM t;", "", &[])]
    #[case("SELECT fill();", "", &[1])]
    fn what_would_run_twice(#[case] before: &str, #[case] there: &str, #[case] expected: &[usize]) {
        let sql = format!("{before} {NOPE}");
        let objects = expected_of(there);
        let stopped = Stopped {
            position: Some(before.chars().count() + 2),
            ..Stopped::default()
        };
        let found = may_run_twice(&sql, "public", Some(&objects), Some(&stopped));
        let numbers: Vec<usize> = found.iter().map(|found| found.number).collect();
        assert_eq!(numbers, expected);
    }

    fn expected_of(sql: &str) -> BTreeSet<Object> {
        expected(&[("", sql)], "public")
    }
}
