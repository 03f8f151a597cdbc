//! Reads a folder of migrations.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::decode::Decoder;
use super::digest::Digests;
use super::layout::Rules;
use super::order;
use dbm_protocol::{Migration, ProblemReason};

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
    let rules = Rules::of(prisma_version);
    for name in names {
        let (migration, complete) = migration(&folder.join(&name), name, rules, &mut budget)?;
        result.migrations.push(migration);
        result.truncated |= !complete;
    }
    Ok(result)
}

fn migration(
    folder: &Path,
    name: String,
    rules: Rules,
    budget: &mut u64,
) -> Result<(Migration, bool), Unreadable> {
    let path = folder.join("migration.sql");
    let down_sql = beside(folder, &["down.sql"])?;
    let notes = beside(folder, &["README.md", "notes.md"])?;
    let mut migration = Migration {
        name,
        down_sql,
        notes,
        ..Migration::default()
    };
    let content = match stream(&path, *budget) {
        Ok(content) => content,
        Err(error) => {
            migration.unreadable = Some(if error.kind() == io::ErrorKind::NotFound {
                "has no migration.sql".to_owned()
            } else {
                format!("has a migration.sql that cannot be read: {error}")
            });
            return Ok((migration, true));
        }
    };
    migration.unreadable = content.unreadable(rules);
    *budget -= content.text.as_ref().map_or(0, |text| text.len() as u64);
    let complete = content.text.is_some();
    (migration.sha256, migration.other_sha256) = content.digests;
    migration.size = content.size;
    migration.sql = content.text;
    Ok((migration, complete))
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
    digests: (String, Vec<String>),
    /// Where the first byte stands that is no UTF-8.
    bad: Option<u64>,
    /// Where the first NUL stands.
    nul: Option<u64>,
    /// Unless it is bigger than the budget.
    text: Option<String>,
}

impl Content {
    /// Why it could not be applied, if so.
    fn unreadable(&self, rules: Rules) -> Option<String> {
        match (self.bad, self.nul) {
            (Some(byte), _) if !rules.replaces_bad_bytes() => Some(format!(
                "has a migration.sql that is not UTF-8 at byte {byte}, and this version of Prisma reads no other: save it as UTF-8"
            )),
            (_, Some(byte)) => Some(format!(
                "has a migration.sql with a NUL at byte {byte}, as a text in UTF-16 has, and PostgreSQL takes none: save it as UTF-8"
            )),
            _ => None,
        }
    }
}

/// Reads a file in parts, so that a huge one needs no memory. What counts is the text as Prisma decodes it.
fn stream(path: &Path, budget: u64) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let mut part = vec![0; 64 * 1024];
    let mut decoder = Decoder::default();
    let mut digests = Digests::default();
    let mut kept = Some(String::new());
    let mut size = 0;
    let mut take = |text: &str| {
        digests.update(text.as_bytes());
        if let Some(known) = &mut kept {
            if (known.len() + text.len()) as u64 > budget {
                kept = None;
            } else {
                known.push_str(text);
            }
        }
    };
    loop {
        let read = match file.read(&mut part) {
            Ok(0) => break,
            Ok(read) => &part[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        size += read.len() as u64;
        decoder.push(read, &mut take);
    }
    decoder.finish(&mut take);
    Ok(Content {
        size,
        digests: digests.finish(),
        bad: decoder.bad,
        nul: decoder.nul,
        text: kept,
    })
}
