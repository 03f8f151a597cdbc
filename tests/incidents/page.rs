//! The page of an incident in docs/incidents, without what differs from one play to the next, and the table at the end.

use std::fs;
use std::path::PathBuf;

use regex::Regex;

use super::harness::Stage;
use super::plays::{Play, Record};

/// What is said of each is the same in every play.
const SAME: [(&str, &str); 16] = [
    (r"\bJob ([a-z-]+)-[0-9a-f]{8}\b", "Job $1-1f0c9a2e"),
    (r"\br(\d+)-[0-9a-f]{8}\b", "r$1-5e1c0a9b"),
    (
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        "0b54a2c6-0000-4000-8000-000000000000",
    ),
    (r"\b[0-9a-f]{12,64}\b", "4f2d90c31be7"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "2026-11-22T03:02:11Z"),
    (r"\b\d\d:\d\d:\d\d UTC", "03:02:11 UTC"),
    (r"\bpid \d+", "pid 4242"),
    (r"pg_terminate_backend\(\d+\)", "pg_terminate_backend(4242)"),
    (r"\b[0-9A-F]+/[0-9A-F]{6,8}\b", "1/7EC11E58"),
    (r"\b10\.\d+\.\d+\.\d+", "10.96.0.15"),
    (r"\b\d+ min \d+ s\b|\b\d+m\d+s\b", "1 s"),
    (r"\b\d+(\.\d+)? ?(?:ms|s|min|m)\b", "1 s"),
    (
        r"\b(dbma?|migrationaction\.dbops\.dev)/([a-z]+)-[a-z0-9]{5}\b",
        "$1/$2-x7k2p",
    ),
    (r"\battempt \d of", "attempt 1 of"),
    (r"\babout \d+ commits", "about 12 commits"),
    // What other tests have on the server.
    (
        r"\b\d+ other databases( on the server too)?: .*?(; it is|\n)",
        "2 other databases$1: identity, postgres$2",
    ),
];

/// A page in the words of every play.
pub fn normal(stage: &Stage, text: &str) -> String {
    let mut text = text.replace(&stage.namespace, "shop");
    text = text.replace(&format!("{}_", stage.role), "");
    text = text.replace(&stage.role, "shop");
    for (pattern, same) in SAME {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, same)
            .into_owned();
    }
    text.trim_end().to_owned() + "\n"
}

/// The page as it is kept, or what differs; with `INSTA_UPDATE=always`, as the other goldens, it is written.
pub fn compare(play: &Play, text: &str) -> Result<(), String> {
    let name = format!("{:02}-{}.txt", play.number, play.name);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/incidents");
    let path = folder.join(&name);
    let new = format!("Incident {}: {}\n\n{text}", play.number, play.title);
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&path, new).unwrap();
        return Ok(());
    }
    let old = fs::read_to_string(&path).unwrap_or_default();
    if old == new {
        return Ok(());
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut lines = Vec::new();
    lines.extend(
        old.iter()
            .filter(|line| !new.contains(line))
            .map(|line| format!("    - {line}")),
    );
    lines.extend(
        new.iter()
            .filter(|line| !old.contains(line))
            .map(|line| format!("    + {line}")),
    );
    Err(format!(
        "docs/incidents/{name} is not what is shown (INSTA_UPDATE=always writes it):\n{}",
        lines.join("\n")
    ))
}

/// One line of the table.
pub fn row(record: &Record) -> String {
    let seconds = record
        .seconds
        .map_or("not shown".to_owned(), |seconds| format!("{seconds:.1}"));
    let end = if record.failed.is_empty() {
        ""
    } else {
        "   FAILED"
    };
    format!(
        "  {:>2}  {:<76} {seconds:>9}  {:>8}  {:>6}{end}",
        record.number,
        record.title,
        record.commands,
        record.untrue.len()
    )
}

/// All of it, at the end.
pub fn table(records: &[Record]) {
    let head = ["seconds", "commands", "false"];
    println!(
        "\n  {:>2}  {:<76} {:>9}  {:>8}  {:>6}",
        "", "incident", head[0], head[1], head[2]
    );
    for record in records {
        println!("{}", row(record));
    }
    let untrue: usize = records.iter().map(|record| record.untrue.len()).sum();
    println!(
        "\n  seconds: from the fault until its cause is on the screen; commands: followed as printed; false: statements found, {untrue} in all"
    );
}
