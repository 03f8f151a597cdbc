//! A row that is neither finished nor failed: what kept Prisma from finishing it, as far as file, row, catalog and output
//! tell together.

use crate::tools::sql_state::NO_RIGHT;
use dbm_protocol::recognise::APPLIED;

use super::verdict::timed_out;
use crate::api::{FailedStatus, Traces, reasons};
use crate::decide::deleting::BY;
use crate::facts::{ContainerEnd, DatabaseFacts};
use crate::tools::sql::{self, Transactions};

/// SQLSTATE of a statement in a transaction in which one failed before.
const ABORTED: &str = "25P02";
/// A process that a signal ended has this and the signal's number for its exit code, as shells and the kubelet say it.
const SIGNALLED: i32 = 128;

/// What is known of the migration and of its end.
pub(super) struct Case<'a> {
    /// Its file.
    pub script: &'a str,
    /// What the file does about transactions.
    pub own: Transactions,
    /// How its process ended; none where the pod was lost.
    pub end: Option<&'a ContainerEnd>,
    /// Prisma's code.
    pub code: &'a str,
    /// PostgreSQL's SQLSTATE.
    pub sql_state: &'a str,
    /// What the output says.
    pub said: &'a str,
    /// The catalog may be as it was before this migration.
    pub may_be_as_before: bool,
    /// Its pod was seen being deleted.
    pub deleted: bool,
}

/// What kept it from finishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its process, or the way to the server, was ended from outside.
    CutOff,
    /// It failed inside a transaction of its own.
    OwnTransaction,
    /// It leaves a transaction open, which took along what Prisma wrote down.
    LeftOpen,
    /// The engine was ended, and the command said that all is well.
    EngineLost,
    /// Prisma does not find its own table any more.
    PathMoved,
    /// Prisma may not write to its own table any more.
    RoleChanged,
    /// It ended by itself, with an error that stands in no row.
    Unrecorded,
}

impl Cause {
    /// What happened, in few words, where the output says nothing of it.
    pub(super) fn words(self) -> Option<&'static str> {
        match self {
            Cause::LeftOpen => Some("it begins a transaction and does not end it"),
            Cause::EngineLost => Some("Prisma's engine was ended while its command lived"),
            _ => None,
        }
    }
}

impl Case<'_> {
    /// What kept it from finishing.
    pub(super) fn cause(&self) -> Cause {
        let Some(end) = self.end else {
            return Cause::CutOff;
        };
        if timed_out(end) || end.out_of_memory() || self.is_signalled(end) {
            return Cause::CutOff;
        }
        let of_ledger = self.said.contains("_prisma_migrations");
        let said = self.said.to_ascii_lowercase();
        if self.sql_state == ABORTED || said.contains("current transaction is aborted") {
            return Cause::OwnTransaction;
        }
        if of_ledger && (self.code == "P1014" || said.contains("does not exist")) {
            return Cause::PathMoved;
        }
        if of_ledger && (self.sql_state == NO_RIGHT || said.contains("permission denied")) {
            return Cause::RoleChanged;
        }
        if end.exit_code == 0 {
            // It said that all is well, and what it wrote is not there: only a transaction takes that back.
            let undone = self.own.left_open || self.said == APPLIED;
            return if undone {
                Cause::LeftOpen
            } else {
                Cause::EngineLost
            };
        }
        if self.is_disconnected(&said) {
            return Cause::CutOff;
        }
        Cause::Unrecorded
    }

    fn is_signalled(&self, end: &ContainerEnd) -> bool {
        let summary = end.summary.as_deref();
        summary.is_some_and(|summary| summary.signal.is_some())
            || (SIGNALLED + 1..SIGNALLED + 32).contains(&end.exit_code)
    }

    /// Its session, or the way to the server, was ended.
    fn is_disconnected(&self, said: &str) -> bool {
        let lost = [
            "terminat",
            "closed",
            "reset",
            "lost",
            "refused",
            "timed out",
            "broken",
        ];
        matches!(self.code, "P1001" | "P1017")
            || self.sql_state.starts_with("08")
            || self.sql_state.starts_with("57P0")
            || said.contains("econn")
            || said.contains("connection") && lost.iter().any(|word| said.contains(word))
    }

    /// Whether nothing of it can be left: all that it does stands in one transaction, which was undone.
    fn is_undone(&self) -> bool {
        self.own.whole && self.may_be_as_before
    }

    /// What is left where the cause tells more than the catalog.
    pub(super) fn traces(&self, cause: Cause, seen: Traces) -> Traces {
        match cause {
            Cause::OwnTransaction | Cause::LeftOpen if self.is_undone() => Traces::None,
            _ => seen,
        }
    }
}

