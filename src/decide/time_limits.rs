//! Whose time-out it was that ended a migration's statement, and what helps.

use crate::api::{DatabaseMigrationSpec, FailedStatus, Traces};
use crate::facts::{DatabaseFacts, OwnTimeout};
use crate::tools::sql;

/// What is said of a failure of an earlier run, whose limit may suffice by now.
pub(super) const CHANGED: &str = "What limits it was changed since it failed";

/// What follows where nothing is left of it.
const THEN: &str = "; then mark it rolled back and retry";

/// The setting that cut a statement.
pub(super) fn setting(failed: &FailedStatus) -> Option<&'static str> {
    let said = failed.summary.to_ascii_lowercase();
    match failed.sql_state.as_str() {
        "57014" if said.contains("due to statement timeout") => Some("statement_timeout"),
        "55P03" if said.contains("due to lock timeout") => Some("lock_timeout"),
        "25P04" => Some("transaction_timeout"),
        _ => None,
    }
}

/// Whether a migration's own file sets the time-out that cut it.
pub(super) fn is_own(failed: &FailedStatus, script: &str) -> bool {
    setting(failed).is_some_and(|name| sql::sets(script, name))
}

/// What cut a statement and what helps, as sentences that begin with a blank; empty where no time-out did.
/// `script`: the migration's file. `unlimited`: the lock time-out of the spec was left out.
pub(super) fn advice(
    spec: &DatabaseMigrationSpec,
    facts: &DatabaseFacts,
    failed: &FailedStatus,
    script: &str,
    unlimited: bool,
) -> String {
    let Some(name) = setting(failed) else {
        return String::new();
    };
    if sql::sets(script, name) {
        return format!(
            " The migration's own file sets {name}: release an image in which it sets a longer one, or none."
        );
    }
    let own = facts.own_timeouts.iter().find(|own| own.name == name);
    let (field, of_spec) = match name {
        "statement_timeout" => ("timeouts.statement", &spec.timeouts.statement),
        "lock_timeout" => ("timeouts.lock", &spec.timeouts.lock),
        _ => ("", &spec.timeouts.kill),
    };
    let set = of_spec.seconds().unwrap_or(0) > 0;
    let what = match (own, field) {
        (_, "timeouts.lock") if set && !unlimited => return String::new(),
        (_, "timeouts.statement") if set => {
            format!(
                "Unless the URL sets another, it is {field} of the spec, {}: raise it",
                of_spec.0
            )
        }
        (Some(own), "timeouts.statement") => format!(
            "{}: set {field} to what the migration needs, or change it ({} SET {name} = ...)",
            whose(own),
            own.set_by
        ),
        (Some(own), _) => format!(
            "{}: change it ({} SET {name} = ...)",
            whose(own),
            own.set_by
        ),
        (None, "timeouts.statement") => format!(
            "Nothing sets {field}, so it is a {name} of the server or of the URL: set {field} to what the migration needs"
        ),
        (None, _) => format!("It is a {name} of the server or of the URL"),
    };
    let then = if failed.traces == Traces::None {
        THEN
    } else {
        ""
    };
    format!(" {what}{then}.")
}

/// Of a failure of an earlier run what helps, by what is set now: the time-out may have been raised since.
pub(super) fn renew(
    spec: &DatabaseMigrationSpec,
    facts: &DatabaseFacts,
    failed: &mut FailedStatus,
    script: &str,
) {
    let Some(name) = setting(failed).filter(|_| !failed.remedy.is_empty()) else {
        return;
    };
    let now = advice(spec, facts, failed, script, false);
    let what = |text: &str| {
        let text = text.trim().trim_end_matches('.');
        text.strip_suffix(THEN).unwrap_or(text).to_owned()
    };
    if now.is_empty() || what(&now) == what(&failed.remedy) {
        return;
    }
    let limit = &spec.timeouts.statement;
    let of_spec = name == "statement_timeout" && limit.seconds().unwrap_or(0) > 0;
    failed.remedy = if of_spec && !sql::sets(script, name) {
        format!(
            "{CHANGED}: timeouts.statement of the spec is {} now, unless the URL sets another. Where that is enough, nothing else is to be changed before it is run again.",
            limit.0
        )
    } else {
        now.trim().to_owned()
    };
}

/// `The role's own statement_timeout is 2s (ALTER ROLE app)`.
fn whose(own: &OwnTimeout) -> String {
    let whose = if own.set_by.starts_with("ALTER DATABASE") {
        "The database's"
    } else {
        "The role's"
    };
    format!("{whose} own {} is {}", own.name, own.value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_out_that_was_raised_is_not_to_be_raised() {
        let spec = |limit: &str| -> DatabaseMigrationSpec {
            serde_json::from_value(serde_json::json!({
                "image": "i", "databases": [], "timeouts": {"statement": limit}
            }))
            .unwrap()
        };
        let facts = DatabaseFacts::default();
        let mut failed = FailedStatus {
            sql_state: "57014".to_owned(),
            summary: "ERROR: canceling statement due to statement timeout".to_owned(),
            ..FailedStatus::default()
        };
        let advice = advice(&spec("2s"), &facts, &failed, "", false);
        failed.remedy = advice.trim().to_owned();
        // By now nothing of it is left.
        failed.traces = Traces::None;
        renew(&spec("2s"), &facts, &mut failed, "");
        assert!(failed.remedy.contains("2s: raise it"), "{}", failed.remedy);
        for _ in 0..2 {
            renew(&spec("10m"), &facts, &mut failed, "");
            assert!(failed.remedy.contains("is 10m now"), "{}", failed.remedy);
            assert!(!failed.remedy.contains("raise it"), "{}", failed.remedy);
        }
    }
}
