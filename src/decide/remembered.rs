//! What the ledgers held when a run last saw them. What of it is gone later may have run: the database was restored, its ledger
//! changed by hand or by a migration, or its Secret leads to another one. A changed spec must not run it again, and what the
//! ledger says of a migration that runs meanwhile is not believed.
//!
//! A name is what Prisma goes by, so names are remembered and no checksums: those are put right by hand. All of them, as
//! their number and the sum of their digests, in which their order does not matter, and the newest by name, for people.
//! What was added since has to be found before the rest can be compared: one or two of any kind, more where they come last
//! by their time or by their name.

use std::collections::{BTreeMap, BTreeSet};

use super::database_plan::Blocker;
use super::history;
use super::names::lease_name;
use super::pass::Pass;
use super::status::{NAME_LIMIT, NAMES_LIMIT, count, cut, names};
use crate::api::{
    ActionKind, DatabaseStatus, RememberedStatus, StepStatus, TakenAction, digest, reasons,
};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};

/// That something is gone which was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// Those whose names are known.
    pub(super) names: Vec<String>,
    /// How many there were; not known of what an earlier release wrote.
    pub(super) held: Option<usize>,
    /// How many there are.
    pub(super) now: usize,
    /// It is another database than then, or was made anew.
    pub(super) elsewhere: bool,
}

/// The applied migrations of a ledger by name; none where it may not be read.
fn applied(ledger: &Ledger) -> Option<BTreeMap<&str, &LedgerRow>> {
    match ledger {
        Ledger::Rows(rows) => Some(history::applied(rows)),
        Ledger::Absent { .. } => Some(BTreeMap::new()),
        Ledger::NoRight { .. } => None,
    }
}

fn number(name: &str) -> u128 {
    let hex = digest(name.as_bytes());
    let hex = hex.rsplit(':').next().unwrap_or_default();
    let half = hex.get(..32).unwrap_or_default();
    u128::from_str_radix(half, 16).unwrap_or_default()
}

fn sum<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> u128 {
    let numbers = names.into_iter().map(|name| number(name));
    numbers.fold(0, u128::wrapping_add)
}

/// What a ledger holds now is what is compared with from now on.
pub(super) fn remember(pass: &mut Pass<'_>, database: &str, facts: &DatabaseFacts) {
    let Some(now) = applied(&facts.ledger) else {
        return;
    };
    let names: Vec<&str> = now.keys().copied().collect();
    let newest = names.iter().rev().take(NAMES_LIMIT).rev();
    let remembered = RememberedStatus {
        count: super::status::bounded(names.len()),
        digest: format!("{:032x}", sum(&names)),
        newest: newest.map(|name| cut(name, NAME_LIMIT)).collect(),
        turn: lease_name(&facts.identity),
        told: false,
    };
    if let Some(entry) = pass.database_mut(database) {
        entry.remembered = Some(remembered);
        entry.verified.clear();
    }
}

/// What has run, and of which the ledger says nothing, is remembered with what it held. `image`: the names of its migrations in order.
/// What is remembered mostly is the first ones of them, and then all of it is known by name.
pub(super) fn has_run(pass: &mut Pass<'_>, database: &str, ran: &[String], image: &[&str]) {
    let Some(entry) = pass.database_mut(database) else {
        return;
    };
    let Some(known) = &mut entry.remembered else {
        return;
    };
    let Some(before) = sum_of(known) else { return };
    let first = image.get(..known.count as usize);
    let first = first.filter(|first| sum(*first) == before);
    let new = ran.iter().filter(|name| match first {
        Some(first) => !first.contains(&name.as_str()),
        None => !known.newest.contains(&cut(name, NAME_LIMIT)),
    });
    let new: Vec<&String> = new.collect();
    let all = new.iter().map(|name| number(name));
    known.digest = format!("{:032x}", all.fold(before, u128::wrapping_add));
    known.count += super::status::bounded(new.len());
    let named = new
        .iter()
        .map(|name| cut(name, NAME_LIMIT))
        .collect::<Vec<_>>();
    known.newest.extend(named);
    known.newest.sort();
    let older = known.newest.len().saturating_sub(NAMES_LIMIT);
    known.newest.drain(..older);
}

