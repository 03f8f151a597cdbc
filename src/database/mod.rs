//! Reading a PostgreSQL database: its ledger, who holds Prisma's lock, and its catalog. Never writes, never creates; the
//! one mark that it may make is a restore point in the write-ahead log, when it is told to.

mod answer;
mod ask;
mod catalog;
mod connect;
mod failure;
mod look;
pub mod names;
mod objects;
mod pooler;
mod queries;
mod quote;
mod resolve;
mod restore_point;
#[cfg(test)]
mod tests;
pub mod url;

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::facts::{DatabaseFacts, Ledger, LedgerRow, Reading, Unreadable};
use crate::tools::sql_state::LOCK_NOT_AVAILABLE;
use answer::LedgerTable;
use ask::ask;

pub use self::look::Look;
pub use self::restore_point::restore_point;
pub use self::url::{Password, Rules, SslMode, Target, parse};

/// How long the questions may take together, after the connection stands. Each one is cut by the server after 10 s
/// (`statement_timeout`); this is for a server that no longer answers at all.
const QUESTIONS_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a farewell may take; without one the server notices by itself.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Looks at a database, through one connection and three round trips after the log-in. The first of them asks whether the
/// session is one's own at all: what a pooler stands before is not looked at.
///
/// The order makes the result safe to conclude from. Prisma writes a ledger row before it lets go of its lock, and a
/// backend disappears after its last commit. So the lock and the sessions are read first and the ledger after them:
/// whoever is seen gone has left all of its traces in the rows that are read afterwards. The other order could show an
/// unfinished row of a run that finished in between, and then a free lock. The lock and the sessions are read once more
/// after the ledger, and the two readings are joined, so that a run that began in between is not taken for a dead one.
/// What is left is a run that takes the lock after the first reading, writes its row, and ends before the second, all
/// within some milliseconds: an unfinished row under a free lock deserves a second look before it is called dead.
///
/// `ca_pem` is a certificate authority (PEM): the server's certificate is then verified, whatever `sslmode` says; the
/// host's name as well, except for `verify-ca`.
///
/// Works with PostgreSQL 12 and later, for any role that may connect and read the ledger.
///
/// A look at a standby is [`Reading::Unknown`]: its rows may be old, and its locks are its own.
pub async fn look(target: &Target, ca_pem: Option<&[u8]>, what: Look) -> Reading<DatabaseFacts> {
    match try_look(target, ca_pem, what).await {
        Ok(facts) => Reading::Known(facts),
        Err(unreadable) => Reading::Unknown(unreadable),
    }
}

async fn try_look(
    target: &Target,
    ca_pem: Option<&[u8]>,
    what: Look,
) -> Result<DatabaseFacts, Unreadable> {
    let connect::Connected {
        mut connection,
        pid,
    } = connect::connect(target, ca_pem).await?;
    let asked = tokio::time::timeout(
        QUESTIONS_TIMEOUT,
        questions(&mut connection, pid, target, what),
    )
    .await;
    let facts = match asked {
        Ok(answered) => answered.map_err(|error| error.explain(target))?,
        // Dropped without a farewell: it would wait behind the unanswered question.
        Err(_) => return Err(failure::not_answered(target, QUESTIONS_TIMEOUT)),
    };
    // What was read stands, whether or not the server takes leave.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
    Ok(facts)
}

/// Why the questions were not answered.
enum Unanswered {
    Sql(sqlx::Error),
    Known(Unreadable),
}

impl Unanswered {
    fn explain(self, target: &Target) -> Unreadable {
        match self {
            Unanswered::Sql(error) => failure::explain(&error, target),
            Unanswered::Known(unreadable) => unreadable,
        }
    }
}

impl From<sqlx::Error> for Unanswered {
    fn from(error: sqlx::Error) -> Self {
        Unanswered::Sql(error)
    }
}

async fn questions(
    connection: &mut PgConnection,
    pid: i32,
    target: &Target,
    what: Look,
) -> Result<DatabaseFacts, Unanswered> {
    let first = ask(connection, queries::first(&target.schema)).await?;
    answer::same_process(&first, pid, target).map_err(Unanswered::Known)?;
    let mut seen = answer::first(&first, target).map_err(Unanswered::Known)?;

    let readable = match &seen.table {
        LedgerTable::Readable => true,
        LedgerTable::Unreadable { grant } => {
            seen.facts.ledger = Ledger::NoRight {
                grant: grant.clone(),
            };
            false
        }
        LedgerTable::Absent { tables } => {
            seen.facts.ledger = Ledger::Absent {
                tables: tables.clone(),
            };
            false
        }
    };
    if let Some(second) = queries::second(&target.schema, readable, what, &seen.building) {
        let rows = match ask(connection, second).await {
            Ok(rows) => rows,
            Err(error) => return Err(blocked(connection, error).await),
        };
        answer::same_process(&rows, pid, target).map_err(Unanswered::Known)?;
        seen.facts.objects = what.objects.then(Default::default);
        seen.facts.columns = what.objects.then(Default::default);
        seen.facts.indexes = what.objects.then(Default::default);
        seen.facts.others = what.others.then(Default::default);
        let mut ledger: Vec<LedgerRow> = Vec::new();
        for row in &rows {
            answer::second(row, &mut seen.facts, &mut ledger).map_err(Unanswered::Known)?;
        }
        for row in &mut ledger {
            // What Prisma wrote down of an error may be the database's own words, with what a script had put into them.
            row.logs = row
                .logs
                .take()
                .map(|logs| failure::without_password(logs, target));
        }
        if readable {
            seen.facts.ledger = Ledger::Rows(ledger);
        }
    }
    Ok(seen.facts)
}

/// A lock that kept a question waiting is worth knowing whose it is.
async fn blocked(connection: &mut PgConnection, error: sqlx::Error) -> Unanswered {
    let by_lock = error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == LOCK_NOT_AVAILABLE);
    if by_lock
        && let Ok(rows) = ask(connection, queries::locked()).await
        && let Some(locked) = answer::locked(&rows)
    {
        return Unanswered::Known(locked);
    }
    error.into()
}
