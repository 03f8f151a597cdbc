//! After a lock time-out, and what else is no fault of the migration: nothing of it is to be corrected. The session that held the
//! lock has to end, or what else was in the way is mended, then the same runs again.

use super::super::status;
use super::super::{concurrently, session};
use super::cause::{self, Cause};
use super::commands::{Commands, blocker, end_it, forced, push, spoken_of, undone_by_hand};
use super::raised::Raised;
use crate::api::{
    ChoiceStatus, DatabaseMigrationStatus, DatabasePhase, FailedStatus, StepKind, StepOutcome,
    StepStatus, Traces, reasons,
};
use crate::tools::prisma;
use crate::tools::psql::{self, Psql};
use crate::tools::rights;
use crate::tools::sql;
use crate::tools::sql_state::LOCK_NOT_AVAILABLE;

/// What is said of a session that was not seen while it held the lock.
pub(in super::super) const UNSEEN: &str = "a session that was not seen";

/// How it ends where the same runs once more.
const AGAIN: &str = "run it again";

/// Whether a migration failed because of a lock that it did not get.
pub(super) fn is_lock(failed: &FailedStatus) -> bool {
    failed.sql_state == LOCK_NOT_AVAILABLE
}

/// The down.sql that was carried out last, if it failed because of a lock that it did not get.
pub(super) fn blocked_down(now: &DatabaseMigrationStatus) -> Option<&StepStatus> {
    if status::ready_reason(now) != reasons::ROLLBACK_FAILED {
        return None;
    }
    let mut steps = now.run.as_ref()?.steps.iter();
    let last = steps.rfind(|step| step.name == StepKind::Down)?;
    // Only of such an end it is kept who held the lock.
    (last.outcome == Some(StepOutcome::Failed) && !last.message.is_empty()).then_some(last)
}

/// Who held the lock because of which a migration failed that was undone, or marked rolled back, since; empty where that
/// was not seen.
pub(super) fn undone(now: &DatabaseMigrationStatus) -> Option<&str> {
    let undone = now
        .databases
        .iter()
        .filter(|entry| entry.phase == DatabasePhase::RolledBack);
    let mut failed = undone.filter_map(|entry| entry.failed.as_ref());
    failed
        .find(|failed| is_lock(failed))
        .map(|failed| failed.blocked_by.as_str())
}

/// What holds up a step that is at work, if that can be ended.
pub(super) fn held_up(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
) {
    let title = match status::ready_reason(now) {
        reasons::WAITING_LOCK | reasons::LOCK_HELD => {
            "end the session that holds the lock; the migration then goes on by itself"
        }
        reasons::WAITING_FOR_BACKEND => {
            "only if it does not end by itself: end the session; what became of the migration is then judged"
        }
        _ => return,
    };
    let steps = now.run.iter().flat_map(|run| &run.steps);
    let at_work = steps.filter(|step| step.finished_at.is_none());
    // Of a step that waits it is kept for whom.
    let mut waiting = at_work.filter(|step| blocker(&step.message).is_some());
    let step = waiting.next_back();
    let psql = commands.psql(step.map_or("", |step| &step.database));
    let who = step.map(|step| &step.message);
    let may = who.and_then(|who| session::who_may_end(who));
    let ended = |who: &str, may: &str| {
        let pid = blocker(who).unwrap_or_default();
        format!(
            "SELECT pg_terminate_backend({pid}), which the role of the migration may not run: {may}"
        )
    };
    let dump = now.message.contains(concurrently::A_DUMP);
    if dump || now.message.contains(concurrently::READS) {
        let what = if dump { "the dump" } else { "the session" };
        let title = format!(
            "wait for the end of {what}; the migration then goes on by itself, and meanwhile holds up nobody who reads or writes. How far it is{}:",
            match may {
                Some(_) =>
                    " is shown to a superuser and to members of pg_monitor, so put the URL of such a one, for this server, into the variable ADMIN_DATABASE_URL of your shell (read -rs ADMIN_DATABASE_URL; export ADMIN_DATABASE_URL)",
                None => "",
            }
        );
        push(list, title, now.next_command.clone());
        let Some(who) = who else {
            return;
        };
        let lost = if dump {
            "only if the dump may be lost and made again"
        } else {
            "only if what it did may be lost, or it never ends by itself"
        };
        let (title, command) = match may {
            Some(may) => (format!("{lost}: {}", ended(who, may)), String::new()),
            None => (
                format!("{lost}: end the session; the migration then goes on by itself"),
                end_it(&psql, who).unwrap_or_default(),
            ),
        };
        push(list, title, command);
        return;
    }
    if status::ready_reason(now) == reasons::WAITING_FOR_BACKEND
        && let Some(pid) = who.and_then(|who| blocker(who))
    {
        let title = "wait for the session's end; what became of the migration is then judged. Look what it is at";
        push(list, title, psql.at_work(pid));
    }
    let waits = [reasons::WAITING_LOCK, reasons::LOCK_HELD].contains(&status::ready_reason(now));
    if let Some(who) = who.filter(|_| waits) {
        let wait =
            "wait: look what that session is at; the migration goes on by itself when it has ended";
        in_the_way(list, &psql, now, who, title, wait);
    } else if !now.next_command.is_empty() {
        push(list, title, now.next_command.clone());
    } else if let Some((who, may)) = who.zip(may) {
        let title = format!(
            "wait for the session's end, or have it ended; the migration then goes on by itself: {}",
            ended(who, may)
        );
        push(list, title, String::new());
    }
}

