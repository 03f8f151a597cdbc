//! `dbm-agent`: the part of the operator that runs inside a user's migrations image.
//!
//! [`protocol`], [`codes`], [`connection`], [`recognise`] and [`inventory::frame`] are shared with the operator; the rest is what the
//! program itself does.

pub mod codes;
pub mod connection;
pub mod exec;
pub mod install;
pub mod inventory;
pub mod machine;
pub mod protocol;
pub mod raised;
pub mod recognise;
pub mod seed;

pub use inventory::inventory_hash;
