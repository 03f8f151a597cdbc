//! PURE. Before something is written: what it will do and to what, and of a restore what it costs.

use std::collections::BTreeSet;

use super::frame::Screen;
use super::instance;
use crate::api::{
    ANNOTATION_RECONCILE, ActionKind, DatabaseStatus, MigrationActionSpec, RestorePointStatus,
    RestoreTarget, reasons,
};
use crate::cli::style::Tone;
use crate::cli::text::{age, count, instant, safe};
use crate::cli::verdict::condition;

/// Where and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The cluster's name in the kubeconfig.
    pub cluster: String,
    /// Its address.
    pub server: String,
    /// How the API server knows the caller; empty where it does not matter.
    pub user: String,
}

/// What is about to be done. `specs` is empty where it is not an action but `what`.
pub fn confirmation(
    screens: &[Screen],
    specs: &[MigrationActionSpec],
    facts: &Facts,
    what: &str,
) -> String {
    let mut out = String::new();
    let Some(first) = screens.first() else {
        return out;
    };
    let cluster = format!("{} ({})", safe(&facts.cluster), safe(&facts.server));
    first.section(&mut out, "Cluster", &cluster);
    first.section(&mut out, "Namespace", &first.namespace());
    for (at, screen) in screens.iter().enumerate() {
        let spec = specs.get(at);
        let run = spec.map_or(String::new(), |spec| format!(", run {}", safe(&spec.run)));
        let phase = screen
            .status()
            .and_then(|status| status.phase)
            .map_or(String::new(), |phase| format!(" ({phase:?})"));
        let heading = if at == 0 { "Resource" } else { "" };
        first.section(&mut out, heading, &format!("{}{run}{phase}", screen.name()));
    }
    let one = specs.first().map(|spec| safe(&spec.database));
    let names: BTreeSet<String> = match one.filter(|name| !name.is_empty()) {
        Some(name) => BTreeSet::from([name]),
        None => screens
            .iter()
            .flat_map(|screen| &screen.resource.spec.databases)
            .map(|database| safe(&database.name))
            .collect(),
    };
    let names: Vec<String> = names.into_iter().collect();
    let heading = if names.len() == 1 {
        "Database"
    } else {
        "Databases"
    };
    first.section(&mut out, heading, &names.join(", "));
    if let Some(spec) = specs.first() {
        if !spec.migration_name.is_empty() {
            first.section(&mut out, "Migration", &safe(&spec.migration_name));
        }
        if let Some(target) = &spec.target {
            first.section(&mut out, "Back to", &target_words(target));
        }
    }
    if let Some(spec) = specs.first() {
        for (heading, text) in against(first, spec) {
            first.section(&mut out, heading, &text);
        }
    }
    first.section(&mut out, "What", what);
    for screen in screens
        .iter()
        .filter(|screen| super::frame::is_frozen(screen))
    {
        let text = format!(
            "{} is frozen (the annotation {ANNOTATION_RECONCILE} is \"disabled\"): this is queued, and carried out when the annotation is taken away:",
            screen.name()
        );
        first.section(&mut out, "Frozen", &text);
        first.section_command(&mut out, "", &super::frame::unfreeze(screen));
    }
    if let Some(spec) = specs.first() {
        first.section(&mut out, "Reason", &safe(&spec.reason));
        first.section(&mut out, "By", &safe(&facts.user));
    }
    out
}

