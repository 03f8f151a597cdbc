//! How a run ends: succeeded, failed, rolled back, not valid, aborted; or it is held.

use super::choices::cause::{self, Cause};
use super::invalid;
use super::pass::Pass;
use super::run;
use super::smoke_tests;
use super::snapshot::Event;
use super::status::{self, count};
use crate::api::{DatabasePhase, FindingKind, Phase, RunOutcome, WentBack, reasons};
use crate::tools::sql_state::LOCK_NOT_AVAILABLE;

/// Ends a run that stopped at a database: what failed was not undone, or was.
pub(super) fn finish_stopped(pass: &mut Pass<'_>) {
    let failed = |d: &crate::api::DatabaseStatus| d.phase == DatabasePhase::Failed;
    if pass.status.databases.iter().any(failed) {
        return finish_failed(pass);
    }
    let text = status::get(&pass.status, reasons::ROLLED_BACK)
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    let undone = |d: &&crate::api::DatabaseStatus| d.phase == DatabasePhase::RolledBack;
    let name = pass
        .status
        .databases
        .iter()
        .find(undone)
        .map(|d| d.name.clone());
    let name = name.unwrap_or_default();
    let known = pass.database(&name).and_then(|entry| entry.went_back);
    finish_rolled_back(pass, &name, known, &text);
}

/// ` Not started: tasks.`, where the run's end left some out.
fn not_started(pass: &Pass<'_>) -> Option<String> {
    let skipped = |d: &&crate::api::DatabaseStatus| d.phase == DatabasePhase::Skipped;
    let databases = pass.status.databases.iter().filter(skipped);
    let names: Vec<&str> = databases.map(|d| d.name.as_str()).collect();
    (!names.is_empty()).then(|| format!(" Not started: {}.", status::names(&names)))
}

/// Ends a run in which a database failed, in the failure's own words: what ran beside it has spoken since.
fn finish_failed(pass: &mut Pass<'_>) {
    run::fail(pass);
    let (reason, mut text) = status::get(&pass.status, reasons::MIGRATED)
        .map(|failure| (failure.reason.clone(), failure.message.clone()))
        .unwrap_or_default();
    if let Some(skipped) = not_started(pass) {
        text.push_str(&skipped);
        if let Some(event) = pass.events.iter_mut().rev().find(|event| event.warning) {
            event.message = status::cut(&text, status::MESSAGE_LIMIT);
        }
    }
    pass.halted(Phase::Failed, &reason, text, String::new());
}

/// Every database is migrated; an application may start on that.
pub(super) fn migrated(pass: &mut Pass<'_>) {
    let text = "every migration of the image is applied";
    let text = match forced(pass) {
        Some(forced) => format!("{text}; {forced}"),
        None => text.to_owned(),
    };
    pass.condition(reasons::MIGRATED, true, reasons::LEDGER_VERIFIED, &text);
}

/// What was to be proven after the migrations was not: the run ends, everything stays as it is.
pub(super) fn finish_not_valid(pass: &mut Pass<'_>, reason: &'static str, text: String) {
    run::fail(pass);
    pass.condition(reasons::VALIDATED, false, reason, &text);
    let mut text = text;
    if let Some(skipped) = not_started(pass) {
        text.push_str(&skipped);
        pass.condition(reasons::MIGRATED, false, reason, &text);
    }
    pass.stalled(Phase::Failed, reason, text, "");
}

pub(super) fn finish_succeeded(pass: &mut Pass<'_>) {
    let applied: u32 = pass
        .status
        .databases
        .iter()
        .map(|database| database.applied_by_run)
        .sum();
    let number = pass.status.databases.len();
    let started = pass.run().started_at.map_or(pass.now(), |time| time.0);
    let took = pass.age(started);
    let ahead = pass.status.databases.iter().any(|database| {
        database
            .findings
            .iter()
            .any(|finding| finding.kind == FindingKind::Ahead)
    });
    migrated(pass);
    // What was pending when it was planned is not pending any more.
    pass.condition(
        reasons::PLANNED,
        true,
        reasons::PLAN_READY,
        "everything that was planned is applied",
    );
    super::progress::since_restore_point(pass);
    if let Some(text) = invalid::found(pass) {
        return finish_not_valid(pass, reasons::INVALID_INDEX_FOUND, text);
    }
    let (reason, verdict) = smoke_tests::verdict(pass);
    pass.condition(reasons::VALIDATED, true, reason, &verdict);
    run::end(pass, RunOutcome::Succeeded);
    let message = if applied == 0 {
        format!("{}, nothing pending", count(number, "database"))
    } else {
        format!(
            "{number} of {}, {}, {took}s",
            count(number, "database"),
            count(applied as usize, "migration")
        )
    };
    let message = match forced(pass) {
        Some(text) => format!("{message}; {text}"),
        None => message,
    };
    let news = match only_database(pass) {
        Some(migrated) => format!("{message}; {migrated}"),
        None => message.clone(),
    };
    if ahead {
        pass.event(false, reasons::SUCCEEDED, format!("{news}; {AHEAD}"));
        pass.ready(reasons::DATABASE_AHEAD, format!("{message}; {AHEAD}"));
    } else {
        pass.event(false, reasons::SUCCEEDED, news);
        pass.ready(reasons::SUCCEEDED, message);
    }
    super::next_look::schedule(pass);
}

