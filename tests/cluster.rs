//! The operator on a real cluster, with real PostgreSQL and the real Prisma: `cargo test --test cluster` after
//! `make operator-up` and `eval "$(local-cluster/env)"`. Every test has a namespace, databases and a role of its own,
//! waits by watches, and ends with a search for its password in everything that can be read. `RUST_TEST_THREADS=4` suits
//! two cores: most of the time is waiting. `DBM_TEST_KEEP=1` leaves what a failed test made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "cluster/harness/mod.rs"]
mod harness;

#[path = "cluster/actions.rs"]
mod actions;
#[path = "cluster/bad_input.rs"]
mod bad_input;
#[path = "cluster/control.rs"]
mod control;
#[path = "cluster/cut_off.rs"]
mod cut_off;
#[path = "cluster/examples.rs"]
mod examples;
#[path = "cluster/failure.rs"]
mod failure;
#[path = "cluster/history.rs"]
mod history;
#[path = "cluster/interruption.rs"]
mod interruption;
#[path = "cluster/lock.rs"]
mod lock;
#[path = "cluster/release.rs"]
mod release;
#[path = "cluster/restore.rs"]
mod restore;
#[path = "cluster/rights.rs"]
mod rights;
#[path = "cluster/validation.rs"]
mod validation;
