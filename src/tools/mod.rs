//! PURE. What belongs to one migration tool, to the SQL that it runs, and to text that others wrote.

pub mod prisma;
pub mod psql;
pub mod rights;
pub mod sql;
pub mod sql_state;
pub mod text;
