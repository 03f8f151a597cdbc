//! What to start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::inventory::prisma::{Call, is_executable, on_path};
use crate::inventory::{Project, Surroundings};
use crate::protocol::{ExecRequest, Problem, ProblemReason, Refusal};

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

/// The user's command, or Prisma's.
///
/// # Errors
/// When there is no such program.
pub fn resolve(
    own: &[String],
    request: &ExecRequest,
    project: Option<&Project>,
    surroundings: &Surroundings,
) -> Result<Command, Refusal> {
    let directory = surroundings.directory.clone();
    if let [program, arguments @ ..] = own {
        let program = find(
            program,
            surroundings,
            "the command of this step in the resource",
        )?;
        return Ok(Command {
            program,
            arguments: arguments.iter().map(OsString::from).collect(),
            directory,
        });
    }
    let (program, mut arguments) = prisma(request, project, surroundings)?;
    let default = ["migrate".to_owned(), "deploy".to_owned()];
    let asked = request
        .prisma_calls
        .first()
        .map_or(&default[..], Vec::as_slice);
    arguments.extend(asked.iter().map(OsString::from));

    let paths = &request.project;
    let (schema, directory) = if paths.config.is_empty() {
        (OsString::from(&paths.schema), directory)
    } else {
        let config = directory.join(&paths.config);
        let folder = config
            .parent()
            .map_or_else(|| directory.clone(), Path::to_owned);
        arguments.extend(["--config".into(), config.into()]);
        (directory.join(&paths.schema).into(), folder)
    };
    if takes_schema(asked) {
        arguments.extend(["--schema".into(), schema]);
    }
    Ok(Command {
        program,
        arguments,
        directory,
    })
}

/// `migrate diff` names schemas by other options.
fn takes_schema(arguments: &[String]) -> bool {
    let named = arguments
        .iter()
        .any(|argument| argument == "--schema" || argument.starts_with("--schema="));
    let diff = matches!(arguments, [first, second, ..] if first == "migrate" && second == "diff");
    !named && !diff
}

fn prisma(
    request: &ExecRequest,
    project: Option<&Project>,
    surroundings: &Surroundings,
) -> Result<(PathBuf, Vec<OsString>), Refusal> {
    if let [program, arguments @ ..] = request.project.cli.as_slice() {
        let program = find(program, surroundings, "databases[].prisma.cli")?;
        return Ok((program, arguments.iter().map(OsString::from).collect()));
    }
    match project
        .and_then(|project| project.prisma.as_ref())
        .map(|prisma| &prisma.call)
    {
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
    missing(match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{program} cannot be started: the interpreter that its first line names, its loader, or the working directory {} is \
             not in the image",
            command.directory.display()
        ),
        _ if error.raw_os_error() == Some(nix::errno::Errno::ENOEXEC as i32) => {
            format!(
                "{program} cannot be started: it is no program for this machine's architecture, or a script without #!"
            )
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inventory::prisma::Prisma;
    use crate::protocol::ProjectPaths;

    fn surroundings() -> Surroundings {
        Surroundings {
            directory: "/app".into(),
            path: Some("/bin:/usr/bin".into()),
        }
    }

    fn line(request: &ExecRequest) -> (PathBuf, String) {
        let project = Project {
            prisma: Some(Prisma {
                call: Call::Program("/bin/prisma".into()),
                version: None,
            }),
            ..Project::default()
        };
        let command = resolve(&[], request, Some(&project), &surroundings()).unwrap();
        let words: Vec<_> = command
            .arguments
            .iter()
            .map(|word| word.to_str().unwrap())
            .collect();
        (
            command.directory,
            format!("{} {}", command.program.display(), words.join(" ")),
        )
    }

    #[test]
    fn prismas_own_command() {
        let mut request = ExecRequest {
            project: ProjectPaths {
                schema: "db/schema.prisma".into(),
                ..ProjectPaths::default()
            },
            ..ExecRequest::default()
        };
        assert_eq!(
            line(&request),
            (
                "/app".into(),
                "/bin/prisma migrate deploy --schema db/schema.prisma".into()
            )
        );
        let resolve = ["migrate", "resolve", "--applied", "a b"];
        request.prisma_calls = vec![resolve.map(Into::into).to_vec()];
        assert_eq!(
            line(&request).1,
            "/bin/prisma migrate resolve --applied a b --schema db/schema.prisma"
        );
        request.prisma_calls = vec![["migrate", "diff", "--from-empty"].map(Into::into).to_vec()];
        assert_eq!(line(&request).1, "/bin/prisma migrate diff --from-empty");
        request.prisma_calls.clear();
        request.project.config = "db/prisma.config.ts".into();
        request.project.cli = ["sh", "x"].map(Into::into).to_vec();
        let (directory, line) = line(&request);
        assert_eq!(directory, Path::new("/app/db"));
        assert!(line.ends_with("/sh x migrate deploy --config /app/db/prisma.config.ts --schema /app/db/schema.prisma"), "{line}");
    }

    #[test]
    fn missing_programs() {
        for own in ["no-such-program", "./no-such-program", "/etc/passwd"] {
            let refusal = resolve(
                &[own.into()],
                &ExecRequest::default(),
                None,
                &surroundings(),
            )
            .unwrap_err();
            let Refusal::Problem(problem) = refusal else {
                panic!()
            };
            assert_eq!(problem.reason, ProblemReason::CommandMissing);
        }
    }
}
