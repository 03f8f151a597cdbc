//! Why nothing may start beside a history that was rewritten, in words.

use super::rewritten::{Rewritten, first};
use crate::api::reasons;
use crate::decide::database_plan::Blocker;
use crate::decide::status::names;

impl Rewritten {
    /// Why nothing may start.
    pub(in super::super) fn blocker(&self, database: &str, lost: &[&str]) -> Option<Blocker> {
        let blocked = |reason, message| {
            Some(Blocker {
                reason,
                message,
                next: String::new(),
            })
        };
        if let Some((new, old)) = self.renamed.first() {
            let more = match self.renamed.len() {
                1 => String::new(),
                number => format!(" (and {} more like it)", number - 1),
            };
            let lacks = match self.old_is_there {
                true => "under which the image has something else now",
                false => "which the image does not have",
            };
            let reused: Vec<&str> = self.reused.iter().map(|(name, _)| name.as_str()).collect();
            let then = match reused.as_slice() {
                [] => "Release it under its old name, or tell Prisma that it is applied under the new one.".to_owned(),
                names_of => format!(
                    "Tell Prisma that it is applied under the new one. What stands as {} in the image has not run, and under a name that is applied Prisma does not run it: release that SQL under a new name.",
                    names(names_of)
                ),
            };
            let message = format!(
                "{database}: {new}{more} is pending, and its content was applied as {old}, {lacks}: it was renamed and has run already, so nothing was started. {then}"
            );
            return blocked(reasons::RENAMED_FOUND, message);
        }
        let squashed: Vec<&str> = self.squashed.iter().map(String::as_str).collect();
        if squashed.is_empty() {
            return None;
        }
        let (it, verb) = match squashed.len() {
            1 => ("it", "is"),
            _ => ("they", "are"),
        };
        let all_unseen = squashed.iter().all(|name| self.unseen.contains(*name));
        if lost.is_empty() && !self.marked.is_empty() {
            let marked: Vec<&str> = self.marked.iter().map(String::as_str).collect();
            let (has, it) = match marked.as_slice() {
                [_] => ("has", "it is"),
                _ => ("have", "they are"),
            };
            let message = format!(
                "{database}: a baseline said that {} {has} run, and {it} not marked applied yet, so nothing was started. Baseline again to go on; where it was wrong, a retry with --force takes it back.",
                names(&marked)
            );
            return blocked(reasons::SQUASHED_FOUND, message);
        }
        if !self.reworded.is_empty() && all_unseen {
            let held = match self.reworded_proven {
                true => "holds SQL in the image that has not run",
                false => "was changed in the image after it was applied",
            };
            let message = format!(
                "{database}: {} {verb} pending, and {}, which is applied, {held}: what was applied under that name may be pending under another one, worded otherwise, and the catalog does not show whether {it} ran, so nothing was started. Look at what {it} would change (rows, say): if {it} ran, tell Prisma so; if not, say that {it} may run. What {} holds now does not run under that name: release it under a new one.",
                names(&squashed),
                self.reworded,
                self.reworded
            );
            return blocked(reasons::UNSEEN_FOUND, message + &in_part(self));
        }
        if self.baselined && all_unseen {
            let message = format!(
                "{database}: {} {verb} pending after what a baseline marked applied, and the catalog does not show whether {it} ran here, too, so nothing was started. Look at what {it} would change (rows, say): if {it} ran, tell Prisma so; if not, say that {it} may run.",
                names(&squashed)
            );
            return blocked(reasons::UNSEEN_FOUND, message);
        }
        if lost.is_empty() && all_unseen {
            let message = format!(
                "{database}: {} {verb} pending beside what was marked applied for migrations that the image does not have, and the catalog does not show whether {it} ran with those, so nothing was started. Look at what {it} would change (rows, say): if {it} ran, tell Prisma so; if {it} {verb} new, say that {it} {verb} to run.",
                names(&squashed)
            );
            return blocked(reasons::UNSEEN_FOUND, message + &in_part(self));
        }
        if self.doubted && all_unseen {
            let message = format!(
                "{database}: {} {verb} pending beside what is applied and not in the image ({}), and neither the ledger nor the catalog shows whether {it} ran, maybe under such a name and edited since, so nothing was started. Look at what {it} would change (rows, say): if {it} ran, tell Prisma so; if not, say that {it} may run.",
                names(&squashed),
                names(lost)
            );
            return blocked(reasons::UNSEEN_FOUND, message + &in_part(self));
        }
        let common = match (self.said, self.nothing_in_common) {
            (true, _) => "something was marked applied for migrations that the image does not have"
                .to_owned(),
            (_, true) => format!(
                "the image has none of the migrations that are applied ({})",
                names(lost)
            ),
            _ => format!(
                "the image lacks migrations that are applied ({})",
                names(lost)
            ),
        };
        let message = format!(
            "{database}: {common}, and {}. This looks like a squashed history, so nothing was started. {}",
            self.there().join("; "),
            self.then()
        );
        blocked(reasons::SQUASHED_FOUND, message + &in_part(self))
    }

    /// What is there, and what is not.
    fn there(&self) -> Vec<String> {
        let whole: Vec<&str> = self
            .squashed
            .iter()
            .map(String::as_str)
            .filter(|name| !self.unseen.contains(*name) && !self.partial.contains_key(*name))
            .filter(|name| !self.marked.contains(*name))
            .collect();
        let marked: Vec<&str> = self.marked.iter().map(String::as_str).collect();
        let unseen: Vec<&str> = self.unseen.iter().map(String::as_str).collect();
        let mut said = Vec::new();
        if !whole.is_empty() {
            said.push(format!(
                "what {} would make is there already",
                names(&whole)
            ));
        }
        for (name, (there, missing)) in self.partial.iter().take(3) {
            said.push(format!(
                "a part of what {name} would make is there already ({}), and a part is not ({})",
                first(there),
                first(missing)
            ));
        }
        if !marked.is_empty() {
            said.push(format!(
                "a baseline said that {} ran, which is not marked applied yet",
                names(&marked)
            ));
        }
        if !unseen.is_empty() {
            let list = names(&unseen);
            said.push(format!("whether {list} ran cannot be seen in the catalog"));
        }
        said
    }

    fn then(&self) -> &'static str {
        if self.partial.is_empty() {
            "If the pending ones stand for the applied ones, tell Prisma that they are applied; else release an image that has those."
        } else {
            "Release an image that has the applied ones, or one in which what is not there is made by a migration of its own."
        }
    }
}

/// What `squashed` holds that has run in part at most, as sentences to come after others.
fn in_part(found: &Rewritten) -> String {
    let of_squashed = found
        .mixed
        .iter()
        .filter(|(name, _)| found.squashed.contains(name));
    let sentences = of_squashed.take(3).map(|(name, (open, missing))| {
        format!(
            " As it is, {name} has not run ({}); what of it may have run is {}.",
            first(missing),
            first(open)
        )
    });
    sentences.collect()
}
