//! PURE. Below the tree: what happened, what is left, what runs, and what can be done, safest first.

use dbm_protocol::recognise::image::capital;

use super::frame::Screen;
use crate::api::{
    ActionOutcome, ActionState, ChoiceStatus, DatabaseMigrationStatus, DatabasePhase,
    DatabaseStatus, FailedStatus, Phase, StepKind, StepOutcome, StepStatus, TakenAction, Traces,
    reasons,
};
use crate::cli::style::Tone;
use crate::cli::text::{age, between, command_lines, pad, safe, wrap};
use crate::cli::verdict::{condition, holds};
use crate::decide::{compared, was_there};
use crate::tools::sql_state::meaning;

pub(super) fn advice(screen: &Screen) -> String {
    let Some(status) = screen.status() else {
        return String::new();
    };
    let mut body = String::new();
    let failed: Vec<&DatabaseStatus> = status
        .databases
        .iter()
        .filter(|database| database.failed.is_some())
        .collect();
    let stalled = holds(screen.resource, reasons::STALLED);
    let mut heading = match status.phase {
        Some(Phase::Succeeded) => "Result",
        _ if stalled || !failed.is_empty() => "What happened",
        _ => "Now",
    };
    let mut message = String::new();
    if failed.is_empty() || message_says_more(status, &failed) {
        message = without_what_is_left(&status.message, &failed);
    }
    if !message.is_empty() {
        screen.section(&mut body, heading, &safe(&message));
        heading = "";
    }
    for database in &failed {
        if let Some(failure) = &database.failed {
            let several = failed.len() > 1;
            if database.phase == DatabasePhase::RolledBack {
                heading = "Before that";
            }
            // What the message says is not said once more.
            let said = !failure.summary.is_empty() && message.contains(&failure.summary);
            let said = if said { "" } else { failure.summary.as_str() };
            failed_database(
                screen,
                &mut body,
                (heading, said),
                database,
                failure,
                several,
            );
            heading = "";
        }
    }
    let undone = |database: &&DatabaseStatus| database.phase == DatabasePhase::RolledBack;
    if stalled && failed.iter().all(undone) {
        applied(screen, &mut body, status);
    }
    if stalled {
        running_now(screen, &mut body, status, &failed);
    }
    if let Some(action) = &status.action {
        screen.section(&mut body, "Last action", &action_line(screen, action));
    }
    super::findings::findings(screen, &mut body, status);
    let mut out = String::new();
    if !body.is_empty() {
        out.push('\n');
        out.push_str(&body);
    }
    out.push_str(&choices(screen, status));
    if has_pods(status) && status.phase != Some(Phase::Succeeded) {
        screen.section_command(&mut out, "Logs", &screen.command("logs"));
    }
    out
}

/// A pod has something to show: not one that has read the image, which is gone then, nor one that was never made.
fn has_pods(status: &DatabaseMigrationStatus) -> bool {
    let reason = condition(status, reasons::READY).map_or("", |ready| ready.reason.as_str());
    let refused = [reasons::QUOTA_EXCEEDED, reasons::POD_REFUSED].contains(&reason);
    let shows = |step: &StepStatus| {
        let read = step.name == StepKind::Inventory && step.outcome == Some(StepOutcome::Succeeded);
        let waits = refused && step.finished_at.is_none();
        !step.job.is_empty() && !read && !waits
    };
    let mut steps = status.run.iter().flat_map(|run| &run.steps);
    steps.any(shows)
}

/// The message is about something else than the failure that stands above it.
fn message_says_more(status: &DatabaseMigrationStatus, failed: &[&DatabaseStatus]) -> bool {
    let reason = condition(status, reasons::READY).map_or("", |ready| ready.reason.as_str());
    let said = [
        reasons::MIGRATION_FAILED,
        reasons::FAILED_ROW_FOUND,
        reasons::PRISMA_FAILED,
    ];
    let summarised = failed.iter().all(|database| {
        let failure = database.failed.as_ref();
        failure.is_some_and(|failure| !failure.summary.is_empty())
    });
    !(summarised && said.contains(&reason))
}

/// The message, without the sentences that stand below under "What is left".
fn without_what_is_left(message: &str, failed: &[&DatabaseStatus]) -> String {
    let shown = failed
        .iter()
        .filter(|database| database.phase != DatabasePhase::RolledBack)
        .filter_map(|database| database.failed.as_ref());
    let mut message = message.to_owned();
    for line in shown.flat_map(|failed| &failed.left) {
        let line = match line.split_once("; to see: ") {
            Some((text, look)) => format!("{text}; to see: `{look}`"),
            None => line.clone(),
        };
        message = message.replace(&format!(" {}.", capital(&line)), "");
    }
    message
}

