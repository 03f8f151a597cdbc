//! The queries that list rows which are in the way.

use super::*;

#[rstest::rstest]
#[case(
    "ALTER TABLE t ADD x int;\nCREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\");",
    Some(
        "SELECT \"email\", count(*) FROM \"User\" WHERE (\"email\") IS NOT NULL GROUP BY \"email\" HAVING count(*) > 1"
    )
)]
#[case(
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"User_email_key\" ON app.\"User\" USING btree (\"email\", lower(\"name\")) WHERE \"gone\" IS NULL",
    Some(
        "SELECT \"email\", lower(\"name\"), count(*) FROM app.\"User\" WHERE (\"gone\" IS NULL) AND (\"email\", lower(\"name\")) IS NOT NULL GROUP BY \"email\", lower(\"name\") HAVING count(*) > 1"
    )
)]
#[case(
    "CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\" DESC);",
    None
)]
#[case(
    "CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\") INCLUDE (a);",
    None
)]
#[case("CREATE UNIQUE INDEX other ON \"User\"(\"email\");", None)]
fn duplicates_of_a_unique_index(#[case] sql: &str, #[case] expected: Option<&str>) {
    let stopped = Stopped {
        position: None,
        sql_state: Some("23505"),
        message: "ERROR: could not create unique index \"User_email_key\"",
    };
    let found = offending_rows(sql, "public", &stopped);
    assert_eq!(found.map(|found| found.query).as_deref(), expected);
}

#[test]
fn rows_without_a_value() {
    let stopped = Stopped {
        position: None,
        sql_state: Some("23502"),
        message: "ERROR: column \"name\" of relation \"User\" contains null values",
    };
    assert_eq!(
        offending_rows("", "public", &stopped)
            .map(|found| found.query)
            .as_deref(),
        Some("SELECT * FROM \"User\" WHERE \"name\" IS NULL LIMIT 20")
    );
}

/// No row has it yet.
#[rstest::rstest]
#[case("ALTER TABLE app.\"User\" ADD COLUMN \"name\" TEXT NOT NULL;", Some(1))]
#[case(
    "SELECT 1; ALTER TABLE \"User\" DROP COLUMN a, ADD COLUMN IF NOT EXISTS \"name\" TEXT NOT NULL;",
    Some(2)
)]
#[case("ALTER TABLE \"User\" ALTER COLUMN \"name\" SET NOT NULL;", None)]
#[case("ALTER TABLE \"Other\" ADD COLUMN \"name\" TEXT NOT NULL;", None)]
fn a_new_column_without_a_value(#[case] sql: &str, #[case] expected: Option<usize>) {
    let stopped = Stopped {
        position: None,
        sql_state: Some("23502"),
        message: "ERROR: column \"name\" of relation \"User\" contains null values",
    };
    let found = adds_without_default(sql, &stopped);
    assert_eq!(found.map(|found| found.number), expected);
    assert_eq!(
        offending_rows(sql, "public", &stopped).is_none(),
        expected.is_some()
    );
}

fn query(sql: &str, state: &str, message: &str) -> Option<String> {
    let stopped = Stopped {
        position: None,
        sql_state: Some(state),
        message,
    };
    offending_rows(sql, "public", &stopped).map(|found| found.query)
}

#[rstest::rstest]
#[case::orphans(
    r#"ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;"#,
    "23503",
    r#"ERROR: insert or update on table "Post" violates foreign key constraint "Post_authorId_fkey""#,
    r#"SELECT c.* FROM "Post" c LEFT JOIN "User" p ON p."id" = c."authorId" WHERE c."authorId" IS NOT NULL AND p."id" IS NULL LIMIT 20"#
)]
#[case::orphans_of_two(
    "ALTER TABLE ONLY app.a ADD COLUMN z int, ADD CONSTRAINT f FOREIGN KEY (x, y) REFERENCES app.b (m, n)",
    "23503",
    "insert or update on table \"a\" violates foreign key constraint \"f\"",
    "SELECT c.* FROM app.a c LEFT JOIN app.b p ON p.m = c.x AND p.n = c.y WHERE c.x IS NOT NULL AND c.y IS NOT NULL AND p.m IS NULL LIMIT 20"
)]
#[case::check(
    "ALTER TABLE t ADD CONSTRAINT positive CHECK (price > 0\n  AND price < 9)",
    "23514",
    "check constraint \"positive\" of relation \"t\" is violated by some row",
    "SELECT * FROM t WHERE NOT (price > 0 AND price < 9) LIMIT 20"
)]
#[case::unique(
    "ALTER TABLE t ADD CONSTRAINT t_key UNIQUE (a, \"B\")",
    "23505",
    "could not create unique index \"t_key\"",
    "SELECT a, \"B\", count(*) FROM t WHERE (a, \"B\") IS NOT NULL GROUP BY a, \"B\" HAVING count(*) > 1 LIMIT 20"
)]
#[case::too_long(
    "-- AlterTable\nALTER TABLE \"User\" ADD COLUMN x int, ALTER COLUMN \"code\" SET DATA TYPE VARCHAR(6);",
    "22001",
    "ERROR: value too long for type character varying(6)",
    "SELECT * FROM \"User\" WHERE length(\"code\"::text) > 6 LIMIT 20"
)]
#[case::one_of_two(
    "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(7); ALTER TABLE t ALTER b TYPE character varying ( 6 );",
    "22001",
    "value too long for type character varying(6) (SQLSTATE 22001)",
    "SELECT * FROM t WHERE length(b::text) > 6 LIMIT 20"
)]
#[case::integer(
    "ALTER TABLE t ALTER COLUMN \"n\" TYPE INTEGER USING (\"n\"::integer)",
    "22P02",
    "invalid input syntax for type integer: \"[redacted]\"",
    "SELECT * FROM t WHERE \"n\"::text !~ '^\\s*[-+]?[0-9]+\\s*$' LIMIT 20"
)]
#[case::uuid(
    "ALTER TABLE t ALTER COLUMN n TYPE uuid USING CAST(n AS uuid)",
    "22P02",
    "invalid input syntax for type uuid: \"[redacted]\"",
    "SELECT * FROM t WHERE n::text !~* '^\\{?([0-9a-f]{4}-?){7}[0-9a-f]{4}\\}?$' LIMIT 20"
)]
#[case::label(
    r#"BEGIN;
