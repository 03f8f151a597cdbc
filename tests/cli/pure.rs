//! What says that it is pure talks to nobody and reads no clock.

use std::path::Path;

#[test]
fn the_pure_parts_are_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut seen = 0;
    for folder in [root.clone(), root.join("screen")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.lines().count() < 400, "{path:?} is asking to be two");
            if !text.starts_with("//! PURE.") {
                continue;
            }
            seen += 1;
            for word in [
                "async ", ".await", "Client", "Api<", "clock::", "std::io", "tokio",
            ] {
                assert!(!text.contains(word), "{path:?} names {word}");
            }
        }
    }
    assert!(seen >= 15, "the sources have moved: {seen}");
}
