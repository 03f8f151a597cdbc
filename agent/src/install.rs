//! Brings the agent into a pod: one container copies it into a shared folder, its `postStart` hook holds the next
//! container until the copy stands.
//!
//! A hook that runs after the end of its container fails the pod. So the container waits for a file that the hook
//! writes, and then lingers for a moment, in which the hook ends.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The name of the copy.
pub const PROGRAM: &str = "dbm-agent";
/// What the hook writes.
pub const SEEN: &str = ".installed-seen";

const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(3);
const LINGER: Duration = Duration::from_millis(200);

/// Copies this program to `directory/dbm-agent`, then waits for the hook.
///
/// # Errors
/// When the copy fails, or when no hook was seen within a minute.
pub fn install(directory: &Path) -> Result<(), String> {
    place(directory)?;
    if !wait_for(&directory.join(SEEN), WAIT) {
        return Err(format!(
            "the copy stands in {}, but for {} s no postStart hook (dbm-agent installed DIR) came to see it; the hook is \
             missing, or names another folder",
            directory.display(),
            WAIT.as_secs()
        ));
    }
    sleep(LINGER);
    Ok(())
}

/// Only copies: for an init container, which has no hook and is followed by another one.
///
/// # Errors
/// When the copy fails.
pub fn place(directory: &Path) -> Result<(), String> {
    copy(directory).map_err(|error| {
        format!(
            "could not copy itself to {}: {error}; the folder has to be a volume that this container may write",
            directory.join(PROGRAM).display()
        )
    })
}

/// The hook: waits for the copy, then tells [`install`].
///
/// # Errors
/// When there is no copy within a minute, or the file cannot be written.
pub fn installed(directory: &Path) -> Result<(), String> {
    let program = directory.join(PROGRAM);
    if !wait_for(&program, WAIT) {
        return Err(format!(
            "waited {} s for {}, which dbm-agent install writes; see the log of that container",
            WAIT.as_secs(),
            program.display()
        ));
    }
    File::create(directory.join(SEEN))
        .map(drop)
        .map_err(|error| {
            format!(
                "could not write {}: {error}",
                directory.join(SEEN).display()
            )
        })
}

fn copy(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let temporary = directory.join(format!(".{PROGRAM}.{}", std::process::id()));
    let written =
        write_copy(&temporary).and_then(|()| fs::rename(&temporary, directory.join(PROGRAM)));
    if written.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_copy(to: &Path) -> io::Result<()> {
    let mut source = File::open("/proc/self/exe")?;
    let mut target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o700)
        .open(to)?;
    io::copy(&mut source, &mut target)?;
    // Not the mode of `open`, which the umask cuts: the next container may run as another user.
    target.set_permissions(fs::Permissions::from_mode(0o755))
}

fn wait_for(path: &Path, limit: Duration) -> bool {
    let start = Instant::now();
    while !path.exists() {
        if start.elapsed() > limit {
            return false;
        }
        sleep(POLL);
    }
    true
}
