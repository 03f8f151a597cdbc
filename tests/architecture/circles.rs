//! Circles of imports: files of which each leads to each other. What lies in a circle cannot be read, moved or tested by itself. There is
//! none.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{self, Arrows};

type Files = BTreeSet<String>;

/// The circles, biggest first.
fn circles(arrows: &Arrows) -> Vec<Files> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let reach = |start: &str| -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = next.get(start).cloned().unwrap_or_default();
        while let Some(file) = open.pop() {
            if found.insert(file) {
                open.extend(next.get(file).into_iter().flatten());
            }
        }
        found
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|file| (*file, reach(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, there) in reached
        .iter()
        .filter(|(file, there)| there.contains(**file))
    {
        let back = |other: &&&str| {
            reached
                .get(**other)
                .is_some_and(|there| there.contains(file))
        };
        let circle: Files = there
            .iter()
            .filter(back)
            .map(|file| (*file).to_owned())
            .collect();
        circles.insert(circle);
    }
    let mut circles: Vec<Files> = circles.into_iter().collect();
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

/// The arrows within a circle, those first without which most of its files were in none, and how many would be left.
fn closing<'a>(arrows: &'a Arrows, circle: &Files) -> Vec<(usize, &'a (String, String), &'a str)> {
    let within = |arrow: &(String, String)| circle.contains(&arrow.0) && circle.contains(&arrow.1);
    let own: Arrows = arrows
        .iter()
        .filter(|(arrow, _)| within(arrow))
        .map(|(a, p)| (a.clone(), p.clone()))
        .collect();
    let mut found: Vec<(usize, &(String, String), &str)> = arrows
        .iter()
        .filter(|(arrow, _)| within(arrow))
        .map(|(arrow, path)| {
            let mut without = own.clone();
            without.remove(arrow);
            (
                circles(&without).iter().map(BTreeSet::len).sum(),
                arrow,
                path.as_str(),
            )
        })
        .collect();
    found.sort();
    found
}

const WHAT_TO_DO: &str = "What both sides need goes into a file of its own below them; or the lower file answers with a value, and the upper one acts on it.";

/// What stands against a circle that is bigger than it may be: its files, the arrows that close it, what to do.
fn told(arrows: &Arrows, circle: &Files, what: &str) -> String {
    let files: Vec<&str> = circle.iter().map(String::as_str).collect();
    let closing = closing(arrows, circle);
    let lines: Vec<String> = closing
        .iter()
        .take(6)
        .map(|(left, (from, to), path)| {
            format!("    {from} -> {to} ({path}); without it {left} of these files are in a circle")
        })
        .collect();
    format!(
        "{what}:\n    {}\n  the arrows to look at first:\n{}\n  {WHAT_TO_DO}",
        files.join(", "),
        lines.join("\n")
    )
}

/// What is wrong with the imports of a crate's files.
fn wrong(arrows: &Arrows) -> Vec<String> {
    let what = "these files import each other in a circle";
    let circles = circles(arrows);
    let all = circles.iter().map(|circle| told(arrows, circle, what));
    all.collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    let mut found = Vec::new();
    for crate_root in ["src/lib.rs", "agent/src/lib.rs", "protocol/src/lib.rs"] {
        let arrows = imports::of_crate(&root.join(crate_root));
        seen += arrows.len();
        found.extend(wrong(&arrows));
    }
    assert!(seen > 600, "the sources have moved: {seen}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn of(sources: &[(&str, &str)]) -> Arrows {
    imports::arrows(&|file| {
        let found = sources.iter().find(|(name, _)| *name == file);
        found.map(|(_, source)| (*source).to_owned())
    })
}

fn listed(arrows: &Arrows) -> Vec<String> {
    arrows
        .keys()
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect()
}

const LIB: (&str, &str) = ("lib.rs", "mod a; mod b; mod c;");

#[rstest::rstest]
#[case::by_use("use crate::b::g;", "use super::a::f;")]
#[case::in_groups("use crate::{c::h, b::{g as i}};", "use super::{a::{self, f}};")]
#[case::by_a_module("use crate::b; fn f() { b::g() }", "use super::a; fn g() { a::f() }")]
#[case::by_path("fn f() { crate::b::g() }", "fn g(x: super::a::F) {}")]
#[case::in_a_macro(
    "fn f() { println!(\"{}\", crate::b::g()) }",
    "fn g() { select! { x = super::a::f() => {} } }"
)]
#[case::within(
    "mod inner { use super::super::b::g; }",
    "mod inner { fn g() { crate::a::f() } }"
)]
fn a_circle_is_seen(#[case] a: &str, #[case] b: &str) {
    let arrows = of(&[LIB, ("a.rs", a), ("b.rs", b), ("c/mod.rs", "")]);
    let circle = Files::from(["a.rs", "b.rs"].map(str::to_owned));
    assert_eq!(
        circles(&arrows),
        std::slice::from_ref(&circle),
        "{arrows:?}"
    );
    let text = wrong(&arrows).concat();
    for part in [
        "a.rs, b.rs",
        "a.rs -> b.rs",
        "b.rs -> a.rs",
        "without it 0 of",
        "goes into a file of its own",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[rstest::rstest]
#[case::one_way("use crate::b::g;", "fn g() {}")]
#[case::in_tests("use crate::b::g;", "#[cfg(test)] mod tests { use crate::a::f; }")]
#[case::by_visibility("use crate::b::g;", "pub(super) fn g() {} pub(in crate::a) struct S;")]
#[case::by_a_crate_of_that_name("use crate::b::g;", "use a::f;")]
#[case::in_words(
    "use crate::b::g;",
    "/// `crate::a::f`\nfn g() -> &'static str { \"super::a::f\" }"
)]
fn what_is_no_circle_is_let_be(#[case] a: &str, #[case] b: &str) {
    let arrows = of(&[LIB, ("a.rs", a), ("b.rs", b), ("c/mod.rs", "")]);
    assert_eq!(circles(&arrows), Vec::<Files>::new(), "{arrows:?}");
    assert_eq!(listed(&arrows), ["a.rs -> b.rs"]);
}

