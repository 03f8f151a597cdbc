//! What of an image stands for what has run already, and why nothing may start because of it.

use std::collections::{BTreeMap, BTreeSet};

use dbm_protocol::{DatabaseInventory, Migration};

use super::content::Contents;
use super::reworded::{self, Part, mix};
use super::{accounted, applied, held, lost, names_of, renamed, repeated, reused};
use crate::api::{HistorySpec, Policy};
use crate::decide::status::names;
use crate::facts::{LedgerRow, Object};
use crate::tools::prisma::{self, RowState};
use crate::tools::sql;

/// What of an image stands for what has run already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Rewritten {
    /// Pending, and the name under which its content was applied.
    pub(in super::super) renamed: Vec<(String, String)>,
    /// Applied names that the image has for SQL that never ran, and the name that what was applied has there now.
    pub(in super::super) reused: Vec<(String, String)>,
    /// Pending, and the applied one that has the same SQL and is in the image as it was.
    pub(in super::super) repeated: BTreeMap<String, String>,
    /// Pending, and may stand for applied ones that the image does not have.
    pub(in super::super) squashed: Vec<String>,
    /// Of `squashed`, those of which the catalog does not show whether they ran.
    pub(super) unseen: BTreeSet<String>,
    /// Of `squashed`, those that are there in part: what is there, and what speaks against their having run.
    pub(super) partial: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// Those that have not run as they are, and of which something that changes rows may have run in an earlier form: that, and
    /// what speaks against the rest.
    pub(super) mixed: BTreeMap<String, Part>,
    /// Of `squashed`, those of which a baseline said that they ran.
    pub(super) marked: BTreeSet<String>,
    /// The last of `squashed` up to which the catalog shows, or a baseline said, that all are there as a whole.
    pub(super) shown: Option<String>,
    /// The catalog's objects matter for it.
    pub(in super::super) by_name: bool,
    /// Nothing of the image is applied.
    pub(super) nothing_in_common: bool,
    /// Something of the image was marked applied for those that it does not have.
    pub(super) said: bool,
    /// Pending, later than what the image lacks, and not shown to be new: it may be such a one, renamed and edited.
    pub(super) doubtful: Vec<String>,
    /// Nothing but those is in `squashed`.
    pub(super) doubted: bool,
    /// An applied name under which the image has other SQL than was applied.
    pub(super) reworded: String,
    /// The catalog shows that this has not run.
    pub(super) reworded_proven: bool,
    /// All that is applied was marked so, and Prisma has deployed nothing.
    pub(super) baselined: bool,
    /// The old name of the first of `renamed` stands in the image for something else.
    pub(super) old_is_there: bool,
}

impl Rewritten {
    /// Every migration that must not run.
    pub(in super::super) fn all(&self) -> BTreeSet<&str> {
        let renamed = self.renamed.iter().map(|(new, _)| new.as_str());
        renamed
            .chain(self.squashed.iter().map(String::as_str))
            .collect()
    }

    /// Something beside its own text speaks for it that this one ran: the catalog, a checksum, or a human.
    pub(in super::super) fn is_proven(&self, name: &str) -> bool {
        self.all().contains(name) && !self.unseen.contains(name)
    }

    /// The catalog does not show of this one whether it ran.
    pub(in super::super) fn is_unseen(&self, name: &str) -> bool {
        self.unseen.contains(name)
    }

    /// Something pending may be an applied one that the image does not have, renamed and edited.
    pub(in super::super) fn is_doubtful(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Up to which one they can be said to be applied, as far as that is shown.
    pub(in super::super) fn baseline(&self) -> Option<&str> {
        let renamed = self.renamed.last().map(|(new, _)| new.as_str());
        renamed.max(self.shown.as_deref())
    }

    /// What of one of `squashed` that is there in part is not there, in words.
    pub(in super::super) fn lacks(&self, name: &str) -> String {
        let part = self.partial.get(name).or_else(|| self.mixed.get(name));
        part.map_or_else(String::new, |(_, missing)| first(missing))
    }

    /// What is known of one of `squashed`, in words.
    pub(in super::super) fn words(&self, name: &str) -> String {
        if let Some((open, missing)) = self.mixed.get(name) {
            return format!(
                "not there: {}; the catalog does not show whether this ran before: {}",
                first(missing),
                first(open)
            );
        }
        if self.unseen.contains(name) {
            return "the catalog does not show whether it ran".to_owned();
        }
        self.partial
            .get(name)
            .map_or_else(String::new, |(there, missing)| {
                format!("not there: {}; there: {}", first(missing), first(there))
            })
    }
}

pub(super) fn first(list: &[String]) -> String {
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    names(&list)
}

/// What humans have said beside the ledger.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Word<'a> {
    /// What has run and is not marked applied yet.
    pub(in super::super) marks: &'a [String],
    /// What the catalog does not show, beside what was marked applied, is new.
    pub(in super::super) new: bool,
    /// The policies, or a human who accepted it, let pass that the image lacks what is applied: see [`lets_pass`].
    pub(in super::super) doubts: bool,
    /// The policies alone let it pass.
    pub(in super::super) by_policy: bool,
    /// What was changed after it was applied is not ignored.
    pub(in super::super) edits: bool,
}

