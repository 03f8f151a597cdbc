//! Holds the signals that ask to stop. A statement that runs is not undone by killing its client, so the agent waits for
//! it; how long is bounded by the pod's grace period.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// One of them came.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether this process was asked to stop: what has not begun by then does not begin.
#[must_use]
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Holds SIGTERM, SIGINT and SIGHUP from now on and tells `report` of each. By handlers, which end at `exec`: a mask of
/// blocked signals would be the child's, too, and no SIGTERM would reach it any more.
///
/// # Errors
/// When the system refuses.
pub fn hold(report: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::spawn(move || {
        for number in signals.forever() {
            ASKED.store(true, Ordering::SeqCst);
            if let Ok(signal) = Signal::try_from(number) {
                report(signal);
            }
        }
    });
    Ok(())
}