/// What a human had changed is no surprise. What a mark or a baseline adds is told from what was there, and a failed row is none of that.
pub(super) fn forget(pass: &mut Pass<'_>, taken: &TakenAction) {
    let whole = match taken.action {
        // It may bring back the whole instance.
        ActionKind::Restore => true,
        ActionKind::DownMigration => false,
        ActionKind::Abort
        | ActionKind::AcceptValidation
        | ActionKind::Retry
        | ActionKind::MarkApplied
        | ActionKind::MarkRolledBack
        | ActionKind::Baseline => return,
    };
    if !whole && let Some(facts) = pass.facts(&taken.database) {
        // Of one that was applied its row is gone by that; what else is gone is no doing of it.
        let entry = pass.database(&taken.database);
        let lost = entry.and_then(|entry| lost(entry, facts, &[]));
        if lost.is_some_and(|loss| loss.held == Some(loss.now + 1)) {
            remember(pass, &taken.database, facts);
        }
        return;
    }
    for entry in &mut pass.status.databases {
        if whole || entry.name == taken.database {
            entry.verified.clear();
            entry.remembered = None;
        }
    }
}

/// What was remembered is kept in a run after it, unless that was asked for by a retry where people were told that it is gone,
/// and what would run. After LedgerLost nobody was. `reason`: what they were told, of a status that does not say it itself.
pub(super) fn carry(before: &DatabaseStatus, retry: bool, reason: &str, next: &mut DatabaseStatus) {
    let told = match &before.remembered {
        Some(known) => known.told,
        None => reason == reasons::PENDING_FOUND,
    };
    if !(retry && told) {
        next.verified.clone_from(&before.verified);
        next.remembered.clone_from(&before.remembered);
    }
}

/// People are told that something of these databases' ledgers is gone.
pub(super) fn tell(pass: &mut Pass<'_>, is_told: &dyn Fn(&str) -> bool) {
    for entry in &mut pass.status.databases {
        if let Some(known) = &mut entry.remembered
            && is_told(&entry.name)
        {
            known.told = true;
        }
    }
}

/// What is gone of what is remembered. `pending`: what is not applied, by which some can be named that are not among the newest.
pub(super) fn lost(
    entry: &DatabaseStatus,
    facts: &DatabaseFacts,
    pending: &[String],
) -> Option<Loss> {
    let now = applied(&facts.ledger)?;
    let shown: BTreeSet<String> = now.keys().map(|name| cut(name, NAME_LIMIT)).collect();
    let gone = |names: &[String]| -> Vec<String> {
        let gone = names.iter().filter(|name| !shown.contains(*name));
        gone.cloned().collect()
    };
    let Some(known) = &entry.remembered else {
        // Of a release that knew only the newest of the image.
        let names = gone(&entry.verified);
        return (!names.is_empty()).then_some(Loss {
            names,
            held: None,
            now: now.len(),
            elsewhere: false,
        });
    };
    if holds(known, &now) {
        return None;
    }
    let mut names = gone(&known.newest);
    if names.is_empty() {
        names.extend(one_of(known, &now, pending).map(|name| cut(name, NAME_LIMIT)));
    }
    Some(Loss {
        names,
        held: Some(known.count as usize),
        now: now.len(),
        elsewhere: known.turn != lease_name(&facts.identity),
    })
}

/// It is another database than the one that a run last saw.
pub(super) fn is_elsewhere(entry: &DatabaseStatus, facts: &DatabaseFacts) -> bool {
    let known = entry.remembered.as_ref();
    known.is_some_and(|known| !known.turn.is_empty() && known.turn != lease_name(&facts.identity))
}

/// Those that are pending and known to be gone from the ledger of this very database: they may have run, and can be marked.
pub(super) fn gone(
    entry: &DatabaseStatus,
    facts: &DatabaseFacts,
    pending: &[String],
) -> Vec<String> {
    let Some(loss) = lost(entry, facts, pending).filter(|loss| !loss.elsewhere) else {
        return Vec::new();
    };
    let known = |name: &&String| loss.names.contains(&cut(name, NAME_LIMIT));
    pending.iter().filter(known).cloned().collect()
}

/// The orders in which what was added may come last.
fn orders<'a>(now: &BTreeMap<&'a str, &LedgerRow>) -> [Vec<&'a str>; 2] {
    let by_name: Vec<&str> = now.keys().copied().collect();
    let mut by_time = by_name.clone();
    by_time.sort_by_key(|name| now.get(name).map(|row| row.started_at));
    [by_time, by_name]
}

