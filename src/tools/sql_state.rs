//! SQLSTATE in words.

/// What a SQLSTATE means, in few words; by its class where the code itself is not listed.
pub fn sql_state_meaning(_code: &str) -> Option<&'static str> {
    None
}
