//! What became of a migration whose process has ended: the database says it, the process only explains.

mod nothing_open;
mod remedy;
mod unfinished;
mod verdict;

use crate::tools::sql_state::{DEADLOCK, LOCK_NOT_AVAILABLE};
use dbm_protocol::recognise::NOTHING_PENDING;
use dbm_protocol::{DatabaseInventory, Outcome, Refusal, Summary};

use self::unfinished::Case;
pub use self::verdict::Verdict;
use self::verdict::failed;
use super::doubts;
use super::evidence::{
    OwnWrites, applied_since, left_invalid, missing, other_content, own_invalid_indexes,
    own_writes, script, traces, unplanned,
};
use super::failure_report::{self, Look};
use super::plan::problem_reason;
use super::status::names;
use super::status::prefixed;
use super::unplanned::ADVICE;
use crate::api::{FailedStatus, StepStatus, Traces, reasons};
use crate::facts::{ContainerEnd, DatabaseFacts, Ledger, LedgerRow, Session};
use crate::tools::{prisma, prisma::RowState, sql, sql_state};

/// Judges the end of a migrate step. `end` is `None` where the pod was lost: the database alone decides.
pub fn judge(
    database: &str,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    application_name: &str,
) -> Verdict {
    let summary = end.and_then(|end| end.summary.as_deref());
    if let Some(Summary {
        outcome: Outcome::Refused(refusal),
        ..
    }) = summary
    {
        return refused(database, refusal);
    }
    if let Some(wait) = still_at_work(database, end, facts, application_name) {
        return wait;
    }
    let rows: &[LedgerRow] = match &facts.ledger {
        Ledger::Rows(rows) => rows,
        Ledger::Absent { .. } => &[],
        Ledger::NoRight { grant } => {
            return failed(
                reasons::LEDGER_FORBIDDEN,
                FailedStatus::default(),
                format!(
                    "{database}: the migration ended and the role may not read _prisma_migrations, so its result is not known. Run as the table's owner: {grant}"
                ),
            );
        }
    };
    let verdict = by_rows(database, step, end, inventory, facts, rows);
    match unplanned(step, inventory, rows).as_slice() {
        [] => verdict,
        names => {
            let own = own_writes(step, inventory, facts);
            with_unplanned(database, verdict, names, &own)
        }
    }
}

/// Whatever else is so: something was applied that nobody was shown.
fn with_unplanned(database: &str, verdict: Verdict, found: &[&str], own: &OwnWrites) -> Verdict {
    let why = match own.adds.as_slice() {
        [] => "the command reads another folder than databases[].prisma says, or somebody else deployed at the same time".to_owned(),
        own => format!(
            "the SQL of {} itself writes rows to _prisma_migrations, so what they name need not have run",
            list_of(own)
        ),
    };
    let list = names(found);
    let verb = if found.len() == 1 { "was" } else { "were" };
    match verdict {
        Verdict::Failed {
            reason,
            failed,
            message,
        } if !failed.name.is_empty() => Verdict::Failed {
            reason,
            failed,
            message: format!(
                "{message} Beside that, {list} {verb} applied, not planned and not in the image as it was read."
            ),
        },
        _ => failed(
            reasons::UNPLANNED_MIGRATIONS,
            FailedStatus::default(),
            format!(
                "{database}: {list} {verb} applied while this run migrated, not planned and not in the image as it was read: {why}. Nothing of it is undone. {}",
                ADVICE
            ),
        ),
    }
}

/// What the rows of the ledger say.
fn by_rows(
    database: &str,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    rows: &[LedgerRow],
) -> Verdict {
    let open = rows.iter().find(|row| {
        matches!(
            prisma::row_state(row),
            RowState::Failed | RowState::Unfinished | RowState::ScriptDone
        )
    });
    if let Some(row) = open {
        return open_row(database, step, end, inventory, facts, row);
    }
    let missing: Vec<&str> = missing(inventory, rows);
    if missing.is_empty() {
        let other: Vec<&str> = other_content(step, inventory, rows);
        if !other.is_empty() {
            let own = own_writes(step, inventory, facts);
            let why = match own.adds.as_slice() {
                [] => "somebody else deployed at the same time, or the command migrates from another folder. Compare prisma.migrations with what the command reads".to_owned(),
                own => format!(
                    "the SQL of {} itself writes rows to _prisma_migrations. Look whether what they say is so",
                    list_of(own)
                ),
            };
            return failed(
                reasons::LEDGER_INCOMPLETE,
                FailedStatus::default(),
                format!(
                    "{database}: {} applied in this run with another content than the image's: {why}.",
                    names(&other)
                ),
            );
        }
        return match left_invalid(step, inventory, facts).as_slice() {
            [] => Verdict::Succeeded,
            indexes => {
                let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
                failed(
                    reasons::INVALID_INDEX_FOUND,
                    FailedStatus::default(),
                    format!(
                        "{database}: every migration is applied, and a concurrent build left {} INVALID, which queries do not use and IF NOT EXISTS skips. Build it again (REINDEX INDEX CONCURRENTLY), or drop it and build it by hand.",
                        names(&indexes)
                    ),
                )
            }
        };
    }
    own_row_gone(database, step, end, inventory, facts)
        .unwrap_or_else(|| nothing_open::nothing_open(database, step, end, facts, rows, &missing))
}

