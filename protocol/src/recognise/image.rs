//! What an output says is wrong with the image, or with what the Job adds to it: an engine that is not there, a folder
//! that cannot be written, a variable that nobody set.
//!
//! Only texts that can mean nothing else are known. Where one of them is missing, the output's own last words are shown
//! as they are, which is less help and no wrong help.

use std::path::Path;

use crate::{Problem, ProblemReason};

/// How much of a line is repeated, bytes.
const SHOWN: usize = 300;

/// What is wrong, if the text says so. What Prisma cannot do without comes before what it merely complains about.
#[must_use]
pub fn problem(text: &str) -> Option<Problem> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let find = |known: fn(&str) -> Option<Problem>| lines.iter().find_map(|line| known(line));
    find(unset_variable)
        .or_else(|| find(unwritable))
        .or_else(|| find(engine))
        .or_else(|| silent_engine(&lines))
}

/// `Environment variable not found: NAME.` (Prisma 5 and 6), `Missing required environment variable: NAME` and its like
/// (the `env()` of a configuration file).
fn unset_variable(line: &str) -> Option<Problem> {
    let name = [
        "Environment variable not found: ",
        "Missing required environment variable: ",
        "Cannot resolve environment variable: ",
    ]
    .iter()
    .find_map(|mark| Some(word(line.split_once(mark)?.1)))
    .or_else(|| {
        let (before, _) = line.split_once("` resolved to an empty string")?;
        before.rsplit_once('`').map(|(_, name)| name)
    })?;
    (!name.is_empty()).then(|| Problem {
        reason: ProblemReason::DatasourceVariableUnset,
        message: unset_message(name),
    })
}

/// What to do about a variable of the datasource that is not set. One text for whoever finds it out.
#[must_use]
pub fn unset_message(name: &str) -> String {
    format!(
        "the datasource of the schema or of prisma.config names the variable {name}, which nobody sets: set databases[].envVar to {name} if Prisma \
         migrates by it, or add {name} to databases[].env, job.env or a Secret of job.envFrom"
    )
}

