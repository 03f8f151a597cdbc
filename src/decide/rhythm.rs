//! How often the database of a running step is looked at: often enough to see who holds a lock before the statement that
//! waits for it gives up, and seldom enough for a migration of hours.

use jiff::Timestamp;

use super::concurrently;
use super::status;
use crate::api::{DatabaseMigrationStatus, StepKind, StepStatus, TimeoutsSpec, reasons};

/// For so long after its start a step is looked at every second. Most locks are waited for at once or never.
const FIRST: i64 = 30;
/// A wait that a time-out of at most so many seconds ends is looked at every second.
const SHORT_WAIT: i64 = 60;
/// What runs for longer than [`FIRST`] is not looked at more often than this, whatever `timeouts.lock` says, seconds.
const LATER: i64 = 2;

/// After how many seconds the database of a step that has run since then is looked at again. `waits`: it is known to wait
/// for a lock now.
pub(super) fn seconds(
    timeouts: &TimeoutsSpec,
    now: &DatabaseMigrationStatus,
    step: &StepStatus,
    age: i64,
    waits: bool,
) -> i64 {
    let observe = timeouts.observe.seconds().unwrap_or(10).max(1);
    let lock = timeouts.lock.seconds().unwrap_or(0);
    let entry = now.databases.iter().find(|d| d.name == step.database);
    let concurrent = step.name == StepKind::Migrate
        && entry.is_some_and(|entry| concurrently::is_planned(&entry.findings));
    if concurrent || waits && !(1..=SHORT_WAIT).contains(&lock) {
        // It may wait for hours, for one session after the other.
        return (age / 8).clamp(1, observe);
    }
    if waits || age < FIRST {
        return 1;
    }
    match lock {
        0 => observe,
        // Within every wait there is a look.
        _ => (lock - 1).max(LATER).min(observe),
    }
}

/// The same, of what stands in status.
pub(super) fn by_status(
    timeouts: &TimeoutsSpec,
    before: &DatabaseMigrationStatus,
    step: &StepStatus,
    since: Timestamp,
    now: Timestamp,
) -> i64 {
    let age = (now.as_second() - since.as_second()).max(0);
    let waits = [reasons::WAITING_LOCK, reasons::LOCK_HELD].contains(&status::ready_reason(before))
        && before.message.starts_with(&format!("{}: ", step.database));
    seconds(timeouts, before, step, age, waits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DatabaseStatus, FindingKind, FindingStatus, Policy};

    fn of(lock: &str, observe: &str, concurrent: bool) -> impl Fn(i64, bool) -> i64 {
        let mut timeouts = TimeoutsSpec::default();
        lock.clone_into(&mut timeouts.lock.0);
        observe.clone_into(&mut timeouts.observe.0);
        let finding = FindingStatus {
            kind: FindingKind::Concurrently,
            migration: String::new(),
            policy: Policy::Warn,
            line: None,
            text: String::new(),
            unseen: false,
            lacks: String::new(),
            accepted: None,
        };
        let now = DatabaseMigrationStatus {
            databases: vec![DatabaseStatus {
                name: "a".to_owned(),
                findings: if concurrent {
                    vec![finding]
                } else {
                    Vec::new()
                },
                ..DatabaseStatus::default()
            }],
            ..DatabaseMigrationStatus::default()
        };
        let step = StepStatus {
            name: StepKind::Migrate,
            database: "a".to_owned(),
            ..StepStatus::default()
        };
        move |age, waits| seconds(&timeouts, &now, &step, age, waits)
    }

    #[test]
    fn every_second_at_first_and_within_every_wait_later() {
        let ages = [0, 1, 8, 29, 30, 60, 600, 7200];
        for (lock, observe, expected) in [
            // The defaults.
            ("5s", "10s", [1, 1, 1, 1, 4, 4, 4, 4]),
            ("5s", "1s", [1; 8]),
            ("5s", "60s", [1, 1, 1, 1, 4, 4, 4, 4]),
            // Never every second for hours, unless somebody asks for it.
            ("1s", "10s", [1, 1, 1, 1, 2, 2, 2, 2]),
            ("30s", "10s", [1, 1, 1, 1, 10, 10, 10, 10]),
            ("0s", "10s", [1, 1, 1, 1, 10, 10, 10, 10]),
        ] {
            let seconds = of(lock, observe, false);
            assert_eq!(
                ages.map(|age| seconds(age, false)),
                expected,
                "{lock} {observe}"
            );
        }
    }

    #[test]
    fn while_it_waits_it_is_looked_at_every_second_if_the_wait_ends_soon() {
        let ages = [0, 8, 40, 600, 7200];
        for (lock, concurrent, expected) in [
            ("5s", false, [1; 5]),
            ("60s", false, [1; 5]),
            ("30m", false, [1, 1, 5, 10, 10]),
            ("0s", false, [1, 1, 5, 10, 10]),
            ("5s", true, [1, 1, 5, 10, 10]),
        ] {
            let seconds = of(lock, "10s", concurrent);
            assert_eq!(
                ages.map(|age| seconds(age, true)),
                expected,
                "{lock} {concurrent}"
            );
        }
    }

    #[test]
    fn the_default_lock_wait_has_at_least_one_look_whenever_it_begins() {
        let seconds = of("5s", "10s", false);
        for begins in 0..600 {
            let mut at = 0;
            while at < begins {
                at += seconds(at, false);
            }
            assert!(
                at < begins + 5,
                "it begins after {begins} s, and the look is at {at} s"
            );
        }
    }
}
