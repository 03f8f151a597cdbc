//! PURE. One look at a resource, and the lines that are made of it: headings, texts beside them, commands.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{
    ANNOTATION_RECONCILE, DatabaseMigration, DatabaseMigrationStatus, DatabaseStatus, Phase,
    reasons,
};
use crate::cli::style::{Style, Tone};
use crate::cli::text::{command_lines, pad, safe, width, wrap};
use crate::cli::verdict;

/// Where the operator is to be looked for.
pub const OPERATOR: &str =
    "kubectl get pods -A -l app.kubernetes.io/name=database-migration-operator";

/// Where the text of a line begins.
pub(super) const COLUMN: usize = 16;

/// What lets go on what its spec suspends, which `resume` cannot.
pub(in crate::cli) fn unsuspend(name: &str, namespace: &str) -> String {
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
    pub(super) fn status(&self) -> Option<&'a DatabaseMigrationStatus> {
        self.resource.status.as_ref()
    }

    pub(super) fn name(&self) -> String {
        safe(&self.resource.name_any())
    }

    pub(super) fn namespace(&self) -> String {
        safe(&self.resource.namespace().unwrap_or_default())
    }

    /// A command of ours about this resource.
    pub(super) fn command(&self, verb: &str) -> String {
        use crate::tools::prisma::shell_quote;
        format!(
            "kubectl dbm {verb} {} -n {}",
            shell_quote(&self.name()),
            shell_quote(&self.namespace())
        )
    }

    /// A heading in the first column, and its text beside it.
    pub(super) fn section(&self, out: &mut String, heading: &str, text: &str) {
        let lines = wrap(text, self.room());
        self.block(out, heading, &lines);
    }

    /// A heading, and a command beside it that can be copied as it stands.
    pub(super) fn section_command(&self, out: &mut String, heading: &str, command: &str) {
        let lines = command_lines(command, self.room());
        let painted = lines.iter().map(|line| self.style.paint(Tone::Code, line));
        self.block(out, heading, &painted.collect::<Vec<_>>());
    }

    pub(super) fn room(&self) -> Option<usize> {
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
    pub(super) fn beside(
        &self,
        out: &mut String,
        lead: &str,
        column: usize,
        text: &str,
        tone: Option<Tone>,
    ) {
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
pub(super) fn trim_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
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
pub(super) fn is_frozen(screen: &Screen) -> bool {
    let value = screen.resource.annotations().get(ANNOTATION_RECONCILE);
    value.is_some_and(|value| value == "disabled")
}

/// The command that lets the operator go on with a resource.
pub(super) fn unfreeze(screen: &Screen) -> String {
    use crate::tools::prisma::shell_quote;
    format!(
        "kubectl annotate databasemigration {} -n {} {ANNOTATION_RECONCILE}-",
        shell_quote(&screen.name()),
        shell_quote(&screen.namespace())
    )
}

/// The colour of a phase.
pub(super) fn tone(phase: Option<Phase>) -> Tone {
    match phase {
        Some(Phase::Succeeded) => Tone::Good,
        Some(Phase::Failed | Phase::Blocked) => Tone::Bad,
        Some(_) => Tone::Warn,
        None => Tone::Dim,
    }
}
