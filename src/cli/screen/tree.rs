//! PURE. The steps of a run as a tree: inventory, plan, each database with what belongs to it, smoke tests.

use super::frame::{COLUMN, Screen, unknown};
use super::line::{Line, Mark, in_time, step_mark, took};
use super::parts::{part, smoke_test};
use super::runs::runs;
use crate::api::{
    DatabasePhase, DatabaseStatus, Phase, RunStatus, SmokeTestSpec, StepKind, StepStatus, WentBack,
    reasons,
};
use crate::cli::style::Tone;
use crate::cli::text::{between, count, safe, width};
use crate::cli::verdict::condition;

/// What waits, where it is the image.
const IMAGE: &str = "image";

/// The tree as text.
pub(super) fn tree(screen: &Screen) -> String {
    print(screen, &lines(screen))
}

pub(super) fn print(screen: &Screen, lines: &[Line]) -> String {
    let lead = |line: &Line| 2 * line.depth + 2 + width(&line.label);
    let column = lines
        .iter()
        .map(|line| lead(line) + 2)
        .max()
        .unwrap_or(0)
        .max(COLUMN);
    let mut out = String::new();
    for line in lines {
        let (mark, tone) = match line.mark {
            Mark::Done => ("✔", Tone::Good),
            Mark::Failed => ("✘", Tone::Bad),
            Mark::Waiting => ("-", Tone::Dim),
            Mark::Running => ("…", Tone::Warn),
        };
        let lead = format!(
            "{}{} {}",
            "  ".repeat(line.depth),
            screen.style.paint(tone, mark),
            line.label
        );
        screen.beside(&mut out, &lead, column, &line.text, None);
    }
    out
}

pub(super) fn lines(screen: &Screen) -> Vec<Line> {
    let Some(status) = screen.status() else {
        return Vec::new();
    };
    let nothing = RunStatus::default();
    let run = status.run.as_ref().unwrap_or(&nothing);
    let mut lines = vec![inventory(screen, run), plan(screen)];
    for database in &status.databases {
        lines.extend(database_lines(screen, run, database));
    }
    let after_all = |test: &&SmokeTestSpec| test.after.is_empty();
    let tests = &screen.resource.spec.validation.smoke_tests;
    lines.extend(
        tests
            .iter()
            .filter(after_all)
            .map(|test| smoke_test(screen, run, test)),
    );
    if status.phase == Some(Phase::Validating)
        && let Some(since) = &run.watched_since
    {
        let text = format!(
            "the databases are looked at for {}, since {}",
            screen.resource.spec.validation.watch.0,
            between(since.0, screen.now)
        );
        lines.push(Line::new(Mark::Running, "watch", text));
    }
    lines
}

fn inventory(screen: &Screen, run: &RunStatus) -> Line {
    let total: u32 = screen
        .status()
        .map_or(0, |status| status.databases.iter().map(|d| d.total).sum());
    let step = run
        .steps
        .iter()
        .rev()
        .find(|step| step.name == StepKind::Inventory);
    let mark = match step.map(step_mark) {
        Some(Mark::Done) => Mark::Done,
        Some(mark) if total == 0 => mark,
        None if total == 0 => Mark::Waiting,
        _ => Mark::Done,
    };
    let counted = total > 0
        || screen.status().is_some_and(|status| {
            let known = |database: &DatabaseStatus| {
                !database.inventory_hash.is_empty() && database.phase != DatabasePhase::Unknown
            };
            // Of one that nothing can be compared with, as without a ledger, there is no count.
            status.databases.iter().any(known)
        });
    let mut waits = run.waits.iter().filter(|wait| wait.subject == IMAGE);
    let refused = screen
        .status()
        .and_then(|status| condition(status, reasons::PLANNED))
        .map_or("not read".to_owned(), |planned| safe(&planned.reason));
    let text = match (mark, step) {
        // Of databases that could not be read the migrations are not counted yet.
        (Mark::Done, _) if !counted => "the image is read".to_owned(),
        (Mark::Done, _) => {
            let mut text = count(total, "migration");
            for version in screen.prisma {
                text.push_str(&format!(", Prisma {}", safe(version)));
            }
            text
        }
        (Mark::Running, Some(step)) => {
            let time = took(screen, step).unwrap_or_default();
            match waits.next_back() {
                Some(wait) => format!("not read yet, for {time}: {}", safe(&wait.reason)),
                None => format!("the image is being read, for {time}"),
            }
        }
        (Mark::Failed, Some(step)) if step.message.is_empty() => refused,
        (_, Some(step)) if !step.message.is_empty() => safe(&step.message),
        _ => "not read yet".to_owned(),
    };
    Line::new(mark, "inventory", text)
}

