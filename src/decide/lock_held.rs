//! A lock that does not get free by itself: once a session has been in the way for longer than a moment, somebody is told, once for
//! each session.

use jiff::Timestamp;

use crate::api::{RunStatus, Time, WaitStatus, reasons};
use crate::facts::Session;

/// After so many seconds a session in the way is told of.
const PATIENCE: i64 = 60;

/// A session that is in the way.
pub(super) struct InTheWay<'a> {
    /// The database for which it was seen.
    pub(super) database: &'a str,
    /// The session.
    pub(super) session: &'a Session,
    /// What it holds ends with its transaction.
    pub(super) of_transaction: bool,
}

/// How long a session has been in the way.
pub(super) struct Judged {
    /// Who waits for whom, as the journal says it.
    pub(super) subject: String,
    /// Seconds until it is told; `None`: it is time.
    pub(super) left: Option<i64>,
    /// What is said of it then: sentences that begin with a blank.
    pub(super) said: String,
}

/// How long it has been in the way, which is journaled. `unknown`: the seconds for one that is at work, and mostly ends by itself.
pub(super) fn judged(
    run: &mut RunStatus,
    now: Timestamp,
    unknown: i64,
    it: &InTheWay<'_>,
) -> Judged {
    let patience = match is_at_work(it.session) {
        true => unknown,
        false => PATIENCE,
    };
    let subject = subject(it.database, it.session.pid);
    let since = match run.waits.iter_mut().find(|wait| is_of(wait, &subject)) {
        Some(wait) => {
            let age = (now.as_second() - wait.since.0.as_second()).max(0);
            let open = it.session.transaction_seconds.unwrap_or(age);
            if it.of_transaction && open + 1 < age {
                // That was another transaction of the same session.
                wait.since = Time(now);
            }
            wait.since.0
        }
        None => {
            run.waits.push(WaitStatus {
                subject: subject.clone(),
                reason: reasons::LOCK_HELD.to_owned(),
                since: Time(now),
                told: false,
            });
            now
        }
    };
    let left = patience - (now.as_second() - since.as_second()).max(0);
    let at = since.strftime("%Y-%m-%d %H:%M:%S UTC");
    Judged {
        subject,
        left: (left > 0).then_some(left),
        said: format!(" It was first seen in the way at {at}."),
    }
}

/// Journals that it is told. `false`: it was before.
pub(super) fn is_news(run: &mut RunStatus, it: &InTheWay<'_>) -> bool {
    let subject = subject(it.database, it.session.pid);
    let mut waits = run.waits.iter_mut();
    match waits.find(|wait| is_of(wait, &subject) && !wait.told) {
        Some(wait) => {
            wait.told = true;
            true
        }
        None => false,
    }
}

/// A migration, a dump or a query at work: not one that does nothing.
fn is_at_work(session: &Session) -> bool {
    let idle = session
        .state
        .as_deref()
        .is_some_and(|state| state.starts_with("idle"));
    let known = session.application_name.starts_with("dbm/") || session.is_dump() || session.reads;
    known && !idle
}

/// The session behind whose lock not even the catalog can be read, by what is said of it.
pub(super) fn blocker_of_look(message: &str) -> Option<i32> {
    let (_, who) = message.split_once(" is locked by pid ")?;
    let end = who.find(|c: char| !c.is_ascii_digit()).unwrap_or(who.len());
    who.get(..end)?.parse().ok()
}

/// Who waits for whom, as the journal says it.
pub(super) fn subject(database: &str, pid: i32) -> String {
    format!("{database}, pid {pid}")
}

fn is_of(wait: &WaitStatus, subject: &str) -> bool {
    wait.reason == reasons::LOCK_HELD && wait.subject == subject
}
