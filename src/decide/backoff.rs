//! How long the next attempt of a step waits.

/// 2, 4, 8 ... 60 seconds after the first, second, third ... attempt.
pub(super) fn backoff_seconds(attempt: u32) -> i64 {
    2_i64.saturating_pow(attempt).min(60)
}
