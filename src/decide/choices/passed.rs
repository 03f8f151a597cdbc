//! What a human can do about applied migrations that the image does not have: an image that has them; last, a setting by which
//! they are passed over, where that is right, and by which nothing runs that may have run.

use super::commands::{Commands, push};
use crate::api::{
    ChoiceStatus, DatabaseMigrationSpec, DatabaseMigrationStatus, DatabaseStatus, FindingKind,
    FindingStatus, HistoryStatus, Policy, RunOutcome, reasons,
};
use crate::decide::status::names;
use crate::tools::prisma::shell_quote;

/// The choices for `UnknownFound` and `AheadFound`.
pub(super) fn of(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    spec: &DatabaseMigrationSpec,
    now: &DatabaseMigrationStatus,
    entry: Option<&DatabaseStatus>,
    reason: &str,
) {
    let title = format!(
        "release an image that holds what is applied: the release that applied it, or one that is merged with that{}",
        last_good(spec, now)
    );
    push(list, title, String::new());
    let Some(entry) = entry else { return };
    let kind = match reason {
        reasons::UNKNOWN_FOUND => FindingKind::Unknown,
        _ => FindingKind::Ahead,
    };
    let denied = |finding: &&FindingStatus| finding.kind == kind && finding.policy == Policy::Deny;
    let denied = entry.findings.iter().filter(denied);
    let lacked: Vec<&str> = denied.map(|finding| finding.migration.as_str()).collect();
    if lacked.is_empty() {
        return;
    }
    let it = if lacked.len() == 1 { "it" } else { "they" };
    let lacked = names(&lacked);
    let pending: Vec<&str> = entry.pending.iter().map(String::as_str).collect();
    let but = match pending.as_slice() {
        [] => String::new(),
        pending => format!(
            ", and nothing that is pending ({}) does what {it} did, under another name",
            names(pending)
        ),
    };
    let all = match spec.databases.len() {
        1 => "",
        _ => "; it counts for every database of this resource",
    };
    let asked = "; what is pending and cannot be seen in the catalog is asked about before it runs";
    let (right, setting, value, then) = match kind {
        FindingKind::Unknown if !entry.since.is_empty() => (
            format!("only if {lacked} was taken out of the image on purpose"),
            "since",
            entry.since.as_str(),
            format!(
                "only show what is older than {}; once the next release is deployed, what comes later is not compared with it any more",
                entry.since
            ),
        ),
        // Under `since` nothing more would be asked.
        FindingKind::Unknown => (
            format!("only if {lacked} was taken out of the image on purpose"),
            "unknown",
            "Warn",
            format!("only warn of applied migrations that the image does not have{asked}"),
        ),
        _ => (
            format!("only if {lacked} is another project's, which migrates the same schema"),
            "ahead",
            "Ignore",
            format!("ignore applied migrations that are newer than the image{asked}"),
        ),
    };
    let title = format!(
        "{right}{but}: {then} (preflight.history.{setting}), in your manifest, or here{all}"
    );
    push(list, title, patch(commands, setting, value));
}

/// What the last run of another image that succeeded here had, as the end of a sentence.
fn last_good(spec: &DatabaseMigrationSpec, now: &DatabaseMigrationStatus) -> String {
    let mut runs = now.history.iter();
    let good = runs.find(|run| run.outcome == RunOutcome::Succeeded && run.image != spec.image);
    good.map_or_else(String::new, |run| {
        format!(
            " (the last other one that succeeded here: {}, run {})",
            run.image, run.id
        )
    })
}

