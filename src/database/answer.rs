//! What came back, as facts.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::{place, unexpected};
use super::pooler;
use super::url::Target;
use crate::facts::{
    Activity, Column, DatabaseFacts, DatabaseIdentity, Index, LedgerRow, Object, ObjectKind,
    OtherDatabase, OwnTimeout, Progress, Session, TableName, Unreadable, UnreadableReason, Wait,
};
use crate::tools::text::is_deceiving;

/// [`Row::kind`] of an object's name.
pub(super) const OBJECT: &str = "object";
/// [`Row::kind`] in place of the names of objects that are too many to hold.
pub(super) const TOO_MANY_OBJECTS: &str = "too many objects";

/// [`Row::kind`] of what a column is like.
pub(super) const COLUMN: &str = "column";
/// [`Row::kind`] of what an index is like.
pub(super) const INDEX: &str = "index";
/// [`Row::kind`] in place of what columns and indexes are like, if they are too many to hold.
pub(super) const TOO_MANY_COLUMNS: &str = "too many columns";

/// One row of an answer.
pub(super) struct Row {
    /// What it is.
    pub kind: String,
    /// JSON, or a plain text.
    pub body: String,
}

/// Whether there is a ledger.
pub(super) enum LedgerTable {
    /// It is there, with all columns, and may be read.
    Readable,
    /// It is there, and may not be read.
    Unreadable {
        /// What mends it.
        grant: String,
    },
    /// It is not there.
    Absent {
        /// The ordinary tables of all schemas.
        tables: Vec<TableName>,
    },
}

/// What the first questions brought.
pub(super) struct First {
    /// The facts so far, without a ledger.
    pub facts: DatabaseFacts,
    /// Whether there is one.
    pub table: LedgerTable,
    /// The oids of tables on which an index is being built.
    pub building: Vec<u32>,
}

#[derive(Deserialize)]
struct ServerBody {
    system_identifier: String,
    database_oid: u32,
    database: String,
    version: u32,
    commits: i64,
    role: String,
    standby: bool,
    sees_activity: bool,
}

#[derive(Deserialize)]
struct TableBody {
    missing: Vec<String>,
    usage: bool,
    select: Option<bool>,
    grant_usage: String,
    grant_select: String,
}

#[derive(Deserialize)]
struct SessionBody {
    pid: i32,
    application_name: String,
    user: Option<String>,
    state: Option<String>,
    #[serde(default)]
    state_seconds: Option<i64>,
    transaction_seconds: Option<i64>,
    #[serde(default)]
    transaction_since: Option<Timestamp>,
    #[serde(default)]
    client: Option<String>,
    #[serde(default)]
    reads: Option<bool>,
    #[serde(default)]
    superuser: Option<bool>,
    #[serde(default)]
    may_end: Option<bool>,
}

impl From<SessionBody> for Session {
    fn from(body: SessionBody) -> Self {
        Session {
            pid: body.pid,
            application_name: body.application_name,
            user: body.user,
            state: body.state,
            state_seconds: body.state_seconds.map(not_negative),
            transaction_seconds: body.transaction_seconds.map(not_negative),
            transaction_since: body.transaction_since,
            client: body.client,
            reads: body.reads.unwrap_or_default(),
            superuser: body.superuser.unwrap_or_default(),
            may_end: body.may_end,
        }
    }
}

#[derive(Deserialize)]
struct ActivityBody {
    pid: i32,
    state: Option<String>,
    seconds: Option<i64>,
    wait_type: Option<String>,
    progress: Option<ProgressBody>,
}

#[derive(Deserialize)]
struct ProgressBody {
    command: String,
    phase: String,
    done: Option<i64>,
    total: Option<i64>,
    unit: String,
}

impl From<ActivityBody> for Activity {
    fn from(body: ActivityBody) -> Self {
        Activity {
            pid: body.pid,
            state: body.state,
            seconds: body.seconds.map(not_negative),
            wait_type: body.wait_type,
            progress: body.progress.map(|progress| Progress {
                command: progress.command,
                phase: progress.phase,
                done: progress.done.unwrap_or_default(),
                total: progress.total.unwrap_or_default(),
                unit: progress.unit,
            }),
        }
    }
}

