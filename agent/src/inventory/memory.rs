//! How much memory this container may use, for who has to raise it.

use std::fs;
use std::path::Path;

/// Where the kernel says it: version 2 of cgroups, then version 1.
const FILES: [&str; 2] = [
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Beyond so many bytes it is no limit; version 1 has a number for none.
const NONE: u64 = 1 << 50;

/// What a message says after `job.resources.limits.memory`.
pub fn shown() -> String {
    limit(Path::new("/")).map_or_else(String::new, |bytes| {
        format!(" (this container has {} MiB)", bytes >> 20)
    })
}

fn limit(root: &Path) -> Option<u64> {
    let mut texts = FILES
        .iter()
        .filter_map(|file| fs::read_to_string(root.join(file)).ok());
    let bytes: u64 = texts.find_map(|text| text.trim().parse().ok())?;
    (bytes < NONE).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn limits() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(limit(root.path()), None);
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(FILES[1], "9223372036854771712\n");
        assert_eq!(limit(root.path()), None);
        write(FILES[1], "268435456\n");
        assert_eq!(limit(root.path()), Some(256 << 20));
        write(FILES[0], "max\n");
        write(FILES[1], "max\n");
        assert_eq!(limit(root.path()), None);
        write(FILES[0], "134217728\n");
        assert_eq!(limit(root.path()), Some(128 << 20));
    }
}