/// A session is in the way: to end it, and to wait for its end. That comes first where it may well end by itself.
fn in_the_way(
    list: &mut Vec<ChoiceStatus>,
    psql: &Psql,
    now: &DatabaseMigrationStatus,
    who: &str,
    end: &str,
    wait: &str,
) {
    let Some(pid) = blocker(who) else {
        return;
    };
    let passes = session::may_pass(who);
    let first = passes && !is_held(now);
    let look = session::look_at(psql, who, pid);
    let shown = match session::who_may_end(who) {
        Some(_) => format!("{wait} ({ADMIN})"),
        None => wait.to_owned(),
    };
    if first {
        push(list, shown.as_str(), look.clone());
    }
    let or = if first { "or " } else { "" };
    if session::who_may_end(who).is_some() {
        by_another(list, psql, who, or);
    } else {
        push(list, format!("{or}{end}"), psql.terminate(pid));
    }
    // One that is idle waits for nothing that could be seen.
    let idle = who.contains(", idle");
    if !first && !idle {
        push(list, format!("or {shown}"), look);
    }
}

/// It has been waited for longer than a moment.
fn is_held(now: &DatabaseMigrationStatus) -> bool {
    status::ready_reason(now) == reasons::LOCK_HELD
}

/// What holds up the start of a migration; another migration that is at work has an end.
pub(super) fn not_begun(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
) {
    if ![reasons::WAITING_LOCK, reasons::LOCK_HELD].contains(&status::ready_reason(now)) {
        return;
    }
    let Some((_, who)) = now.message.split_once("waits for ") else {
        return;
    };
    let (who, _) = who.split_once(", which holds").unwrap_or((who, ""));
    let migrates = who.contains(&format!(" ({}", session::OURS));
    if migrates && !is_held(now) {
        return;
    }
    let psql = commands.psql(spoken_of(now).map_or("", |entry| &entry.name));
    let end = "end the session that is in the way; the run then goes on by itself";
    let wait = "wait: look what it is at; the run goes on by itself when that session has ended";
    in_the_way(list, &psql, now, who, end, wait);
}

