//! Whether two connection strings lead to one database: the operator watches the one, and Prisma migrates by the other.

use std::collections::HashSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use dbm_protocol::redact::secrets::REDACTED;

/// PostgreSQL's own port.
const PORT: u16 = 5432;
/// Where Prisma keeps its ledger when the URL names no schema.
const SCHEMA: &str = "public";
/// Between two attempts to resolve a name.
const PAUSE: Duration = Duration::from_millis(500);

/// In what two connection strings differ, the widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// The host or the port.
    Server,
    /// The database on it.
    Database,
    /// The schema in that, which holds the ledger.
    Schema,
}

impl Elsewhere {
    /// The same for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Elsewhere::Server => "to another host or port",
            Elsewhere::Database => "to another database",
            Elsewhere::Schema => "to another schema of the database",
        }
    }
}

/// Where a connection string leads, whoever logs in.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    database: String,
    schema: String,
}

impl Place {
    fn of(url: &str) -> Option<Place> {
        let url = url::Url::parse(url).ok()?;
        let last = |wanted: &str| {
            let named = url
                .query_pairs()
                .filter(|(name, value)| name == wanted && !value.is_empty());
            named.last().map(|(_, value)| value.into_owned())
        };
        let host = last("host").unwrap_or_else(|| decoded(url.host_str().unwrap_or_default()));
        let path = url.path().trim_start_matches('/');
        Some(Place {
            host: host
                .trim_start_matches('[')
                .trim_end_matches([']', '.'])
                .to_lowercase(),
            port: url.port().unwrap_or(PORT),
            database: decoded(path.split('/').next().unwrap_or_default()),
            schema: last("schema").unwrap_or_else(|| SCHEMA.to_owned()),
        })
    }
}

