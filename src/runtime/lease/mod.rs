//! Leader election over one `coordination.k8s.io` Lease.
//!
//! [`decide_lease`] says what to do, as a pure function; [`Election`] does it. Three rules make it safe:
//!
//! - Every write carries the resourceVersion that was seen, so of two who write only one succeeds.
//! - A record is expired when *we* have seen it unchanged for as long as its holder asked for, by our own monotonic
//!   clock; the times that stand in it are for people.
//! - A leader counts from before it sent its last successful renewal and gives up earlier (`renew_deadline`) than
//!   anyone can take over (`duration`). [`Leadership::run`] then returns an error and the process is to end: nothing
//!   that was started as the leader may go on.
//!
//! Outside of this is a Lease deleted by hand and created by a process that never saw it: then two lead until the
//! first one's next renewal.
//!
//! A leader writes once every `renew_interval` and reads nothing. A standby watches and writes nothing.

mod decide;
mod election;
mod object;

pub use decide::{LeaseDecision, LeaseRecord, Observed, Settings, Sighting, decide_lease};
pub use election::{Election, Leadership, LeaseLost};
