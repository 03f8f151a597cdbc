//! The variables that the code of a configuration of Prisma's names: an adapter's connection is made by that code, and what it
//! does cannot be asked.

use std::path::{Path, PathBuf};

use crate::inventory::plain::MODULES;
use crate::inventory::words::{Token, tokens};
use dbm_protocol::ProjectPaths;

/// What the code of a configuration says of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Those that it names.
    pub named: Vec<String>,
    /// It connects by nothing but what it names: it takes each as a whole, reads no file, and writes out no place of its own.
    pub plain: bool,
    /// It sets variables from a file.
    pub sets: bool,
}

/// Of the file that Prisma reads: the one that is named, else the one that it finds in the working directory.
#[must_use]
pub fn code(paths: &ProjectPaths, directory: &Path) -> Code {
    let file = if paths.config.is_empty() {
        config_file(directory)
    } else {
        Some(directory.join(&paths.config))
    };
    let text = file.and_then(|file| std::fs::read(file).ok());
    text.map_or_else(Code::default, |bytes| {
        let text = String::from_utf8_lossy(&bytes);
        Code {
            named: named(&text),
            plain: is_plain(&text),
            sets: without_comments(&text).contains("dotenv"),
        }
    })
}

/// By which a program gets at what it does not name.
const ODD: [&str; 9] = [
    "eval",
    "Function",
    "globalThis",
    "global",
    "createRequire",
    "Reflect",
    "Proxy",
    "WebAssembly",
    // A file's values, before those that are set.
    "override",
];

/// Where a connection leads, beside a URL.
const PLACES: [&str; 6] = ["host", "hostname", "port", "pathname", "href", "database"];

/// By its words. What is not understood is not plain.
fn is_plain(text: &str) -> bool {
    let Some(tokens) = tokens(text) else {
        return false;
    };
    let at = |index: usize| tokens.get(index).copied();
    let is = |index: usize, sign: char| at(index) == Some(Token::Sign(sign));
    let mut accesses = 0;
    for (index, token) in tokens.iter().enumerate() {
        let before = |number: usize| index.checked_sub(number).and_then(at);
        match token {
            Token::Word("process") => {
                let end = match (at(index + 1), at(index + 2), at(index + 3), at(index + 4)) {
                    (
                        Some(Token::Sign('.')),
                        Some(Token::Word("env")),
                        Some(Token::Sign('.')),
                        Some(Token::Word(_)),
                    ) => index + 5,
                    (
                        Some(Token::Sign('.')),
                        Some(Token::Word("env")),
                        Some(Token::Sign('[')),
                        Some(Token::Text(_)),
                    ) if is(index + 5, ']') => index + 6,
                    _ => return false,
                };
                let changed = ['.', '[', '+', '`'].iter().any(|sign| is(end, *sign));
                let optional = is(end, '?') && is(end + 1, '.');
                let set = is(end, '=') && !is(end + 1, '=');
                if changed || optional || set {
                    return false;
                }
                accesses += 1;
            }
            // `env` of the package's own, as in `import { env } from 'prisma/config'`.
            Token::Word("env") => match (before(1), at(index + 1), at(index + 2)) {
                (Some(Token::Sign('.')), _, _) => {}
                (_, Some(Token::Sign('(')), Some(Token::Text(_))) if is(index + 3, ')') => {
                    if ['.', '[', '+'].iter().any(|sign| is(index + 4, *sign)) {
                        return false;
                    }
                    accesses += 1;
                }
                (_, Some(Token::Sign(',' | '}')), _) => accesses += 1,
                _ => return false,
            },
            Token::Word("require" | "from") if !matches!(before(1), Some(Token::Sign('.'))) => {
                let called = usize::from(is(index + 1, '('));
                match at(index + 1 + called) {
                    Some(Token::Text(module)) if MODULES.contains(&module) => {}
                    _ => return false,
                }
            }
            Token::Word("import") => match at(index + 1) {
                Some(Token::Text(module)) if MODULES.contains(&module) => {}
                Some(Token::Word(_) | Token::Sign('{' | '*')) => {}
                _ => return false,
            },
            Token::Word(word) if ODD.contains(word) => return false,
            Token::Word(word) if PLACES.contains(word) => {
                let assigned = is(index + 1, '=') && !is(index + 2, '=');
                let by_name = matches!(at(index + 2), Some(Token::Word(_)));
                if matches!(before(1), Some(Token::Sign('.'))) && assigned
                    || is(index + 1, ':') && !by_name
                {
                    return false;
                }
            }
            Token::Text(text) if text.contains("://") => return false,
            _ => {}
        }
    }
    // Those in a template, say, were not understood.
    without_comments(text).matches("env").count() == accesses
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
    fn what_it_connects_by() {
        let url = "process.env.DATABASE_URL";
        let adapter = |with: &str| {
            format!(
                "import {{ PrismaPg }} from '@prisma/adapter-pg'\nexport default {{ engine: 'js', adapter: async () => new PrismaPg({with}) }}"
            )
        };
        let within = |code: &str| format!("{code}\n{}", adapter("{ connectionString: url }"));
        for text in [
            adapter(&format!("{{ connectionString: {url} }}")),
            adapter(&format!("{{ connectionString: process.env['DIRECT_URL'] ?? {url}! }}")),
            adapter(&format!("{{ connectionString: new URL({url}).toString() }}")),
            "import { defineConfig, env } from 'prisma/config'\nexport default defineConfig({ datasource: { url: env('A') } })".to_owned(),
        ] {
            assert!(is_plain(&text), "{text}");
        }
        for text in [
            within("const { DIRECT_URL: url } = process.env"),
            within("const e = process.env; const url = e.DIRECT_URL"),
            within("const url = ['A', 'B'].map((n) => process.env[n]).find(Boolean)"),
            within("const url = process['env'].A"),
            within("const url = `postgres${process.env.A}`"),
            within("const url = process.env.DATABASE_URL.replace('/a', '/b')"),
            within("const url = process.env.DATABASE_URL?.replace('/a', '/b')"),
            within("const url = process.env.DATABASE_URL + process.env.SUFFIX"),
            within("const url = env('A') + 'b'"),
            within("const url = new URL(process.env.A); url.pathname = '/b'"),
            within("const url = 'postgresql://u:p@h/d'"),
            within("import { url } from './url'"),
            within("import url from './url.json' with { type: 'json' }"),
            within("const { url } = require('../config')"),
            within("const { url } = await import('./url.mjs')"),
            within("import { url } from '@acme/config'"),
            within("require('dotenv').config({ override: true }); const url = process.env.A"),
            within("process.loadEnvFile('.env'); const url = process.env.A"),
            within("const url = globalThis['process'].env.A"),
            within("const url = eval('process' + '.env.A')"),
            adapter("{ host: 'h', user: 'u', database: 'd' }"),
            "'".to_owned(),
        ] {
            assert!(!is_plain(&text), "{text}");
        }
        let own = include_str!("../../../examples/shop/local-image/prisma.config.cjs");
        assert!(is_plain(own), "the example's costs nothing");
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
            code(&paths, folder.path()).named
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
