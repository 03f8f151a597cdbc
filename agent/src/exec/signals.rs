//! Holds the signals that ask to stop. A statement that runs is not undone by killing its client, so the agent waits for
//! it; how long is bounded by the pod's grace period.

use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// Holds SIGTERM, SIGINT and SIGHUP from now on and tells `report` of each. Has to be called before any other thread is
/// started. The child gets a signal mask and handlers of its own.
///
/// # Errors
/// When the system refuses.
pub fn hold(report: impl Fn(Signal) + Send + 'static) -> nix::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            report(signal);
        }
    });
    Ok(())
}
