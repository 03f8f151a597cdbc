//! MigrationActions: read from the cache, answered on their own status, each with a line of the audit log.

use kube::Api;
use kube::api::{Patch, PatchParams};

use super::connection::may_exist;
use super::{Cluster, Error, Who};
use crate::api::{ActionState, DatabaseMigration, MigrationAction, MigrationActionStatus};
use crate::decide::{Resource, orphaned};
use crate::facts::ActionFacts;
use crate::runtime::clock;

impl Cluster {
    /// The actions for a resource that are not over, oldest first.
    pub(super) fn actions_of(&self, resource: &Resource) -> Vec<ActionFacts> {
        let mut found = self.open_actions(&resource.namespace, &resource.name);
        let mut memory = self.memory();
        let remembered = memory.of(&resource.uid);
        // Answered a moment ago; the cache lags behind.
        found.retain(|action| {
            !remembered
                .answered(&action.uid)
                .is_some_and(|said| said.state.is_final())
        });
        for action in &mut found {
            if let Some(said) = remembered.answered(&action.uid) {
                action.state = said.state;
            }
        }
        found
    }

    fn open_actions(&self, namespace: &str, migration: &str) -> Vec<ActionFacts> {
        let open = self.actions.of(namespace, migration);
        let mut found: Vec<ActionFacts> = open.iter().map(|action| facts(action)).collect();
        found.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        found
    }

    /// Says on an action how far it is. One that was deleted meanwhile needs no answer.
    pub(super) async fn answer(
        &self,
        resource: &Resource,
        name: &str,
        uid: &str,
        status: &MigrationActionStatus,
    ) -> Result<(), Error> {
        if self.memory().of(&resource.uid).answered(uid) == Some(status) {
            return Ok(());
        }
        self.write_answer(&resource.namespace, name, uid, status)
            .await?;
        self.memory().of(&resource.uid).answer(uid, status.clone());
        Ok(())
    }

    async fn write_answer(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        status: &MigrationActionStatus,
    ) -> Result<(), Error> {
        let mut said = serde_json::to_value(status).unwrap_or_default();
        // What was said before goes, also where nothing is said now: null takes a field away in a merge patch.
        if status.message.is_empty() {
            said["message"] = serde_json::Value::Null;
        }
        let patch = serde_json::json!({"metadata": {"uid": uid}, "status": said});
        let api: Api<MigrationAction> = Api::namespaced(self.shared.client.clone(), namespace);
        let written = match api
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
        {
            Ok(written) => written,
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => return Ok(()),
            Err(error) => {
                return Err(Error::api(format!("answering MigrationAction {name}"))(
                    error,
                ));
            }
        };
        audit(namespace, &written, status);
        Ok(())
    }

    /// Actions for a resource that there is not are refused, or over where they were taken up.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn answer_orphans(&self, resource: &Who) -> Result<(), Error> {
        let namespace = resource.namespace.clone().unwrap_or_default();
        let open = self.open_actions(&namespace, &resource.name);
        if open.is_empty() {
            return Ok(());
        }
        let api: Api<DatabaseMigration> = Api::namespaced(self.shared.client.clone(), &namespace);
        // Older definitions of the kind let any text through, which would be another request: one for a watch, say, which does
        // not end.
        if may_exist(&resource.name) {
            let found = api
                .get_opt(&resource.name)
                .await
                .map_err(Error::api(format!(
                    "reading DatabaseMigration {namespace}/{}",
                    resource.name
                )))?;
            if found.is_some() {
                return Ok(());
            }
        }
        let actions: Api<MigrationAction> = Api::namespaced(self.shared.client.clone(), &namespace);
        for action in open {
            // What was answered a moment ago no cache shows yet: one that is over stays so, and one that was taken up is not
            // refused.
            let now = actions
                .get_opt(&action.name)
                .await
                .map_err(Error::api(format!(
                    "reading MigrationAction {namespace}/{}",
                    action.name
                )))?;
            let now = now.as_ref().map(facts).filter(|now| now.uid == action.uid);
            let told =
                now.and_then(|now| orphaned(now.state, &namespace, &resource.name, clock::now()));
            let Some(status) = told else {
                continue;
            };
            self.write_answer(&namespace, &action.name, &action.uid, &status)
                .await?;
        }
        Ok(())
    }
}

fn facts(action: &MigrationAction) -> ActionFacts {
    ActionFacts {
        name: action.metadata.name.clone().unwrap_or_default(),
        uid: action.metadata.uid.clone().unwrap_or_default(),
        created_at: action
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(jiff::Timestamp::UNIX_EPOCH, |time| time.0),
        spec: action.spec.clone(),
        state: action
            .status
            .as_ref()
            .map_or(ActionState::Pending, |status| status.state),
    }
}

/// Who decided what, why, and what became of it: one line for each answer but "it waits".
fn audit(namespace: &str, action: &MigrationAction, status: &MigrationActionStatus) {
    if status.state == ActionState::Pending {
        return;
    }
    let spec = &action.spec;
    tracing::info!(
        target: "audit",
        namespace,
        action = spec.action.as_str(),
        name = action.metadata.name.as_deref().unwrap_or_default(),
        migration = spec.migration,
        run = spec.run,
        database = spec.database,
        migration_name = spec.migration_name,
        requested_by = spec.requested_by,
        reason = spec.reason,
        state = ?status.state,
        outcome = ?status.outcome,
        "{}",
        status.message
    );
}