CREATE TYPE "Role_new" AS ENUM ('USER', 'ADMIN');
ALTER TABLE "User" ALTER COLUMN "role" DROP DEFAULT;
ALTER TABLE "User" ALTER COLUMN "role" TYPE "Role_new" USING ("role"::text::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
DROP TYPE "Role_old";
ALTER TABLE "User" ALTER COLUMN "role" SET DEFAULT 'USER';
COMMIT;"#,
    "22P02",
    "invalid input value for enum \"Role_new\": \"[redacted]\"",
    "SELECT * FROM \"User\" WHERE \"role\"::text NOT IN ('USER', 'ADMIN') LIMIT 20"
)]
#[case::range(
    "ALTER TABLE t ALTER COLUMN n SET DATA TYPE INTEGER",
    "22003",
    "integer out of range",
    "SELECT * FROM t WHERE n::numeric NOT BETWEEN -2147483648 AND 2147483647 LIMIT 20"
)]
#[case::digits(
    "ALTER TABLE t ALTER COLUMN n SET DATA TYPE DECIMAL(6,2)",
    "22003",
    "numeric field overflow",
    "SELECT * FROM t WHERE abs(round(n::numeric, 2)) >= 1e4 LIMIT 20"
)]
fn rows_that_are_in_the_way(
    #[case] sql: &str,
    #[case] state: &str,
    #[case] message: &str,
    #[case] expected: &str,
) {
    assert_eq!(query(sql, state, message).as_deref(), Some(expected));
}

/// Where it is not certain what failed, and where no query would be right.
#[rstest::rstest]
#[case::rows_are_written(
    "ALTER TABLE t ALTER a TYPE VARCHAR(6); UPDATE t SET b = c;",
    "22001",
    "value too long for type character varying(6)"
)]
#[case::two_columns(
    "ALTER TABLE t ALTER a TYPE VARCHAR(6), ALTER b TYPE VARCHAR(6);",
    "22001",
    "value too long for type character varying(6)"
)]
#[case::cut_by_its_cast(
    "ALTER TABLE t ALTER a TYPE VARCHAR(6) USING a::VARCHAR(6)",
    "22001",
    "value too long for type character varying(6)"
)]
#[case::a_default(
    "ALTER TABLE t ALTER a TYPE VARCHAR(6); ALTER TABLE u ADD COLUMN b VARCHAR(6) DEFAULT 'abcdefgh';",
    "22001",
    "value too long for type character varying(6)"
)]
#[case::another_type(
    "ALTER TABLE t ALTER a TYPE VARCHAR(6)",
    "22001",
    "value too long for type character varying(7)"
)]
#[case::an_expression(
    "ALTER TABLE t ALTER a TYPE int USING trim(a)::int",
    "22P02",
    "invalid input syntax for type integer: \"[redacted]\""
)]
#[case::an_index_casts(
    "ALTER TABLE t ALTER a TYPE int USING a::int; CREATE INDEX i ON u ((b::int));",
    "22P02",
    "invalid input syntax for type integer: \"[redacted]\""
)]
#[case::no_pattern(
    "ALTER TABLE t ALTER a TYPE json USING a::json",
    "22P02",
    "invalid input syntax for type json"
)]
#[case::written_after(
    "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b (m); INSERT INTO a VALUES (1);",
    "23503",
    "insert or update on table \"a\" violates foreign key constraint \"f\""
)]
#[case::unnamed(
    "ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b (m)",
    "23503",
    "insert or update on table \"a\" violates foreign key constraint \"a_x_fkey\""
)]
#[case::its_key_unnamed(
    "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b",
    "23503",
    "insert or update on table \"a\" violates foreign key constraint \"f\""
)]
#[case::of_a_new_row(
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
    "23514",
    "new row for relation \"t\" violates check constraint \"c\""
)]
fn no_query_where_it_might_be_wrong(#[case] sql: &str, #[case] state: &str, #[case] message: &str) {
    assert_eq!(query(sql, state, message), None);
}

#[test]
fn what_failed_is_named_with_its_column() {
    let stopped = Stopped {
        position: None,
        sql_state: Some("22001"),
        message: "value too long for type character varying(6)",
    };
    let sql = "ALTER TABLE a ADD COLUMN b int; ALTER TABLE \"User\" ALTER COLUMN \"code\" TYPE VARCHAR(6);";
    let found = offending_rows(sql, "public", &stopped);
    let statement = found.as_ref().and_then(|found| found.statement.as_ref());
    assert_eq!(statement.map(|statement| statement.number), Some(2));
    let column = found.as_ref().and_then(|found| found.column.as_deref());
    assert_eq!(column, Some("\"code\" of \"User\""));
}
