//! Which statement met a relation that is not there, or is another's, by PostgreSQL's message: what needs it, or that right, cannot have
//! taken effect.

use super::change::{Change, Read, Unseen};
use super::cursor::Cursor;
use super::reader;
use super::stopped::Stopped;
use super::{split, token};

/// From this statement on, counted from 1, none has taken effect: it needs the relation that is not there.
pub(super) fn none_from(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<usize> {
    Some(needing(sql, schema, stopped)?.0)
}

/// The statement that failed of it, where none before it runs code, which may have met it as well.
pub(super) fn met(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<usize> {
    let (number, code) = needing(sql, schema, stopped)?;
    (!code).then_some(number)
}

/// The first statement that needs it, and whether one before it may run code.
fn needing(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<(usize, bool)> {
    let (name, owned) = match stopped.sql_state? {
        "42P01" => {
            let (_, rest) = stopped.message.split_once("relation \"")?;
            let (name, rest) = rest.split_once('"')?;
            rest.starts_with(" does not exist").then_some(())?;
            (name.rsplit('.').next()?, false)
        }
        // PostgreSQL says it so of the columns that a statement sets or alters.
        "42703" => return column(sql, schema, stopped),
        "42501" => {
            let (_, rest) = stopped.message.split_once("must be owner of ")?;
            let name = ["table ", "relation ", "view "];
            let name = name.iter().find_map(|kind| rest.strip_prefix(kind))?;
            let name = name.lines().next().unwrap_or_default();
            (name.split(" (SQLSTATE").next()?.trim(), true)
        }
        _ => return None,
    };
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    // Where it comes or goes in the text, or names lead elsewhere, it may have been there before.
    let own = |read: &Read| {
        read.moves_path
            || read.changes.iter().any(|change| match change {
                // What the role makes it owns, and what it drops it has to own.
                Change::Remove { .. } if owned => false,
                Change::Add { object, .. } | Change::Remove { object, .. } => {
                    object.part.is_empty() && object.name == name
                }
                Change::Rename { from, to, .. } => from.name == name || to.name == name,
                Change::Forget(object) => object.name == name,
                _ => false,
            })
    };
    if read.doubtful || statements.iter().any(|(_, read)| own(read)) {
        return None;
    }
    let at = statements
        .iter()
        .position(|(tokens, _)| needs(Cursor { sql, tokens }, name, owned))?;
    let code = |read: &Read| read.runs_code || read.rolls_back || read.unseen == Some(Unseen::Rows);
    let before = statements.iter().take(at);
    Some((at + 1, before.into_iter().any(|(_, read)| code(read))))
}

/// The same of `column "a" of relation "t" does not exist`: the first statement that sets, fills or alters it.
fn column(sql: &str, schema: &str, stopped: &Stopped<'_>) -> Option<(usize, bool)> {
    let (_, rest) = stopped.message.split_once("column \"")?;
    let (name, rest) = rest.split_once("\" of relation \"")?;
    let (relation, rest) = rest.split_once('"')?;
    rest.starts_with(" does not exist").then_some(())?;
    let read = token::tokens(sql);
    let statements = reader::read(sql, &split(&read.tokens), schema);
    // Where the text makes, drops or renames anything of that name, it may have been there before.
    let own = |read: &Read| {
        read.moves_path
            || read.changes.iter().any(|change| match change {
                Change::Add { object, .. } | Change::Remove { object, .. } => {
                    object.part == name || object.part.is_empty() && object.name == relation
                }
                Change::Rename { from, to, .. } => [from, to]
                    .iter()
                    .any(|it| it.part == name || it.name == relation),
                Change::Forget(object) => object.name == relation,
                _ => false,
            })
    };
    // Only before a quote does a backslash decide where a literal ends.
    let doubtful = read.open || sql.contains("\\'");
    if doubtful || statements.iter().any(|(_, read)| own(read)) {
        return None;
    }
    let sets = |tokens: &[token::Token]| {
        let mut cursor = Cursor { sql, tokens };
        if !cursor.take("UPDATE") || !needs(Cursor { sql, tokens }, relation, false) {
            return false;
        }
        let items = cursor.skip_past(&["SET"]).then(|| cursor.split_by_comma());
        items.into_iter().flatten().any(|tokens| {
            let mut cursor = Cursor { sql, tokens };
            cursor.identifier().as_deref() == Some(name) && cursor.take_operator("=")
        })
    };
    let at = statements.iter().position(|(tokens, _)| sets(tokens))?;
    let code = |read: &Read| read.runs_code || read.rolls_back || read.unseen == Some(Unseen::Rows);
    let mut before = statements.iter().take(at);
    Some((at + 1, before.any(|(_, read)| code(read))))
}

/// A statement that fails where the relation that it alters, fills or indexes is not there; `owned`: where it is another's.
fn needs(mut cursor: Cursor<'_>, name: &str, owned: bool) -> bool {
    let found = match cursor.take_word() {
        Some("UPDATE" | "INSERT" | "DELETE") if owned => false,
        Some("DROP") if owned => cursor.take_any(&["TABLE", "VIEW"]),
        Some("UPDATE") => true,
        Some("INSERT") => cursor.take("INTO"),
        Some("DELETE") => cursor.take("FROM"),
        Some("ALTER") => cursor.take("TABLE"),
        Some("CREATE") => {
            cursor.take("UNIQUE");
            cursor.take("INDEX") && !cursor.has(&["EXISTS"]) && cursor.skip_past(&["ON"])
        }
        _ => false,
    };
    cursor.take("ONLY");
    let is_it = |(_, relation): (Option<String>, String)| relation == name;
    found && (!cursor.take_if_exists() || owned) && cursor.qualified().is_some_and(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("ALTER TABLE t ADD a int; UPDATE nope SET a = 1; UPDATE t SET a = 1;", Some((2, true)))]
    #[case("UPDATE t SET a = 1; ALTER TABLE app.\"nope\" ADD a int;", Some((2, false)))]
    #[case("CREATE UNIQUE INDEX i ON nope (a); CREATE TABLE x (a int)", Some((1, true)))]
    // It may be another that met it: what fires a trigger, or what came after it went.
    #[case("ALTER TABLE IF EXISTS nope ADD a int; UPDATE t SET a = 1;", None)]
    #[case("DROP TABLE nope; UPDATE t SET a = 1; UPDATE nope SET a = 1;", None)]
    #[case("SET search_path = x; UPDATE nope SET a = 1;", None)]
    #[case("DO $$ BEGIN UPDATE nope SET a = 1; END $$;", None)]
    fn what_met_it(#[case] sql: &str, #[case] expected: Option<(usize, bool)>) {
        let stopped = Stopped {
            position: None,
            sql_state: Some("42P01"),
            message: "ERROR: relation \"nope\" does not exist",
        };
        let from = none_from(sql, "public", &stopped);
        assert_eq!(from, expected.map(|(number, _)| number));
        let exact = expected
            .filter(|(_, exact)| *exact)
            .map(|(number, _)| number);
        assert_eq!(met(sql, "public", &stopped), exact);
    }

    #[rstest::rstest]
    #[case(
        "ALTER TABLE \"User\" ADD a int; UPDATE \"User\" SET b = 1, \"full_name\" = 2;",
        Some(2)
    )]
    #[case("UPDATE t SET a = 1; UPDATE \"User\" SET full_name = 1;", None)]
    #[case("UPDATE \"Other\" SET full_name = 1;", None)]
    #[case(
        "ALTER TABLE \"User\" DROP COLUMN full_name; UPDATE \"User\" SET full_name = 1;",
        None
    )]
    #[case(
        include_str!("../../../examples/shop/releases/1.2.0/packages/db/prisma/migrations/20261122101500_split_name/migration.sql"),
        Some(3)
    )]
    fn what_sets_a_column_that_is_not_there(#[case] sql: &str, #[case] expected: Option<usize>) {
        let stopped = Stopped {
            position: None,
            sql_state: Some("42703"),
            message: "ERROR: column \"full_name\" of relation \"User\" does not exist",
        };
        assert_eq!(met(sql, "public", &stopped), expected);
    }

    #[test]
    fn what_only_its_owner_may_do() {
        let stopped = Stopped {
            position: None,
            sql_state: Some("42501"),
            message: "ERROR: must be owner of table tasks",
        };
        for (sql, expected) in [
            (
                "CREATE TABLE x (a int); ALTER TABLE tasks ADD a int;",
                Some(2),
            ),
            (
                "CREATE TABLE x (a int); DROP TABLE IF EXISTS tasks;",
                Some(2),
            ),
            ("UPDATE tasks SET a = 1; ALTER TABLE other ADD a int;", None),
        ] {
            assert_eq!(met(sql, "public", &stopped), expected, "{sql}");
        }
    }
}