/// A migration whose pod is being deleted: its statements go on for as long as the pod's grace period lets them.
pub(super) fn ends_with_its_pod(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
) {
    let Some(run) = &now.run else { return };
    let at_work = |step: &&StepStatus| step.finished_at.is_none() && step.name == StepKind::Migrate;
    let Some(step) = run.steps.iter().find(at_work) else {
        return;
    };
    let application = prisma::application_name(&run.id, &step.database);
    let title = "wait for its end, and look what it is at. Only if it must end now: cancel it by SELECT pg_cancel_backend(PID), with the pid that this shows; what became of the migration is then judged";
    push(
        list,
        title,
        commands.psql(&step.database).at_work_named(&application),
    );
}

/// Whom the last try of a migration waited for, until the next one begins.
pub(super) fn between_tries(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
) {
    let steps = now.run.iter().flat_map(|run| &run.steps);
    let mut tries = steps.filter(|step| step.name == StepKind::Migrate);
    let last = tries.next_back();
    let Some(last) = last.filter(|step| step.outcome == Some(StepOutcome::NeverBegan)) else {
        return;
    };
    let psql = commands.psql(&last.database);
    let end = "end the session that held the lock; the migration is tried again by itself";
    let wait = "wait: look what that session is at; the migration is tried again by itself, for some times";
    in_the_way(list, &psql, now, &last.message, end, wait);
}

/// What keeps a look waiting, so that nothing can be decided.
pub(super) fn looks(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    now: &DatabaseMigrationStatus,
) {
    let Some((_, who)) = now.message.split_once(" is locked by ") else {
        return;
    };
    let (who, _) = who.split_once(", so that ").unwrap_or((who, ""));
    let psql = commands.psql(spoken_of(now).map_or("", |entry| &entry.name));
    let end = "end the session that is in the way, where what it did may be lost; it then goes on by itself";
    let wait = "wait: look what it is at; it goes on by itself when that session has ended";
    in_the_way(list, &psql, now, who, end, wait);
}

/// A session is in the way that the migration's role may not end.
fn by_another(list: &mut Vec<ChoiceStatus>, psql: &Psql, who: &str, or: &str) {
    let Some((pid, may)) = blocker(who).zip(session::who_may_end(who)) else {
        return;
    };
    let title = format!(
        "{or}end the session that is in the way, which the migration's role may not ({may}): {ADMIN}. It then goes on by itself"
    );
    push(list, title, psql.terminate_as_admin(pid));
    if !who.contains(session::OF_SUPERUSER) {
        let title = "or let the migration's role end such sessions from now on: a superuser runs GRANT pg_signal_backend TO it, or makes it a member of that session's role";
        push(list, title, String::new());
    }
}

/// Whose right a command needs that is not the migration's role's, and where it is put.
const ADMIN: &str = "put the URL of one who may, for this server, into the variable ADMIN_DATABASE_URL of your shell (read -rs ADMIN_DATABASE_URL; export ADMIN_DATABASE_URL)";

/// How the lock gets free, as the beginning of a title and of a command.
pub(super) fn free(psql: &Psql, who: &str) -> (String, Vec<String>) {
    match (end_it(psql, who), session::who_may_end(who)) {
        (Some(command), _) => (
            format!("end the session that held the lock: {who}"),
            vec![command],
        ),
        (None, Some(may)) => (
            format!(
                "end the session that held the lock, if it is still there, which the migration's role may not ({may}; {ADMIN}): {who}"
            ),
            blocker(who).map(|pid| psql.terminate_as_admin(pid)).into_iter().collect(),
        ),
        (None, None) => (
            "see who holds the lock (pg_locks and pg_stat_activity; it was not seen), and end that session or wait for its end"
                .to_owned(),
            Vec::new(),
        ),
    }
}

/// What comes before the same is run again.
pub(super) struct First {
    title: String,
    commands: Vec<String>,
    /// What is run where nothing else is: never before another command, because a person is to look first.
    look: Option<String>,
    /// The migration may be corrected instead.
    or_correct: bool,
    /// What is to be mended has a choice of its own, before this one.
    looked: bool,
    /// How it runs again, where that is not by a retry.
    raised: Option<Raised>,
}

