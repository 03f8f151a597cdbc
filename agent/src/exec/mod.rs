//! Runs a command on a database, and reports how it ended: `dbm-agent exec`.
//!
//! Whatever speaks against running is found before anything is executed, and is told apart from a command that failed.

mod call;
pub mod command;
pub mod config;
mod confirm;
pub mod elsewhere;
pub mod environment;
pub mod findings;
pub mod plain;
mod probe;
pub mod reach;
pub mod run;
mod say;
pub mod script;
pub mod signals;
pub mod summary;
pub mod url;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::inventory::{self, Project, Surroundings};
pub use call::Call;
use config::Code;
use confirm::Stop;
use dbm_protocol::raised::Raised;
use dbm_protocol::redact::secrets::Secrets;
use dbm_protocol::redact::{Redactor, redact_text};
use dbm_protocol::{ExecRequest, Outcome, Problem, ProblemReason, Refusal, Summary, VERSION};
use environment::Variables;
use findings::Findings;
use probe::Found;
use say::{internal, say};
use script::ScriptFile;

/// The exit code of a refusal.
pub const REFUSED: u8 = 64;

/// The exit code when the command took longer than it may, as that of `timeout`.
pub const TIMED_OUT: u8 = 124;

/// Runs it; the exit code is that of the command, 128 and the number of the signal that ended it, [`TIMED_OUT`] or
/// [`REFUSED`].
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
        Outcome::Failed if summary.timed_out => i32::from(TIMED_OUT),
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
    commands: Vec<command::Command>,
    variables: Variables,
    secrets: Secrets,
    raised: Raised,
    findings: Findings,
    /// Removed when it goes.
    script: Option<ScriptFile>,
    /// Where the database's server is.
    server: Option<(String, u16)>,
    /// What Prisma is asked first, where that is to be.
    question: Option<command::Command>,
    /// Where its configuration's code may connect by another variable than the one that is watched.
    doubt: Option<Doubt>,
}

/// How it is found out by which variable Prisma connects.
struct Doubt {
    command: command::Command,
    /// Another variable that leads elsewhere, and how.
    other: Option<String>,
}

fn prepare(call: &Call) -> Result<Prepared, Refusal> {
    check_time(call)?;
    let before: Variables = std::env::vars_os().collect();
    environment::check_lock(&before)?;
    let findings = Findings::new(&call.request.log_patterns)?;
    let surroundings = Surroundings::of_process().map_err(internal)?;
    // What a configuration of the image's says of an error may hold what it was given.
    let project = project(call, &surroundings).map_err(|refusal| {
        let secrets = environment::secrets(&before, &before, &call.request, None);
        without_secrets(refusal, &secrets)
    })?;
    let mut variables = before.clone();
    let code = match &project {
        Some(project) if project.has_config => {
            config::code(&call.request.project, &surroundings.directory)
        }
        _ => Code::default(),
    };
    let named = &code.named;
    let migrates_by =
        environment::merge_connections(&mut variables, &call.request, project.as_ref(), named)?;
    let server = migrates_by
        .and_then(|name| variables.get(OsStr::new(&name)))
        .and_then(|value| reach::place(value.to_str()?));
    environment::trim_connections(&mut variables, &call.request);
    let script = script_file(call, project.as_ref())?;
    let commands = command::resolve(
        own_command(call),
        &call.request,
        project.as_ref(),
        script.as_ref().map(ScriptFile::path),
        &surroundings,
    )?;
    let secrets = environment::secrets(&before, &variables, &call.request, project.as_ref());
    environment::add_defaults(&mut variables, &call.request.ca_file);
    let question = question(call, project.as_ref(), &surroundings)?;
    let by_code = project.as_ref().is_some_and(|project| project.has_config);
    let doubt = match by_code && !environment::is_certain(&variables, &call.request, &code) {
        true => status_call(call, project.as_ref(), &surroundings)?.map(|command| Doubt {
            command,
            other: environment::other_place(&variables, &call.request, &code.named),
        }),
        false => None,
    };
    Ok(Prepared {
        commands,
        variables,
        secrets,
        raised: project.as_ref().map(raised).unwrap_or_default(),
        findings,
        script,
        server,
        question,
        doubt,
    })
}

fn without_secrets(refusal: Refusal, secrets: &Secrets) -> Refusal {
    match refusal {
        Refusal::Problem(problem) => Refusal::Problem(Problem {
            message: redact_text(secrets, &problem.message),
            ..problem
        }),
        other => other,
    }
}

/// Waits until the database's server can be reached, for so long as is asked for.
fn wait_for(server: Option<&(String, u16)>, call: &Call) {
    let patience = patience(call);
    if let Some(server) = server.filter(|_| !patience.is_zero()) {
        reach::wait(server, patience, || !signals::asked(), say);
    }
}