/// What Prisma says that it works on (`printed`, a line of its own), where that is not the database that is watched: the
/// database's name, or the schema's, for people. Never a host, of which a name says too little.
#[must_use]
pub fn printed(watched: &str, printed: &str) -> Option<String> {
    let watched = Place::of(watched)?;
    let (_, names) = printed.split_once(": PostgreSQL database \"")?;
    // That of the schema, which does not count beside an adapter.
    if names.contains("\" using driver adapter") || names.contains(REDACTED) {
        return None;
    }
    let (names, _) = names.rsplit_once("\" at \"").unwrap_or((names, ""));
    let names = names.trim_end().trim_end_matches('"');
    let (database, schema) = match names.split_once("\", schema \"") {
        Some((database, schema)) => (database, Some(schema)),
        None => (names.split("\", schemas \"").next()?, None),
    };
    // Prisma prints it as it stands in the URL.
    if ![database.to_owned(), decoded(database)].contains(&watched.database) {
        return Some(format!("the database {database:?}"));
    }
    schema
        .filter(|schema| ![(*schema).to_owned(), decoded(schema)].contains(&watched.schema))
        .map(|schema| format!("the schema {schema:?} of the database {database:?}"))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// In what the second leads elsewhere than the first, if it does. A name is looked up for so long at most.
#[must_use]
pub fn leads(watched: &str, migrated: &str, patience: Duration) -> Option<Elsewhere> {
    leads_by(watched, migrated, |host| addresses(host, patience))
}

fn leads_by(
    watched: &str,
    migrated: &str,
    resolve: impl Fn(&str) -> HashSet<IpAddr>,
) -> Option<Elsewhere> {
    // Both were found to be URLs before.
    let (watched, migrated) = (Place::of(watched)?, Place::of(migrated)?);
    if watched.database != migrated.database {
        Some(Elsewhere::Database)
    } else if watched.port != migrated.port || !one_host(&watched.host, &migrated.host, resolve) {
        Some(Elsewhere::Server)
    } else if watched.schema != migrated.schema {
        Some(Elsewhere::Schema)
    } else {
        None
    }
}

/// Whether two hosts are one. Names that have nothing in common are not one because of a common address: behind that may be a
/// proxy which tells servers apart by the name. A name and the longer form of it are, and a name and its address.
fn one_host(a: &str, b: &str, resolve: impl Fn(&str) -> HashSet<IpAddr>) -> bool {
    let longer = |short: &str, long: &str| {
        let rest = long.strip_prefix(short);
        !short.is_empty() && rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    a == b
        || (longer(a, b) || longer(b, a) || is_address(a) || is_address(b))
            && !resolve(a).is_disjoint(&resolve(b))
}

/// The addresses of a host; none where it does not resolve. A proxy in the pod may open the network late.
fn addresses(host: &str, patience: Duration) -> HashSet<IpAddr> {
    let began = Instant::now();
    loop {
        if let Ok(found) = (host, PORT).to_socket_addrs() {
            return found.map(|address| address.ip().to_canonical()).collect();
        }
        if began.elapsed() >= patience {
            return HashSet::new();
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use Elsewhere::{Database, Schema, Server};

    /// A name server: `db` is `db.shop.svc`; every name of `cloud` is one proxy.
    fn known(host: &str) -> HashSet<IpAddr> {
        let address = match host {
            "db" | "db.shop.svc" | "db.shop.svc.cluster.local" => "10.0.0.1",
            "db.other" => "10.0.0.2",
            _ if host.ends_with(".cloud") => "10.0.0.3",
            _ => return host.parse().into_iter().collect(),
        };
        HashSet::from([address.parse().unwrap()])
    }

    #[test]
    fn one_database_under_many_spellings_and_others() {
        let url = "postgresql://u:p@db:5432/shop";
        for (other, expected) in [
            (url, None),
            (
                "postgres://someone:else@DB./sh%6Fp?sslmode=require&application_name=x",
                None,
            ),
            ("postgres://u@db/shop?schema=public", None),
            ("postgres://u@db.shop.svc/shop", None),
            ("postgres://u@db.shop.svc.cluster.local/shop", None),
            ("postgres://u@10.0.0.1/shop", None),
            ("postgres://u@db/other", Some(Database)),
            ("postgres://u@db/Shop", Some(Database)),
            ("postgres://u@db/", Some(Database)),
            ("postgres://u@elsewhere/other?schema=x", Some(Database)),
            ("postgres://u@db:5433/shop", Some(Server)),
            ("postgres://u@db.other/shop", Some(Server)),
            ("postgres://u@db.unknown/shop", Some(Server)),
            ("postgres://u@db-direct/shop", Some(Server)),
            ("postgres://u@10.0.0.2/shop", Some(Server)),
            ("postgres://u@db/shop?host=other", Some(Server)),
            ("postgres://u@db/shop?schema=tenant", Some(Schema)),
        ] {
            assert_eq!(leads_by(url, other, known), expected, "{other}");
            assert_eq!(leads_by(other, url, known), expected, "{other}");
        }
    }

    #[test]
    fn a_common_address_makes_no_one_server_of_two_names() {
        let [a, b] = ["ep-a.cloud", "ep-b.cloud"].map(|host| format!("postgres://u@{host}/app"));
        assert_eq!(leads_by(&a, &b, known), Some(Server));
    }

    #[test]
    fn what_prisma_says_that_it_works_on() {
        let url = "postgresql://u:p@db:5432/my%20shop?schema=app";
        for (line, expected) in [
            (r#""my shop", schema "app" at "db:5432""#, None),
            (r#""my%20shop", schema "app" at "other:1""#, None),
            (r#""my shop", schemas "app, other" at "db:5432""#, None),
            (r#""my shop""#, None),
            (r#""[redacted]", schema "app" at "db:5432""#, None),
            (
                r#""ti", schema "public" using driver adapter "@prisma/adapter-pg""#,
                None,
            ),
            (
                r#""other", schema "app" at "db:5432""#,
                Some(r#"the database "other""#),
            ),
            (
                r#""other", schemas "app, b" at "db:5432""#,
                Some(r#"the database "other""#),
            ),
            (r#""other" at "db:5432""#, Some(r#"the database "other""#)),
            (r#""other""#, Some(r#"the database "other""#)),
            (
                r#""my shop", schema "public" at "db:5432""#,
                Some(r#"the schema "public" of the database "my shop""#),
            ),
        ] {
            let line = format!("Datasource \"db\": PostgreSQL database {line}");
            assert_eq!(printed(url, &line).as_deref(), expected, "{line}");
        }
        assert_eq!(
            printed(url, "Datasource \"db\": SQLite database \"x\""),
            None
        );
    }

    #[test]
    fn a_name_that_does_not_resolve_is_not_waited_for_without_end() {
        let leads = |host: &str| {
            let url = format!("postgres://u@{host}/app");
            super::leads("postgres://u@127.0.0.1/app", &url, Duration::ZERO)
        };
        assert_eq!(leads("localhost"), None);
        assert_eq!(leads("no-such-host.invalid"), Some(Server));
    }
}
