//! PURE. Commands that run psql where the database can be reached: `kubectl dbm psql` does that in a pod of the resource's namespace, with
//! the URL from its Secret, which comes on no command line.

use super::prisma::shell_quote;

/// What the commands begin with.
pub const BEGINS: &str = "kubectl dbm psql ";

/// The database for which they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Psql {
    /// The namespace of the resource.
    pub namespace: String,
    /// Its name.
    pub resource: String,
    /// The database in it; where the spec does not name it there are no commands.
    pub database: String,
}

impl Psql {
    /// Runs statements, one after the other, up to the first that fails.
    #[must_use]
    pub fn run(&self, statements: &[String]) -> String {
        self.with("", statements)
    }

    /// Runs statements, all of them or none, if a row of the ledger is open still: what undoes a migration must not be run once more when that runs again.
    #[must_use]
    pub fn if_open(&self, row: &str, statements: &[String]) -> String {
        let option = format!(" --single-transaction --if-open {}", shell_quote(row));
        self.with(&option, statements)
    }

    fn with(&self, option: &str, statements: &[String]) -> String {
        if self.database.is_empty() {
            return String::new();
        }
        let mut command = format!(
            "{BEGINS}{} -n {} --database {}{option}",
            shell_quote(&self.resource),
            shell_quote(&self.namespace),
            shell_quote(&self.database)
        );
        for statement in statements {
            command.push_str(&format!(" -c {}", shell_quote(statement)));
        }
        command
    }

    /// Ends a session.
    #[must_use]
    pub fn terminate(&self, pid: i32) -> String {
        self.run(&[terminate(pid)])
    }

    /// The same for whoever may end what the migration's role may not: the URL is read from a variable of the shell.
    #[must_use]
    pub fn terminate_as_admin(&self, pid: i32) -> String {
        self.with(" --admin", &[terminate(pid)])
    }

    /// Shows what a session is at: of a dump the table that it reads.
    #[must_use]
    pub fn at_work(&self, pid: i32) -> String {
        self.run(&[at_work(pid)])
    }

    /// Shows what the sessions of that name are at.
    #[must_use]
    pub fn at_work_named(&self, application: &str) -> String {
        let application = application.replace('\'', "''");
        self.run(&[format!(
            "SELECT pid, now() - query_start AS runs_for, state, query FROM pg_stat_activity WHERE application_name = '{application}'"
        )])
    }

    /// Shows the tables, whose they are, and how big.
    #[must_use]
    pub fn tables(&self) -> String {
        self.run(&["\\dt+".to_owned()])
    }

    /// Shows which sessions of the database hold locks on its tables.
    #[must_use]
    pub fn holders(&self) -> String {
        self.run(&["SELECT pid, usename, application_name, state, xact_start FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid IN (SELECT pid FROM pg_locks WHERE granted AND relation IS NOT NULL)".to_owned()])
    }

    /// Shows what holds the connections of the server, for whoever is let in by a limit that the migration's role has reached.
    #[must_use]
    pub fn connections(&self) -> String {
        self.with(
            " --admin",
            &["SELECT usename, datname, application_name, state, count(*), array_agg(pid) AS pids FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC".to_owned()],
        )
    }

    /// The same as [`Psql::at_work`] for a session that the migration's role may not see into.
    #[must_use]
    pub fn at_work_as_admin(&self, pid: i32) -> String {
        self.with(" --admin", &[at_work(pid)])
    }

    /// Asks the server for anything at all.
    #[must_use]
    pub fn reach(&self) -> String {
        self.run(&["SELECT 1".to_owned()])
    }
}

/// A statement that fails on another server than this one, for a role that is told which one it is.
#[must_use]
pub fn is_server(identifier: &str, database: &str) -> String {
    let database = database.replace('\'', "''");
    format!(
        "DO $dbm$ BEGIN IF has_function_privilege('pg_control_system()', 'EXECUTE') THEN \
         IF (SELECT system_identifier FROM pg_control_system())::text <> '{identifier}' \
         THEN RAISE EXCEPTION USING MESSAGE = 'the URL leads to another server than that of database {database}: nothing was run'; \
         END IF; END IF; END $dbm$"
    )
}

/// A statement that fails where a row of the ledger is not open any more.
#[must_use]
pub fn is_open(row: &str) -> String {
    let row = row.replace('\'', "''");
    format!(
        "DO $dbm$ BEGIN IF NOT EXISTS (SELECT FROM _prisma_migrations WHERE id = '{row}' AND finished_at IS NULL AND rolled_back_at IS NULL) \
         THEN RAISE EXCEPTION USING MESSAGE = 'row {row} of _prisma_migrations is not open any more, it was marked since: nothing was changed'; \
         END IF; END $dbm$"
    )
}

fn at_work(pid: i32) -> String {
    format!(
        "SELECT now() - xact_start AS runs_for, state, query FROM pg_stat_activity WHERE pid = {pid}"
    )
}

fn terminate(pid: i32) -> String {
    format!("SELECT pg_terminate_backend({pid})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed() {
        let psql = Psql {
            namespace: "shop".to_owned(),
            resource: "app".to_owned(),
            database: "identity".to_owned(),
        };
        let statements = [r#"DROP TABLE "It's""#.to_owned(), "SELECT 1".to_owned()];
        assert_eq!(
            psql.if_open("r", &statements),
            r#"kubectl dbm psql app -n shop --database identity --single-transaction --if-open r -c 'DROP TABLE "It'\''s"' -c 'SELECT 1'"#
        );
        assert_eq!(
            psql.terminate_as_admin(42),
            "kubectl dbm psql app -n shop --database identity --admin -c 'SELECT pg_terminate_backend(42)'"
        );
        assert_eq!(Psql::default().terminate(1), "");
    }
}
