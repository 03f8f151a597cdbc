//! The operator on a real cluster, with real PostgreSQL and the real Prisma: `cargo test --test cluster` after
//! `make operator-up`, `tests/operator aside` and `eval "$(local-cluster/env)"`. Every test has a namespace, an operator,
//! databases and a role of its own, waits by watches, and ends with a search for its password in everything that can be
//! read. `RUST_TEST_THREADS=4` suits two cores: most of the time is waiting. `DBM_TEST_KEEP=1` leaves what a failed test made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Each test binary uses a part of what the stage offers.
#[allow(dead_code, unused_imports)]
#[path = "cluster/harness/mod.rs"]
mod harness;

#[path = "cluster/actions.rs"]
mod actions;
#[path = "cluster/afterwards.rs"]
mod afterwards;
#[path = "cluster/bad_images.rs"]
mod bad_images;
#[path = "cluster/bad_input.rs"]
mod bad_input;
#[path = "cluster/bad_pods.rs"]
mod bad_pods;
#[path = "cluster/bad_rights.rs"]
mod bad_rights;
#[path = "cluster/control.rs"]
mod control;
#[path = "cluster/corrected.rs"]
mod corrected;
#[path = "cluster/cut_off.rs"]
mod cut_off;
#[path = "cluster/elsewhere.rs"]
mod elsewhere;
#[path = "cluster/examples.rs"]
mod examples;
#[path = "cluster/failure.rs"]
mod failure;
#[path = "cluster/generate.rs"]
mod generate;
#[path = "cluster/history.rs"]
mod history;
#[path = "cluster/interruption.rs"]
mod interruption;
#[path = "cluster/layouts.rs"]
mod layouts;
#[path = "cluster/leader.rs"]
mod leader;
#[path = "cluster/ledgers.rs"]
mod ledgers;
#[path = "cluster/lock.rs"]
mod lock;
#[path = "cluster/lost.rs"]
mod lost;
#[path = "cluster/names.rs"]
mod names;
#[path = "cluster/output.rs"]
mod output;
#[path = "cluster/own_causes.rs"]
mod own_causes;
#[path = "cluster/release.rs"]
mod release;
#[path = "cluster/restore.rs"]
mod restore;
#[path = "cluster/retag.rs"]
mod retag;
#[path = "cluster/rewritten.rs"]
mod rewritten;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/schema.rs"]
mod schema;
#[path = "cluster/servers.rs"]
mod servers;
#[path = "cluster/short_name.rs"]
mod short_name;
#[path = "cluster/sidecar.rs"]
mod sidecar;
#[path = "cluster/tls.rs"]
mod tls;
#[path = "cluster/unanswered.rs"]
mod unanswered;
#[path = "cluster/unknown_ends.rs"]
mod unknown_ends;
#[path = "cluster/validation.rs"]
mod validation;
