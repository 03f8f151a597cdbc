//! PURE. Which reasons call for a person while a resource is still being worked on: the one list for the operator's Events and
//! for the exit codes of `kubectl dbm`.

use super::*;

/// Whether, and how soon, a person is called for a reason that a resource waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Nothing but a person mends it: called at once.
    AtOnce,
    /// A person has to mend it where a second look says the same; of a database that answered before it is as with [`Person::Soon`],
    /// because what restarts, or is moved, says so for a moment.
    Again,
    /// A person has to mend it, unless it passes within a moment: what is tried again by others, or restarts.
    Soon,
    /// It mostly passes by itself, after a while: a node that is on its way, a server that recovers. It is told when it lasts, and
    /// nobody is needed before it is Stalled.
    Late,
    /// It is well, or goes on by itself.
    Nobody,
}

impl Person {
    /// For how many seconds it must have lasted before it is told; `None` where it never is.
    pub fn patience(self) -> Option<i64> {
        match self {
            Person::AtOnce => Some(0),
            Person::Again => Some(2),
            Person::Soon => Some(15),
            Person::Late => Some(60),
            Person::Nobody => None,
        }
    }
}

/// Of each reason.
const CLASSES: [(Person, &[&str]); 5] = [
    (Person::AtOnce, AT_ONCE),
    (Person::Again, AGAIN),
    (Person::Soon, SOON),
    (Person::Late, LATE),
    (Person::Nobody, NOBODY),
];

const AT_ONCE: &[&str] = &[
    SECRET_MISSING,
    SECRET_KEY_MISSING,
    URL_INVALID,
    URL_NOT_POSTGRES,
    URL_NOT_DIRECT,
    URL_POOLED,
    URL_NAMES_FILE,
    URL_LOOPBACK,
    IMAGE_USER_NOT_NUMERIC,
    IMAGE_USER_ROOT,
    WRONG_ARCHITECTURE,
    POD_SECURITY_VIOLATED,
    // The API server said no.
    ENVIRONMENT_MISSING,
    QUOTA_EXCEEDED,
    SERVICE_ACCOUNT_MISSING,
    // It is said only when it has lasted, and has an Event of its own.
    LOCK_HELD,
    // From here on it is Stalled, or the run has ended, as soon as it is said.
    ROLLBACK_FAILED,
    RESTORE_FAILED,
    RESOLVE_FAILED,
    ABORTED,
    SMOKE_TEST_FAILED,
    LOG_LINE_FOUND,
    RESTORE_POINT_FORBIDDEN,
    MIGRATION_FAILED,
    MIGRATION_UNFINISHED,
    OWN_TRANSACTION_FAILED,
    TRANSACTION_LEFT_OPEN,
    ENGINE_LOST,
    SEARCH_PATH_MOVED,
    ROLE_CHANGED,
    SCRIPT_DONE_NOT_RECORDED,
    PRISMA_FAILED,
    OTHER_DATABASE_MIGRATED,
    LEDGER_INCOMPLETE,
    LEDGER_LOST,
    UNPLANNED_MIGRATIONS,
    OTHER_MIGRATIONS,
    INVALID_INDEX_FOUND,
    LOCK_TIMEOUT,
    UNREACHABLE_FROM_JOB,
    START_TIMEOUT,
    IMAGE_KEEPS_CHANGING,
    FAILED_ROW_FOUND,
    UNFINISHED_ROW_FOUND,
    BASELINE_NEEDED,
    LEDGER_ELSEWHERE,
    LEDGER_FORBIDDEN,
    RIGHT_MISSING,
    RENAMED_FOUND,
    SQUASHED_FOUND,
    UNSEEN_FOUND,
    EDITED_FOUND,
    UNKNOWN_FOUND,
    AHEAD_FOUND,
    OUT_OF_ORDER_FOUND,
    PENDING_FOUND,
    PLAN_CHANGED,
    DUPLICATE_DATABASE,
    DATABASES_EXCHANGED,
    JOB_REFUSED,
    FOREIGN_JOB,
    INVENTORY_FAILED,
    SCHEMA_MISSING,
    PROVIDER_UNSUPPORTED,
    MIGRATIONS_MISSING,
    MIGRATIONS_ELSEWHERE,
    MIGRATIONS_EMPTY,
    MIGRATION_UNREADABLE,
    MIGRATION_NAME_INVALID,
    PRISMA_MISSING,
    PRISMA_UNSUPPORTED,
    COMMAND_MISSING,
    CONFIG_MISSING,
    CONFIG_INVALID,
    CONNECTION_INVALID,
    ENGINE_MISSING,
    READ_ONLY_FILE_SYSTEM,
    DATASOURCE_VARIABLE_UNSET,
    ADVISORY_LOCK_DISABLED,
];

