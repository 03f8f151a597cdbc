//! Starts the commands one after the other, and shows what they print.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::command::Command;
use super::environment::Variables;
use super::findings::Findings;
use super::say::say;
use dbm_protocol::recognise::{Recognised, Window};
use dbm_protocol::redact::Redactor;
use dbm_protocol::{LogFinding, Problem};

/// Output that is shown, bytes; the rest is read and dropped.
const OUTPUT_LIMIT: usize = 8 * 1024 * 1024;

/// How long to wait for the output of processes that the command left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// How long a command that took too long has to end by itself, and then to be gone.
const TERMINATION: Duration = Duration::from_secs(5);

/// How the last command that was started ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Its exit code, unless a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// It was ended, because all together took longer than they may.
    pub timed_out: bool,
    /// What its output says about a failure.
    pub recognised: Recognised,
    /// Prisma's closing words after a deploy that went well.
    pub closing_words: Option<&'static str>,
    /// The line in which Prisma says what it works on.
    pub datasource: Option<String>,
    /// The last migration that Prisma says it applies.
    pub begun: Option<String>,
    /// What its output says is wrong with the image.
    pub problem: Option<Problem>,
    /// The last line of its output that is not blank.
    pub last_line: Option<String>,
    /// Lines of all output that are worth a look, the first ones.
    pub findings: Vec<LogFinding>,
    /// How many of them there are.
    pub findings_count: u32,
}

/// A command that could not be started.
#[derive(Debug)]
pub struct NotStarted {
    /// Which of them; those before it were executed.
    pub index: usize,
    /// What the system says.
    pub error: io::Error,
}

/// Runs them to their end, or to that of the first that fails, for at most that long.
///
/// # Errors
/// When one could not be started.
pub fn run(
    commands: &[Command],
    variables: &Variables,
    redactor: Redactor,
    findings: Findings,
    limit: Option<Duration>,
) -> Result<Ended, NotStarted> {
    let screen = Arc::new(Mutex::new(Screen::new(redactor, findings)));
    // A limit beyond what the clock can count is none.
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut ended = Ended::default();
    for (index, command) in commands.iter().enumerate() {
        lock(&screen).next_command();
        ended = one(command, variables, &screen, deadline)
            .map_err(|error| NotStarted { index, error })?;
        if ended.timed_out || ended.exit_code != Some(0) {
            break;
        }
    }
    let mut screen = lock(&screen);
    screen.close();
    ended.recognised = screen.window.recognised();
    ended.closing_words = screen.window.closing_words();
    ended.datasource = screen.window.datasource().map(str::to_owned);
    ended.begun = screen.window.begun().map(str::to_owned);
    ended.problem = screen.window.problem();
    ended.last_line = screen.window.last_line();
    (ended.findings, ended.findings_count) = screen.findings.take();
    Ok(ended)
}

fn one(
    command: &Command,
    variables: &Variables,
    screen: &Arc<Mutex<Screen>>,
    deadline: Option<Instant>,
) -> io::Result<Ended> {
    let (reader, writer) = io::pipe()?;
    let mut child = process::Command::new(&command.program);
    child
        .args(&command.arguments)
        .current_dir(&command.directory)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        // One pipe for both, so that the order of lines is the order of writing.
        .stdout(writer.try_clone()?)
        .stderr(writer)
        // A signal from a terminal is for the agent, which holds it.
        .process_group(0);
    let running = child.spawn()?;
    // It holds the pipe's other end, which would stay open.
    drop(child);

    let (finished, output) = mpsc::channel();
    let shown = Arc::clone(screen);
    thread::spawn(move || {
        drain(reader, &shown);
        // Nobody waits for it any more where this fails.
        let _ = finished.send(());
    });
    let (status, timed_out) = end(running, deadline, &output)?;
    if output.recv_timeout(LEFT_BEHIND) == Err(mpsc::RecvTimeoutError::Timeout) {
        say("the command ended and left processes behind; what they print is not waited for");
    }
    lock(screen).end_line();
    Ok(Ended {
        exit_code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        timed_out,
        ..Ended::default()
    })
}

/// Waits for its end, and brings it about at the deadline. No status: not even SIGKILL ended it.
fn end(
    mut running: Child,
    deadline: Option<Instant>,
    output: &Receiver<()>,
) -> io::Result<(Option<ExitStatus>, bool)> {
    let Some(deadline) = deadline else {
        return Ok((Some(running.wait()?), false));
    };
    let id = i32::try_from(running.id()).map_err(io::Error::other)?;
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        // It stays a zombie until it is waited for below, so that its number, and its group's, is nobody else's.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(Pid::from_raw(id)), flags) == Err(Errno::EINTR) {}
        let _ = sender.send(());
    });
    let left = deadline.saturating_duration_since(Instant::now());
    if ended.recv_timeout(left).is_ok() {
        return Ok((Some(running.wait()?), false));
    }
    say("the command took longer than it may, and is asked to end (SIGTERM)");
    // Where this fails, the group is gone.
    let _ = killpg(Pid::from_raw(id), Signal::SIGTERM);
    let last = Instant::now() + TERMINATION;
    let mut gone = ended.recv_timeout(TERMINATION).is_ok();
    // A shell ends at once, and what it started may need the rest of the time to end well.
    let quiet = output.recv_timeout(last.saturating_duration_since(Instant::now()));
    if !gone || quiet == Err(mpsc::RecvTimeoutError::Timeout) {
        say("it is ended (SIGKILL)");
    }
    let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    gone = gone || ended.recv_timeout(TERMINATION).is_ok();
    let status = if gone { Some(running.wait()?) } else { None };
    Ok((status, true))
}

/// A panic while it was held does not matter: the build aborts on one.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drain(mut reader: PipeReader, screen: &Mutex<Screen>) {
    let mut part = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut part) {
            Ok(0) => break,
            Ok(read) => lock(screen).take(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Shows lines as they come, up to a limit, and remembers what matters of them.
struct Screen {
    /// None: it is over, and what comes still is not shown.
    redactor: Option<Redactor>,
    window: Window,
    findings: Findings,
    left: usize,
}

impl Screen {
    fn new(redactor: Redactor, findings: Findings) -> Screen {
        Screen {
            redactor: Some(redactor),
            window: Window::default(),
            findings,
            left: OUTPUT_LIMIT,
        }
    }

    /// What follows is another command's: what the one before it printed does not explain its end.
    fn next_command(&mut self) {
        self.window = Window::default();
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        if let Some(redactor) = &mut self.redactor {
            redactor.push(bytes, |line| lines.push(line));
        }
        self.show(&lines);
    }

    /// Shows what stands behind the last line end.
    fn end_line(&mut self) {
        if let Some(line) = self.redactor.as_mut().and_then(Redactor::finish) {
            self.show(&[line]);
        }
    }

    fn close(&mut self) {
        self.end_line();
        self.redactor = None;
    }

    fn show(&mut self, lines: &[String]) {
        let mut text = String::new();
        for line in lines {
            self.window.push(line);
            self.findings.look(line);
            if self.left == 0 {
                continue;
            }
            if line.len() < self.left {
                self.left -= line.len() + 1;
                text.push_str(line);
                text.push('\n');
            } else {
                self.left = 0;
                text.push_str(
                    "dbm-agent: the output is longer than 8 MiB; the rest is not shown\n",
                );
            }
        }
        // Where nobody reads it any more, the command still has to come to its end.
        let mut output = io::stdout().lock();
        let _ = output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush());
    }
}
