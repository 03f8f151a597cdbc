//! A migrate step that ended without the migrations and without a row that says why.

use crate::tools::prisma;
use crate::tools::sql_state::LOCK_NOT_AVAILABLE;
use dbm_protocol::recognise::{APPLIED, NOTHING_PENDING};

use super::super::read_only;
use super::super::status::prefixed;
use super::remedy::right as right_of;
use super::verdict::{Verdict, failed, timed_out};
use crate::api::{FailedStatus, StepStatus, Traces, reasons};
use crate::decide::container;
use crate::decide::deleting::BY;
use crate::decide::plan::{ledger_digest, problem_reason};
use crate::decide::status::{count, names};
use crate::facts::{ContainerEnd, DatabaseFacts, LedgerRow};

/// SQLSTATE of a write in a transaction that may only read.
const READ_ONLY: &str = "25006";

/// What to do where Prisma works on another database than the one that is watched.
const COMPARE: &str = "Compare envVar, env, prisma.migrate and the image's own variables with url and directUrl of the schema's datasource, then ask for a new run.";

/// Something is missing, and no row says why: it never came to the next migration.
pub(super) fn nothing_open(
    database: &str,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    facts: &DatabaseFacts,
    rows: &[LedgerRow],
    missing: &[&str],
) -> Verdict {
    let untouched = ledger_digest(&facts.ledger) == step.ledger;
    let summary = end.and_then(|end| end.summary.as_deref());
    let code = summary
        .and_then(|summary| summary.code.clone())
        .unwrap_or_default();
    let state = summary
        .and_then(|summary| summary.sql_state.clone())
        .unwrap_or_default();
    let text = summary
        .and_then(|summary| summary.message.clone())
        .unwrap_or_default();
    let said = match (code.as_str(), text.as_str()) {
        ("", "") => String::new(),
        ("", text) => format!(": {text}"),
        (code, "") => format!(": {code}"),
        (code, text) => format!(": {text} ({code})"),
    };
    let failed_status = FailedStatus {
        code: code.clone(),
        sql_state: state.clone(),
        summary: text,
        traces: if untouched {
            Traces::None
        } else {
            Traces::Unknown
        },
        ..FailedStatus::default()
    };
    let Some(end) = end else {
        let message = format!(
            "{database}: the migration's pod was {} before it recorded anything; {} not applied, nothing is running",
            match step.pod_deleted {
                true => format!("deleted ({BY})"),
                false => "lost".to_owned(),
            },
            waits(missing)
        );
        return failed(reasons::MIGRATION_UNFINISHED, failed_status, message);
    };
    // What Prisma says that it works on, where that is something else than what is watched.
    let named = summary.and_then(|summary| summary.elsewhere.as_deref());
    let named = named.filter(|_| untouched);
    if end.exit_code == 0 {
        let words = summary.and_then(|summary| summary.message.as_deref());
        // Prisma says that it applied something, and writes that to the ledger of the database that it works on.
        let elsewhere = untouched && words == Some(APPLIED);
        let (reason, text) = if let Some(named) = named {
            (
                reasons::OTHER_DATABASE_MIGRATED,
                format!(
                    "{database}: Prisma worked on {named}, which is not the one that connection.secretKeyRef names and that is watched: {} not applied, and what it did there is not known here. {COMPARE}",
                    waits(missing)
                ),
            )
        } else if elsewhere {
            (
                reasons::OTHER_DATABASE_MIGRATED,
                format!(
                    "{database}: Prisma reported success and wrote nothing to the watched ledger: {} not applied. It migrates another database or schema than connection.secretKeyRef names, and what it says that it applied stands there now: look at that one, too. Compare envVar, env, job.env, prisma.migrate, a search_path in the URL's options and the variables that prisma.config reads with the schema's datasource.",
                    waits(missing)
                ),
            )
        } else {
            let what = if untouched {
                "wrote nothing to the watched ledger"
            } else {
                "left some out"
            };
            let why = match words {
                Some(NOTHING_PENDING) => {
                    "Prisma found nothing pending: it reads other migrations than were planned, or another database or schema. Compare prisma.migrations, prisma.schema, envVar and prisma.migrate with what the command reads."
                }
                Some(_) => {
                    "Prisma reported success: it reads other migrations than were planned. Compare prisma.migrations and prisma.schema with what the command reads."
                }
                None => {
                    "Prisma did not say that it came to its end: its engine was ended while the command lived (for lack of memory, say), or the command does not run prisma migrate deploy. Read its log; compare prisma.migrate and job.resources.limits.memory."
                }
            };
            (
                reasons::LEDGER_INCOMPLETE,
                format!(
                    "{database}: the command ended well and {what}: {} not applied. {why}",
                    waits(missing)
                ),
            )
        };
        let failed_status = FailedStatus {
            summary: String::new(),
            ..failed_status
        };
        return failed(reason, failed_status, text);
    }
    if let Some(told) = container::never_ran(end) {
        let text = format!(
            "{database}: {}. Nothing was executed; {} not applied.",
            told.text(),
            waits(missing)
        );
        return failed(told.reason, failed_status, text);
    }
    if timed_out(end) {
        return failed(
            reasons::KILLED,
            failed_status,
            format!(
                "{database}: the command took longer than timeouts.kill and was ended while no migration was open; {} not applied, and nothing runs any more. Raise timeouts.kill or split the release, then ask for a new run.",
                waits(missing)
            ),
        );
    }
    if end.out_of_memory() {
        return failed(
            reasons::OUT_OF_MEMORY,
            failed_status,
            format!(
                "{database}: the container ran out of memory before a migration was recorded ({} not applied). Raise job.resources.limits.memory; Prisma needs 256Mi and more.",
                waits(missing)
            ),
        );
    }
    if let Some(problem) = summary.and_then(|summary| summary.problem.as_ref()) {
        let already = if untouched {
            "Nothing was executed"
        } else {
            "What was applied before it is recorded"
        };
        return failed(
            problem_reason(problem.reason),
            failed_status,
            format!("{}. {already}.", prefixed(database, &problem.message)),
        );
    }
    // Prisma speaks of a migration that began, and the row of that is not in the watched ledger.
    let begun = summary.and_then(|summary| summary.migration.as_deref());
    let rolled_back = |row: &LedgerRow| prisma::row_state(row) == prisma::RowState::RolledBack;
    let stands = |name: &str| {
        let mut all = rows.iter();
        all.any(|row| row.migration_name == name && !rolled_back(row))
    };
    let begun = begun.filter(|name| !stands(name));
    // Its row is Prisma's first write.
    if let Some(name) = begun.filter(|_| untouched && state == READ_ONLY) {
        let failed_status = FailedStatus {
            remedy: format!("{}.", read_only::remedy(facts)),
            ..failed_status
        };
        return failed(
            reasons::PRISMA_FAILED,
            failed_status,
            format!(
                "{database}: PostgreSQL refused Prisma's first write, the row of {name} in _prisma_migrations{said}: the session is read-only. Nothing was executed; {} not applied. {}; then ask for a new run.",
                waits(missing),
                read_only::remedy(facts)
            ),
        );
    }
    if let Some(name) = begun.filter(|_| untouched) {
        return failed(
            reasons::OTHER_DATABASE_MIGRATED,
            failed_status,
            format!(
                "{database}: the command failed with exit code {}{said}{}. It speaks of {name}, which is not in the watched ledger: it migrates another database or schema than connection.secretKeyRef names, where what it did is not known here, or somebody deleted its row meanwhile; {} not applied. Compare envVar, env, prisma.migrate and a search_path in the URL's options with the schema's datasource.",
                end.exit_code,
                meaning(&code),
                waits(missing)
            ),
        );
    }
    let reached = no_connection(&code, &state, &failed_status.summary).is_none();
    if let Some(named) = named.filter(|_| reached) {
        return failed(
            reasons::OTHER_DATABASE_MIGRATED,
            failed_status,
            format!(
                "{database}: the command failed with exit code {}{said}{}. Prisma worked on {named}, which is not the one that connection.secretKeyRef names and that is watched: {} not applied, and what it did there is not known here. {COMPARE}",
                end.exit_code,
                meaning(&code),
                waits(missing)
            ),
        );
    }
    if untouched && let Some(why) = no_connection(&code, &state, &failed_status.summary) {
        return Verdict::NeverBegan {
            reason: reasons::UNREACHABLE_FROM_JOB,
            message: format!("{database}: {}", why.text(&said)),
        };
    }
    if untouched && state == LOCK_NOT_AVAILABLE || code == "P1002" {
        return Verdict::NeverBegan {
            reason: reasons::LOCK_TIMEOUT,
            message: format!(
                "{database}: another session holds Prisma's lock; nothing was executed"
            ),
        };
    }
    let meaning = meaning(&code);
    let progress = rows.len();
    let already = if untouched || progress == 0 {
        "nothing was executed"
    } else {
        "those before it are recorded"
    };
    let right = right_of(&state, &said, facts);
    let failed_status = FailedStatus {
        remedy: right.trim().to_owned(),
        ..failed_status
    };
    let reason = if right.is_empty() {
        reasons::PRISMA_FAILED
    } else {
        reasons::RIGHT_MISSING
    };
    failed(
        reason,
        failed_status,
        format!(
            "{database}: the command failed with exit code {}{said}{meaning}; {} not applied, {already}.{right}",
            end.exit_code,
            waits(missing)
        ),
    )
}