/// The command ended well, and what is missing deletes rows of the ledger itself, its own among them.
fn own_row_gone(
    database: &str,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> Option<Verdict> {
    let end = end.filter(|end| end.exit_code == 0)?;
    let said = end
        .summary
        .as_deref()
        .and_then(|said| said.message.as_deref());
    let own = own_writes(step, inventory, facts);
    if own.lost.is_empty() || said == Some(NOTHING_PENDING) {
        return None;
    }
    Some(failed(
        reasons::LEDGER_LOST,
        FailedStatus::default(),
        format!(
            "{database}: the command ended well, and the SQL of {} itself deletes or changes rows of _prisma_migrations, its own row among them, so the ledger does not say what ran. Look whether what {} makes is there: take that statement out of the next such file, and ask for a new run: it asks before anything of it runs a second time, and `kubectl dbm baseline` records what is there.",
            list_of(&own.removes),
            list_of(&own.lost),
        ),
    ))
}

fn list_of(list: &[String]) -> String {
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    names(&list)
}

/// Prisma's lock is held, or a session of ours is left: a killed client is not a stopped migration.
fn still_at_work(
    database: &str,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
    application_name: &str,
) -> Option<Verdict> {
    let ours = facts
        .our_sessions
        .iter()
        .find(|s| s.application_name == application_name);
    let (session, what): (&Session, &str) = match (ours, &facts.lock_holder) {
        (Some(session), _) => (session, "is still at work"),
        (None, Some(session)) => (session, "holds Prisma's lock"),
        (None, None) => return None,
    };
    let pid = session.pid;
    let gone = match end {
        Some(_) => "process has ended",
        None => "pod is gone",
    };
    Some(Verdict::Wait {
        message: format!(
            "{database}: the migration's {gone}, and session {} {what} in the database. Nothing is judged before it has ended{}",
            super::session::who(session).trim_start_matches("pid "),
            match super::session::left_behind(session) {
                Some(left) => format!(". {left}"),
                None => format!("; if it never does: SELECT pg_terminate_backend({pid});"),
            },
        ),
        ends: super::session::may_end(session).then_some(pid),
    })
}

fn refused(database: &str, refusal: &Refusal) -> Verdict {
    let nothing = || FailedStatus {
        traces: Traces::None,
        ..FailedStatus::default()
    };
    match refusal {
        Refusal::InventoryChanged { .. } => Verdict::ImageChanged,
        Refusal::TooLate => Verdict::NeverBegan {
            reason: reasons::START_TIMEOUT,
            message: format!(
                "{database}: the container started after its time (timeouts.start), or was asked to end before it began, and nothing was executed"
            ),
        },
        Refusal::AdvisoryLockDisabled => failed(
            reasons::ADVISORY_LOCK_DISABLED,
            nothing(),
            format!(
                "{database}: PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK is set, by which two migrations could overlap. Nothing was executed; take it out of the image or of job.env."
            ),
        ),
        Refusal::ConnectionInvalid(message) => failed(
            reasons::CONNECTION_INVALID,
            nothing(),
            format!(
                "{}. Nothing was executed; once it is mended, ask for a new run.",
                prefixed(database, message)
            ),
        ),
        Refusal::OtherMigrations(message) => failed(
            reasons::OTHER_MIGRATIONS,
            nothing(),
            format!(
                "{}. Nothing was executed. Set databases[].prisma.schema, migrations and config to what Prisma reads in the image, then ask for a new run.",
                prefixed(database, message.trim_end_matches(['.', '?']))
            ),
        ),
        Refusal::Problem(problem) => failed(
            problem_reason(problem.reason),
            nothing(),
            prefixed(database, &problem.message),
        ),
    }
}

/// A row that is neither finished nor rolled back. There was none when the step began, so it is this step's.
fn open_row(
    database: &str,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    row: &LedgerRow,
) -> Verdict {
    let name = &row.migration_name;
    let summary = end.and_then(|end| end.summary.as_deref());
    let logs = row.logs.as_deref().unwrap_or_default();
    let logged = prisma::parse_failure(logs, &prisma::raised(inventory));
    let sql_state = logged
        .sql_state
        .or_else(|| summary.and_then(|summary| summary.sql_state.clone()))
        .unwrap_or_default();
    let text = if logged.summary.is_empty() {
        summary
            .and_then(|summary| summary.message.clone())
            .unwrap_or_default()
    } else {
        logged.summary
    };
    let script = script(inventory, name).unwrap_or_default();
    let text = sql::with_label(&text, script);
    let seen = traces(step, inventory, facts, name);
    let own = sql::transactions(script);
    // What was applied before it in the same step changed the catalog, too.
    let may_be_as_before = facts.catalog.as_ref() == Some(&step.catalog)
        || seen == Traces::Unknown && applied_since(step, inventory, facts);
    let code = summary
        .and_then(|summary| summary.code.as_deref())
        .unwrap_or_default();
    let case = Case {
        script,
        own,
        end,
        code,
        sql_state: &sql_state,
        said: &text,
        may_be_as_before,
        deleted: step.pod_deleted,
    };
    let cause = case.cause();
    let state = prisma::row_state(row);
    let traces = match state {
        // PostgreSQL undoes what failed inside one transaction, or is one statement.
        RowState::Failed if may_be_as_before && (own.whole || sql::is_one_undone(script)) => {
            Traces::None
        }
        RowState::Unfinished => case.traces(cause, seen),
        _ => seen,
    };
    let mut failed_status = FailedStatus {
        name: name.clone(),
        ledger_row: row.id.clone(),
        code: String::new(),
        sql_state: sql_state.clone(),
        summary: match cause.words().filter(|_| state == RowState::Unfinished) {
            Some(words) => words.to_owned(),
            // What it printed before it was ended is no cause.
            None if end.is_some_and(ContainerEnd::out_of_memory) => "out of memory".to_owned(),
            None => text.clone(),
        },
        traces,
        catalog: match traces {
            Traces::None => facts.catalog.clone().unwrap_or_default(),
            // In the one from before nothing of it was left, unless others were applied since.
            Traces::Some | Traces::Unknown if !applied_since(step, inventory, facts) => {
                step.catalog.clone()
            }
            Traces::Some | Traces::Unknown => String::new(),
        },
        blocked_by: waited_for(step, state, &sql_state),
        invalid_indexes: own_invalid_indexes(step, inventory, facts, name),
        ..FailedStatus::default()
    };
    let left =
        failure_report::statements(&mut failed_status, inventory, facts, logs, Look::AtItsEnd);
    doubts::fill(&mut failed_status, inventory, facts, row);
    match state {
        RowState::Failed => {
            if sql_state == LOCK_NOT_AVAILABLE
                && seen == Traces::None
                && failed_status.invalid_indexes.is_empty()
            {
                return Verdict::Traceless {
                    migration: name.clone(),
                };
            }
            // Prisma reports a failed migration of `migrate deploy` by this code; some of its engines leave it out.
            failed_status.code = logged.code.unwrap_or_else(|| "P3018".to_owned());
            let meaning = sql_state::meaning(&sql_state, &text);
            let codes = match (sql_state.as_str(), meaning) {
                ("", _) => failed_status.code.clone(),
                (state, Some(meaning)) => {
                    format!("SQLSTATE {state}, {meaning}; {}", failed_status.code)
                }
                (state, None) => format!("SQLSTATE {state}; {}", failed_status.code),
            };
            let said = text.replace(&format!(" (SQLSTATE {sql_state})"), "");
            failed_status.summary.clone_from(&said);
            let undone = if own.whole && traces == Traces::None {
                " It failed inside its own transaction, which was undone: nothing of it is left."
            } else {
                ""
            };
            let stopped = sql::Stopped {
                position: prisma::position_in(logs, script),
                sql_state: Some(sql_state.as_str()),
                message: &text,
            };
            let remedy = remedy::remedy(script, &stopped, facts);
            failed_status.remedy = remedy.trim().to_owned();
            let message =
                format!("{database}: {name} failed: {said} ({codes}).{undone}{left}{remedy}");
            failed(reasons::MIGRATION_FAILED, failed_status, message)
        }
        RowState::ScriptDone => failed(
            reasons::SCRIPT_DONE_NOT_RECORDED,
            failed_status,
            format!(
                "{database}: the script of {name} ran to its end and Prisma ended before it recorded that. Check the schema, then mark it applied."
            ),
        ),
        _ => {
            let (reason, told) = unfinished::told(&case, cause, name, &failed_status, facts, &left);
            failed(reason, failed_status, format!("{database}: {told}"))
        }
    }
}

/// Who held the lock that it waited for when it ended, also as the other side of a deadlock; a wait that was over before says nothing of the failure.
fn waited_for(step: &StepStatus, state: RowState, sql_state: &str) -> String {
    let cut = ["", LOCK_NOT_AVAILABLE, "57014", DEADLOCK].contains(&sql_state);
    if state != RowState::Failed || cut {
        step.message.clone()
    } else {
        String::new()
    }
}
