//! The variables that the code of a configuration of Prisma's names: an adapter's connection is made by that code, and what it
//! does cannot be asked.

use std::path::{Path, PathBuf};

use crate::protocol::ProjectPaths;

/// Of the file that Prisma reads: the one that is named, else the one that it finds in the working directory.
#[must_use]
pub fn variables(paths: &ProjectPaths, directory: &Path) -> Vec<String> {
    let file = if paths.config.is_empty() {
        config_file(directory)
    } else {
        Some(directory.join(&paths.config))
    };
    let text = file.and_then(|file| std::fs::read(file).ok());
    text.map_or_else(Vec::new, |bytes| named(&String::from_utf8_lossy(&bytes)))
}

/// By its text.
fn named(text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut variables = Vec::new();
    for mark in ["env(", "env.", "env["] {
        for (at, _) in code.match_indices(mark) {
            let rest = code[at + mark.len()..].trim_start();
            let name: String = rest
                .trim_start_matches(['"', '\'', '`'])
                .chars()
                .take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_')
                .collect();
            if !name.is_empty() && !variables.contains(&name) {
                variables.push(name);
            }
        }
    }
    variables
}

fn config_file(directory: &Path) -> Option<PathBuf> {
    let names = ["prisma.config", ".config/prisma"].iter();
    let ends = ["ts", "mts", "cts", "js", "mjs", "cjs"];
    names
        .flat_map(|name| ends.map(|end| directory.join(format!("{name}.{end}"))))
        .find(|file| file.is_file())
}

/// A program's text without its comments. A `//` that follows a colon is a URL's.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let (before, from) = rest.split_at(at);
        code.push_str(before);
        rest = if from.starts_with("//") && !before.ends_with(':') {
            from.find('\n').map_or("", |end| &from[end..])
        } else if let Some(inside) = from.strip_prefix("/*") {
            inside.split_once("*/").map_or("", |(_, after)| after)
        } else {
            let slashes = from.len() - from.trim_start_matches('/').len();
            code.push_str(&from[..slashes]);
            &from[slashes..]
        };
    }
    code.push_str(rest);
    code
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_its_text() {
        for (text, variables) in [
            (
                "// datasource: { url: env('A') }\nexport default {}",
                &[][..],
            ),
            (
                "/* env('A') */ export default { migrations: { seed: 'x' } }",
                &[],
            ),
            ("const u = 'https://env'; export default {}", &[]),
            (
                "export default { datasource: { url: env(\"A_1\") } }",
                &["A_1"],
            ),
            (
                "url: process.env.A ?? process.env['B'], shadowDatabaseUrl: env( 'A' )",
                &["A", "B"],
            ),
            (
                "adapter: async () => new PrismaPg({ connectionString: process.env.C! })",
                &["C"],
            ),
        ] {
            let mut found = named(text);
            found.sort();
            assert_eq!(found, variables, "{text}");
        }
    }

    #[test]
    fn of_the_file_that_prisma_reads() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, variable: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("datasource: {{ url: env('{variable}') }}")).unwrap();
        };
        let read = |config: &str| {
            let paths = ProjectPaths {
                config: config.to_owned(),
                ..ProjectPaths::default()
            };
            variables(&paths, folder.path())
        };
        assert_eq!(read(""), [""; 0]);
        write(".config/prisma.ts", "HIDDEN");
        assert_eq!(read(""), ["HIDDEN"]);
        write("prisma.config.ts", "FOUND");
        write("db/prisma.config.ts", "NAMED");
        assert_eq!(read(""), ["FOUND"]);
        assert_eq!(read("db/prisma.config.ts"), ["NAMED"]);
        assert_eq!(read("nowhere.ts"), [""; 0]);
    }
}
