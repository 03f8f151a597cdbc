//! What to start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::plain;
use crate::inventory::prisma::{Call, Prisma, is_executable, numbers, on_path};
use crate::inventory::{Project, Surroundings};
use crate::machine;
use dbm_protocol::{ExecRequest, Problem, ProblemReason, Refusal};

/// A command that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its working directory.
    pub directory: PathBuf,
}

/// The user's command, or Prisma's: what is started one after the other. `script` is the file to execute in place of
/// Prisma's calls.
///
/// # Errors
/// When there is no such program.
pub fn resolve(
    own: &[String],
    request: &ExecRequest,
    project: Option<&Project>,
    script: Option<&Path>,
    surroundings: &Surroundings,
) -> Result<Vec<Command>, Refusal> {
    if let [program, arguments @ ..] = own {
        let program = find(
            program,
            surroundings,
            "the command of this step in the resource",
        )?;
        return Ok(vec![Command {
            program,
            arguments: arguments.iter().map(OsString::from).collect(),
            directory: surroundings.directory.clone(),
        }]);
    }
    if request.project.schema.is_empty() {
        return Err(missing(
            "this step has no command; was it taken out of the resource?".to_owned(),
        ));
    }
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let calls: Vec<Vec<OsString>> = match script {
        Some(file) => {
            let mut call = words(&["db", "execute", "--file"]);
            call.push(file.into());
            vec![call]
        }
        None if request.prisma_calls.is_empty() => vec![words(&["migrate", "deploy"])],
        None => request
            .prisma_calls
            .iter()
            .map(|call| call.iter().map(OsString::from).collect())
            .collect(),
    };
    let version = project.and_then(|project| project.inventory.prisma_version.as_deref());
    let prisma = prisma(&calls, request, project, surroundings)?;
    Ok(calls
        .into_iter()
        .map(|call| {
            complete(
                &prisma,
                call,
                version,
                request,
                project,
                &surroundings.directory,
            )
        })
        .collect())
}

/// A call of Prisma's with what says which project it is for.
fn complete(
    (program, first): &(PathBuf, Vec<OsString>),
    call: Vec<OsString>,
    version: Option<&str>,
    request: &ExecRequest,
    project: Option<&Project>,
    directory: &Path,
) -> Command {
    let paths = &request.project;
    // As the inventory found it, also where the configuration names it.
    let named = project
        .and_then(|project| project.schema.as_deref())
        .unwrap_or(Path::new(&paths.schema));
    let takes_schema = takes_schema(&call, version);
    let mut arguments: Vec<OsString> = first.iter().cloned().chain(call).collect();
    let (schema, directory) = if paths.config.is_empty() {
        (OsString::from(named), directory.to_owned())
    } else {
        let config = directory.join(&paths.config);
        let folder = config
            .parent()
            .map_or_else(|| directory.to_owned(), Path::to_owned);
        arguments.extend(["--config".into(), config.into()]);
        (directory.join(named).into(), folder)
    };
    if takes_schema {
        arguments.extend(["--schema".into(), schema]);
    }
    Command {
        program: program.clone(),
        arguments,
        directory,
    }
}

/// `migrate diff` names schemas by other options, and from Prisma 7 on `db execute` knows them from the configuration only.
fn takes_schema(call: &[OsString], version: Option<&str>) -> bool {
    let words: Vec<&str> = call.iter().filter_map(|word| word.to_str()).collect();
    let named = words
        .iter()
        .any(|word| *word == "--schema" || word.starts_with("--schema="));
    let by_configuration = match words.as_slice() {
        ["migrate", "diff", ..] => true,
        ["db", "execute", ..] => version
            .and_then(numbers)
            .is_some_and(|(major, _)| major >= 7),
        _ => false,
    };
    !named && !by_configuration
}

