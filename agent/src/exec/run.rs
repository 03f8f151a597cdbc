//! Starts the command, and shows what it prints.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::command::Command;
use super::environment::Variables;
use super::redact::Redactor;
use crate::recognise::{Recognised, Window};

/// Output that is shown, bytes; the rest is read and dropped.
const OUTPUT_LIMIT: usize = 8 * 1024 * 1024;

/// How long to wait for the output of processes that the command left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// How the command ended.
pub struct Ended {
    /// Its exit code, unless a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What its output says about a failure.
    pub recognised: Recognised,
}

/// Runs it to its end.
///
/// # Errors
/// When it could not be started: then nothing was executed.
pub fn run(command: &Command, variables: &Variables, redactor: Redactor) -> io::Result<Ended> {
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
    let mut running = child.spawn()?;
    // It holds the pipe's other end, which would stay open.
    drop(child);

    let screen = Arc::new(Mutex::new(Screen::new(redactor)));
    let (finished, wait) = mpsc::channel();
    let shown = Arc::clone(&screen);
    thread::spawn(move || {
        drain(reader, &shown);
        // Nobody waits for it any more where this fails.
        let _ = finished.send(());
    });
    let status = running.wait()?;
    if wait.recv_timeout(LEFT_BEHIND).is_err() {
        super::say(
            "the command ended and left processes behind; what they print is not waited for",
        );
    }
    let mut screen = lock(&screen);
    screen.finish();
    Ok(Ended {
        exit_code: status.code(),
        signal: status.signal(),
        recognised: screen.window.recognised(),
    })
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
    lock(screen).finish();
}

/// Shows lines as they come, up to a limit, and remembers what matters of them.
struct Screen {
    redactor: Option<Redactor>,
    window: Window,
    left: usize,
}

impl Screen {
    fn new(redactor: Redactor) -> Screen {
        Screen {
            redactor: Some(redactor),
            window: Window::default(),
            left: OUTPUT_LIMIT,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        if let Some(redactor) = &mut self.redactor {
            redactor.push(bytes, |line| lines.push(line));
        }
        self.show(&lines);
    }

    fn finish(&mut self) {
        if let Some(line) = self
            .redactor
            .take()
            .and_then(|mut redactor| redactor.finish())
        {
            self.show(&[line]);
        }
    }

    fn show(&mut self, lines: &[String]) {
        let mut text = String::new();
        for line in lines {
            self.window.push(line);
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
