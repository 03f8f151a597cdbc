//! What stands in the catalog by name, and that what is read from a migration's text is what PostgreSQL makes of it.

use std::collections::BTreeSet;

use database_migration_operator::database::{Look, Target};
use database_migration_operator::facts::Object;
use database_migration_operator::tools::sql::{describe, effects, expected, not_there};

use crate::harness::{Db, create_ledger, known, run};

/// The names of everything, as a look sees them.
pub async fn objects(target: &Target) -> BTreeSet<Object> {
    let what = Look {
        objects: true,
        ..Look::default()
    };
    known(target, what).await.objects.unwrap()
}

const SCENE: &str = "
    CREATE SCHEMA \"Shop 2\"; SET search_path = \"Shop 2\";
    CREATE TYPE mood AS ENUM ('sad', 'it''s');
    CREATE TYPE pair AS (a int);
    CREATE TYPE span AS RANGE (SUBTYPE = int);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE SEQUENCE counter;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION twice(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE \"A\" (id serial PRIMARY KEY, gone int, mood mood);
    ALTER TABLE \"A\" DROP COLUMN gone;
    CREATE TABLE parted (id int) PARTITION BY RANGE (id);
    CREATE INDEX \"A mood\" ON \"A\" (mood);
    CREATE VIEW v AS SELECT id FROM \"A\";
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
    CREATE TRIGGER touched BEFORE UPDATE ON \"A\" FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE TEMP TABLE passing (id int);
";

#[tokio::test]
async fn objects_of_every_kind_are_seen_and_the_ledger_is_not() {
    Db::with(async |db| {
        let mut session = db.session("test").await;
        run(&mut session, SCENE).await;
        run(&mut session, &create_ledger("public")).await;
        let seen = objects(&db.as_admin()).await;
        // From 14 on a range's multirange brings a function of its own.
        let said: Vec<String> = seen
            .iter()
            .map(|object| describe(object, "Shop 2"))
            .filter(|line| !line.contains("multirange"))
            .collect();
        assert_eq!(
            said,
            [
                "schema \"Shop 2\"",
                "schema \"public\"",
                "table \"A\"",
                "table \"parted\"",
                "view \"m\"",
                "view \"v\"",
                "sequence \"A_id_seq\"",
                "sequence \"counter\"",
                "index \"A mood\"",
                "index \"A_pkey\"",
                "column \"A\".\"id\"",
                "column \"A\".\"mood\"",
                "column \"parted\".\"id\"",
                "constraint \"A\".\"A_pkey\"",
                "type \"mood\"",
                "type \"pair\"",
                "type \"positive\"",
                "type \"span\"",
                "value \"it's\" of type \"mood\"",
                "value \"sad\" of type \"mood\"",
                "function \"span\"",
                "function \"touch\"",
                "function \"twice\"",
                "trigger \"A\".\"touched\"",
                "extension \"plpgsql\"",
            ]
        );
        assert_eq!(
            objects(&db.as_role()).await,
            seen,
            "the same for a role without rights"
        );
        assert_eq!(db.look().await.objects, None, "only when it is asked");
        // Another schema's ledger is a table like any other.
        let elsewhere = Target {
            schema: "Shop 2".to_owned(),
            ..db.as_admin()
        };
        assert!(
            objects(&elsewhere)
                .await
                .iter()
                .any(|object| object.name == "_prisma_migrations")
        );
    })
    .await;
}

/// Statements as migrations have them, each of which runs on what the ones before it left.
const STATEMENTS: &[&str] = &[
    "CREATE TYPE \"Role\" AS ENUM ('USER', 'ADMIN')",
    "CREATE TABLE \"User\" (\"id\" SERIAL NOT NULL, \"email\" TEXT NOT NULL DEFAULT 'a,b)', \"role\" \"Role\" NOT NULL DEFAULT 'USER', \
     at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, amount NUMERIC(10, 2)[], CONSTRAINT \"User_pkey\" PRIMARY KEY (\"id\"))",
    "CREATE TABLE Post (id INT CONSTRAINT post_key UNIQUE CONSTRAINT post_positive CHECK (id > 0), \"authorId\" INT REFERENCES \"User\" (id), \
     EXCLUDE USING btree (id WITH =), CONSTRAINT post_some CHECK (id < 5 OR \"authorId\" IS NULL))",
    "CREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(\"email\")",
    "CREATE INDEX IF NOT EXISTS \"User_at\" ON public.\"User\" USING btree (at DESC) INCLUDE (id) WHERE at IS NOT NULL",
    "CREATE INDEX CONCURRENTLY post_author ON post (\"authorId\")",
    "ALTER TABLE post ADD CONSTRAINT post_fkey FOREIGN KEY (\"authorId\") REFERENCES \"User\"(\"id\") ON DELETE SET NULL NOT VALID",
    "ALTER TABLE post ADD COLUMN title text, ADD \"Body\" varchar(3) DEFAULT 'x' NOT NULL, ADD COLUMN IF NOT EXISTS title text, DROP CONSTRAINT post_some",
    "ALTER TABLE post ADD COLUMN slug text CONSTRAINT slug_key UNIQUE, ADD CONSTRAINT body_key UNIQUE (\"Body\", title)",
    "ALTER TABLE post ALTER COLUMN title TYPE varchar(9), ALTER COLUMN title SET NOT NULL",
    "ALTER TABLE post RENAME COLUMN title TO heading",
    "ALTER TABLE post RENAME CONSTRAINT body_key TO heading_key",
    "ALTER INDEX \"User_at\" RENAME TO user_at_idx",
    "CREATE UNIQUE INDEX by_heading ON post (heading)",
    "ALTER TABLE post ADD CONSTRAINT heading_unique UNIQUE USING INDEX by_heading",
    "ALTER TYPE \"Role\" ADD VALUE 'it''s' AFTER 'USER'",
    "ALTER TYPE \"Role\" RENAME VALUE 'ADMIN' TO 'ROOT'",
    "BEGIN; CREATE TYPE \"Role_new\" AS ENUM ('USER', 'NONE'); ALTER TABLE \"User\" ALTER COLUMN role DROP DEFAULT, \
     ALTER COLUMN role TYPE \"Role_new\" USING (role::text::\"Role_new\"); ALTER TYPE \"Role\" RENAME TO \"Role_old\"; \
     ALTER TYPE \"Role_new\" RENAME TO \"Role\"; DROP TYPE \"public\".\"Role_old\"; COMMIT",
    "CREATE VIEW latest AS SELECT id FROM post",
    "CREATE OR REPLACE VIEW latest AS SELECT id, slug FROM post",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS counts AS SELECT count(*) AS n FROM post",
    "ALTER VIEW latest RENAME TO newest",
    "CREATE SEQUENCE numbers; ALTER SEQUENCE numbers OWNED BY post.id",
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE x; RETURN NEW; END $$",
    "CREATE TRIGGER touched BEFORE INSERT OR UPDATE OF slug ON post FOR EACH ROW WHEN (NEW.slug IS NOT NULL) EXECUTE FUNCTION touch()",
    "CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON post DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touch()",
    "ALTER TRIGGER touched ON post RENAME TO \"Touched\"",
    "CREATE SCHEMA IF NOT EXISTS side; CREATE SCHEMA side2 AUTHORIZATION CURRENT_USER",
    "CREATE TABLE side.t (a int, b int, CONSTRAINT t_pkey PRIMARY KEY (a)); CREATE INDEX t_b ON side.t (b)",
    "ALTER TABLE side.t SET SCHEMA side2",
    "ALTER SCHEMA side2 RENAME TO \"Side 3\"",
    "ALTER TABLE \"Side 3\".t RENAME TO u; ALTER TABLE \"Side 3\".u RENAME b TO c; ALTER TABLE \"Side 3\".u DROP COLUMN c",
    "CREATE TABLE parted (a int) PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); CREATE INDEX part_a ON part (a)",
    "CREATE TABLE copied (LIKE \"User\" INCLUDING ALL); CREATE TABLE made AS SELECT 1 AS one; SELECT 2 AS two INTO made2",
    "CREATE UNLOGGED TABLE fast (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED ALWAYS AS (1 + 1) STORED)",
    "CREATE TEMP TABLE made (a int); DROP TABLE made",
    "CREATE TABLE child (b int) INHERITS (made2)",
    "INSERT INTO \"User\" (email) SELECT 'x' WHERE false",
    "DO $$ BEGIN ALTER TABLE post DROP COLUMN \"Body\"; END $$",
    "DROP TRIGGER IF EXISTS checked ON post",
    "DROP INDEX CONCURRENTLY post_author",
    "DROP TABLE parted; DROP TABLE made2 CASCADE",
    "ALTER TABLE post DROP COLUMN heading CASCADE, DROP COLUMN IF EXISTS nothing",
    "ALTER TABLE post DROP CONSTRAINT post_key",
    "DROP VIEW newest; DROP MATERIALIZED VIEW counts",
    "DROP TABLE post; DROP FUNCTION touch()",
    "DROP SCHEMA \"Side 3\" CASCADE",
    "DROP TABLE IF EXISTS \"User\", copied CASCADE; DROP TYPE \"Role\"",
];

#[tokio::test]
async fn postgresql_makes_of_a_migration_what_is_read_from_its_text() {
    Db::with(async |db| {
        let mut session = db.session("test").await;
        let names: Vec<String> = (0..STATEMENTS.len()).map(|n| n.to_string()).collect();
        let mut ran: Vec<(&str, &str)> = Vec::new();
        for (sql, name) in STATEMENTS.iter().zip(&names) {
            run(&mut session, sql).await;
            let after = objects(&db.as_admin()).await;
            ran.push((name, sql));
            // A text of one statement does what its effects say.
            if let [effects] = &effects(sql, "public")[..] {
                for added in &effects.adds {
                    assert!(
                        after.contains(added),
                        "{sql}\nadds no {}",
                        describe(added, "")
                    );
                }
                for removed in &effects.removes {
                    assert!(
                        !after.contains(removed),
                        "{sql}\nleaves {}",
                        describe(removed, "")
                    );
                }
            }
            assert_eq!(not_there(&ran, "public", &after), [], "{sql}");
        }
        let expected = expected(&ran, "public");
        assert!(!expected.is_empty());
    })
    .await;
}

#[tokio::test]
async fn constraints_that_are_not_validated_are_seen_until_they_are() {
    Db::with(async |db| {
        db.run(
            "CREATE SCHEMA \"S 2\"; CREATE TABLE \"S 2\".t (a int); CREATE TABLE b (a int CHECK (a > 0)); \
             ALTER TABLE \"S 2\".t ADD CONSTRAINT \"Late\" CHECK (a > 0) NOT VALID; \
             ALTER TABLE b ADD CONSTRAINT late CHECK (a > 1) NOT VALID",
        )
        .await;
        let expected = ["\"S 2\".t.\"Late\"", "public.b.late"];
        assert_eq!(db.look().await.not_valid_constraints, expected);
        assert_eq!(
            known(&db.as_role(), Look::default()).await.not_valid_constraints,
            expected,
            "for a role without rights"
        );
        db.run("ALTER TABLE b VALIDATE CONSTRAINT late").await;
        assert_eq!(db.look().await.not_valid_constraints, expected[..1]);
    })
    .await;
}
