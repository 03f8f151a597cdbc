//! A database and a role of one test's own.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use database_migration_operator::database::{Look, Password, Rules, Target, look, parse};
use database_migration_operator::facts::{DatabaseFacts, Reading, Unreadable};
use futures::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};

/// The variable with the server to test on.
const VARIABLE: &str = "DBM_TEST_POSTGRES_URL";
/// Each character that a URL gives a meaning.
pub const PASSWORD: &str = "p@ss:w/o?r#d% &'\"\\é";

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A fresh database and a plain role that may connect to it, owning nothing.
pub struct Db {
    /// Its name.
    pub name: String,
    /// A role with [`PASSWORD`].
    pub role: String,
    admin: Target,
}

/// Where the superuser connects.
pub fn server() -> Target {
    let raw = std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("set {VARIABLE} to the URL of a superuser, e.g. postgresql://postgres:secret@127.0.0.1:5432/postgres")
    });
    parse(
        &raw,
        &Rules {
            allow_loopback: true,
        },
    )
    .unwrap_or_else(|error| panic!("{VARIABLE}: {}", error.message))
}

/// A session of a superuser's, or whose ever the target is.
pub async fn connect(target: &Target, application_name: &str) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(target.password.reveal())
        .database(&target.database)
        .application_name(application_name)
        .disable_statement_logging()
        .connect()
        .await
        .expect("the test server takes connections")
}

/// Runs statements, as one simple query.
pub async fn run(connection: &mut PgConnection, sql: &str) {
    if let Err(error) = connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
    {
        panic!("{sql}\n{error}");
    }
}

impl Db {
    /// Runs a test with a database of its own, and drops it, whatever the test's end.
    pub async fn with(test: impl AsyncFnOnce(&Db)) {
        let admin = server();
        let id = format!(
            "{}_{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let db = Db {
            name: format!("dbm_test_{id}"),
            role: format!("dbm Role {id}"),
            admin,
        };
        let mut maintenance = connect(&db.admin, "test maintenance").await;
        let role = db.quoted_role();
        run(&mut maintenance, &format!("CREATE DATABASE {}", db.name)).await;
        let password = PASSWORD.replace('\'', "''");
        run(
            &mut maintenance,
            &format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'"),
        )
        .await;

        let ended = AssertUnwindSafe(test(&db)).catch_unwind().await;

        run(
            &mut maintenance,
            &format!("DROP DATABASE {} WITH (FORCE)", db.name),
        )
        .await;
        run(&mut maintenance, &format!("DROP ROLE {role}")).await;
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    }

    /// The role as an identifier: it has a blank and a capital.
    pub fn quoted_role(&self) -> String {
        format!("\"{}\"", self.role)
    }

    /// The superuser's way into this database.
    pub fn as_admin(&self) -> Target {
        Target {
            database: self.name.clone(),
            ..self.admin.clone()
        }
    }

    /// The plain role's way into this database.
    pub fn as_role(&self) -> Target {
        Target {
            user: self.role.clone(),
            password: Password::new(PASSWORD),
            ..self.as_admin()
        }
    }

    /// A superuser's session outside of this database.
    pub async fn session_elsewhere(&self) -> PgConnection {
        connect(&self.admin, "test").await
    }

    /// A superuser's session in this database.
    pub async fn session(&self, application_name: &str) -> PgConnection {
        connect(&self.as_admin(), application_name).await
    }

    /// Runs statements in this database as the superuser.
    pub async fn run(&self, sql: &str) {
        run(&mut self.session("test set-up").await, sql).await;
    }

    /// A look as the superuser.
    pub async fn look(&self) -> DatabaseFacts {
        known(&self.as_admin(), Look::default()).await
    }
}

/// A look that must succeed.
pub async fn known(target: &Target, what: Look) -> DatabaseFacts {
    match look(target, None, what).await {
        Reading::Known(facts) => facts,
        Reading::Unknown(unreadable) => panic!("{unreadable:?}"),
    }
}

/// A look that must fail, without a word of the password.
pub async fn unknown(target: &Target, ca_pem: Option<&[u8]>) -> Unreadable {
    match look(target, ca_pem, Look::default()).await {
        Reading::Known(facts) => panic!("{facts:?}"),
        Reading::Unknown(unreadable) => {
            assert_no_credential(&unreadable, target);
            unreadable
        }
    }
}

/// No spelling of the password stands in a message.
pub fn assert_no_credential(unreadable: &Unreadable, target: &Target) {
    let password = target.password.reveal();
    let encoded =
        percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
    let message = &unreadable.message;
    assert!(
        !message.contains(password) && !message.contains(&encoded),
        "a password in: {message}"
    );
    assert!(
        !message.contains("://") || !message.contains(&target.host),
        "a URL in: {message}"
    );
    assert!(
        message.starts_with(|first: char| !first.is_uppercase()),
        "begins with a capital: {message}"
    );
}

/// Asks again until it holds, for at most 5 s.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..100 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to hold within 5 s");
}

/// Makes Prisma's table in a schema.
pub fn create_ledger(schema: &str) -> String {
    format!(
        "CREATE TABLE \"{schema}\"._prisma_migrations (\
           id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, \
           migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, \
           started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);"
    )
}
