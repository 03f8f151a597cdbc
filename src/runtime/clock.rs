//! The one place that reads the clock. Everything else is given the time as a value.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The wall clock: for what people and other programs read.
#[must_use]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Time since this process first asked, which never goes backwards and which nobody can set: for measuring.
#[must_use]
pub fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_does_not_go_backwards() {
        let (first, second) = (monotonic(), monotonic());
        assert!(second >= first);
    }
}
