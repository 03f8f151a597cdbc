//! PURE. Whether a resource has settled, and what its state means for an exit code.

use super::exit::Exit;
use crate::api::{
    ANNOTATION_SUSPEND, ActionOutcome, ActionState, Condition, DatabaseMigration,
    DatabaseMigrationStatus, MigrationAction, Phase, reasons,
};

/// A condition of a resource's status.
pub fn condition<'a>(status: &'a DatabaseMigrationStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|c| c.type_ == kind)
}

/// Whether a condition is there and True.
pub fn holds(resource: &DatabaseMigration, kind: &str) -> bool {
    resource
        .status
        .as_ref()
        .and_then(|status| condition(status, kind))
        .is_some_and(|condition| condition.status == "True")
}

/// The operator's word is about the spec as it is now.
pub fn is_current(resource: &DatabaseMigration) -> bool {
    let observed = resource.status.as_ref().and_then(|s| s.observed_generation);
    observed.is_some() && observed == resource.metadata.generation
}

/// Suspended by its spec or by the annotation.
pub fn is_suspended(resource: &DatabaseMigration) -> bool {
    let annotation = resource
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(ANNOTATION_SUSPEND));
    resource.spec.suspend || annotation.is_some_and(|value| value == "true")
}

/// What a resource's state comes to; `None` while it is being worked on.
pub fn settled(resource: &DatabaseMigration) -> Option<Exit> {
    if !is_current(resource) {
        return None;
    }
    let phase = resource.status.as_ref().and_then(|status| status.phase);
    if holds(resource, reasons::READY) {
        Some(Exit::Done)
    } else if holds(resource, reasons::STALLED) {
        Some(match phase {
            Some(Phase::Failed) => Exit::Failed,
            _ => Exit::Human,
        })
    } else if phase == Some(Phase::Suspended) {
        Some(Exit::Human)
    } else {
        None
    }
}

/// It is being worked on, and waits for what a person has to mend.
pub fn needs_person(resource: &DatabaseMigration) -> bool {
    is_current(resource)
        && resource
            .status
            .as_ref()
            .and_then(|status| condition(status, reasons::RECONCILING))
            .is_some_and(|condition| {
                condition.status == "True" && reasons::needs_person(&condition.reason)
            })
}

/// The exit code of a look: what is under way, or suspended on purpose, is well, unless it waits for a person.
pub fn look(resource: &DatabaseMigration) -> Exit {
    let phase = resource.status.as_ref().and_then(|status| status.phase);
    match settled(resource) {
        Some(exit) if phase != Some(Phase::Suspended) => exit,
        None if needs_person(resource) => Exit::Human,
        _ => Exit::Done,
    }
}

/// What became of an action; `None` while it is not over.
pub fn action(action: &MigrationAction) -> Option<Exit> {
    let status = action.status.as_ref()?;
    match (status.state, status.outcome) {
        (ActionState::Pending | ActionState::Running, _) => None,
        (ActionState::Done, Some(ActionOutcome::Succeeded) | None) => Some(Exit::Done),
        (ActionState::Done, Some(ActionOutcome::Failed)) | (ActionState::Refused, _) => {
            Some(Exit::Failed)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::MigrationActionStatus;

    fn resource(generation: i64, phase: Phase, conditions: &[(&str, &str)]) -> DatabaseMigration {
        let mut resource: DatabaseMigration = serde_json::from_value(serde_json::json!({
            "apiVersion": "dbops.dev/v1alpha1",
            "kind": "DatabaseMigration",
            "metadata": {"name": "shop", "generation": 2},
            "spec": {"image": "i", "databases": []},
            "status": {"observedGeneration": generation}
        }))
        .unwrap();
        let status = resource.status.as_mut().unwrap();
        status.phase = Some(phase);
        for (kind, value) in conditions {
            let condition = serde_json::json!({"type": kind, "status": value, "reason": "R", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"});
            status
                .conditions
                .push(serde_json::from_value(condition).unwrap());
        }
        resource
    }

    #[rstest::rstest]
    #[case(2, Phase::Succeeded, &[("Ready", "True")], Some(Exit::Done), Exit::Done)]
    #[case(1, Phase::Succeeded, &[("Ready", "True")], None, Exit::Done)]
    #[case(2, Phase::Migrating, &[("Ready", "False"), ("Reconciling", "True")], None, Exit::Done)]
    #[case(2, Phase::Failed, &[("Ready", "False"), ("Stalled", "True")], Some(Exit::Failed), Exit::Failed)]
    #[case(2, Phase::Blocked, &[("Ready", "False"), ("Stalled", "True")], Some(Exit::Human), Exit::Human)]
    #[case(2, Phase::RolledBack, &[("Ready", "False"), ("Stalled", "True")], Some(Exit::Human), Exit::Human)]
    #[case(2, Phase::Suspended, &[("Ready", "False")], Some(Exit::Human), Exit::Done)]
    #[case(2, Phase::Pending, &[("Ready", "False"), ("Stalled", "False")], None, Exit::Done)]
    fn states(
        #[case] observed: i64,
        #[case] phase: Phase,
        #[case] conditions: &[(&str, &str)],
        #[case] waited: Option<Exit>,
        #[case] looked: Exit,
    ) {
        let resource = resource(observed, phase, conditions);
        assert_eq!(settled(&resource), waited);
        assert_eq!(look(&resource), looked);
    }

    #[rstest::rstest]
    #[case(2, reasons::SECRET_KEY_MISSING, Exit::Human)]
    #[case(2, reasons::SECRET_MISSING, Exit::Human)]
    #[case(2, reasons::HOST_UNKNOWN, Exit::Human)]
    #[case(2, reasons::AUTHENTICATION_FAILED, Exit::Human)]
    #[case(2, reasons::IMAGE_PULL_FAILED, Exit::Human)]
    #[case(2, reasons::PULLING_IMAGE, Exit::Done)]
    #[case(2, reasons::UNSCHEDULABLE, Exit::Done)]
    #[case(2, reasons::WAITING_LOCK, Exit::Done)]
    // Of the spec before, which somebody has corrected by now.
    #[case(1, reasons::SECRET_KEY_MISSING, Exit::Done)]
    fn what_waits_for_a_person_is_not_well(
        #[case] observed: i64,
        #[case] reason: &str,
        #[case] looked: Exit,
    ) {
        let conditions = [("Ready", "False"), ("Reconciling", "True")];
        let mut resource = resource(observed, Phase::Pending, &conditions);
        resource.status.as_mut().unwrap().conditions[1].reason = reason.to_owned();
        assert_eq!(settled(&resource), None, "it may still go on");
        assert_eq!(look(&resource), looked);
        assert_eq!(needs_person(&resource), looked == Exit::Human);
    }

    #[rstest::rstest]
    #[case(ActionState::Pending, None, None)]
    #[case(ActionState::Running, None, None)]
    #[case(ActionState::Done, Some(ActionOutcome::Succeeded), Some(Exit::Done))]
    #[case(ActionState::Done, Some(ActionOutcome::Failed), Some(Exit::Failed))]
    #[case(ActionState::Refused, None, Some(Exit::Failed))]
    fn actions(
        #[case] state: ActionState,
        #[case] outcome: Option<ActionOutcome>,
        #[case] exit: Option<Exit>,
    ) {
        let mut object = MigrationAction::new("a", Default::default());
        assert_eq!(action(&object), None);
        object.status = Some(MigrationActionStatus {
            state,
            outcome,
            ..Default::default()
        });
        assert_eq!(action(&object), exit);
    }
}
