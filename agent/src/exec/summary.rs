//! The container's termination message.

use std::fs::OpenOptions;
use std::io::{self, Write};

use dbm_protocol::{Outcome, Refusal, Summary, TERMINATION_MESSAGE_LIMIT};

/// Names another file, for runs outside of a container.
pub const PATH_VARIABLE: &str = "DBM_TERMINATION_LOG";

const DEFAULT_PATH: &str = "/dev/termination-log";
const MESSAGE_LIMIT: usize = 1024;
const CUT: &str = "...";

/// The summary as JSON, at most [`TERMINATION_MESSAGE_LIMIT`] bytes: what does not fit is cut.
#[must_use]
pub fn fitted(summary: &Summary) -> String {
    let mut summary = summary.clone();
    let mut limit = MESSAGE_LIMIT;
    loop {
        for text in texts(&mut summary) {
            shorten(text, limit);
        }
        // Cannot fail: the summary has no map with other keys than text.
        let json = serde_json::to_string(&summary).unwrap_or_default();
        if json.len() <= TERMINATION_MESSAGE_LIMIT {
            return json;
        }
        // What failed matters more than what is worth a look, and how many of these there are stays.
        if summary.findings.pop().is_none() {
            if limit <= CUT.len() {
                return json;
            }
            limit /= 2;
        }
    }
}

/// All that comes from outside and may be long.
fn texts(summary: &mut Summary) -> Vec<&mut String> {
    let mut texts: Vec<&mut String> = summary
        .message
        .iter_mut()
        .chain(&mut summary.migration)
        .chain(&mut summary.elsewhere)
        .chain(&mut summary.begun)
        .chain(summary.problem.iter_mut().map(|found| &mut found.message))
        .collect();
    match &mut summary.outcome {
        Outcome::Refused(Refusal::Problem(problem)) => texts.push(&mut problem.message),
        Outcome::Refused(
            Refusal::ConnectionInvalid(message) | Refusal::OtherMigrations(message),
        ) => texts.push(message),
        Outcome::Refused(Refusal::InventoryChanged { found }) => texts.push(found),
        Outcome::Refused(Refusal::TooLate | Refusal::AdvisoryLockDisabled)
        | Outcome::Succeeded
        | Outcome::Failed => {}
    }
    texts
}

/// Cuts a text to so many bytes, and shows that it was cut.
pub(super) fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}

/// Writes it where the kubelet, or the caller, reads it.
///
/// # Errors
/// When that file cannot be written.
pub fn write(summary: &Summary) -> io::Result<()> {
    let json = fitted(summary);
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    let mut file = match std::env::var_os(PATH_VARIABLE) {
        Some(path) => options.create(true).open(path)?,
        // Outside of a container there is none, and none is to be made.
        None => options.open(DEFAULT_PATH)?,
    };
    file.write_all(json.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dbm_protocol::{LogFinding, Problem, ProblemReason, VERSION};

    fn summary(outcome: Outcome, message: &str) -> Summary {
        Summary {
            version: VERSION,
            outcome,
            exit_code: Some(1),
            signal: None,
            code: Some("P3018".into()),
            sql_state: Some("42703".into()),
            migration: Some("m".repeat(300)),
            message: Some(message.into()),
            problem: None,
            elsewhere: None,
            begun: Some("m".repeat(300)),
            findings: Vec::new(),
            findings_count: 0,
            timed_out: false,
            started_at: None,
            finished_at: None,
        }
    }

    #[test]
    fn fits_whatever_stands_in_it() {
        for text in [
            "short",
            &"\\\"".repeat(4000),
            &"é".repeat(4000),
            &"\u{1}".repeat(4000),
        ] {
            let problem = Problem {
                reason: ProblemReason::Internal,
                message: text.to_owned(),
            };
            for outcome in [
                Outcome::Failed,
                Outcome::Refused(Refusal::Problem(problem)),
                Outcome::Refused(Refusal::ConnectionInvalid(text.to_owned())),
            ] {
                let mut whole = summary(outcome, text);
                whole.problem = Some(Problem {
                    reason: ProblemReason::EngineMissing,
                    message: text.to_owned(),
                });
                whole.findings = vec![
                    LogFinding {
                        line: u32::MAX,
                        text: text.chars().take(100).collect(),
                        pattern: Some(31),
                    };
                    10
                ];
                whole.findings_count = 4000;
                let json = fitted(&whole);
                assert!(json.len() <= TERMINATION_MESSAGE_LIMIT, "{}", json.len());
                let read: Summary = serde_json::from_str(&json).unwrap();
                assert_eq!(read.findings_count, 4000);
                let message = read.message.unwrap();
                assert!(message.len() <= MESSAGE_LIMIT);
                assert!(text.starts_with(message.trim_end_matches(CUT)));
            }
        }
    }

    #[test]
    fn findings_make_room_for_the_message_and_for_nothing_else() {
        let finding = |size: usize| LogFinding {
            line: 1,
            text: "w".repeat(size),
            pattern: None,
        };
        let mut whole = summary(Outcome::Failed, &"m".repeat(900));
        whole.findings = vec![finding(200); 10];
        let read: Summary = serde_json::from_str(&fitted(&whole)).unwrap();
        assert_eq!(
            (read.findings.len(), read.message.unwrap().len()),
            (10, 900)
        );
        whole.message = Some("\"".repeat(1000));
        let read: Summary = serde_json::from_str(&fitted(&whole)).unwrap();
        assert!(
            (1..10).contains(&read.findings.len()),
            "{}",
            read.findings.len()
        );
        assert_eq!(read.message.unwrap().len(), 1000);
    }
}
