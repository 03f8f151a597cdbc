//! Asks Prisma itself what is pending before anything is applied, where it is not certain that it reads what was planned.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::command::Command;
use super::elsewhere;
use super::environment::Variables;
use super::run::Ended;
use super::say::say;
use dbm_protocol::recognise::{Recognised, Window, recognise};
use dbm_protocol::redact::redact_text;
use dbm_protocol::redact::secrets::Secrets;
use dbm_protocol::{Planned, QUESTION_SECONDS, Refusal};

/// What is read of the answer, bytes.
const OUTPUT_LIMIT: u64 = 4 * 1024 * 1024;

/// So many names are said.
const NAMES: usize = 5;

/// What is asked.
pub(super) const CALL: [&str; 2] = ["migrate", "status"];

/// Why nothing is applied.
#[derive(Debug)]
pub(super) enum Stop {
    /// It may not be.
    Refused(Refusal),
    /// Prisma failed when it was asked, as it would have when it was told to migrate.
    Failed(Box<Ended>),
}

/// Compares what Prisma says is pending, and what it says that it works on, with the plan. `own` is the variable whose database is
/// watched.
///
/// # Errors
/// With the difference, or with why there is no answer.
pub(super) fn confirm(
    planned: &Planned,
    command: &Command,
    variables: &Variables,
    own: &str,
    secrets: &Secrets,
) -> Result<(), Stop> {
    let unknown = |why: String| {
        Stop::Refused(Refusal::OtherMigrations(format!(
            "it is not certain which migrations Prisma would apply, and prisma migrate status did not say it: {}",
            redact_text(secrets, &why)
        )))
    };
    let limit = Duration::from_secs(QUESTION_SECONDS);
    let (output, status) = run(command, variables, limit).map_err(unknown)?;
    let Some(pending) = pending(&output) else {
        return Err(failure(&redact_text(secrets, &output), status)
            .unwrap_or_else(|| unknown(last_line(&output))));
    };
    if let Some(place) = elsewhere(&output, variables, own) {
        return Err(Stop::Refused(Refusal::ConnectionInvalid(format!(
            "Prisma would migrate {place}, as prisma migrate status says, and not what {own} leads to, which holds \
             connection.secretKeyRef and is watched. Let the datasource take {own}, or set databases[].envVar to the variable \
             that it takes and connection.secretKeyRef to what that holds"
        ))));
    }
    difference(planned, &pending).map_or(Ok(()), |what| {
        Err(Stop::Refused(Refusal::OtherMigrations(what)))
    })
}

/// What Prisma says that it works on, where that is another database or schema.
fn elsewhere(output: &str, variables: &Variables, own: &str) -> Option<String> {
    let watched = variables.get(OsStr::new(own))?.to_str()?;
    let mut window = Window::default();
    for line in without_colours(output).lines() {
        window.push(line);
    }
    elsewhere::printed(watched, window.datasource()?)
}

/// What failed, where that is known: a server that cannot be reached is no answer to what was asked.
fn failure(output: &str, status: Option<ExitStatus>) -> Option<Stop> {
    let status = status?;
    let known = recognise(output) != Recognised::default();
    if status.success() || !known && status.signal().is_none() {
        return None;
    }
    say("Prisma was asked what is pending, by prisma migrate status, and failed:");
    let mut window = Window::default();
    for line in without_colours(output).lines() {
        window.push(line);
        say(line);
    }
    // It applied nothing, whichever it names.
    let recognised = Recognised {
        migration: None,
        ..window.recognised()
    };
    Some(Stop::Failed(Box::new(Ended {
        exit_code: status.code(),
        signal: status.signal(),
        recognised,
        problem: window.problem(),
        last_line: window.last_line(),
        ..Ended::default()
    })))
}

/// What differs, if anything does.
fn difference(planned: &Planned, pending: &[String]) -> Option<String> {
    if pending.len() == planned.count && Planned::digest(pending) == planned.digest {
        return None;
    }
    // Beyond the names that are known only their number is.
    let complete = planned.names.len() == planned.count;
    let more: Vec<&String> = pending
        .iter()
        .filter(|name| complete && !planned.names.contains(name))
        .collect();
    let fewer: Vec<&String> = planned
        .names
        .iter()
        .filter(|name| !pending.contains(name))
        .collect();
    let mut parts = Vec::new();
    if !more.is_empty() {
        parts.push(format!("it would also apply {}", list(&more)));
    }
    if !fewer.is_empty() {
        parts.push(format!("it would not apply {}", list(&fewer)));
    }
    if parts.is_empty() {
        parts.push(format!(
            "it would apply {}, and {} were planned",
            pending.len(),
            planned.count
        ));
    }
    Some(format!(
        "Prisma reads other migrations than those that were planned: {}",
        parts.join("; ")
    ))
}

fn list(names: &[&String]) -> String {
    let first: Vec<&str> = names.iter().take(NAMES).map(|name| name.as_str()).collect();
    let more = names.len() - first.len();
    if more == 0 {
        first.join(", ")
    } else {
        format!("{} and {more} more", first.join(", "))
    }
}

