//! Runs a command on a database, and reports how it ended: `dbm-agent exec`.
//!
//! Whatever speaks against running is found before anything is executed, and is told apart from a command that failed.

pub mod command;
pub mod environment;
pub mod lines;
pub mod redact;
pub mod rows;
pub mod run;
pub mod secrets;
pub mod signals;
pub mod summary;
pub mod url;

use std::io::Write;

use jiff::{Timestamp, Unit};

use crate::inventory::{self, Project, Surroundings};
use crate::protocol::{ExecRequest, Outcome, Problem, ProblemReason, Refusal, Summary, VERSION};
use environment::Variables;
use redact::{Redactor, redact_text};
use secrets::Secrets;

/// The exit code of a refusal.
pub const REFUSED: u8 = 64;

/// A call of `dbm-agent exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The hash that the image's inventory has to have.
    pub expect: Option<String>,
    /// The time after which nothing is started.
    pub not_after: Option<Timestamp>,
    /// What to do.
    pub request: ExecRequest,
    /// The command; empty for Prisma's own.
    pub command: Vec<String>,
}

impl Call {
    /// Reads the arguments after `exec`.
    ///
    /// # Errors
    /// With what is not understood.
    pub fn parse(arguments: &[&str]) -> Result<Call, String> {
        let mut call = Call::default();
        let mut request = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "--" => {
                    call.command = rest.map(|word| (*word).to_owned()).collect();
                    break;
                }
                "--expect" => {
                    let hash = rest.next().ok_or("--expect needs a hash")?;
                    call.expect = Some((*hash).to_owned());
                }
                "--not-after" => {
                    let time = rest.next().ok_or("--not-after needs a time")?;
                    call.not_after = Some(
                        time.parse()
                            .map_err(|error| format!("--not-after {time}: {error}"))?,
                    );
                }
                json if request.is_none() && !json.starts_with("--") => {
                    request = Some(
                        serde_json::from_str(json)
                            .map_err(|error| format!("the request is not understood: {error}"))?,
                    );
                }
                other => return Err(format!("{other:?} is not understood")),
            }
        }
        call.request = request.ok_or("there is no request")?;
        Ok(call)
    }
}

/// Runs it; the exit code is that of the command, 128 and the number of the signal that ended it, or [`REFUSED`].
#[must_use]
pub fn main(arguments: &[&str]) -> u8 {
    let held = signals::hold(|signal| {
        say(&format!(
            "{signal} is held: the running statement ends first; only the end of the grace period stops it"
        ));
    });
    let summary = match held {
        Ok(()) => Call::parse(arguments)
            .map_or_else(|message| refused(internal(message)), |call| execute(&call)),
        Err(error) => refused(internal(format!("signals cannot be held: {error}"))),
    };
    if let Outcome::Refused(refusal) = &summary.outcome {
        say(&format!(
            "refused, nothing was executed: {}",
            explain(refusal)
        ));
    }
    if let Err(error) = summary::write(&summary) {
        say(&format!("the summary could not be written: {error}"));
    }
    exit_code(&summary)
}

fn exit_code(summary: &Summary) -> u8 {
    let code = match &summary.outcome {
        Outcome::Refused(_) => i32::from(REFUSED),
        Outcome::Succeeded | Outcome::Failed => summary
            .exit_code
            .or(summary.signal.map(|signal| 128 + signal))
            .unwrap_or(1),
    };
    u8::try_from(code).unwrap_or(1)
}

fn execute(call: &Call) -> Summary {
    match prepare(call) {
        Ok(prepared) => start(call, prepared),
        Err(refusal) => refused(refusal),
    }
}

struct Prepared {
    command: command::Command,
    variables: Variables,
    secrets: Secrets,
}

fn prepare(call: &Call) -> Result<Prepared, Refusal> {
    check_time(call)?;
    let before: Variables = std::env::vars_os().collect();
    environment::check_lock(&before)?;
    let surroundings = Surroundings::of_process().map_err(internal)?;
    let project = project(call, &surroundings)?;
    let mut variables = before.clone();
    environment::merge_connections(&mut variables, &call.request, project.as_ref())?;
    let command = command::resolve(
        &call.command,
        &call.request,
        project.as_ref(),
        &surroundings,
    )?;
    let secrets = environment::secrets(&before, &variables, &call.request, project.as_ref());
    environment::add_defaults(&mut variables, &call.request.ca_file);
    Ok(Prepared {
        command,
        variables,
        secrets,
    })
}

