//! How long one waits before it is said that a database does not answer.

use super::pass::Pass;
use super::status;
use super::unanswered::STEADY;
use crate::api::{Time, WaitStatus, reasons};
use crate::facts::{Unreadable, UnreadableReason};

/// Whether it is too early to say so: it answered a moment ago, and one look that fails on a busy server may be followed by one
/// that does not. Since when none succeeds is journaled.
pub(super) fn too_early(pass: &mut Pass<'_>, database: &str, why: &Unreadable) -> bool {
    let observed = status::get(&pass.status, reasons::OBSERVED);
    let could = observed.is_some_and(|observed| observed.status == "True");
    if why.reason != UnreadableReason::NotAnswered || !could {
        return false;
    }
    pass.waiting.insert(database.to_owned());
    let now = status::seconds(pass.now());
    let Some(run) = &mut pass.status.run else {
        return false;
    };
    let reason = why.reason.as_str();
    let is_it = |wait: &&WaitStatus| wait.subject == database && wait.reason == reason;
    match run.waits.iter().find(is_it) {
        Some(wait) => now.as_second() - wait.since.0.as_second() < STEADY,
        None => {
            run.waits.push(WaitStatus {
                subject: database.to_owned(),
                reason: reason.to_owned(),
                since: Time(now),
                told: false,
            });
            true
        }
    }
}

/// What is said now says already that this database does not answer.
fn is_said(pass: &Pass<'_>, database: &str) -> bool {
    status::get(&pass.status, reasons::OBSERVED).is_some_and(|observed| {
        observed.status == "False" && observed.message.starts_with(&format!("{database}:"))
    })
}

/// Of a server that is busy some looks do not get a connection and some no answer: that is one thing.
pub(super) fn as_before(pass: &Pass<'_>, database: &str, mut why: Unreadable) -> Unreadable {
    let before = status::get(&pass.status, reasons::OBSERVED);
    let busy = before.is_some_and(|observed| observed.reason == reasons::NOT_ANSWERED);
    if busy && is_said(pass, database) && why.reason == UnreadableReason::Unreachable {
        why.reason = UnreadableReason::NotAnswered;
    }
    why
}
