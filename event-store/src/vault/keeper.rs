//! Packing in the background.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::Vault;

/// Tells the keeper that a segment was added, or that it shall end.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    raised: bool,
    ended: bool,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn raise(&self) {
        self.lock().raised = true;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits until there may be something to do; false when there will not be.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        while !state.raised && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.raised = false;
        !state.ended
    }
}

/// The thread that packs what is due. It ends when this is dropped, after the segment at hand.
#[derive(Debug)]
pub(crate) struct Keeper {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn start(vault: Arc<Vault>) -> std::io::Result<Self> {
        let signal = vault.signal();
        signal.raise();
        let thread = std::thread::Builder::new()
            .name("log-keeper".to_owned())
            .spawn(move || keep(&vault))?;
        Ok(Self { signal, thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signal.end();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing to add; what it left is tidied at the next opening.
            let _ = thread.join();
        }
    }
}

fn keep(vault: &Vault) {
    let signal = vault.signal();
    while signal.wait() {
        let due = match vault.due() {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the segments cannot be listed for packing");
                continue;
            }
        };
        for base in due {
            if signal.ended() {
                return;
            }
            match vault.pack(base) {
                Ok((raw_bytes, packed_bytes)) => {
                    tracing::debug!(base, raw_bytes, packed_bytes, "a segment was packed");
                }
                // It stays as it is and is tried again when the next segment is added.
                Err(error) => tracing::warn!(base, %error, "a segment was not packed"),
            }
        }
    }
}
