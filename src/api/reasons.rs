//! Every condition type and every reason, in one place. A reason, once published, keeps its name.

mod person;

pub use person::{Person, needs_person, person};

/// The result is there: every database is migrated and verified, for the observed generation.
pub const READY: &str = "Ready";
/// kstatus: it is being worked on.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: it will not go on without somebody.
pub const STALLED: &str = "Stalled";
/// The databases could be read.
pub const OBSERVED: &str = "Observed";
/// The image's inventory was compared with every ledger.
pub const PLANNED: &str = "Planned";
/// What must hold before a start holds.
pub const PREFLIGHT_PASSED: &str = "PreflightPassed";
/// Every migration of the image stands in the ledgers.
pub const MIGRATED: &str = "Migrated";
/// The databases were looked at after the migration and are as they should be.
pub const VALIDATED: &str = "Validated";

/// What a run did was undone, by a human's decision or by policy.
pub const ROLLED_BACK: &str = "RolledBack";

/// What a run did is being undone.
pub const ROLLING_BACK: &str = "RollingBack";
/// What was to be undone was not, or not wholly.
pub const ROLLBACK_FAILED: &str = "RollbackFailed";
/// A database is being brought back to a restore point.
pub const RESTORING: &str = "Restoring";
/// The restore Job failed, or the database is not where it was to be brought back to.
pub const RESTORE_FAILED: &str = "RestoreFailed";
/// Prisma is being told what a human decided about a migration.
pub const RESOLVING: &str = "Resolving";
/// Prisma was told what a human decided, and the ledger does not say it.
pub const RESOLVE_FAILED: &str = "ResolveFailed";
/// A human ended the run before its next step.
pub const ABORTED: &str = "Aborted";
/// Smoke tests run.
pub const SMOKE_TESTING: &str = "SmokeTesting";
/// A smoke test failed, in all its attempts.
pub const SMOKE_TEST_FAILED: &str = "SmokeTestFailed";
/// The ledgers are verified and every smoke test passed.
pub const TESTS_PASSED: &str = "TestsPassed";
/// A line of a migration's output is one that `validation.logs` denies.
pub const LOG_LINE_FOUND: &str = "LogLineFound";
/// The databases are watched for `validation.watch`.
pub const WATCHING: &str = "Watching";
/// A human accepted a validation that failed.
pub const VALIDATION_ACCEPTED: &str = "ValidationAccepted";
/// The role may not make a restore point, and the policy requires one.
pub const RESTORE_POINT_FORBIDDEN: &str = "RestorePointForbidden";

/// The condition is being worked on: the inventory is read or the ledgers are compared.
pub const PLANNING: &str = "Planning";
/// Migrations run.
pub const MIGRATING: &str = "Migrating";
/// Everything is migrated and verified.
pub const SUCCEEDED: &str = "Succeeded";
/// The ledger holds everything of the image and newer migrations too.
pub const DATABASE_AHEAD: &str = "DatabaseAhead";
/// The databases were read.
pub const DATABASES_READ: &str = "DatabasesRead";
/// The plan stands.
pub const PLAN_READY: &str = "PlanReady";
/// The ledgers' history is acceptable.
pub const HISTORY_ACCEPTED: &str = "HistoryAccepted";
/// The ledgers hold every migration of the image, with its checksum.
pub const LEDGER_VERIFIED: &str = "LedgerVerified";
/// `suspend` is set: it plans and shows.
pub const SUSPENDED: &str = "Suspended";

