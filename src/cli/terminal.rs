//! The terminal: what it can do, writing to it, and asking.

use std::io::{BufRead, ErrorKind, IsTerminal, Write, stderr, stdin, stdout};

use super::exit::Failure;
use super::style::Style;
use super::text::said_lines;

/// What the standard streams are.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Somebody can be asked.
    pub asks: bool,
    /// Standard output is a terminal.
    pub shows: bool,
    /// Colours of standard output.
    pub out: Style,
    /// Colours of standard error.
    pub err: Style,
}

impl Terminal {
    /// Looks at the standard streams and the environment.
    pub fn new(no_color: bool) -> Self {
        let colour = |choice: anstream::ColorChoice, terminal: bool| Style {
            colour: terminal && !no_color && choice != anstream::ColorChoice::Never,
        };
        let shows = stdout().is_terminal();
        Terminal {
            asks: stdin().is_terminal() && stderr().is_terminal(),
            shows,
            out: colour(anstream::AutoStream::choice(&stdout()), shows),
            err: colour(
                anstream::AutoStream::choice(&stderr()),
                stderr().is_terminal(),
            ),
        }
    }

    /// Columns and lines of the terminal that standard output is.
    pub fn size(&self) -> Option<(usize, usize)> {
        let (columns, lines) = crossterm::terminal::size().ok().filter(|_| self.shows)?;
        (columns > 0 && lines > 0).then_some((columns.into(), lines.into()))
    }

    /// Its columns.
    pub fn width(&self) -> Option<usize> {
        self.size().map(|(columns, _)| columns)
    }

    /// Asks whether to go on. What is about to happen stands above already. With `word` that word has to be typed.
    ///
    /// # Errors
    /// Where nobody can be asked, or the answer is no.
    pub fn confirm(&self, yes: bool, word: Option<&str>) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !self.asks {
            return Err(Failure::usage(
                "confirmation needed, and standard input is not a terminal: add --yes",
            ));
        }
        let answer = match word {
            Some(word) => self.ask(&format!("Type {word} to go on: "))?,
            None => self.ask("Go on? [y/N] ")?,
        };
        let agreed = match word {
            Some(word) => answer == word,
            None => matches!(answer.to_lowercase().as_str(), "y" | "yes"),
        };
        if agreed {
            Ok(())
        } else {
            Err(Failure::failed("nothing was done"))
        }
    }

    /// Asks for a line.
    ///
    /// # Errors
    /// When standard input has ended.
    pub fn ask(&self, question: &str) -> Result<String, Failure> {
        say_part(question);
        let mut line = String::new();
        match stdin().lock().read_line(&mut line) {
            Ok(read) if read > 0 => Ok(line.trim().to_owned()),
            _ => {
                say("");
                Err(Failure::failed("nothing was done"))
            }
        }
    }
}

/// The exit code of a program that SIGPIPE ended, as it ends others.
const PIPE_CLOSED: i32 = 128 + 13;

/// Writes to standard output. Whoever reads it may have gone, as `head` does: then there is nothing left to do, and nobody was
/// told how it ended.
pub fn print(text: &str) {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(PIPE_CLOSED),
        Err(error) => {
            say(&format!("the output cannot be written: {error}"));
            std::process::exit(1);
        }
    }
}

/// A line on standard error, beside the result. On a terminal it is broken between words.
pub fn say(text: &str) {
    let columns = crossterm::terminal::size()
        .ok()
        .map(|(columns, _)| usize::from(columns))
        .filter(|columns| *columns > 0 && stderr().is_terminal());
    say_part(&format!("{}\n", said_lines(text, columns).join("\n")));
}

fn say_part(text: &str) {
    let mut err = stderr().lock();
    // Nobody to tell.
    let _ = err.write_all(text.as_bytes());
    let _ = err.flush();
}
