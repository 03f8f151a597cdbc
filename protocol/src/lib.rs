//! What the operator and its agent say to each other, and what both know: Prisma's exit codes and words, connection strings, and what
//! is a secret in a text. It starts no process and talks to nobody.

pub mod codes;
pub mod connection;
mod digest;
pub mod frame;
mod identity;
mod messages;
pub mod raised;
pub mod recognise;
pub mod redact;

pub use digest::{digest_of_names, hex};
pub use identity::inventory_hash;
pub use messages::*;
