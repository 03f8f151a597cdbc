//! Texts that are fixed and have one meaning, for outputs that name neither a code nor an SQLSTATE.

/// PostgreSQL's messages (English, as its drivers and Prisma get them unless `lc_messages` says otherwise), and the
/// words of Prisma's JavaScript adapters for the same. All the parts of a row stand in one line, in this order.
const STATES: &[(&[&str], &str)] = &[
    (&["canceling statement due to lock timeout"], "55P03"),
    (&["could not obtain lock on "], "55P03"),
    (&["canceling statement due to statement timeout"], "57014"),
    (&["canceling statement due to user request"], "57014"),
    (
        &["terminating connection due to administrator command"],
        "57P01",
    ),
    (
        &["terminating connection due to idle-in-transaction timeout"],
        "25P03",
    ),
    (&["the database system is starting up"], "57P03"),
    (&["the database system is shutting down"], "57P03"),
    (&["cannot execute ", " in a read-only transaction"], "25006"),
    (&["deadlock detected"], "40P01"),
    (&["could not serialize access due to "], "40001"),
    (&["too many connections for role "], "53300"),
    (&["too many connections for database "], "53300"),
    (&["sorry, too many clients already"], "53300"),
    (&["remaining connection slots are reserved"], "53300"),
    (
        &["could not extend file ", "No space left on device"],
        "53100",
    ),
    (&["password authentication failed for user "], "28P01"),
    (&["no pg_hba.conf entry for "], "28000"),
    (&["permission denied for "], "42501"),
    (&["must be owner of "], "42501"),
    (&["cannot run inside a transaction block"], "25001"),
    (
        &["current transaction is aborted, commands ignored"],
        "25P02",
    ),
    (&["ERROR: ", "syntax error at "], "42601"),
    (
        &["ERROR: ", "column ", " of relation ", " already exists"],
        "42701",
    ),
    (
        &[
            "ERROR: ",
            "column ",
            " of relation ",
            " contains null values",
        ],
        "23502",
    ),
    (
        &[
            "ERROR: ",
            "null value in column ",
            " violates not-null constraint",
        ],
        "23502",
    ),
    (&["ERROR: ", "violates foreign key constraint "], "23503"),
    (
        &["ERROR: ", "duplicate key value violates unique constraint "],
        "23505",
    ),
    (&["ERROR: ", "could not create unique index "], "23505"),
    (
        &["ERROR: ", "check constraint ", " is violated by some row"],
        "23514",
    ),
    (&["ERROR: ", "violates check constraint "], "23514"),
    (&["ERROR: ", "relation ", " already exists"], "42P07"),
    (&["ERROR: ", "type ", " already exists"], "42710"),
    (&["ERROR: ", "column ", " does not exist"], "42703"),
    (&["ERROR: ", "relation ", " does not exist"], "42P01"),
    (&["ERROR: ", "because other objects depend on it"], "2BP01"),
    (&["ERROR: ", "invalid input syntax for type "], "22P02"),
    (&["ERROR: ", "invalid input value for enum "], "22P02"),
    (&["ERROR: ", "value too long for type "], "22001"),
    (&["FATAL: ", "role ", " does not exist"], "28000"),
    (&["FATAL: ", "database ", " does not exist"], "3D000"),
    (&["Error accessing result set, column not found: "], "42703"),
    (&["Unique constraint failed: "], "23505"),
    (&["Foreign key constraint failed: "], "23503"),
    (&["Null constraint failed: "], "23502"),
];

/// Prisma's own messages, where the code beside them is left out.
const CODES: &[(&[&str], &str)] = &[
    (
        &["A migration failed to apply. New migrations cannot be applied"],
        "P3018",
    ),
    (
        &["migrate found failed migrations in the target database"],
        "P3009",
    ),
    (
        &["The database schema is not empty. Read more about how to baseline"],
        "P3005",
    ),
    (
        &["Timed out trying to acquire a postgres advisory lock"],
        "P1002",
    ),
    (&["Authentication failed against database server"], "P1000"),
    (&["Can't reach database server at "], "P1001"),
    (&["Error: Database `", "` does not exist"], "P1003"),
    (&["was denied access on the database "], "P1010"),
    (&["Error opening a TLS connection: "], "P1011"),
    (&["Environment variable not found: "], "P1012"),
    (&["Server has closed the connection"], "P1017"),
    // The trace of the engine that has no code for what an adapter reports: only `apply_script` runs a migration's SQL.
    (
        &["sql_schema_connector::apply_migration::apply_script"],
        "P3018",
    ),
];

/// The SQLSTATE that a fixed text means.
pub(super) fn sql_state(text: &str) -> Option<&'static str> {
    find(STATES, text)
}

/// The code that a fixed text means.
pub(super) fn code(text: &str) -> Option<&'static str> {
    find(CODES, text)
}

fn find(table: &[(&[&str], &'static str)], text: &str) -> Option<&'static str> {
    // Not in the order of the table, but of the text: what stands first happened first.
    text.lines().find_map(|line| {
        table
            .iter()
            .find(|(parts, _)| holds(line, parts))
            .map(|(_, meaning)| *meaning)
    })
}

fn holds(line: &str, parts: &[&str]) -> bool {
    parts
        .iter()
        .try_fold(line, |rest, part| {
            rest.find(part).map(|start| &rest[start + part.len()..])
        })
        .is_some()
}
