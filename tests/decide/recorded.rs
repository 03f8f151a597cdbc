//! Fixed schedules, and a digest of every decision that is taken in them. Nothing here says what is right: it says what is as it was,
//! so that code can be moved.
//!
//! `goldens/recorded.txt` has a line for each schedule, so a diff of it names those that moved. `DBM_RECORD=DIR` writes what was decided
//! as text, a file for each schedule: written by two checkouts into two folders, `diff -r` shows the words and effects that differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[path = "recorded/book.rs"]
mod book;
#[path = "recorded/dice.rs"]
mod dice;
#[path = "recorded/never.rs"]
mod never;
#[path = "recorded/schedules.rs"]
mod schedules;
#[path = "recorded/twists.rs"]
mod twists;

use book::Book;
pub use book::{is_recording, note};
use schedules::Schedule;

/// What one schedule came to.
struct Line {
    digest: String,
    decisions: usize,
    /// What was said and done in it; see [`book::Book::seen`].
    seen: BTreeSet<String>,
}

/// Plays all schedules, on as many threads as there are processors.
fn play_all() -> BTreeMap<String, Line> {
    let folder = std::env::var_os("DBM_RECORD").map(PathBuf::from);
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).unwrap();
    }
    let schedules = schedules::all();
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(schedule) = schedules.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (name, book) in schedule.play() {
                        let line = kept(&name, &book, folder.as_deref());
                        let before = lines.lock().unwrap().insert(name.clone(), line);
                        assert!(before.is_none(), "two schedules are called {name:?}");
                    }
                }
            });
        }
    });
    lines.into_inner().unwrap()
}

fn kept(name: &str, book: &Book, folder: Option<&Path>) -> Line {
    if let Some(folder) = folder {
        let word = |c: char| if c.is_alphanumeric() { c } else { '-' };
        let file = name.chars().map(word).collect::<String>() + ".txt";
        std::fs::write(folder.join(file), &book.text).unwrap();
    }
    Line {
        digest: format!("{:016x}", fnv(book.text.as_bytes())),
        decisions: book.decisions,
        seen: book.seen.clone(),
    }
}

/// FNV-1a. It has nobody to withstand, and the tests' profile takes its time for a SHA-256 of all this text.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decide/goldens/recorded.txt")
}

/// A digest, the number of decisions, and the schedule's name.
fn page(lines: &BTreeMap<String, Line>) -> String {
    let row = |(name, line): (&String, &Line)| {
        format!("{}  {:>5}  {name}\n", line.digest, line.decisions)
    };
    lines.iter().map(row).collect()
}

/// What differs between two pages, in words: which schedules moved, are new, or are gone.
fn moved(old: &str, new: &str) -> Vec<String> {
    fn by_name(page: &str) -> BTreeMap<&str, &str> {
        page.lines()
            .filter_map(|line| Some((line.get(25..)?, line.get(..23)?)))
            .collect()
    }
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let told = |name: &str| match (old.get(name), new.get(name)) {
        (Some(before), Some(now)) if before == now => None,
        (Some(_), Some(_)) => Some(format!("  decided otherwise: {name}")),
        (Some(_), None) => Some(format!("  not played any more: {name}")),
        (None, _) => Some(format!("  new: {name}")),
    };
    names.into_iter().filter_map(told).collect()
}

#[test]
fn what_is_decided_is_what_was_decided() {
    let lines = play_all();
    let new = page(&lines);
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        std::fs::write(golden(), &new).unwrap();
    }
    let old = std::fs::read_to_string(golden()).unwrap_or_default();
    let moved = moved(&old, &new);
    assert!(
        moved.is_empty(),
        "{} of {} recorded schedules are not as tests/decide/goldens/recorded.txt has them:\n{}\n\
         To see what differs, run this test with DBM_RECORD=DIR here and in a checkout of before, with two folders, and compare those with \
         diff -r.\nWhere the change is meant, INSTA_UPDATE=always writes the golden anew, and the commit says which words or effects changed, \
         and why.",
        moved.len(),
        lines.len(),
        moved.join("\n")
    );
    let seen: BTreeSet<&str> = lines
        .values()
        .flat_map(|line| &line.seen)
        .map(String::as_str)
        .collect();
    let wrong = never::wrong(&seen);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The net has no hole of its own: what moved, came or went is named, and nothing else is.
#[test]
fn a_schedule_that_moved_is_named() {
    let line = |digest: &str, decisions: usize| Line {
        digest: digest.repeat(16),
        decisions,
        seen: BTreeSet::new(),
    };
    let of = |lines: Vec<(&str, Line)>| {
        page(
            &lines
                .into_iter()
                .map(|(name, line)| (name.to_owned(), line))
                .collect(),
        )
    };
    let old = of(vec![
        ("one", line("a", 1)),
        ("two", line("b", 2)),
        ("gone", line("c", 3)),
    ]);
    assert_eq!(moved(&old, &old), Vec::<String>::new());
    let new = of(vec![
        ("one", line("a", 1)),
        ("two", line("d", 2)),
        ("three", line("e", 12345)),
    ]);
    let expected = [
        "  not played any more: gone",
        "  new: three",
        "  decided otherwise: two",
    ];
    assert_eq!(moved(&old, &new), expected);
}

/// A digest says nothing about order of hash maps, threads or the clock: played twice, a schedule is the same to the letter.
#[test]
fn a_schedule_is_the_same_every_time() {
    for schedule in [Schedule::of_humans(7), Schedule::of_faults(7)] {
        let text = |schedule: &Schedule| schedule.play().remove(0).1.text;
        let first = text(&schedule);
        assert!(first.len() > 10_000, "{}", first.len());
        assert_eq!(first, text(&schedule));
    }
}