/// How a connection failed that another attempt may get.
#[derive(Clone, Copy)]
enum NoConnection {
    /// Nobody answered, or not in time.
    Unreachable,
    /// It was cut.
    Cut,
    /// The server starts or stops, or has none left.
    Refused,
}

/// Whether, and how, there was no connection to the server, or none any more: an error of the connection, whoever asked for it.
fn no_connection(code: &str, state: &str, text: &str) -> Option<NoConnection> {
    // The same code is Prisma's for its lock.
    let timed_out = code == "P1002"
        && text.contains("was reached but timed out")
        && !text.contains("advisory lock");
    Some(match state {
        "53300" | "57P03" => NoConnection::Refused,
        "57P01" | "57P02" | "57P05" => NoConnection::Cut,
        _ if code == "P1017" => NoConnection::Cut,
        _ if code == "P1001" || state.starts_with("08") || timed_out => NoConnection::Unreachable,
        _ => return None,
    })
}

impl NoConnection {
    /// The same for people, without a last full stop.
    fn text(self, said: &str) -> String {
        match self {
            NoConnection::Unreachable => format!(
                "the Job could not reach the server{said}. Nothing was executed. The operator reaches it now: look at network policies between the Job and the server, and whether a sidecar that is added to the Job's pod, such as a service mesh's proxy, lets it out; job.podAnnotations can keep one away (for Istio, sidecar.istio.io/inject: \"false\")"
            ),
            NoConnection::Cut => format!(
                "the Job's connection to the server was cut before a migration began{said}: the ledger is as it was. Look whether the server was restarted, or somebody ended the session"
            ),
            NoConnection::Refused => format!(
                "the server took no connection of the Job's{said}. Nothing was executed. Look whether it is starting, and whether max_connections, or the connection limit of the role or the database, leaves room for the Job"
            ),
        }
    }
}

fn meaning(code: &str) -> String {
    dbm_protocol::codes::meaning(code)
        .map(|meaning| format!(", {meaning}"))
        .unwrap_or_default()
}

fn waits(missing: &[&str]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!(
        "{} ({}) {verb}",
        count(missing.len(), "migration"),
        names(missing)
    )
}
