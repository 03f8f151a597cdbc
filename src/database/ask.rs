//! One message of statements, and its rows, of which no answer may be too big.

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::answer::{self, Row as AnswerRow};
use super::failure;

/// No honest answer is bigger than this, bytes, but for the names of objects: a ledger of ten thousand rows takes some 3 MiB. The
/// operator reads the databases of many teams with the memory of one process.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// The names of a hundred thousand objects take some 10 MiB.
const OBJECTS_LIMIT: usize = 24 * 1024 * 1024;

/// Sends statements in one message and takes their rows: each has a text that says what it is, and one with JSON. An answer
/// over [`ANSWER_LIMIT`] is an error. Names of objects come last; over [`OBJECTS_LIMIT`] it is as if nobody had asked for them,
/// and so it is with what indexes and columns are like, which follows them.
pub(super) async fn ask(
    connection: &mut PgConnection,
    sql: String,
) -> Result<Vec<AnswerRow>, sqlx::Error> {
    // Safe: the only part that is not ours is the schema's name, quoted by `queries`.
    let mut stream = connection.fetch(sqlx::raw_sql(AssertSqlSafe(sql)));
    let mut rows = Vec::new();
    let (mut size, mut objects, mut columns) = (0, 0, 0);
    while let Some(row) = stream.try_next().await? {
        let row = AnswerRow {
            kind: row.try_get(0)?,
            body: row.try_get(1)?,
        };
        let its = std::mem::size_of::<AnswerRow>() + row.kind.len() + row.body.len();
        match row.kind.as_str() {
            answer::OBJECT => objects += its,
            answer::COLUMN | answer::INDEX => columns += its,
            _ => size += its,
        }
        if size > ANSWER_LIMIT {
            return Err(sqlx::Error::Protocol(failure::TOO_BIG.to_owned()));
        }
        if objects > OBJECTS_LIMIT {
            rows.retain(|row: &AnswerRow| row.kind != answer::OBJECT);
            rows.push(AnswerRow {
                kind: answer::TOO_MANY_OBJECTS.to_owned(),
                body: String::new(),
            });
            break;
        }
        if columns > OBJECTS_LIMIT {
            let like = [answer::COLUMN, answer::INDEX];
            rows.retain(|row: &AnswerRow| !like.contains(&row.kind.as_str()));
            rows.push(AnswerRow {
                kind: answer::TOO_MANY_COLUMNS.to_owned(),
                body: String::new(),
            });
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}