/// Whether the policies let pass what is applied and not in the image, so that nothing else stands against what is pending
/// and may be such a one, renamed and edited. What is older than `since` counts until Prisma has deployed something of the image
/// after it: what was renamed comes with the next release. `accepted`: what a human took as it is.
pub(in super::super) fn lets_pass(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    policies: &HistorySpec,
    accepted: &[String],
) -> bool {
    let newest = names_of(inventory).last().copied().unwrap_or_default();
    let lost = lost(inventory, rows);
    let known = names_of(inventory);
    let deployed = rows.iter().filter(|row| {
        known.contains(row.migration_name.as_str()) && prisma::row_state(row) == RowState::Applied
    });
    let last = deployed.map(|row| row.started_at).max();
    let is_old = |name: &str| name < policies.since.as_str();
    let mut judged = lost
        .iter()
        .filter(|(name, row)| !is_old(name) || Some(row.started_at) > last)
        .map(|(name, _)| *name);
    let taken = |name: &str| accepted.iter().any(|accepted| accepted == name);
    let denied = |name: &str| match name > newest {
        _ if taken(name) || is_old(name) => false,
        true => policies.ahead != Policy::Ignore,
        false => policies.unknown == Policy::Deny,
    };
    judged.clone().next().is_some() && !judged.any(denied)
}

/// Looks for it among what is pending. `objects` is `None` where they are not known: then what may be a squashed history is
/// taken for one.
pub(in super::super) fn rewritten(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    schema: &str,
    objects: Option<&BTreeSet<Object>>,
    word: Word<'_>,
) -> Rewritten {
    let mut found = seen(inventory, rows, (schema, objects), word.edits);
    if found.said
        && word.new
        && found
            .squashed
            .iter()
            .all(|name| found.unseen.contains(name))
    {
        found.squashed.clear();
        found.unseen.clear();
    }
    let asks = word.doubts || found.baselined || !found.reworded.is_empty();
    if asks && !word.new && !found.doubtful.is_empty() {
        let mut doubtful = std::mem::take(&mut found.doubtful);
        // Who accepted what is lacking knows what it is: what makes something new is new then.
        doubtful.retain(|name| {
            word.by_policy || !found.reworded.is_empty() || !found.mixed.contains_key(name)
        });
        found.doubted = found.squashed.is_empty() && !doubtful.is_empty();
        found.unseen.extend(doubtful.iter().cloned());
        found.squashed.extend(doubtful);
    }
    // With the first of several that is marked, the ledger does not show the others any more.
    let applied = applied(rows);
    for name in inventory.migrations.iter().map(|migration| &migration.name) {
        let renamed = found.renamed.iter().any(|(new, _)| new == name);
        if word.marks.contains(name) && !applied.contains_key(name.as_str()) && !renamed {
            found.marked.insert(name.clone());
            found.unseen.remove(name);
            found.partial.remove(name);
            if !found.squashed.contains(name) {
                found.squashed.push(name.clone());
            }
        }
    }
    found.squashed.sort();
    let whole =
        |name: &&String| !found.unseen.contains(*name) && !found.partial.contains_key(*name);
    found.shown = found.squashed.iter().take_while(whole).last().cloned();
    found
}