/// What is said of an image that is older than a database.
const AHEAD: &str = "the database is ahead of the image";

/// What was marked applied although the catalog contradicts it.
fn forced(pass: &Pass<'_>) -> Option<String> {
    let all = pass.status.databases.iter().flat_map(|database| {
        let forced = database
            .findings
            .iter()
            .filter(|finding| finding.kind == FindingKind::Forced);
        forced.map(|finding| {
            let name = &database.name;
            format!("{name}: {} ({})", finding.migration, finding.text)
        })
    });
    let all: Vec<String> = all.collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    (!all.is_empty()).then(|| {
        format!(
            "marked applied with --force although the catalog contradicts it: {}",
            status::names(&names)
        )
    })
}

/// The news of the only database, where it was migrated in this very pass: one Event says both.
fn only_database(pass: &mut Pass<'_>) -> Option<String> {
    let migrated = |event: &Event| event.reason == reasons::events::DATABASE_MIGRATED;
    let at = pass.events.iter().position(migrated)?;
    (pass.spec.databases.len() == 1).then(|| pass.events.remove(at).message)
}

/// Nothing more is started, and what ran has ended.
pub(super) fn suspended(pass: &mut Pass<'_>) {
    let ready = |d: &&crate::api::DatabaseStatus| d.phase == DatabasePhase::Succeeded;
    let done = pass.status.databases.iter().filter(ready).count();
    let shown = if done == 0 {
        status::get(&pass.status, reasons::PLANNED)
            .map_or("", |c| c.message.as_str())
            .to_owned()
    } else {
        format!(
            "{done} of {} migrated",
            count(pass.status.databases.len(), "database")
        )
    };
    // The command takes away the annotation, and cannot change what the spec says.
    let then = match pass.spec.suspend {
        true => "set spec.suspend to false in its manifest".to_owned(),
        false => pass.command("resume"),
    };
    let text = format!("{shown}; suspended: nothing is started. To go on: {then}.");
    pass.working(Phase::Suspended, reasons::SUSPENDED, text);
    status::drop_condition(&mut pass.status, reasons::RECONCILING);
    pass.requeue(60_000);
}

/// What the run did was undone: it ends, or ended before, and only a changed spec or a retry starts another.
pub(super) fn finish_rolled_back(
    pass: &mut Pass<'_>,
    database: &str,
    how: Option<WentBack>,
    text: &str,
) {
    if let Some(entry) = pass.database_mut(database) {
        entry.phase = DatabasePhase::RolledBack;
        entry.went_back = how;
        entry.current = None;
        if let Some(failed) = &mut entry.failed {
            failed.left.clear();
        }
    }
    let ended = pass.run().finished_at.is_some();
    if ended {
        run::ended_otherwise(pass, RunOutcome::RolledBack);
    } else {
        run::skip(pass);
        run::end(pass, RunOutcome::RolledBack);
    }
    run::tidy(pass);
    pass.condition(reasons::ROLLED_BACK, true, reasons::ROLLED_BACK, text);
    let failed = pass
        .database(database)
        .and_then(|entry| entry.failed.as_ref());
    let then = match failed.map(|failed| (failed, cause::of(failed))) {
        Some((failed, _)) if failed.sql_state == LOCK_NOT_AVAILABLE => {
            "once the lock is free, ask for a new run".to_owned()
        }
        Some((failed, Cause::Around)) => {
            format!("{}, then ask for a new run", cause::mend(failed))
        }
        Some((failed, Cause::Rows)) => {
            format!(
                "{}, or release a corrected image; then ask for a new run",
                cause::mend(failed)
            )
        }
        _ => "release a corrected image, or ask for a new run".to_owned(),
    };
    let text = format!("{text}. Nothing starts by itself: {then}.");
    pass.halted(Phase::RolledBack, reasons::ROLLED_BACK, text, "");
}

/// A human ended the run before its next step.
pub(super) fn finish_aborted(pass: &mut Pass<'_>) {
    let done = |d: &&crate::api::DatabaseStatus| d.phase == DatabasePhase::Succeeded;
    let ready = pass.status.databases.iter().filter(done).count();
    let total = pass.status.databases.len();
    run::skip(pass);
    run::end(pass, RunOutcome::Aborted);
    let by = pass
        .status
        .action
        .as_ref()
        .map(|taken| taken.requested_by.clone())
        .unwrap_or_default();
    let text = format!(
        "{by} ended the run before its next step: {ready} of {} migrated. Ask for a new run to go on.",
        count(total, "database")
    );
    // Where the ledgers hold all of it, that stays true: only what was to be proven after it was not.
    if ready < total {
        pass.condition(reasons::MIGRATED, false, reasons::ABORTED, &text);
    } else {
        migrated(pass);
    }
    pass.stalled(Phase::Failed, reasons::ABORTED, text, "");
}
