//! The `down.sql` beside a migration, as a file that Prisma can execute.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::say::internal;
use crate::inventory::Project;
use dbm_protocol::{Problem, ProblemReason, Refusal, Script};

/// How many names are tried, where files of former runs stand in the way.
const NAMES: u32 = 100;

/// The whole script. The text of `down.sql` is the one that the inventory's hash was made of, so it is the one that was
/// approved; and only a folder that the inventory lists can be named.
///
/// # Errors
/// When there is no such migration, or no `down.sql` beside it.
pub fn text(script: &Script, project: &Project) -> Result<String, Refusal> {
    let name = &script.migration;
    let folder = project.migrations.display();
    let found = project
        .inventory
        .migrations
        .iter()
        .find(|migration| migration.name == *name)
        .ok_or_else(|| {
            unreadable(format!(
                "there is no migration {name:?} in {folder}, so there is no down.sql to run"
            ))
        })?;
    let down = found.down_sql.as_ref().ok_or_else(|| {
        unreadable(format!(
            "the migration {name:?} has no down.sql: there is no file {}; add one to the image, or undo the migration by \
             hand and mark it rolled back",
            project.migrations.join(name).join("down.sql").display()
        ))
    })?;
    // A mark of the encoding is one at a file's beginning only.
    let down = down.strip_prefix('\u{feff}').unwrap_or(down);
    Ok(format!("{}{down}{}", script.before, script.after))
}

fn unreadable(message: String) -> Refusal {
    Refusal::Problem(Problem {
        reason: ProblemReason::MigrationUnreadable,
        message,
    })
}

/// A file that only this user can read, and that goes with this value.
#[derive(Debug)]
pub struct ScriptFile(PathBuf);

impl ScriptFile {
    /// Writes it into the first of these folders that takes it.
    ///
    /// # Errors
    /// When none does.
    pub fn write(text: &str, folders: &[PathBuf]) -> Result<ScriptFile, Refusal> {
        let mut last = "there is no folder for it".to_owned();
        for folder in folders {
            match create(folder, text) {
                Ok(file) => return Ok(file),
                Err(error) => last = format!("{}: {error}", folder.display()),
            }
        }
        Err(internal(format!("the script cannot be written: {last}")))
    }

    /// Where it stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScriptFile {
    fn drop(&mut self) {
        // The pod's /tmp goes with the pod in any case.
        let _ = fs::remove_file(&self.0);
    }
}

fn create(folder: &Path, text: &str) -> io::Result<ScriptFile> {
    let process = std::process::id();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..NAMES {
        let path = folder.join(format!("dbm-script-{process}-{number}.sql"));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match file {
            Ok(mut file) => {
                // From here on it is removed, also where it cannot be filled.
                let written = ScriptFile(path);
                file.write_all(text.as_bytes())?;
                return Ok(written);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dbm_protocol::Migration;
    use std::os::unix::fs::PermissionsExt;

    fn project(down_sql: Option<&str>) -> Project {
        let mut project = Project {
            migrations: "/app/prisma/migrations".into(),
            ..Project::default()
        };
        project.inventory.migrations = vec![Migration {
            name: "1 a".to_owned(),
            down_sql: down_sql.map(str::to_owned),
            ..Migration::default()
        }];
        project
    }

    fn script(migration: &str) -> Script {
        Script {
            migration: migration.to_owned(),
            before: "BEGIN;\n".to_owned(),
            after: "\n;COMMIT;\n".to_owned(),
        }
    }

    fn message(result: Result<String, Refusal>) -> String {
        match result {
            Err(Refusal::Problem(problem)) => problem.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts() {
        let found = text(&script("1 a"), &project(Some("\u{feff}DROP TABLE a"))).unwrap();
        assert_eq!(found, "BEGIN;\nDROP TABLE a\n;COMMIT;\n");
        let without = message(text(&script("1 a"), &project(None)));
        assert!(
            without.contains("\"1 a\"") && without.contains("/app/prisma/migrations/1 a/down.sql"),
            "{without}"
        );
        for outside in ["", ".", "..", "../1 a", "1 a/", "1 a/.", "./1 a", "/etc"] {
            let refused = message(text(&script(outside), &project(Some("x"))));
            assert!(refused.contains("no migration"), "{refused}");
        }
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [PathBuf::from("/nowhere/at/all"), folder.path().to_owned()];
        let first = ScriptFile::write("one", &folders).unwrap();
        let second = ScriptFile::write("two", &folders).unwrap();
        assert_eq!(fs::read_to_string(first.path()).unwrap(), "one");
        assert_eq!(fs::read_to_string(second.path()).unwrap(), "two");
        let mode = fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop((first, second));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(ScriptFile::write("x", &folders[..1]).is_err());
    }
}