impl First {
    /// The lock gets free.
    pub(super) fn free(psql: &Psql, who: &str) -> Self {
        let (title, commands) = free(psql, who);
        First {
            title,
            commands,
            look: Some(psql.holders()),
            or_correct: false,
            looked: false,
            raised: None,
        }
    }

    /// What it failed of is mended. Rows that are known are shown first: before they are corrected it fails again.
    pub(super) fn of(
        list: &mut Vec<ChoiceStatus>,
        psql: &Psql,
        failed: &FailedStatus,
        raised: Option<Raised>,
    ) -> Self {
        let rows = cause::of(failed) == Cause::Rows;
        let query = sql::shown_query(&failed.remedy).filter(|_| rows);
        let look = query.map(|query| psql.run(&[query.to_owned()]));
        let looked = look.filter(|look| !look.is_empty());
        let title = match &looked {
            Some(_) => "once they are corrected".to_owned(),
            None => cause::first(failed),
        };
        let first = First {
            title,
            commands: Vec::new(),
            look: None,
            or_correct: rows,
            looked: looked.is_some(),
            raised,
        };
        if let Some(query) = rights::shown_query(&failed.remedy) {
            let title = "see who owns it, whose right it lacks (see What helps)";
            push(list, title, psql.run(&[query.to_owned()]));
        }
        if let Some(look) = looked {
            let title = "see the rows that refuse it, and correct them; then go on with the next choice: the image needs no correction for them";
            push(list, title, look);
        }
        first
    }

    /// Then goes on with what is said in words and commands.
    fn then(&self, list: &mut Vec<ChoiceStatus>, words: &str, commands: &[String]) {
        let mut all = self.commands.clone();
        all.extend_from_slice(commands);
        if all.is_empty() {
            all.extend(self.look.clone());
        }
        let now = words.strip_prefix("then ").unwrap_or(words);
        let title = match (&self.raised, self.looked) {
            (Some(raised), _) if now.contains(AGAIN) => {
                now.replace(AGAIN, &format!("{AGAIN} with {}", raised.words))
            }
            (_, true) => format!("{}, {now}", self.title),
            (_, false) => format!("{}; {words}", self.title),
        };
        push(list, title, all.join(" && "));
    }

    /// Why its row is marked rolled back.
    fn reason(&self) -> &'static str {
        match self.look {
            Some(_) => "the lock is free",
            None => "what made it fail is mended",
        }
    }

    fn or_correct(&self, list: &mut Vec<ChoiceStatus>, words: &str, command: &str) {
        if self.or_correct {
            let title = format!("or {words}, then release a corrected image");
            push(list, title, command.to_owned());
        }
    }
}

/// Frees the lock, then goes on with what is said in words and commands.
pub(super) fn then(
    list: &mut Vec<ChoiceStatus>,
    psql: &Psql,
    who: &str,
    words: &str,
    commands: &[String],
) {
    First::free(psql, who).then(list, words, commands);
}

/// Nothing of it is left, not even an open row.
pub(super) fn run_again(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    database: &str,
    who: &str,
) {
    let psql = commands.psql(database);
    look_first(list, &psql, who);
    let retry = commands.dbm("retry", &[]);
    let words = "then run it again: nothing of it is left, and its image needs no correction";
    then(list, &psql, who, words, &[retry]);
}

/// What a session does that held the lock is hidden, or it may well be over: it is not ended unseen.
fn look_first(list: &mut Vec<ChoiceStatus>, psql: &Psql, who: &str) {
    let Some(pid) = blocker(who).filter(|_| session::may_pass(who)) else {
        return;
    };
    let admin = match session::who_may_end(who) {
        Some(_) => format!(" ({ADMIN})"),
        None => String::new(),
    };
    let title =
        format!("look what the session that held the lock is at, if it is still there{admin}");
    push(list, title, session::look_at(psql, who, pid));
}