/// A migration failed in the database.
pub const MIGRATION_FAILED: &str = "MigrationFailed";
/// The migration's process ended and its row is unfinished, with nothing running any more.
pub const MIGRATION_UNFINISHED: &str = "MigrationUnfinished";
/// A migration failed inside a transaction of its own, so that Prisma could not write down why.
pub const OWN_TRANSACTION_FAILED: &str = "OwnTransactionFailed";
/// A migration begins a transaction and does not end it, which Prisma reports as success.
pub const TRANSACTION_LEFT_OPEN: &str = "TransactionLeftOpen";
/// Prisma's engine was ended while its command lived on and ended well.
pub const ENGINE_LOST: &str = "EngineLost";
/// The script changed the `search_path`, and Prisma did not find its own table afterwards.
pub const SEARCH_PATH_MOVED: &str = "SearchPathMoved";
/// The script changed the session's role, as which Prisma could not write to its own table.
pub const ROLE_CHANGED: &str = "RoleChanged";
/// The script ran to its end, and Prisma's own book-keeping did not.
pub const SCRIPT_DONE_NOT_RECORDED: &str = "ScriptDoneNotRecorded";
/// Prisma ended with an error before it came to a migration.
pub const PRISMA_FAILED: &str = "PrismaFailed";
/// The ledger was dropped, or rows of it were deleted, while a migration ran.
pub const LEDGER_LOST: &str = "LedgerLost";
/// Prisma said that all is well, and the watched ledger says otherwise.
pub const OTHER_DATABASE_MIGRATED: &str = "OtherDatabaseMigrated";
/// The ledger does not hold what was to be applied, although nothing says that something failed.
pub const LEDGER_INCOMPLETE: &str = "LedgerIncomplete";
/// Migrations were applied that the plan did not contain.
pub const UNPLANNED_MIGRATIONS: &str = "UnplannedMigrations";
/// Prisma would have applied other migrations than those that were planned; nothing was executed.
pub const OTHER_MIGRATIONS: &str = "OtherMigrations";
/// A concurrent index build left an invalid index.
pub const INVALID_INDEX_FOUND: &str = "InvalidIndexFound";
/// A lock could not be had within its time-out, in all attempts.
pub const LOCK_TIMEOUT: &str = "LockTimeout";
/// The database could not be reached by the Job, in all attempts.
pub const UNREACHABLE_FROM_JOB: &str = "UnreachableFromJob";
/// The container did not start in time.
pub const START_TIMEOUT: &str = "StartTimeout";
/// The migration ran longer than `timeouts.kill` and was ended.
pub const KILLED: &str = "Killed";
/// The container ended for lack of memory.
pub const OUT_OF_MEMORY: &str = "OutOfMemory";
/// The image was pushed again, again and again, between plan and run.
pub const IMAGE_KEEPS_CHANGING: &str = "ImageKeepsChanging";
/// The migration goes on after its process ended: a session of it is left.
pub const WAITING_FOR_BACKEND: &str = "WaitingForBackend";
/// The migration waits for another session's lock.
pub const WAITING_LOCK: &str = "WaitingLock";
/// A session has been in the way of a migration, or of its start, for longer than a moment, and does not end by itself so far.
pub const LOCK_HELD: &str = "LockHeld";
/// It is about to be tried again.
pub const WAITING_RETRY: &str = "WaitingRetry";
/// A migration's command runs, and no session of it is in the watched database.
pub const SESSION_MISSING: &str = "SessionMissing";
/// The migration runs longer than `timeouts.overdue`.
pub const OVERDUE: &str = "Overdue";
/// Another run is at work on the same database.
pub const DATABASE_BUSY: &str = "DatabaseBusy";
/// As many runs are at work on the database's server as the operator may start there.
pub const SERVER_BUSY: &str = "ServerBusy";

/// A failed row stands in the ledger before the start.
pub const FAILED_ROW_FOUND: &str = "FailedRowFound";
/// An unfinished row stands in the ledger before the start.
pub const UNFINISHED_ROW_FOUND: &str = "UnfinishedRowFound";
/// Tables that Prisma counts are there and no ledger (Prisma's P3005).
pub const BASELINE_NEEDED: &str = "BaselineNeeded";
/// There is a ledger in another schema of the datasource, and none in the URL's.
pub const LEDGER_ELSEWHERE: &str = "LedgerElsewhere";
/// The role may not read the ledger.
pub const LEDGER_FORBIDDEN: &str = "LedgerForbidden";
/// The role lacks a right without which Prisma cannot begin, or a migration cannot be applied.
pub const RIGHT_MISSING: &str = "RightMissing";
/// A pending migration has run already, under a name that the image does not have.
pub const RENAMED_FOUND: &str = "RenamedFound";
/// A pending migration seems to stand for applied ones that the image does not have: a squashed history.
pub const SQUASHED_FOUND: &str = "SquashedFound";
/// Beside what was marked applied for a rewritten history something is pending of which nobody has said whether it ran.
pub const UNSEEN_FOUND: &str = "UnseenFound";
/// An applied migration was edited, and the policy denies it.
pub const EDITED_FOUND: &str = "EditedFound";
/// An applied migration is unknown to the image, and the policy denies it.
pub const UNKNOWN_FOUND: &str = "UnknownFound";
/// The database is ahead of the image, and the policy denies it, or something is pending.
pub const AHEAD_FOUND: &str = "AheadFound";
/// A pending migration is late, and the policy denies it.
pub const OUT_OF_ORDER_FOUND: &str = "OutOfOrderFound";
/// Migrations of the image are missing from a ledger that held them.
pub const PENDING_FOUND: &str = "PendingFound";
/// The image holds something else than the plan that was shown when the resource was suspended, or a run was forced.
pub const PLAN_CHANGED: &str = "PlanChanged";
/// Two databases of the resource are one, with one ledger.
pub const DUPLICATE_DATABASE: &str = "DuplicateDatabase";
/// A database of the resource leads to what was another one's, as where their Secrets were exchanged.
pub const DATABASES_EXCHANGED: &str = "DatabasesExchanged";

