//! What a human can do about pending migrations that stand, or may stand, for what has run: what runs nothing comes first, and
//! each title says what of them runs next.

use super::super::status::{self, names};
use super::commands::{Commands, push, up_to};
use crate::api::{
    ChoiceStatus, DatabaseMigrationStatus, DatabaseStatus, FindingKind, FindingStatus, reasons,
};

const RELEASE: &str = "release an image that holds the migrations that are applied";

/// The choices for such a reason.
pub(super) fn of(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
    entry: &DatabaseStatus,
    reason: &str,
) {
    let found: Vec<&FindingStatus> = entry
        .findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::Squashed)
        .collect();
    let baseline = entry.baseline.as_str();
    match reason {
        reasons::RENAMED_FOUND => {
            let reused: Vec<&str> = reused(entry).map(|f| f.migration.as_str()).collect();
            let (then, release) = match reused.as_slice() {
                [] => (next(entry, &[]), "release it under its old name".to_owned()),
                reused => (
                    format!(
                        "what {} holds now has not run: then release that under a new name",
                        names(reused)
                    ),
                    format!(
                        "release it under its old name, and what {} holds now under a new one",
                        names(reused)
                    ),
                ),
            };
            let title = format!(
                "it has run: tell Prisma that it is applied under its new name, too; nothing of its SQL is run; {then}"
            );
            push(list, title, up_to(commands, entry, baseline));
            push(list, release, String::new());
        }
        reasons::UNSEEN_FOUND => unseen(list, commands, now, entry, &found),
        _ => squashed(list, commands, entry, &found),
    }
}

/// Applied names under which the image has SQL that never ran.
pub(super) fn reused(entry: &DatabaseStatus) -> impl Iterator<Item = &FindingStatus> {
    let findings = entry.findings.iter();
    findings.filter(|f| f.kind == FindingKind::Reused)
}

fn is_unseen(finding: &FindingStatus) -> bool {
    finding.unseen
}

/// What is there in part: what of it is not.
fn missing(finding: &FindingStatus) -> Option<&str> {
    Some(finding.lacks.as_str()).filter(|lacks| !lacks.is_empty())
}

fn squashed(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    entry: &DatabaseStatus,
    found: &[&FindingStatus],
) {
    let baseline = entry.baseline.as_str();
    // It marks what is found up to it, and nothing else.
    let rest: Vec<&FindingStatus> = found
        .iter()
        .filter(|finding| baseline.is_empty() || finding.migration.as_str() > baseline)
        .copied()
        .collect();
    if !baseline.is_empty() {
        let marked: Vec<&str> = found
            .iter()
            .map(|finding| finding.migration.as_str())
            .filter(|name| *name <= baseline)
            .collect();
        let is_mark = |name: &&str| entry.marks.iter().any(|mark| mark == name);
        let cut_off = !marked.is_empty() && marked.iter().all(is_mark);
        let lead = match cut_off {
            true => "go on with the baseline that was cut off",
            false => "it is a squashed history",
        };
        let (verb, it) = match marked.as_slice() {
            [_] => ("is", "it makes"),
            _ => ("are", "they make"),
        };
        let title = format!(
            "{lead}: tell Prisma that {} {verb} applied; it is checked that what {it} is there, and nothing of the SQL is run; {}",
            names(&marked),
            next(entry, &rest)
        );
        push(list, title, up_to(commands, entry, baseline));
        if cut_off && rest.is_empty() {
            let title = "only if that baseline was wrong: take it back; a new run then plans anew, and asks where there is doubt";
            return push(list, title, commands.dbm("retry", &[]) + " --force");
        }
    }
    let part = rest
        .iter()
        .find_map(|finding| Some((finding, missing(finding)?)));
    let Some((part, lacks)) = part else {
        if let Some(last) = last(&rest) {
            let open: Vec<&str> = rest
                .iter()
                .map(|finding| finding.migration.as_str())
                .collect();
            let lead = match baseline {
                "" => String::new(),
                _ => format!("the same up to {last}, "),
            };
            let title = format!(
                "{lead}once you have seen that {} ran{} (in its rows, say), which the catalog does not show{} nothing of its SQL is run; {}",
                names(&open),
                if lead.is_empty() { "" } else { ", too" },
                if lead.is_empty() {
                    ": tell Prisma so;"
                } else {
                    ";"
                },
                next(entry, &[])
            );
            push(list, title, up_to(commands, entry, last) + " --force");
        }
        return push(list, RELEASE, String::new());
    };
    let title = format!(
        "{RELEASE}, or one in which what {} would make and is not there ({lacks}) is made by a migration of its own",
        part.migration
    );
    push(list, title, String::new());
    let before: Vec<&FindingStatus> = rest
        .iter()
        .take_while(|finding| finding.migration < part.migration)
        .copied()
        .collect();
    let forced = before.iter().any(|finding| is_unseen(finding));
    if part.migration.len() < status::NAME_LIMIT {
        let look = match forced {
            true => {
                let names_of: Vec<&str> = before
                    .iter()
                    .map(|finding| finding.migration.as_str())
                    .collect();
                format!(
                    ", look whether {} ran, which the catalog does not show",
                    names(&names_of)
                )
            }
            false => String::new(),
        };
        let after: Vec<&FindingStatus> = rest
            .iter()
            .filter(|finding| finding.migration > part.migration)
            .copied()
            .collect();
        let title = format!(
            "make by hand what {} would make and is not there ({lacks}), look whether what else it does has been done{look}, then tell Prisma that it is applied; nothing of its SQL is run; {}",
            part.migration,
            next(entry, &after)
        );
        let command = up_to(commands, entry, &part.migration);
        let force = if forced { " --force" } else { "" };
        push(list, title, command + force);
    }
}

