//! Between a `Lease` object and what is decided about. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use super::LeaseRecord;

/// What the Lease says.
pub(super) fn record(lease: &Lease) -> LeaseRecord {
    let spec = lease.spec.as_ref();
    LeaseRecord {
        holder: spec
            .and_then(|spec| spec.holder_identity.clone())
            .filter(|holder| !holder.is_empty()),
        duration: spec
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

/// A new Lease of ours.
pub(super) fn created(name: &str, me: &str, duration: Duration, now: Timestamp) -> Lease {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    held(
        Lease {
            metadata,
            spec: None,
        },
        me,
        duration,
        now,
    )
}

/// The same Lease, held by us: renewed if it is ours, taken over if not. What others put into it stays.
pub(super) fn held(mut lease: Lease, me: &str, duration: Duration, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    if spec.holder_identity.as_deref() != Some(me) {
        spec.holder_identity = Some(me.to_owned());
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(
            spec.lease_transitions
                .map_or(0, |count| count.saturating_add(1)),
        );
    }
    spec.lease_duration_seconds = Some(whole_seconds(duration));
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// The same Lease, held by nobody.
pub(super) fn released(mut lease: Lease, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    spec.holder_identity = None;
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// Rounded up: others may wait longer than needed, never less.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_lease_goes_from_hand_to_hand() {
        let mut lease = created("leader", "a", Duration::from_millis(14_100), NOW);
        assert_eq!(
            record(&lease),
            LeaseRecord {
                holder: Some("a".to_owned()),
                duration: Some(Duration::from_secs(15)),
                resource_version: String::new(),
            }
        );
        lease.metadata.resource_version = Some("7".to_owned());
        lease.metadata.labels = Some([("team".to_owned(), "x".to_owned())].into());

        let renewed = held(lease.clone(), "a", Duration::from_secs(15), NOW);
        assert_eq!(
            renewed
                .spec
                .as_ref()
                .and_then(|spec| spec.lease_transitions),
            Some(0)
        );

        let free = released(renewed, NOW);
        assert_eq!(record(&free).holder, None);

        let taken = held(free, "b", Duration::from_secs(15), NOW);
        assert_eq!(
            taken.spec.as_ref().and_then(|spec| spec.lease_transitions),
            Some(1)
        );
        assert_eq!(record(&taken).holder.as_deref(), Some("b"));
        assert_eq!(
            taken.metadata, lease.metadata,
            "the version it was seen in, and what others put into it"
        );
    }

    #[test]
    fn an_odd_record_is_read_as_far_as_it_goes() {
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(-1),
            ..LeaseSpec::default()
        };
        let lease = Lease {
            metadata: ObjectMeta::default(),
            spec: Some(spec),
        };
        let nothing = LeaseRecord {
            holder: None,
            duration: None,
            resource_version: String::new(),
        };
        assert_eq!(record(&lease), nothing);
        assert_eq!(record(&Lease::default()), nothing);
    }
}
