//! What a migration does CONCURRENTLY, and the indexes that it makes and takes away.

use super::change::Change;
use super::cursor::Cursor;
use super::reader;
use super::token::{Kind, Token};
use super::{split, token};
use crate::facts::{Object, ObjectKind};

/// What a migration does to indexes by statements of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    /// What `CREATE INDEX` makes, where it says the name.
    pub builds: Vec<Object>,
    /// How many more `CREATE INDEX` makes, whose names PostgreSQL chooses.
    pub unnamed: usize,
    /// What `DROP INDEX` takes away.
    pub drops: Vec<Object>,
    /// It does nothing else that lasts.
    pub alone: bool,
}

/// Whether a statement of it waits for every older snapshot of the database, as CONCURRENTLY does for indexes and
/// partitions. What stands in comments and literals does not count.
pub fn waits_for_snapshots(sql: &str) -> bool {
    let read = token::tokens(sql);
    let mut statements = split(&read.tokens).into_iter();
    statements.any(|tokens| waits(Cursor { sql, tokens }))
}

/// Whether such a statement stands in it beside others: what an engine sends as one query, PostgreSQL refuses (25001).
pub fn waits_beside_others(sql: &str) -> bool {
    let read = token::tokens(sql);
    let statements = split(&read.tokens);
    statements.len() > 1
        && statements
            .into_iter()
            .any(|tokens| waits(Cursor { sql, tokens }))
}

fn waits(mut cursor: Cursor<'_>) -> bool {
    match cursor.take_word() {
        Some("CREATE") => {
            cursor.take("UNIQUE");
            cursor.take("INDEX") && cursor.take("CONCURRENTLY")
        }
        Some("DROP") => cursor.take("INDEX") && cursor.take("CONCURRENTLY"),
        Some("REINDEX") => {
            let tokens = cursor.group().unwrap_or_default();
            let options = Cursor { tokens, ..cursor };
            let option = options.split_by_comma().into_iter().any(|tokens| {
                let mut option = Cursor { tokens, ..cursor };
                option.take("CONCURRENTLY") && !option.take_any(&["FALSE", "OFF"])
            });
            option || cursor.has(&["CONCURRENTLY"])
        }
        Some("ALTER") => {
            cursor.take("TABLE") && cursor.skip_past(&["DETACH"]) && cursor.has(&["CONCURRENTLY"])
        }
        _ => false,
    }
}

/// The indexes that it makes and takes away. Names without a schema are in `schema`.
pub fn indexes(sql: &str, schema: &str) -> Indexes {
    let read = token::tokens(sql);
    let mut found = Indexes {
        alone: true,
        ..Indexes::default()
    };
    for (tokens, read) in reader::read(sql, &split(&read.tokens), schema) {
        if read.changes.is_empty() && read.unseen.is_none() && !read.runs_code {
            continue;
        }
        let (creates, drops) = of_index(tokens);
        found.alone &= creates || drops;
        for change in read.changes {
            match change {
                Change::Unnamed(_) if creates => found.unnamed += 1,
                Change::Add { object, .. } if creates && object.kind == ObjectKind::Index => {
                    found.builds.push(object);
                }
                Change::Remove { object, .. } if drops && object.kind == ObjectKind::Index => {
                    found.drops.push(object);
                }
                _ => {}
            }
        }
    }
    found.alone &= !found.builds.is_empty() || !found.drops.is_empty() || found.unnamed > 0;
    found
}

/// Whether a statement is `CREATE [UNIQUE] INDEX`, or `DROP INDEX`.
fn of_index(statement: &[Token]) -> (bool, bool) {
    let word = |at: usize| match statement.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.as_str(),
        _ => "",
    };
    let creates =
        word(0) == "CREATE" && (word(1) == "INDEX" || (word(1), word(2)) == ("UNIQUE", "INDEX"));
    (creates, word(0) == "DROP" && word(1) == "INDEX")
}

/// Whether a name as PostgreSQL quotes it (`public."User_email_idx"`) is this object's.
pub fn is_named(quoted: &str, object: &Object) -> bool {
    let read = token::tokens(quoted);
    let mut cursor = Cursor {
        sql: quoted,
        tokens: &read.tokens,
    };
    cursor.qualified().is_some_and(|(schema, name)| {
        schema.as_ref() == Some(&object.schema) && name == object.name
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("CREATE INDEX CONCURRENTLY i ON t (a);", true)]
    #[case("create unique index concurrently if not exists i on t (a)", true)]
    #[case("SET lock_timeout = 0; DROP INDEX CONCURRENTLY IF EXISTS i;", true)]
    #[case("REINDEX INDEX CONCURRENTLY i", true)]
    #[case("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", true)]
    #[case("REINDEX (CONCURRENTLY OFF) TABLE t", false)]
    #[case("ALTER TABLE p DETACH PARTITION q CONCURRENTLY", true)]
    #[case("ALTER TABLE p DETACH PARTITION q", false)]
    // It locks one view and waits for no snapshot.
    #[case("REFRESH MATERIALIZED VIEW CONCURRENTLY v", false)]
    #[case("-- CREATE INDEX CONCURRENTLY i ON t (a);\nSELECT 1;", false)]
    #[case(
        "/* CREATE INDEX CONCURRENTLY i ON t (a); */ SELECT 'DROP INDEX CONCURRENTLY i'",
        false
    )]
    #[case("CREATE INDEX \"concurrently\" ON t (a)", false)]
    #[case("", false)]
    fn concurrently(#[case] sql: &str, #[case] expected: bool) {
        assert_eq!(waits_for_snapshots(sql), expected, "{sql}");
    }

    #[test]
    fn beside_others() {
        assert!(!waits_beside_others(
            "-- a; b\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
        ));
        assert!(waits_beside_others(
            "CREATE INDEX CONCURRENTLY i ON t (a); SELECT 1;"
        ));
        assert!(!waits_beside_others("SELECT 1; SELECT 2"));
    }

    #[test]
    fn the_indexes_of_a_file_and_whether_it_does_something_else() {
        let found = indexes(
            "SET statement_timeout = 0; CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"T_a_idx\" ON \"T\" (a); DROP INDEX CONCURRENTLY app.old",
            "public",
        );
        assert!(found.alone);
        assert!(is_named("public.\"T_a_idx\"", &found.builds[0]));
        assert!(!is_named("app.\"T_a_idx\"", &found.builds[0]));
        assert!(is_named("app.old", &found.drops[0]));
        let beside = indexes(
            "ALTER TABLE t ADD COLUMN b int; CREATE INDEX i ON t (b)",
            "public",
        );
        assert!(!beside.alone && is_named("public.i", &beside.builds[0]));
        let unnamed = indexes(
            "CREATE INDEX CONCURRENTLY ON t (b); CREATE INDEX i ON t (b)",
            "public",
        );
        assert_eq!(
            (unnamed.builds.len(), unnamed.unnamed, unnamed.alone),
            (1, 1, true)
        );
        let table = indexes("CREATE TABLE t (a int CONSTRAINT u UNIQUE)", "public");
        assert_eq!((table.builds.len(), table.alone), (0, false));
    }
}
