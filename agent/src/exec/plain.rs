//! Whether `databases[].prisma.cli` is Prisma itself, so that it does what the words after it say and nothing else. A command of
//! the user's own may migrate whatever it is given: `npm run migrate`, a script that ends in `migrate deploy`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::inventory::Surroundings;
use crate::inventory::prisma::{on_path, package_of};

/// Node's options that load no other code, by how they begin.
const HARMLESS: [&str; 6] = [
    "--max-",
    "--no-",
    "--enable-source-maps",
    "--env-file",
    "--stack-",
    "--trace-",
];

/// Programs that start the words after them, and the words that may stand between. Without these a word may be the name of a
/// script in package.json.
const STARTERS: [(&str, &[&str]); 8] = [
    (
        "npx",
        &["--no", "--no-install", "--yes", "-y", "--offline", "--"],
    ),
    ("bunx", &["--bun", "--no-install"]),
    ("npm", &["exec", "--no", "--offline", "--"]),
    ("pnpm", &["exec"]),
    ("yarn", &["exec"]),
    ("bun", &["x", "--bun"]),
    ("tini", &["-s", "-g", "--"]),
    ("dumb-init", &["-c", "--"]),
];

/// Of these the second word says that a program follows.
const WITH_A_VERB: [&str; 4] = ["npm", "pnpm", "yarn", "bun"];

/// Whether these words, with others after them, can only be a call of Prisma's command line.
#[must_use]
pub fn is_prisma(words: &[String], surroundings: &Surroundings) -> bool {
    let [program, rest @ ..] = words else {
        return false;
    };
    let name = Path::new(program).file_name().and_then(|it| it.to_str());
    let name = name.unwrap_or_default();
    if rest.is_empty() {
        return is_program(program, surroundings);
    }
    if name == "node" {
        let (script, options) = match rest {
            [options @ .., script] => (script, options),
            [] => return false,
        };
        let harmless = |option: &String| {
            let known = HARMLESS.iter().any(|begin| option.starts_with(begin));
            known && (option != "--env-file")
        };
        return options.iter().all(harmless) && is_of_package(&surroundings.directory.join(script));
    }
    if name == "env" {
        let set = rest.iter().take_while(|word| is_assignment(word)).count();
        return is_prisma(&rest[set..], surroundings);
    }
    let Some((_, between)) = STARTERS.iter().find(|(starter, _)| *starter == name) else {
        return false;
    };
    let options = rest
        .iter()
        .take_while(|word| between.contains(&word.as_str()))
        .count();
    let verb = !WITH_A_VERB.contains(&name) || ["exec", "x"].contains(&rest[0].as_str());
    let words = &rest[options..];
    match words {
        // These look for it in node_modules themselves.
        [word] if verb && word == "prisma" && !["tini", "dumb-init"].contains(&name) => true,
        words => verb && is_prisma(words, surroundings),
    }
}

fn is_assignment(word: &str) -> bool {
    !word.starts_with('-') && word.contains('=')
}

/// A program on PATH or at a path: a link into Prisma's package, or the package manager's starter of it.
fn is_program(program: &str, surroundings: &Surroundings) -> bool {
    let path = if program.contains('/') {
        Some(surroundings.directory.join(program))
    } else {
        on_path(program, surroundings.path.as_deref())
    };
    path.is_some_and(|path| is_of_package(&path) || is_starter(&path))
}

/// A file of the package, its links resolved.
fn is_of_package(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|path| path.is_file() && package_of(&path).is_some())
}

/// `node_modules/.bin/prisma` beside `node_modules/prisma`.
fn is_starter(path: &Path) -> bool {
    let package = || -> Option<PathBuf> {
        let folder = path.parent()?;
        let bin = path.file_name()? == "prisma" && folder.file_name()? == ".bin";
        let modules = folder.parent()?;
        (bin && modules.file_name()? == "node_modules")
            .then(|| modules.join("prisma/build/index.js"))
    };
    package().is_some_and(|script| is_of_package(&script))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_can_only_be_prisma() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let script = "node_modules/prisma/build/index.js";
        file(
            "node_modules/prisma/package.json",
            r#"{"name":"prisma","version":"6.19.3"}"#,
        );
        file(script, "");
        file("node_modules/.bin/prisma", "#!/bin/sh\n");
        file(
            "own/prisma",
            "#!/bin/sh\nnode x.js && npx prisma migrate deploy\n",
        );
        file("own/.bin/prisma", "#!/bin/sh\n");
        file(
            "migrate.js",
            "require('child_process').execSync('prisma migrate deploy')",
        );
        fs::create_dir_all(root.path().join("bin")).unwrap();
        symlink(root.path().join(script), root.path().join("bin/prisma")).unwrap();
        let is = |line: &str, path: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let surroundings = Surroundings {
                directory: root.path().to_owned(),
                path: Some(root.path().join(path).into()),
                ..Surroundings::default()
            };
            is_prisma(&words, &surroundings)
        };
        for line in [
            "prisma",
            "node_modules/.bin/prisma",
            "./node_modules/.bin/prisma",
            "node node_modules/prisma/build/index.js",
            "/usr/bin/node --max-old-space-size=200 --no-warnings bin/prisma",
            "npx prisma",
            "npx --no-install prisma",
            "npm exec -- prisma",
            "pnpm exec prisma",
            "yarn exec prisma",
            "bunx prisma",
            "bun x prisma",
            "tini -- node node_modules/prisma/build/index.js",
            "dumb-init npx prisma",
            "env A=b C=d node_modules/.bin/prisma",
        ] {
            assert!(is(line, "bin"), "{line}");
        }
        for line in [
            "npm run migrate",
            "npm run prisma",
            "npm prisma",
            "npm run-script -- prisma",
            "yarn prisma",
            "pnpm prisma",
            "pnpm run prisma",
            "pnpm migrate",
            "bun run prisma",
            "bun prisma",
            "sh -c prisma",
            "sh -c prisma\u{20}migrate",
            "sh migrate.sh",
            "node migrate.js",
            "node -e x node_modules/prisma/build/index.js",
            "node --eval=x node_modules/prisma/build/index.js",
            "node -r ./migrate.js node_modules/prisma/build/index.js",
            "node node_modules/prisma/build/index.js migrate deploy",
            "npx prisma migrate deploy",
            "npx prisma migrate deploy &&",
            "own/prisma",
            "own/.bin/prisma",
            "./migrate.js",
            "env -S prisma",
            "env A=b",
            "npx",
            "",
            "nowhere/prisma",
            "npm exec",
            "tini --",
            "tini -- own/prisma",
        ] {
            assert!(!is(line, "bin"), "{line}");
        }
        assert!(!is("prisma", "own"), "a script of that name on PATH");
        assert!(!is("prisma", "nowhere"));
        assert!(!is("tini -- prisma", "own"));
    }
}