/// The first choice for `EditedFound`, with what shows what was edited. The image has the files, not their history.
pub(super) fn as_applied(
    spec: &DatabaseMigrationSpec,
    entry: Option<&DatabaseStatus>,
) -> (String, String) {
    let lead = "release an image in which it is as it was applied";
    let log = "in the repository of the image, what was edited";
    let edited = entry.and_then(|entry| {
        let mut findings = entry.findings.iter();
        let found = findings.find(|finding| {
            finding.kind == FindingKind::Edited && finding.policy == Policy::Deny
        })?;
        Some((entry, found))
    });
    let Some((
        entry,
        FindingStatus {
            migration, text, ..
        },
    )) = edited
    else {
        let title =
            format!("{lead}; the ledger has only its checksum, and git log -p shows, {log}");
        return (title, String::new());
    };
    let mut said = text.clone();
    let mut databases = spec.databases.iter();
    let prisma = databases
        .find(|it| it.name == entry.name)
        .map(|it| &it.prisma);
    if let Some(prisma) = prisma.filter(|_| !said.contains("its file in the image")) {
        let folder = match prisma.migrations.as_str() {
            // Of a folder of schema files it depends on Prisma's version.
            "" => prisma.schema.strip_suffix(".prisma").map(|schema| {
                let folder = schema
                    .rsplit_once('/')
                    .map(|(folder, _)| format!("{folder}/"));
                format!("{}migrations", folder.unwrap_or_default())
            }),
            folder => Some(folder.to_owned()),
        };
        if let Some(folder) = folder {
            let blank = if said.is_empty() { "" } else { "; " };
            said.push_str(&format!(
                "{blank}its file in the image is {folder}/{migration}/migration.sql"
            ));
        }
    }
    let title = format!(
        "{lead} ({migration}: {said}); the ledger has only its checksum, and this shows, {log}:"
    );
    // Wherever the folder is in the repository.
    let path = shell_quote(&format!("*{migration}/migration.sql"));
    (title, format!("git log -p -- {path}"))
}

/// The same with the image that succeeded last, where that is another one: what to compare with, or to go back to.
pub(super) fn with_last_image(
    title: String,
    now: &DatabaseMigrationStatus,
    spec: &DatabaseMigrationSpec,
) -> String {
    let good = |run: &&HistoryStatus| run.outcome == RunOutcome::Succeeded;
    let runs = now.history.iter().filter(good);
    let last = runs.max_by_key(|run| run.finished_at.as_ref().map(|at| at.0));
    let Some(last) = last.filter(|run| run.image != spec.image) else {
        return title;
    };
    let said = format!(
        "the last image that succeeded is {}: release it again, or compare with it",
        last.image
    );
    match title.strip_suffix(':') {
        // What shows it comes last.
        Some(_) => title.replacen("; the ledger has", &format!("; {said}; the ledger has"), 1),
        None => format!("{title}; {said}"),
    }
}

/// The second choice for `EditedFound`: Prisma runs no applied migration again, whatever its file says by now.
pub(super) fn edited(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    spec: &DatabaseMigrationSpec,
    entry: &DatabaseStatus,
) {
    let denied = |finding: &&FindingStatus| {
        finding.kind == FindingKind::Edited && finding.policy == Policy::Deny
    };
    let edited = entry.findings.iter().filter(denied);
    let edited: Vec<&str> = edited.map(|finding| finding.migration.as_str()).collect();
    if edited.is_empty() {
        return;
    }
    let all = match spec.databases.len() {
        1 => "",
        _ => "; it counts for every database of this resource",
    };
    let title = format!(
        "only if this database needs nothing of what was edited in {} (a comment, say), or has it already: only warn of edited migrations (preflight.history.edited), in your manifest, or here{all}; Prisma does not run an applied migration again, so what the edit adds is not made here, and what is pending runs",
        names(&edited)
    );
    push(list, title, patch(commands, "edited", "Warn"));
}

/// The command that sets a policy of the history.
fn patch(commands: &Commands<'_>, setting: &str, value: &str) -> String {
    let history = serde_json::json!({ setting: value });
    let patch = serde_json::json!({"spec": {"preflight": {"history": history}}});
    format!(
        "kubectl patch databasemigration {} -n {} --type merge -p {}",
        shell_quote(commands.name),
        shell_quote(commands.namespace),
        shell_quote(&patch.to_string())
    )
}
