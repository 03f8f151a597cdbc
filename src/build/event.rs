//! An Event. Each one is an object of its own: a recorder that counts repetitions would drop the words of the second
//! database. Of the core group, because only there it may have the time by which `kubectl describe` sorts.

use k8s_openapi::api::core::v1::{Event as KubeEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::decide::Event;

/// Which controller speaks, as `kubectl describe` shows it.
const CONTROLLER: &str = "database-migration-operator";

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
        message: Some(event.message.clone()),
        involved_object: object.clone(),
        source: Some(EventSource {
            component: Some(CONTROLLER.to_owned()),
            host: None,
        }),
        reporting_component: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(reporter.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..KubeEvent::default()
    }
}