fn sum_of(known: &RememberedStatus) -> Option<u128> {
    u128::from_str_radix(&known.digest, 16).ok()
}

/// Whether all that is remembered is there.
fn holds(known: &RememberedStatus, now: &BTreeMap<&str, &LedgerRow>) -> bool {
    let Some(before) = sum_of(known) else {
        return true;
    };
    let kept = known.count as usize;
    if now.len() < kept {
        return false;
    }
    let numbers: Vec<u128> = now.keys().map(|name| number(name)).collect();
    let all = numbers.iter().copied().fold(0, u128::wrapping_add);
    let added = all.wrapping_sub(before);
    match now.len() - kept {
        0 => return added == 0,
        1 => return numbers.contains(&added),
        2 => {
            let known: BTreeSet<u128> = numbers.iter().copied().collect();
            let other = |one: u128| added.wrapping_sub(one);
            return numbers
                .iter()
                .any(|one| other(*one) != *one && known.contains(&other(*one)));
        }
        _ => {}
    }
    orders(now)
        .iter()
        .any(|order| sum(order.iter().take(kept)) == before)
}

/// The one that is gone, where it is one, and is pending now.
fn one_of<'a>(
    known: &RememberedStatus,
    now: &BTreeMap<&str, &LedgerRow>,
    pending: &'a [String],
) -> Option<&'a str> {
    let before = sum_of(known)?;
    let kept = (known.count as usize).checked_sub(1)?;
    let found: Vec<u128> = orders(now)
        .iter()
        .filter(|order| order.len() >= kept)
        .map(|order| before.wrapping_sub(sum(order.iter().take(kept))))
        .collect();
    let pending = pending.iter().map(String::as_str);
    pending
        .into_iter()
        .find(|name| found.contains(&number(name)))
}

impl Loss {
    /// What is gone, as the beginning of a sentence on what was applied.
    fn words(&self) -> String {
        let list: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match (list.as_slice(), self.held) {
            ([], held) => {
                let held = held.unwrap_or_default();
                let less = held.saturating_sub(self.now);
                let newest = "the newest, which are remembered by name, are there";
                match less {
                    0 => format!(
                        "one or more of the {held} that were applied are not any more ({newest})"
                    ),
                    1 => format!(
                        "at least one of the {held} that were applied is not any more ({newest})"
                    ),
                    less => format!(
                        "at least {less} of the {held} that were applied are not any more ({newest})"
                    ),
                }
            }
            ([one], _) => format!("{one} was applied and is not any more"),
            (more, _) => format!("{} were applied and are not any more", names(more)),
        }
    }
}

/// Something is gone, and something is pending, which may be that: in a run that nobody asked for by a retry.
pub(super) fn blocker(
    pass: &Pass<'_>,
    database: &str,
    facts: &DatabaseFacts,
    pending: &[String],
) -> Option<Blocker> {
    if pass.run().finished_at.is_some() || pending.is_empty() {
        return None;
    }
    let loss = lost(pass.database(database)?, facts, pending)?;
    let why = match (loss.elsewhere, loss.now) {
        (true, _) => {
            "it is another database than then: does its Secret lead to another one, or was it dropped and made anew, from a dump, say?"
        }
        (false, 0) => "was the database restored, or was _prisma_migrations dropped or emptied?",
        (false, _) => "was the database restored, or were rows of _prisma_migrations deleted?",
    };
    let list: Vec<&str> = pending.iter().map(String::as_str).collect();
    Some(Blocker {
        reason: reasons::PENDING_FOUND,
        message: format!(
            "{database}: compared with the ledger that the last run saw, {}; {why} What is gone may have run, so nothing was started. If this is the right database and what is pending has not run on it as it is now ({}), run it: {}",
            loss.words(),
            names(&list),
            pass.retry_command()
        ),
        next: pass.retry_command(),
    })
}

