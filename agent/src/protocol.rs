//! What the agent and the operator say to each other: requests go in as one JSON argument, answers come out as one
//! framed line of the log (the inventory) or as the container's termination message (everything else).
//!
//! Both sides are of one release, because the operator's own image delivers the agent. The version number guards
//! against an image that brings an agent of its own (`job.agentPath`).

use serde::{Deserialize, Serialize};

/// The version of this protocol. Of a container's end no other is read; an inventory of another is refused where the image brings
/// its own agent, because that would not understand the requests.
pub const VERSION: u32 = 3;

/// What stands before the base64 of the compressed [`InventoryReport`] on its one line of the log.
pub const INVENTORY_FRAME: &str = "DBM-INVENTORY-1 ";

/// The kubelet keeps at most this many bytes of a termination message.
pub const TERMINATION_MESSAGE_LIMIT: usize = 4096;

/// Where, inside an image, one database's Prisma project stands. All paths are relative to the working directory or
/// absolute; an empty string means unset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectPaths {
    /// The database's name in the resource.
    pub database: String,
    /// The Prisma schema: a file, or a folder of files.
    pub schema: String,
    /// The folder of the migrations; default: `migrations` beside the schema.
    #[serde(default)]
    pub migrations: String,
    /// `prisma.config.ts` or its like; its folder becomes the working directory of Prisma.
    #[serde(default)]
    pub config: String,
    /// How Prisma is called; default: node on the `prisma` package found from the schema up, then `prisma` on PATH.
    #[serde(default)]
    pub cli: Vec<String>,
}

/// The argument of `dbm-agent inventory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventoryRequest {
    /// The databases to read, in the order of the resource.
    pub databases: Vec<ProjectPaths>,
}

/// What an image holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryReport {
    /// [`VERSION`].
    pub version: u32,
    /// One entry for each database asked for, in that order.
    pub databases: Vec<DatabaseInventory>,
}

/// What an image holds for one database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseInventory {
    /// The database's name in the resource.
    pub database: String,
    /// The identity of this content: see `inventory_hash`. Empty where there is a problem.
    pub hash: String,
    /// Prisma's version, where a package was found.
    #[serde(default)]
    pub prisma_version: Option<String>,
    /// The datasource's provider as the schema says it.
    #[serde(default)]
    pub provider: Option<String>,
    /// The variable that `url` of the datasource names by `env("...")`.
    #[serde(default)]
    pub url_variable: Option<String>,
    /// The variable that `directUrl` of the datasource names; up to Prisma 6 `migrate` uses it before `url`.
    #[serde(default)]
    pub direct_url_variable: Option<String>,
    /// Of these, the ones that Prisma cannot do without and that the image itself does not set. Empty where a
    /// configuration file may say otherwise than the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset_variables: Vec<String>,
    /// The datasource's `schemas`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// What `tables.external` of the configuration names, as `schema.table`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_tables: Vec<String>,
    /// There is a configuration, and what its `tables.external` names is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external_unknown: bool,
    /// The migrations in Prisma's order (by name).
    pub migrations: Vec<Migration>,
    /// Why this database cannot be migrated with this image, if so.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// SQL texts were left out, because all together were too big.
    #[serde(default)]
    pub truncated: bool,
}

/// One migration of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// The name of its folder, any UTF-8 text without control characters.
    pub name: String,
    /// sha256 of `migration.sql` as it stands, in lower-case hex.
    pub sha256: String,
    /// sha256 of the file with all line ends as LF and as CRLF, where they differ from `sha256`: Prisma takes any of
    /// the three for the same migration.
    #[serde(default)]
    pub other_sha256: Vec<String>,
    /// Size of `migration.sql`, bytes.
    pub size: u64,
    /// The text of `migration.sql` (invalid UTF-8 replaced), unless truncated.
    #[serde(default)]
    pub sql: Option<String>,
    /// The text of `down.sql` beside it, if there is one.
    #[serde(default)]
    pub down_sql: Option<String>,
    /// The text of a `README.md` or `notes.md` beside it, if there is one.
    #[serde(default)]
    pub notes: Option<String>,
}

/// Why something cannot be done with this image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Which.
    pub reason: ProblemReason,
    /// What is wrong and what to do, for people. Never holds a value of the environment.
    pub message: String,
}

/// The kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemReason {
    /// There is no schema at the path.
    SchemaMissing,
    /// The schema is there and has no datasource that could be read, or its provider is not PostgreSQL.
    ProviderUnsupported,
    /// There is no folder of migrations.
    MigrationsMissing,
    /// The folder holds no migration.
    MigrationsEmpty,
    /// A migration's folder has no `migration.sql` (Prisma's P3015), or it cannot be read.
    MigrationUnreadable,
    /// A migration's name holds a control character or is not UTF-8.
    MigrationNameInvalid,
    /// No Prisma package and no program of that name.
    PrismaMissing,
    /// A Prisma version that keeps no `_prisma_migrations` (8 and later).
    PrismaUnsupported,
    /// The program to run is not in the image, or cannot be executed.
    CommandMissing,
    /// `prisma.config` names a file that is not there.
    ConfigMissing,
    /// The program to run is built for another architecture than this machine's.
    WrongArchitecture,
    /// Prisma's engine is not in the image, or cannot be started in it.
    EngineMissing,
    /// Something writes to a folder that this container cannot write.
    ReadOnlyFileSystem,
    /// The schema's datasource names a variable that nobody sets.
    DatasourceVariableUnset,
    /// The agent could not do its own part.
    Internal,
}

