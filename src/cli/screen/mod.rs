//! PURE. What is shown: each screen is a function from a resource, the time and a width to text. Whatever comes from the
//! status is data and made harmless here.

mod advice;
mod cost;
mod findings;
mod instance;
mod live;
mod parts;
mod plan;
mod runs;
mod sql;
mod table;
mod tree;

use jiff::Timestamp;
use kube::ResourceExt;

use super::style::{Style, Tone};
use super::text::{age, command_lines, pad, safe, width, wrap};
use super::verdict;
use crate::api::{
    ANNOTATION_RECONCILE, DatabaseMigration, DatabaseMigrationStatus, DatabaseStatus, Phase,
    TakenAction, Time, reasons,
};

pub use cost::{Facts, confirmation, does, restore_cost};
pub use live::live;
pub use plan::{Stored, plan, plan_object};
pub use sql::highlight;
pub use table::table;

/// Where the operator is to be looked for.
pub const OPERATOR: &str =
    "kubectl get pods -A -l app.kubernetes.io/name=database-migration-operator";

/// Where the text of a line begins.
const COLUMN: usize = 16;

/// What lets go on what its spec suspends, which `resume` cannot.
pub(super) fn unsuspend(name: &str, namespace: &str) -> String {
    use crate::tools::prisma::shell_quote;
    format!(
        "kubectl patch databasemigration {} -n {} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
        shell_quote(name),
        shell_quote(namespace)
    )
}

/// One look at a resource.
#[derive(Clone, Copy)]
pub struct Screen<'a> {
    /// The resource.
    pub resource: &'a DatabaseMigration,
    /// The time.
    pub now: Timestamp,
    /// Columns; `None` where nothing is to be wrapped.
    pub width: Option<usize>,
    /// Colours.
    pub style: Style,
    /// The versions of Prisma in the image, where they are known.
    pub prisma: &'a [String],
}

impl<'a> Screen<'a> {
    fn status(&self) -> Option<&'a DatabaseMigrationStatus> {
        self.resource.status.as_ref()
    }

    fn name(&self) -> String {
        safe(&self.resource.name_any())
    }

    fn namespace(&self) -> String {
        safe(&self.resource.namespace().unwrap_or_default())
    }

    /// A command of ours about this resource.
    fn command(&self, verb: &str) -> String {
        use crate::tools::prisma::shell_quote;
        format!(
            "kubectl dbm {verb} {} -n {}",
            shell_quote(&self.name()),
            shell_quote(&self.namespace())
        )
    }

    /// A heading in the first column, and its text beside it.
    fn section(&self, out: &mut String, heading: &str, text: &str) {
        let lines = wrap(text, self.room());
        self.block(out, heading, &lines);
    }

    /// A heading, and a command beside it that can be copied as it stands.
    fn section_command(&self, out: &mut String, heading: &str, command: &str) {
        let lines = command_lines(command, self.room());
        let painted = lines.iter().map(|line| self.style.paint(Tone::Code, line));
        self.block(out, heading, &painted.collect::<Vec<_>>());
    }

    fn room(&self) -> Option<usize> {
        self.width.map(|columns| columns.saturating_sub(COLUMN))
    }

    fn block(&self, out: &mut String, heading: &str, lines: &[String]) {
        let heading_width = COLUMN.max(width(heading) + 2);
        for (at, line) in lines.iter().enumerate() {
            let first = if at == 0 { heading } else { "" };
            let lead = pad(&self.style.paint(Tone::Strong, first), heading_width);
            out.push_str(lead.as_str());
            out.push_str(line);
            trim_line(out);
        }
    }

    /// A lead, and a text beside it from a column on. Where the terminal is narrow the column is its middle, and a lead that is longer has
    /// its text below it.
    fn beside(&self, out: &mut String, lead: &str, column: usize, text: &str, tone: Option<Tone>) {
        let column = self
            .width
            .map_or(column, |columns| column.min((columns / 2).max(COLUMN)));
        let room = self.width.map(|columns| columns.saturating_sub(column));
        let mut lead = lead;
        if width(lead) >= column || text.is_empty() {
            out.push_str(lead);
            trim_line(out);
            lead = "";
        }
        if text.is_empty() {
            return;
        }
        for line in wrap(text, room) {
            out.push_str(&pad(std::mem::take(&mut lead), column));
            out.push_str(&tone.map_or(line.clone(), |tone| self.style.paint(tone, &line)));
            trim_line(out);
        }
    }
}

/// Ends a line, without blanks at its end.
fn trim_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

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

/// What is known of a database that was not compared with the image. That a database was read says nothing of the image.
pub(super) fn unknown(screen: &Screen, database: &DatabaseStatus) -> &'static str {
    let Some(status) = screen.status() else {
        return "not read yet";
    };
    let observed = verdict::condition(status, reasons::OBSERVED);
    let unread = observed.is_some_and(|observed| observed.status == "False");
    let named = status.message.starts_with(&format!("{}:", database.name));
    if unread && named {
        "cannot be read now"
    } else if !database.inventory_hash.is_empty() {
        "no plan"
    } else if database.last_observed_at.is_some() {
        "not compared with the image yet"
    } else {
        "not read yet"
    }
}

/// Whether the operator leaves it alone.
fn is_frozen(screen: &Screen) -> bool {
    let value = screen.resource.annotations().get(ANNOTATION_RECONCILE);
    value.is_some_and(|value| value == "disabled")
}

/// The command that lets the operator go on with a resource.
fn unfreeze(screen: &Screen) -> String {
    use crate::tools::prisma::shell_quote;
    format!(
        "kubectl annotate databasemigration {} -n {} {ANNOTATION_RECONCILE}-",
        shell_quote(&screen.name()),
        shell_quote(&screen.namespace())
    )
}

/// The colour of a phase.
fn tone(phase: Option<Phase>) -> Tone {
    match phase {
        Some(Phase::Succeeded) => Tone::Good,
        Some(Phase::Failed | Phase::Blocked) => Tone::Bad,
        Some(_) => Tone::Warn,
        None => Tone::Dim,
    }
}
