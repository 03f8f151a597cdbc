//! `status --watch`: on a terminal a screen that is redrawn in its place, elsewhere a line for each change.

use std::io::{Write, stdout};
use std::pin::pin;
use std::time::Duration;

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate,
};
use futures::StreamExt;

use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::follow;
use super::page;
use super::screen::{self, Screen};
use super::terminal::{Terminal, print};
use super::text::safe;
use super::verdict;
use crate::api::DatabaseMigration;
use crate::runtime::clock;

/// Shows a resource until it has settled.
///
/// # Errors
/// When it cannot be watched, or was deleted.
pub async fn watch(cluster: &Cluster, terminal: &Terminal, name: &str) -> Result<Exit, Failure> {
    // What is not there is told before a screen is begun.
    cluster.get(name).await?;
    if !terminal.shows {
        return lines(cluster, name).await;
    }
    let mut drawn = Drawn::begin();
    let result = redraw(cluster, terminal, name, &mut drawn).await;
    drawn.erase();
    drop(drawn);
    let (resource, exit) = result?;
    print(&page::full(cluster, terminal, &resource).await);
    Ok(exit)
}

/// Until it has settled, or somebody presses Ctrl-C.
async fn redraw(
    cluster: &Cluster,
    terminal: &Terminal,
    name: &str,
    drawn: &mut Drawn,
) -> Result<(DatabaseMigration, Exit), Failure> {
    let mut events = pin!(cluster.watch(cluster.migrations(), name, "databasemigrations"));
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    // The times on the screen go on by themselves; nothing is asked of the cluster for that.
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut last: Option<DatabaseMigration> = None;
    loop {
        tokio::select! {
            _ = &mut interrupted => {
                return match last {
                    Some(resource) => Ok((resource, Exit::Interrupted)),
                    None => Err(Failure { exit: Exit::Interrupted, message: "interrupted".to_owned() }),
                };
            }
            _ = tick.tick() => {}
            event = events.next() => match event {
                Some(Ok(Some(resource))) => last = Some(resource),
                Some(Ok(None)) => return Err(gone(cluster, name)),
                Some(Err(failure)) => return Err(failure),
                None => return Err(Failure::unreachable("the watch has ended")),
            },
        }
        let Some(resource) = &last else { continue };
        if let Some(exit) = verdict::settled(resource) {
            return Ok((resource.clone(), exit));
        }
        let text = screen::live(&Screen {
            resource,
            now: clock::now(),
            width: terminal.width(),
            style: terminal.out,
            prisma: &[],
        });
        drawn.draw(&text, terminal.size());
    }
}

fn gone(cluster: &Cluster, name: &str) -> Failure {
    Failure::failed(format!(
        "DatabaseMigration {}/{} is not there any more",
        safe(&cluster.namespace),
        safe(name)
    ))
}

/// Without a terminal: a line for each change, with its time.
async fn lines(cluster: &Cluster, name: &str) -> Result<Exit, Failure> {
    let mut events = pin!(cluster.watch(cluster.migrations(), name, "databasemigrations"));
    let mut told = String::new();
    loop {
        let resource = match events.next().await {
            Some(Ok(Some(resource))) => resource,
            Some(Ok(None)) => return Err(gone(cluster, name)),
            Some(Err(failure)) => return Err(failure),
            None => return Err(Failure::unreachable("the watch has ended")),
        };
        let words = resource
            .status
            .as_ref()
            .map_or(String::new(), follow::progress_words);
        // What the operator said of an older spec is not about now.
        if verdict::is_current(&resource) && words != told && !words.is_empty() {
            let time = clock::now().to_zoned(jiff::tz::TimeZone::UTC);
            print(&format!("{} {words}\n", time.strftime("%H:%M:%SZ")));
            told = words;
        }
        if let Some(exit) = verdict::settled(&resource) {
            return Ok(exit);
        }
    }
}

/// What stands on the terminal now. The cursor is hidden for as long as this lives.
struct Drawn {
    lines: usize,
}

impl Drawn {
    fn begin() -> Self {
        let mut out = stdout().lock();
        // A terminal that does not take it is drawn on without it.
        let _ = queue!(out, Hide).and_then(|()| out.flush());
        Drawn { lines: 0 }
    }

    /// Replaces what stands there, in one piece. More lines than the terminal has would scroll away and stay, so
    /// their middle is left out.
    fn draw(&mut self, text: &str, size: Option<(usize, usize)>) {
        let all: Vec<&str> = text.lines().collect();
        let room = size.map_or(usize::MAX, |(_, lines)| lines.saturating_sub(1).max(1));
        let shown = &all[..all.len().min(room)];
        let mut out = stdout().lock();
        let _ = queue!(out, BeginSynchronizedUpdate, DisableLineWrap);
        self.go_to_top(&mut out);
        for line in shown {
            let _ = write!(out, "{line}");
            let _ = queue!(out, Clear(ClearType::UntilNewLine));
            let _ = writeln!(out);
        }
        let _ = queue!(
            out,
            Clear(ClearType::FromCursorDown),
            EnableLineWrap,
            EndSynchronizedUpdate
        );
        let _ = out.flush();
        self.lines = shown.len();
    }

    fn go_to_top(&self, out: &mut impl Write) {
        if let Ok(lines @ 1..) = u16::try_from(self.lines) {
            let _ = queue!(out, MoveUp(lines));
        }
        let _ = queue!(out, MoveToColumn(0));
    }

    /// Takes it away, so that what follows stands in its place.
    fn erase(&mut self) {
        let mut out = stdout().lock();
        self.go_to_top(&mut out);
        let _ = queue!(out, Clear(ClearType::FromCursorDown));
        let _ = out.flush();
        self.lines = 0;
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        let mut out = stdout().lock();
        let _ = queue!(out, EnableLineWrap, Show).and_then(|()| out.flush());
    }
}
