//! PURE. What belongs to one migration tool, and to the SQL that it runs.

pub mod prisma;
pub mod rights;
pub mod sql;
pub mod sql_state;
