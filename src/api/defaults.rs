//! The defaults of the API, each in one place.

use super::Duration;

pub(super) fn database_url() -> String {
    "DATABASE_URL".to_owned()
}

pub(super) fn ca_crt() -> String {
    "ca.crt".to_owned()
}

pub(super) fn schema() -> String {
    "prisma/schema.prisma".to_owned()
}

pub(super) fn one() -> u32 {
    1
}

pub(super) fn five() -> u32 {
    5
}

pub(super) fn ten() -> u32 {
    10
}

pub(super) fn hour() -> Duration {
    Duration::new("1h")
}

pub(super) fn start() -> Duration {
    Duration::new("10m")
}

pub(super) fn overdue() -> Duration {
    Duration::new("30m")
}

pub(super) fn never() -> Duration {
    Duration::new("0s")
}

pub(super) fn lock() -> Duration {
    Duration::new("5s")
}

pub(super) fn unknown() -> Duration {
    Duration::new("15m")
}

pub(super) fn observe() -> Duration {
    Duration::new("10s")
}

pub(super) fn five_minutes() -> Duration {
    Duration::new("5m")
}

pub(super) fn two_hours() -> Duration {
    Duration::new("2h")
}
