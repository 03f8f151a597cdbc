//! What keeps a run from its goal that is no migration's own failure: the image, the pod, the connection, the role, somebody else.

use database_migration_operator::api::{Policy, StepKind, reasons};
use database_migration_operator::facts::{
    DatabaseFacts, Ledger, NEVER_RAN, NotStarted, OUT_OF_MEMORY, TableName, UnreadableReason,
};
use dbm_protocol::recognise::APPLIED;
use dbm_protocol::{DatabaseInventory, Outcome, Problem, ProblemReason, Refusal, Summary};

use super::pods::summary;
use super::setup::database;
use super::situations::{FIRST, SECOND, Stage, TARGET, same};
use super::world::{Ending, Fate, Trouble};

/// Why a database cannot be read.
pub const UNREAD: [UnreadableReason; 19] = [
    UnreadableReason::SecretMissing,
    UnreadableReason::SecretForbidden,
    UnreadableReason::HostUnknown,
    UnreadableReason::ConnectionRefused,
    UnreadableReason::Unreachable,
    UnreadableReason::NotAnswered,
    UnreadableReason::AuthenticationFailed,
    UnreadableReason::DatabaseMissing,
    UnreadableReason::TlsFailed,
    UnreadableReason::ConnectionLimitReached,
    UnreadableReason::ServerUnavailable,
    UnreadableReason::QueryFailed,
    UnreadableReason::SecretKeyMissing,
    UnreadableReason::UrlInvalid,
    UnreadableReason::UrlNotPostgres,
    UnreadableReason::UrlNotDirect,
    UnreadableReason::UrlPooled,
    UnreadableReason::UrlNamesFile,
    UnreadableReason::UrlLoopback,
];

/// What may be wrong with an image.
pub const PROBLEMS: [(ProblemReason, &str); 17] = [
    (ProblemReason::SchemaMissing, reasons::SCHEMA_MISSING),
    (
        ProblemReason::ProviderUnsupported,
        reasons::PROVIDER_UNSUPPORTED,
    ),
    (
        ProblemReason::MigrationsMissing,
        reasons::MIGRATIONS_MISSING,
    ),
    (
        ProblemReason::MigrationsElsewhere,
        reasons::MIGRATIONS_ELSEWHERE,
    ),
    (ProblemReason::MigrationsEmpty, reasons::MIGRATIONS_EMPTY),
    (
        ProblemReason::MigrationUnreadable,
        reasons::MIGRATION_UNREADABLE,
    ),
    (
        ProblemReason::MigrationNameInvalid,
        reasons::MIGRATION_NAME_INVALID,
    ),
    (ProblemReason::PrismaMissing, reasons::PRISMA_MISSING),
    (
        ProblemReason::PrismaUnsupported,
        reasons::PRISMA_UNSUPPORTED,
    ),
    (ProblemReason::CommandMissing, reasons::COMMAND_MISSING),
    (ProblemReason::ConfigMissing, reasons::CONFIG_MISSING),
    (ProblemReason::ConfigInvalid, reasons::CONFIG_INVALID),
    (
        ProblemReason::WrongArchitecture,
        reasons::WRONG_ARCHITECTURE,
    ),
    (ProblemReason::EngineMissing, reasons::ENGINE_MISSING),
    (
        ProblemReason::ReadOnlyFileSystem,
        reasons::READ_ONLY_FILE_SYSTEM,
    ),
    (
        ProblemReason::DatasourceVariableUnset,
        reasons::DATASOURCE_VARIABLE_UNSET,
    ),
    (ProblemReason::Internal, reasons::INVENTORY_FAILED),
];

