//! Actions whose DatabaseMigration there is not (any more).

use jiff::Timestamp;

use super::super::status;
use crate::api::{ActionOutcome, ActionState, MigrationActionStatus};

/// What such an action is told. Of one that was taken up nobody judges any more what its Job did, and that Job may be at work
/// still: it is over, and not refused. `None`: it was over before.
pub fn orphaned(
    state: ActionState,
    namespace: &str,
    migration: &str,
    now: Timestamp,
) -> Option<MigrationActionStatus> {
    let (state, outcome, message) = match state {
        ActionState::Running => {
            let text = format!(
                "DatabaseMigration {migration} was deleted before this was judged: look at the database"
            );
            (ActionState::Done, Some(ActionOutcome::Failed), text)
        }
        ActionState::Pending => {
            let text = format!("namespace {namespace} has no DatabaseMigration {migration}");
            (ActionState::Refused, None, text)
        }
        ActionState::Done | ActionState::Refused => return None,
    };
    Some(MigrationActionStatus {
        state,
        outcome,
        message,
        finished_at: status::time(now),
        ..MigrationActionStatus::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_up_is_over_and_the_rest_is_refused() {
        let told = |state| orphaned(state, "production", "shop", Timestamp::UNIX_EPOCH);
        for (state, expected, outcome, words) in [
            (
                ActionState::Running,
                ActionState::Done,
                Some(ActionOutcome::Failed),
                "DatabaseMigration shop was deleted before this was judged: look at the database",
            ),
            (
                ActionState::Pending,
                ActionState::Refused,
                None,
                "namespace production has no DatabaseMigration shop",
            ),
        ] {
            let said = told(state).unwrap_or_default();
            assert_eq!((said.state, said.outcome), (expected, outcome));
            assert_eq!(said.message, words);
        }
        assert_eq!(told(ActionState::Done), None);
        assert_eq!(told(ActionState::Refused), None);
    }
}
