//! What the layout promises, read from the parsed sources: what decides is pure, one place reads the clock, and circles of imports only
//! shrink.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/imports.rs"]
mod imports;

use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// What a folder may not do.
#[derive(Clone, Copy)]
struct Rule {
    asynchronous: bool,
    /// A path that begins with one of these, wherever it is written.
    crates: &'static [&'static str],
    /// `crate::` or `super::` followed by one of these.
    modules: &'static [&'static str],
    /// A path that contains these segments side by side.
    pairs: &'static [[&'static str; 2]],
}

const PURE: Rule = Rule {
    asynchronous: false,
    crates: &["kube", "k8s_openapi", "sqlx", "reqwest", "tokio"],
    modules: &["database", "world"],
    pairs: CLOCK.pairs,
};
const BUILD: Rule = Rule {
    asynchronous: false,
    crates: &["sqlx", "reqwest", "tokio"],
    modules: &["database", "world"],
    pairs: &[
        ["kube", "Client"],
        ["kube", "Api"],
        ["client", "Client"],
        ["api", "Api"],
    ],
};
const CLOCK: Rule = Rule {
    asynchronous: true,
    crates: &[],
    modules: &[],
    pairs: &[
        ["Timestamp", "now"],
        ["SystemTime", "now"],
        ["Instant", "now"],
        ["Utc", "now"],
        ["Local", "now"],
        ["Zoned", "now"],
    ],
};

struct Finder {
    rule: Rule,
    found: Vec<String>,
}

impl Finder {
    fn path(&mut self, segments: &[String]) {
        let text = segments.join("::");
        let first = segments.first().map_or("", String::as_str);
        if self.rule.crates.contains(&first) {
            self.found.push(format!("names {text}"));
        }
        let own = segments
            .iter()
            .skip_while(|s| ["crate", "super", "self"].contains(&s.as_str()));
        let rooted = ["crate", "super", "database_migration_operator"].contains(&first);
        let module = own
            .into_iter()
            .find(|s| *s != "database_migration_operator");
        if rooted && module.is_some_and(|module| self.rule.modules.contains(&module.as_str())) {
            self.found.push(format!("reaches into {text}"));
        }
        for pair in segments.windows(2) {
            if self
                .rule
                .pairs
                .iter()
                .any(|[a, b]| pair[0] == *a && pair[1] == *b)
            {
                self.found.push(format!("names {text}"));
            }
        }
    }

