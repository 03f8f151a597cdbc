//! The report on its way through the container's log: one line of compressed JSON.

use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::{DatabaseInventory, INVENTORY_FRAME, InventoryReport};

/// A database's compressed inventory stays below this, to fit into an object of the cluster.
pub const DATABASE_LIMIT: usize = 900 * 1024;

/// All databases together stay below this: the kubelet rotates a container's log at 10 MiB.
const REPORT_LIMIT: usize = 5 * 1024 * 1024;

/// All databases together stay below this, unpacked: a reader unpacks no more, because it is the operator's memory, and the
/// line is an image's. What is read of it takes up to five times as much.
const UNPACKED_LIMIT: usize = 16 * 1024 * 1024;

/// Bytes that an inventory may take.
#[derive(Clone, Copy)]
struct Room {
    packed: usize,
    unpacked: usize,
}

/// Leaves out SQL texts and notes, the largest first, until each database fits.
///
/// # Errors
/// When compressing fails, which it cannot in memory.
pub fn shrink(report: &mut InventoryReport) -> io::Result<()> {
    let number = report.databases.len().max(1);
    let room = Room {
        packed: DATABASE_LIMIT.min(REPORT_LIMIT / number),
        // Half of it, because the frame has something to say, too.
        unpacked: UNPACKED_LIMIT / 2 / number,
    };
    report
        .databases
        .iter_mut()
        .try_for_each(|inventory| shrink_to(inventory, room))
}

fn shrink_to(inventory: &mut DatabaseInventory, room: Room) -> io::Result<()> {
    if fits(inventory, room)? {
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
        if fits(&without(inventory, &texts[..middle]), room)? {
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

    fn of(self, migration: &mut crate::Migration) -> &mut Option<String> {
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

fn fits(inventory: &DatabaseInventory, room: Room) -> io::Result<bool> {
    let unpacked = serde_json::to_vec(inventory)?;
    Ok(unpacked.len() < room.unpacked && compress(&unpacked)?.len() < room.packed)
}

fn compress(unpacked: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(unpacked)?;
    encoder.finish()
}

/// The line, without its end.
///
/// # Errors
/// When compressing fails, which it cannot in memory.
pub fn encode(report: &InventoryReport) -> io::Result<String> {
    let mut line = String::from(INVENTORY_FRAME);
    STANDARD.encode_string(compress(&serde_json::to_vec(report)?)?, &mut line);
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
    unpack_to(&compressed, UNPACKED_LIMIT)
}

fn unpack_to(compressed: &[u8], limit: usize) -> Result<InventoryReport, String> {
    let mut json = Vec::new();
    let read = GzDecoder::new(compressed)
        .take(limit as u64)
        .read_to_end(&mut json)
        .map_err(|error| format!("the inventory cannot be unpacked: {error}"))?;
    if read == limit {
        return Err(format!(
            "the inventory is bigger than {} MiB",
            limit / (1024 * 1024)
        ));
    }
    serde_json::from_slice(&json)
        .map_err(|error| format!("the inventory is not of this version: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Migration;

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
        assert!(encode(&sent).unwrap().len() < DATABASE_LIMIT * 3 / 2);
        assert!(
            sent.databases[0]
                .migrations
                .iter()
                .all(|migration| migration.notes.is_some())
        );
    }

    /// What compresses well fits packed and not unpacked.
    #[test]
    fn what_unpacks_to_too_much_is_left_out() {
        let mut sent = report(&[1000, 1000]);
        sent.databases[0].migrations[0].sql = Some(" ".repeat(UNPACKED_LIMIT / 2));
        shrink(&mut sent).unwrap();
        let kept = |n: usize| sent.databases[0].migrations[n].sql.is_some();
        assert_eq!(
            (kept(0), kept(1), sent.databases[0].truncated),
            (false, true, true)
        );
        assert_eq!(decode(&encode(&sent).unwrap()).unwrap().unwrap(), sent);
    }

    /// A small line may unpack to a lot.
    #[test]
    fn what_unpacks_to_more_than_the_limit_is_refused() {
        let sent = report(&[5_000]);
        let packed = compress(&serde_json::to_vec(&sent).unwrap()).unwrap();
        assert_eq!(unpack_to(&packed, 64 * 1024).unwrap(), sent);
        let refused = unpack_to(&packed, 4 * 1024).unwrap_err();
        assert!(refused.contains("bigger than"), "{refused}");
    }

    #[test]
    fn many_databases_share_the_log() {
        let mut sent = report(&[400_000, 400_000]);
        sent.databases = vec![sent.databases[0].clone(); 12];
        shrink(&mut sent).unwrap();
        assert!(encode(&sent).unwrap().len() < 7 * 1024 * 1024);
        assert!(sent.databases.iter().all(|inventory| inventory.truncated));
    }
}