fn failed_database(
    screen: &Screen,
    out: &mut String,
    (heading, summary): (&str, &str),
    database: &DatabaseStatus,
    failed: &FailedStatus,
    several: bool,
) {
    let whose = if several {
        format!("{}: ", safe(&database.name))
    } else {
        String::new()
    };
    let mut codes = Vec::new();
    if !failed.sql_state.is_empty() {
        let mut text = format!("SQLSTATE {}", safe(&failed.sql_state));
        if let Some(meaning) = meaning(&failed.sql_state, &failed.summary) {
            text.push_str(&format!(", {meaning}"));
        }
        codes.push(text);
    }
    if !failed.code.is_empty() {
        codes.push(safe(&failed.code));
    }
    let mut happened = safe(summary);
    // Some versions of Prisma say the SQLSTATE at the end.
    let said = format!("(SQLSTATE {})", safe(&failed.sql_state));
    if let Some(before) = happened.strip_suffix(&said) {
        happened = before.trim_end().to_owned();
    }
    if !codes.is_empty() {
        let blank = if happened.is_empty() { "" } else { "  " };
        happened.push_str(&format!("{blank}({})", codes.join("; ")));
    }
    let mut heading = heading;
    let mut say = |out: &mut String, text: &str| {
        screen.section(out, std::mem::take(&mut heading), text);
    };
    if !happened.is_empty() {
        say(out, &format!("{whose}{happened}"));
    }
    if let Some(statement) = &failed.statement {
        say(
            out,
            &format!(
                "in statement {} of {}: {}",
                statement.number,
                statement.of,
                safe(&statement.text)
            ),
        );
    }
    if !failed.blocked_by.is_empty() {
        say(out, &format!("it waited for {}", safe(&failed.blocked_by)));
    }
    if database.phase == DatabasePhase::RolledBack {
        // What it left was undone, unless somebody insisted; and then, too, it may be undone by now.
        let mut heading = "What was left";
        for text in &failed.left {
            let text = format!("{whose}{}", safe(text));
            screen.section(out, std::mem::take(&mut heading), &text);
        }
        return;
    }
    if !failed.remedy.is_empty() {
        screen.section(
            out,
            "What helps",
            &format!("{whose}{}", safe(&failed.remedy)),
        );
    }
    let mut heading = "What is left";
    let mut say = |out: &mut String, text: &str| {
        screen.section(out, std::mem::take(&mut heading), text);
    };
    for text in &failed.left {
        say(out, &format!("{whose}{}", safe(text)));
    }
    let mut undo: Vec<String> = Vec::new();
    undo.extend(failed.undo.iter().map(|text| format!("{};", safe(text))));
    if !failed.undo_lacks.is_empty() && !failed.undo.is_empty() {
        let lacks = failed.undo_lacks.iter().map(|text| safe(text));
        let lacks = lacks.collect::<Vec<_>>().join("; ");
        undo.push(format!("that does not take back: {lacks}"));
    }
    let (after, known) = match &failed.statement {
        Some(at) if !failed.left.is_empty() => (at.number, at.of),
        _ => (0, 0),
    };
    if after < known {
        let statements = match known - after {
            1 => format!("statement {known}"),
            2 => format!("statements {} and {known}", after + 1),
            _ => format!("statements {} to {known}", after + 1),
        };
        say(out, &format!("{whose}{statements} did not run"));
    }
    if failed.left.is_empty() && !failed.elsewhere {
        let text = match failed.traces {
            Traces::None if failed.name.is_empty() => "nothing: the ledger is as it was before",
            Traces::None => "nothing: the schema is as before the migration",
            Traces::Some => "something: the schema is not as before the migration",
            Traces::Unknown => "unknown: compare the schema with the migration before you decide",
        };
        say(out, &format!("{whose}{text}"));
    }
    if !failed.was_there.is_empty() {
        say(out, &format!("{whose}{}", safe(&was_there(failed))));
        let compared = compared(failed);
        if !compared.is_empty() {
            say(out, &format!("{whose}{}", safe(compared.trim())));
        }
    }
    let mut heading = "To undo it";
    for text in &undo {
        screen.section(out, std::mem::take(&mut heading), &format!("{whose}{text}"));
    }
}

/// Where no database failed: what stands in them.
fn applied(screen: &Screen, out: &mut String, status: &DatabaseMigrationStatus) {
    let known: Vec<&DatabaseStatus> = status
        .databases
        .iter()
        .filter(|database| database.phase != DatabasePhase::Unknown && database.total > 0)
        .collect();
    if known.is_empty() || known.len() != status.databases.len() {
        return;
    }
    let counts: Vec<String> = known
        .iter()
        .map(|d| format!("{} {} of {}", safe(&d.name), d.applied, d.total))
        .collect();
    screen.section(
        out,
        "What is there",
        &format!("migrations applied: {}", counts.join(", ")),
    );
}

