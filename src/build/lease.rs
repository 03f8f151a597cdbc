//! The Lease by which runs on one database take turns. It has no duration: nothing steals it by time.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

/// A Lease held by `holder` since `now`. With `version` it replaces exactly that version.
pub fn lease(
    namespace: &str,
    name: &str,
    holder: &str,
    now: jiff::Timestamp,
    version: Option<&str>,
) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            resource_version: version.map(str::to_owned),
            labels: Some(
                [(
                    "app.kubernetes.io/managed-by".to_owned(),
                    "database-migration-operator".to_owned(),
                )]
                .into(),
            ),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            acquire_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }),
    }
}
