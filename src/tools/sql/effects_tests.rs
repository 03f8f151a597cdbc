#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

#[test]
fn smoke() {
    let sql = "ALTER TABLE \"User\" ADD COLUMN first_name TEXT, ADD COLUMN \"Last\" text; UPDATE \"User\" SET a = 'x'";
    let found = effects(sql, "public");
    assert_eq!(found.len(), 2);
    assert_eq!(
        describe(&found[0].adds[0], "public"),
        "column \"User\".\"first_name\""
    );
    assert_eq!(
        statement_at(sql, 90).unwrap().text,
        "UPDATE \"User\" SET ..."
    );
}
