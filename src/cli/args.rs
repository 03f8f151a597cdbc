//! PURE. The command line's grammar.

mod examples;
mod global;
mod psql;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use global::Global;
pub use psql::PsqlArgs;

use crate::api::{ActionKind, Duration};

/// Database migrations on Kubernetes: what happened, what is left, and what to do about it.
///
/// Exit codes: 0 done; 1 failed; 2 called wrongly; 3 a human is needed; 4 the cluster is not reachable.
#[derive(Debug, Parser)]
#[command(name = "kubectl-dbm", version, max_term_width = 100)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What happened, what is left, and what you can do; without NAME a table
    Status(StatusArgs),
    /// What is pending in each database, and what was found
    Plan(PlanArgs),
    /// Starts a new run
    Retry(RetryArgs),
    /// Tells Prisma that a failed migration was finished by hand; the run goes on
    MarkApplied(MigrationArgs),
    /// Tells Prisma that nothing of a failed migration is left; the run ends
    MarkRolledBack(MigrationArgs),
    /// Runs the down.sql beside a migration and marks it rolled back; the run ends
    Down(MigrationArgs),
    /// Brings a database back to a restore point or a time, by spec.rollback.restore; the run ends
    Restore(RestoreArgs),
    /// Tells Prisma which migrations a database without a ledger holds already (P3005); the run goes on
    Baseline(BaselineArgs),
    /// Takes a validation that failed as passed; the run goes on to its end
    Accept(ManyAction),
    /// Ends a run before its next step; a running migration is not killed
    Abort(ManyAction),
    /// The logs of all Jobs of a run, in the order of its steps
    Logs(LogsArgs),
    /// No further migration is started from now on; a running one goes on
    Suspend(ManyWrite),
    /// Resumes a suspended resource
    Resume(ManyWrite),
    /// Waits until resources are migrated or ready, or need somebody
    Wait(WaitArgs),
    /// Runs psql on a database of a resource, in a pod of its namespace, with the URL from its Secret
    Psql(PsqlArgs),
    /// Prints a shell completion script
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// The shells that can be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// One resource by name, or many by their labels.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// The DatabaseMigration
    #[arg(value_name = "NAME", required_unless_present = "selector")]
    pub name: Option<String>,
    /// All with these labels instead: `team=shop`
    #[arg(
        short = 'l',
        long,
        value_name = "LABELS",
        conflicts_with = "name",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub selector: Option<String>,
}

/// How state is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// How state is printed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Output {
    /// Prints the object itself instead of words about it; a List where none was named
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// `status`.
#[derive(Clone, Debug, Default, Args)]
pub struct StatusArgs {
    /// The DatabaseMigration; default: a table of all in the namespace
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// All with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "name")]
    pub selector: Option<String>,
    /// All of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,
    /// Shows it live until it has settled
    #[arg(short, long, requires = "name", conflicts_with = "output")]
    pub watch: bool,
    /// How it is printed.
    #[command(flatten)]
    pub output: Output,
}

/// `plan`.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanArgs {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// Prints the SQL of the pending migrations, too
    #[arg(long)]
    pub sql: bool,
    /// How it is printed.
    #[command(flatten)]
    pub output: Output,
}

/// What a write needs.
#[derive(Clone, Debug, Default, Args)]
pub struct Write {
    /// Skips the confirmation; for scripts
    #[arg(short, long)]
    pub yes: bool,
}

/// `suspend` and `resume`.
#[derive(Clone, Debug, Default, Args)]
pub struct ManyWrite {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// What a write needs.
    #[command(flatten)]
    pub write: Write,
}

/// What every MigrationAction needs.
#[derive(Clone, Debug, Default, Args)]
pub struct Act {
    /// Why, for those who read it later: 3 to 500 characters
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The run that was looked at; in another run it is refused. Default: the one of now
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// What a write needs.
    #[command(flatten)]
    pub write: Write,
    /// Waits until it was carried out, and where the run goes on, until that has settled
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set
    )]
    pub wait: bool,
    /// Returns when the MigrationAction was created
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
    /// Waits for no longer than this: 90s, 30m, 1h30m. Default: for as long as it takes
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How it is printed.
    #[command(flatten)]
    pub output: Output,
}

/// What is done against what the operator sees.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Force {
    /// Carries it out although the catalog contradicts it
    #[arg(long)]
    pub force: bool,
}

