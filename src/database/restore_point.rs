//! A place in the history of a database to come back to, with a name where the role may give it one.

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{Connection, PgConnection};

use super::answer::{Row, body, standby};
use super::failure::{redacted, unexpected};
use super::quote::literal;
use super::url::Target;
use super::{CLOSE_TIMEOUT, QUESTIONS_TIMEOUT, Unanswered, ask, connect, failure};
use crate::facts::{Reading, RestorePointFacts, Unreadable};

/// SQLSTATE of a missing right.
const NO_RIGHT: &str = "42501";

/// Makes a restore point, through one connection, and reads where and when it is. Where the role may not make one, or the
/// server refuses, the place alone is read, and it is said why there is no name: a restore to a time or to a position
/// needs none.
///
/// `pg_create_restore_point` writes a mark into the write-ahead log and nothing into a table: a read-only transaction may
/// do it. Source: <https://www.postgresql.org/docs/current/functions-admin.html>. Names need not be unique; a restore
/// stops at the first of a name, so `name` should be of this run alone.
///
/// On a standby it is [`Reading::Unknown`], as a look is.
pub async fn restore_point(
    target: &Target,
    ca_pem: Option<&[u8]>,
    name: &str,
) -> Reading<RestorePointFacts> {
    match try_restore_point(target, ca_pem, name).await {
        Ok(facts) => Reading::Known(facts),
        Err(unreadable) => Reading::Unknown(unreadable),
    }
}

async fn try_restore_point(
    target: &Target,
    ca_pem: Option<&[u8]>,
    name: &str,
) -> Result<RestorePointFacts, Unreadable> {
    let connect::Connected { mut connection, .. } = connect::connect(target, ca_pem).await?;
    let asked =
        tokio::time::timeout(QUESTIONS_TIMEOUT, questions(&mut connection, target, name)).await;
    let facts = match asked {
        Ok(answered) => answered.map_err(|error| error.explain(target))?,
        Err(_) => return Err(failure::not_answered(target, QUESTIONS_TIMEOUT)),
    };
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
    Ok(facts)
}

#[derive(Deserialize)]
struct Right {
    standby: bool,
    may: bool,
    role: String,
}

#[derive(Deserialize)]
struct Place {
    lsn: String,
    at: Timestamp,
    commits: i64,
}

const RIGHT: &str = "select 'right', json_build_object('standby', pg_is_in_recovery(), \
    'may', has_function_privilege('pg_create_restore_point(text)', 'EXECUTE'), \
    'role', format('%I', current_user))::text";

/// The position first, so that the time is not before it.
fn place(position: &str) -> String {
    format!(
        "select 'place', json_build_object('lsn', p.lsn::text, 'at', clock_timestamp(), 'commits', \
           coalesce((select s.xact_commit from pg_stat_database s where s.datname = current_database()), 0))::text \
           from (select {position} as lsn offset 0) p"
    )
}

async fn questions(
    connection: &mut PgConnection,
    target: &Target,
    name: &str,
) -> Result<RestorePointFacts, Unanswered> {
    let right: Right = one(&ask(connection, RIGHT.to_owned()).await?)?;
    if right.standby {
        return Err(Unanswered::Known(standby()));
    }
    let refused = if right.may {
        let make = place(&format!("pg_create_restore_point({})", literal(name)));
        match ask(connection, make).await {
            Ok(rows) => {
                let place: Place = one(&rows)?;
                return Ok(facts(place, Some(name.to_owned()), None));
            }
            Err(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default().into_owned();
                if code == NO_RIGHT {
                    grant(&right.role)
                } else {
                    format!(
                        "the server makes no restore point ({code}): {}",
                        redacted(error.message(), target)
                    )
                }
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        grant(&right.role)
    };
    let place: Place = one(&ask(connection, place("pg_current_wal_insert_lsn()")).await?)?;
    Ok(facts(place, None, Some(refused)))
}

fn grant(role: &str) -> String {
    format!(
        "the role may not make a restore point. Run as superuser in this database: GRANT EXECUTE ON FUNCTION \
         pg_create_restore_point(text) TO {role};"
    )
}

fn facts(place: Place, name: Option<String>, refused: Option<String>) -> RestorePointFacts {
    RestorePointFacts {
        name,
        refused,
        lsn: place.lsn,
        at: place.at,
        commits: place.commits,
    }
}

fn one<T: serde::de::DeserializeOwned>(rows: &[Row]) -> Result<T, Unanswered> {
    let row = rows.first().ok_or_else(|| {
        Unanswered::Known(unexpected(
            "the server's answer is not complete: report this as a fault of the operator",
        ))
    })?;
    body(row).map_err(Unanswered::Known)
}
