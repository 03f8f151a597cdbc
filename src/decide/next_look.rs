//! When a run that has ended is looked at again.

use super::pass::Pass;
use crate::api::RunOutcome;

/// When the next look is due.
pub(super) fn schedule(pass: &mut Pass<'_>) {
    let interval = pass.spec.interval.seconds().unwrap_or(0);
    let looks =
        pass.run().outcome == Some(RunOutcome::Succeeded) || pass.spec.rollback.restore.is_some();
    if interval > 0 && looks {
        pass.requeue(u64::try_from(interval).unwrap_or(3600).saturating_mul(1000));
    }
}