/// What keeps a pod from starting, in the kubelet's or the API server's words.
pub const PODS: [(&str, &str, &str); 11] = [
    (
        "CreateContainerConfigError",
        "secret \"a\" not found",
        reasons::ENVIRONMENT_MISSING,
    ),
    (
        "CreateContainerError",
        "it cannot be",
        reasons::CONTAINER_NOT_STARTED,
    ),
    (
        "Unschedulable",
        "0/1 nodes are available",
        reasons::UNSCHEDULABLE,
    ),
    (
        "FailedCreate",
        "pods \"a\" is forbidden: exceeded quota: q",
        reasons::QUOTA_EXCEEDED,
    ),
    (
        "FailedCreate",
        "error looking up service account a/b",
        reasons::SERVICE_ACCOUNT_MISSING,
    ),
    ("FailedCreate", "denied by a webhook", reasons::POD_REFUSED),
    (
        "CreateContainerConfigError",
        "container has runAsNonRoot and image has non-numeric user (app)",
        reasons::IMAGE_USER_NOT_NUMERIC,
    ),
    (
        "CreateContainerConfigError",
        "container has runAsNonRoot and image will run as root",
        reasons::IMAGE_USER_ROOT,
    ),
    (
        "ErrImagePull",
        "no match for platform in manifest",
        reasons::WRONG_ARCHITECTURE,
    ),
    (
        "FailedCreate",
        "pods \"a\" is forbidden: violates PodSecurity \"restricted\"",
        reasons::POD_SECURITY_VIOLATED,
    ),
    ("ErrImagePull", "not found", reasons::IMAGE_PULL_FAILED),
];

type Make = fn() -> Ending;

/// What ends a migration before it, or Prisma, wrote anything; and what of it stands in the database otherwise.
const ENDS: &[(&str, Make, &str)] = &[
    (
        "no log-in",
        || fails("P1000", "", ""),
        reasons::PRISMA_FAILED,
    ),
    (
        "not reached",
        || fails("P1001", "", ""),
        reasons::UNREACHABLE_FROM_JOB,
    ),
    (
        "no connection left",
        || fails("", "53300", ""),
        reasons::UNREACHABLE_FROM_JOB,
    ),
    (
        "cut off",
        || fails("P1017", "", ""),
        reasons::UNREACHABLE_FROM_JOB,
    ),
    (
        "Prisma's lock",
        || fails("P1002", "", ""),
        reasons::LOCK_TIMEOUT,
    ),
    (
        "a right",
        || fails("", "42501", "permission denied for schema public"),
        reasons::RIGHT_MISSING,
    ),
    (
        "an engine",
        || {
            let mut ending = fails("", "", "");
            let problem = Problem {
                reason: ProblemReason::EngineMissing,
                message: "no engine".to_owned(),
            };
            ending.summary.as_mut().unwrap().problem = Some(problem);
            ending
        },
        reasons::ENGINE_MISSING,
    ),
    (
        "too slow",
        || {
            let mut ending = fails("", "", "");
            ending.summary.as_mut().unwrap().timed_out = true;
            ending
        },
        reasons::KILLED,
    ),
    (
        "no memory",
        || Ending {
            exit_code: 137,
            reason: OUT_OF_MEMORY,
            summary: None,
            ..fails("", "", "")
        },
        reasons::OUT_OF_MEMORY,
    ),
    (
        "another machine's",
        || never_ran("exec /agent: exec format error"),
        reasons::WRONG_ARCHITECTURE,
    ),
    (
        "not to be run",
        || never_ran("exec /agent: no such file"),
        reasons::CONTAINER_NOT_STARTED,
    ),
    (
        "silent success",
        || succeeds(None),
        reasons::LEDGER_INCOMPLETE,
    ),
    (
        "success elsewhere",
        || succeeds(Some(APPLIED)),
        reasons::OTHER_DATABASE_MIGRATED,
    ),
    (
        "unplanned",
        || Ending {
            other: Some(UNPLANNED),
            ..succeeds(Some(APPLIED))
        },
        reasons::UNPLANNED_MIGRATIONS,
    ),
    (
        "too late",
        || refuses(Refusal::TooLate),
        reasons::START_TIMEOUT,
    ),
    (
        "pushed again",
        || {
            refuses(Refusal::InventoryChanged {
                found: "other".to_owned(),
            })
        },
        reasons::IMAGE_KEEPS_CHANGING,
    ),
    (
        "without the lock",
        || refuses(Refusal::AdvisoryLockDisabled),
        reasons::ADVISORY_LOCK_DISABLED,
    ),
    (
        "no URL",
        || refuses(Refusal::ConnectionInvalid("no URL".to_owned())),
        reasons::CONNECTION_INVALID,
    ),
    (
        "other migrations",
        || {
            refuses(Refusal::OtherMigrations(
                "it would also apply 8_x".to_owned(),
            ))
        },
        reasons::OTHER_MIGRATIONS,
    ),
    (
        "in its transaction",
        || left(fails("", "25P02", "")),
        reasons::OWN_TRANSACTION_FAILED,
    ),
    (
        "open transaction",
        || left(succeeds(Some(APPLIED))),
        reasons::TRANSACTION_LEFT_OPEN,
    ),
    ("engine lost", || left(succeeds(None)), reasons::ENGINE_LOST),
    (
        "search_path",
        || Ending {
            makes: true,
            ..left(fails(
                "P1014",
                "",
                "The table `_prisma_migrations` does not exist.",
            ))
        },
        reasons::SEARCH_PATH_MOVED,
    ),
    (
        "role",
        || Ending {
            makes: true,
            ..left(fails(
                "",
                "42501",
                "ERROR: permission denied for table _prisma_migrations",
            ))
        },
        reasons::ROLE_CHANGED,
    ),
];

