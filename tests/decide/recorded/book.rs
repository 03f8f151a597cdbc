//! What was decided, written down: by the simulated operator at every pass, while a book is open on its thread.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;

use database_migration_operator::api::MigrationActionStatus;
use database_migration_operator::decide::{Decision, Effect, Snapshot, decide, wants};
use serde_json::Value;

use super::{fnv, twists};
use crate::world::START;

/// The decisions of one schedule.
#[derive(Default)]
pub struct Book {
    pub text: String,
    pub decisions: usize,
    /// Which twists come next.
    round: usize,
    /// Words that stood in a status, by their path (`run.steps.name=migrate`), the reasons of Events (`event=RunStarted`), the kinds of
    /// effect (`effect=CreateJob`) and what became of actions (`action=Retry Refused`).
    pub seen: BTreeSet<String>,
}

thread_local! {
    static OPEN: RefCell<Option<Book>> = const { RefCell::new(None) };
}

/// What is decided in a play. Which twists come first hangs on its name alone, so that a new schedule moves no other.
pub fn record(name: &str, play: impl FnOnce()) -> Book {
    let open = Book {
        round: usize::try_from(fnv(name.as_bytes()) % 1_000_003).unwrap(),
        ..Book::default()
    };
    OPEN.set(Some(open));
    play();
    OPEN.take().unwrap()
}

/// What is decided in a play is nothing that is to be kept.
pub fn aside<T>(play: impl FnOnce() -> T) -> T {
    let open = OPEN.take();
    let result = play();
    OPEN.set(open);
    result
}

/// Whether it is recorded what is decided. What must hold is then held elsewhere.
pub fn is_recording() -> bool {
    OPEN.with_borrow(Option::is_some)
}

/// A decision was taken. Beside one that changes something, what would be decided were this or that different.
pub fn note(snapshot: &Snapshot, decision: &Decision) {
    OPEN.with_borrow_mut(|open| {
        let Some(book) = open else { return };
        book.write("", snapshot, decision);
        if decision.status.is_none() && decision.effects.is_empty() {
            return;
        }
        book.round += 1;
        let (name, twisted) = twists::of(snapshot, book.round);
        book.write(&format!(": {name}"), &twisted, &decide(&twisted));
    });
}

impl Book {
    fn write(&mut self, twist: &str, snapshot: &Snapshot, decision: &Decision) {
        self.decisions += 1;
        let text = &mut self.text;
        let (number, name) = (self.decisions, &snapshot.resource.name);
        let seconds = snapshot.now.as_second() - START;
        let looks = wants(
            &snapshot.resource,
            &snapshot.jobs,
            &snapshot.actions,
            snapshot.look_due,
            snapshot.now,
        );
        writeln!(text, "\n# {number} {name} at {seconds} s{twist}").unwrap();
        writeln!(text, "wants {looks:?}").unwrap();
        if let Some(status) = &decision.status {
            let value = serde_json::to_value(status).unwrap();
            writeln!(text, "status {value:#}").unwrap();
            words("", &value, &mut self.seen);
        }
        for effect in &decision.effects {
            writeln!(text, "effect {effect:?}").unwrap();
            self.seen.extend(kinds(snapshot, effect));
        }
        for event in &decision.events {
            let kind = if event.warning { "Warning" } else { "Normal" };
            writeln!(text, "event {kind} {}: {}", event.reason, event.message).unwrap();
            self.seen.insert(format!("event={}", event.reason));
        }
        let (requeue, poll) = (decision.requeue_ms, decision.poll_ms);
        let (again, line) = (decision.again, &decision.in_line);
        writeln!(
            text,
            "then requeue {requeue:?} poll {poll:?} again {again} in line {line:?}"
        )
        .unwrap();
    }
}

/// An effect's name, and of one that answers an action what it says.
fn kinds(snapshot: &Snapshot, effect: &Effect) -> Vec<String> {
    let text = format!("{effect:?}");
    let name = text
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let mut found = vec![format!("effect={name}")];
    match effect {
        Effect::CreateJob(plan) => found.push(format!("job={}", plan.step.as_str())),
        Effect::SetAction { uid, status, .. } => {
            let action = snapshot.actions.iter().find(|action| action.uid == *uid);
            let kind = action.map(|action| action.spec.action).or_else(|| {
                let taken = snapshot.resource.status.action.as_ref();
                taken
                    .filter(|taken| taken.uid == *uid)
                    .map(|taken| taken.action)
            });
            let MigrationActionStatus { state, outcome, .. } = **status;
            let came_to = outcome.map_or(format!("{state:?}"), |outcome| format!("{outcome:?}"));
            found.extend(kind.map(|kind| format!("action={kind:?} {came_to}")));
        }
        _ => {}
    }
    found
}

/// The words of a status that are no sentences, by their path.
fn words(path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.chars().all(char::is_alphanumeric) => {
            seen.insert(format!("{path}={text}"));
        }
        Value::Array(list) => list.iter().for_each(|item| words(path, item, seen)),
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            let each = fields.iter();
            each.for_each(|(name, field)| words(&format!("{path}{dot}{name}"), field, seen));
        }
        _ => {}
    }
}
