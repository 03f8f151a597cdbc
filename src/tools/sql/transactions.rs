//! The transactions that a migration begins and ends itself.

use super::cursor::Cursor;
use super::{split, token};

/// What a migration does about transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transactions {
    /// It begins one of its own.
    pub begins: bool,
    /// At its end one that it began is still open.
    pub left_open: bool,
    /// All that it does stands in one that it begins itself: a failure leaves nothing of it.
    pub whole: bool,
}

/// What the statements of a text do about transactions, run one after the other to the end.
pub fn transactions(sql: &str) -> Transactions {
    let read = token::tokens(sql);
    let mut found = Transactions {
        whole: true,
        ..Transactions::default()
    };
    let mut open = false;
    for tokens in split(&read.tokens) {
        let mut cursor = Cursor { sql, tokens };
        match cursor.take_word() {
            Some("BEGIN" | "START") => {
                // What a second one comes after was committed by then; while one is open it does nothing.
                found.whole &= open || !found.begins;
                found.begins = true;
                open = true;
            }
            Some("COMMIT" | "END") => {
                // What it commits before it ends is not undone.
                found.whole &= open && cursor.peek_word() != "PREPARED";
                open = chained(cursor);
                found.whole &= !open;
            }
            Some("ROLLBACK" | "ABORT") => {
                let savepoint = to_savepoint(cursor);
                if !savepoint && cursor.peek_word() != "PREPARED" {
                    open = chained(cursor);
                }
            }
            Some("PREPARE") if cursor.take("TRANSACTION") => {
                found.whole = false;
                open = false;
            }
            // They change the session, not the database.
            Some("SET" | "RESET" | "SHOW" | "SAVEPOINT" | "RELEASE") => {}
            _ => found.whole &= open,
        }
    }
    found.left_open = open;
    found.whole &= found.begins;
    found
}

/// `AND CHAIN` begins the next one at once.
fn chained(mut cursor: Cursor<'_>) -> bool {
    let _ = cursor.take("WORK") || cursor.take("TRANSACTION");
    cursor.take("AND") && cursor.take("CHAIN")
}

fn to_savepoint(mut cursor: Cursor<'_>) -> bool {
    let _ = cursor.take("WORK") || cursor.take("TRANSACTION");
    cursor.take("TO")
}

/// Whether a text is one statement that PostgreSQL undoes wholly when it fails. Code may commit in between, and so does
/// what cannot run inside a transaction.
pub fn is_one_undone(sql: &str) -> bool {
    let read = token::tokens(sql);
    let mut lasting = split(&read.tokens).into_iter().filter(|tokens| {
        let mut cursor = Cursor { sql, tokens };
        !matches!(cursor.take_word(), Some("SET" | "RESET" | "SHOW"))
    });
    let (Some(tokens), None) = (lasting.next(), lasting.next()) else {
        return false;
    };
    let mut cursor = Cursor { sql, tokens };
    !read.doubtful
        && super::transactional(sql)
        && !matches!(cursor.take_word(), None | Some("CALL" | "DO" | "EXECUTE"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Begins one, leaves it open, all of it stands in one.
    #[rstest]
    #[case("CREATE TABLE t (a int);", (false, false, false))]
    #[case("BEGIN; CREATE TABLE t (a int); COMMIT;", (true, false, true))]
    #[case("-- swap\nSET lock_timeout = '1s';\nSTART TRANSACTION; UPDATE t SET a = 1; END;", (true, false, true))]
    #[case("BEGIN; CREATE TABLE t (a int);", (true, true, true))]
    #[case("CREATE TABLE s (a int); BEGIN; CREATE TABLE t (a int);", (true, true, false))]
    #[case("BEGIN; CREATE TABLE t (a int); COMMIT; CREATE TABLE u (a int);", (true, false, false))]
    #[case("BEGIN; CREATE TABLE t (a int); COMMIT; BEGIN; CREATE TABLE u (a int); COMMIT", (true, false, false))]
    #[case("CREATE TABLE t (a int); COMMIT; CREATE TABLE u (a int);", (false, false, false))]
    #[case("BEGIN; SAVEPOINT s; UPDATE t SET a = 1; ROLLBACK TO SAVEPOINT s; COMMIT", (true, false, true))]
    #[case("BEGIN; UPDATE t SET a = 1; ROLLBACK WORK TO s;", (true, true, true))]
    #[case("BEGIN; UPDATE t SET a = 1; COMMIT AND CHAIN;", (true, true, false))]
    #[case("BEGIN; UPDATE t SET a = 1; ROLLBACK;", (true, false, true))]
    #[case("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;", (false, false, false))]
    #[case("DO $$ BEGIN UPDATE t SET a = 1; END $$;", (false, false, false))]
    #[case("-- BEGIN;\nSELECT 'BEGIN;';", (false, false, false))]
    fn of(#[case] sql: &str, #[case] expected: (bool, bool, bool)) {
        let found = transactions(sql);
        assert_eq!(
            (found.begins, found.left_open, found.whole),
            expected,
            "{sql}"
        );
    }

    #[rstest]
    #[case("SELECT pg_sleep(5);", true)]
    #[case("SET statement_timeout = 0; UPDATE t SET a = 1;", true)]
    #[case("UPDATE t SET a = 1; UPDATE u SET a = 1;", false)]
    #[case("CALL p();", false)]
    #[case("DO $$ BEGIN COMMIT; END $$", false)]
    #[case("CREATE INDEX CONCURRENTLY i ON t (a)", false)]
    #[case("VACUUM", false)]
    #[case("", false)]
    fn one(#[case] sql: &str, #[case] expected: bool) {
        assert_eq!(is_one_undone(sql), expected, "{sql}");
    }
}
