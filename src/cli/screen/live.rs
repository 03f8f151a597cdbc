//! PURE. The live screen of `status --watch`: the tree, a bar for each database at work, the last message, and what
//! would help a migration that is held up.

use super::advice::choices;
use super::frame::Screen;
use super::line::Mark;
use super::tree::{lines, print};
use super::{header, notes};
use crate::api::{DatabasePhase, DatabaseStatus};
use crate::cli::text::{cut, safe, wrap};

/// Columns of a bar.
const BAR: u32 = 20;

/// The screen at this moment; no line of it is wider than the terminal, but for a word that is.
pub fn live(screen: &Screen) -> String {
    let mut out = header(screen);
    out.push_str(&notes(screen));
    let Some(status) = screen.status() else {
        return out;
    };
    out.push('\n');
    let mut lines = lines(screen);
    for line in &mut lines {
        let database = status
            .databases
            .iter()
            .find(|d| safe(&d.name) == line.label);
        if let Some(database) = database
            && line.mark == Mark::Running
            && database.phase == DatabasePhase::Migrating
        {
            line.text = format!("{}  {}", bar(database), line.text);
        }
    }
    out.push_str(&print(screen, &lines));
    if !status.message.is_empty() {
        out.push('\n');
        for line in wrap(&safe(&status.message), screen.width) {
            let line = screen
                .width
                .map_or(line.clone(), |columns| cut(&line, columns));
            out.push_str(&line);
            out.push('\n');
        }
    }
    out.push_str(&choices(screen, status));
    out
}

/// `[████████████        ]`, of what the run set out to apply.
fn bar(database: &DatabaseStatus) -> String {
    let all = database.applied_by_run + database.pending_count;
    let full = (database.applied_by_run * BAR)
        .checked_div(all)
        .unwrap_or(0);
    let part = |character: &str, columns: u32| (0..columns).map(|_| character).collect::<String>();
    format!(
        "[{}{}]",
        part("█", full.min(BAR)),
        part("░", BAR.saturating_sub(full))
    )
}