/// The reason, and what is said after the database's name, without what is left.
pub(super) fn told(
    case: &Case<'_>,
    cause: Cause,
    name: &str,
    failed: &FailedStatus,
    facts: &DatabaseFacts,
    left: &str,
) -> (&'static str, String) {
    let quoted = |before: &str| match case.said {
        "" => String::new(),
        said => format!("{before}{}", said.trim_end_matches('.')),
    };
    match cause {
        Cause::CutOff => cut_off(case, name, left),
        Cause::OwnTransaction => {
            let own_words = case.said.to_ascii_lowercase();
            let lost = case.said.is_empty() || own_words.contains("current transaction is aborted");
            let error = if lost {
                "PostgreSQL's own message stands in the server's log only".to_owned()
            } else {
                quoted("PostgreSQL's own message: ")
            };
            let what = if failed.traces == Traces::None {
                "which was undone: nothing of it is left".to_owned()
            } else if case.own.begins {
                format!("which was undone; what the file did outside of it may have stayed.{left}")
            } else {
                format!("which was undone.{left}")
            };
            let text = format!(
                "{name} failed inside its own transaction (SQLSTATE {ABORTED}: it never came to COMMIT), {what}{} {error}.",
                full_stop(&what)
            );
            (reasons::OWN_TRANSACTION_FAILED, text)
        }
        Cause::LeftOpen => {
            let what = if failed.traces == Traces::None {
                " Nothing of it is left.".to_owned()
            } else {
                left.to_owned()
            };
            let text = format!(
                "{name} begins a transaction and does not end it. Prisma ended with exit code 0, and with its session PostgreSQL undid the transaction: what the file did in it, Prisma's note that it is done, and all that the same deploy ran after it.{what} Release a corrected file, with COMMIT or without BEGIN."
            );
            (reasons::TRANSACTION_LEFT_OPEN, text)
        }
        Cause::EngineLost => {
            let text = format!(
                "{name} did not come to its end, although the command ended with exit code 0{}: the engine, a process of its own, was ended while the command lived, most often for lack of memory (job.resources.limits.memory).{left}",
                quoted(" and said: ")
            );
            (reasons::ENGINE_LOST, text)
        }
        Cause::PathMoved | Cause::RoleChanged => not_recorded(case, cause, name, facts, left),
        Cause::Unrecorded => {
            let code = case.end.map_or(0, |end| end.exit_code);
            let text = format!(
                "{name} did not come to its end: the command failed with exit code {code}{}. Prisma could not write that into its row, and nothing of it runs any more.{left}",
                match case.said {
                    "" => " and said nothing".to_owned(),
                    _ => quoted(": "),
                }
            );
            (reasons::MIGRATION_UNFINISHED, text)
        }
    }
}

fn full_stop(text: &str) -> &'static str {
    if text.ends_with('.') { "" } else { "." }
}

