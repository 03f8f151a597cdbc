//! A database that answered a moment ago and does not now: that is no news of its URL, and one look that failed is none at all.

use crate::api::DatabaseStatus;
use crate::facts::{Unreadable, UnreadableReason};

/// Of one that answered before, whose URL is right.
pub(super) const ANSWERED: &str = "; it answered at ";
/// For so long after an answer a server that gives none is taken for a busy one, seconds.
const LATELY: i64 = 10 * 60;
/// So long it has to stay without an answer before anything is said of that, seconds.
pub(super) const STEADY: i64 = 15;

/// Why it cannot be read, with what is known of earlier looks. Only where none ever succeeded its URL may be what is wrong.
pub(super) fn judged(entry: Option<&DatabaseStatus>, now: i64, why: &Unreadable) -> Unreadable {
    let answered = entry.and_then(|entry| entry.last_observed_at.as_ref());
    let Some(answered) = answered.filter(|_| {
        [
            UnreadableReason::Unreachable,
            UnreadableReason::ConnectionRefused,
        ]
        .contains(&why.reason)
    }) else {
        return why.clone();
    };
    let age = (now - answered.0.as_second()).max(0);
    let what = match why.message.split_once(": check ") {
        Some((what, _)) => what,
        None => why.message.trim_end_matches('.'),
    };
    // An age would make another message of each look.
    let at = answered.0.strftime("%Y-%m-%d %H:%M:%S UTC");
    let url = "its URL was right then, so look at that only if the Secret was changed since";
    if why.reason == UnreadableReason::ConnectionRefused {
        return Unreadable {
            reason: why.reason,
            message: format!("{what}{ANSWERED}{at}. Look whether the server runs; {url}"),
        };
    }
    if age <= LATELY {
        Unreadable {
            reason: UnreadableReason::NotAnswered,
            message: format!(
                "{what}{ANSWERED}{at}. Look at the server's load (CPU, disk, pg_stat_activity) and at the network between; {url}"
            ),
        }
    } else {
        Unreadable {
            reason: UnreadableReason::Unreachable,
            message: format!(
                "{what}{ANSWERED}{at}. Look whether the server runs, and at network policies and firewalls; {url}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::Time;
    use rstest::rstest;

    const NO_ANSWER: &str = "no answer from db:5432 within 10 s: check the host, the port, network policies and firewalls";

    /// Seconds since it answered; what is said.
    #[rstest]
    #[case(None, UnreadableReason::Unreachable, "check the host, the port")]
    #[case(
        Some(0),
        UnreadableReason::NotAnswered,
        "it answered at 1970-01-12 13:46:40 UTC"
    )]
    #[case(
        Some(300),
        UnreadableReason::NotAnswered,
        "it answered at 1970-01-12 13:41:40 UTC. Look at the server's load"
    )]
    #[case(Some(600), UnreadableReason::NotAnswered, "the server's load")]
    #[case(
        Some(601),
        UnreadableReason::Unreachable,
        "it answered at 1970-01-12 13:36:39 UTC. Look whether the server runs"
    )]
    #[case(
        Some(90_000),
        UnreadableReason::Unreachable,
        "it answered at 1970-01-11 12:46:40 UTC"
    )]
    fn advice_about_the_url_is_for_one_that_never_worked(
        #[case] ago: Option<i64>,
        #[case] reason: UnreadableReason,
        #[case] says: &str,
    ) {
        let now = 1_000_000;
        let at = |ago| Time(jiff::Timestamp::from_second(now - ago).unwrap());
        let entry = DatabaseStatus {
            last_observed_at: ago.map(at),
            ..DatabaseStatus::default()
        };
        let why = Unreadable {
            reason: UnreadableReason::Unreachable,
            message: NO_ANSWER.to_owned(),
        };
        let found = judged(Some(&entry), now, &why);
        assert_eq!(found.reason, reason);
        assert!(found.message.contains(says), "{}", found.message);
        assert!(
            found
                .message
                .starts_with("no answer from db:5432 within 10 s")
        );
        assert_eq!(found.message.contains("check the host"), ago.is_none());
        // What the server itself says stands.
        let refused = Unreadable {
            reason: UnreadableReason::AuthenticationFailed,
            message: "db:5432 refuses the user".to_owned(),
        };
        assert_eq!(judged(Some(&entry), now, &refused), refused);
    }
}
