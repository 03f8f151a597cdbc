//! What people read names what there is: every phase, condition and reason has its line in `docs/conditions.md`, and
//! every link of the documents leads somewhere.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Expr, Item, Lit};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parse(path: &str) -> Vec<Item> {
    syn::parse_file(&read(path)).unwrap().items
}

/// The values of all string constants, those of modules inside included.
fn constants(items: &[Item], found: &mut BTreeSet<String>) {
    for item in items {
        match item {
            Item::Const(constant) => {
                if let Expr::Lit(literal) = &*constant.expr
                    && let Lit::Str(text) = &literal.lit
                {
                    found.insert(text.value());
                }
            }
            Item::Mod(module) => {
                if let Some((_, items)) = &module.content {
                    constants(items, found);
                }
            }
            _ => {}
        }
    }
}

fn variants(items: &[Item], name: &str) -> BTreeSet<String> {
    let found = items.iter().find_map(|item| match item {
        Item::Enum(it) if it.ident == name => Some(it),
        _ => None,
    });
    let found = found.unwrap_or_else(|| panic!("no enum {name}"));
    found.variants.iter().map(|v| v.ident.to_string()).collect()
}

/// The words in backticks at the beginning of the page's table rows.
fn explained() -> BTreeSet<String> {
    read("docs/conditions.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(word, _)| word.to_owned())
        .collect()
}

#[test]
fn every_phase_condition_and_reason_is_explained_and_nothing_else() {
    let mut there = BTreeSet::new();
    constants(&parse("src/api/reasons.rs"), &mut there);
    there.extend(variants(&parse("src/facts/reading.rs"), "UnreadableReason"));
    there.extend(variants(&parse("src/api/status.rs"), "Phase"));
    assert!(there.len() > 60, "the sources have moved: {there:?}");
    let explained = explained();
    let missing: Vec<_> = there.difference(&explained).collect();
    let stale: Vec<_> = explained.difference(&there).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/conditions.md lacks {missing:?} and has {stale:?}, which no longer exist"
    );
}

/// The targets of Markdown links and pictures that are paths of this repository.
fn links(text: &str) -> Vec<String> {
    // What stands in backticks is shown as it is.
    let shown = |line: &str| line.split('`').step_by(2).collect::<String>() + "\n";
    let text: String = text.lines().map(shown).collect();
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    for folder in ["docs", "docs/incidents", "local-cluster", "examples/shop"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        found.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap_or(Path::new("/"));
        for link in links(&text) {
            if !folder.join(&link).exists() {
                broken.push(format!("{} -> {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Whoever looks for something begins at the index, which has every page and every folder of examples.
#[test]
fn the_index_by_role_has_every_page() {
    let index = links(&read("docs/README.md"));
    let pages = fs::read_dir(root().join("docs")).unwrap();
    for page in pages.map(|entry| entry.unwrap().file_name()) {
        let page = page.to_str().unwrap().to_owned();
        if page.ends_with(".md") && page != "README.md" {
            assert!(index.contains(&page), "docs/README.md lacks {page}");
        }
    }
    for role in ["## On call", "## Application teams", "## Platform teams"] {
        assert!(read("docs/README.md").contains(role), "{role}");
    }
    assert!(read("README.md").contains("(docs/README.md)"));
}

/// The headings that are linked to are there.
#[test]
fn every_anchor_of_a_link_leads_to_a_heading() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
        {
            let Some((path, anchor)) = target.0.split_once('#') else {
                continue;
            };
            if path.contains("://") || target.0.contains(char::is_whitespace) {
                continue;
            }
            let of = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let Ok(text) = fs::read_to_string(&of) else {
                continue;
            };
            if of.extension().is_some_and(|end| end == "md") && !anchors(&text).contains(anchor) {
                broken.push(format!("{} -> {path}#{anchor}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// As GitHub makes them of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// The manifest that the README shows is the one that the demo applies.
#[test]
fn the_readme_shows_the_example_as_it_is() {
    let example = read("examples/shop.yaml");
    let body = example.split_once('\n').unwrap().1;
    assert!(read("README.md").contains(body), "README.md: shop.yaml");
}

/// The rows of the list of faults that the project is held to.
const ROWS: [std::ops::RangeInclusive<u32>; 10] = [
    1..=2,
    4..=18,
    20..=20,
    23..=29,
    36..=42,
    45..=51,
    55..=55,
    57..=58,
    21..=22,
    31..=33,
];

/// The sections of `docs/failure-modes.md`: the row and its text.
fn failure_modes() -> Vec<(u32, String)> {
    read("docs/failure-modes.md")
        .split("\n### ")
        .skip(1)
        .map(|section| {
            let (number, rest) = section.split_once(". ").unwrap();
            let text = rest.split("\n## ").next().unwrap().to_owned();
            (number.parse().unwrap(), text)
        })
        .collect()
}

/// The names of the functions of a test binary, by the module's path as libtest prints it.
fn sources(binary: &str) -> Vec<PathBuf> {
    let folder = match binary.strip_prefix("agent:") {
        Some(name) => return vec![root().join(format!("agent/tests/{name}.rs"))],
        None if binary == "lib" => root().join("src"),
        None if binary == "installed" => return vec![root().join("tests/installed.rs")],
        None => root().join("tests").join(binary),
    };
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("no tests {binary}"));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// Whether a proof, `<test binary> <libtest path>`, names a test that is there.
fn is_there(proof: &str) -> bool {
    let Some((binary, path)) = proof.split_once(' ') else {
        return false;
    };
    let name = path.rsplit("::").next().unwrap();
    // A test of a table of cases may be written by a macro, as `name: ...`.
    let written = [format!("fn {name}("), format!("{name}: ")];
    let module = path.rsplit("::").nth(1);
    sources(binary)
        .iter()
        .filter(|file| {
            let of_module = module.is_none_or(|module| file.file_stem().unwrap() == module);
            of_module || binary == "lib"
        })
        .any(|file| {
            let text = fs::read_to_string(file).unwrap();
            written.iter().any(|written| text.contains(written))
        })
}

#[test]
fn every_fault_has_its_section_and_every_section_a_proof_that_exists() {
    let sections = failure_modes();
    for row in ROWS.into_iter().flatten() {
        let found = sections.iter().filter(|(number, _)| *number == row).count();
        assert_eq!(found, 1, "docs/failure-modes.md: sections {row}.");
    }
    let mut wrong = Vec::new();
    for (row, text) in &sections {
        for part in ["**What happens.**", "**What you see.**", "**What to do.**"] {
            assert!(text.contains(part), "{row}. lacks {part}");
        }
        let Some((_, shown)) = text.split_once("\nShown by ") else {
            panic!("{row}. says not what shows it");
        };
        let proofs: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!proofs.is_empty(), "{row}. has no proof");
        wrong.extend(
            proofs
                .into_iter()
                .filter(|proof| !is_there(proof))
                .map(|proof| format!("{row}. {proof}")),
        );
    }
    assert!(wrong.is_empty(), "no such tests: {wrong:#?}");
}
