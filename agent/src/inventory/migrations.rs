//! Reads a folder of migrations.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::digest::Digests;
use super::order;
use crate::protocol::{Migration, ProblemReason};

/// Texts of a database that are kept, bytes; what is beyond is left out, as it would not fit into the report either.
const TEXT_LIMIT: u64 = 64 * 1024 * 1024;

/// The migrations of a folder in Prisma's order, and whether texts were left out.
pub(super) struct Folder {
    pub(super) migrations: Vec<Migration>,
    pub(super) truncated: bool,
}

/// Why a folder cannot be read: the reason, and a sentence without the name of the database.
pub(super) type Unreadable = (ProblemReason, String);

/// Reads all of it.
pub(super) fn read(folder: &Path, prisma_version: Option<&str>) -> Result<Folder, Unreadable> {
    let shown = folder.display();
    let unreadable = |error: &io::Error| {
        (
            ProblemReason::MigrationUnreadable,
            format!("{shown} cannot be read: {error}"),
        )
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        // As Prisma does: a link to a folder is none.
        if entry
            .file_type()
            .map_err(|error| unreadable(&error))?
            .is_dir()
        {
            let name = entry.file_name();
            let valid = name
                .to_str()
                .filter(|name| !name.chars().any(char::is_control));
            let Some(name) = valid else {
                let message = format!(
                    "the folder {name:?} in {shown} has a name that is not UTF-8 or holds a control character; rename it"
                );
                return Err((ProblemReason::MigrationNameInvalid, message));
            };
            names.push(name.to_owned());
        }
    }
    names.sort_by(|left, right| order::compare(left, right, prisma_version));

    let mut budget = TEXT_LIMIT;
    let mut result = Folder {
        migrations: Vec::with_capacity(names.len()),
        truncated: false,
    };
    for name in names {
        let (migration, complete) = migration(&folder.join(&name), name, &mut budget)?;
        result.migrations.push(migration);
        result.truncated |= !complete;
    }
    Ok(result)
}

fn migration(
    folder: &Path,
    name: String,
    budget: &mut u64,
) -> Result<(Migration, bool), Unreadable> {
    let path = folder.join("migration.sql");
    let mut digests = Digests::default();
    let content = stream(&path, *budget, |part| digests.update(part)).map_err(|error| {
        let what = if error.kind() == io::ErrorKind::NotFound {
            format!("{} has no migration.sql; Prisma would stop at it (P3015): add the file or remove the folder", folder.display())
        } else {
            format!("{} cannot be read: {error}", path.display())
        };
        (ProblemReason::MigrationUnreadable, what)
    })?;
    let (sha256, other_sha256) = digests.finish();
    *budget -= content.text.as_ref().map_or(0, |_| content.size);
    let down_sql = beside(folder, &["down.sql"])?;
    let notes = beside(folder, &["README.md", "notes.md"])?;
    let complete = content.text.is_some();
    Ok((
        Migration {
            name,
            sha256,
            other_sha256,
            size: content.size,
            sql: content.text,
            down_sql,
            notes,
        },
        complete,
    ))
}

/// The first of these files that exists.
fn beside(folder: &Path, names: &[&str]) -> Result<Option<String>, Unreadable> {
    for name in names {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err((
                    ProblemReason::MigrationUnreadable,
                    format!("{} cannot be read: {error}", path.display()),
                ));
            }
        }
    }
    Ok(None)
}

struct Content {
    size: u64,
    /// Unless it is bigger than the budget.
    text: Option<String>,
}

/// Reads a file in parts, so that a huge one needs no memory.
fn stream(path: &Path, budget: u64, mut each: impl FnMut(&[u8])) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let mut part = vec![0; 64 * 1024];
    let mut kept = Some(Vec::new());
    let mut size = 0;
    loop {
        let read = match file.read(&mut part) {
            Ok(0) => break,
            Ok(read) => &part[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        each(read);
        size += read.len() as u64;
        if size > budget {
            kept = None;
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(read);
        }
    }
    let text = kept.map(|bytes| {
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    });
    Ok(Content { size, text })
}
