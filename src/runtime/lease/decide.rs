//! What to do about the Lease. Pure: times are values, measured by our own monotonic clock.

use std::time::Duration;

/// How long a Lease is held and how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long others wait, after the last change they saw, before they take over.
    pub duration: Duration,
    /// A leader whose last renewal is this old leads no more. Less than `duration`.
    pub renew_deadline: Duration,
    /// How often a leader renews. Less than `renew_deadline`.
    pub renew_interval: Duration,
    /// The wait after a request that failed.
    pub retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            renew_interval: Duration::from_secs(5),
            retry: Duration::from_secs(2),
        }
    }
}

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who holds it; `None` where it was released.
    pub holder: Option<String>,
    /// What the holder asked others to wait, if it said so.
    pub duration: Option<Duration>,
    /// Which version of the Lease it is.
    pub resource_version: String,
}

/// What was seen of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// There is none, and there was none when we first looked.
    Absent,
    /// It was deleted while somebody held it, who may not know yet.
    Vanished,
    /// It is there.
    Present(LeaseRecord),
}

/// What was seen, and since when it has been so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What was seen.
    pub observed: Observed,
    /// When it was first seen in this version.
    pub since: Duration,
}

impl Sighting {
    /// The next sighting, from one read at `now`: `since` moves only when the version did.
    #[must_use]
    pub fn next(before: Option<Self>, now: Duration, record: Option<LeaseRecord>) -> Self {
        let observed = match (record, before.as_ref().map(|sighting| &sighting.observed)) {
            (Some(record), _) => Observed::Present(record),
            (
                None,
                Some(
                    Observed::Present(LeaseRecord {
                        holder: Some(_), ..
                    })
                    | Observed::Vanished,
                ),
            ) => Observed::Vanished,
            (None, _) => Observed::Absent,
        };
        match before {
            Some(before) if before.same_version(&observed) => before,
            _ => Self {
                observed,
                since: now,
            },
        }
    }

    fn same_version(&self, other: &Observed) -> bool {
        match (&self.observed, other) {
            (Observed::Present(mine), Observed::Present(other)) => {
                mine.resource_version == other.resource_version
            }
            (mine, other) => mine == other,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseDecision {
    /// Create the Lease in our name.
    Create,
    /// Write our own record again.
    Renew,
    /// Replace the record of a holder who released it or is gone.
    TakeOver,
    /// Nothing for this long, unless a change is seen earlier.
    Wait(Duration),
    /// We led and lead no more.
    Lost,
}

/// What to do about the Lease at `now`, as `me`. `led_since` is when our last successful write was begun, while we
/// lead; `None` for a standby.
///
/// ```text
///               absent, released or expired: Create / TakeOver
///            +--------------------------------------------------+
///            |                                                  v
///   standby: Wait until expiry, or a change          leader: Wait, Renew every interval
///                                                               |
///                process ends  <--- Lost ---  another's, gone, or not renewed in time
/// ```
#[must_use]
pub fn decide_lease(
    now: Duration,
    seen: &Sighting,
    led_since: Option<Duration>,
    me: &str,
    settings: &Settings,
) -> LeaseDecision {
    let waited = now.saturating_sub(seen.since);
    let once = |needed: Duration, then: LeaseDecision| match needed.saturating_sub(waited) {
        Duration::ZERO => then,
        rest => LeaseDecision::Wait(rest),
    };
    let Some(renewed) = led_since else {
        return match &seen.observed {
            Observed::Absent => LeaseDecision::Create,
            Observed::Vanished => once(settings.duration, LeaseDecision::Create),
            Observed::Present(record) => match &record.holder {
                None => LeaseDecision::TakeOver,
                // our own write, whose answer we did not get
                Some(holder) if holder == me => LeaseDecision::Renew,
                Some(_) => once(
                    record.duration.unwrap_or(settings.duration),
                    LeaseDecision::TakeOver,
                ),
            },
        };
    };
    let age = now.saturating_sub(renewed);
    match &seen.observed {
        Observed::Present(record)
            if record.holder.as_deref() == Some(me) && age < settings.renew_deadline =>
        {
            match settings.renew_interval.saturating_sub(age) {
                Duration::ZERO => LeaseDecision::Renew,
                rest => LeaseDecision::Wait(rest),
            }
        }
        _ => LeaseDecision::Lost,
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
