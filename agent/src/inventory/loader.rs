//! Runs node on Prisma's own loader, within a limit, and says how that ended.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use dbm_protocol::LACKS_MEMORY;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::memory;

const SCRIPT: &str = include_str!("config.cjs");

/// What stands before each of its answers.
const FRAME: &str = "DBM-CONFIG ";

/// What is read of its output, bytes.
const OUTPUT_LIMIT: u64 = 1024 * 1024;

/// For how long output is still read when it has ended.
const REST: Duration = Duration::from_secs(2);

/// By these the kernel, and node itself, end a program that has no memory left.
const OF_MEMORY: [Signal; 3] = [Signal::SIGKILL, Signal::SIGABRT, Signal::SIGTRAP];

/// How the program ended that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It took too long, and was ended.
    TimedOut,
    /// Somebody else ended it.
    Signal(i32),
    /// By itself.
    Exit(Option<i32>),
}

impl End {
    /// What happened, and what to do.
    pub fn text(self, limit: Duration) -> String {
        match self {
            End::TimedOut => format!(
                "it did not say what it holds within {} s, the limit for all configurations of an image, and was ended: take out of it \
                 what takes so long or waits, such as a connection that it opens",
                limit.as_secs_f32()
            ),
            End::Signal(signal) if OF_MEMORY.iter().any(|known| *known as i32 == signal) => {
                format!(
                    "node, which loads it, was ended by signal {signal} ({}), {LACKS_MEMORY}{}",
                    name(signal),
                    memory::shown()
                )
            }
            End::Signal(signal) => format!(
                "node, which loads it, was ended by signal {signal} ({}) before it said what it holds",
                name(signal)
            ),
            End::Exit(code) => format!(
                "it ended node, which loads it, before it said what it holds{}: take out of it what ends its process, such as process.exit",
                code.map_or_else(String::new, |code| format!(" (exit code {code})"))
            ),
        }
    }
}

fn name(signal: i32) -> &'static str {
    Signal::try_from(signal).map_or("unknown", Signal::as_str)
}

/// Its answers, in JSON, and how it ended.
///
/// # Errors
/// When it cannot be started.
pub fn run(node: &Path, request: &str, limit: Duration) -> io::Result<(Vec<String>, End)> {
    let mut command = Command::new(node);
    command
        .args(["-e", SCRIPT, "--", request])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env("CHECKPOINT_DISABLE", "1")
        .env("NO_COLOR", "1")
        // What a configuration starts is ended with it.
        .process_group(0);
    let mut child = command.spawn()?;
    let output = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(output) = output {
            // What came before an error counts.
            let _ = output.take(OUTPUT_LIMIT).read_to_end(&mut text);
        }
        let _ = sender.send(text);
    });
    let end = end(&mut child, limit)?;
    let text = receiver.recv_timeout(REST).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let answers = text.lines().filter_map(|line| line.strip_prefix(FRAME));
    Ok((answers.map(str::to_owned).collect(), end))
}

/// Waits for its end, brings it about after the limit, and ends what it has left behind.
fn end(child: &mut Child, limit: Duration) -> io::Result<End> {
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let deadline = Instant::now() + limit;
    // It stays a zombie until it is waited for below, so that its number, and its group's, is nobody else's.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    let mut timed_out = false;
    while matches!(waitid(Id::Pid(group), flags), Ok(WaitStatus::StillAlive)) {
        if Instant::now() >= deadline {
            timed_out = true;
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    // Where this fails, the group is gone.
    let _ = killpg(group, Signal::SIGKILL);
    let status = child.wait()?;
    let by_signal = status.signal().map(End::Signal);
    Ok(match by_signal {
        _ if timed_out => End::TimedOut,
        Some(end) => end,
        None => End::Exit(status.code()),
    })
}
