//! PURE. A migration that failed: its error, what is left, and what takes that back.

use dbm_protocol::recognise::image::capital;
use jiff::SignedDuration;

use super::frame::Screen;
use crate::api::{
    DatabaseMigrationStatus, DatabasePhase, DatabaseStatus, FailedStatus, Traces, reasons,
};
use crate::cli::text::{age, safe};
use crate::cli::verdict::condition;
use crate::decide::{compared, was_there};
use crate::tools::sql_state::meaning;

/// What was seen within so long is what is there, for who reads it.
const LATELY: SignedDuration = SignedDuration::from_secs(120);

/// The message is about something else than the failure that stands above it.
pub(super) fn message_says_more(
    status: &DatabaseMigrationStatus,
    failed: &[&DatabaseStatus],
) -> bool {
    let reason = condition(status, reasons::READY).map_or("", |ready| ready.reason.as_str());
    let said = [
        reasons::MIGRATION_FAILED,
        reasons::FAILED_ROW_FOUND,
        reasons::PRISMA_FAILED,
    ];
    let summarised = failed.iter().all(|database| {
        let failure = database.failed.as_ref();
        failure.is_some_and(|failure| !failure.summary.is_empty())
    });
    !(summarised && said.contains(&reason))
}

/// The message, without the sentences that stand below under "What is left".
pub(super) fn without_what_is_left(message: &str, failed: &[&DatabaseStatus]) -> String {
    let shown = failed
        .iter()
        .filter(|database| database.phase != DatabasePhase::RolledBack)
        .filter_map(|database| database.failed.as_ref());
    let mut message = message.to_owned();
    for line in shown.flat_map(|failed| &failed.left) {
        let line = match line.split_once("; to see: ") {
            Some((text, look)) => format!("{text}; to see: `{look}`"),
            None => line.clone(),
        };
        message = message.replace(&format!(" {}.", capital(&line)), "");
    }
    message
}

/// Of which run the failure is, where it is not this one.
fn earlier(screen: &Screen, failed: &FailedStatus) -> String {
    let ready = screen
        .status()
        .and_then(|status| condition(status, reasons::READY));
    let blocks = [reasons::FAILED_ROW_FOUND, reasons::UNFINISHED_ROW_FOUND];
    if !ready.is_some_and(|ready| blocks.contains(&ready.reason.as_str())) {
        return String::new();
    }
    let text = match failed.corrected {
        true => ", with a text that this image does not hold",
        false => "",
    };
    format!("{} failed in an earlier run{text}: ", safe(&failed.name))
}

/// What failed in one database: its error, what helps, what is left, and what takes that back. `heading` stands before the first of it.
pub(super) fn failed_database(
    screen: &Screen,
    out: &mut String,
    (heading, summary): (&str, &str),
    database: &DatabaseStatus,
    failed: &FailedStatus,
    several: bool,
) {
    let whose = if several {
        format!("{}: ", safe(&database.name))
    } else {
        String::new()
    };
    let mut codes = Vec::new();
    if !failed.sql_state.is_empty() {
        let mut text = format!("SQLSTATE {}", safe(&failed.sql_state));
        if let Some(meaning) = meaning(&failed.sql_state, &failed.summary) {
            text.push_str(&format!(", {meaning}"));
        }
        codes.push(text);
    }
    if !failed.code.is_empty() {
        codes.push(safe(&failed.code));
    }
    let mut happened = safe(summary);
    // Some versions of Prisma say the SQLSTATE at the end.
    let said = format!("(SQLSTATE {})", safe(&failed.sql_state));
    if let Some(before) = happened.strip_suffix(&said) {
        happened = before.trim_end().to_owned();
    }
    if !codes.is_empty() {
        let blank = if happened.is_empty() { "" } else { "  " };
        happened.push_str(&format!("{blank}({})", codes.join("; ")));
    }
    let mut heading = heading;
    let mut say = |out: &mut String, text: &str| {
        screen.section(out, std::mem::take(&mut heading), text);
    };
    if !happened.is_empty() {
        say(
            out,
            &format!("{whose}{}{happened}", earlier(screen, failed)),
        );
    }
    if let Some(statement) = &failed.statement {
        say(
            out,
            &format!(
                "in statement {} of {}: {}",
                statement.number,
                statement.of,
                safe(&statement.text)
            ),
        );
    }
    if !failed.blocked_by.is_empty() {
        say(out, &format!("it waited for {}", safe(&failed.blocked_by)));
    }
    if database.phase == DatabasePhase::RolledBack {
        // What it left was undone, unless somebody insisted; and then, too, it may be undone by now.
        let mut heading = "What was left";
        for text in &failed.left {
            let text = format!("{whose}{}", safe(text));
            screen.section(out, std::mem::take(&mut heading), &text);
        }
        return;
    }
    if !failed.remedy.is_empty() {
        screen.section(
            out,
            "What helps",
            &format!("{whose}{}", safe(&failed.remedy)),
        );
    }
    let mut heading = "What is left";
    let mut say = |out: &mut String, text: &str| {
        screen.section(out, std::mem::take(&mut heading), text);
    };
    for text in &failed.left {
        say(out, &format!("{whose}{}", safe(text)));
    }
    let seen = database.last_observed_at.as_ref().map(|at| at.0);
    let since = seen.filter(|at| screen.now.duration_since(*at) > LATELY);
    if let Some(at) = since.filter(|_| !failed.left.is_empty()) {
        let age = age(at, screen.now);
        say(
            out,
            &format!("{whose}that was seen {age} ago: what was undone since still stands here"),
        );
    }
    let mut undo: Vec<String> = Vec::new();
    undo.extend(failed.undo.iter().map(|text| format!("{};", safe(text))));
    if !failed.undo_lacks.is_empty() && !failed.undo.is_empty() {
        let lacks = failed.undo_lacks.iter().map(|text| safe(text));
        let lacks = lacks.collect::<Vec<_>>().join("; ");
        undo.push(format!("that does not take back: {lacks}"));
    }
    let (after, known) = match &failed.statement {
        Some(at) if !failed.left.is_empty() => (at.number, at.of),
        _ => (0, 0),
    };
    if after < known {
        let statements = match known - after {
            1 => format!("statement {known}"),
            2 => format!("statements {} and {known}", after + 1),
            _ => format!("statements {} to {known}", after + 1),
        };
        say(out, &format!("{whose}{statements} did not run"));
    }
    if failed.left.is_empty() && !failed.elsewhere {
        let text = match failed.traces {
            Traces::None if failed.name.is_empty() => "nothing: the ledger is as it was before",
            Traces::None => "nothing: the schema is as before the migration",
            Traces::Some => "something: the schema is not as before the migration",
            Traces::Unknown => "unknown: compare the schema with the migration before you decide",
        };
        say(out, &format!("{whose}{text}"));
    }
    if !failed.was_there.is_empty() {
        say(out, &format!("{whose}{}", safe(&was_there(failed))));
        let compared = compared(failed);
        if !compared.is_empty() {
            say(out, &format!("{whose}{}", safe(compared.trim())));
        }
    }
    let mut heading = "To undo it";
    for text in &undo {
        screen.section(out, std::mem::take(&mut heading), &format!("{whose}{text}"));
    }
}
