//! PURE. Many resources, one line each.

use jiff::Timestamp;
use kube::ResourceExt;

use super::frame::tone;
use crate::api::{DatabaseMigration, reasons};
use crate::cli::style::{Style, Tone};
use crate::cli::text::{age, cut_words, pad, safe, width};
use crate::cli::verdict::condition;

/// A resource as a line of the table.
struct Row<'a>(pub &'a DatabaseMigration);

impl Row<'_> {
    fn cells(&self, namespaces: bool, now: Timestamp) -> Vec<String> {
        let status = self.0.status.clone().unwrap_or_default();
        let ready = condition(&status, reasons::READY);
        let text = |value: &str| {
            if value.is_empty() {
                "-".to_owned()
            } else {
                safe(value)
            }
        };
        let created = self.0.metadata.creation_timestamp.as_ref();
        let mut cells = Vec::new();
        if namespaces {
            cells.push(safe(&self.0.namespace().unwrap_or_default()));
        }
        cells.extend([
            safe(&self.0.name_any()),
            status
                .phase
                .map_or("-".to_owned(), |phase| format!("{phase:?}")),
            text(ready.map_or("", |ready| ready.status.as_str())),
            text(&status.databases_ready),
            status
                .pending_count
                .map_or("-".to_owned(), |count| count.to_string()),
            text(ready.map_or("", |ready| ready.reason.as_str())),
            created.map_or("-".to_owned(), |at| age(at.0, now).replace(' ', "")),
            safe(&status.message),
        ]);
        cells
    }
}

/// Columns that are left out where the terminal is too narrow for all, the first of them first: what they say follows from others, or is
/// said by `status NAME`.
const LEFT_OUT: [&str; 4] = ["AGE", "READY", "PENDING", "DATABASES"];

/// Columns of a message below which it is left out.
const MESSAGE: usize = 12;

/// Between two columns.
const GAP: &str = "   ";

/// The table, with its head.
pub fn table(
    resources: &[DatabaseMigration],
    namespaces: bool,
    now: Timestamp,
    columns: Option<usize>,
    style: Style,
) -> String {
    let mut head = vec![
        "NAME",
        "PHASE",
        "READY",
        "DATABASES",
        "PENDING",
        "REASON",
        "AGE",
        "MESSAGE",
    ];
    if namespaces {
        head.insert(0, "NAMESPACE");
    }
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(|head| (*head).to_owned()).collect()];
    rows.extend(
        resources
            .iter()
            .map(|resource| Row(resource).cells(namespaces, now)),
    );
    let mut kept: Vec<usize> = (0..head.len()).collect();
    if let Some(columns) = columns {
        fit(&head, &mut rows, &mut kept, columns);
    }
    let widths = widths(&rows);
    let fits = columns.is_none_or(|columns| total(&widths, &kept) <= columns);
    let phase_at = usize::from(namespaces) + 1;
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let phase = number
            .checked_sub(1)
            .and_then(|at| resources.get(at))
            .and_then(|resource| resource.status.as_ref()?.phase);
        let cells = kept.iter().map(|at| {
            let last = Some(at) == kept.last() || !fits;
            let text = pad(&row[*at], if last { 0 } else { widths[*at] });
            match number {
                0 => style.paint(Tone::Dim, &text),
                _ if *at == phase_at => style.paint(tone(phase), &text),
                _ => text,
            }
        });
        let cells: Vec<String> = cells.collect();
        match columns.filter(|_| !fits) {
            Some(columns) => flow(&mut out, &cells, columns),
            None => out.push_str(cells.join(GAP).trim_end()),
        }
        out.push('\n');
    }
    out
}

/// Of each column.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let of = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    (0..columns)
        .map(|at| of(at).map(|cell| width(cell)).max().unwrap_or(0))
        .collect()
}

fn total(widths: &[usize], kept: &[usize]) -> usize {
    let gaps = GAP.len() * kept.len().saturating_sub(1);
    kept.iter().map(|at| widths[*at]).sum::<usize>() + gaps
}

/// Makes it fit: the messages are cut, then left out, then columns are.
fn fit(head: &[&str], rows: &mut [Vec<String>], kept: &mut Vec<usize>, columns: usize) {
    let message = head.len() - 1;
    let before = total(&widths(rows), &kept[..message]) + GAP.len();
    let room = columns.saturating_sub(before);
    if room >= MESSAGE {
        for row in rows.iter_mut() {
            row[message] = cut_words(&row[message], room);
        }
        return;
    }
    kept.retain(|at| *at != message);
    for name in LEFT_OUT {
        if total(&widths(rows), kept) <= columns {
            return;
        }
        kept.retain(|at| head[*at] != name);
    }
}

/// The cells on as many lines as they need, where names are too long for a table.
fn flow(out: &mut String, cells: &[String], columns: usize) {
    let mut used = 0;
    for cell in cells {
        if used > 0 && used + GAP.len() + width(cell) > columns {
            out.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            out.push_str(GAP);
            used += GAP.len();
        }
        out.push_str(cell);
        used += width(cell);
    }
}