#[derive(Deserialize)]
struct WaitBody {
    waiting: i32,
    seconds: Option<i64>,
    relation: Option<String>,
    blocker: SessionBody,
}

#[derive(Deserialize)]
struct TimeoutBody {
    name: String,
    value: String,
    set_by: String,
}

#[derive(Deserialize)]
struct RowBody {
    id: String,
    checksum: String,
    migration_name: String,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    rolled_back_at: Option<Timestamp>,
    applied_steps_count: i32,
    logs: Option<String>,
}

impl From<RowBody> for LedgerRow {
    fn from(body: RowBody) -> Self {
        LedgerRow {
            id: body.id,
            checksum: body.checksum,
            migration_name: body.migration_name,
            started_at: body.started_at,
            finished_at: body.finished_at,
            rolled_back_at: body.rolled_back_at,
            applied_steps_count: body.applied_steps_count,
            logs: body.logs,
        }
    }
}

/// Every part of an answer names the server's process that gave it: of a session's own there is one.
pub(super) fn same_process(rows: &[Row], pid: i32, target: &Target) -> Result<(), Unreadable> {
    for row in rows.iter().filter(|row| row.kind == "process") {
        if number::<i32>(row)? != pid {
            return Err(pooler::several_processes(&place(target)));
        }
    }
    Ok(())
}

/// Takes the answers to [`super::queries::first`].
pub(super) fn first(rows: &[Row], target: &Target) -> Result<First, Unreadable> {
    let mut facts = DatabaseFacts::default();
    let mut server = false;
    let mut table = None;
    let mut tables = Vec::new();
    let mut building = Vec::new();
    for row in rows {
        match row.kind.as_str() {
            "server" => {
                let body: ServerBody = body(row)?;
                if body.standby {
                    return Err(standby());
                }
                facts.identity = DatabaseIdentity {
                    system_identifier: body.system_identifier,
                    database_oid: body.database_oid,
                    database: body.database,
                    schema: target.schema.clone(),
                };
                facts.role = body.role;
                facts.server_version = body.version;
                facts.commits = body.commits;
                facts.sees_activity = body.sees_activity;
                server = true;
            }
            "table" => table = Some(body::<TableBody>(row)?),
            // Prisma's session acts as another role, whose rights are not asked for.
            "lacks" if target.other_role => {}
            "lacks" => facts.lacks = Some(row.body.clone()),
            "ordinary table" => {
                let (schema, name) = body(row)?;
                tables.push(TableName { schema, name });
            }
            "building" => building.push(number(row)?),
            "activity" => facts.activities.push(body::<ActivityBody>(row)?.into()),
            "snapshot" => facts.old_snapshots.push(body::<SessionBody>(row)?.into()),
            "timeout" => {
                let body: TimeoutBody = body(row)?;
                facts.own_timeouts.push(OwnTimeout {
                    name: body.name,
                    value: body.value,
                    set_by: body.set_by,
                });
            }
            _ => activity(row, &mut facts)?,
        }
    }
    if !server {
        return Err(unexpected(
            "the server's answer is not complete: report this as a fault of the operator",
        ));
    }
    let table = match table {
        None => LedgerTable::Absent { tables },
        Some(body) => judge(body)?,
    };
    Ok(First {
        facts,
        table,
        building,
    })
}

