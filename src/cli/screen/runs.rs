//! PURE. What a database's migration does now.

use jiff::Timestamp;

use crate::api::{DatabaseStatus, StepStatus};
use crate::cli::text::{between, safe};

/// `; X runs for 12 s`. `took`: how long the step has been there.
pub(super) fn runs(
    now: Timestamp,
    database: &DatabaseStatus,
    step: Option<&StepStatus>,
    took: Option<String>,
) -> String {
    match (&database.current, step) {
        (Some(current), _) => {
            let time = current
                .started_at
                .as_ref()
                .map_or(String::new(), |at| format!(" for {}", between(at.0, now)));
            let activity = match current.activity.as_str() {
                "" => String::new(),
                activity => format!(": {}", safe(activity)),
            };
            format!("; {} runs{time}{activity}", safe(&current.name))
        }
        (None, Some(step)) if step.finished_at.is_none() => {
            let time = took.unwrap_or_default();
            format!("; its Job was created {time} ago")
        }
        _ => String::new(),
    }
}
