#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fake_server;
mod urls;
