//! `dbm-agent`: the part of the operator that runs inside a user's migrations image.
//!
//! What it shares with the operator is the crate `dbm-protocol`.

pub mod exec;
pub mod install;
pub mod inventory;
pub mod machine;
pub mod seed;
