//! What Prisma's error codes mean, in one line for people.

/// The meaning of one of Prisma's codes, where it is one that migrating can give.
#[must_use]
pub fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "P1000" => "the database refused the user name or the password",
        "P1001" => "the database server cannot be reached",
        "P1002" => "the database server, or Prisma's migration lock, did not answer in time",
        "P1003" => "there is no database of that name",
        "P1008" => "an operation took longer than its time-out",
        "P1009" => "the database exists already",
        "P1010" => "the user has no access to the database",
        "P1011" => "the TLS connection could not be opened",
        "P1012" => "the Prisma schema is invalid, or a variable that it names is not set",
        "P1013" => "the connection string is invalid",
        "P1014" => "a table that the schema names does not exist",
        "P1017" => "the server closed the connection",
        "P3000" => "the database could not be created",
        "P3004" => "the database is a system database, which Prisma does not change",
        "P3005" => "the database is not empty and has no record of migrations: it needs a baseline",
        "P3006" => "a migration fails on the shadow database",
        "P3008" => "the migration is already recorded as applied",
        "P3009" => "an earlier migration failed and blocks all later ones until it is resolved",
        "P3011" => "the migration was never applied, so it cannot be marked as rolled back",
        "P3012" => "the migration did not fail, so it cannot be marked as rolled back",
        "P3014" => "the shadow database cannot be created",
        "P3015" => "a migration's folder has no migration.sql",
        "P3016" => "the database could not be reset",
        "P3017" => "the migration is not in the folder of migrations",
        "P3018" => "a migration failed to apply",
        "P3019" => "the provider of the schema is not the one of migration_lock.toml",
        "P3020" => "shadow databases cannot be created automatically here",
        "P3021" => "foreign keys cannot be created on this database",
        "P3022" => "schema changes cannot be executed directly on this database",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::meaning;

    #[test]
    fn knows_every_code_that_deploy_and_resolve_give() {
        for code in [
            "P1000", "P1001", "P1002", "P1003", "P1010", "P1012", "P1014", "P3005", "P3006",
            "P3008", "P3009", "P3011", "P3012", "P3014", "P3015", "P3017", "P3018", "P3019",
        ] {
            assert!(meaning(code).is_some(), "{code}");
        }
        assert_eq!(meaning("P9999"), None);
    }
}
