//! PURE. What is shown: each screen is a function from a resource, the time and a width to text. Whatever comes from the
//! status is data and made harmless here.

mod advice;
mod cost;
mod failure;
mod findings;
mod frame;
mod instance;
mod line;
mod live;
mod parts;
mod plan;
mod runs;
mod sql;
mod table;
mod tree;

use jiff::Timestamp;

use super::style::Tone;
use super::text::{age, command_lines, safe, width, wrap};
use super::verdict;
use crate::api::{ANNOTATION_RECONCILE, TakenAction, Time};
use frame::{is_frozen, tone, unfreeze};

pub use cost::{Facts, confirmation, does, restore_cost};
pub(super) use frame::unsuspend;
pub use frame::{OPERATOR, Screen};
pub use live::live;
pub use plan::{Stored, plan, plan_object};
pub use sql::highlight;
pub use table::table;

/// The state of a resource: what happened, what is left, and what can be done.
pub fn status(screen: &Screen) -> String {
    let mut out = header(screen);
    out.push_str(&notes(screen));
    if screen.status().is_some() {
        out.push('\n');
        out.push_str(&tree::tree(screen));
        out.push_str(&advice::advice(screen));
    }
    out
}

/// Who it is and how it is, in one line.
pub(super) fn header(screen: &Screen) -> String {
    let status = screen.status();
    let phase = status.and_then(|status| status.phase);
    let word = phase.map_or("Unknown".to_owned(), |phase| format!("{phase:?}"));
    let mut parts = vec![
        format!(
            "{} ({})",
            screen.style.paint(Tone::Strong, &screen.name()),
            screen.namespace()
        ),
        screen.style.paint(tone(phase), &word),
    ];
    if let Some(run) = status.and_then(|status| status.run.as_ref()) {
        parts.push(format!("run {}", safe(&run.id)));
        if let Some(end) = &run.finished_at {
            let taken = status.and_then(|status| status.action.as_ref());
            parts.push(since(end.0, taken, screen.now));
        } else if let Some(start) = &run.started_at {
            parts.push(format!("for {}", age(start.0, screen.now)));
        }
    }
    let image = status
        .and_then(|status| status.run.as_ref())
        .map(|run| run.image.reference.as_str())
        .filter(|image| !image.is_empty())
        .unwrap_or(&screen.resource.spec.image);
    let line = parts.join("  ");
    let image = format!("image {}", safe(image));
    let mut lines = match screen.width {
        Some(columns) if width(&line) + 3 + width(&image) > columns => {
            [wrap(&line, screen.width), wrap(&image, screen.width)].concat()
        }
        _ => vec![format!("{line}   {image}")],
    };
    lines.push(String::new());
    lines.join("\n")
}

/// Since when the state of a run that has ended is what it is: its end, or that of an action after it, which may be at work.
fn since(end: Timestamp, taken: Option<&TakenAction>, now: Timestamp) -> String {
    let later = |at: &Option<Time>| at.as_ref().map(|at| at.0).filter(|at| *at > end);
    let Some(taken) = taken else {
        return format!("{} ago", age(end, now));
    };
    match (later(&taken.started_at), &taken.finished_at) {
        (Some(start), None) => format!("for {}", age(start, now)),
        (_, over) => format!("{} ago", age(later(over).unwrap_or(end), now)),
    }
}

/// What stands beside the state and may surprise.
fn notes(screen: &Screen) -> String {
    let mut out = String::new();
    for note in surprises(screen) {
        let lines = if note == OPERATOR {
            command_lines(&note, screen.width)
        } else {
            wrap(&note, screen.width)
        };
        for line in lines {
            out.push_str(&screen.style.paint(Tone::Warn, &line));
            out.push('\n');
        }
    }
    out
}

fn surprises(screen: &Screen) -> Vec<String> {
    let mut notes = Vec::new();
    let resource = screen.resource;
    if is_frozen(screen) {
        notes.push(format!(
            "Frozen: the annotation {ANNOTATION_RECONCILE} is \"disabled\"; the operator does nothing with it. To go on:"
        ));
        notes.push(unfreeze(screen));
    }
    if resource.metadata.deletion_timestamp.is_some() {
        notes.push("It is being deleted.".to_owned());
    }
    match screen.status() {
        None => {
            notes.push("The operator has not looked at it yet. Is it running?".to_owned());
            notes.push(OPERATOR.to_owned());
        }
        Some(_) if !verdict::is_current(resource) => notes
            .push("The spec has changed since; the operator has not looked at it yet.".to_owned()),
        Some(_) => {}
    }
    notes
}
