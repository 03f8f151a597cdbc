//! Settings of the session that a migration's own file sets.

use super::cursor::Cursor;
use super::{split, token};

/// Whether a file sets a configuration parameter itself: `SET statement_timeout = ...`, with `LOCAL` or `SESSION` or
/// without, or by `set_config`.
pub fn sets(sql: &str, parameter: &str) -> bool {
    let wanted = parameter.to_ascii_uppercase();
    let read = token::tokens(sql);
    let set = split(&read.tokens).into_iter().any(|tokens| {
        let mut cursor = Cursor { sql, tokens };
        let begins = cursor.take("SET");
        let _ = cursor.take_any(&["LOCAL", "SESSION"]);
        begins && cursor.take(&wanted)
    });
    set || sql.contains(&format!("set_config('{parameter}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("SET statement_timeout = '1s'; SELECT 1", true)]
    #[case("SELECT 1;\nset local Statement_Timeout to 0", true)]
    #[case("SELECT set_config('statement_timeout', '1s', false)", true)]
    #[case(
        "-- SET statement_timeout = 1\nSELECT 'SET statement_timeout = 1'",
        false
    )]
    #[case("SET lock_timeout = 1", false)]
    #[case("", false)]
    fn what_a_file_sets_itself(#[case] sql: &str, #[case] expected: bool) {
        assert_eq!(sets(sql, "statement_timeout"), expected);
    }
}