const AGAIN: &[&str] = &[
    SECRET_FORBIDDEN,
    HOST_UNKNOWN,
    CONNECTION_REFUSED,
    UNREACHABLE,
    AUTHENTICATION_FAILED,
    DATABASE_MISSING,
    TLS_FAILED,
];

const SOON: &[&str] = &[
    CONNECTION_LIMIT_REACHED,
    QUERY_FAILED,
    IMAGE_PULL_FAILED,
    CONTAINER_NOT_STARTED,
    OUT_OF_MEMORY,
    POD_REFUSED,
];

const LATE: &[&str] = &[
    SERVER_UNAVAILABLE,
    NOT_ANSWERED,
    UNSCHEDULABLE,
    // Of a look that is kept waiting; of a migration `LOCK_HELD` is told.
    WAITING_LOCK,
];

const NOBODY: &[&str] = &[
    PLANNING,
    MIGRATING,
    SUCCEEDED,
    DATABASE_AHEAD,
    DATABASES_READ,
    PLAN_READY,
    HISTORY_ACCEPTED,
    LEDGER_VERIFIED,
    // On purpose.
    SUSPENDED,
    ROLLING_BACK,
    RESTORING,
    RESOLVING,
    SMOKE_TESTING,
    TESTS_PASSED,
    WATCHING,
    VALIDATION_ACCEPTED,
    PULLING_IMAGE,
    WAITING_RETRY,
    DATABASE_BUSY,
    SERVER_BUSY,
    // These have Events of their own, and become Stalled by themselves, where they need anybody.
    WAITING_FOR_BACKEND,
    SESSION_MISSING,
    OVERDUE,
    KILLED,
];

/// Whether, and how soon, a person is called for a reason. What is not known, as of a newer operator, calls for nobody.
pub fn person(reason: &str) -> Person {
    CLASSES
        .iter()
        .find(|(_, reasons)| reasons.contains(&reason))
        .map_or(Person::Nobody, |(class, _)| *class)
}

/// Whether a resource with this reason waits for a person, although it is still being worked on.
pub fn needs_person(reason: &str) -> bool {
    matches!(
        person(reason),
        Person::AtOnce | Person::Again | Person::Soon
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types of conditions, which are no reasons.
    const TYPES: [&str; 9] = [
        READY,
        RECONCILING,
        STALLED,
        OBSERVED,
        PLANNED,
        PREFLIGHT_PASSED,
        MIGRATED,
        VALIDATED,
        ROLLED_BACK,
    ];

    /// Every reason of the page, read from its source: a new one has to be put into a class.
    fn reasons() -> Vec<&'static str> {
        let source = include_str!("../reasons.rs");
        let (source, _) = source.split_once("pub mod events").unwrap_or((source, ""));
        let constants = source
            .lines()
            .filter(|line| line.starts_with("pub const "))
            .filter_map(|line| line.split('"').nth(1));
        constants.filter(|name| !TYPES.contains(name)).collect()
    }

    #[test]
    fn every_reason_is_in_one_class() {
        let all = reasons();
        assert!(all.len() > 100, "the source has moved: {all:?}");
        for reason in &all {
            let of = CLASSES.iter().filter(|(_, list)| list.contains(reason));
            let of: Vec<_> = of.map(|(class, _)| class).collect();
            assert_eq!(of.len(), 1, "{reason}: whom does it wait for? {of:?}");
        }
        let classed = CLASSES.iter().map(|(_, list)| list.len()).sum::<usize>();
        assert_eq!(classed, all.len(), "each once, and no type of a condition");
    }

    #[test]
    fn every_way_of_not_reading_a_database_is_a_reason() {
        let source = include_str!("../../facts/reading.rs");
        let (_, words) = source.split_once("pub fn as_str").unwrap_or_default();
        let words = words
            .lines()
            .filter(|line| line.contains("UnreadableReason::"));
        for line in words {
            assert!(line.contains("=> reasons::"), "{line}");
        }
    }

    #[test]
    fn what_is_certain_is_told_at_once_and_a_hiccup_never() {
        assert_eq!(person(SECRET_KEY_MISSING).patience(), Some(0));
        assert_eq!(person(QUOTA_EXCEEDED).patience(), Some(0));
        assert_eq!(person(IMAGE_PULL_FAILED).patience(), Some(15));
        for reason in [UNREACHABLE, CONNECTION_REFUSED, AUTHENTICATION_FAILED] {
            assert_eq!(person(reason).patience(), Some(2), "{reason}");
            assert!(needs_person(reason), "{reason}");
        }
        // A node may be on its way for minutes.
        assert_eq!(person(UNSCHEDULABLE).patience(), Some(60));
        assert!(!needs_person(UNSCHEDULABLE));
        assert_eq!(person(PULLING_IMAGE).patience(), None);
        assert!(!needs_person("SomethingNewer"));
    }
}
