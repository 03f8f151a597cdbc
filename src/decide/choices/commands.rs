//! The commands that choices consist of, and how a choice is put down.

use super::super::session;
use crate::api::{
    ChoiceStatus, DatabaseMigrationSpec, DatabaseMigrationStatus, DatabaseStatus, FailedStatus,
    Traces,
};
use crate::tools::prisma::shell_quote;
use crate::tools::psql::Psql;

/// The commands of one resource.
pub(super) struct Commands<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) spec: &'a DatabaseMigrationSpec,
}

/// Where psql is run for a database; nowhere, where the spec does not name it.
pub(in super::super) fn psql(
    (name, namespace): (&str, &str),
    spec: &DatabaseMigrationSpec,
    database: &str,
) -> Psql {
    let mut databases = spec.databases.iter();
    let Some(database) = databases.find(|entry| entry.name == database) else {
        return Psql::default();
    };
    Psql {
        namespace: namespace.to_owned(),
        resource: name.to_owned(),
        database: database.name.clone(),
    }
}

impl Commands<'_> {
    /// Where the SQL of a migration is seen, as an insertion.
    pub(super) fn shows_sql(&self) -> String {
        format!(" ({} --sql shows it)", self.dbm("plan", &[]))
    }

    pub(super) fn psql(&self, database: &str) -> Psql {
        psql((self.name, self.namespace), self.spec, database)
    }

    pub(super) fn dbm(&self, verb: &str, rest: &[(&str, &str)]) -> String {
        let mut text = format!(
            "kubectl dbm {verb} {} -n {}",
            shell_quote(self.name),
            shell_quote(self.namespace)
        );
        for (flag, value) in rest {
            text.push_str(&format!(" --{flag} {}", shell_quote(value)));
        }
        text
    }
}

pub(super) fn push(list: &mut Vec<ChoiceStatus>, title: impl Into<String>, command: String) {
    list.push(ChoiceStatus {
        title: title.into(),
        command,
        loses_since: None,
    });
}

/// The command that marks it rolled back, with what a human has to have seen before.
pub(super) fn forced(failed: &FailedStatus, mark: String) -> String {
    match failed.traces != Traces::None && !failed.again.is_empty() {
        true => mark + " --force",
        false => mark,
    }
}

/// How it is undone, and the command that says so, with what a human has to have seen before. Where statements that are known take
/// back all of it, they are run first, all of them or none.
pub(super) fn undone_by_hand(psql: &Psql, failed: &FailedStatus, mark: String) -> (String, String) {
    let again = failed.traces != Traces::None && !failed.again.is_empty();
    if failed.undo.is_empty() || failed.traces == Traces::None {
        if !again {
            return ("undo it by hand in SQL".to_owned(), mark);
        }
        let undo = format!(
            "undo it by hand in SQL, also this if it took effect, because it would run a second time ({})",
            failed.again.join("; ")
        );
        return (undo, forced(failed, mark));
    }
    let loses = "what was written into it since is lost";
    let mut also: Vec<&str> = failed.undo_lacks.iter().map(String::as_str).collect();
    also.extend(failed.again.iter().map(String::as_str));
    let mut seen = std::collections::BTreeSet::new();
    also.retain(|text| seen.insert(*text));
    let undo = psql.if_open(&failed.ledger_row, &failed.undo);
    if also.is_empty() && failed.invalid_indexes.is_empty() && !undo.is_empty() {
        let title = format!(
            "undo it by hand in SQL, by the statements of this command, which take back what this run made ({loses})"
        );
        // In one go with what is done: a reason that is refused would come too late.
        let mark = mark.replace(" --reason ...", " --reason 'undone by hand'");
        return (title, format!("{undo} && {mark}"));
    }
    let mut title =
        format!("undo it by hand in SQL, by the statements under \"To undo it\" ({loses})");
    if !also.is_empty() {
        let also = also.join("; ");
        title.push_str(&format!(
            ", and also this, as far as it took effect, which they do not take back ({also})"
        ));
    }
    (title, forced(failed, mark))
}

/// The pid in `pid 4242 (portal, idle in transaction 3m)`.
pub(in super::super) fn blocker(who: &str) -> Option<i32> {
    let digits = who.strip_prefix("pid ")?;
    digits.split(' ').next()?.parse().ok()
}

/// The command that ends the session in `pid 4242 (portal, ...)`; `None` where none is named, or our role may not.
pub(in super::super) fn end_it(psql: &Psql, who: &str) -> Option<String> {
    let pid = blocker(who).filter(|_| session::who_may_end(who).is_none());
    pid.map(|pid| psql.terminate(pid))
}

/// The database that the message speaks of.
pub(super) fn spoken_of(now: &DatabaseMigrationStatus) -> Option<&DatabaseStatus> {
    let mut entries = now.databases.iter();
    entries.find(|entry| now.message.starts_with(&format!("{}:", entry.name)))
}

pub(super) fn up_to(commands: &Commands<'_>, entry: &DatabaseStatus, last: &str) -> String {
    let rest = [
        ("database", entry.name.as_str()),
        ("migration", last),
        ("reason", "..."),
    ];
    commands.dbm("baseline", &rest)
}