/// The argument of `dbm-agent exec`; everything after `--` is the command, nothing after it means Prisma's
/// `migrate deploy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecRequest {
    /// The project to migrate. With an empty `schema` the command belongs to no project (a smoke test, a hook), and
    /// nothing of the image is checked.
    pub project: ProjectPaths,
    /// The environment variable that holds the connection string. Empty: the command gets none.
    pub env_var: String,
    /// `application_name` of every connection, by which the operator knows its own; empty leaves the user's.
    pub application_name: String,
    /// `lock_timeout`, milliseconds; 0 leaves the role's own.
    #[serde(default)]
    pub lock_timeout_ms: u64,
    /// `statement_timeout`, milliseconds; 0 leaves the role's own.
    #[serde(default)]
    pub statement_timeout_ms: u64,
    /// `client_connection_check_interval`, milliseconds; 0 leaves it out (servers before 14 refuse it).
    #[serde(default)]
    pub connection_check_interval_ms: u64,
    /// The path of a file with the certificate authority, or empty.
    #[serde(default)]
    pub ca_file: String,
    /// What Prisma is asked to do where no command is given, one after the other, e.g. `migrate resolve --applied
    /// NAME`; the first that fails ends it; default: `migrate deploy`. The agent adds `--schema` and `--config` itself.
    #[serde(default)]
    pub prisma_calls: Vec<Vec<String>>,
    /// A script of the image that Prisma is to execute (`db execute`), instead of `prisma_calls` and a command.
    #[serde(default)]
    pub script: Option<Script>,
    /// Regular expressions: a line of the output that matches one is a finding.
    #[serde(default)]
    pub log_patterns: Vec<String>,
    /// The command is ended after so many seconds and has failed; 0: never.
    #[serde(default)]
    pub timeout_seconds: u64,
    /// For so many seconds a server that takes no connections is waited for before the command is started; 0: not at all.
    #[serde(default)]
    pub reach_seconds: u64,
    /// The variables whose values come from Secrets.
    #[serde(default)]
    pub secret_variables: Vec<String>,
}

/// The `down.sql` beside a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    /// The name of the migration.
    pub migration: String,
    /// SQL to stand before it.
    pub before: String,
    /// SQL to stand after it.
    pub after: String,
}

/// A line of the output that is worth a look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFinding {
    /// Its number, from 1.
    pub line: u32,
    /// Its text, redacted and cut.
    pub text: String,
    /// The index of the pattern that it matches; none: a warning of Prisma's own.
    #[serde(default)]
    pub pattern: Option<u32>,
}

/// How a container that the agent ran ended: its termination message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// [`VERSION`].
    pub version: u32,
    /// Whether the command ran, and how it ended.
    pub outcome: Outcome,
    /// The command's exit code, where it ended by itself.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Prisma's code, e.g. `P3018`.
    #[serde(default)]
    pub code: Option<String>,
    /// PostgreSQL's SQLSTATE, five characters.
    #[serde(default)]
    pub sql_state: Option<String>,
    /// The migration that Prisma's output names as failed.
    #[serde(default)]
    pub migration: Option<String>,
    /// The error in one or few lines, redacted, at most 1,024 bytes.
    #[serde(default)]
    pub message: Option<String>,
    /// What of the image, or of what the Job adds to it, made the command fail, where its output says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Lines worth a look, the first ones; how many there are is `findings_count`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<LogFinding>,
    /// How many lines are worth a look.
    #[serde(default)]
    pub findings_count: u32,
    /// The command was ended, because it took longer than it may.
    #[serde(default)]
    pub timed_out: bool,
    /// When the command started, RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    #[serde(default)]
    pub finished_at: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The command ran and exited 0.
    Succeeded,
    /// The command ran and did not exit 0.
    Failed,
    /// The agent refused to run it: nothing was executed.
    Refused(Refusal),
}

/// Why the agent refused. Nothing was executed in any of these cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusal {
    /// The image holds other migrations than those that were planned: a tag was pushed again.
    InventoryChanged {
        /// What the image holds now.
        found: String,
    },
    /// The time by which it had to start has passed, or it was asked to stop before it started.
    TooLate,
    /// `PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK` is set: Prisma would migrate without its lock.
    AdvisoryLockDisabled,
    /// The variable with the connection string is not set, or is no URL.
    ConnectionInvalid(String),
    /// The image does not fit.
    Problem(Problem),
}
