//! Holds the signals that ask to stop. A statement that runs is not undone by killing its client, so the agent waits for
//! it; how long is bounded by the pod's grace period.

use std::io;
use std::thread;

use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Holds SIGTERM, SIGINT and SIGHUP from now on and tells `report` of each. By handlers, which end at `exec`: a mask of
/// blocked signals would be the child's, too, and no SIGTERM would reach it any more.
///
/// # Errors
/// When the system refuses.
pub fn hold(report: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::spawn(move || {
        for number in signals.forever() {
            if let Ok(signal) = Signal::try_from(number) {
                report(signal);
            }
        }
    });
    Ok(())
}