/// A name is imported from the file that has it, not from the one that passes it on; and a parent that uses its child is above it.
#[test]
fn what_is_passed_on_is_no_arrow() {
    let arrows = of(&[
        ("lib.rs", "mod a; mod c;"),
        (
            "a.rs",
            "use crate::c::{Deep, Own}; use crate::c; fn f() { c::deep(); c::other::f() }",
        ),
        (
            "c/mod.rs",
            "mod deep; pub mod other; pub use deep::{Deep, deep}; pub use other::*; pub struct Own; fn f() { deep::g() }",
        ),
        (
            "c/deep.rs",
            "use super::Thing; pub struct Deep; pub fn deep() {} pub fn g() {}",
        ),
        ("c/other.rs", "pub struct Thing; pub fn f() {}"),
    ]);
    let expected = [
        "a.rs -> c/deep.rs",
        "a.rs -> c/mod.rs",
        "a.rs -> c/other.rs",
        "c/deep.rs -> c/other.rs",
        "c/mod.rs -> c/deep.rs",
    ];
    assert_eq!(listed(&arrows), expected);
    assert_eq!(circles(&arrows), Vec::<Files>::new());
}

/// What a file passes on and uses itself is an arrow; a variable of that name is none.
#[rstest::rstest]
#[case("pub use deep::Deep; pub fn f(x: Deep) {}", true)]
#[case("pub use deep::deep; pub fn f() { deep() }", true)]
#[case("pub use deep::deep; pub fn f(deep: u8) -> u8 { deep }", false)]
fn what_is_passed_on_and_used_is_one(#[case] source: &str, #[case] is_arrow: bool) {
    let source = format!("mod deep; {source}");
    let arrows = of(&[
        ("lib.rs", "mod c;"),
        ("c/mod.rs", &source),
        (
            "c/deep.rs",
            "use super::f; pub struct Deep; pub fn deep() {}",
        ),
    ]);
    let back = listed(&arrows).contains(&"c/mod.rs -> c/deep.rs".to_owned());
    assert_eq!(back, is_arrow, "{arrows:?}");
}

/// Of three files in a circle, with an arrow that closes a second one, that arrow is named first without which there is none.
#[test]
fn the_arrow_to_look_at_is_named() {
    let three: Arrows = [("x", "y"), ("y", "z"), ("z", "x"), ("y", "x"), ("z", "w")]
        .map(|(from, to)| ((from.to_owned(), to.to_owned()), String::new()))
        .into();
    let text = wrong(&three).join("\n");
    assert!(
        text.contains("x, y, z\n") && !text.contains("-> w"),
        "{text}"
    );
    let first = closing(&three, &circles(&three)[0])[0].1;
    assert_eq!(
        (first.0.as_str(), first.1.as_str()),
        ("x", "y"),
        "without it there is no circle"
    );
}