/// Where there is doubt, Prisma is asked what it would apply. A command of the user's own is not: what it reads is the user's
/// to say, and called with other words it may migrate all the same.
fn question(
    call: &Call,
    project: Option<&Project>,
    surroundings: &Surroundings,
) -> Result<Option<command::Command>, Refusal> {
    match &call.request.confirm {
        Some(_) => status_call(call, project, surroundings),
        None => Ok(None),
    }
}

/// How Prisma is asked for its status; none where it is not to deploy, or where a command of the user's own does.
fn status_call(
    call: &Call,
    project: Option<&Project>,
    surroundings: &Surroundings,
) -> Result<Option<command::Command>, Refusal> {
    let request = &call.request;
    let deploys = own_command(call).is_empty() && request.prisma_calls.is_empty();
    if !deploys || request.script.is_some() {
        return Ok(None);
    }
    let question = ExecRequest {
        prisma_calls: vec![confirm::CALL.map(str::to_owned).to_vec()],
        ..request.clone()
    };
    let commands = command::resolve(&[], &question, project, None, surroundings)?;
    Ok(commands.into_iter().next())
}

/// What the migrations raise, and what undoes them.
fn raised(project: &Project) -> Raised {
    let migrations = &project.inventory.migrations;
    Raised::of(
        migrations
            .iter()
            .flat_map(|migration| [migration.sql.as_deref(), migration.down_sql.as_deref()])
            .flatten(),
    )
}

/// The user's command, unless a script is asked for.
fn own_command(call: &Call) -> &[String] {
    if call.request.script.is_some() {
        &[]
    } else {
        &call.command
    }
}

/// The script as a file, if one is asked for.
fn script_file(call: &Call, project: Option<&Project>) -> Result<Option<ScriptFile>, Refusal> {
    let Some(script) = &call.request.script else {
        return Ok(None);
    };
    let project = project
        .ok_or_else(|| internal("a script belongs to a project, and none is named".to_owned()))?;
    let text = script::text(script, project)?;
    let folders = [std::env::temp_dir(), PathBuf::from("/tmp")];
    ScriptFile::write(&text, &folders).map(Some)
}