/// What is known to speak against it, and that it is forced.
fn against(screen: &Screen, spec: &MigrationActionSpec) -> Vec<(&'static str, String)> {
    let marks = [ActionKind::MarkApplied, ActionKind::MarkRolledBack];
    let databases = screen.status().map_or(&[][..], |status| &status.databases);
    let failed = databases
        .iter()
        .find(|database| database.name == spec.database)
        .and_then(|database| database.failed.as_ref())
        .filter(|failed| marks.contains(&spec.action) && failed.name == spec.migration_name);
    let left = failed.map_or(&[][..], |failed| &failed.left);
    let mut lines: Vec<(&str, String)> = Vec::new();
    for text in left {
        let heading = if lines.is_empty() {
            "What was left"
        } else {
            ""
        };
        lines.push((heading, safe(text)));
    }
    if spec.action == ActionKind::Retry {
        let mut heading = "Pending";
        for entry in databases.iter().filter(|entry| !entry.pending.is_empty()) {
            lines.push((
                heading,
                format!("{}: {}", safe(&entry.name), pending(entry)),
            ));
            heading = "";
        }
    }
    let checked = match spec.action {
        ActionKind::Retry if spec.force => {
            let ready = screen
                .status()
                .and_then(|status| condition(status, reasons::READY));
            let reason = ready.map_or("", |ready| ready.reason.as_str());
            if databases.iter().any(|entry| !entry.unplanned.is_empty()) {
                let names = databases.iter().flat_map(|entry| &entry.unplanned);
                let names: Vec<String> = names.map(|name| safe(name)).collect();
                lines.push(("Accepted", format!("{}, which ran without having been planned; nobody is told again that no image holds it", names.join(", "))));
            }
            match reason {
                reasons::UNSEEN_FOUND => {
                    "what may have run before is taken as new, and runs; any other doubt is asked about anew"
                }
                reasons::SQUASHED_FOUND | reasons::RENAMED_FOUND => {
                    "what a baseline said and did not come to is taken back; any other doubt is asked about anew"
                }
                reasons::UNPLANNED_MIGRATIONS => return lines,
                _ => {
                    "whether the database needs a baseline is left to Prisma, which may refuse (P3005)"
                }
            }
        }
        _ if spec.force => {
            "it is not compared with the catalog: what contradicts it there does not count"
        }
        ActionKind::MarkApplied | ActionKind::Baseline => {
            "it is refused where the catalog lacks what these migrations make; whether they changed rows does not show there, so see that yourself"
        }
        ActionKind::MarkRolledBack => {
            "it is refused where the catalog shows something of the migration"
        }
        _ => return lines,
    };
    let heading = if spec.force { "Forced" } else { "Checked" };
    lines.push((heading, checked.to_owned()));
    lines
}

/// What is pending in a database as it was read last, the first few by name.
fn pending(entry: &DatabaseStatus) -> String {
    let first: Vec<String> = entry
        .pending
        .iter()
        .take(3)
        .map(|name| safe(name))
        .collect();
    let more = (entry.pending_count as usize).saturating_sub(first.len());
    let list = first.join(", ");
    match more {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// What an action does, in a sentence.
pub fn does(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Retry => {
            "a new run: it plans anew and migrates what is pending, in order, with every check"
        }
        ActionKind::MarkApplied => {
            "tells Prisma that this migration was finished by hand (migrate resolve --applied); nothing of its SQL is run; the run goes on"
        }
        ActionKind::MarkRolledBack => {
            "tells Prisma that nothing of this migration is left (migrate resolve --rolled-back); nothing of its SQL is undone; the run ends as RolledBack"
        }
        ActionKind::DownMigration => {
            "runs the down.sql beside this migration and marks it rolled back; the run ends as RolledBack"
        }
        ActionKind::Restore => {
            "runs spec.rollback.restore: the database goes back, and what was written to it since is lost; the run ends as RolledBack"
        }
        ActionKind::Baseline => {
            "tells Prisma that the database holds this migration and all before it, or of a rewritten history those that have run; nothing of their SQL is run; the run goes on"
        }
        ActionKind::AcceptValidation => {
            "takes the validation that failed as passed; the run goes on to its end"
        }
        ActionKind::Abort => "ends the run before its next step; a running migration is not killed",
    }
}

fn target_words(target: &RestoreTarget) -> String {
    match &target.time {
        Some(time) => format!("{}", time.0),
        None => format!("restore point {}", safe(&target.restore_point)),
    }
}

/// The restore point that a target means, where the status knows it.
fn meant<'a>(
    database: &'a DatabaseStatus,
    target: &RestoreTarget,
) -> Option<&'a RestorePointStatus> {
    database.restore_point.as_ref().filter(|point| {
        let named = !point.name.is_empty() && point.name == target.restore_point;
        named || (target.time.is_some() && point.at == target.time)
    })
}

