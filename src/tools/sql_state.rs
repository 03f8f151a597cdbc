//! SQLSTATE in words. Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

/// A lock could not be had in time.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Two sessions waited for each other.
pub const DEADLOCK: &str = "40P01";
/// A right is missing.
pub const NO_RIGHT: &str = "42501";

/// What a SQLSTATE means, in few words; by its class (the first two characters) where the code itself is not listed.
pub fn sql_state_meaning(code: &str) -> Option<&'static str> {
    if code.len() != 5
        || !code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    {
        return None;
    }
    let found = |table: &[(&str, &'static str)], key: &str| {
        table
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, meaning)| *meaning)
    };
    found(CODES, code).or_else(|| found(CLASSES, &code[..2]))
}

/// The same by the message where that says more: who cancelled a statement (57014) its SQLSTATE does not tell.
pub fn meaning(code: &str, said: &str) -> Option<&'static str> {
    let said = said.to_ascii_lowercase();
    match code {
        "57014" if said.contains("due to statement timeout") => Some("cut by statement_timeout"),
        "57014" if said.contains("due to user request") => {
            Some("cancelled by someone, as by pg_cancel_backend")
        }
        _ => sql_state_meaning(code),
    }
}

const CODES: &[(&str, &str)] = &[
    ("08P01", "protocol violation, often a pooler's"),
    ("0A000", "not supported, or not in this place"),
    ("0LP01", "this right cannot be granted so"),
    ("0P000", "no such role, or not to be named here"),
    ("21000", "more than one row where one is wanted"),
    ("22001", "text too long for its column"),
    ("22003", "number out of range"),
    ("22004", "null not allowed here"),
    ("22007", "not a date or time"),
    ("22008", "date or time out of range"),
    ("22012", "division by zero"),
    ("22018", "text does not fit the type it is cast to"),
    ("22021", "character not in the encoding"),
    ("22023", "invalid parameter value"),
    ("2202E", "wrong array bounds"),
    ("22030", "duplicate key in JSON"),
    ("22032", "not JSON"),
    ("22P02", "value does not fit the type"),
    ("22P03", "binary data do not fit the type"),
    ("22P04", "COPY data do not fit the table"),
    ("22P05", "character cannot be translated"),
    ("23001", "other rows still refer to it"),
    ("23502", "null in a column that must not be null"),
    ("23503", "foreign key violated"),
    ("23505", "duplicate key"),
    ("23514", "check constraint violated"),
    ("23P01", "exclusion constraint violated"),
    ("25001", "not allowed inside a transaction"),
    ("25006", "read-only transaction, or a standby"),
    ("25P01", "no transaction is open"),
    ("25P02", "an earlier statement of the transaction failed"),
    ("25P03", "idle in a transaction for too long"),
    ("25P04", "transaction took longer than transaction_timeout"),
    (
        "26000",
        "no such prepared statement, often a pooler's doing",
    ),
    ("27000", "a trigger changed the row that is being changed"),
    ("28000", "the server does not let this user in"),
    ("28P01", "wrong password"),
    ("2BP01", "other objects depend on it"),
    ("3B001", "no such savepoint"),
    ("3D000", "no such database"),
    ("3F000", "no such schema"),
    ("40001", "serialization failure"),
    ("40002", "a constraint failed at the commit"),
    ("40003", "whether the statement was completed is unknown"),
    ("40P01", "deadlock"),
    ("42501", "no right to do this"),
    ("42601", "syntax error"),
    ("42602", "invalid name"),
    ("42611", "invalid column definition"),
    ("42622", "name too long"),
    ("42701", "duplicate column"),
    ("42702", "ambiguous column"),
    ("42703", "undefined column"),
    ("42704", "undefined object, such as a type or constraint"),
    ("42710", "object exists already"),
    ("42712", "duplicate alias"),
    ("42723", "function exists already"),
    ("42725", "ambiguous function"),
    ("42803", "grouping error"),
    ("42804", "types do not match"),
    ("42809", "wrong kind of object"),
    ("42830", "invalid foreign key"),
    ("42846", "cannot be cast"),
    ("42883", "undefined function"),
    (
        "428C9",
        "a generated column, or an identity, cannot be given a value",
    ),
    ("42939", "reserved name"),
    ("42P01", "undefined table"),
    ("42P02", "undefined parameter"),
    ("42P03", "cursor exists already"),
    ("42P04", "database exists already"),
    (
        "42P05",
        "prepared statement exists already, often a pooler's doing",
    ),
    ("42P06", "schema exists already"),
    ("42P07", "table or index exists already"),
    ("42P08", "ambiguous parameter"),
    ("42P09", "ambiguous alias"),
    ("42P10", "no unique index for ON CONFLICT or a reference"),
    ("42P13", "invalid function definition"),
    ("42P15", "invalid schema definition"),
    ("42P16", "invalid table definition"),
    ("42P17", "invalid object definition"),
    ("42P18", "type cannot be told"),
    ("42P20", "window function in the wrong place"),
    ("42P21", "collations do not match"),
    ("42P22", "collation cannot be told"),
    ("53000", "the server lacks resources"),
    ("53100", "disk full"),
    ("53200", "out of memory"),
    ("53300", "no connection left"),
    ("53400", "a limit of the configuration exceeded"),
    ("54000", "a limit of PostgreSQL exceeded"),
    (
        "54001",
        "statement too complex, or max_stack_depth exceeded",
    ),
    ("54011", "too many columns"),
    ("54023", "too many arguments"),
    ("55000", "object not in the state that is needed"),
    ("55006", "object in use"),
    ("55P02", "setting cannot be changed now"),
    ("55P03", "lock not available in time"),
    ("55P04", "new enum value used before its commit"),
    ("57014", "cancelled, by statement_timeout or by someone"),
    (
        "57P01",
        "an administrator ended the connection or stopped the server",
    ),
    ("57P02", "the server crashed"),
    ("57P03", "the server is starting or stopping"),
    ("57P04", "the database was dropped"),
    ("57P05", "session was idle for too long"),
    ("58030", "the server could not read or write its files"),
    ("58P01", "a file of the server is missing"),
    ("72000", "snapshot too old"),
    ("P0001", "raised by the migration's own code"),
    ("P0002", "the migration's own code found no row"),
    ("P0003", "the migration's own code found more than one row"),
    ("P0004", "an ASSERT of the migration's own code failed"),
    ("XX000", "internal error of PostgreSQL"),
    ("XX001", "corrupted data"),
    ("XX002", "corrupted index"),
];