/// Takes one answer to [`super::queries::second`].
pub(super) fn second(
    row: &Row,
    facts: &mut DatabaseFacts,
    ledger: &mut Vec<LedgerRow>,
) -> Result<(), Unreadable> {
    match row.kind.as_str() {
        "row" => {
            let parsed: RowBody = serde_json::from_str(&row.body).map_err(|_| {
                unexpected(
                    "a row of _prisma_migrations has an empty field or a time that cannot be read: mend the row, no \
                     Prisma writes such a one",
                )
            })?;
            ledger.push(parsed.into());
        }
        "invalid" => facts.invalid_indexes.push(row.body.clone()),
        "not valid" => facts.not_valid_constraints.push(row.body.clone()),
        "prisma 8" => facts.prisma_contract = Some(row.body.clone()),
        TOO_MANY_OBJECTS => {
            facts.objects = None;
            facts.columns = None;
            facts.indexes = None;
        }
        OBJECT => {
            let object = object(row)?;
            facts.objects.get_or_insert_default().insert(object);
        }
        TOO_MANY_COLUMNS => {
            facts.columns = None;
            facts.indexes = None;
        }
        INDEX => {
            let (object, index) = index(row)?;
            facts.indexes.get_or_insert_default().insert(object, index);
        }
        COLUMN => {
            let (object, column) = column(row)?;
            facts.columns.get_or_insert_default().insert(object, column);
        }
        "catalog" => facts.catalog = Some(row.body.clone()),
        "others" => facts.others.get_or_insert_default().count = number(row)?,
        "other" => {
            let (oid, name): (u32, String) = body(row)?;
            let name = shown(&name).ok_or_else(|| not_understood(row))?;
            let others = facts.others.get_or_insert_default();
            others.first.push(OtherDatabase { oid, name });
        }
        _ => activity(row, facts)?,
    }
    Ok(())
}

