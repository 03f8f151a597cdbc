//! The command line `kubectl dbm`: shows what the operator knows, and creates the MigrationActions that people decide on.
//!
//! `screen`, `request`, `verdict`, `text`, `style`, `exit` and `args` are pure; `cluster` and what calls it talk to the API
//! server.

mod act;
mod annotate;
pub mod args;
mod cluster;
pub mod exit;
pub mod follow;
mod live;
mod logs;
mod page;
pub mod pod;
mod psql;
pub mod request;
pub mod screen;
mod show;
pub mod style;
mod terminal;
pub mod text;
pub mod verdict;
mod wait;

use std::ffi::OsString;

use clap::FromArgMatches;

pub use wait::reached;

use args::{Cli, Command, Shell};
use cluster::Cluster;
use exit::{Exit, Failure};
use terminal::{Terminal, print, say};

use crate::api::ActionKind;

/// Runs a command line, from the program's name on.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let program = program(arguments.first());
    let cli = match parse(&arguments, &program) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; all else is a wrong call.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            let _ = error.print();
            return exit;
        }
    };
    let terminal = Terminal::new(cli.global.no_color);
    match command(&cli, &terminal, &program).await {
        Ok(exit) => exit,
        Err(Failure { exit, message }) => {
            if exit != Exit::Interrupted {
                say(&format!("error: {message}"));
            }
            exit
        }
    }
}

/// The file's name: kubectl calls its plug-ins `kubectl-dbm`; by itself it is `dbm`, too.
fn program(first: Option<&OsString>) -> String {
    let path = first.map(std::path::PathBuf::from);
    path.as_deref()
        .and_then(std::path::Path::file_stem)
        .and_then(std::ffi::OsStr::to_str)
        .unwrap_or("kubectl-dbm")
        .to_owned()
}

fn parse(arguments: &[OsString], program: &str) -> Result<Cli, clap::Error> {
    let shown = if program == "kubectl-dbm" {
        "kubectl dbm"
    } else {
        program
    };
    let matches = args::grammar()
        .bin_name(shown.to_owned())
        .try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

async fn command(cli: &Cli, terminal: &Terminal, program: &str) -> Result<Exit, Failure> {
    if let Command::Completion { shell } = &cli.command {
        print(&completion(*shell, program));
        return Ok(Exit::Done);
    }
    let cluster = Cluster::new(&cli.global).await?;
    let (c, t) = (&cluster, terminal);
    match &cli.command {
        Command::Status(args) => show::status(c, t, args).await,
        Command::Plan(args) => show::plan(c, t, args).await,
        Command::Retry(args) => act::retry(c, t, args).await,
        Command::MarkApplied(args) => act::migration(c, t, ActionKind::MarkApplied, args).await,
        Command::MarkRolledBack(args) => {
            act::migration(c, t, ActionKind::MarkRolledBack, args).await
        }
        Command::Down(args) => act::migration(c, t, ActionKind::DownMigration, args).await,
        Command::Restore(args) => act::restore(c, t, args).await,
        Command::Baseline(args) => act::baseline(c, t, args).await,
        Command::Accept(args) => act::many(c, t, ActionKind::AcceptValidation, args).await,
        Command::Abort(args) => act::many(c, t, ActionKind::Abort, args).await,
        Command::Logs(args) => logs::logs(c, t, args).await,
        Command::Suspend(args) => annotate::suspend(c, t, args, true).await,
        Command::Resume(args) => annotate::suspend(c, t, args, false).await,
        Command::Wait(args) => wait::wait(c, args).await,
        Command::Psql(args) => psql::psql(c, &cli.global, args).await,
        Command::Completion { .. } => Ok(Exit::Done),
    }
}

/// The script by which a shell completes the program of this name.
pub fn completion(shell: Shell, program: &str) -> String {
    use clap_complete::aot;
    let mut command = args::grammar();
    let mut script = Vec::new();
    match shell {
        Shell::Bash => aot::generate(aot::Bash, &mut command, program, &mut script),
        Shell::Zsh => aot::generate(aot::Zsh, &mut command, program, &mut script),
        Shell::Fish => aot::generate(aot::Fish, &mut command, program, &mut script),
    }
    String::from_utf8_lossy(&script).into_owned()
}
