//! Just enough of PostgreSQL's grammar to tell what a migration cannot have destroyed.

/// Whether every statement changes nothing but the catalog. In any doubt: no.
pub fn only_catalog(_sql: &str) -> bool {
    false
}
