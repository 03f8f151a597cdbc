//! What humans decide, and what becomes of it.

use database_migration_operator::api::{
    ActionOutcome, ActionState, DatabaseMigration, MigrationAction, MigrationActionStatus,
};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{LIMIT, Stage, run_id};

/// An action on the run that a resource shows, by the cluster's administrator, as the tests are.
pub fn action(object: &DatabaseMigration, kind: &str, more: &Value) -> Value {
    let mut spec = json!({
        "migration": object.name_any(),
        "run": run_id(object),
        "action": kind,
        "requestedBy": "local-admin",
        "reason": "a test decided so",
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

impl Stage {
    /// Makes a MigrationAction; its name.
    pub async fn act(&self, spec: Value) -> String {
        let object: MigrationAction = serde_json::from_value(json!({
            "apiVersion": "dbops.dev/v1alpha1", "kind": "MigrationAction",
            "metadata": {"generateName": "decided-"}, "spec": spec,
        }))
        .unwrap();
        let made = self
            .api::<MigrationAction>()
            .create(&PostParams::default(), &object)
            .await
            .unwrap_or_else(|error| panic!("{object:?}\n{error}"));
        made.name_any()
    }

    /// Waits until an action says something.
    pub async fn until_action(
        &self,
        name: &str,
        what: &str,
        mut is: impl FnMut(&MigrationActionStatus) -> bool,
    ) -> MigrationActionStatus {
        let mut last = None;
        let found = self
            .actions
            .until(LIMIT, |seen| {
                let newest = seen.iter().rfind(|seen| seen.object.name_any() == name)?;
                let status = newest.object.status.clone()?;
                last = Some(status.clone());
                is(&status).then_some(status)
            })
            .await;
        found.unwrap_or_else(|| panic!("{name} was not {what} within {LIMIT:?}: {last:?}"))
    }

    /// Decides, and waits until it is over and has reached its goal.
    pub async fn done(&self, spec: Value) -> MigrationActionStatus {
        let name = self.act(spec).await;
        let end = self
            .until_action(&name, "over", |s| s.state.is_final())
            .await;
        assert_eq!(
            (end.state, end.outcome),
            (ActionState::Done, Some(ActionOutcome::Succeeded)),
            "{}",
            end.message
        );
        end
    }

    /// Decides, and waits until it is refused: why.
    pub async fn refused(&self, spec: Value) -> String {
        let name = self.act(spec).await;
        let end = self
            .until_action(&name, "over", |s| s.state.is_final())
            .await;
        assert_eq!(end.state, ActionState::Refused, "{}", end.message);
        end.message
    }
}