fn running_now(
    screen: &Screen,
    out: &mut String,
    status: &DatabaseMigrationStatus,
    failed: &[&DatabaseStatus],
) {
    let Some(run) = &status.run else { return };
    let running: Vec<String> = run
        .steps
        .iter()
        .filter(|step| step.finished_at.is_none())
        .map(|step| {
            let time = step.started_at.as_ref().map_or(String::new(), |at| {
                format!(" for {}", between(at.0, screen.now))
            });
            let database = if step.database.is_empty() {
                String::new()
            } else {
                format!("{}: ", safe(&step.database))
            };
            format!(
                "{database}{}{time} (Job {})",
                step.name.as_str(),
                safe(&step.job)
            )
        })
        .collect();
    let judged = run.steps.iter().any(|step| {
        step.name == StepKind::Migrate
            && step.outcome == Some(StepOutcome::Failed)
            && step.finished_at.is_some()
            && failed.iter().any(|d| d.name == step.database)
    });
    let text = if !running.is_empty() {
        running.join(", ")
    } else if judged {
        // A failure is judged only when that holds.
        "nothing: Prisma's lock is free, no session of the migration is left".to_owned()
    } else if run.finished_at.is_some() {
        "nothing: the run has ended".to_owned()
    } else {
        "nothing: no Job of the run is at work".to_owned()
    };
    screen.section(out, "Running now", &text);
}

fn action_line(screen: &Screen, action: &TakenAction) -> String {
    let database = if action.database.is_empty() {
        String::new()
    } else {
        format!(" {}", safe(&action.database))
    };
    let end = match (action.state, action.outcome) {
        (ActionState::Done, Some(ActionOutcome::Failed)) => "failed",
        (ActionState::Done, _) => "done",
        (ActionState::Refused, _) => "refused",
        (ActionState::Running, _) => "at work",
        (ActionState::Pending, _) => "not taken up yet",
    };
    let when = action
        .finished_at
        .as_ref()
        .or(action.started_at.as_ref())
        .map_or(String::new(), |at| {
            format!(", {} ago", age(at.0, screen.now))
        });
    let said = screen.status().map_or("", |status| &status.message);
    // What it came to may be what happened, which stands above.
    let message = if action.message.is_empty() || said.contains(&action.message) {
        String::new()
    } else {
        format!(": {}", safe(&action.message))
    };
    format!(
        "{}{database} by {}{when}, {end}{message}",
        action.action.as_str(),
        safe(&action.requested_by)
    )
}

/// The choices, each with its command.
pub(super) fn choices(screen: &Screen, status: &DatabaseMigrationStatus) -> String {
    let mut choices = status.choices.clone();
    if choices.is_empty() && !status.next_command.is_empty() {
        choices.push(ChoiceStatus {
            title: String::new(),
            command: status.next_command.clone(),
            loses_since: None,
        });
    }
    if choices.is_empty() && status.phase == Some(Phase::Suspended) {
        let (title, command) = match screen.resource.spec.suspend {
            true => (
                "go on with it: set spec.suspend to false in its manifest and apply that, or, where it is kept nowhere else, here",
                super::frame::unsuspend(&screen.name(), &screen.namespace()),
            ),
            false => ("go on with it", screen.command("resume")),
        };
        choices.push(ChoiceStatus {
            title: title.to_owned(),
            command,
            loses_since: None,
        });
    }
    if choices.is_empty() {
        return String::new();
    }
    let heading = if choices.len() > 1 {
        "What you can do, safest first"
    } else {
        "What you can do"
    };
    let mut out = format!("\n{}\n", screen.style.paint(Tone::Strong, heading));
    let room = screen.width.map(|columns| columns.saturating_sub(5));
    for (at, choice) in choices.iter().enumerate() {
        let number = pad(&format!("  {}", at + 1), 5);
        let mut title = safe(&choice.title);
        if let Some(since) = &choice.loses_since {
            title.push_str(&format!("; it is {} old", age(since.0, screen.now)));
        }
        let mut lead = number.as_str();
        if !title.is_empty() {
            for line in wrap(&title, room) {
                out.push_str(&format!("{lead}{line}\n"));
                lead = "     ";
            }
        }
        if !choice.command.is_empty() {
            for line in command_lines(&safe(&choice.command), room) {
                let line = screen.style.paint(Tone::Code, &line);
                out.push_str(&format!("{lead}{line}\n"));
                lead = "     ";
            }
        }
    }
    out
}
