//! PURE. What was found and is worth a look, in words.

use super::frame::Screen;
use crate::api::{DatabaseMigrationStatus, FindingKind, FindingStatus, Policy};
use crate::cli::style::Tone;
use crate::cli::text::{safe, width};

/// Findings that are shown beside the state.
const FINDINGS: usize = 5;

/// What a finding says of its migration or object.
pub(super) fn finding(finding: &FindingStatus) -> String {
    let name = safe(&finding.migration);
    match finding.kind {
        FindingKind::Renamed => {
            format!("{name} is pending, and ran already under a name that the image does not have")
        }
        FindingKind::Squashed => {
            format!(
                "{name} is pending, and seems to stand for applied ones that the image does not have"
            )
        }
        FindingKind::Repeated => format!(
            "{name} has the same SQL as {}, which is applied: it runs a second time",
            safe(&finding.text)
        ),
        FindingKind::Reused => format!(
            "{name} holds SQL that has not run; what was applied under that name is {} now",
            safe(&finding.text)
        ),
        FindingKind::Edited if finding.text.is_empty() => {
            format!("{name} was changed after it was applied")
        }
        FindingKind::Edited => format!(
            "{name} was changed after it was applied ({})",
            safe(&finding.text)
        ),
        FindingKind::Unknown => {
            format!("{name} is applied and not in the image, which has newer ones")
        }
        FindingKind::Ahead => format!("{name} is applied and newer than the image"),
        FindingKind::OutOfOrder => {
            format!("{name} is older than a migration that was applied before it")
        }
        FindingKind::Concurrently => format!("{name} {}", safe(&finding.text)),
        FindingKind::Unreadable => {
            format!("{name} has no migration.sql any more that Prisma could read; it is applied")
        }
        FindingKind::InvalidIndex => {
            format!(
                "index {name} is invalid: a concurrent build did not end; queries do not use it"
            )
        }
        FindingKind::NotValidated => {
            format!("constraint {name} does not hold for the rows that were there before it")
        }
        FindingKind::PrismaContract => format!(
            "schema {name} is Prisma 8's ledger: what it migrates in this database stands there, and is not seen here"
        ),
        FindingKind::Forced => format!(
            "{name} was marked applied with --force, although {}",
            safe(&finding.text)
        ),
        FindingKind::Log => {
            let line = finding
                .line
                .map_or(String::new(), |line| format!(", line {line}"));
            let of = if name.is_empty() {
                String::new()
            } else {
                format!("{name}: ")
            };
            let accepted = match &finding.accepted {
                Some(accepted) => format!("; {}", super::parts::accepted_by(accepted)),
                None => String::new(),
            };
            format!("{of}output{line}: {}{accepted}", safe(&finding.text))
        }
    }
}

/// The first findings, those that deny before the others; the plan has all of them.
pub(super) fn findings(screen: &Screen, out: &mut String, status: &DatabaseMigrationStatus) {
    let mut all: Vec<(Policy, String)> = status
        .databases
        .iter()
        .flat_map(|database| {
            let name = safe(&database.name);
            database
                .findings
                .iter()
                .map(move |found| (found.policy, format!("{name}: {}", finding(found))))
        })
        .collect();
    // What denies stands first.
    all.sort_by_key(|(policy, _)| std::cmp::Reverse(*policy));
    let count: usize = status
        .databases
        .iter()
        .map(|d| usize::try_from(d.findings_count).unwrap_or(usize::MAX))
        .fold(0, usize::saturating_add)
        .max(all.len());
    for (at, (_, text)) in all.iter().take(FINDINGS).enumerate() {
        screen.section(out, if at == 0 { "Worth a look" } else { "" }, text);
    }
    if count > FINDINGS {
        let more = format!("and {} more:", count - FINDINGS.min(all.len()));
        let command = screen.command("plan");
        let line = format!("{more} {}", screen.style.paint(Tone::Code, &command));
        if screen.room().is_none_or(|room| width(&line) <= room) {
            screen.section(out, "", &line);
        } else {
            screen.section(out, "", &more);
            screen.section_command(out, "", &command);
        }
    }
}
