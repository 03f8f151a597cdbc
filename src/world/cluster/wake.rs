//! Resources that wait for a database's turn, and the call that wakes them. Missing one is no harm: they look again
//! by themselves.

use std::collections::HashMap;
use std::sync::Mutex;

use futures::channel::mpsc;

use super::Who;

/// Where a scope's controller hears the calls.
pub type Wake = mpsc::UnboundedSender<Who>;

/// Who waits for which Lease.
#[derive(Default)]
pub struct Sleepers {
    waiting: Mutex<HashMap<String, Vec<Who>>>,
    scopes: Mutex<Vec<Wake>>,
}

impl Sleepers {
    /// A scope's controller will hear the calls.
    pub fn listen(&self) -> mpsc::UnboundedReceiver<Who> {
        let (sender, receiver) = mpsc::unbounded();
        self.scopes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(sender);
        receiver
    }

    /// A resource waits for a Lease.
    pub fn sleep(&self, lease: &str, who: Who) {
        let mut waiting = self
            .waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let list = waiting.entry(lease.to_owned()).or_default();
        if !list.contains(&who) {
            list.push(who);
        }
    }

    /// A Lease was given back.
    pub fn wake(&self, lease: &str) {
        let woken = self
            .waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(lease)
            .unwrap_or_default();
        let scopes = self
            .scopes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        call(&scopes, woken);
    }

    /// These resources may go on.
    pub fn call(&self, who: Vec<Who>) {
        let scopes = self
            .scopes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        call(&scopes, who);
    }
}

fn call(scopes: &[Wake], woken: Vec<Who>) {
    for who in woken {
        for scope in scopes {
            // A scope that has ended needs no call.
            let _ = scope.unbounded_send(who.clone());
        }
    }
}