    fn asynchronous(&mut self, what: &str) {
        if !self.rule.asynchronous {
            self.found.push(format!("is async: {what}"));
        }
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.path(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.path(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.path(before),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree))
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.path(&segments);
        visit::visit_path(self, path);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.asyncness.is_some() {
            self.asynchronous(&signature.ident.to_string());
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.asynchronous("a block");
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if closure.asyncness.is_some() {
            self.asynchronous("a closure");
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        self.asynchronous("an await");
        visit::visit_expr_await(self, expression);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        for handed in words_of(call) {
            match handed {
                Handed::Expression(expression) => {
                    let mut inner = Finder {
                        rule: self.rule,
                        found: Vec::new(),
                    };
                    inner.visit_expr(&expression);
                    self.found.append(&mut inner.found);
                }
                Handed::Path(segments) => self.path(&segments),
            }
        }
    }
}

/// What is handed to a macro.
enum Handed {
    Expression(syn::Expr),
    Path(Vec<String>),
}

/// As expressions where it is that (`format!`), else word by word.
fn words_of(call: &syn::Macro) -> Vec<Handed> {
    use syn::punctuated::Punctuated;
    let arguments = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
    if let Ok(arguments) = call.parse_body_with(arguments) {
        return arguments.into_iter().map(Handed::Expression).collect();
    }
    let text = call.tokens.to_string();
    let bare: Vec<&str> = text.split('"').step_by(2).collect();
    let bare = bare.join(" ").replace(" :: ", "::");
    let words = bare.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let paths = words.map(|word| word.split("::").map(str::to_owned).collect::<Vec<_>>());
    let paths = paths.filter(|segments| segments.len() > 1);
    paths.map(Handed::Path).collect()
}

fn violations(rule: Rule, source: &str) -> Vec<String> {
    let file = syn::parse_file(source).unwrap();
    let mut finder = Finder {
        rule,
        found: Vec::new(),
    };
    finder.visit_file(&file);
    finder.found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn holds(rule: Rule, files: &[PathBuf]) {
    assert!(!files.is_empty(), "nothing was looked at");
    let all: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let found = violations(rule, &std::fs::read_to_string(file).unwrap());
            found
                .into_iter()
                .map(|text| format!("{} {text}", file.display()))
        })
        .collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// A folder and the file of its name beside it.
fn room(name: &str) -> Vec<PathBuf> {
    let mut files = sources(&source_root().join(name));
    let beside = source_root().join(format!("{name}.rs"));
    if beside.exists() {
        files.push(beside);
    }
    files
}

#[rstest::rstest]
#[case("facts")]
#[case("decide")]
#[case("tools")]
fn what_decides_is_pure(#[case] folder: &str) {
    holds(PURE, &room(folder));
}

#[test]
fn what_builds_objects_sends_none() {
    holds(BUILD, &room("build"));
}

#[test]
fn the_clock_is_read_in_one_place() {
    let clock = source_root().join("runtime/clock.rs");
    let mut files = sources(&source_root());
    files.retain(|file| *file != clock);
    holds(CLOCK, &files);
    let read = violations(CLOCK, &std::fs::read_to_string(clock).unwrap());
    assert!(
        !read.is_empty(),
        "the clock is not read where it is said to be"
    );
}

#[rstest::rstest]
#[case("use kube::Client;")]
#[case("use k8s_openapi::api::core::v1::Pod as P;")]
#[case("use {std::fmt, sqlx::{self, PgPool}};")]
#[case("use ::tokio::sync::*;")]
#[case("fn f(pod: &k8s_openapi::api::core::v1::Pod) {}")]
#[case("fn f() { reqwest::get(\"x\"); }")]
#[case("use crate::database::connect;")]
#[case("use super::super::world::cluster;")]
#[case("use crate::{facts::Ledger, world};")]
#[case("fn f() { crate::database::open() }")]
#[case("async fn f() {}")]
#[case("trait T { async fn f(); }")]
#[case("fn f() { let _ = async { 1 }; }")]
#[case("fn f() { let _ = async || 1; }")]
#[case("fn f() { g(jiff::Timestamp::now()) }")]
#[case("fn f() { println!(\"{}\", std::time::Instant::now()) }")]
#[case("mod inner { use tokio::time; }")]
#[case("fn f() { select! { x = tokio::time::sleep(y) => {} } }")]
fn impurity_is_seen(#[case] source: &str) {
    assert!(!violations(PURE, source).is_empty());
}

#[rstest::rstest]
#[case("use crate::facts::DatabaseFacts;")]
#[case("use super::super::facts::{database, Ledger};")]
#[case("fn f(database: &str) -> String { format!(\"tokio::{database}\") }")]
#[case("/// kube::Client, async\nfn f() {}")]
#[case("use jiff::Timestamp;")]
#[case("fn f(pass: &Pass) { pass.now(); pass.database(\"kube\"); }")]
fn what_is_pure_is_let_be(#[case] source: &str) {
    assert_eq!(violations(PURE, source), Vec::<String>::new());
}

#[rstest::rstest]
#[case("use kube::Client;")]
#[case("use kube::{Api, Resource};")]
#[case("use kube::api::Api;")]
#[case("fn f(client: kube::client::Client) {}")]
#[case("async fn f() {}")]
fn a_client_in_build_is_seen(#[case] source: &str) {
    assert!(!violations(BUILD, source).is_empty());
}

#[test]
fn build_may_name_objects() {
    let source = "use kube::core::ObjectMeta; use k8s_openapi::api::batch::v1::Job;";
    assert_eq!(violations(BUILD, source), Vec::<String>::new());
}

#[rstest::rstest]
#[case("fn f() { let _ = std::time::SystemTime::now(); }")]
#[case("async fn f() { chrono::Utc::now(); }")]
#[case("fn f() { let clock = jiff::Zoned::now; }")]
fn a_second_clock_is_seen(#[case] source: &str) {
    assert!(!violations(CLOCK, source).is_empty());
}