/// There is no such Secret, or ConfigMap of a certificate authority.
pub const SECRET_MISSING: &str = "SecretMissing";
/// The Secret has no such key.
pub const SECRET_KEY_MISSING: &str = "SecretKeyMissing";
/// The operator may not read the Secret.
pub const SECRET_FORBIDDEN: &str = "SecretForbidden";
/// The value is not a URL, or has a part that is not allowed.
pub const URL_INVALID: &str = "UrlInvalid";
/// A URL of something that is not PostgreSQL.
pub const URL_NOT_POSTGRES: &str = "UrlNotPostgres";
/// A URL that is no direct connection.
pub const URL_NOT_DIRECT: &str = "UrlNotDirect";
/// A connection pooler stands before the database.
pub const URL_POOLED: &str = "UrlPooled";
/// The URL names a file.
pub const URL_NAMES_FILE: &str = "UrlNamesFile";
/// The host is a loopback, link-local or multicast address, or one of the cloud's own services.
pub const URL_LOOPBACK: &str = "UrlLoopback";
/// The host's name does not resolve.
pub const HOST_UNKNOWN: &str = "HostUnknown";
/// Nobody listens there.
pub const CONNECTION_REFUSED: &str = "ConnectionRefused";
/// No answer in time, or the connection was cut.
pub const UNREACHABLE: &str = "Unreachable";
/// The server took the connection, or answered a moment ago, and gives no answer in time now: it is overloaded, mostly.
pub const NOT_ANSWERED: &str = "NotAnswered";
/// User or password are wrong, or the server does not let this user in.
pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// There is no such database.
pub const DATABASE_MISSING: &str = "DatabaseMissing";
/// TLS is required, or its certificate is not trusted.
pub const TLS_FAILED: &str = "TlsFailed";
/// The role, or the database, may have no more connections.
pub const CONNECTION_LIMIT_REACHED: &str = "ConnectionLimitReached";
/// The server is starting, stopping, or has no connection left.
pub const SERVER_UNAVAILABLE: &str = "ServerUnavailable";
/// A query failed for another reason.
pub const QUERY_FAILED: &str = "QueryFailed";

