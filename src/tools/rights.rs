//! PURE. What gives a role the right that PostgreSQL missed (SQLSTATE 42501), read from its message.

/// What to do about a message such as `permission denied for schema app`, as a sentence without its full stop; `role`
/// is an identifier as SQL has it. `None`: it is about no right, or about one that cannot be told from it.
pub fn remedy(message: &str, role: &str) -> Option<String> {
    let line = message
        .lines()
        .find(|line| line.contains("permission denied ") || line.contains("must be owner of "))?;
    if let Some((_, object)) = line.split_once("must be owner of ") {
        let (kind, name) = object_of(object)?;
        return Some(owned(kind, name, role));
    }
    if let Some((_, object)) = line.split_once("permission denied to create extension ") {
        let name = object.split('"').nth(1)?;
        return Some(format!(
            "Run as a superuser, in this database: CREATE EXTENSION IF NOT EXISTS {};",
            identifier(name)
        ));
    }
    let (_, object) = line.split_once("permission denied for ")?;
    let (kind, name) = object_of(object)?;
    let name = identifier(name);
    let rights = match kind {
        "schema" => format!("USAGE, CREATE ON SCHEMA {name}"),
        "database" => format!("CREATE ON DATABASE {name}"),
        "table" | "relation" | "view" | "materialized view" | "foreign table" => {
            format!("ALL ON TABLE {name}")
        }
        "sequence" => format!("ALL ON SEQUENCE {name}"),
        "function" | "procedure" => format!("EXECUTE ON ROUTINE {name}"),
        "type" | "domain" => format!("USAGE ON TYPE {name}"),
        "language" => format!("USAGE ON LANGUAGE {name}"),
        _ => return None,
    };
    Some(format!("Run as its owner: GRANT {rights} TO {role};"))
}

/// What stands before the query that shows who owns an object.
const SHOWS_OWNER: &str = "This shows who its owner is: ";

/// The query in a text of [`remedy`] that shows who owns the object.
pub fn shown_query(text: &str) -> Option<&str> {
    let (_, query) = text.split_once(SHOWS_OWNER)?;
    Some(query.trim_end_matches(['.', ';'])).filter(|query| !query.is_empty())
}

/// What helps where the role has to own the object. Membership in a superuser would give it everything.
fn owned(kind: &str, name: &str, role: &str) -> String {
    let give = match kind {
        // It cannot be given away.
        "extension" => "Let its owner, or a superuser, do this by hand".to_owned(),
        _ => {
            let kind = match kind {
                "relation" => "TABLE".to_owned(),
                "column" => return "Let the owner of its table do this".to_owned(),
                kind => kind.to_ascii_uppercase(),
            };
            format!(
                "Make the role a member of its owner, unless that is a superuser: GRANT <owner> TO {role}; or let the migration connect as the owner; or last, which takes it from its owner, run as a superuser: ALTER {kind} {} OWNER TO {role}",
                identifier(name)
            )
        }
    };
    let (catalog, column, owner) = match kind {
        "table" | "relation" | "view" | "materialized view" | "foreign table" | "sequence"
        | "index" => ("pg_class", "relname", "relowner"),
        "schema" => ("pg_namespace", "nspname", "nspowner"),
        "database" => ("pg_database", "datname", "datdba"),
        "type" | "domain" => ("pg_type", "typname", "typowner"),
        "function" | "procedure" | "aggregate" | "routine" => ("pg_proc", "proname", "proowner"),
        "extension" => ("pg_extension", "extname", "extowner"),
        _ => return give,
    };
    let name = name.trim_matches('"').replace('\'', "''");
    format!(
        "{give}. {SHOWS_OWNER}SELECT {owner}::regrole FROM {catalog} WHERE {column} = '{name}';"
    )
}

/// `materialized view daily` in its two parts.
fn object_of(text: &str) -> Option<(&str, &str)> {
    let text = text.split(" (SQLSTATE").next()?.trim();
    ["materialized view", "foreign table", "event trigger"]
        .into_iter()
        .find_map(|kind| Some((kind, text.strip_prefix(kind)?.trim_start())))
        .or_else(|| text.split_once(' '))
        .filter(|(_, name)| !name.is_empty())
}

/// PostgreSQL's messages name objects as they are; SQL wants quotes around what is not plain.
fn identifier(name: &str) -> String {
    let plain = |at: usize, letter: char| {
        letter.is_ascii_lowercase() || letter == '_' || (at > 0 && letter.is_ascii_digit())
    };
    if name.char_indices().all(|(at, letter)| plain(at, letter)) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.trim_matches('"').replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{remedy, shown_query};

    #[rstest]
    #[case(
        "ERROR: permission denied for schema public",
        Some("Run as its owner: GRANT USAGE, CREATE ON SCHEMA public TO \"shop\";")
    )]
    #[case(
        "ERROR: permission denied for table User (SQLSTATE 42501)",
        Some("Run as its owner: GRANT ALL ON TABLE \"User\" TO \"shop\";")
    )]
    #[case(
        "permission denied for materialized view daily_report",
        Some("Run as its owner: GRANT ALL ON TABLE daily_report TO \"shop\";")
    )]
    #[case(
        "permission denied for database Shop-1",
        Some("Run as its owner: GRANT CREATE ON DATABASE \"Shop-1\" TO \"shop\";")
    )]
    #[case(
        "Database error\nERROR: must be owner of table tasks\nmore",
        Some(
            "Make the role a member of its owner, unless that is a superuser: GRANT <owner> TO \"shop\"; or let the migration connect as the owner; or last, which takes it from its owner, run as a superuser: ALTER TABLE tasks OWNER TO \"shop\". This shows who its owner is: SELECT relowner::regrole FROM pg_class WHERE relname = 'tasks';"
        )
    )]
    #[case(
        "ERROR: must be owner of type Role (SQLSTATE 42501)",
        Some(
            "Make the role a member of its owner, unless that is a superuser: GRANT <owner> TO \"shop\"; or let the migration connect as the owner; or last, which takes it from its owner, run as a superuser: ALTER TYPE \"Role\" OWNER TO \"shop\". This shows who its owner is: SELECT typowner::regrole FROM pg_type WHERE typname = 'Role';"
        )
    )]
    #[case(
        "must be owner of extension citext",
        Some(
            "Let its owner, or a superuser, do this by hand. This shows who its owner is: SELECT extowner::regrole FROM pg_extension WHERE extname = 'citext';"
        )
    )]
    #[case(
        "permission denied to create extension \"uuid-ossp\"",
        Some(
            "Run as a superuser, in this database: CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\";"
        )
    )]
    #[case("permission denied to create role", None)]
    #[case("column \"a\" does not exist", None)]
    #[case("permission denied for ", None)]
    #[case("", None)]
    fn remedies(#[case] message: &str, #[case] expected: Option<&str>) {
        let found = remedy(message, "\"shop\"");
        assert_eq!(found.as_deref(), expected);
        let query = found.as_deref().and_then(shown_query);
        let owned = message.contains("must be owner");
        assert_eq!(
            query.is_some_and(|query| query.starts_with("SELECT ")),
            owned
        );
    }
}
