//! The operator as a library: what it knows (`facts`), how it decides (`decide`), and how it acts (`world`).

pub mod api;
pub mod build;
pub mod cli;
pub mod controller;
pub mod database;
pub mod decide;
pub mod facts;
pub mod runtime;
pub mod tools;
pub mod world;
