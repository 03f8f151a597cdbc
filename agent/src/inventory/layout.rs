//! Where Prisma reads schema and migrations, by the rules of its versions. Each rule was read in the command line of that
//! version, and `agent/tests/layouts.rs` asks the real ones.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::prisma::numbers;

/// From here on a configuration is loaded by a package of its own, which can be asked.
const ASKABLE_CONFIG: (u64, u64) = (6, 5);
/// From here on the command line, and not its engine, reads the migrations.
const READ_BY_CLI: (u64, u64) = (6, 6);
/// From here on a folder of schemas needs no preview feature; before `FOLDERS` there are none.
const FOLDERS_FOR_ALL: (u64, u64) = (6, 7);
const FOLDERS: (u64, u64) = (5, 15);
/// From here on a configuration may name the folder of the migrations.
const CONFIGURED_PATH: (u64, u64) = (6, 12);
/// From here on there has to be a configuration.
const CONFIG_NEEDED: (u64, u64) = (7, 0);

/// The rules of one version. A version that is not known is taken for a new one of Prisma 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    version: (u64, u64),
    /// The version is one whose rules are known.
    pub known: bool,
}

impl Rules {
    /// Those of this version.
    #[must_use]
    pub fn of(version: Option<&str>) -> Rules {
        let version = version.and_then(numbers);
        Rules {
            version: version.unwrap_or((6, u64::MAX)),
            known: version.is_some_and(|(major, _)| (5..8).contains(&major)),
        }
    }

    /// It is this version or a later one.
    #[must_use]
    pub fn at_least(self, version: (u64, u64)) -> bool {
        self.version >= version
    }

    /// A configuration may matter for what Prisma reads.
    #[must_use]
    pub fn reads_config(self) -> bool {
        self.version >= ASKABLE_CONFIG
    }

    /// A configuration may name the folder of the migrations.
    #[must_use]
    pub fn knows_configured_path(self) -> bool {
        self.version >= CONFIGURED_PATH
    }

    /// Without a configuration it does not migrate.
    #[must_use]
    pub fn needs_config(self) -> bool {
        self.version >= CONFIG_NEEDED
    }

    /// Its command line reads the migrations as UTF-8 and replaces what is none. Before, its engine refuses such a file.
    #[must_use]
    pub fn replaces_bad_bytes(self) -> bool {
        self.version >= READ_BY_CLI
    }

    /// Why a folder of schemas with these preview features cannot be used, if so.
    #[must_use]
    pub fn refuses_folder(self, previews: &[String]) -> Option<&'static str> {
        let enabled = previews.iter().any(|name| name == "prismaSchemaFolder");
        if self.version < FOLDERS {
            Some("this version of Prisma knows no folders of schemas, only a file")
        } else if self.version < FOLDERS_FOR_ALL && !enabled {
            Some(
                "this version of Prisma reads a folder of schemas only with previewFeatures = [\"prismaSchemaFolder\"] in the generator",
            )
        } else {
            None
        }
    }

    /// The folder of the migrations where no configuration names one. `datasource_file` is the one with the datasource.
    #[must_use]
    pub fn migrations(self, schema: &Schema, datasource_file: &Path) -> PathBuf {
        let beside = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        let folder = if self.version < READ_BY_CLI {
            // Also of a folder of schemas: then it is beside the folder.
            beside(&schema.path)
        } else if self.version >= CONFIG_NEEDED {
            schema.root()
        } else {
            beside(datasource_file)
        };
        folder.join("migrations")
    }
}

/// A schema as Prisma finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The file or folder, absolute, links in it not followed.
    pub path: PathBuf,
    /// Whether that is a folder.
    pub is_folder: bool,
    /// Its files.
    pub files: Vec<PathBuf>,
}

impl Schema {
    /// Finds the files of what stands at this path.
    ///
    /// # Errors
    /// When a file or folder cannot be looked at.
    pub fn at(path: &Path) -> io::Result<Schema> {
        let is_folder = fs::metadata(path)?.is_dir();
        let mut files = Vec::new();
        if is_folder {
            collect(path, 0, &mut files)?;
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        Ok(Schema {
            path: path.to_owned(),
            is_folder,
            files,
        })
    }

    /// The folder of the schema.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        if self.is_folder {
            self.path.clone()
        } else {
            self.path.parent().unwrap_or(Path::new("/")).to_owned()
        }
    }
}

/// Links that lead in a circle end somewhere.
const DEPTH: usize = 64;

/// All schema files below a folder. Prisma takes what a link leads to under its real path, and leaves out no folder.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if depth > DEPTH {
        return Err(io::Error::other("its links lead in a circle"));
    }
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return collect(&fs::canonicalize(path)?, depth + 1, files);
    }
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), depth + 1, files)?;
        }
    } else if kind.is_file() && path.extension() == Some(OsStr::new("prisma")) {
        files.push(path.to_owned());
    }
    Ok(())
}

/// A path as JavaScript's `path.resolve` makes it: `..` is taken away by name, whatever links lead to.
#[must_use]
pub fn resolved(directory: &Path, path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

/// Whether two paths lead to the same place.
#[must_use]
pub fn same(left: &Path, right: &Path) -> bool {
    left == right
        || matches!((fs::canonicalize(left), fs::canonicalize(right)), (Ok(left), Ok(right)) if left == right)
}

/// A path as people would write it from here.
#[must_use]
pub fn shown(path: &Path, directory: &Path) -> String {
    let short = path.strip_prefix(directory).unwrap_or(path);
    let short = if short.as_os_str().is_empty() {
        Path::new(".")
    } else {
        short
    };
    short.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_by_name() {
        for (path, expected) in [
            ("a/../b/./c/", "/app/b/c"),
            ("/x/../../y", "/y"),
            ("..", "/"),
            ("", "/app"),
        ] {
            assert_eq!(
                resolved(Path::new("/app"), Path::new(path)),
                Path::new(expected),
                "{path}"
            );
        }
        assert_eq!(shown(Path::new("/app/a"), Path::new("/app")), "a");
        assert_eq!(shown(Path::new("/app"), Path::new("/app")), ".");
        assert_eq!(shown(Path::new("/b"), Path::new("/app")), "/b");
    }

    #[test]
    fn versions_differ() {
        let schema = Schema {
            path: "/app/prisma/schema".into(),
            is_folder: true,
            files: Vec::new(),
        };
        let datasource = Path::new("/app/prisma/schema/base/db.prisma");
        for (version, expected) in [
            (Some("5.22.0"), "/app/prisma/migrations"),
            (Some("6.5.0"), "/app/prisma/migrations"),
            (Some("6.6.0"), "/app/prisma/schema/base/migrations"),
            (Some("6.19.3"), "/app/prisma/schema/base/migrations"),
            (Some("7.0.0"), "/app/prisma/schema/migrations"),
            (None, "/app/prisma/schema/base/migrations"),
        ] {
            let rules = Rules::of(version);
            assert_eq!(
                rules.migrations(&schema, datasource),
                Path::new(expected),
                "{version:?}"
            );
            assert_eq!(rules.known, version.is_some());
        }
        let preview = ["prismaSchemaFolder".to_owned()];
        for (version, with, without) in [
            ("5.14.0", false, false),
            ("5.15.0", true, false),
            ("6.6.0", true, false),
            ("6.7.0", true, true),
        ] {
            let rules = Rules::of(Some(version));
            assert_eq!(rules.refuses_folder(&preview).is_none(), with, "{version}");
            assert_eq!(rules.refuses_folder(&[]).is_none(), without, "{version}");
        }
    }
}
