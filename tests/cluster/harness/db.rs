//! A test's own database on one of the two servers of the cluster.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};

/// The two servers of `make postgres-up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Identity,
    Tasks,
    /// A test's own, see [`super::OwnServer`].
    Own(std::net::Ipv4Addr),
}

impl Server {
    pub const ALL: [Server; 2] = [Server::Identity, Server::Tasks];

    pub fn service(self) -> &'static str {
        match self {
            Server::Identity => "identity-postgres",
            Server::Tasks => "tasks-postgres",
            Server::Own(_) => "a test's own server",
        }
    }

    /// Its name as pods know it.
    pub fn host(self) -> String {
        match self {
            Server::Own(address) => address.to_string(),
            _ => format!("{}.databases.svc.cluster.local", self.service()),
        }
    }

    /// The superuser's way from this machine.
    fn options(self) -> PgConnectOptions {
        let variable = match self {
            Server::Identity => "PG_IDENTITY_URL",
            Server::Tasks => "PG_TASKS_URL",
            Server::Own(address) => {
                return PgConnectOptions::new_without_pgpass()
                    .host(&address.to_string())
                    .username("postgres")
                    .password(super::own_server::PASSWORD)
                    .disable_statement_logging();
            }
        };
        super::stage::required(variable)
            .parse::<PgConnectOptions>()
            .unwrap_or_else(|error| panic!("{variable}: {error}"))
            .disable_statement_logging()
    }

    /// A superuser's session.
    pub async fn session(self, database: &str, application: &str) -> PgConnection {
        let options = self
            .options()
            .database(database)
            .application_name(application);
        // A busy machine lets its readiness probe fail, and for a moment the Service leads nowhere. A server that starts or
        // recovers says so (57P03).
        let mut tries = 0;
        loop {
            match options.connect().await {
                Ok(session) => return session,
                Err(error) if tries < 60 && is_not_up(&error) => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                }
                Err(error) => panic!("{}: {error}", self.service()),
            }
        }
    }
}

fn is_not_up(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "57P03"),
        _ => false,
    }
}

/// One row of `_prisma_migrations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    pub id: String,
    pub name: String,
    pub finished: bool,
    pub rolled_back: bool,
    pub steps: i32,
}

/// A database.
#[derive(Clone, Debug)]
pub struct Db {
    pub server: Server,
    /// Its name in PostgreSQL.
    pub name: String,
    /// The Secret in which its URL stands.
    pub secret: String,
    pub(super) role: String,
    pub(super) password: String,
}

impl Db {
    /// The role that owns it.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Its URL for a pod.
    pub fn url(&self) -> String {
        self.url_by(&self.server.host())
    }

    /// The same by another host name.
    pub fn url_by(&self, host: &str) -> String {
        let password = encoded(&self.password);
        format!(
            "postgresql://{}:{password}@{host}:5432/{}?schema=public",
            self.role, self.name
        )
    }

    /// A superuser's session.
    pub async fn session(&self, application: &str) -> PgConnection {
        self.server.session(&self.name, application).await
    }

    /// Runs statements as the superuser.
    pub async fn run(&self, sql: &str) {
        let mut session = self.session("test").await;
        run(&mut session, sql).await;
        session.close().await.unwrap();
    }

    /// One number.
    pub async fn number(&self, sql: &str) -> i64 {
        let mut session = self.session("test").await;
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut session)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The backend that runs the slow migration, by its number in the server's container.
    pub async fn slow_backend(&self) -> i64 {
        self.number(
            "SELECT pid::bigint FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'dbm/%' AND query LIKE '%pg_sleep%'",
        )
        .await
    }

    /// The ledger of schema `public`, oldest first; empty where there is none.
    pub async fn ledger(&self) -> Vec<LedgerRow> {
        self.ledger_of("public").await
    }

    pub async fn ledger_of(&self, schema: &str) -> Vec<LedgerRow> {
        let exists = format!(
            "SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}' AND tablename = '_prisma_migrations'"
        );
        if self.number(&exists).await == 0 {
            return Vec::new();
        }
        let sql = format!(
            "SELECT id, migration_name, finished_at IS NOT NULL, rolled_back_at IS NOT NULL, applied_steps_count \
             FROM \"{schema}\"._prisma_migrations ORDER BY started_at"
        );
        let mut session = self.session("test").await;
        sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut session)
            .await
            .unwrap()
            .iter()
            .map(|row| LedgerRow {
                id: row.get(0),
                name: row.get(1),
                finished: row.get(2),
                rolled_back: row.get(3),
                steps: row.get(4),
            })
            .collect()
    }

    /// The names of what is applied, in the order of its start; a migration that is applied twice stands twice.
    pub async fn applied(&self) -> Vec<String> {
        let rows = self.ledger().await;
        rows.into_iter()
            .filter(|row| row.finished && !row.rolled_back)
            .map(|row| row.name)
            .collect()
    }

    /// What `prisma migrate resolve --rolled-back` does.
    pub async fn mark_rolled_back(&self, migration: &str) {
        self.run(&format!(
            "UPDATE _prisma_migrations SET rolled_back_at = now() \
             WHERE migration_name = '{migration}' AND finished_at IS NULL"
        ))
        .await;
    }
}

/// Runs statements, as one simple query.
pub async fn run(session: &mut PgConnection, sql: &str) {
    if let Err(error) = session
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
    {
        panic!("{sql}\n{error}");
    }
}

/// The process that serves a session.
pub async fn backend_pid(session: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(session)
        .await
        .unwrap()
}

/// Percent-encoded as the part of a URL.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
