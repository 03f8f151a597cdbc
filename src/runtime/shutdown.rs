//! One answer to "are we asked to stop?", shared by every part of the process.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Told when the process is to stop. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks for the stop by hand: what tests, and runs without signals, hold. Dropping it asks as well.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks everyone who holds the [`Shutdown`] to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// A shutdown that only its trigger asks for.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Asked for by SIGTERM or SIGINT. A second signal ends the process at once, with 128 and its number, as a shell
    /// would show it.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn on_signal() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::manual();
        tokio::spawn(async move {
            let name = either(&mut terminate, &mut interrupt).await.0;
            tracing::info!(signal = name, "stopping; a second signal stops at once");
            trigger.request();
            let (name, number) = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "stopped by a second signal");
            std::process::exit(128 + number);
        });
        Ok(shutdown)
    }

    /// Whether the stop has been asked for.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Completes when the stop is asked for, at once if it was.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut receiver = self.0.clone();
        async move {
            // an error says that the trigger is gone: nobody could ask any more
            let _ = receiver.wait_for(|asked| *asked).await;
        }
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_told_also_later() {
        let (trigger, shutdown) = Shutdown::manual();
        let (early, copy) = (shutdown.wait(), shutdown.clone());
        assert!(!shutdown.requested());
        trigger.request();
        early.await;
        copy.wait().await;
        assert!(shutdown.requested() && copy.requested());
    }

    #[tokio::test]
    async fn a_lost_trigger_is_a_request() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        shutdown.wait().await;
        assert!(shutdown.requested());
    }
}