/// What is gone while a step migrates, in words that begin with the database. What is there is remembered, so that each look is
/// compared with the one before it.
pub(super) fn lost_meanwhile(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    facts: &DatabaseFacts,
) -> Option<String> {
    let database = &step.database;
    let entry = pass.database(database)?;
    let turn = lease_name(&facts.identity);
    let known = entry.remembered.as_ref();
    if known.is_some_and(|known| known.turn != turn) {
        // What another database holds is not compared.
        return None;
    }
    let now = applied(&facts.ledger)?.len();
    // A step of an earlier release says how many there were.
    let before = step.applied.unwrap_or(0) + step.others.unwrap_or(0);
    let fewer = known.is_none() && now < before as usize;
    let loss = match known {
        Some(_) => lost(entry, facts, &[]),
        None => fewer.then(|| Loss {
            names: Vec::new(),
            held: Some(before as usize),
            now,
            elsewhere: false,
        }),
    };
    let Some(loss) = loss else {
        remember(pass, database, facts);
        return None;
    };
    let held = count(loss.held.unwrap_or_default(), "applied migration");
    Some(match &facts.ledger {
        Ledger::Absent { .. } => format!(
            "{database}: the table _prisma_migrations, in which {held} stood, was dropped or renamed while the migration ran"
        ),
        _ => format!(
            "{database}: {held} stood in _prisma_migrations, and while the migration ran rows were deleted or changed: {}",
            loss.words()
        ),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::Timestamp;
    use rstest::rstest;

    fn rows(names: &[(&str, i64)]) -> Ledger {
        let row = |(name, at): &(&str, i64)| LedgerRow {
            migration_name: (*name).to_owned(),
            started_at: Timestamp::from_second(*at).unwrap(),
            finished_at: Some(Timestamp::UNIX_EPOCH),
            applied_steps_count: 1,
            ..LedgerRow::default()
        };
        Ledger::Rows(names.iter().map(row).collect())
    }

    fn known(names: &[&str]) -> RememberedStatus {
        RememberedStatus {
            count: u32::try_from(names.len()).unwrap(),
            digest: format!("{:032x}", sum(names)),
            newest: names
                .last()
                .map(|name| (*name).to_owned())
                .into_iter()
                .collect(),
            ..RememberedStatus::default()
        }
    }

    const BEFORE: [&str; 3] = ["1", "3", "5"];

    /// In any order of names and times what was added is told from what was there, and what is gone is seen.
    #[rstest]
    #[case::same(&[("1", 1), ("3", 2), ("5", 3)], true)]
    #[case::one_more(&[("1", 1), ("2", 0), ("3", 2), ("5", 3)], true)]
    #[case::two_more(&[("0", 1), ("1", 1), ("2", 0), ("3", 2), ("5", 3)], true)]
    #[case::later_by_time(&[("0", 9), ("1", 1), ("2", 9), ("3", 2), ("4", 9), ("5", 3)], true)]
    #[case::later_by_name(&[("1", 5), ("3", 5), ("5", 5), ("6", 1), ("7", 2), ("8", 3)], true)]
    #[case::one_less(&[("3", 2), ("5", 3)], false)]
    #[case::one_for_another(&[("3", 2), ("5", 3), ("6", 4)], false)]
    #[case::one_for_two(&[("3", 2), ("5", 3), ("6", 4), ("7", 5)], false)]
    #[case::one_for_many(&[("1", 1), ("5", 3), ("6", 4), ("7", 5), ("8", 6), ("9", 7)], false)]
    #[case::none(&[], false)]
    fn nothing_is_gone(#[case] now: &[(&str, i64)], #[case] expected: bool) {
        let ledger = rows(now);
        assert_eq!(holds(&known(&BEFORE), &applied(&ledger).unwrap()), expected);
    }

    /// One that is not among the newest is named where it is pending.
    #[rstest]
    #[case(&[("3", 2), ("5", 3)], "1")]
    #[case(&[("1", 1), ("5", 3), ("6", 4), ("7", 4), ("8", 4)], "3")]
    fn an_old_one_is_named(#[case] now: &[(&str, i64)], #[case] expected: &str) {
        let ledger = rows(now);
        let pending: Vec<String> = ["0", "1", "3", "9"].map(str::to_owned).to_vec();
        let now = applied(&ledger).unwrap();
        assert_eq!(one_of(&known(&BEFORE), &now, &pending), Some(expected));
    }

    /// The names of 820 migrations take no more room than those of 20.
    #[test]
    fn it_is_small_and_quick() {
        let names: Vec<String> = (0..820).map(|n| format!("{n:0>120}")).collect();
        let pairs: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let ledger = rows(&pairs);
        let now = applied(&ledger).unwrap();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        for added in 0..5 {
            let known = known(&all[..820 - added]);
            assert!(holds(&known, &now));
        }
        assert!(!holds(&known(&[&all[1..], &["gone"]].concat()), &now));
    }
}