/// What a restore costs, as far as it can be seen, and what would cost less.
pub fn restore_cost(screen: &Screen, spec: &MigrationActionSpec) -> String {
    let mut out = String::new();
    let (Some(status), Some(target)) = (screen.status(), &spec.target) else {
        return out;
    };
    let title = format!("What a restore of {} costs\n\n", safe(&spec.database));
    out.push_str(&screen.style.paint(Tone::Strong, &title));
    let database = status.databases.iter().find(|d| d.name == spec.database);
    let point = database.and_then(|database| meant(database, target));
    let at = target.time.as_ref().or(point.and_then(|p| p.at.as_ref()));
    let time = match at {
        Some(at) => instant(at.0, screen.now),
        None => "not known: this restore point is not of the run that the status shows".to_owned(),
    };
    let mut back = format!("{}; {time}", target_words(target));
    if let Some(point) = point.filter(|point| !point.lsn.is_empty()) {
        back.push_str(&format!("; LSN {}", safe(&point.lsn)));
    }
    screen.section(&mut out, "Back to", &back);
    let read = database
        .and_then(|database| database.last_observed_at.as_ref())
        .map_or("at the last look".to_owned(), |at| {
            format!("as of {}", instant(at.0, screen.now))
        });
    let since = match at {
        Some(at) if at.0 <= screen.now => instant(at.0, screen.now).replacen(", ", " (", 1) + ")",
        _ => "then".to_owned(),
    };
    let how_much = match point.and_then(|point| point.commits_since) {
        Some(commits) => format!(
            "about {}, {read}; more since",
            count(u64::try_from(commits).unwrap_or(0), "commit")
        ),
        None => "how much cannot be seen".to_owned(),
    };
    let lost =
        format!("everything that anybody has written to this database since {since}: {how_much}");
    screen.section(&mut out, "What is lost", &lost);
    instance::section(screen, &mut out, spec, database);
    let instance = database.and_then(|database| database.instance.as_ref());
    let goes_back = |name: &String| instance.is_some_and(|of| of.same_database.contains(name));
    let ahead: Vec<String> = status
        .databases
        .iter()
        .filter(|other| other.name != spec.database && other.applied_by_run > 0)
        .filter(|other| !goes_back(&other.name))
        .filter_map(|other| {
            let point = other.restore_point.as_ref()?;
            let name = if point.name.is_empty() {
                safe(&point.lsn)
            } else {
                safe(&point.name)
            };
            Some(format!(
                "{} ({} applied by this run; its restore point is {name})",
                safe(&other.name),
                other.applied_by_run
            ))
        })
        .collect();
    let ahead = if ahead.is_empty() {
        "none: no other database was changed by this run".to_owned()
    } else {
        format!(
            "{}: not brought back with it, unless it is on the same server and the command restores the whole instance; what refers from one to the other may not fit any more",
            ahead.join(", ")
        )
    };
    screen.section(&mut out, "Stay ahead", &ahead);
    screen.section(
        &mut out,
        "Costs less",
        "restore beside and copy rows: bring the backup back as a second database beside this one, and copy only the rows that were damaged from there. The application stays up and nothing written since is lost; it needs somebody who knows which rows, and room for the copy.",
    );
    if let Some(at) = at
        && at.0 > screen.now
    {
        screen.section(&mut out, "Mind", "that time has not come yet");
    } else if let Some(at) = at {
        let whole = match instance.map_or(0, |instance| instance.others_count) {
            0 => "",
            _ => "; of the whole instance, where the command restores that",
        };
        let text = format!(
            "up to {} of work of everybody who uses this database{whole}",
            age(at.0, screen.now)
        );
        screen.section(&mut out, "In short", &text);
    }
    out
}
