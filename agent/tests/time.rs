//! A command that takes longer than it may.
#![allow(clippy::unwrap_used)]

mod image;

use std::fs;
use std::process::Stdio;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use dbm_protocol::{Outcome, Summary};
use serde_json::json;

use image::*;

/// The summary of a test that took too long, what was shown, and for how long it ran.
fn too_long(image: &Image, script: &str) -> (Summary, String, Duration) {
    let start = Instant::now();
    let output = image.test(1, script).output().unwrap();
    let took = start.elapsed();
    assert_eq!(output.status.code(), Some(124), "{}", shown(&output));
    let summary = image.summary();
    assert_eq!(
        (&summary.outcome, summary.timed_out),
        (&Outcome::Failed, true)
    );
    assert!(took >= Duration::from_secs(1), "{took:?}");
    (summary, shown(&output), took)
}

#[test]
fn what_takes_too_long_is_ended() {
    let image = Image::new();
    let (summary, _, took) = too_long(&image, "echo waiting for the portal; exec sleep 60");
    assert_eq!(
        summary.message.as_deref(),
        Some("it took longer than 1s and was ended; it said at last: waiting for the portal")
    );
    assert_eq!((summary.exit_code, summary.signal), (None, Some(15)));
    assert!(took < Duration::from_secs(4), "{took:?}");

    let (summary, ..) = too_long(&image, "exec sleep 60");
    assert_eq!(
        summary.message.as_deref(),
        Some("it took longer than 1s and was ended; it said nothing")
    );
}

#[test]
fn what_ends_well_when_it_is_asked_to_has_failed_all_the_same() {
    let image = Image::new();
    let script = "trap 'echo tidied up; exit 0' TERM; touch started; while :; do sleep 0.05; done";
    let (summary, text, _) = too_long(&image, script);
    assert_eq!(summary.exit_code, Some(0));
    assert!(text.ends_with("tidied up\n"), "{text}");
}

#[test]
fn what_does_not_end_when_it_is_asked_to_is_killed() {
    let scripts = [
        // ignores signals
        "trap '' TERM INT HUP; while :; do sleep 1; done",
        // closed its output
        "trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 1; done",
        // the shell ends at once, its child does not and holds the pipe
        "(trap '' TERM; sleep 60) & wait",
    ];
    thread::scope(|scope| {
        for script in scripts {
            scope.spawn(move || {
                let (summary, text, took) = too_long(&Image::new(), script);
                assert!(took >= Duration::from_secs(5), "{script}: {took:?}");
                assert!(took < Duration::from_secs(12), "{script}: {took:?}");
                assert!(text.contains("SIGKILL"), "{script}: {text}");
                assert!(
                    matches!(summary.signal, Some(9 | 15)),
                    "{script}: {summary:?}"
                );
            });
        }
    });
}

#[test]
fn nothing_of_its_group_is_left_behind() {
    let image = Image::new();
    let script =
        "(trap '' TERM; while :; do date >>alive; sleep 0.05; done) >/dev/null 2>&1 & sleep 60";
    let (_, _, took) = too_long(&image, script);
    assert!(took < Duration::from_secs(12), "{took:?}");
    sleep(Duration::from_millis(200));
    let size = || fs::metadata(image.path("alive")).unwrap().len();
    let before = size();
    sleep(Duration::from_millis(300));
    assert_eq!(size(), before, "it still writes");
}

#[test]
fn a_child_that_left_the_group_and_holds_the_output_does_not_hold_the_agent() {
    let image = Image::new();
    let script = "setsid sh -c 'sleep 15' & sleep 60";
    let start = Instant::now();
    // Its output is not read to the end: the child has that, too.
    let mut agent = image.test(1, script).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(124));
    assert!(
        start.elapsed() < Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
    assert!(image.summary().timed_out);
}

#[test]
fn the_time_is_that_of_all_calls_together() {
    let image = Image::new();
    let more = json!({"prismaCalls": [["a"], ["b"], ["c"]], "timeoutSeconds": 2});
    let mut agent = image.prisma(more, "echo $1 >>calls; sleep 1.2");
    assert_eq!(agent.output().unwrap().status.code(), Some(124));
    assert_eq!(image.read("calls"), "a\nb\n");
    assert!(image.summary().timed_out);
}

#[test]
fn what_is_in_time_is_not_touched() {
    let image = Image::new();
    for (script, code) in [
        ("echo out", 0),
        ("echo out; exit 3", 3),
        ("sleep 15 & echo out", 0),
    ] {
        let mut agent = image.test(20, script);
        let start = Instant::now();
        let mut child = agent.stdout(Stdio::null()).spawn().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{script}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!image.summary().timed_out);
    }
}