/// Applied by somebody while a run migrates.
pub const UNPLANNED: &str = "0800_x";

fn account(outcome: Outcome, message: &str) -> Summary {
    Summary {
        message: (!message.is_empty()).then(|| message.to_owned()),
        ..summary(outcome, "", "")
    }
}

fn ends(exit_code: i32, reason: &'static str, summary: Summary) -> Ending {
    Ending {
        exit_code,
        reason,
        said: "",
        summary: Some(summary),
        row: false,
        makes: false,
        other: None,
    }
}

fn fails(code: &str, state: &str, message: &str) -> Ending {
    let said = account(Outcome::Failed, message);
    let known = summary(Outcome::Failed, code, state);
    let summary = Summary {
        message: said.message,
        exit_code: Some(1),
        ..known
    };
    ends(1, "Error", summary)
}

fn succeeds(message: Option<&str>) -> Ending {
    let summary = account(Outcome::Succeeded, message.unwrap_or_default());
    ends(0, "Completed", summary)
}

fn refuses(refusal: Refusal) -> Ending {
    ends(64, "Error", account(Outcome::Refused(refusal), ""))
}

fn never_ran(said: &'static str) -> Ending {
    Ending {
        exit_code: 128,
        reason: NEVER_RAN,
        said,
        summary: None,
        ..fails("", "", "")
    }
}

fn left(ending: Ending) -> Ending {
    Ending {
        row: true,
        ..ending
    }
}

fn in_transaction(inventory: &mut DatabaseInventory) {
    for migration in &mut inventory.migrations {
        let sql = migration.sql.take().unwrap_or_default();
        migration.sql = Some(format!("BEGIN; {sql} COMMIT;"));
    }
}

fn without_commit(inventory: &mut DatabaseInventory) {
    for migration in &mut inventory.migrations {
        let sql = migration.sql.take().unwrap_or_default();
        migration.sql = Some(format!("BEGIN; {sql}"));
    }
}

fn invalid_index(facts: &mut DatabaseFacts) {
    if let Ledger::Rows(rows) = &facts.ledger
        && rows.len() > 1
    {
        facts.invalid_indexes = vec!["public.slow".to_owned()];
    }
}

fn ledger_elsewhere(facts: &mut DatabaseFacts) {
    let table = TableName {
        schema: "app".to_owned(),
        name: "_prisma_migrations".to_owned(),
    };
    facts.ledger = Ledger::Absent {
        tables: vec![table],
    };
}

fn ledger_forbidden(facts: &mut DatabaseFacts) {
    facts.ledger = Ledger::NoRight {
        grant: "GRANT SELECT ON _prisma_migrations TO app;".to_owned(),
    };
}

/// The names of these situations.
pub fn names() -> Vec<String> {
    let unread = UNREAD
        .iter()
        .map(|reason| format!("cannot be read: {}", reason.as_str()));
    let images = PROBLEMS
        .iter()
        .map(|(_, reason)| format!("image: {reason}"));
    let pods = PODS.iter().map(|(_, _, reason)| format!("pod: {reason}"));
    let ends = ENDS.iter().map(|(name, ..)| format!("ends: {name}"));
    let others = [
        "the pod that reads is lost",
        "an index is INVALID",
        "the ledger is elsewhere",
        "the ledger may not be read",
        "a right is missing",
        "out of order",
        "one database twice",
        "no restore point may be made",
        "Jobs are refused",
        "a Job of that name",
        "down failed",
        "resolve marked nothing",
    ];
    let others = others.into_iter().map(str::to_owned);
    unread
        .chain(images)
        .chain(pods)
        .chain(ends)
        .chain(others)
        .collect()
}

