//! An Event. Each one is an object of its own: a recorder that counts repetitions would drop the words of the second
//! database.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as KubeEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use crate::decide::Event;

/// Which controller speaks, as `kubectl describe` shows it.
const CONTROLLER: &str = "dbops.dev/database-migration-operator";

/// An Event about `object`, told by the pod `reporter`.
pub fn event(
    object: &ObjectReference,
    event: &Event,
    reporter: &str,
    now: jiff::Timestamp,
) -> KubeEvent {
    let name = object.name.as_deref().unwrap_or_default();
    KubeEvent {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: object.namespace.clone(),
            ..ObjectMeta::default()
        },
        type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(event.reason.to_owned()),
        note: Some(event.message.clone()),
        action: Some("Migrate".to_owned()),
        regarding: Some(object.clone()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(reporter.to_owned()),
        event_time: Some(MicroTime(now)),
        ..KubeEvent::default()
    }
}
