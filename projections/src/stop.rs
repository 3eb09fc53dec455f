//! Telling a thread to stop, from anywhere.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// A one-way switch that can be waited for, with and without a limit.
#[derive(Debug)]
pub(crate) struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
    watch: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { asked: Mutex::new(false), changed: Condvar::new(), watch: watch::Sender::new(false) }
    }
}

impl Stop {
    /// Asks the thread to stop.
    pub(crate) fn now(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
        self.watch.send_replace(true);
    }

    /// Whether it was asked.
    pub(crate) fn is_asked(&self) -> bool {
        *self.watch.borrow()
    }

    /// A watch that turns true.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.watch.subscribe()
    }

    /// Waits on the calling thread until asked, but no longer than `limit`.
    pub(crate) fn wait(&self, limit: Duration) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Whichever way the wait ends, the caller looks at `is_asked` next.
        let _ = self.changed.wait_timeout_while(asked, limit, |asked| !*asked);
    }
}