fn word(text: &str) -> &str {
    let end = text
        .find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// A write that was refused because the file system is read-only, or because the folder of Prisma's engines belongs to
/// somebody else.
fn unwritable(line: &str) -> Option<Problem> {
    let (path, folder) = read_only(line).or_else(|| engines_folder(line))?;
    let downloads = is_of_engines(&path);
    let place = match path.as_str() {
        "" => line_shown(line),
        path => path.to_owned(),
    };
    let add = if folder.is_empty() || folder == "/" {
        "add the folder to job.writablePaths".to_owned()
    } else {
        format!("add {folder} to job.writablePaths")
    };
    let or = if downloads {
        "; better, let the image's build fetch Prisma's engine for its platform (`prisma version` there does), so that \
         nothing has to be downloaded by the Job"
    } else {
        ""
    };
    Some(Problem {
        reason: ProblemReason::ReadOnlyFileSystem,
        message: format!(
            "the container may not write to {place}: its root file system is read-only. {} (each is an emptyDir that begins \
             with the image's content){or}",
            capital(&add)
        ),
    })
}

/// The path and the folder that would have to be writable; both may be unknown.
fn read_only(line: &str) -> Option<(String, String)> {
    let lower = line.to_ascii_lowercase();
    if !lower.contains("read-only file system") && !line.contains("EROFS") {
        return None;
    }
    // `EROFS: read-only file system, mkdir '/a'`, `touch: cannot touch '/a': Read-only file system`, `cannot create /a:
    // Read-only file system`, `Read-only file system: '/a'`.
    let quoted = ['\'', '"', '`'].iter().find_map(|quote| {
        let (_, rest) = line.split_once(&format!("{quote}/"))?;
        rest.split_once(*quote).map(|(path, _)| format!("/{path}"))
    });
    let plain = || {
        let start = line.find(" /")? + 1;
        let end = line[start..]
            .find(": ")
            .map_or(line.len(), |end| start + end);
        Some(line[start..end].to_owned())
    };
    let path = quoted.or_else(plain).unwrap_or_default();
    let folder = parent(&path);
    Some((path, folder))
}

/// `Can't write to /app/node_modules/@prisma/engines please make sure you install "prisma" with the right permissions`,
/// and `EACCES` on anything in there.
fn engines_folder(line: &str) -> Option<(String, String)> {
    if let Some((_, rest)) = line.split_once("Can't write to ")
        && let Some((path, _)) = rest.split_once(" please make sure you install")
    {
        return Some((path.to_owned(), path.to_owned()));
    }
    let (_, rest) = line.split_once("EACCES: permission denied, ")?;
    let (_, rest) = rest.split_once('\'')?;
    let (path, _) = rest.split_once('\'')?;
    is_of_engines(path).then(|| (path.to_owned(), parent(path)))
}

fn is_of_engines(path: &str) -> bool {
    ["/node_modules/@prisma/engines", "/node_modules/.prisma"]
        .iter()
        .any(|folder| path.contains(folder))
}

fn parent(path: &str) -> String {
    Path::new(path)
        .parent()
        .map_or_else(String::new, |parent| parent.display().to_string())
}

/// An engine that is not there, cannot be loaded, or would have to be downloaded.
fn engine(line: &str) -> Option<Problem> {
    let holds = |parts: &[&str]| {
        parts
            .iter()
            .try_fold(line, |rest, part| {
                rest.split_once(part).map(|(_, rest)| rest)
            })
            .is_some()
    };
    const KNOWN: &[&[&str]] = &[
        &["Could not find ", "engine binary. Searched in"],
        &[
            "Env var PRISMA_",
            " is provided but provided path ",
            " can't be resolved",
        ],
        &["binaries.prisma.sh"],
        &["engine", "error while loading shared libraries: "],
        &["cannot find the required `libssl` system library"],
        &["libssl", "cannot open shared object file"],
        &["Could not parse schema engine response: "],
        &["engine exited. Error: Command failed with E"],
        &["engine", ": Command failed with exit code 127"],
        &["Query Engine for runtime "],
        &["Query engine library for current platform "],
        &["Unable to require(", "query_engine"],
    ];
    let downloaded = line.contains("binaries.prisma.sh");
    // A progress line that names the place of a download is none of a failure.
    let failed = !downloaded
        || ["failed", "Failed", "ENOTFOUND", "Error"]
            .iter()
            .any(|word| line.contains(word));
    (failed && KNOWN.iter().any(|parts| holds(parts))).then(|| engine_problem(line))
}

/// Where the engine cannot be executed, Prisma says `Error: Schema engine error:` and then nothing.
fn silent_engine(lines: &[&str]) -> Option<Problem> {
    let at = lines.iter().position(|line| {
        [
            "Error: Schema engine error:",
            "Error: Migration engine error:",
        ]
        .contains(line)
    })?;
    let silent = lines[at + 1..]
        .iter()
        .all(|line| line.is_empty() || of_script_runner(line));
    silent.then(|| engine_problem("the engine ended without a word"))
}

/// What npm, pnpm and yarn add below the output of a script that failed.
fn of_script_runner(line: &str) -> bool {
    ["npm ", "ELIFECYCLE", "error Command failed", "info Visit"]
        .iter()
        .any(|start| line.starts_with(start))
}

fn engine_problem(line: &str) -> Problem {
    Problem {
        reason: ProblemReason::EngineMissing,
        message: format!(
            "Prisma's engine is not in the image, or cannot be started there ({}). Let the image's build fetch it for the \
             platform that the image runs on (`prisma version` there does), with openssl beside it; a Job should not have to \
             download it",
            line_shown(line)
        ),
    }
}

fn line_shown(line: &str) -> String {
    let plain = line.rsplit_once("Error: ").map_or(line, |(_, rest)| rest);
    let plain = plain.trim_end_matches(['.', ':']);
    plain[..plain.floor_char_boundary(SHOWN)].to_owned()
}

/// With a capital letter, as a sentence begins.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(ProblemReason, String)> {
        problem(text).map(|problem| (problem.reason, problem.message))
    }

    #[test]
    fn engines() {
        for text in [
            "Error: Could not find query-engine binary. Searched in /a and /b",
            "Error: request to https://binaries.prisma.sh/all_commits/c/x.sha256 failed, reason: getaddrinfo ENOTFOUND binaries.prisma.sh",
            "Error: Failed to fetch sha256 checksum at https://binaries.prisma.sh/x - 500 Internal Server Error",
            "/app/node_modules/@prisma/engines/schema-engine-debian-openssl-1.1.x: error while loading shared libraries: libssl.so.1.1: cannot open shared object file",
            "Details: libssl.so.1.1: cannot open shared object file: No such file or directory",
            "Error: Could not parse schema engine response: SyntaxError: Unexpected token E in JSON at position 0",
            "Error: Schema engine error:\n\n",
            "Error: Schema engine error:\n\n\n ELIFECYCLE  Command failed with exit code 1.\n",
        ] {
            let (reason, message) = found(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(reason, ProblemReason::EngineMissing, "{text}");
            assert!(message.contains("prisma version"), "{message}");
        }
    }

    #[test]
    fn folders() {
        for (text, path, folder) in [
            (
                "Error: EROFS: read-only file system, open '/app/a/_tmp_1'",
                "/app/a/_tmp_1",
                "Add /app/a to job.writablePaths",
            ),
            (
                "sh: 1: cannot create /app/a b/c: Read-only file system",
                "/app/a b/c",
                "Add /app/a b to job.writablePaths",
            ),
            (
                "touch: cannot touch '/app/x': Read-only file system",
                "/app/x",
                "Add /app to job.writablePaths",
            ),
            (
                "OSError: [Errno 30] Read-only file system: '/usr/lib/x/schema.prisma'",
                "/usr/lib/x/schema.prisma",
                "Add /usr/lib/x to",
            ),
            (
                "Error: EACCES: permission denied, unlink '/app/node_modules/@prisma/engines/e'",
                "/engines/e",
                "Add /app/node_modules/@prisma/engines to",
            ),
            (
                "Error: Read-only file system (os error 30)",
                "(os error 30)",
                "Add the folder to job.writablePaths",
            ),
            (
                "EROFS: read-only file system, open '/x'",
                "/x",
                "Add the folder to job.writablePaths",
            ),
        ] {
            let (reason, message) = found(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(reason, ProblemReason::ReadOnlyFileSystem, "{text}");
            assert!(
                message.contains(path) && message.contains(folder),
                "{message}"
            );
        }
    }

    #[test]
    fn what_is_something_else() {
        for text in [
            "",
            "Error: Schema engine error:\nFATAL: password authentication failed for user \"a\"",
            "Error: EACCES: permission denied, open '/data/x'",
            "> Downloading https://binaries.prisma.sh/all_commits/c/schema-engine.gz",
            "the part Environment variable not found is missing",
            "Environment variable not found: ",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
