//! A digest of everything that DDL can change.

/// The statement.
pub(super) fn digest(schema: &str) -> String {
    format!("select 'catalog', {}", super::queries::literal(schema))
}