/// The project, if the command belongs to one.
fn project(call: &Call, surroundings: &Surroundings) -> Result<Option<Project>, Refusal> {
    let paths = &call.request.project;
    if paths.schema.is_empty() && call.expect.is_none() {
        return Ok(None);
    }
    let configured = call.request.configured.as_ref();
    let project = inventory::read(paths, surroundings, configured);
    let own_command = !own_command(call).is_empty() && call.expect.is_none();
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

/// For how long the server is waited for: not so long that it would be too late to begin.
fn patience(call: &Call) -> Duration {
    let asked = call.request.reach_seconds;
    let left = call.not_after.map_or(i64::MAX, |limit| {
        limit.as_second() - Timestamp::now().as_second() - 1
    });
    Duration::from_secs(u64::try_from(left).unwrap_or(0).min(asked))
}

fn start(call: &Call, prepared: Prepared) -> Summary {
    let Prepared {
        commands,
        variables,
        secrets,
        raised,
        findings,
        script: _until_the_end,
        server,
        question,
        doubt,
    } = prepared;
    if let Some(doubt) = &doubt
        && let Err(refusal) = connects_by_own(doubt, &variables, &call.request.env_var, &secrets)
    {
        return refused(refusal);
    }
    // Before anybody needs it, the question, too.
    wait_for(server.as_ref(), call);
    if let Err(refusal) = check_still(call) {
        return refused(refusal);
    }
    let request = &call.request;
    let started_at = now();
    if let (Some(planned), Some(question)) = (&request.confirm, &question) {
        match confirm::confirm(planned, question, &variables, &request.env_var, &secrets) {
            Ok(()) => {}
            Err(Stop::Refused(refusal)) => return refused(refusal),
            Err(Stop::Failed(ended)) => {
                return Summary {
                    started_at: Some(started_at),
                    ..failed(*ended, request, &secrets)
                };
            }
        }
        if let Err(refusal) = check_still(call) {
            return refused(refusal);
        }
    }
    let started_at = now();
    let limit = (request.timeout_seconds > 0).then(|| Duration::from_secs(request.timeout_seconds));
    let redactor = Redactor::new(secrets.clone(), raised);
    let watched = variables.get(OsStr::new(&request.env_var));
    let watched = watched.and_then(|value| value.to_str()).unwrap_or_default();
    let elsewhere = |ended: &run::Ended| elsewhere::printed(watched, ended.datasource.as_deref()?);
    let mut summary = match run::run(&commands, &variables, redactor, findings, limit) {
        Err(not_started) => {
            let refusal = command::not_started(&commands[not_started.index], &not_started.error);
            if not_started.index == 0 {
                return refused(refusal);
            }
            Summary {
                message: Some(explain(&refusal)),
                ..summary(Outcome::Failed)
            }
        }
        Ok(ended) if ended.exit_code == Some(0) && !ended.timed_out => Summary {
            elsewhere: elsewhere(&ended),
            begun: ended.begun,
            exit_code: ended.exit_code,
            // That it exits with 0 does not say that Prisma came to its end.
            message: ended
                .closing_words
                .filter(|_| !request.project.schema.is_empty())
                .map(str::to_owned),
            findings: ended.findings,
            findings_count: ended.findings_count,
            ..summary(Outcome::Succeeded)
        },
        Ok(ended) => Summary {
            elsewhere: elsewhere(&ended),
            ..failed(ended, request, &secrets)
        },
    };
    summary.started_at = Some(started_at);
    summary
}

/// What is watched is what Prisma connects to, as it shows when it is asked.
fn connects_by_own(
    doubt: &Doubt,
    variables: &Variables,
    own: &str,
    secrets: &Secrets,
) -> Result<(), Refusal> {
    let what = match probe::ask(&doubt.command, variables, own) {
        Found::Own => return Ok(()),
        Found::OtherDatabase => {
            format!("prisma.config takes {own} and connects to another database than it names")
        }
        Found::Not => match &doubt.other {
            Some(other) => format!("prisma.config connects by {other}"),
            None => {
                format!("prisma.config does not connect by {own}, as prisma migrate status shows")
            }
        },
        Found::Unasked(why) => format!(
            "it is not certain that prisma.config connects by {own}, and Prisma could not be asked: {}",
            redact_text(secrets, &why)
        ),
    };
    Err(Refusal::ConnectionInvalid(format!(
        "{what}. {own} holds connection.secretKeyRef, which is watched: let the configuration connect by {own}, or set \
         databases[].envVar to the variable that it takes and connection.secretKeyRef to what that holds"
    )))
}

/// Reading a big image, or waiting, may have taken its time, and somebody may have asked to stop meanwhile.
fn check_still(call: &Call) -> Result<(), Refusal> {
    if signals::asked() {
        return Err(Refusal::TooLate);
    }
    check_time(call)
}

fn failed(ended: run::Ended, request: &ExecRequest, secrets: &Secrets) -> Summary {
    let message = failure(&ended, request);
    Summary {
        exit_code: ended.exit_code,
        signal: ended.signal,
        code: ended.recognised.code,
        sql_state: ended.recognised.sql_state,
        migration: ended.recognised.migration,
        message: message.map(|message| redact_text(secrets, &message)),
        problem: ended.problem.filter(|_| !ended.timed_out),
        begun: ended.begun,
        findings: ended.findings,
        findings_count: ended.findings_count,
        timed_out: ended.timed_out,
        ..summary(Outcome::Failed)
    }
}

/// What to say of a command that failed. What an error of Prisma's looks like is known, of other programs the last line
/// says most.
fn failure(ended: &run::Ended, request: &ExecRequest) -> Option<String> {
    let said = if request.project.schema.is_empty() {
        ended.last_line.clone()
    } else {
        ended.recognised.message.clone()
    };
    if !ended.timed_out {
        return said;
    }
    let limit = request.timeout_seconds;
    Some(match said {
        Some(said) => {
            format!("it took longer than {limit}s and was ended; it said at last: {said}")
        }
        None => format!("it took longer than {limit}s and was ended; it said nothing"),
    })
}

fn refused(refusal: Refusal) -> Summary {
    Summary {
        message: Some(explain(&refusal)),
        ..summary(Outcome::Refused(refusal))
    }
}

/// A summary of now, and of nothing else yet.
fn summary(outcome: Outcome) -> Summary {
    Summary {
        version: VERSION,
        outcome,
        exit_code: None,
        signal: None,
        code: None,
        sql_state: None,
        migration: None,
        message: None,
        problem: None,
        elsewhere: None,
        begun: None,
        findings: Vec::new(),
        findings_count: 0,
        timed_out: false,
        started_at: None,
        finished_at: Some(now()),
    }
}

fn explain(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InventoryChanged { found } => format!(
            "the image holds other migrations than those that were planned (inventory {found}): its tag was pushed again; plan anew"
        ),
        Refusal::TooLate => "the time by which it had to begin has passed, or its pod was asked to end before it began".to_owned(),
        Refusal::AdvisoryLockDisabled => {
            "PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK is set, and Prisma would migrate without its lock; remove it from the \
             environment, or set it to 0"
                .to_owned()
        }
        Refusal::ConnectionInvalid(what) | Refusal::OtherMigrations(what) => what.clone(),
        Refusal::Problem(problem) => problem.message.clone(),
    }
}

fn now() -> String {
    // Always three digits, so that times sort as text, too.
    format!("{:.3}", Timestamp::now())
}