/// Beside what was marked applied; the catalog does not show whether they ran.
fn unseen(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
    entry: &DatabaseStatus,
    found: &[&FindingStatus],
) {
    let open: Vec<&str> = found
        .iter()
        .map(|finding| finding.migration.as_str())
        .collect();
    if let Some(last) = last(found) {
        let made: String = found
            .iter()
            .filter_map(|finding| {
                let lacks = missing(finding)?;
                Some(format!(
                    ", and have made by hand what of {} is not there ({lacks})",
                    finding.migration
                ))
            })
            .collect();
        let title = format!(
            "once you have seen that {} ran, too (in its rows, say), which the catalog does not show{made}: tell Prisma so; nothing of its SQL is run; {}",
            names(&open),
            next(entry, &[])
        );
        push(list, title, up_to(commands, entry, last) + " --force");
    }
    push(list, release(entry), String::new());
    let title = format!(
        "once you have seen that {} did not run and is new: let it run; this runs, in this order, {}",
        names(&open),
        all_pending(now)
    );
    push(list, title, commands.dbm("retry", &[]) + " --force");
}

/// What a new run would apply, of several databases with their names.
pub(super) fn all_pending(now: &DatabaseMigrationStatus) -> String {
    let several = now.databases.len() > 1;
    let of_each = now
        .databases
        .iter()
        .filter(|entry| !entry.pending.is_empty());
    let each: Vec<String> = of_each
        .map(|entry| {
            let mut pending: Vec<&str> = entry.pending.iter().map(String::as_str).collect();
            // Of many the first are kept by name.
            pending.resize(pending.len().max(entry.pending_count as usize), "");
            let list = names(&pending);
            match several {
                true => format!("{}: {list}", entry.name),
                false => list,
            }
        })
        .collect();
    match each.as_slice() {
        [] => "nothing".to_owned(),
        each => each.join("; "),
    }
}

/// The image that has what is applied: under those names, as it was.
fn release(entry: &DatabaseStatus) -> String {
    let kinds = |wanted: &[FindingKind]| {
        let mut findings = entry.findings.iter();
        findings.any(|finding| wanted.contains(&finding.kind))
    };
    let lacks = kinds(&[FindingKind::Unknown, FindingKind::Ahead]);
    let edited: Vec<&str> = entry
        .findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::Edited)
        .map(|finding| finding.migration.as_str())
        .collect();
    match edited.as_slice() {
        [] => RELEASE.to_owned(),
        _ if lacks => RELEASE.to_owned(),
        edited => format!(
            "release an image in which what is applied is as it was applied ({}); what is new has a name of its own",
            names(edited)
        ),
    }
}

/// The last of them that can be named.
fn last<'a>(found: &[&'a FindingStatus]) -> Option<&'a str> {
    let last = found.last().map(|finding| finding.migration.as_str());
    last.filter(|last| last.len() < status::NAME_LIMIT)
}

/// What comes next once those are marked: these are left of what may not run.
fn next(entry: &DatabaseStatus, left: &[&FindingStatus]) -> String {
    if !left.is_empty() {
        let left: Vec<&str> = left
            .iter()
            .map(|finding| finding.migration.as_str())
            .collect();
        return format!(
            "nothing else runs before you have said of {}, too, whether it ran",
            names(&left)
        );
    }
    let judged = [FindingKind::Squashed, FindingKind::Renamed];
    let is_judged = |name: &str| {
        let mut found = entry.findings.iter();
        found.any(|finding| judged.contains(&finding.kind) && finding.migration == name)
    };
    let new: Vec<&str> = entry
        .pending
        .iter()
        .map(String::as_str)
        .filter(|name| !is_judged(name))
        .collect();
    if new.is_empty() {
        "then nothing of this database is left to run".to_owned()
    } else {
        format!("then the run goes on with {}", names(&new))
    }
}
