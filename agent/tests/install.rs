//! The copy and its hook, in either order.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const AGENT: &str = env!("CARGO_BIN_EXE_dbm-agent");

fn call(word: &str, directory: &std::path::Path) -> Command {
    let mut command = Command::new(AGENT);
    command.arg(word).arg(directory);
    command
}

#[test]
fn the_container_outlives_its_hook() {
    for hook_first in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let order = if hook_first {
            ["installed", "install"]
        } else {
            ["install", "installed"]
        };
        let mut first = call(order[0], directory.path()).spawn().unwrap();
        sleep(Duration::from_millis(50));
        assert!(
            first.try_wait().unwrap().is_none(),
            "{} does not wait",
            order[0]
        );
        let second = call(order[1], directory.path()).spawn().unwrap();
        let (mut container, mut hook) = if hook_first {
            (second, first)
        } else {
            (first, second)
        };
        assert!(hook.wait().unwrap().success());
        let start = Instant::now();
        assert!(container.wait().unwrap().success());
        assert!(
            start.elapsed() > Duration::from_millis(100),
            "it has to linger"
        );

        let copy = directory.path().join("dbm-agent");
        assert_eq!(
            fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert!(fs::read(&copy).unwrap() == fs::read(AGENT).unwrap());
        let names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

#[test]
fn says_where_it_could_not_write() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = call("install", file.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not copy itself"));
    assert_eq!(Command::new(AGENT).output().unwrap().status.code(), Some(2));
}
