//! What of a text that has not run as a whole may have run before, in another text or in an earlier form of this one.

use std::collections::BTreeSet;

use super::change::Change;
use super::cursor::Cursor;
use super::doubts::changes_rows;
use super::effects::effects;
use super::own_calls::{calls_own, runs, word};
use super::reader;
use super::reference::{StatementRef, statement};
use super::token::{Kind, Token};
use super::{split, token};
use crate::facts::{Object, ObjectKind};

/// The statements that change rows which were there before: all but those that write into nothing but what the text makes and is not
/// there yet. What they only read, filter by or name in a comment does not count: a condition on a new column holds for all rows. Nor does
/// what has a new name only, or what writes elsewhere besides: a trigger, a rule, a child table, a function of somebody's own.
pub fn apart_from_new(sql: &str, schema: &str, objects: &BTreeSet<Object>) -> Vec<StatementRef> {
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    let is_named = |word: &str| {
        let mut all = statements.iter();
        all.any(|(tokens, _)| has(tokens, word))
    };
    // What stands under a new name, and rows that were there.
    let renamed: Vec<&Object> = statements
        .iter()
        .flat_map(|(_, read)| &read.changes)
        .filter_map(|change| match change {
            Change::Rename { to, .. } => Some(to),
            _ => None,
        })
        .collect();
    let new = New {
        schema,
        objects: effects(sql, schema)
            .into_iter()
            .flat_map(|effects| effects.adds)
            .filter(|object| !objects.contains(object) && !renamed.contains(&object))
            .collect(),
        leads: LEADS.iter().any(|word| is_named(word))
            || is_named("RENAME")
                && statements
                    .iter()
                    .any(|(tokens, _)| first(tokens) == "INSERT" || fills(tokens))
            || statements.iter().any(|(tokens, _)| makes_code(tokens)),
    };
    statements
        .iter()
        .zip(1..)
        .filter(|((tokens, read), _)| {
            let writes = match first(tokens) {
                "SELECT" | "VALUES" | "TABLE" => false,
                "ALTER" if casts_only(tokens) => false,
                "CREATE" if fills(tokens) => true,
                _ => changes_rows(tokens, read),
            };
            writes && !new.takes_all(Cursor { sql, tokens }) || runs(tokens) && calls_own(tokens)
        })
        .filter_map(|(_, number)| statement(sql, number))
        .collect()
}