/// Makes it so; the reason by which it is to be shown.
pub fn arrange(stage: &mut Stage, name: &str) -> &'static str {
    if let Some(of) = name.strip_prefix("cannot be read: ") {
        let found = UNREAD.into_iter().find(|reason| reason.as_str() == of);
        stage.world.trouble.unread = found;
        return found.unwrap().as_str();
    }
    if let Some(of) = name.strip_prefix("image: ") {
        let (problem, reason) = PROBLEMS
            .into_iter()
            .find(|(_, reason)| *reason == of)
            .unwrap();
        stage.world.trouble.problem = Some(problem);
        return reason;
    }
    if let Some(of) = name.strip_prefix("pod: ") {
        let (word, message, reason) = PODS.into_iter().find(|(.., reason)| *reason == of).unwrap();
        stage.world.trouble.waits = Some(NotStarted {
            reason: word.to_owned(),
            message: message.to_owned(),
            silent: false,
        });
        return reason;
    }
    let trouble = &mut stage.world.trouble;
    if let Some(of) = name.strip_prefix("ends: ") {
        let (_, ending, reason) = ENDS.iter().find(|(name, ..)| *name == of).unwrap();
        trouble.ending = Some(ending());
        trouble.inventory = match of {
            "in its transaction" => Some(in_transaction),
            "open transaction" => Some(without_commit),
            _ => None,
        };
        return reason;
    }
    match name {
        "the pod that reads is lost" => {
            trouble.loses = true;
            reasons::INVENTORY_FAILED
        }
        "an index is INVALID" => {
            trouble.facts = Some(invalid_index);
            reasons::INVALID_INDEX_FOUND
        }
        "the ledger is elsewhere" => {
            trouble.facts = Some(ledger_elsewhere);
            trouble.inventory =
                Some(|inventory| inventory.schemas = vec!["public".to_owned(), "app".to_owned()]);
            reasons::LEDGER_ELSEWHERE
        }
        "the ledger may not be read" => {
            trouble.facts = Some(ledger_forbidden);
            reasons::LEDGER_FORBIDDEN
        }
        "a right is missing" => {
            trouble.facts = Some(|facts| {
                facts.lacks = Some("GRANT CREATE ON SCHEMA public TO app;".to_owned())
            });
            reasons::RIGHT_MISSING
        }
        "out of order" => {
            stage.edit(|resource| resource.spec.preflight.history.out_of_order = Policy::Deny);
            stage.then(&[same(FIRST), same("0150_new"), same(SECOND)]);
            reasons::OUT_OF_ORDER_FOUND
        }
        "one database twice" => {
            stage.edit(|resource| resource.spec.databases.push(database("b", TARGET, &[])));
            reasons::DUPLICATE_DATABASE
        }
        "no restore point may be made" => reasons::RESTORE_POINT_FORBIDDEN,
        "Jobs are refused" => {
            stage.world.refuses = Some(StepKind::Migrate);
            reasons::JOB_REFUSED
        }
        "a Job of that name" => {
            trouble.foreign = true;
            reasons::FOREIGN_JOB
        }
        "down failed" => {
            stage.world.downs_fail = true;
            stage.fate(FIRST, Fate::FailsWithTraces);
            stage.go(30);
            stage.choose("down");
            reasons::ROLLBACK_FAILED
        }
        "resolve marked nothing" => {
            stage.fate(FIRST, Fate::NotRecorded);
            stage.go(30);
            stage.world.trouble.resolves_nothing = true;
            stage.choose("mark-applied");
            reasons::RESOLVE_FAILED
        }
        other => panic!("{other}"),
    }
}

/// Somebody mends what the message says.
pub fn mend(stage: &mut Stage) {
    let foreign = stage.world.trouble.foreign;
    stage.world.trouble = Trouble::default();
    stage.world.refuses = None;
    stage.world.may_point = true;
    stage.world.downs_fail = false;
    for job in stage.world.jobs.values_mut().filter(|_| foreign) {
        job.exists = false;
    }
    let spec = &stage.world.objects[0].resource.spec;
    if spec.databases.len() > 1 || spec.preflight.history.out_of_order == Policy::Deny {
        stage.edit(|resource| {
            resource.spec.databases.truncate(1);
            resource.spec.preflight.history.out_of_order = Policy::Warn;
        });
    }
    if stage.world.applied(TARGET).contains(UNPLANNED) {
        let image = [FIRST, SECOND, UNPLANNED].map(same).to_vec();
        stage.world.odd.insert("with all".to_owned(), image);
        stage.release("with all");
    }
}
