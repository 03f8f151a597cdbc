//! What of a text that has not run as a whole may have run before, in another text or in an earlier form of this one.

use std::collections::BTreeSet;

use super::change;
use super::cursor::Cursor;
use super::doubts::changes_rows;
use super::effects::effects;
use super::reference::{StatementRef, statement};
use super::token::{Kind, Token};
use super::{split, token};
use crate::facts::{Object, ObjectKind};

/// The statements that change rows which were there before: all but those that write into nothing but what the text makes and is not
/// there yet. What they only read, filter by or name in a comment does not count: a condition on a new column holds for all rows.
pub fn apart_from_new(sql: &str, schema: &str, objects: &BTreeSet<Object>) -> Vec<StatementRef> {
    let read = token::tokens(sql);
    let statements = change::read(sql, &split(&read.tokens), schema);
    let new = New {
        schema,
        objects: effects(sql, schema)
            .into_iter()
            .flat_map(|effects| effects.adds)
            .filter(|object| !objects.contains(object))
            .collect(),
    };
    statements
        .iter()
        .zip(1..)
        .filter(|((tokens, read), _)| {
            changes_rows(tokens, read) && !new.takes_all(Cursor { sql, tokens })
        })
        .filter_map(|(_, number)| statement(sql, number))
        .collect()
}

/// What a text makes and is not there yet.
struct New<'a> {
    schema: &'a str,
    objects: Vec<Object>,
}

impl New<'_> {
    fn table(&self, (schema, name): &(Option<String>, String)) -> bool {
        let schema = schema.as_deref().unwrap_or(self.schema);
        self.objects.iter().any(|object| {
            object.kind == ObjectKind::Table && object.schema == schema && object.name == *name
        })
    }

    fn column(&self, (schema, name): &(Option<String>, String), column: &str) -> bool {
        let schema = schema.as_deref().unwrap_or(self.schema);
        self.objects.iter().any(|object| {
            object.kind == ObjectKind::Column
                && object.schema == schema
                && object.name == *name
                && object.part == column
        })
    }

    /// Whether all that a statement writes is new. What is not surely so is not.
    fn takes_all(&self, mut cursor: Cursor<'_>) -> bool {
        if writes(cursor.tokens) != 1 {
            return false;
        }
        if cursor.peek_word() == "WITH" && !skip_to_write(&mut cursor) {
            return false;
        }
        match cursor.take_word() {
            Some("INSERT") => cursor.take("INTO") && self.is_new_table(&mut cursor),
            Some("COPY") => self.is_new_table(&mut cursor),
            Some("DELETE") => {
                cursor.take("FROM") && {
                    cursor.take("ONLY");
                    self.is_new_table(&mut cursor)
                }
            }
            Some("UPDATE") => self.sets_new(&mut cursor),
            Some("ALTER") => {
                cursor.take("TABLE") && {
                    cursor.take("ONLY");
                    self.is_new_table(&mut cursor)
                }
            }
            _ => false,
        }
    }

    fn is_new_table(&self, cursor: &mut Cursor<'_>) -> bool {
        cursor.qualified().is_some_and(|table| self.table(&table))
    }

    /// `UPDATE t [AS a] SET c = ..., (d, e) = (...) [FROM ...] [WHERE ...]`.
    fn sets_new(&self, cursor: &mut Cursor<'_>) -> bool {
        cursor.take("ONLY");
        let Some(table) = cursor.qualified() else {
            return false;
        };
        if self.table(&table) {
            return true;
        }
        if !cursor.skip_past(&["SET"]) {
            return false;
        }
        let mut all = *cursor;
        let end = ["FROM", "WHERE", "RETURNING"];
        let length = all.tokens.len();
        let behind = all.skip_past(&end).then(|| length - all.tokens.len() - 1);
        let items = Cursor {
            sql: cursor.sql,
            tokens: &cursor.tokens[..behind.unwrap_or(length)],
        };
        items.split_by_comma().into_iter().all(|item| {
            let mut item = Cursor {
                sql: cursor.sql,
                tokens: item,
            };
            let targets = match item.group() {
                Some(group) => Cursor {
                    sql: cursor.sql,
                    tokens: group,
                }
                .names(),
                None => item.identifier().into_iter().collect(),
            };
            !targets.is_empty()
                && item.take_operator("=")
                && targets.iter().all(|column| self.column(&table, column))
        })
    }
}

