//! Writing status: conditions whose times move only on a transition, and the bounds of what people read.

use jiff::Timestamp;

use crate::api::{
    Condition, DatabaseMigrationStatus, DatabasePhase, Policy, StepKind, Time, reasons,
};
use crate::tools::text::one_line;

/// Bytes of a message.
pub const MESSAGE_LIMIT: usize = 1024;
/// Bytes of a command.
pub const COMMAND_LIMIT: usize = 8 * 1024;
/// Names in a list.
pub const NAMES_LIMIT: usize = 20;
/// Bytes of a name in a list.
pub const NAME_LIMIT: usize = 128;
/// Bytes of the whole status as JSON.
pub const STATUS_LIMIT: usize = 256 * 1024;

/// Sets a condition; its time moves only where its status does.
pub fn condition(
    status: &mut DatabaseMigrationStatus,
    now: Timestamp,
    generation: i64,
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
) {
    let value = if holds { "True" } else { "False" };
    let mut set = Condition {
        type_: kind.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: cut(message, MESSAGE_LIMIT),
        observed_generation: Some(generation),
        last_transition_time: Time(seconds(now)),
    };
    match status
        .conditions
        .iter_mut()
        .find(|condition| condition.type_ == kind)
    {
        Some(old) => {
            if old.status == value {
                set.last_transition_time = old.last_transition_time.clone();
            }
            *old = set;
        }
        None => status.conditions.push(set),
    }
}

/// Takes a condition away: kstatus' abnormal ones are there only while they hold.
pub fn drop_condition(status: &mut DatabaseMigrationStatus, kind: &str) {
    status
        .conditions
        .retain(|condition| condition.type_ != kind);
}

/// A condition, if it is there.
pub fn get<'a>(status: &'a DatabaseMigrationStatus, kind: &str) -> Option<&'a Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// The reason of `Ready`, as the REASON column shows it.
pub fn ready_reason(status: &DatabaseMigrationStatus) -> &str {
    get(status, reasons::READY).map_or("", |condition| condition.reason.as_str())
}

/// An instant as status keeps it: whole seconds, so that what is written reads back equal.
pub fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `Some` of [`seconds`], as status fields hold it.
pub fn time(at: Timestamp) -> Option<Time> {
    Some(Time(seconds(at)))
}

/// One line of at most `limit` bytes, cut at a character, with an ellipsis. What is not seen in foreign text is replaced: it could
/// pretend to be another line of a log.
pub fn cut(text: &str, limit: usize) -> String {
    let text = one_line(text);
    if text.len() <= limit {
        return text.into_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// The first names of a list, for a sentence: `a, b and 3 more`.
pub fn names(list: &[&str]) -> String {
    let shown = list.len().min(3);
    let mut text = list[..shown].join(", ");
    if list.len() > shown {
        text.push_str(&format!(" and {} more", list.len() - shown));
    }
    text
}

/// `1 migration`, `2 migrations`.
pub fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// What is derived, and the bounds: the last touch before a write.
pub fn finish(status: &mut DatabaseMigrationStatus) {
    let ready = status
        .databases
        .iter()
        .filter(|database| database.phase == DatabasePhase::Succeeded)
        .count();
    status.databases_ready = format!("{ready}/{}", status.databases.len());
    let known = status
        .databases
        .iter()
        .all(|database| database.phase != DatabasePhase::Unknown);
    status.pending_count = known.then(|| {
        status
            .databases
            .iter()
            .map(|database| i64::from(database.pending_count))
            .sum()
    });
    status.message = cut(&status.message, MESSAGE_LIMIT);
    // Half a command is worse than none; it stands among the choices.
    if status.next_command.len() > COMMAND_LIMIT {
        status.next_command.clear();
    }
    if let Some(run) = &mut status.run {
        run.step = run
            .steps
            .iter()
            .find(|step| step.finished_at.is_none())
            .cloned();
    }
    for database in &mut status.databases {
        if database.phase != DatabasePhase::RolledBack {
            database.went_back = None;
        }
        database.pending.truncate(NAMES_LIMIT);
        for name in &mut database.pending {
            *name = cut(name, NAME_LIMIT);
        }
        // What denies is kept whatever else is cut.
        database
            .findings
            .sort_by_key(|finding| finding.policy != Policy::Deny);
        database.findings.truncate(NAMES_LIMIT);
        for finding in &mut database.findings {
            finding.migration = cut(&finding.migration, NAME_LIMIT);
        }
        if let Some(failed) = &mut database.failed {
            failed.summary = cut(&failed.summary, MESSAGE_LIMIT);
        }
    }
    if let Some(run) = &mut status.run {
        for step in &mut run.steps {
            step.invalid_indexes.truncate(NAMES_LIMIT);
        }
    }
    shrink(status);
}

/// The longest lists go first, then the oldest runs and steps.
fn shrink(status: &mut DatabaseMigrationStatus) {
    let mut keep = NAMES_LIMIT;
    while size(status) > STATUS_LIMIT {
        match keep {
            1.. => {
                keep /= 2;
                status.former.truncate(keep);
                for database in &mut status.databases {
                    database.pending.truncate(keep);
                    database.findings.truncate(keep);
                    if let Some(known) = &mut database.remembered {
                        let older = known.newest.len().saturating_sub(keep);
                        known.newest.drain(..older);
                    }
                }
            }
            _ if status.history.pop().is_some() => {}
            _ => {
                let Some(run) = &mut status.run else { return };
                // The last try of each kind stays: the next one is counted on from it.
                let superseded = |at: usize| {
                    let step = &run.steps[at];
                    let later = &run.steps[at + 1..];
                    // What a smoke test came to is counted from its steps.
                    step.finished_at.is_some()
                        && step.name != StepKind::SmokeTest
                        && later
                            .iter()
                            .any(|l| l.name == step.name && l.database == step.database)
                };
                let Some(at) = (0..run.steps.len()).find(|at| superseded(*at)) else {
                    return;
                };
                run.steps.remove(at);
            }
        }
    }
}

fn size(status: &DatabaseMigrationStatus) -> usize {
    serde_json::to_vec(status).map_or(0, |bytes| bytes.len())
}

/// Whether a reader would see a difference. When a database was last read is no news by itself.
pub fn differs(old: &DatabaseMigrationStatus, new: &DatabaseMigrationStatus) -> bool {
    let without_times = |status: &DatabaseMigrationStatus| {
        let mut copy = status.clone();
        for database in &mut copy.databases {
            database.last_observed_at = None;
        }
        copy
    };
    without_times(old) != without_times(new)
}

/// What a message says of a database, with its name before it once.
pub(super) fn prefixed(database: &str, message: &str) -> String {
    let said = message.strip_prefix("database ").unwrap_or(message);
    match said.strip_prefix(database) {
        Some(rest) if rest.starts_with(": ") => said.to_owned(),
        _ => format!("{database}: {message}"),
    }
}

/// A count, as a status holds it.
pub(super) fn bounded(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
