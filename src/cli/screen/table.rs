//! PURE. Many resources, one line each.

use jiff::Timestamp;
use kube::ResourceExt;

use super::tone;
use crate::api::{DatabaseMigration, reasons};
use crate::cli::style::{Style, Tone};
use crate::cli::text::{age, cut, pad, safe, width};
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
    let phase_at = usize::from(namespaces) + 1;
    let rows: Vec<Vec<String>> = resources
        .iter()
        .map(|resource| Row(resource).cells(namespaces, now))
        .collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, head)| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| width(cell)).fold(head.len(), usize::max)
        })
        .collect();
    let last = head.len() - 1;
    let before_last: usize = widths[..last].iter().map(|width| width + 3).sum();
    let room = columns.map(|columns| columns.saturating_sub(before_last));
    let mut out = String::new();
    let mut line = |cells: &[String], tones: Option<Tone>, heading: bool| {
        let mut text = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let mut cell = cell.clone();
            if at == last {
                match room {
                    Some(room) if room < 12 => cell.clear(),
                    Some(room) => cell = cut(&cell, room),
                    None => {}
                }
            }
            let padded = pad(&cell, if at == last { 0 } else { widths[at] });
            let painted = match tones {
                _ if heading => style.paint(Tone::Dim, &padded),
                Some(tone) if at == phase_at => style.paint(tone, &padded),
                _ => padded,
            };
            text.push_str(&painted);
            if at != last {
                text.push_str("   ");
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let head: Vec<String> = head.into_iter().map(str::to_owned).collect();
    line(&head, None, true);
    for (resource, cells) in resources.iter().zip(&rows) {
        let phase = resource.status.as_ref().and_then(|status| status.phase);
        line(cells, Some(tone(phase)), false);
    }
    out
}