/// The project, if the command belongs to one.
fn project(call: &Call, surroundings: &Surroundings) -> Result<Option<Project>, Refusal> {
    let paths = &call.request.project;
    let needed = call.expect.is_some() || call.command.is_empty();
    if paths.schema.is_empty() && !needed {
        return Ok(None);
    }
    let project = inventory::read(paths, surroundings);
    let own_command = !call.command.is_empty() && call.expect.is_none();
    match &project.inventory.problem {
        // A command of the user's own may bring its own Prisma.
        Some(problem) if !(own_command && problem.reason == ProblemReason::PrismaMissing) => {
            return Err(Refusal::Problem(problem.clone()));
        }
        _ => {}
    }
    match &call.expect {
        Some(expected) if *expected != project.inventory.hash => Err(Refusal::InventoryChanged {
            found: project.inventory.hash,
        }),
        _ => Ok(Some(project)),
    }
}

fn check_time(call: &Call) -> Result<(), Refusal> {
    match call.not_after {
        Some(limit) if Timestamp::now() > limit => Err(Refusal::TooLate),
        _ => Ok(()),
    }
}

fn start(call: &Call, prepared: Prepared) -> Summary {
    let Prepared {
        command,
        variables,
        secrets,
    } = prepared;
    // Again: reading a big image may have taken its time.
    if let Err(refusal) = check_time(call) {
        return refused(refusal);
    }
    let started_at = now();
    match run::run(&command, &variables, Redactor::new(secrets.clone())) {
        Err(error) => refused(command::not_started(&command, &error)),
        Ok(ended) => {
            let succeeded = ended.exit_code == Some(0);
            let found = if succeeded {
                Default::default()
            } else {
                ended.recognised
            };
            Summary {
                version: VERSION,
                outcome: if succeeded {
                    Outcome::Succeeded
                } else {
                    Outcome::Failed
                },
                exit_code: ended.exit_code,
                signal: ended.signal,
                code: found.code,
                sql_state: found.sql_state,
                migration: found.migration,
                message: found.message.map(|message| redact_text(&secrets, &message)),
                findings: Vec::new(),
                findings_count: 0,
                timed_out: false,
                started_at: Some(started_at),
                finished_at: Some(now()),
            }
        }
    }
}

fn refused(refusal: Refusal) -> Summary {
    Summary {
        version: VERSION,
        message: Some(explain(&refusal)),
        outcome: Outcome::Refused(refusal),
        exit_code: None,
        signal: None,
        code: None,
        sql_state: None,
        migration: None,
        findings: Vec::new(),
        findings_count: 0,
        timed_out: false,
        started_at: None,
        finished_at: Some(now()),
    }
}

fn internal(message: String) -> Refusal {
    Refusal::Problem(Problem {
        reason: ProblemReason::Internal,
        message,
    })
}

fn explain(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InventoryChanged { found } => format!(
            "the image holds other migrations than those that were planned (inventory {found}): its tag was pushed again; plan anew"
        ),
        Refusal::TooLate => "the time by which it had to begin has passed; retry in the next window".to_owned(),
        Refusal::AdvisoryLockDisabled => {
            "PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK is set, and Prisma would migrate without its lock; remove it from the \
             environment, or set it to 0"
                .to_owned()
        }
        Refusal::ConnectionInvalid(what) => what.clone(),
        Refusal::Problem(problem) => problem.message.clone(),
    }
}

fn now() -> String {
    // Milliseconds are enough, and rounding them cannot fail.
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now).to_string()
}

/// One line of the agent's own, between those of the command.
fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    // Where nobody reads it, there is nobody to tell.
    let _ = writeln!(output, "dbm-agent: {text}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls() {
        let request = r#"{"project":{"database":"d","schema":"s"},"envVar":"DATABASE_URL","applicationName":"a"}"#;
        let call = Call::parse(&[
            "--not-after",
            "2026-01-01T00:00:00Z",
            "--expect",
            "h",
            request,
            "--",
            "sh",
            "--",
            "x",
        ])
        .unwrap();
        assert_eq!(call.expect.as_deref(), Some("h"));
        assert_eq!(call.command, ["sh", "--", "x"]);
        assert_eq!(call.request.env_var, "DATABASE_URL");
        assert!(Call::parse(&[request, "--"]).unwrap().command.is_empty());
        for wrong in [
            &[][..],
            &["--expect"],
            &["--not-after", "soon", request],
            &["{}"],
            &[request, request],
            &["--other", request],
        ] {
            assert!(Call::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