/// What a text makes and is not there yet.
struct New<'a> {
    schema: &'a str,
    objects: Vec<Object>,
    /// What is written into it may arrive elsewhere, too.
    leads: bool,
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
        if self.leads {
            return false;
        }
        // It makes what it fills.
        if first(cursor.tokens) == "CREATE" {
            return true;
        }
        if writes(cursor.tokens) != 1 {
            return false;
        }
        if cursor.peek_word() == "WITH" && !skip_to_write(&mut cursor) {
            return false;
        }
        match cursor.take_word() {
            Some("INSERT") => cursor.take("INTO") && self.is_new_table(&mut cursor),
            Some("COPY") => self.is_new_table(&mut cursor),
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

    /// `UPDATE t [AS a] SET c = ..., (d, e) = (...) [FROM ...] [WHERE ...]`: new columns only. What is changed in a new table may arrive, by
    /// foreign keys, in old ones.
    fn sets_new(&self, cursor: &mut Cursor<'_>) -> bool {
        cursor.take("ONLY");
        let Some(table) = cursor.qualified() else {
            return false;
        };
        if self.table(&table) || !cursor.skip_past(&["SET"]) {
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

/// By these what is written arrives elsewhere: triggers, rules, and tables that belong together.
const LEADS: [&str; 5] = ["TRIGGER", "RULE", "INHERIT", "INHERITS", "ATTACH"];

/// What is made that runs nothing of its own.
const PLAIN: [&str; 9] = [
    "TABLE",
    "INDEX",
    "TYPE",
    "SEQUENCE",
    "EXTENSION",
    "SCHEMA",
    "VIEW",
    "MATERIALIZED",
    "STATISTICS",
];

/// It makes a function, an operator, a cast, a domain, a policy: something that is called without being named.
fn makes_code(tokens: &[Token]) -> bool {
    let word = |at: usize| word(tokens, at);
    let mut kind = (1..8).map(word).filter(|word| {
        let before = [
            "OR",
            "REPLACE",
            "UNIQUE",
            "TEMP",
            "TEMPORARY",
            "UNLOGGED",
            "RECURSIVE",
            "LOCAL",
            "GLOBAL",
        ];
        !before.contains(word)
    });
    word(0) == "CREATE" && kind.next().is_some_and(|kind| !PLAIN.contains(&kind))
}

/// `CREATE TABLE ... AS` and `CREATE MATERIALIZED VIEW`.
fn fills(tokens: &[Token]) -> bool {
    let view = word(tokens, 1) == "MATERIALIZED";
    view || has(tokens, "TABLE") && (has(tokens, "SELECT") || has(tokens, "EXECUTE"))
}

/// A column gets another type, and its values are those of before in it.
fn casts_only(tokens: &[Token]) -> bool {
    let using = (0..tokens.len()).find(|at| word(tokens, *at) == "USING");
    word(tokens, 1) == "TABLE"
        && using.is_some_and(|at| {
            tokens[at + 1..].iter().all(|token| match &token.kind {
                Kind::Operator(operator) => operator == "::",
                Kind::Text | Kind::Number => false,
                Kind::Word(_) | Kind::Name | Kind::Mark(_) => true,
            })
        })
}

fn first(tokens: &[Token]) -> &str {
    word(tokens, 0)
}

fn has(tokens: &[Token], wanted: &str) -> bool {
    let mut tokens = tokens.iter();
    tokens.any(|token| matches!(&token.kind, Kind::Word(word) if word == wanted))
}

/// How many statements that write stand in it; `FOR UPDATE` and `DO UPDATE` are none of their own.
fn writes(tokens: &[Token]) -> usize {
    let word = |at: usize| word(tokens, at);
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
    // What is new by its name only.
    #[case(T, "ALTER TABLE t RENAME COLUMN a TO b; UPDATE t SET b = b * 100;", &[2])]
    #[case(T, "ALTER TABLE t RENAME TO n; UPDATE n SET a = a * 100;", &[2])]
    #[case(T, "ALTER TABLE t RENAME TO n; ALTER TABLE n ADD COLUMN b int; UPDATE n SET b = a;", &[])]
    // What is written into something new and arrives elsewhere.
    #[case(T, "CREATE TABLE n (a int); ALTER TABLE t INHERIT n; UPDATE n SET a = a * 100;", &[3])]
    #[case(T, "CREATE TABLE n (a int) PARTITION BY LIST (a); ALTER TABLE n ATTACH PARTITION t DEFAULT; UPDATE n SET a = 1;", &[3])]
    #[case(T, "CREATE TABLE n (a int); CREATE TRIGGER x AFTER INSERT ON n EXECUTE FUNCTION f(); INSERT INTO n VALUES (1);", &[3])]
    #[case(T, "CREATE TABLE n (a int); CREATE RULE r AS ON INSERT TO n DO ALSO UPDATE t SET a = 1; INSERT INTO n VALUES (1);", &[3])]
    #[case(T, "CREATE TABLE n (a int); DELETE FROM n;", &[2])]
    // A function of somebody's own.
    #[case(T, "CREATE TABLE n (a int); INSERT INTO n SELECT bump();", &[2])]
    #[case(T, "CREATE TABLE n (a int); INSERT INTO n SELECT app.lower('x');", &[2])]
    #[case(T, "CREATE FUNCTION \"F\"() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE n (a int); INSERT INTO n SELECT \"F\"();", &[3])]
    #[case(T, "CREATE FUNCTION public.lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE n (a int); INSERT INTO n SELECT lower(a) FROM t;", &[3])]
    #[case(T, "CREATE OPERATOR ## (FUNCTION = f, RIGHTARG = int); CREATE TABLE n (a int); INSERT INTO n SELECT ## a FROM t;", &[3])]
    #[case(T, "CREATE CAST (int AS text) WITH FUNCTION f(int); CREATE TABLE n (a text); INSERT INTO n SELECT a::text FROM t;", &[3])]
    #[case(T, "CREATE DOMAIN d AS int CHECK (f() = 1); CREATE TABLE n (a d); INSERT INTO n VALUES (1);", &[3])]
    #[case(T, "CREATE VIEW v AS SELECT f(); CREATE TABLE n AS SELECT * FROM v;", &[1])]
    #[case(T, "CREATE INDEX i ON t (a) WHERE f(a) > 0;", &[1])]
    #[case(T, "CREATE TABLE n (a int PRIMARY KEY); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES n (a) ON UPDATE CASCADE; UPDATE n SET a = a * 100;", &[3])]
    // A table is rebuilt.
    #[case(T, "CREATE TABLE n AS SELECT a * 100 AS a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;", &[1])]
    #[case(T, "ALTER TABLE t RENAME TO o; CREATE TABLE t AS SELECT a * 100 AS a FROM o;", &[2])]
    #[case(T, "CREATE TABLE n (a int); INSERT INTO n SELECT a * 100 FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;", &[2])]
    #[case(T, "CREATE TABLE n AS SELECT bump();", &[1])]
    #[case(T, "CREATE MATERIALIZED VIEW n AS SELECT bump();", &[1])]
    #[case(T, "CREATE TABLE n (a int DEFAULT bump()); INSERT INTO n DEFAULT VALUES;", &[1])]
    #[case(T, "CREATE TABLE n (a int CHECK (bump() = 1));", &[1])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int DEFAULT bump();", &[1])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = bump();", &[2])]
    // What Prisma and people write, and is new.
    #[case(T, "CREATE TABLE \"N\" (\"id\" TEXT NOT NULL DEFAULT gen_random_uuid(), \"at\" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, \"p\" DECIMAL(65,30), \"v\" CHARACTER VARYING(9), CONSTRAINT \"N_pkey\" PRIMARY KEY (\"id\"), CONSTRAINT \"c\" CHECK (length(\"id\") > 0)); CREATE UNIQUE INDEX \"i\" ON \"N\"(\"at\"); ALTER TABLE \"N\" ADD CONSTRAINT \"f\" FOREIGN KEY (\"id\") REFERENCES \"t\"(\"a\") ON DELETE CASCADE ON UPDATE CASCADE;", &[])]
    #[case(T, "CREATE TABLE IF NOT EXISTS app.\"N\" (a int); INSERT INTO app.\"N\" (a) SELECT coalesce(max(a), 0) FROM t WHERE a IN (1, 2) AND NOT EXISTS (SELECT 1);", &[])]
    #[case(T, "CREATE TYPE s AS ENUM ('a'); ALTER TABLE t ALTER COLUMN a TYPE s USING (a::text::s); CREATE TABLE n (a int); INSERT INTO n SELECT 1;", &[])]
    #[case(T, "CREATE TABLE n (a int); SELECT setval(pg_get_serial_sequence('n', 'a'), (SELECT max(a) FROM t));", &[])]
    #[case(T, "CREATE UNIQUE INDEX i ON t USING btree (lower(a));", &[])]
    #[case(T, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';", &[])]
    #[case(T, "CREATE TABLE n AS SELECT lower(x), row_number() OVER (PARTITION BY a) FROM t;", &[])]
    #[case(T, "ALTER TABLE t ADD COLUMN b int; WITH s AS (SELECT a, count(*) AS c FROM t GROUP BY a) UPDATE t SET b = s.c FROM s WHERE s.a = t.a;", &[])]
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
