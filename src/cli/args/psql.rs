//! PURE. What `psql` takes.

use clap::Args;

use crate::api::Duration;
use crate::cli::pod::IMAGE;

/// `psql`.
#[derive(Clone, Debug, Default, Args)]
pub struct PsqlArgs {
    /// The DatabaseMigration
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The database, as the spec names it
    #[arg(short, long, value_name = "DATABASE")]
    pub database: String,
    /// A statement; may be given more than once, and ends at the first that fails. Without one it is a session at the terminal
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub statements: Vec<String>,
    /// All statements or none
    #[arg(short = '1', long, requires = "statements")]
    pub single_transaction: bool,
    /// Runs nothing unless this row of _prisma_migrations is open still: neither finished nor rolled back. So what undoes a migration is not run once more when it has been marked, or run again
    #[arg(long, value_name = "ROW", requires = "single_transaction")]
    pub if_open: Option<String>,
    /// Takes the connection URL from the variable ADMIN_DATABASE_URL of this shell instead
    #[arg(long, requires = "statements")]
    pub admin: bool,
    /// How long a statement waits for a lock, and may keep others waiting behind it; 0s: as long as it takes [default: 5s; with CONCURRENTLY 0s]. How long it runs is not limited: a statement_timeout of the role does not hold
    #[arg(long, value_name = "DURATION", value_parser = super::patience)]
    pub lock_timeout: Option<Duration>,
    /// An image that holds psql and sh
    #[arg(
        long,
        env = "DBM_PSQL_IMAGE",
        value_name = "IMAGE",
        default_value = IMAGE
    )]
    pub image: String,
}