const CLASSES: &[(&str, &str)] = &[
    ("08", "connection failed"),
    ("0A", "not supported"),
    ("0L", "invalid grantor or right"),
    ("0P", "invalid role"),
    ("20", "no case fits"),
    ("21", "more than one row where one is wanted"),
    ("22", "invalid data"),
    ("23", "constraint violated"),
    ("24", "cursor in the wrong state"),
    ("25", "not allowed in this state of the transaction"),
    ("26", "no such prepared statement"),
    ("27", "a trigger changed the row that is being changed"),
    ("28", "log-in refused"),
    ("2B", "other objects depend on it"),
    ("2D", "invalid end of a transaction"),
    ("34", "no such cursor"),
    ("38", "a function failed"),
    ("39", "a function was called wrongly"),
    ("3B", "invalid savepoint"),
    ("3D", "no such database"),
    ("3F", "no such schema"),
    ("40", "transaction rolled back"),
    (
        "42",
        "syntax error, or something undefined or not permitted",
    ),
    ("44", "WITH CHECK OPTION violated"),
    ("53", "the server lacks resources"),
    ("54", "a limit of PostgreSQL exceeded"),
    ("55", "object not in the state that is needed"),
    ("57", "an operator intervened"),
    ("58", "error of the operating system"),
    ("72", "snapshot too old"),
    ("F0", "error in the server's configuration"),
    ("HV", "error of a foreign data wrapper"),
    ("P0", "error of PL/pgSQL"),
    ("XX", "internal error of PostgreSQL"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_then_classes_then_nothing() {
        assert_eq!(sql_state_meaning("42703"), Some("undefined column"));
        assert_eq!(sql_state_meaning("22999"), Some("invalid data"));
        assert_eq!(sql_state_meaning("ZZ000"), None);
        for malformed in ["", "42", "42p01", "427033", "é2703", "42é0"] {
            assert_eq!(sql_state_meaning(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn who_cancelled_is_told_where_the_message_says_so() {
        for (said, expected) in [
            (
                "ERROR: canceling statement due to statement timeout",
                "cut by statement_timeout",
            ),
            (
                "ERROR: canceling statement due to user request",
                "cancelled by someone, as by pg_cancel_backend",
            ),
            ("", "cancelled, by statement_timeout or by someone"),
        ] {
            assert_eq!(meaning("57014", said), Some(expected));
        }
        assert_eq!(
            meaning("42703", "due to user request"),
            Some("undefined column")
        );
    }

    #[test]
    fn each_is_listed_once_and_its_class_as_well() {
        for table in [CODES, CLASSES] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted");
        }
    }
}