/// A name that came in hexadecimal digits, as it can be shown: what is no text, moves a cursor or turns the direction of writing
/// is replaced. PostgreSQL bounds it to 63 bytes.
fn shown(digits: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for at in (0..digits.len()).step_by(2) {
        bytes.push(u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?);
    }
    let text = String::from_utf8_lossy(&bytes);
    let harmless = |c: char| match c.is_control() || is_deceiving(c) {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    Some(text.chars().map(harmless).collect())
}

/// One object: its kind, its schema, its name, its part.
fn object(row: &Row) -> Result<Object, Unreadable> {
    let (kind, schema, name, part): (String, String, String, String) = body(row)?;
    let kind = match kind.as_str() {
        "Schema" => ObjectKind::Schema,
        "Table" => ObjectKind::Table,
        "View" => ObjectKind::View,
        "Sequence" => ObjectKind::Sequence,
        "Index" => ObjectKind::Index,
        "Column" => ObjectKind::Column,
        "Constraint" => ObjectKind::Constraint,
        "Type" => ObjectKind::Type,
        "EnumValue" => ObjectKind::EnumValue,
        "Function" => ObjectKind::Function,
        "Trigger" => ObjectKind::Trigger,
        "Extension" => ObjectKind::Extension,
        _ => return Err(not_understood(row)),
    };
    Ok(Object {
        kind,
        schema,
        name,
        part,
    })
}

/// One column: its schema, its table, its name, whether it is NOT NULL, its default, its type.
fn column(row: &Row) -> Result<(Object, Column), Unreadable> {
    let (schema, name, part, not_null, default, of_type) = body(row)?;
    let object = Object {
        kind: ObjectKind::Column,
        schema,
        name,
        part,
    };
    let column = Column {
        not_null,
        default,
        of_type,
    };
    Ok((object, column))
}

/// One index: its schema, its name, its table, whether it is unique, its columns, whether it has a WHERE.
fn index(row: &Row) -> Result<(Object, Index), Unreadable> {
    let (schema, name, table, unique, columns, partial) = body(row)?;
    let object = Object {
        kind: ObjectKind::Index,
        schema,
        name,
        part: String::new(),
    };
    let index = Index {
        table,
        unique,
        columns,
        partial,
    };
    Ok((object, index))
}

/// Takes the answer to [`super::queries::locked`]: who keeps a look waiting.
pub(super) fn locked(rows: &[Row]) -> Option<Unreadable> {
    #[derive(Deserialize)]
    struct LockedBody {
        relation: String,
        #[serde(flatten)]
        session: SessionBody,
    }
    let row = rows.iter().find(|row| row.kind == "locked")?;
    let locked: LockedBody = body(row).ok()?;
    let session = Session::from(locked.session);
    let user = session.user.unwrap_or_default();
    let of = match (session.may_end, session.superuser) {
        (Some(false), true) => Some(format!("of superuser {user}")),
        (Some(false), false) => Some(format!("of role {user}")),
        _ => None,
    };
    let mut who = vec![if session.application_name.is_empty() {
        user
    } else {
        session.application_name
    }];
    who.extend(session.state);
    who.extend(session.transaction_seconds.map(|s| format!("for {s}s")));
    // As it is said elsewhere of a session that our role may not end.
    who.extend(of);
    who.extend(session.client.map(|client| format!("from {client}")));
    who.retain(|part| !part.is_empty());
    let who = if who.is_empty() {
        String::new()
    } else {
        format!(" ({})", who.join(", "))
    };
    Some(Unreadable {
        reason: UnreadableReason::WaitingLock,
        message: format!(
            "{} is locked by pid {}{who}, so that not even its definition can be read: end that transaction, or wait; \
             it goes on by itself",
            locked.relation, session.pid
        ),
    })
}

/// The lock and the sessions, which are read twice: what either reading saw counts, the later one's account of it wins.
fn activity(row: &Row, facts: &mut DatabaseFacts) -> Result<(), Unreadable> {
    match row.kind.as_str() {
        "lock" => facts.lock_holder = Some(body::<SessionBody>(row)?.into()),
        "session" => {
            let session = Session::from(body::<SessionBody>(row)?);
            facts.our_sessions.retain(|known| known.pid != session.pid);
            facts.our_sessions.push(session);
        }
        "wait" => {
            let wait: WaitBody = body(row)?;
            let wait = Wait {
                waiting: wait.waiting,
                seconds: wait.seconds.map(not_negative),
                relation: wait.relation,
                blocker: wait.blocker.into(),
            };
            facts.waits.retain(|known| {
                known.waiting != wait.waiting || known.blocker.pid != wait.blocker.pid
            });
            facts.waits.push(wait);
        }
        _ => {}
    }
    Ok(())
}

fn judge(body: TableBody) -> Result<LedgerTable, Unreadable> {
    if !body.missing.is_empty() {
        return Err(unexpected(&format!(
            "_prisma_migrations has no column {}: it is not the table that Prisma keeps today, so bring it up \
             to date with Prisma, or mend the schema's name",
            body.missing.join(", ")
        )));
    }
    let select = body.select.unwrap_or(false);
    if body.usage && select {
        return Ok(LedgerTable::Readable);
    }
    let mut grants = Vec::new();
    if !body.usage {
        grants.push(body.grant_usage);
    }
    if !select {
        grants.push(body.grant_select);
    }
    Ok(LedgerTable::Unreadable {
        grant: grants.join(" "),
    })
}

pub(super) fn standby() -> Unreadable {
    Unreadable {
        reason: UnreadableReason::ServerUnavailable,
        message: "the server is a standby, where nothing can be migrated and what is read may be old: use the URL of \
                  the primary. Once that is so, it goes on by itself"
            .to_owned(),
    }
}

pub(super) fn body<T: DeserializeOwned>(row: &Row) -> Result<T, Unreadable> {
    serde_json::from_str(&row.body).map_err(|_| not_understood(row))
}

fn number<T: std::str::FromStr>(row: &Row) -> Result<T, Unreadable> {
    row.body.parse().map_err(|_| not_understood(row))
}

/// A server's clock that was set back must not make a time negative.
fn not_negative(seconds: i64) -> i64 {
    seconds.max(0)
}

/// Names the question, never the answer.
fn not_understood(row: &Row) -> Unreadable {
    unexpected(&format!(
        "the server's answer about \"{}\" could not be understood: report this as a fault of the operator",
        row.kind
    ))
}
