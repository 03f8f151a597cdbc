//! The report on its way through the container's log: one line of compressed JSON.

use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::protocol::{DatabaseInventory, INVENTORY_FRAME, InventoryReport};

/// A database's compressed inventory stays below this, to fit into an object of the cluster.
pub const DATABASE_LIMIT: usize = 900 * 1024;

/// All databases together stay below this: the kubelet rotates a container's log at 10 MiB.
const REPORT_LIMIT: usize = 5 * 1024 * 1024;

/// What a reader is ready to unpack.
const UNPACKED_LIMIT: u64 = 256 * 1024 * 1024;

/// Leaves out SQL texts and notes, the largest first, until each database fits.
///
/// # Errors
/// When compressing fails, which it cannot in memory.
pub fn shrink(report: &mut InventoryReport) -> io::Result<()> {
    let limit = DATABASE_LIMIT.min(REPORT_LIMIT / report.databases.len().max(1));
    report
        .databases
        .iter_mut()
        .try_for_each(|inventory| shrink_to(inventory, limit))
}

fn shrink_to(inventory: &mut DatabaseInventory, limit: usize) -> io::Result<()> {
    if compressed_size(inventory)? < limit {
        return Ok(());
    }
    inventory.truncated = true;
    let mut texts: Vec<(usize, usize, Text)> = Vec::new();
    for (number, migration) in inventory.migrations.iter_mut().enumerate() {
        for text in Text::ALL {
            if let Some(content) = text.of(migration) {
                texts.push((content.len(), number, text));
            }
        }
    }
    texts.sort_by_key(|(size, _, _)| std::cmp::Reverse(*size));
    // How many of them have to go: the least number that makes it fit.
    let (mut enough, mut too_few) = (texts.len(), 0);
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        if compressed_size(&without(inventory, &texts[..middle]))? < limit {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    *inventory = without(inventory, &texts[..enough]);
    Ok(())
}

#[derive(Clone, Copy)]
enum Text {
    Sql,
    Down,
    Notes,
}

impl Text {
    const ALL: [Text; 3] = [Text::Sql, Text::Down, Text::Notes];

    fn of(self, migration: &mut crate::protocol::Migration) -> &mut Option<String> {
        match self {
            Text::Sql => &mut migration.sql,
            Text::Down => &mut migration.down_sql,
            Text::Notes => &mut migration.notes,
        }
    }
}

fn without(inventory: &DatabaseInventory, texts: &[(usize, usize, Text)]) -> DatabaseInventory {
    let mut smaller = inventory.clone();
    for (_, number, text) in texts {
        *text.of(&mut smaller.migrations[*number]) = None;
    }
    smaller
}

fn compressed_size(inventory: &DatabaseInventory) -> io::Result<usize> {
    compress(inventory).map(|bytes| bytes.len())
}

fn compress(value: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut encoder, value)?;
    encoder.flush()?;
    encoder.finish()
}

/// The line, without its end.
///
/// # Errors
/// When compressing fails, which it cannot in memory.
pub fn encode(report: &InventoryReport) -> io::Result<String> {
    let mut line = String::from(INVENTORY_FRAME);
    STANDARD.encode_string(compress(report)?, &mut line);
    Ok(line)
}

/// Reads a line that [`encode`] wrote. `None` where the line is no frame, as any other line of a log.
#[must_use]
pub fn decode(line: &str) -> Option<Result<InventoryReport, String>> {
    let base64 = line.trim_end().strip_prefix(INVENTORY_FRAME)?;
    Some(unpack(base64))
}

fn unpack(base64: &str) -> Result<InventoryReport, String> {
    let compressed = STANDARD
        .decode(base64)
        .map_err(|error| format!("the inventory is not base64: {error}"))?;
    let mut json = Vec::new();
    GzDecoder::new(compressed.as_slice())
        .take(UNPACKED_LIMIT)
        .read_to_end(&mut json)
        .map_err(|error| format!("the inventory cannot be unpacked: {error}"))?;
    serde_json::from_slice(&json)
        .map_err(|error| format!("the inventory is not of this version: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::Migration;

    /// Text that does not compress.
    fn noise(size: usize, mut seed: u64) -> String {
        std::iter::repeat_with(|| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((seed >> 33) % 94).unwrap())
        })
        .take(size)
        .collect()
    }

    fn report(sizes: &[usize]) -> InventoryReport {
        let migrations = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| Migration {
                name: number.to_string(),
                sql: Some(noise(*size, number as u64)),
                notes: Some("note".into()),
                ..Migration::default()
            })
            .collect();
        InventoryReport {
            version: 1,
            databases: vec![DatabaseInventory {
                migrations,
                ..DatabaseInventory::default()
            }],
        }
    }

    #[test]
    fn what_fits_comes_back_as_it_was() {
        let mut sent = report(&[1000, 2000]);
        let before = sent.clone();
        shrink(&mut sent).unwrap();
        assert_eq!(sent, before);
        let line = encode(&sent).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(decode(&format!("{line}\n")).unwrap().unwrap(), before);
        assert!(decode("something else").is_none());
        assert!(decode("DBM-INVENTORY-1 !!").unwrap().is_err());
    }

    #[test]
    fn the_largest_texts_go_first() {
        let mut sent = report(&[100_000, 600_000, 50_000, 900_000]);
        shrink(&mut sent).unwrap();
        let kept: Vec<bool> = sent.databases[0]
            .migrations
            .iter()
            .map(|migration| migration.sql.is_some())
            .collect();
        assert_eq!(kept, [true, true, true, false]);
        assert!(sent.databases[0].truncated);
        assert!(compressed_size(&sent.databases[0]).unwrap() < DATABASE_LIMIT);
        assert!(
            sent.databases[0]
                .migrations
                .iter()
                .all(|migration| migration.notes.is_some())
        );
    }

    #[test]
    fn many_databases_share_the_log() {
        let mut sent = report(&[400_000, 400_000]);
        sent.databases = vec![sent.databases[0].clone(); 30];
        shrink(&mut sent).unwrap();
        assert!(encode(&sent).unwrap().len() < 8 * 1024 * 1024);
        assert!(sent.databases.iter().all(|inventory| inventory.truncated));
    }
}