/// `retry`.
#[derive(Clone, Debug, Default, Args)]
pub struct RetryArgs {
    /// Which, and what every MigrationAction needs.
    #[command(flatten)]
    pub many: ManyAction,
    /// Where the operator cannot tell whether a baseline is needed: leaves that to Prisma, which then may refuse; takes back
    /// a baseline that was cut off; accepts what an earlier run applied without its having been planned
    #[arg(long)]
    pub force: bool,
}

/// `accept` and `abort`.
#[derive(Clone, Debug, Default, Args)]
pub struct ManyAction {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// What every MigrationAction needs.
    #[command(flatten)]
    pub act: Act,
}

/// `mark-applied`, `mark-rolled-back` and `down`.
#[derive(Clone, Debug, Default, Args)]
pub struct MigrationArgs {
    /// The DatabaseMigration
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The database; default: the one that failed
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// The migration; default: the one that failed
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub migration: Option<String>,
    /// Against the catalog.
    #[command(flatten)]
    pub force: Force,
    /// What every MigrationAction needs.
    #[command(flatten)]
    pub act: Act,
}

/// `restore`.
#[derive(Clone, Debug, Default, Args)]
pub struct RestoreArgs {
    /// The DatabaseMigration
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The database; default: the one that failed, or the only one
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// A restore point's name, or a time like 2026-11-22T03:02:11Z; default: the run's restore point
    #[arg(long, value_name = "POINT|TIME")]
    pub target: Option<String>,
    /// What every MigrationAction needs.
    #[command(flatten)]
    pub act: Act,
}

/// `baseline`.
#[derive(Clone, Debug, Default, Args)]
pub struct BaselineArgs {
    /// The DatabaseMigration
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The database; default: the only one
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// The last migration that the database holds already; all before it are marked, too
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub migration: String,
    /// The plan that was looked at; in another one it is refused. Default: the one of now
    #[arg(long, value_name = "HASH")]
    pub plan: Option<String>,
    /// Against the catalog.
    #[command(flatten)]
    pub force: Force,
    /// What every MigrationAction needs.
    #[command(flatten)]
    pub act: Act,
}

/// `logs`.
#[derive(Clone, Debug, Default, Args)]
pub struct LogsArgs {
    /// The DatabaseMigration
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The run; default: the one under way, or the last one
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Only the Jobs of this database
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Streams until the run ends
    #[arg(short, long, conflicts_with = "run")]
    pub follow: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Migrated and verified, with smoke tests and all
    #[default]
    #[value(alias = "condition=ready")]
    Ready,
    /// Every migration of the image stands in the ledgers
    #[value(alias = "condition=migrated")]
    Migrated,
}

/// `wait`.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// What is waited for
    #[arg(
        long = "for",
        value_enum,
        default_value_t,
        value_name = "GOAL",
        ignore_case = true
    )]
    pub goal: Goal,
    /// Waits for no longer than this: 90s, 30m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30m")]
    pub timeout: Duration,
    /// Ends with exit code 3 when it has waited for so long for what somebody has to mend, such as a missing Secret; 0s: at once
    #[arg(long, value_name = "DURATION", value_parser = patience, default_value = "60s")]
    pub patience: Duration,
}

/// The grammar, with the examples of every command.
pub fn grammar() -> clap::Command {
    examples::added(Cli::command())
}

impl Act {
    /// Whether to stay until it was carried out.
    pub fn stays(&self) -> bool {
        self.wait && !self.no_wait
    }
}

/// The command's word for an action.
pub fn verb(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Retry => "retry",
        ActionKind::MarkApplied => "mark-applied",
        ActionKind::MarkRolledBack => "mark-rolled-back",
        ActionKind::DownMigration => "down",
        ActionKind::Restore => "restore",
        ActionKind::Baseline => "baseline",
        ActionKind::AcceptValidation => "accept",
        ActionKind::Abort => "abort",
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = Duration::new(text);
    match duration.seconds() {
        Some(seconds) if seconds > 0 => Ok(duration),
        _ => Err("a duration like 90s, 30m or 1h30m".to_owned()),
    }
}

fn patience(text: &str) -> Result<Duration, String> {
    let duration = Duration::new(text);
    match duration.seconds() {
        Some(seconds) if seconds >= 0 => Ok(duration),
        _ => Err("a duration like 0s, 90s or 5m".to_owned()),
    }
}

#[cfg(test)]
mod tests;