fn seen(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    (schema, objects): (&str, Option<&BTreeSet<Object>>),
    edits: bool,
) -> Rewritten {
    let applied = applied(rows);
    let of_rows: Vec<&LedgerRow> = applied.values().copied().collect();
    let contents = Contents::of(inventory, &of_rows);
    let mut found = Rewritten {
        renamed: renamed(inventory, rows, &applied, &contents),
        reused: reused(inventory, &applied, &contents),
        repeated: repeated(inventory, &applied, &contents),
        ..Rewritten::default()
    };
    let told = reworded::told(inventory, rows, &contents, (schema, objects));
    let is_new = |(name, _): &(String, String)| !found.reused.iter().any(|(it, _)| it == name);
    let reused: Vec<(String, String)> = told.reused.into_iter().filter(is_new).collect();
    found.by_name |= told.by_name;
    found.reused.extend(reused);
    let known = names_of(inventory);
    let first = found.renamed.first();
    found.old_is_there = first.is_some_and(|(_, old)| known.contains(old.as_str()));
    let pending: Vec<&Migration> = inventory
        .migrations
        .iter()
        .filter(|m| !applied.contains_key(m.name.as_str()))
        .filter(|m| !found.renamed.iter().any(|(new, _)| *new == m.name))
        .collect();
    let mut gone = lost(inventory, rows);
    // What was renamed stands under its new name, and for nothing else.
    gone.retain(|name, _| !found.renamed.iter().any(|(_, old)| old == name));
    if gone.is_empty() && found.renamed.is_empty() {
        gone = accounted(inventory, rows);
        found.said = !gone.is_empty();
    }
    let Some(newest) = gone.keys().next_back().filter(|_| !pending.is_empty()) else {
        if gone.is_empty() && !pending.is_empty() {
            let edited = applied.values().filter(|row| {
                known.contains(row.migration_name.as_str()) && !contents.is_intact(row)
            });
            let edited: Vec<&str> = edited.map(|row| row.migration_name.as_str()).collect();
            found.by_name |= !edited.is_empty();
            let moved = objects.and_then(|objects| {
                reworded::beside(inventory, &edited, &pending, (schema, objects), edits)
            });
            // Prisma has deployed nothing yet: up to where it ran by another way is a human's word, and what only changes rows does not show.
            let by_hand = |row: &&LedgerRow| prisma::row_state(row) == RowState::AppliedByHand;
            found.baselined =
                edited.is_empty() && !applied.is_empty() && applied.values().all(by_hand);
            if found.baselined {
                found.by_name = true;
                found.doubtful = objects.map_or_else(Vec::new, |objects| {
                    reworded::first_unseen(inventory, &pending, schema, objects)
                });
            }
            if let Some(moved) = moved {
                found.reworded = moved.name;
                found.reworded_proven = moved.proven;
                found.doubtful = moved.doubtful;
                found.mixed = moved.mixed;
            }
        }
        return found;
    };
    found.by_name = true;
    found.nothing_in_common = pending.len() == inventory.migrations.len();
    let may_all = found.nothing_in_common || found.said;
    let script = |m: &&Migration| m.sql.is_some();
    let Some(objects) = objects.filter(|_| pending.iter().all(script)) else {
        let older = |m: &&&Migration| may_all || m.name.as_str() < *newest;
        let doubtful = pending.iter().filter(older).map(|m| m.name.clone());
        found.squashed = doubtful.collect();
        found.unseen = found.squashed.iter().cloned().collect();
        let adds = |script: &str| {
            let effects = sql::effects(script, schema);
            effects.into_iter().any(|effects| !effects.adds.is_empty())
        };
        let none = BTreeSet::new();
        let hides =
            |script: &str| !adds(script) || !sql::apart_from_new(script, schema, &none).is_empty();
        let doubtful = pending.iter().filter(|m| !older(m));
        found.doubtful = doubtful
            .filter(|m| m.sql.as_deref().is_none_or(hides))
            .map(|m| m.name.clone())
            .collect();
        return found;
    };
    let all: Vec<&Migration> = inventory.migrations.iter().collect();
    let held = held(&all, schema, objects);
    let own: BTreeSet<Object> = inventory
        .migrations
        .iter()
        .filter(|m| applied.contains_key(m.name.as_str()))
        .filter_map(|m| m.sql.as_deref())
        .flat_map(|script| sql::effects(script, schema))
        .flat_map(|effects| effects.adds)
        .collect();
    let mut unseen = Vec::new();
    let mut new_before = false;
    for migration in pending {
        let name = migration.name.clone();
        let script = migration.sql.as_deref().unwrap_or_default();
        let held = held.get(name.as_str()).cloned().unwrap_or_default();
        let there = sql::made_again(script, schema, objects, &own);
        let against = held.against();
        match (there.is_empty(), against.is_empty()) {
            (false, true) => found.squashed.push(name),
            (false, false) => {
                found.partial.insert(name.clone(), (there, against));
                found.squashed.push(name);
            }
            // It has not run: what it makes is not there, or what it takes away still is.
            (true, false) => {
                new_before = true;
                let part = mix(migration, against, schema, objects);
                found.mixed.extend(part.map(|part| (name, part)));
            }
            (true, true) if sql::statements(script).is_empty() => {}
            (true, true) => unseen.push((name, new_before)),
        }
    }
    // What only changes rows may be a part of what the others beside it stand for. Alone it is that where the image has
    // nothing of what is applied, and nothing new comes before it.
    let beside = found.said || !found.squashed.is_empty();
    for (name, after_new) in unseen {
        if beside || found.nothing_in_common && !after_new {
            found.unseen.insert(name.clone());
            found.squashed.push(name);
        } else {
            found.doubtful.push(name);
        }
    }
    // Beside what stands for the others one that makes something new came after them.
    if beside {
        found.mixed.clear();
    }
    found.doubtful.extend(found.mixed.keys().cloned());
    found.doubtful.sort();
    found
}
