//! Where the schemas of an image are, for whoever named one that is not there.

use std::collections::VecDeque;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use super::schema;

/// How deep, and among how many entries of folders, they are looked for.
const DEPTH: usize = 6;
const ENTRIES: usize = 20_000;
/// How many are named.
const NAMED: usize = 5;

/// The Prisma schemas with a datasource below a folder, but for those of packages; of a schema of several files its folder.
/// Links are not followed.
pub fn schemas(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = ENTRIES;
    let mut folders = VecDeque::from([(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop_front() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let mut entries: Vec<DirEntry> = entries.flatten().take(left).collect();
        left -= entries.len();
        entries.sort_by_key(DirEntry::file_name);
        let mut files = Vec::new();
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let skipped = name == "node_modules" || name.to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEPTH && !skipped => {
                    folders.push_back((path, depth + 1));
                }
                Ok(kind)
                    if kind.is_file() && path.extension().is_some_and(|end| end == "prisma") =>
                {
                    files.push(path);
                }
                _ => {}
            }
        }
        let has_datasource = |path: &&PathBuf| {
            let text = fs::read(path).unwrap_or_default();
            schema::datasource(&String::from_utf8_lossy(&text)).is_some()
        };
        let own: Vec<PathBuf> = files.iter().filter(has_datasource).cloned().collect();
        match own.len() {
            1 if files.len() > 1 => found.push(folder),
            _ => found.extend(own),
        }
        if found.len() >= NAMED || left == 0 {
            break;
        }
    }
    found.truncate(NAMED);
    found
}