/// The file changed the session so that Prisma could not write down how it ended.
fn not_recorded(
    case: &Case<'_>,
    cause: Cause,
    name: &str,
    facts: &DatabaseFacts,
    left: &str,
) -> (&'static str, String) {
    let (reason, what, mend) = match cause {
        Cause::PathMoved => (
            reasons::SEARCH_PATH_MOVED,
            "its file changes search_path (as the files of pg_dump do), after which Prisma does not find its own table _prisma_migrations (P1014)",
            "take that line out of the file, or end it with RESET search_path",
        ),
        _ => (
            reasons::ROLE_CHANGED,
            "its file changes the session's role (SET ROLE, SET SESSION AUTHORIZATION), which may not write to Prisma's table _prisma_migrations",
            "end the file with RESET ROLE",
        ),
    };
    let ran = match ran(case.script, facts) {
        Some(true) => "The script ran to its end: all that it makes is there. Look at the schema, then mark it applied".to_owned(),
        // Its own error, if there was one, could not be written down either.
        None => "Whether the script ran to its end cannot be seen in the catalog. Look at what it does: only if all of it is done, mark it applied".to_owned(),
        Some(false) => {
            return (
                reasons::MIGRATION_UNFINISHED,
                format!("{name} did not come to its end, and whether it failed could not be written down: {what}.{left} For the next time: {mend}."),
            );
        }
    };
    (
        reason,
        format!(
            "{name} was not written down as applied: {what}. {ran}. For the next time: {mend}."
        ),
    )
}

/// Whether all that a script makes is there; none where the catalog does not show all of it.
fn ran(script: &str, facts: &DatabaseFacts) -> Option<bool> {
    let objects = facts.objects.as_ref()?;
    let schema = &facts.identity.schema;
    let makes = !sql::expected(&[("", script)], schema).is_empty();
    let all = makes.then(|| sql::missing_objects(script, schema, objects).is_empty());
    // That a part of it is there proves nothing of the rest.
    all.filter(|all| !all || sql::unchecked(script, schema, usize::MAX).is_empty())
}

/// What ended it from outside, as far as that is known.
fn cut_off(case: &Case<'_>, name: &str, left: &str) -> (&'static str, String) {
    let signal = case.end.and_then(|end| end.summary.as_deref()?.signal);
    let (reason, why, more) = match case.end {
        None => (
            reasons::MIGRATION_UNFINISHED,
            match case.deleted {
                true => format!("its pod was deleted, {BY}"),
                false => "its pod was lost".to_owned(),
            },
            "",
        ),
        Some(end) if timed_out(end) => (
            reasons::KILLED,
            "it took longer than timeouts.kill and was ended".to_owned(),
            "",
        ),
        Some(end) if end.out_of_memory() => (
            reasons::OUT_OF_MEMORY,
            "the container ran out of memory".to_owned(),
            " Before the next run raise job.resources.limits.memory; Prisma needs 256Mi and more.",
        ),
        Some(end) => {
            let why = match (signal, case.said) {
                (Some(signal), _) => format!("its process was ended by signal {signal}"),
                (None, "") => format!(
                    "its process ended with exit code {} and no account",
                    end.exit_code
                ),
                // However the server, or the way to it, went away.
                (None, said) if case.is_disconnected(&said.to_ascii_lowercase()) => {
                    return (
                        reasons::MIGRATION_UNFINISHED,
                        format!(
                            "{name} was cut off: the connection to the server was lost while it ran ({}); its row is neither finished nor failed, and nothing of it runs any more.{left} See that the server is well before it is run again.",
                            said.trim_end_matches('.')
                        ),
                    );
                }
                (None, said) => format!(
                    "its process was ended (exit code {}): {said}",
                    end.exit_code
                ),
            };
            let why = match case.deleted {
                true => format!("its pod was deleted, {BY}; {why}"),
                false => why,
            };
            (reasons::MIGRATION_UNFINISHED, why, "")
        }
    };
    let text = format!(
        "{name} was cut off ({why}); its row is neither finished nor failed, and nothing of it runs any more.{left}{more}"
    );
    (reason, text)
}
