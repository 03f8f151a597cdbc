//! What a migration failed of, by its SQLSTATE: whether its image is to be corrected, or something else, or nothing at all.

use crate::api::{DatabaseMigrationStatus, DatabasePhase, FailedStatus};
use crate::tools::sql;
use crate::tools::sql_state::LOCK_NOT_AVAILABLE;

/// What has to be different before it can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Cause {
    /// Nothing of the migration: a right, a limit, the server, or what another session did.
    Around,
    /// Rows that do not fit, or the migration that makes them fit.
    Rows,
    /// The migration: the same one fails the same way.
    Image,
    /// It is not known.
    Unknown,
}

/// By the SQLSTATE, and by Prisma's code where there is none.
pub(in super::super) fn of(failed: &FailedStatus) -> Cause {
    if failed.own_time_out || failed.remedy.contains(sql::NO_DEFAULT) {
        return Cause::Image;
    }
    let state = failed.sql_state.as_str();
    match state {
        "" if matches!(failed.code.as_str(), "P1001" | "P1017") => Cause::Around,
        LOCK_NOT_AVAILABLE | "42501" | "40001" | "40P01" | "57014" | "25006" | "25P03"
        | "25P04" => Cause::Around,
        // It uses what it added in the same transaction, or runs in one what cannot.
        "55P04" | "25001" => Cause::Image,
        _ => match state.get(..2).unwrap_or_default() {
            "08" | "53" | "58" => Cause::Around,
            "57" if state.starts_with("57P") => Cause::Around,
            "22" | "23" => Cause::Rows,
            "0A" | "42" => Cause::Image,
            _ => Cause::Unknown,
        },
    }
}

/// What is to be done before the same runs again, as the beginning of a title, below what helps.
pub(in super::super) fn first(failed: &FailedStatus) -> String {
    if !failed.remedy.is_empty() {
        return match of(failed) {
            Cause::Rows => "correct the rows that are in the way (see What helps)".to_owned(),
            _ => "do what helps (see above)".to_owned(),
        };
    }
    mend(failed)
}

/// The same where what helps is not shown.
pub(in super::super) fn mend(failed: &FailedStatus) -> String {
    let who = match failed.blocked_by.as_str() {
        "" => String::new(),
        who => format!(": {who}"),
    };
    let state = failed.sql_state.as_str();
    let text = match state {
        "42501" => "give the role the right that it lacks",
        "57014" => "raise the time-out that cut the statement, or see who cancelled it",
        "25006" => {
            "see that the URL leads to the primary, and that nothing sets default_transaction_read_only"
        }
        "25P03" | "25P04" => "raise the time-out that ended its session",
        "40001" | "40P01" => {
            return format!("see that the session that it met is done with its work{who}");
        }
        "53100" => "make room on the server's disk",
        "53200" => "see that the server has memory",
        "53300" => "see that a connection is free",
        _ if state.starts_with("22") || state.starts_with("23") => {
            "correct the rows that are in the way"
        }
        _ => "see that the server is well and takes connections",
    };
    text.to_owned()
}

/// What a migration failed of that was undone, or marked rolled back, since, and what is to be done first; `None` where its image
/// is to be corrected.
pub(super) fn undone(now: &DatabaseMigrationStatus) -> Option<(Cause, String)> {
    let failed = went_back(now)?;
    let cause = of(failed);
    matches!(cause, Cause::Around | Cause::Rows).then(|| (cause, mend(failed)))
}

/// That migration, where it is one.
pub(super) fn went_back(now: &DatabaseMigrationStatus) -> Option<&FailedStatus> {
    let mut undone = now
        .databases
        .iter()
        .filter(|entry| entry.phase == DatabasePhase::RolledBack)
        .filter_map(|entry| entry.failed.as_ref());
    undone.next().filter(|_| undone.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("42501", Cause::Around)]
    #[case("57014", Cause::Around)]
    #[case("57P01", Cause::Around)]
    #[case("57P03", Cause::Around)]
    #[case("08006", Cause::Around)]
    #[case("40P01", Cause::Around)]
    #[case("40001", Cause::Around)]
    #[case("53300", Cause::Around)]
    #[case("53100", Cause::Around)]
    #[case("25006", Cause::Around)]
    #[case("55P03", Cause::Around)]
    #[case("23502", Cause::Rows)]
    #[case("22P02", Cause::Rows)]
    #[case("22001", Cause::Rows)]
    #[case("55P04", Cause::Image)]
    #[case("42601", Cause::Image)]
    #[case("42703", Cause::Image)]
    #[case("42P01", Cause::Image)]
    #[case("42P07", Cause::Image)]
    #[case("42710", Cause::Image)]
    #[case("P0001", Cause::Unknown)]
    #[case("", Cause::Unknown)]
    fn what_is_to_be_different(#[case] state: &str, #[case] expected: Cause) {
        let failed = FailedStatus {
            sql_state: state.to_owned(),
            ..FailedStatus::default()
        };
        assert_eq!(of(&failed), expected);
    }

    #[test]
    fn a_connection_that_was_lost_is_no_fault_of_the_image() {
        let failed = FailedStatus {
            code: "P1017".to_owned(),
            ..FailedStatus::default()
        };
        assert_eq!(of(&failed), Cause::Around);
    }

    #[test]
    fn a_time_out_that_the_file_sets_is_the_images() {
        let failed = FailedStatus {
            sql_state: "57014".to_owned(),
            own_time_out: true,
            ..FailedStatus::default()
        };
        assert_eq!(of(&failed), Cause::Image);
    }
}
