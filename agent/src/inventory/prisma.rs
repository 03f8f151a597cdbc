//! Finds Prisma in an image.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use serde::Deserialize;

/// The first version that keeps no `_prisma_migrations`.
const FIRST_WITHOUT_LEDGER: u64 = 8;

/// How Prisma can be called in this image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prisma {
    /// What to start.
    pub call: Call,
    /// The package's version, where it could be read.
    pub version: Option<String>,
}

/// What to start for Prisma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Node on this script.
    Script(PathBuf),
    /// A program found on PATH.
    Program(PathBuf),
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

/// Looks in `node_modules` from each of the folders upward, then on PATH.
pub fn find<'a>(
    folders: impl IntoIterator<Item = &'a Path>,
    path: Option<&OsStr>,
) -> Option<Prisma> {
    folders
        .into_iter()
        .flat_map(Path::ancestors)
        .find_map(|folder| package_at(&folder.join("node_modules/prisma")))
        .or_else(|| on_path("prisma", path).map(program))
}

fn package_at(folder: &Path) -> Option<Prisma> {
    let version = version_of(&folder.join("package.json"))?;
    Some(Prisma {
        call: Call::Script(folder.join("build/index.js")),
        version: Some(version).filter(|version| !version.is_empty()),
    })
}

/// `prisma` on PATH is usually a link into its package.
fn program(path: PathBuf) -> Prisma {
    let version = fs::canonicalize(&path)
        .ok()
        .and_then(|real| package_of(&real));
    Prisma {
        call: Call::Program(path),
        version,
    }
}

/// The version of Prisma's package that a file, by its real path, belongs to.
#[must_use]
pub fn package_of(real: &Path) -> Option<String> {
    let mut folders = real.ancestors().skip(1).take(3);
    folders.find_map(|folder| version_of(&folder.join("package.json")))
}

fn version_of(package_json: &Path) -> Option<String> {
    let package: Package = serde_json::from_slice(&fs::read(package_json).ok()?).ok()?;
    (package.name == "prisma").then_some(package.version)
}

/// The program of that name that a shell would start.
#[must_use]
pub fn on_path(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?)
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Whether this is a file that this process may execute.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

/// Whether this version keeps its record where the operator cannot read it.
#[must_use]
pub fn is_unsupported(version: &str) -> bool {
    numbers(version).is_some_and(|(major, _)| major >= FIRST_WITHOUT_LEDGER)
}

/// Major and minor of a version.
#[must_use]
pub fn numbers(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split(['.', '-', '+']);
    let major = parts.next()?.parse().ok()?;
    Some((
        major,
        parts
            .next()
            .and_then(|minor| minor.parse().ok())
            .unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions() {
        for (version, unsupported) in [
            ("5.22.0", false),
            ("6.19.3", false),
            ("7.8.0", false),
            ("8.0.0-rc.1", true),
            ("8", true),
            ("10.1.0", true),
            ("", false),
        ] {
            assert_eq!(is_unsupported(version), unsupported, "{version}");
        }
        assert_eq!(numbers("6.19.3-dev.4"), Some((6, 19)));
    }

    #[test]
    fn the_nearest_package_wins_then_path() {
        let root = tempfile::tempdir().unwrap();
        let package = |at: &str, name: &str, version: &str| {
            let folder = root.path().join(at);
            fs::create_dir_all(&folder).unwrap();
            fs::write(
                folder.join("package.json"),
                format!(r#"{{"name":"{name}","version":"{version}"}}"#),
            )
            .unwrap();
        };
        package("node_modules/prisma", "prisma", "6.0.0");
        package("packages/db/node_modules/prisma", "not-prisma", "1.0.0");
        let schema = root.path().join("packages/db/prisma");
        let found = find([schema.as_path()], None).unwrap();
        assert_eq!(found.version.as_deref(), Some("6.0.0"));
        package("packages/db/node_modules/prisma", "prisma", "7.1.0");
        let found = find([schema.as_path()], None).unwrap();
        assert_eq!(found.version.as_deref(), Some("7.1.0"));
        assert_eq!(
            found.call,
            Call::Script(
                root.path()
                    .join("packages/db/node_modules/prisma/build/index.js")
            )
        );

        package("global/prisma", "prisma", "5.2.0");
        let bin = root.path().join("bin");
        let script = root.path().join("global/prisma/build/index.js");
        fs::create_dir_all(script.parent().unwrap()).unwrap();
        fs::create_dir_all(&bin).unwrap();
        fs::write(&script, "#!/usr/bin/env node\n").unwrap();
        std::os::unix::fs::symlink(&script, bin.join("prisma")).unwrap();
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            find([empty.path()], Some(bin.as_os_str())),
            None,
            "not executable"
        );
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let found = find([empty.path()], Some(bin.as_os_str())).unwrap();
        assert_eq!(found.call, Call::Program(bin.join("prisma")));
        assert_eq!(found.version.as_deref(), Some("5.2.0"));
    }
}
