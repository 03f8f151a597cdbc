//! Whether the process makes progress. What is watched beats; what has not beaten for long hangs, and a restart is the way out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock;

/// How often each part is to beat.
pub const BEAT: Duration = Duration::from_secs(15);
/// A part that has not beaten for so long hangs. Requests to an API server that is away end sooner: that is no reason for a restart.
pub const LIMIT: Duration = Duration::from_secs(600);

/// When each part beat last, by the monotonic clock. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Liveness(Arc<Mutex<BTreeMap<String, Duration>>>);

/// One part of [`Liveness`]. It counts for as long as this lives.
#[derive(Debug)]
pub struct Pulse {
    name: String,
    all: Liveness,
}

impl Liveness {
    /// A part that counts from its first beat on: until then it waits for others, for the first list of a watch, say.
    #[must_use]
    pub fn pulse(&self, name: String) -> Pulse {
        Pulse {
            name,
            all: self.clone(),
        }
    }

    /// The parts that hang, in alphabetical order.
    #[must_use]
    pub fn hanging(&self) -> Vec<String> {
        self.hanging_at(clock::monotonic())
    }

    /// How long ago each part beat last, in alphabetical order.
    #[must_use]
    pub fn ages(&self) -> Vec<(String, Duration)> {
        let now = clock::monotonic();
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .map(|(name, last)| (name.clone(), now.saturating_sub(*last)))
            .collect()
    }

    fn hanging_at(&self, now: Duration) -> Vec<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter(|(_, last)| now.saturating_sub(**last) > LIMIT)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl Pulse {
    /// It goes on.
    pub fn beat(&self) {
        self.all
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.name.clone(), clock::monotonic());
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.all
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_stopped_hangs_until_it_beats_or_ends() {
        let liveness = Liveness::default();
        let (one, other) = (
            liveness.pulse("queue a".to_owned()),
            liveness.pulse("queue b".to_owned()),
        );
        let quiet = liveness.pulse("queue c".to_owned());
        one.beat();
        other.beat();
        let now = clock::monotonic();
        let late = now + LIMIT + Duration::from_secs(1);
        assert!(liveness.hanging_at(now + LIMIT / 2).is_empty());
        assert_eq!(liveness.hanging_at(late), ["queue a", "queue b"]);
        drop(other);
        assert_eq!(liveness.hanging_at(late), ["queue a"]);
        drop((one, quiet));
        assert!(liveness.hanging_at(late).is_empty());
    }
}