/// The image cannot be pulled.
pub const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
/// The image's user is a name, and `job.runAsUser` is not set.
pub const IMAGE_USER_NOT_NUMERIC: &str = "ImageUserNotNumeric";
/// The image's user is root, and `job.runAsUser` is not set.
pub const IMAGE_USER_ROOT: &str = "ImageUserRoot";
/// The image, or a program in it, is built for another architecture than the node's.
pub const WRONG_ARCHITECTURE: &str = "WrongArchitecture";
/// A Secret or ConfigMap of the container's environment is not there.
pub const ENVIRONMENT_MISSING: &str = "EnvironmentMissing";
/// The container could not be created or started.
pub const CONTAINER_NOT_STARTED: &str = "ContainerNotStarted";
/// The image is being pulled, which takes its time.
pub const PULLING_IMAGE: &str = "PullingImage";
/// No node takes the pod.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// The namespace's quota has no room for the Job or its pod.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// The namespace's Pod Security level forbids the pod.
pub const POD_SECURITY_VIOLATED: &str = "PodSecurityViolated";
/// The ServiceAccount that `job.serviceAccountName` names is not there.
pub const SERVICE_ACCOUNT_MISSING: &str = "ServiceAccountMissing";
/// The API server refuses the pod for another reason: a policy, a limit range.
pub const POD_REFUSED: &str = "PodRefused";
/// The API server refuses the Job.
pub const JOB_REFUSED: &str = "JobRefused";
/// A Job of that name exists and is not this resource's.
pub const FOREIGN_JOB: &str = "ForeignJob";
/// The inventory could not be read from the image.
pub const INVENTORY_FAILED: &str = "InventoryFailed";
/// There is no Prisma schema at the path.
pub const SCHEMA_MISSING: &str = "SchemaMissing";
/// The provider of the schema, or of `migration_lock.toml`, is not PostgreSQL.
pub const PROVIDER_UNSUPPORTED: &str = "ProviderUnsupported";
/// There is no folder of migrations where Prisma looks for it.
pub const MIGRATIONS_MISSING: &str = "MigrationsMissing";
/// `prisma.migrations` names another folder than the one that Prisma would read.
pub const MIGRATIONS_ELSEWHERE: &str = "MigrationsElsewhere";
/// The folder holds no migration.
pub const MIGRATIONS_EMPTY: &str = "MigrationsEmpty";
/// A migration cannot be read.
pub const MIGRATION_UNREADABLE: &str = "MigrationUnreadable";
/// A migration's name holds control characters.
pub const MIGRATION_NAME_INVALID: &str = "MigrationNameInvalid";
/// There is no Prisma in the image.
pub const PRISMA_MISSING: &str = "PrismaMissing";
/// This version of Prisma keeps no `_prisma_migrations`.
pub const PRISMA_UNSUPPORTED: &str = "PrismaUnsupported";
/// The command is not in the image.
pub const COMMAND_MISSING: &str = "CommandMissing";
/// `prisma.config` is not in the image, or Prisma needs a configuration and finds none.
pub const CONFIG_MISSING: &str = "ConfigMissing";
/// Prisma's configuration cannot be loaded, or contradicts the resource.
pub const CONFIG_INVALID: &str = "ConfigInvalid";
/// The connection's variable is not set or is no URL.
pub const CONNECTION_INVALID: &str = "ConnectionInvalid";
/// Prisma's engine is not in the image, or cannot be started in it.
pub const ENGINE_MISSING: &str = "EngineMissing";
/// Something in the image writes to a folder that the container cannot write.
pub const READ_ONLY_FILE_SYSTEM: &str = "ReadOnlyFileSystem";
/// The schema's datasource names a variable that nobody sets.
pub const DATASOURCE_VARIABLE_UNSET: &str = "DatasourceVariableUnset";
/// `PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK` is set.
pub const ADVISORY_LOCK_DISABLED: &str = "AdvisoryLockDisabled";

/// Reasons of Events that are not reasons of a condition.
pub mod events {
    /// A run began, with what it will do.
    pub const RUN_STARTED: &str = "RunStarted";
    /// A run gave way to a newer spec or a retry.
    pub const RUN_SUPERSEDED: &str = "RunSuperseded";
    /// One database is migrated and verified.
    pub const DATABASE_MIGRATED: &str = "DatabaseMigrated";
    /// The places to which the databases can be brought back.
    pub const RESTORE_POINT: &str = "RestorePoint";
    /// A smoke test passed after it had failed.
    pub const SMOKE_TEST_FLAKY: &str = "SmokeTestFlaky";
    /// A MigrationAction was taken up.
    pub const ACTION_TAKEN: &str = "ActionTaken";
    /// A MigrationAction reached its goal.
    pub const ACTION_DONE: &str = "ActionDone";
    /// A MigrationAction was carried out and did not reach its goal.
    pub const ACTION_FAILED: &str = "ActionFailed";
    /// A MigrationAction does not fit the state it names; nothing was done.
    pub const ACTION_REFUSED: &str = "ActionRefused";
    /// A step is tried again.
    pub const STEP_RETRIED: &str = "StepRetried";
}
