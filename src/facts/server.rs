//! What is at work on a database server.

/// What else is at work on a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// How many runs may be, all told.
    pub limit: u32,
    /// The turns on its databases that the other resources have journaled.
    pub at_work: u32,
    /// How many resources have waited for longer.
    pub ahead: u32,
}
