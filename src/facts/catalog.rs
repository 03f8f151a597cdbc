//! What stands in a database's catalog, by name, and a place in its history.

use jiff::Timestamp;

/// An object of the catalog, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Which kind.
    pub kind: ObjectKind,
    /// Its schema; empty for kinds that stand in none.
    pub schema: String,
    /// Its name, or that of the relation or type it is part of.
    pub name: String,
    /// The column, constraint, trigger or enum value; empty for a whole object.
    pub part: String,
}

/// The kinds of [`Object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A schema.
    Schema,
    /// A table, partitioned or not.
    Table,
    /// A view, materialized or not.
    View,
    /// A sequence.
    Sequence,
    /// An index; `name` is its own name.
    Index,
    /// A column; `name` is its table.
    Column,
    /// A constraint; `name` is its table.
    Constraint,
    /// A type: enum, domain, composite or range.
    Type,
    /// A value of an enum; `name` is the type.
    EnumValue,
    /// A function or procedure, whatever its arguments.
    Function,
    /// A trigger; `name` is its table.
    Trigger,
    /// An extension.
    Extension,
}

/// What a column is like, beyond its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// It is NOT NULL.
    pub not_null: bool,
    /// Its default as PostgreSQL writes it; empty where it has one that is too long to hold, `None` where it has none.
    pub default: Option<String>,
    /// Its type as `format_type` writes it, those of other schemas than `pg_catalog` with their schema.
    pub of_type: String,
}

/// What an index is like, beyond its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Its table's name; an index stands in the schema of its table.
    pub table: String,
    /// It is UNIQUE, as that of a primary key is, too.
    pub unique: bool,
    /// The columns that it is sorted by, in order; `None` where one of them is an expression.
    pub columns: Option<Vec<String>>,
    /// It holds only the rows of its WHERE.
    pub partial: bool,
}

/// A place in the history of a database, as the server told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePointFacts {
    /// The name, if one could be made.
    pub name: Option<String>,
    /// Why none could be made, and what to do; without the database's name.
    pub refused: Option<String>,
    /// The position in the write-ahead log.
    pub lsn: String,
    /// The server's time.
    pub at: Timestamp,
    /// The database's count of committed transactions.
    pub commits: i64,
}