/// How many statements that write stand in it; `FOR UPDATE` and `DO UPDATE` are none of their own.
fn writes(tokens: &[Token]) -> usize {
    let word = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.as_str(),
        _ => "",
    };
    (0..tokens.len())
        .filter(|at| {
            let before = at.checked_sub(1).map_or("", word);
            let kept = ["FOR", "DO", "KEY", "ON", "BEFORE", "AFTER", "OR", "OF"].contains(&before);
            matches!(
                word(*at),
                "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" | "ALTER"
            ) && !kept
        })
        .count()
}

/// To the one that writes, outside of all parentheses.
fn skip_to_write(cursor: &mut Cursor<'_>) -> bool {
    let before = cursor.tokens;
    if !cursor.skip_past(&["INSERT", "UPDATE", "DELETE"]) {
        return false;
    }
    let at = before.len() - cursor.tokens.len() - 1;
    cursor.tokens = &before[at..];
    true
}

#[cfg(test)]
mod tests {
    use super::super::expected;
    use super::*;
    use rstest::rstest;

    const T: &str = "CREATE TABLE t (a int);";

    /// What is there; the text; which of it may have run before.
    #[rstest]
    #[case("", "CREATE TABLE n (a int); UPDATE t SET a = 1;", &[2])]
    #[case("", "CREATE TABLE n (a int); INSERT INTO n SELECT a FROM t ON CONFLICT DO UPDATE SET a = 1;", &[])]
    #[case("CREATE TABLE n (a int);", "CREATE TABLE IF NOT EXISTS n (a int); INSERT INTO n SELECT a FROM t;", &[2])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = a; UPDATE t SET a = 1;", &[3])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int; UPDATE o SET b = 1;", &[2])]
    #[case(T, "ALTER TABLE t ADD COLUMN \"B c\" int; UPDATE t AS x SET \"B c\" = x.a FROM o WHERE o.a = x.a;", &[])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int, ADD COLUMN c int; UPDATE public.t SET (b, c) = (a, a + 1);", &[])]
    #[case("", "CREATE TABLE n (a int); SELECT count(*) FROM t;", &[])]
    #[case("", "CREATE TABLE n (a int); WITH o AS (SELECT a FROM t FOR UPDATE) INSERT INTO n SELECT a FROM o;", &[])]
    // What names something new and writes something old.
    #[case(T, "ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = 1, a = a * 100;", &[2])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int; UPDATE t SET (b, a) = (1, a * 100);", &[2])]
    #[case(T, "ALTER TABLE t ADD COLUMN b bool; UPDATE t SET a = a * 100 WHERE b IS NULL;", &[2])]
    #[case(T, "CREATE TABLE n (a int); UPDATE t /* n */ SET a = a * 100;", &[2])]
    #[case(T, "CREATE TABLE n (a int); WITH m AS (UPDATE t SET a = a * 100 RETURNING a) INSERT INTO n SELECT a FROM m;", &[2])]
    #[case(T, "CREATE VIEW n AS SELECT 1 AS a; UPDATE t SET a = a * 100 WHERE EXISTS (SELECT 1 FROM n);", &[2])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int, ALTER COLUMN a TYPE int USING a * 100;", &[1])]
    #[case(T, "CREATE TABLE n (a int); DELETE FROM t USING n;", &[2])]
    #[case(T, "CREATE TABLE n (a int); MERGE INTO t USING n ON true WHEN MATCHED THEN UPDATE SET a = 1;", &[2])]
    #[case(T, "CREATE TABLE n (a int); DO $$ BEGIN UPDATE t SET a = 1; END $$;", &[2])]
    fn what_may_have_run_in_another_text(
        #[case] there: &str,
        #[case] sql: &str,
        #[case] expected: &[usize],
    ) {
        let objects = expected::expected(&[("", there)], "public");
        let found = apart_from_new(sql, "public", &objects);
        let numbers: Vec<usize> = found.iter().map(|found| found.number).collect();
        assert_eq!(numbers, expected);
    }
}