/// What the run set out to apply: what it applied, and what is left.
fn planned(database: &DatabaseStatus) -> u32 {
    database.applied_by_run + database.pending_count
}

fn plan(screen: &Screen) -> Line {
    let Some(status) = screen.status() else {
        return Line::new(Mark::Waiting, "plan", "");
    };
    let word = |database: &DatabaseStatus| match (database.phase, planned(database)) {
        (DatabasePhase::Unknown, 0) => format!("{} not known yet", safe(&database.name)),
        (_, 0) => format!("{} nothing pending", safe(&database.name)),
        (_, pending) => format!("{} {pending} pending", safe(&database.name)),
    };
    let counts: Vec<String> = status.databases.iter().map(word).collect();
    let planned = condition(status, reasons::PLANNED).is_some_and(|c| c.status == "True");
    for kind in [reasons::PLANNED, reasons::PREFLIGHT_PASSED] {
        if let Some(denied) = condition(status, kind)
            && denied.status == "False"
        {
            let mut text = safe(&denied.reason);
            if planned {
                text = format!("{}; {text}", counts.join(", "));
            }
            return Line::new(Mark::Failed, "plan", text);
        }
    }
    let mark = match (planned, status.phase) {
        (true, _) => Mark::Done,
        (false, Some(Phase::Planning)) => Mark::Running,
        (false, _) => Mark::Waiting,
    };
    let text = if counts.is_empty() || (!planned && mark == Mark::Waiting) {
        "not made yet".to_owned()
    } else {
        counts.join(", ")
    };
    Line::new(mark, "plan", text)
}

/// The unfinished databases that this one comes after.
fn comes_after(screen: &Screen, name: &str) -> Vec<String> {
    let Some(status) = screen.status() else {
        return Vec::new();
    };
    let spec = &screen.resource.spec;
    let Some(at) = spec.databases.iter().position(|d| d.name == name) else {
        return Vec::new();
    };
    let unfinished = |name: &str| {
        let found = status.databases.iter().find(|d| d.name == name);
        found.is_none_or(|database| database.phase != DatabasePhase::Succeeded)
    };
    let before = spec.databases[..at].iter().map(|d| d.name.as_str());
    let first: Option<&str> = before
        .filter(|_| spec.parallelism <= 1)
        .find(|name| unfinished(name));
    let depends = spec.databases[at].depends_on.iter().map(String::as_str);
    let mut names: Vec<String> = Vec::new();
    for name in first.into_iter().chain(depends) {
        if unfinished(name) && !names.contains(&safe(name)) {
            names.push(safe(name));
        }
    }
    names
}

fn database_lines(screen: &Screen, run: &RunStatus, database: &DatabaseStatus) -> Vec<Line> {
    let name = &database.name;
    let of_this = |step: &&StepStatus| step.database == *name;
    let step = run
        .steps
        .iter()
        .filter(of_this)
        .rev()
        .find(|step| step.name == StepKind::Migrate);
    let after = comes_after(screen, name);
    let waits = matches!(
        database.phase,
        DatabasePhase::Skipped | DatabasePhase::Planned
    ) && !after.is_empty();
    let depth = usize::from(waits);
    let mut lines = vec![database_line(screen, database, step, &after).below(depth)];
    for step in run.steps.iter().filter(of_this) {
        if let Some(line) = part(screen, step) {
            lines.push(line.below(depth + 1));
        }
    }
    let tests = &screen.resource.spec.validation.smoke_tests;
    for test in tests.iter().filter(|test| test.after == *name) {
        lines.push(smoke_test(screen, run, test).below(depth + 1));
    }
    lines
}

