//! `kubectl dbm`: see the library's module `cli`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    database_migration_operator::cli::run(std::env::args_os())
        .await
        .into()
}
