//! PURE. What belongs to one migration tool.

pub mod prisma;
