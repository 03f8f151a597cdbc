//! What the agent and the operator say to each other: requests go in as one JSON argument, answers come out as one
//! framed line of the log (the inventory) or as the container's termination message (everything else).
//!
//! Both sides are of one release, because the operator's own image delivers the agent. The version number guards
//! against an image that brings an agent of its own (`job.agentPath`).

use serde::{Deserialize, Serialize};

/// What is said of a process that its lack of memory ended, as far as its end tells.
pub const LACKS_MEMORY: &str = "most likely for lack of memory: raise job.resources.limits.memory";

/// The version of this protocol. Of a container's end this one and the one before are read, because a Job may outlive an upgrade of
/// the operator; an inventory of another is refused where the image brings its own agent, because that would not understand the
/// requests.
pub const VERSION: u32 = 4;

/// How long all configurations of an image may take to say what they say, seconds.
pub const CONFIG_SECONDS: u64 = 60;

/// For how long a server that takes no connections yet is waited for, seconds. A proxy of a service mesh that is added to the pod
/// takes some ten seconds, on a busy node half a minute.
pub const REACH_SECONDS: u64 = 60;

/// How long Prisma may take to say what is pending, seconds.
pub const QUESTION_SECONDS: u64 = 60;

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
    /// The folder of the migrations; default: the one that Prisma reads, by the rules of its version and its configuration.
    #[serde(default)]
    pub migrations: String,
    /// `prisma.config.ts` or its like; its folder becomes the working directory of Prisma.
    #[serde(default)]
    pub config: String,
    /// How Prisma is called; default: node on the `prisma` package found from the schema up, then `prisma` on PATH.
    #[serde(default)]
    pub cli: Vec<String>,
    /// The database is migrated by a command of the user's own, so that what it reads is the user's to say.
    #[serde(default)]
    pub own_command: bool,
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
    /// The variables that Prisma cannot do without and that the image itself does not set, of the datasource or of the
    /// configuration. Empty where what Prisma connects by is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset_variables: Vec<String>,
    /// `schemas` of the datasource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// What Prisma's configuration says, where Prisma reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<Configured>,
    /// Why it is not certain that Prisma reads these migrations, if so. Then Prisma itself is asked before anything is
    /// applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
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

/// What a `prisma.config.*` says, as Prisma's own loader resolved it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configured {
    /// The file, absolute.
    pub file: String,
    /// sha256 of the file: what was resolved holds for this text.
    pub sha256: String,
    /// `schema`, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// `migrations.path`, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<String>,
    /// It connects by a driver adapter, and not by a URL.
    pub adapter: bool,
    /// It has a `datasource`.
    pub datasource: bool,
    /// `datasource.url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<ConfiguredUrl>,
    /// `datasource.directUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_url: Option<ConfiguredUrl>,
    /// `tables.external`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_tables: Vec<String>,
    /// It says the same wherever it is loaded. Of another one, what only the Job has (a variable, the command line, a file)
    /// may decide what Prisma reads.
    pub plain: bool,
    /// The variables that it asks for, but for those of its URLs: set to something else, it may say something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// The variables without which Prisma refuses it, and that nobody sets in the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// The variables that it sets itself, as from a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
}

/// Where a URL of a configuration comes from. Never the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfiguredUrl {
    /// The variable whose value it is; none where it is put together or written out.
    pub variable: Option<String>,
}

/// One migration of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// The name of its folder, any UTF-8 text without control characters.
    pub name: String,
    /// sha256 of `migration.sql` as Prisma decodes it, in lower-case hex. Empty where Prisma could not read it.
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
    /// Why Prisma could not apply it, in words that go on after its name. Where it is applied already, Prisma does not
    /// mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
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
    /// There is no folder of migrations where Prisma looks for it.
    MigrationsMissing,
    /// `prisma.migrations` names another folder than the one that Prisma would read.
    MigrationsElsewhere,
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
    /// `prisma.config` names a file that is not there, or Prisma needs a configuration and finds none.
    ConfigMissing,
    /// The configuration cannot be loaded, or contradicts the resource.
    ConfigInvalid,
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
    /// What the inventory found in the configuration; without it, or with another file, the agent asks again.
    #[serde(default)]
    pub configured: Option<Configured>,
    /// What was planned, where it is not certain that Prisma reads the same: Prisma is asked before anything is applied.
    #[serde(default)]
    pub confirm: Option<Planned>,
}

/// The migrations that were planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Planned {
    /// Their names in order, the first ones where there are very many.
    pub names: Vec<String>,
    /// How many there are.
    pub count: usize,
    /// sha256, in lower-case hex, over all names in the order of their bytes, each with a line end after it.
    pub digest: String,
}

impl Planned {
    /// Names beyond so many bytes are left out: an argument of a program has its limit.
    const NAMES_LIMIT: usize = 32 * 1024;

    /// What is to be compared of these names.
    #[must_use]
    pub fn of(pending: &[String]) -> Planned {
        let mut room = Self::NAMES_LIMIT;
        let fits = |name: &&String| -> bool {
            let left = room.checked_sub(name.len() + 3);
            room = left.unwrap_or(0);
            left.is_some()
        };
        Planned {
            names: pending.iter().take_while(fits).cloned().collect(),
            count: pending.len(),
            digest: Self::digest(pending),
        }
    }

    /// The digest of these names, in whatever order they are.
    #[must_use]
    pub fn digest(names: &[String]) -> String {
        crate::digest::digest_of_names(names)
    }
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
    /// What Prisma says that it works on, where that is not the database of [`ExecRequest::env_var`]: `the database "NAME"`
    /// or `the schema "NAME" of the database "NAME"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// The last migration that Prisma says it applies, or applied, whether it came to its end or not. It takes them by name, so
    /// those that were pending before it had their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
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
    /// Prisma would apply other migrations than those that were planned, or does not say which.
    OtherMigrations(String),
    /// The image does not fit.
    Problem(Problem),
}