/// A migration failed whose row blocks every deploy. `held`: the image holds it; `goes_on`: what follows once it is
/// marked applied.
pub(super) fn of_failed(
    list: &mut Vec<ChoiceStatus>,
    (commands, psql): (&Commands<'_>, &Psql),
    failed: &FailedStatus,
    first: &First,
    at: &[(&str, &str)],
    held: bool,
    goes_on: &str,
) {
    if is_lock(failed) {
        look_first(list, psql, &failed.blocked_by);
    }
    let retry = match &first.raised {
        Some(raised) => raised.command.clone(),
        None => commands.dbm("retry", &[]),
    };
    let free_now = [at, &[("reason", first.reason())]].concat();
    let mark = forced(failed, commands.dbm("mark-rolled-back", &free_now));
    let with_reason = [at, &[("reason", "...")]].concat();
    let by_hand = commands.dbm("mark-rolled-back", &with_reason);
    let (undo_it, undone) = undone_by_hand(psql, failed, by_hand.clone());
    let by_hand = forced(failed, by_hand);
    let down = failed.has_down && held;
    // Of a later migration of its step the catalog does not prove it, and what took effect is seen by name.
    let left = failed.traces == Traces::Some
        || failed
            .left
            .iter()
            .any(|line| line.contains(" took effect: "));
    let again = [mark, retry.clone()];
    let undo = [commands.dbm("down", at), retry.clone()];
    let nothing = failed.traces == Traces::None;
    let undoes = undone.starts_with(psql::BEGINS);
    if nothing {
        let words = "then mark it rolled back, because nothing of it is left, and run it again";
        first.then(list, words, &again);
        first.or_correct(list, "mark it rolled back", &by_hand);
    } else if left && down {
        let words = "then undo it with its down.sql, and run it again";
        first.then(list, words, &undo);
        first.or_correct(list, "undo it with its down.sql", &undo[0]);
    } else if left && undoes {
        let words = format!("then {undo_it}, mark it rolled back, and run it again");
        first.then(list, &words, &[undone.clone(), retry.clone()]);
    } else if left {
        let words = "then finish or undo by hand what it left, as is said below";
        first.then(list, words, &[]);
    } else {
        let words = match failed.again.as_slice() {
            [] => {
                "then, if you see that nothing of it is left, mark it rolled back and run it again"
                    .to_owned()
            }
            again => format!(
                "then, if you see that nothing of it is left, also of this, because it would run a second time ({}), mark it rolled back and run it again",
                again.join("; ")
            ),
        };
        first.then(list, &words, &again);
        if !down {
            let words = "if you see that nothing of it is left, mark it rolled back";
            first.or_correct(list, words, &by_hand);
        }
        if down {
            let words =
                "then, if something of it is left, undo it with its down.sql and run it again";
            first.then(list, words, &undo);
            let words = "undo it with its down.sql";
            first.or_correct(list, words, &undo[0]);
        }
    }
    if held {
        let shows = commands.shows_sql();
        let (title, force) = match failed.unchecked.as_slice() {
            [] => (
                format!("finish it by hand in SQL{shows}, then tell Prisma so; {goes_on}"),
                "",
            ),
            unseen => (
                format!(
                    "finish it by hand in SQL{shows}, check that this is done, too, which the schema does not show ({}), then tell Prisma so; {goes_on}",
                    unseen.join("; ")
                ),
                " --force",
            ),
        };
        push(
            list,
            title,
            commands.dbm("mark-applied", &with_reason) + force,
        );
    }
    // That has been offered with what frees the lock, or mends what else was in the way.
    let offered = left && !down && undoes;
    if !nothing && (!offered || first.or_correct) {
        if offered {
            let title = "or undo it by the same statements and mark it rolled back, then release an image whose migration corrects those rows itself";
            push(list, title, undone);
        } else if first.or_correct {
            let title = format!("{undo_it}, mark it rolled back, then release a corrected image");
            push(list, title, undone);
        } else {
            let title = format!("{undo_it}, mark it rolled back, and run it again");
            let title = match &first.raised {
                Some(raised) => format!("{title} with {}", raised.words),
                None => title,
            };
            push(list, title, format!("{undone} && {retry}"));
        }
    }
}