/// How Prisma is called. What does not migrate is asked of the user's way of calling it only where that can do nothing else.
fn prisma(
    calls: &[Vec<OsString>],
    request: &ExecRequest,
    project: Option<&Project>,
    surroundings: &Surroundings,
) -> Result<(PathBuf, Vec<OsString>), Refusal> {
    let cli = request.project.cli.as_slice();
    let found = project.and_then(|project| project.prisma.as_ref());
    let other = calls.iter().find(|call| !migrates(call));
    match (cli, other) {
        ([program, arguments @ ..], None) => {
            let program = find(program, surroundings, "databases[].prisma.cli")?;
            Ok((program, arguments.iter().map(OsString::from).collect()))
        }
        ([program, arguments @ ..], Some(_)) if plain::is_prisma(cli, surroundings) => {
            let program = find(program, surroundings, "databases[].prisma.cli")?;
            Ok((program, arguments.iter().map(OsString::from).collect()))
        }
        ([_, ..], Some(call)) => found_one(found, surroundings).map_err(|why| {
            let words: Vec<_> = call.iter().take(2).map(|it| it.to_string_lossy()).collect();
            missing(format!(
                "databases[].prisma.cli ({}) is a command of your own, which may migrate whatever words follow it, so it is not called for \
                 prisma {}, and no other Prisma can be called ({}). Set databases[].prisma.cli to Prisma itself, as [node, \
                 node_modules/prisma/build/index.js], and the command that migrates, if it is another one, in databases[].prisma.migrate",
                cli.join(" "),
                words.join(" "),
                message(&why)
            ))
        }),
        ([], _) => found_one(found, surroundings),
    }
}

/// Whether this is what the user's command is for.
fn migrates(call: &[OsString]) -> bool {
    let words: Vec<_> = call.iter().map(OsString::as_os_str).collect();
    words.starts_with(&[OsStr::new("migrate"), OsStr::new("deploy")])
}

/// The Prisma of the image.
fn found_one(
    found: Option<&Prisma>,
    surroundings: &Surroundings,
) -> Result<(PathBuf, Vec<OsString>), Refusal> {
    match found.map(|prisma| &prisma.call) {
        Some(Call::Program(program)) => Ok((program.clone(), Vec::new())),
        Some(Call::Script(script)) if !script.is_file() => Err(missing(format!(
            "the prisma package has no {}; was it cut too far when the image was built?",
            script.display()
        ))),
        Some(Call::Script(script)) => {
            let node = on_path("node", surroundings.path.as_deref()).ok_or_else(|| {
                missing(
                    "there is no program node on PATH to run Prisma with; use an image with Node, or set databases[].prisma.cli"
                        .to_owned(),
                )
            })?;
            Ok((node, vec![script.clone().into()]))
        }
        None => Err(missing(
            "no command and no Prisma; set databases[].prisma.cli".to_owned(),
        )),
    }
}

fn message(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Problem(problem) => &problem.message,
        _ => "",
    }
}

fn find(name: &str, surroundings: &Surroundings, field: &str) -> Result<PathBuf, Refusal> {
    if name.contains('/') {
        let path = surroundings.directory.join(name);
        if is_executable(&path) {
            return Ok(path);
        }
        let state = if path.exists() {
            "cannot be executed by this user"
        } else {
            "is not in the image"
        };
        return Err(missing(format!(
            "the program {} {state}; see {field}",
            path.display()
        )));
    }
    on_path(name, surroundings.path.as_deref()).ok_or_else(|| {
        let path = surroundings
            .path
            .as_deref()
            .unwrap_or(OsStr::new(""))
            .to_string_lossy()
            .into_owned();
        missing(format!(
            "there is no program {name:?} in the image (PATH is {path:?}); see {field}"
        ))
    })
}

/// The refusal when the system would not start a program that is there.
#[must_use]
pub fn not_started(command: &Command, error: &io::Error) -> Refusal {
    let program = command.program.display();
    let wrong_format = error.raw_os_error() == Some(nix::errno::Errno::ENOEXEC as i32);
    // The C library then tries a shell, so that what it says may be of the shell that is not there.
    if let Some(problem) = machine::problem(&command.program) {
        return Refusal::Problem(problem);
    }
    missing(match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{program} cannot be started: the interpreter that its first line names, its loader, or the working directory {} is \
             not in the image",
            command.directory.display()
        ),
        _ if wrong_format => {
            format!("{program} cannot be started: it is a script without #!, or no program at all")
        }
        _ => format!("{program} cannot be started: {error}"),
    })
}

fn missing(message: String) -> Refusal {
    Refusal::Problem(Problem {
        reason: ProblemReason::CommandMissing,
        message,
    })
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
