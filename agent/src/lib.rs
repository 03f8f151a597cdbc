//! `dbm-agent`: the part of the operator that runs inside a user's migrations image.

pub mod protocol;
