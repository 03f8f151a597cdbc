//! Whether a statement may call a function of somebody's own, which may do anything.

use super::token::{Kind, Token};

/// It evaluates what it holds, when it is run or for each row.
pub(super) fn runs(tokens: &[Token]) -> bool {
    let word = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.as_str(),
        _ => "",
    };
    match word(0) {
        "INSERT" | "UPDATE" | "WITH" | "COPY" => true,
        "CREATE" => {
            let kinds = ["TABLE", "MATERIALIZED"];
            (1..4).any(|at| kinds.contains(&word(at)))
        }
        "ALTER" => word(1) == "TABLE",
        _ => false,
    }
}

/// PostgreSQL's own functions that change no row, and the words and types that parentheses may follow.
const KNOWN: [&str; 137] = [
    "ABS",
    "AGE",
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "ARRAY_AGG",
    "ARRAY_APPEND",
    "ARRAY_LENGTH",
    "ARRAY_POSITION",
    "ARRAY_REMOVE",
    "ARRAY_TO_STRING",
    "AS",
    "AVG",
    "BETWEEN",
    "BIT",
    "BOOL_AND",
    "BOOL_OR",
    "BTRIM",
    "BY",
    "CARDINALITY",
    "CASE",
    "CAST",
    "CEIL",
    "CEILING",
    "CHAR",
    "CHARACTER",
    "CHAR_LENGTH",
    "CHECK",
    "CLOCK_TIMESTAMP",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "COUNT",
    "CURRENT_TIMESTAMP",
    "DATE",
    "DATE_PART",
    "DATE_TRUNC",
    "DECIMAL",
    "DECODE",
    "DEFAULT",
    "DENSE_RANK",
    "DIGEST",
    "DISTINCT",
    "ELSE",
    "ENCODE",
    "ENUM",
    "EXISTS",
    "EXTRACT",
    "FILTER",
    "FIRST_VALUE",
    "FLOAT",
    "FLOOR",
    "FORMAT",
    "FROM",
    "GENERATE_SERIES",
    "GEN_RANDOM_UUID",
    "GREATEST",
    "HAVING",
    "ILIKE",
    "IN",
    "INCLUDE",
    "INITCAP",
    "INTERVAL",
    "IS",
    "JOIN",
    "JSONB_AGG",
    "JSONB_BUILD_ARRAY",
    "JSONB_BUILD_OBJECT",
    "JSONB_SET",
    "JSON_BUILD_OBJECT",
    "KEY",
    "LAG",
    "LATERAL",
    "LEAD",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LIKE",
    "LIMIT",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAX",
    "MD5",
    "MIN",
    "MOD",
    "NEXTVAL",
    "NOT",
    "NOW",
    "NULLIF",
    "NUMERIC",
    "OFFSET",
    "ON",
    "OR",
    "OVER",
    "POSITION",
    "POWER",
    "RANDOM",
    "RANK",
    "REGEXP_REPLACE",
    "REPEAT",
    "REPLACE",
    "RETURNING",
    "RIGHT",
    "ROUND",
    "ROW",
    "ROW_NUMBER",
    "ROW_TO_JSON",
    "RPAD",
    "RTRIM",
    "SELECT",
    "SET",
    "SPLIT_PART",
    "STRING_AGG",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TO_CHAR",
    "TO_DATE",
    "TO_JSONB",
    "TO_TIMESTAMP",
    "TRIM",
    "UNION",
    "UNIQUE",
    "UNNEST",
    "UPPER",
    "UUID_GENERATE_V4",
    "VALUES",
    "VARCHAR",
    "WHEN",
    "WHERE",
    "WITHIN",
];

/// Before the name of something that is no function.
const BEFORE_NAME: [&str; 14] = [
    "WITH",
    "RECURSIVE",
    "TABLE",
    "EXISTS",
    "REFERENCES",
    "INTO",
    "AS",
    "UPDATE",
    "ON",
    "ONLY",
    "VIEW",
    "USING",
    "COPY",
    "COLUMN",
];

/// It may call a function of which nothing is known. What is not surely none is one.
pub(super) fn calls_own(tokens: &[Token]) -> bool {
    let at = |index: usize| tokens.get(index).map(|token| &token.kind);
    (0..tokens.len()).any(|index| {
        if at(index + 1) != Some(&Kind::Mark('(')) {
            return false;
        }
        let known = match at(index) {
            Some(Kind::Word(word)) => KNOWN.contains(&word.as_str()) || word.ends_with("VARYING"),
            Some(Kind::Name) => false,
            _ => return false,
        };
        let qualified = index >= 2 && at(index - 1) == Some(&Kind::Mark('.'));
        let first = if qualified { index - 2 } else { index };
        let before = match first.checked_sub(1).and_then(at) {
            Some(Kind::Word(word)) => word.as_str(),
            _ => "",
        };
        !BEFORE_NAME.contains(&before) && (!known || qualified)
    })
}
