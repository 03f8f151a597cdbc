//! How this process looks for hosts, read once.

use crate::database::names::PodNames;

/// What the kubelet wrote for this pod.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// By which names pods of this cluster look for a host; by none where this process is in no cluster, or that cannot be read.
#[must_use]
pub fn of_this_process(own_namespace: &str) -> PodNames {
    let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    PodNames::parse(&text, own_namespace)
}
