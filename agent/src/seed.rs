//! Fills the volumes of writable paths with what the image holds there: a volume that is mounted over a folder hides
//! it, and a container without a shell has no `cp`.

use std::fs;
use std::io;
use std::path::Path;

/// Copies each folder into the next one: `FROM TO FROM TO`. A folder that the image does not have leaves its volume
/// empty.
///
/// # Errors
/// With the first file that could not be copied.
pub fn seed(pairs: &[&str]) -> Result<(), String> {
    for pair in pairs.chunks_exact(2) {
        let (from, to) = (Path::new(pair[0]), Path::new(pair[1]));
        if !from.is_dir() {
            println!(
                "dbm-agent: the image has no folder {}; its volume stays empty",
                from.display()
            );
            continue;
        }
        copy(from, to).map_err(|(path, error)| {
            format!("could not copy {path} into its volume: {error}; job.writablePaths may only name folders that job.runAsUser can read")
        })?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), (String, io::Error)> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error| (path, error)
    };
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(at(&source))?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(at(&source))?;
            std::os::unix::fs::symlink(link, &target).map_err(at(&target))?;
        } else if kind.is_file() {
            // Sockets and devices hold no content.
            fs::copy(&source, &target).map_err(at(&source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::seed;

    #[test]
    fn copies_files_folders_and_links_and_leaves_out_what_is_not_there() {
        let image = tempfile::tempdir().unwrap();
        let volume = tempfile::tempdir().unwrap();
        std::fs::create_dir(image.path().join("deep")).unwrap();
        std::fs::write(image.path().join("deep/engine"), "x").unwrap();
        std::os::unix::fs::symlink("deep/engine", image.path().join("link")).unwrap();
        let (from, to) = (
            image.path().to_str().unwrap(),
            volume.path().to_str().unwrap(),
        );
        seed(&[from, to, "/not/there", to]).unwrap();
        assert_eq!(
            std::fs::read_to_string(volume.path().join("link")).unwrap(),
            "x"
        );
        assert!(volume.path().join("link").is_symlink());
        assert!(volume.path().join("deep/engine").is_file());
    }
}
