//! What a look is to bring.

/// What to look at, besides what every look brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The digest of the catalog: reads every definition, so some 10 ms to some 100 ms on a big schema.
    pub catalog: bool,
    /// The names of all objects: some 10 ms on a big schema, and as many short rows as there are columns and indexes.
    pub objects: bool,
    /// The names of the server's other databases: one short row for each.
    pub others: bool,
}
