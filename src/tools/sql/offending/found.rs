//! The query that lists the rows, and what of the migration met them.

use super::super::reference::StatementRef;

/// Rows that are in the way, and what of the migration met them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffendingRows {
    /// The query that lists them.
    pub query: String,
    /// The column, in words: `"code" of "User"`.
    pub column: Option<String>,
    /// The statement that failed.
    pub statement: Option<StatementRef>,
}