/// The migrations that `migrate status` of Prisma 5, 6 and 7 names as not applied; none where it does not say.
fn pending(output: &str) -> Option<Vec<String>> {
    let plain = without_colours(output);
    let mut lines = plain.lines();
    if lines.any(|line| line.ends_with("not yet been applied:")) {
        let names = lines.take_while(|line| !line.is_empty());
        return Some(names.map(str::to_owned).collect());
    }
    // The last: that a row has failed is for Prisma to say once more.
    let nothing = [
        "Database schema is up to date",
        "No migration found in",
        "have failed:",
    ];
    nothing
        .iter()
        .any(|said| plain.contains(said))
        .then(Vec::new)
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after
            .find(|sign: char| sign.is_ascii_alphabetic())
            .map_or("", |end| &after[end + 1..]);
    }
    plain.push_str(rest);
    plain.replace('\r', "")
}

fn last_line(output: &str) -> String {
    let plain = without_colours(output);
    let line = plain.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(
        || "it printed nothing".to_owned(),
        |line| line.trim().chars().take(300).collect(),
    )
}

/// All that it prints, and how it ended. Its exit code alone says little: 1 is what it ends with where something is pending.
fn run(
    command: &Command,
    variables: &Variables,
    limit: Duration,
) -> Result<(String, Option<ExitStatus>), String> {
    let mut process = Process::new(&command.program);
    process
        .args(&command.arguments)
        .current_dir(&command.directory)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let (sender, receiver) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for (number, pipe) in pipes.into_iter().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(pipe) = pipe {
                // What came before an error counts.
                let _ = pipe.take(OUTPUT_LIMIT).read_to_end(&mut text);
            }
            let _ = sender.send((number, text));
        });
    }
    let deadline = Instant::now() + limit;
    let mut texts = [Vec::new(), Vec::new()];
    for _ in 0..texts.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok((number, text)) = receiver.recv_timeout(left) else {
            end(&mut child);
            return Err(format!(
                "it took longer than {} s, and was ended: is the server busy, does a session hold a lock on _prisma_migrations, \
                 or does Prisma's configuration wait for something?",
                limit.as_secs()
            ));
        };
        texts[number] = text;
    }
    let status = end(&mut child);
    let texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok((texts.join("\n"), status))
}

/// It only reads, and has closed its output or taken too long. How it ended, if by itself.
fn end(child: &mut Child) -> Option<ExitStatus> {
    for _ in 0..500 {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Ok(ended) => return ended,
            Err(_) => return None,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_status_says() {
        for (output, expected) in [
            (
                "2 migrations found in prisma/migrations\nFollowing migrations have not yet been applied:\n1_a\n2 b\n\nTo apply \
                 migrations in development run prisma migrate dev.\n",
                Some(names(&["1_a", "2 b"])),
            ),
            (
                "Following migration have not yet been applied:\r\n\u{1b}[1m1_a\u{1b}[22m\r\n\r\nTo apply",
                Some(names(&["1_a"])),
            ),
            (
                "different:\n\nThe last common migration is: 0\n\nThe migration have not yet been applied:\n1_a\n\nThe migration from \
                 the database are not found locally in prisma/migrations:\n0_x",
                Some(names(&["1_a"])),
            ),
            (
                "1 migration found in prisma/migrations\n\nDatabase schema is up to date!",
                Some(vec![]),
            ),
            (
                "No migration found in prisma/migrations\nThe current database is not managed by Prisma Migrate.",
                Some(vec![]),
            ),
            ("Following migration have failed:\n1_a", Some(vec![])),
            ("Error: P1001: Can't reach database server", None),
            ("", None),
        ] {
            assert_eq!(pending(output), expected, "{output}");
        }
        assert_eq!(last_line("a\n\u{1b}[31mb\u{1b}[0m\n\n"), "b");
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for_ever() {
        let command = Command {
            program: "/bin/sleep".into(),
            arguments: vec!["30".into()],
            directory: "/".into(),
        };
        let began = Instant::now();
        let why = run(&command, &Variables::new(), Duration::from_secs(1)).unwrap_err();
        assert!(
            why.contains("longer than 1 s") && why.contains("_prisma_migrations"),
            "{why}"
        );
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_differs_is_named() {
        let planned = Planned::of(&names(&["1_a", "2_b"]));
        assert_eq!(difference(&planned, &names(&["2_b", "1_a"])), None);
        let more = difference(&planned, &names(&["1_a", "2_b", "3_c"])).unwrap();
        assert!(more.ends_with("it would also apply 3_c"), "{more}");
        let other = difference(&planned, &names(&["x"])).unwrap();
        assert!(
            other.ends_with("it would also apply x; it would not apply 1_a, 2_b"),
            "{other}"
        );
        let many: Vec<String> = (0..5000).map(|n| format!("{n:014}_migration")).collect();
        let planned = Planned::of(&many);
        assert!(planned.names.len() < many.len() && planned.count == many.len());
        assert_eq!(difference(&planned, &many), None);
        assert!(difference(&planned, &many[1..]).is_some());
    }
}
