//! What a process needs around the controller: clock, logs, signals, HTTP, metrics and the leader's Lease.
//!
//! Nothing here knows what a migration is. `main` builds these parts and hands them to the controller.

pub mod clock;
pub mod http;
pub mod lease;
pub mod liveness;
pub mod metrics;
pub mod names;
pub mod options;
pub mod shutdown;
pub mod telemetry;
