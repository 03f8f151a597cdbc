//! Nothing is lost: the operator of this build, unmodified, behind a proxy that lets go wrong what can go wrong between it
//! and the API server. `make faults` runs all of it and prints a table; `cargo test --test faults` after
//! `tests/operator aside` and `eval "$(local-cluster/env)"`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Each test binary uses a part of what the stage offers.
#[allow(dead_code, unused_imports)]
#[path = "cluster/harness/mod.rs"]
mod harness;

#[path = "faults/crash_points.rs"]
mod crash_points;
#[path = "faults/play.rs"]
mod play;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "faults/request.rs"]
mod request;
#[path = "faults/scenarios.rs"]
mod scenarios;
#[path = "faults/script.rs"]
mod script;
#[path = "faults/state.rs"]
mod state;
#[path = "faults/story.rs"]
mod story;
#[path = "faults/watches.rs"]
mod watches;
