//! The only place that reads and changes the world.

pub mod cluster;