fn database_line(
    screen: &Screen,
    database: &DatabaseStatus,
    step: Option<&StepStatus>,
    after: &[String],
) -> Line {
    let done = database.applied_by_run;
    let planned = planned(database);
    let (mark, text) = match database.phase {
        DatabasePhase::Succeeded if done == 0 => (
            Mark::Done,
            format!(
                "up to date, {} of {} applied",
                database.applied, database.total
            ),
        ),
        DatabasePhase::Succeeded => (
            Mark::Done,
            format!(
                "{done} applied{}",
                step.map_or(String::new(), |step| in_time(screen, step))
            ),
        ),
        DatabasePhase::Migrating => (
            Mark::Running,
            format!(
                "{done} of {planned} applied{}",
                runs(
                    screen.now,
                    database,
                    step,
                    step.and_then(|step| took(screen, step))
                )
            ),
        ),
        DatabasePhase::Failed => (Mark::Failed, failed(database, step)),
        DatabasePhase::Skipped if !after.is_empty() => (
            Mark::Waiting,
            format!("not started (comes after {})", after.join(", ")),
        ),
        DatabasePhase::Skipped => (Mark::Waiting, "not started".to_owned()),
        DatabasePhase::RolledBack => (Mark::Waiting, went_back(database)),
        DatabasePhase::Unknown => (Mark::Waiting, unknown(screen, database).to_owned()),
        DatabasePhase::Planned if !after.is_empty() => (
            Mark::Waiting,
            format!("{planned} pending (comes after {})", after.join(", ")),
        ),
        DatabasePhase::Planned if planned == 0 => (Mark::Waiting, "nothing pending".to_owned()),
        DatabasePhase::Planned => (Mark::Waiting, format!("{planned} pending")),
    };
    Line::new(mark, &database.name, text)
}

/// How a database went back. Whoever marks a migration rolled back has undone it, or says that nothing of it is left: nothing was
/// undone by that.
fn went_back(database: &DatabaseStatus) -> String {
    let what = match database.went_back {
        Some(WentBack::Restored) => return "brought back by a restore".to_owned(),
        Some(WentBack::Undone) => "undone with its down.sql",
        Some(WentBack::Marked) => "marked rolled back",
        // Of an earlier release.
        None => "rolled back",
    };
    let name = match &database.failed {
        Some(failed) if !failed.name.is_empty() => safe(&failed.name),
        _ => "a migration".to_owned(),
    };
    match database.applied_by_run {
        0 => format!("{name} {what}"),
        done => format!("{done} applied; {name} {what}"),
    }
}

fn failed(database: &DatabaseStatus, step: Option<&StepStatus>) -> String {
    let done = format!(
        "{} of {} applied",
        database.applied_by_run,
        planned(database)
    );
    let Some(failed) = &database.failed else {
        return done;
    };
    if failed.name.is_empty() {
        let code = if failed.code.is_empty() {
            String::new()
        } else {
            format!(" ({})", safe(&failed.code))
        };
        return match database.applied_by_run {
            _ if failed.elsewhere => {
                format!("{done}, as far as this ledger says; what else ran it does not say{code}")
            }
            0 => format!("{done}; it failed before it came to a migration{code}"),
            _ => format!("{done}; it failed after them{code}"),
        };
    }
    // How long the migration itself ran, where its start is known; a Job begins seconds before it.
    let start = database
        .current
        .as_ref()
        .filter(|current| current.name == failed.name)
        .and_then(|current| current.started_at.as_ref());
    let end = step.and_then(|step| step.ended_at.as_ref());
    let time = match (start, end) {
        (Some(start), Some(end)) => format!(" after {}", between(start.0, end.0)),
        _ => String::new(),
    };
    format!("{done}; {} failed{time}", safe(&failed.name))
}
