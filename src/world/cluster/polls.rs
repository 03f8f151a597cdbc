//! How often resources are looked at that wait for somebody to mend something: seldom enough that hundreds of them leave the
//! API server alone.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::Who;

/// So many of them are looked at in a second, on average.
const A_SECOND: u64 = 5;

/// Who is polled.
#[derive(Default)]
pub struct Polls(Mutex<HashSet<Who>>);

impl Polls {
    /// A resource was worked on, and wants to be polled after so many milliseconds, or not. Answers after how many it is to be.
    pub fn after(&self, who: Who, wanted_ms: Option<u64>) -> Option<u64> {
        let mut polled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wanted_ms) = wanted_ms else {
            polled.remove(&who);
            return None;
        };
        polled.insert(who);
        let turn = u64::try_from(polled.len())
            .unwrap_or(u64::MAX)
            .saturating_mul(1000)
            / A_SECOND;
        Some(wanted_ms.max(turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_as_soon_as_they_want_and_many_share() {
        let polls = Polls::default();
        let after = |at: u32, wanted| polls.after(Who::new(&format!("r{at}")).within("n"), wanted);
        for at in 0..5 {
            assert_eq!(after(at, Some(1_000)), Some(1_000));
            assert_eq!(after(at, Some(1_000)), Some(1_000), "one is counted once");
        }
        for at in 5..300 {
            after(at, Some(1_000));
        }
        assert_eq!(after(7, Some(1_000)), Some(60_000));
        assert_eq!(after(7, Some(90_000)), Some(90_000));
        for at in 1..300 {
            assert_eq!(after(at, None), None);
        }
        assert_eq!(
            after(0, Some(1_000)),
            Some(1_000),
            "the others are mended or gone"
        );
    }
}
