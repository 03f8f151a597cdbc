//! What a human can do now, safest first, each with the command that does it. Derived from status alone.

pub(super) mod cause;
pub(super) mod commands;
pub(super) mod fix;
mod indexes;
pub(super) mod locks;
mod passed;
pub(super) mod raised;
mod rewritten;

use dbm_protocol::LACKS_MEMORY;

use crate::api::{
    ChoiceStatus, ComparedStatus, DatabaseMigrationSpec, DatabaseMigrationStatus, DatabasePhase,
    DatabaseStatus, FailedStatus, FindingStatus, Phase, RunOutcome, StepKind, StepStatus, Traces,
    reasons,
};
use crate::tools::sql_state::DEADLOCK;

use self::cause::Cause;
use self::commands::{Commands, blocker, forced, push, spoken_of, undone_by_hand, up_to};
use super::database_plan::UNLESS_EXTERNAL;
use super::deleting;
use super::history::NOT_EMPTY;
use super::instance;
use super::read_only;
use super::status;

/// The choices. While it is at work every action would be refused, and what a session holds up is left.
pub(super) fn choices(
    name: &str,
    namespace: &str,
    spec: &DatabaseMigrationSpec,
    now: &DatabaseMigrationStatus,
) -> Vec<ChoiceStatus> {
    let commands = Commands {
        name,
        namespace,
        spec,
    };
    let at_work =
        |step: &StepStatus| step.finished_at.is_none() && step.name != StepKind::Inventory;
    let steps = now.run.iter().flat_map(|run| &run.steps);
    let mut list = Vec::new();
    if steps.into_iter().any(at_work) {
        locks::held_up(&mut list, &commands, now);
        let reason = status::ready_reason(now);
        if list.is_empty() && now.message.contains(deleting::POD) {
            locks::ends_with_its_pod(&mut list, &commands, now);
        }
        if list.is_empty() && fix::is_of_pod(reason) {
            fix::of(&mut list, &commands, spec, now, reason);
        }
        return list;
    }
    if status::get(now, reasons::STALLED).is_none() {
        // Of a release that went well only the way back, for what is found out later.
        let ready = status::get(now, reasons::READY).is_some_and(|c| c.status == "True");
        if ready && spec.rollback.restore.is_some() {
            restore(&mut list, &commands, now, None);
        }
        locks::not_begun(&mut list, &commands, now);
        if status::ready_reason(now) == reasons::WAITING_LOCK {
            locks::looks(&mut list, &commands, now);
        }
        locks::between_tries(&mut list, &commands, now);
        // It waits for somebody who corrects something.
        fix::of(&mut list, &commands, spec, now, status::ready_reason(now));
        return list;
    }
    let reason = status::ready_reason(now);
    let failed = now
        .databases
        .iter()
        // What was rolled back is settled, but for what blocks a run that was opened again.
        .filter(|entry| {
            entry.phase != DatabasePhase::RolledBack || now.phase == Some(Phase::Blocked)
        })
        .find_map(|entry| Some((entry, entry.failed.as_ref()?)));
    let ended = now.run.as_ref().and_then(|run| run.outcome);
    let blocked = locks::blocked_down(now);
    match (reason, failed) {
        // Of a migration that was applied.
        (reasons::ROLLBACK_FAILED, None) if blocked.is_some() => {
            if let Some(step) = blocked {
                let at = [
                    ("database", step.database.as_str()),
                    ("migration", step.migration.as_str()),
                ];
                let words = "then undo it with its down.sql again";
                locks::then(
                    &mut list,
                    &commands.psql(&step.database),
                    &step.message,
                    words,
                    &[commands.dbm("down", &at)],
                );
            }
        }
        // It was Prisma's own lock, or its row is marked rolled back.
        (reasons::LOCK_TIMEOUT, Some((entry, failed))) if failed.ledger_row.is_empty() => {
            locks::run_again(&mut list, &commands, &entry.name, &failed.blocked_by);
        }
        (reasons::WAITING_LOCK, _) => locks::looks(&mut list, &commands, now),
        _ if fix::corrects(reason) => fix::of(&mut list, &commands, spec, now, reason),
        (reasons::BASELINE_NEEDED, _) => {
            if let Some(entry) = spoken_of(now) {
                baseline(&mut list, &commands, entry);
            }
            // The run has ended: nothing of it looks again by itself, and a baseline would open it again.
            let known = spoken_of(now).is_some_and(|entry| !entry.baseline.is_empty());
            if ended.is_none() && !known {
                let title = "if they are not meant to be there: drop them, or move them to another schema; it goes on by itself";
                push(&mut list, title, String::new());
            }
            if ended == Some(RunOutcome::Failed) && !known {
                let title = "or, once these tables are gone, or the configuration names them in tables.external: ask for a new run, which looks again";
                push(&mut list, title, commands.dbm("retry", &[]));
            }
            if now.message.contains(UNLESS_EXTERNAL) {
                let title = "if tables.external of the configuration names all of these tables: start, and let Prisma decide; where it does not, Prisma refuses and changes nothing";
                push(&mut list, title, commands.dbm("retry", &[]) + " --force");
            }
        }
        (_, Some((entry, failed))) if failed.name.is_empty() && failed.code == NOT_EMPTY => {
            baseline(&mut list, &commands, entry);
        }
        (reasons::RENAMED_FOUND | reasons::SQUASHED_FOUND | reasons::UNSEEN_FOUND, _) => {
            if let Some(entry) = spoken_of(now) {
                rewritten::of(&mut list, &commands, now, entry, reason);
            }
        }
        (reasons::PLAN_CHANGED, _) => {
            let title = format!(
                "look at the plan ({}), then start a new run; this runs: {}",
                commands.dbm("plan", &[]),
                rewritten::all_pending(now)
            );
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (reasons::DATABASES_EXCHANGED, _) => {
            let title = "lead each of them to its own database again: correct the Secrets, or connection.secretKeyRef in your manifest; it goes on by itself";
            push(&mut list, title, String::new());
            let title = format!(
                "only if it is meant: start a new run; what is pending then runs: {}",
                rewritten::all_pending(now)
            );
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (reasons::UNPLANNED_MIGRATIONS, _) => {
            let title = "look at what they changed, then release an image whose plan holds what ran (databases[].prisma names what Prisma reads in it)";
            push(&mut list, title, String::new());
            let title = "if it may stay although no image holds it: accept it, and start a new run. It is then reported as ahead or unknown, and holds nothing up";
            push(&mut list, title, commands.dbm("retry", &[]) + " --force");
        }
        (reasons::UNKNOWN_FOUND | reasons::AHEAD_FOUND, _) => {
            passed::of(&mut list, &commands, spec, now, spoken_of(now), reason);
        }
        (reasons::EDITED_FOUND, _) => {
            let entry = spoken_of(now);
            let reused = entry.and_then(|entry| rewritten::reused(entry).next());
            let (title, look) = match reused {
                Some(FindingStatus {
                    migration, text, ..
                }) => (
                    format!(
                        "release the SQL that {migration} holds now under a new name, and {migration} not at all: what was applied under that name is {text}"
                    ),
                    String::new(),
                ),
                None => {
                    let (title, look) = passed::as_applied(spec, entry);
                    (passed::with_last_image(title, now, spec), look)
                }
            };
            push(&mut list, title, look);
            if let Some(entry) = entry.filter(|_| reused.is_none()) {
                passed::edited(&mut list, &commands, spec, entry);
            }
        }
        (reasons::INVALID_INDEX_FOUND, _) => indexes::of_applied(&mut list, &commands, now),
        (reasons::SMOKE_TEST_FAILED | reasons::LOG_LINE_FOUND, _) => {
            let retry = "fix the problem, then start a new run";
            push(&mut list, retry, commands.dbm("retry", &[]));
            let accept = "accept it: the run goes on as if it had passed";
            let command = commands.dbm("accept", &[("reason", "...")]);
            push(&mut list, accept, command);
        }
        (reasons::OUT_OF_MEMORY, failed) if failed.is_none_or(|(_, it)| it.name.is_empty()) => {
            list.push(raised::alone((name, namespace), spec));
        }
        (reasons::CONFIG_INVALID, _) if now.message.contains(LACKS_MEMORY) => {
            list.push(raised::alone((name, namespace), spec));
        }
        (reasons::RESTORE_FAILED, _) => {
            // Nobody knows what it did: the run does not go on from there.
            let title = "look at every database, then ask for a new run";
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (_, Some((entry, failed))) if !failed.name.is_empty() => {
            of_migration(&mut list, &commands, now, entry, failed);
        }
        (reasons::ROLLED_BACK, _) if let Some(who) = locks::undone(now) => {
            let title = match who {
                "" => "once the lock is free, run it again".to_owned(),
                _ => format!("once the session that held the lock is gone, run it again: {who}"),
            };
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (reasons::ROLLED_BACK, _)
            if let Some(raised) =
                raised::of((name, namespace), spec, now, cause::went_back(now)) =>
        {
            let title = format!("run it again with {}", raised.words);
            push(&mut list, title, raised.command);
        }
        (reasons::ROLLED_BACK, _) if let Some((cause, first)) = cause::undone(now) => {
            let title = match cause {
                Cause::Rows => format!("{first}, or release a corrected image; then run it again"),
                _ => format!("{first}; then run it again: its image needs no correction"),
            };
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (reasons::ROLLED_BACK, _)
            if let Some(failed) = cause::went_back(now).filter(|it| !it.was_there.is_empty()) =>
        {
            let title = format!(
                "{} was there before it, and a new run meets it again: release a corrected image, or ask for a new run once it is no longer in the way",
                failed.was_there
            );
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        // Nothing of it failed.
        (reasons::ABORTED, _) => {
            let title = "go on where it stopped: ask for a new run";
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (reasons::PENDING_FOUND, _) => {
            if let Some(entry) = spoken_of(now).filter(|entry| !entry.baseline.is_empty()) {
                let last = entry.baseline.as_str();
                let (marked, new): (Vec<&str>, Vec<&str>) = entry
                    .pending
                    .iter()
                    .map(String::as_str)
                    .partition(|name| *name <= last);
                let then = match new.as_slice() {
                    [] => "nothing else is pending".to_owned(),
                    new => format!("the run then goes on with {}", status::names(new)),
                };
                let (look, force) = match entry.baseline_unseen {
                    true => (
                        "the catalog does not show all of that, so look yourself, in the rows, say",
                        " --force",
                    ),
                    false => ("that is checked against the catalog", ""),
                };
                let title = format!(
                    "if {} ran on this database as it is now, and only the rows are gone: tell Prisma so; {look}, and nothing of their SQL is run; {then}",
                    status::names(&marked)
                );
                push(&mut list, title, up_to(&commands, entry, last) + force);
            }
            let title = "only if it is the right database, and what is pending has not run on it as it is now: run it";
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (reasons::ROLLED_BACK | reasons::INVENTORY_FAILED, _) => {
            let title = "release a corrected image, or ask for a new run of this one";
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        (_, Some((entry, failed)))
            if let Some(statements) = read_only::takes_back(&failed.remedy) =>
        {
            let title = "if nobody means it to be read-only: take that back, and run it again";
            let psql = commands.psql(&entry.name).run(&statements);
            let retry = commands.dbm("retry", &[]);
            push(&mut list, title, format!("{psql} && {retry}"));
            push(
                &mut list,
                "or, once it may be written again: run it again",
                retry,
            );
        }
        _ if ended == Some(RunOutcome::Failed) => {
            let title = "mend what the message says, then ask for a new run";
            push(&mut list, title, commands.dbm("retry", &[]));
        }
        _ => {}
    }
    if ended.is_some() && spec.rollback.restore.is_some() && reason != reasons::ROLLED_BACK {
        restore(&mut list, &commands, now, failed.map(|(entry, _)| entry));
    }
    list
}

/// A migration that failed, or was cut off.
fn of_migration(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
    entry: &DatabaseStatus,
    failed: &FailedStatus,
) {
    let at = [
        ("database", entry.name.as_str()),
        ("migration", failed.name.as_str()),
    ];
    let with_reason = [at[0], at[1], ("reason", "...")];
    let psql = commands.psql(&entry.name);
    let then = match now
        .databases
        .iter()
        .any(|d| d.phase == DatabasePhase::Skipped)
    {
        true => "the run goes on with the next database",
        false => "the run goes on",
    };
    let held = holds(entry, &failed.name);
    if failed.left_over {
        let look = match failed.again.as_slice() {
            [] => String::new(),
            again => format!(
                "; look whether this took effect twice, which neither shows ({})",
                again.join("; ")
            ),
        };
        let title = format!(
            "it is applied by another row, and Prisma does not run it again: mark this row, which is left over, rolled back; nothing is to be undone for it{look}"
        );
        push(list, title, commands.dbm("mark-rolled-back", &with_reason));
        return;
    }
    let blocked = locks::blocked_down(now)
        .filter(|step| step.database == entry.name && step.migration == failed.name);
    let lock = locks::is_lock(failed) && !failed.ledger_row.is_empty();
    if lock && failed.invalid_indexes.is_empty() {
        // Whom its down.sql waited for is the latest news.
        let who = blocked.map_or(&failed.blocked_by, |step| &step.message);
        let first = locks::First::free(&psql, who);
        return locks::of_failed(list, (commands, &psql), failed, &first, &at, held, then);
    }
    let cause = cause::of(failed);
    // The other session of a deadlock went on, and was not in the way for longer.
    if failed.sql_state != DEADLOCK && blocker(&failed.blocked_by).is_some() {
        let (title, command) = locks::free(&psql, &failed.blocked_by);
        push(list, title, command.into_iter().next().unwrap_or_default());
    }
    indexes::of_failed(list, commands, &psql, failed, &at);
    if failed.ledger_row.is_empty() {
        let title = "nothing of it is left, and its row is marked rolled back: ask for a new run";
        push(list, title, commands.dbm("retry", &[]));
        return;
    }
    let unseen = failed.unchecked.join("; ");
    let shows = commands.shows_sql();
    let finish = match unseen.as_str() {
        "" => format!("finish it by hand in SQL{shows}, then tell Prisma so"),
        unseen => format!(
            "finish it by hand in SQL{shows}, check that this is done, too, which the schema does not show ({unseen}), then tell Prisma so"
        ),
    };
    let force = if unseen.is_empty() { "" } else { " --force" };
    let applied = (finish, commands.dbm("mark-applied", &with_reason) + force);
    let (undo, back) = undone_by_hand(
        &psql,
        failed,
        commands.dbm("mark-rolled-back", &with_reason),
    );
    // Of several that failed at once the reason is that of one.
    let said = spoken_of(now).is_some_and(|spoken| spoken.name == entry.name);
    if status::ready_reason(now) == reasons::SCRIPT_DONE_NOT_RECORDED && said && held {
        let title =
            format!("its script ran to its end: look at the schema, then tell Prisma so; {then}");
        push(list, title, applied.1);
        return;
    }
    // Its script ran to its end, and Prisma could not write that down.
    let recorded =
        ![reasons::SEARCH_PATH_MOVED, reasons::ROLE_CHANGED].contains(&status::ready_reason(now));
    if !recorded && held {
        let title = match unseen.as_str() {
            "" => format!(
                "its script ran to its end: look at the schema, then tell Prisma so; {then}"
            ),
            unseen => format!(
                "look whether its script ran to its end, which the catalog does not show ({unseen}): only if all of it is done, tell Prisma so; {then}"
            ),
        };
        push(list, title, applied.1);
        let title = format!("or {undo}, mark it rolled back, then release a corrected image");
        push(list, title, back);
        return;
    }
    let compared = failed.compared.as_ref().filter(|_| held);
    if compared.is_some_and(ComparedStatus::is_done) {
        let title = format!(
            "all that it does is there already, as if it had been applied by hand: tell Prisma that it is applied, which is checked against the catalog (columns with their types, indexes with their columns, all else by name); nothing of its SQL is run; {then}"
        );
        push(list, title, applied.1);
        let title = format!(
            "or, where what is there is something else of the same name: mark this try rolled back{}, then release a corrected image",
            if failed.traces == Traces::None {
                ", which left nothing"
            } else {
                ""
            }
        );
        let force = if failed.tried_before { " --force" } else { "" };
        let mark = commands.dbm("mark-rolled-back", &with_reason);
        push(list, title, mark + force);
        return;
    }
    let raised = raised::of(
        (commands.name, commands.namespace),
        commands.spec,
        now,
        Some(failed),
    );
    let (run_it_again, retry) = match &raised {
        Some(raised) => (
            format!("run it again with {}", raised.words),
            raised.command.clone(),
        ),
        None => ("run it again".to_owned(), commands.dbm("retry", &[])),
    };
    // Its image needs no correction for that.
    let cut_off = said && was_cut_off(status::ready_reason(now)) && failed.sql_state.is_empty();
    let circle = failed.tried_before && !failed.was_there.is_empty();
    let around = matches!(cause, Cause::Around | Cause::Rows);
    if !circle && around && failed.invalid_indexes.is_empty() && !recorded_otherwise(now) {
        let first = match blocked {
            Some(step) => locks::First::free(&psql, &step.message),
            None => locks::First::of(list, &psql, failed, raised),
        };
        return locks::of_failed(list, (commands, &psql), failed, &first, &at, held, then);
    }
    if circle {
        let also = match failed.traces {
            Traces::None => "",
            Traces::Some | Traces::Unknown => ", with what else is left (see above)",
        };
        let title = format!(
            "if the earlier try left {}: remove it by hand{also}, mark this try rolled back, and run it again",
            failed.was_there
        );
        let retry = commands.dbm("retry", &[]);
        let mark = forced(failed, commands.dbm("mark-rolled-back", &with_reason));
        push(list, title, format!("{mark} && {retry}"));
    }
    let own = list.len();
    if circle && failed.traces == Traces::None {
        let title = format!(
            "if somebody else made {}: mark this try rolled back, which left nothing, then release a corrected image",
            failed.was_there
        );
        let mark = commands.dbm("mark-rolled-back", &with_reason);
        push(list, title, mark + " --force");
    } else if failed.traces == Traces::None {
        let title = if !failed.was_there.is_empty() {
            "nothing of it is left: mark it rolled back; once what was there before is out of the way, or a corrected image is released, retry"
        } else if failed.corrected {
            "nothing of it is left: mark it rolled back, and run what the image holds now"
        } else if cause == Cause::Image
            || status::ready_reason(now) == reasons::TRANSACTION_LEFT_OPEN
        {
            "nothing of it is left: mark it rolled back, then release a corrected image"
        } else if !failed.remedy.is_empty() {
            "nothing of it is left: mark it rolled back; once what helps (see above) is done, retry"
        } else {
            "nothing of it is left: mark it rolled back, then release a corrected image or retry"
        };
        let mark = commands.dbm("mark-rolled-back", &with_reason);
        let retry = commands.dbm("retry", &[]);
        let command = match failed.corrected {
            true => format!("{mark} && {retry}"),
            false => mark,
        };
        push(list, title, command);
    } else if failed.has_down && held {
        let down = commands.dbm("down", &at);
        let (words, line) = match cut_off {
            true => (
                format!("undo it with its down.sql, and {run_it_again}"),
                vec![down, retry.clone()],
            ),
            false => (
                "undo it with its down.sql, then release a corrected image".to_owned(),
                vec![down],
            ),
        };
        match blocked {
            Some(step) => locks::then(list, &psql, &step.message, &format!("then {words}"), &line),
            None => push(list, words, line.join(" && ")),
        }
    }
    // Where the statements that undo all of it are known, that takes no SQL of one's own. What took too long would take too long again.
    let killed = status::ready_reason(now) == reasons::KILLED;
    let undone_first = (cut_off && !killed || failed.corrected)
        && !failed.undo.is_empty()
        && failed.undo_lacks.is_empty()
        && failed.again.is_empty();
    let finish = list.len();
    if held {
        let part = compared.filter(|compared| !compared.there.is_empty());
        let lacks = part.map(|part| match part.against.as_slice() {
            [] => format!(
                "look whether this was done, which the catalog does not show ({}); all else is there; ",
                part.unseen.join("; ")
            ),
            against => format!("still missing or different: {}; ", against.join("; ")),
        });
        let lacks = lacks.unwrap_or_default();
        match part.map_or(&[][..], |part| &part.replacing) {
            [] => push(list, format!("{lacks}{}; {then}", applied.0), applied.1),
            replacing => {
                let title = format!(
                    "{lacks}replace what is different by the statements of this command, then tell Prisma so; {then}"
                );
                let psql = psql.if_open(&failed.ledger_row, replacing);
                let mark = applied
                    .1
                    .replace(" --reason ...", " --reason 'replaced by hand'");
                push(list, title, format!("{psql} && {mark}"));
            }
        }
    }
    if failed.traces != Traces::None {
        if lock || cause == Cause::Around || cut_off || failed.corrected {
            let title = match failed.corrected {
                true => format!("{undo}, mark it rolled back, and run what the image holds now"),
                false => format!("{undo}, mark it rolled back, and {run_it_again}"),
            };
            push(list, title, format!("{back} && {retry}"));
        } else {
            let title = format!("{undo}, mark it rolled back, then release a corrected image");
            push(list, title, back);
        }
    }
    if undone_first {
        list[finish..].reverse();
    } else if !circle
        && failed.traces == Traces::None
        && compared.is_some_and(|it| !it.there.is_empty())
    {
        // Most of it may be there because somebody applied it by hand.
        list[own..].reverse();
    }
}

/// Its end came from outside: its pod, its connection or its server went away.
fn was_cut_off(reason: &str) -> bool {
    [
        reasons::OUT_OF_MEMORY,
        reasons::MIGRATION_UNFINISHED,
        reasons::UNFINISHED_ROW_FOUND,
        reasons::ENGINE_LOST,
        reasons::KILLED,
    ]
    .contains(&reason)
}

/// The transaction is the migration's own fault, whatever its error was.
fn recorded_otherwise(now: &DatabaseMigrationStatus) -> bool {
    status::ready_reason(now) == reasons::TRANSACTION_LEFT_OPEN
}

/// Whether the image holds a migration that is not applied: Prisma marks only what it finds as applied (P3017).
fn holds(entry: &DatabaseStatus, name: &str) -> bool {
    let name = status::cut(name, status::NAME_LIMIT);
    let mut shown = entry.pending.iter().take(status::NAMES_LIMIT);
    // Of a list that is cut it is not known, and the action says it.
    let cut = entry.pending_count as usize > status::NAMES_LIMIT;
    cut || shown.any(|pending| status::cut(pending, status::NAME_LIMIT) == name)
}

/// A database that holds something and has no ledger.
fn baseline(list: &mut Vec<ChoiceStatus>, commands: &Commands<'_>, entry: &DatabaseStatus) {
    if entry.baseline.is_empty() {
        let title = "where these tables are the first migrations' own: release an image whose first migrations make just what is there; else give Prisma a schema of its own (?schema=NAME in the URL of the Secret; it then goes on by itself), or name them in tables.external of the image's prisma.config.ts. Look whose they are:";
        push(list, title, commands.psql(&entry.name).tables());
        return;
    }
    let (why, force) = match entry.baseline_unseen {
        true => (
            "a run has seen them in its ledger; the catalog does not show all of that, so look yourself, in the rows, say",
            " --force",
        ),
        false => (
            "what they make is there; whether what only changes rows ran cannot be seen",
            "",
        ),
    };
    let title = format!(
        "tell Prisma that the database holds the migrations up to {} already: {why}",
        entry.baseline
    );
    let command = up_to(commands, entry, &entry.baseline) + force;
    push(list, title, command);
}

/// The way back that loses what was written since.
fn restore(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
    failed: Option<&DatabaseStatus>,
) {
    let run = now.run.as_ref().map_or("", |run| run.id.as_str());
    let of_run = |entry: &&DatabaseStatus| {
        let point = entry.own_restore_point();
        point.is_some_and(|point| point.run == run)
    };
    let entry = failed.filter(of_run).or_else(|| {
        now.databases
            .iter()
            .filter(of_run)
            .find(|d| d.applied_by_run > 0)
    });
    let Some((entry, point)) = entry.and_then(|e| Some((e, e.own_restore_point()?))) else {
        return;
    };
    let at = point
        .at
        .as_ref()
        .map(|at| at.0.to_string())
        .unwrap_or_default();
    let lost = point
        .commits_since
        .map(|commits| format!(": about {commits} commits"))
        .unwrap_or_default();
    let target = if point.name.is_empty() {
        &at
    } else {
        &point.name
    };
    let first = match status::ready_reason(now) {
        reasons::RESTORE_FAILED => "correct what made the restore fail, then ",
        _ => "",
    };
    let title = format!(
        "{first}go back to the restore point of {at} (loses what was written since{lost}){}",
        instance::words(entry)
    );
    let rest = [
        ("database", entry.name.as_str()),
        ("target", target.as_str()),
        ("reason", "..."),
    ];
    list.push(ChoiceStatus {
        title,
        command: commands.dbm("restore", &rest),
        loses_since: point.at.clone(),
    });
}
