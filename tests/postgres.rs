//! Looks at a real PostgreSQL server: `cargo test --test postgres`, with the URL of a superuser in
//! `DBM_TEST_POSTGRES_URL`. Every test makes a database and roles of its own, and drops them. Where the server's
//! certificate is of an authority, and of the host `localhost` alone, `DBM_TEST_POSTGRES_CA` may hold its PEM file's
//! path; without it that part of TLS is left out. The program `pgbouncer` is needed, too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "postgres/activity.rs"]
mod activity;
#[path = "postgres/catalog.rs"]
mod catalog;
#[path = "postgres/columns.rs"]
mod columns;
#[path = "postgres/failures.rs"]
mod failures;
#[path = "postgres/guards.rs"]
mod guards;
#[path = "postgres/harness.rs"]
mod harness;
#[path = "postgres/instance.rs"]
mod instance;
#[path = "postgres/ledger.rs"]
mod ledger;
#[path = "postgres/objects.rs"]
mod objects;
#[path = "postgres/pooler.rs"]
mod pooler;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/restore_point.rs"]
mod restore_point;
