//! PURE. Below the tree: what happened, what is left, what runs, and what can be done, safest first.

use super::failure::{failed_database, message_says_more, without_what_is_left};
use super::frame::Screen;
use crate::api::{
    ActionOutcome, ActionState, ChoiceStatus, DatabaseMigrationStatus, DatabasePhase,
    DatabaseStatus, Phase, StepKind, StepOutcome, StepStatus, TakenAction, reasons,
};
use crate::cli::style::Tone;
use crate::cli::text::{age, between, command_lines, pad, safe, wrap};
use crate::cli::verdict::{condition, holds};

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
