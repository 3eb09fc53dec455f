//! Packing in the background, with what processor time nobody else wants: packing costs more than appending,
//! and a segment that is packed later only takes more space until then.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Vault;

/// The lowest priority: about a seventieth of the time of a thread that never rests, all of it when the
/// others do.
const NICE: i32 = 19;

/// While segments follow one another faster than this, appends have the disk and the processors to
/// themselves: with segments of 64 MiB that is 64 MiB/s, more than any contact center writes for long.
const CALM: Duration = Duration::from_secs(1);
/// So many segments that are due are packed whatever else goes on: the space they take has a bound.
const DUE_MAX: usize = 64;

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

    /// Waits until a segment was added, and then to see whether another one follows.
    fn wait(&self, calm: Duration) -> Wake {
        let mut state = self.lock();
        while !state.raised && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.raised = false;
        let follows = |state: &mut State| !state.raised && !state.ended;
        let (state, _) = self
            .changed
            .wait_timeout_while(state, calm, follows)
            .unwrap_or_else(PoisonError::into_inner);
        match *state {
            State { ended: true, .. } => Wake::End,
            State { raised: true, .. } => Wake::Busy,
            State { .. } => Wake::Calm,
        }
    }
}

/// What the keeper was woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// A segment was added, and none after it for a while.
    Calm,
    /// Another one was added meanwhile.
    Busy,
    /// It shall end.
    End,
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

/// Lowers the priority of the calling thread as far as it goes; on Linux a thread has one of its own.
fn step_back() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICE) {
        tracing::warn!(%error, "segments are packed with the priority of the appends");
    }
}

fn keep(vault: &Vault) {
    step_back();
    let signal = vault.signal();
    loop {
        let wake = signal.wait(CALM);
        if wake == Wake::End {
            return;
        }
        let due = match vault.due() {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the segments cannot be listed for packing");
                continue;
            }
        };
        if wake == Wake::Busy && due.len() < DUE_MAX {
            continue;
        }
        for base in &due {
            if signal.ended() {
                return;
            }
            if signal.lock().raised && due.len() < DUE_MAX {
                break;
            }
            match vault.pack(*base) {
                Ok((raw_bytes, packed_bytes)) => {
                    tracing::debug!(base, raw_bytes, packed_bytes, "a segment was packed");
                }
                // It stays as it is and is tried again when the next segment is added.
                Err(error) => tracing::warn!(base, %error, "a segment was not packed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_is_followed_by_another_is_a_busy_time_and_the_last_one_a_calm() {
        let signal = Arc::new(Signal::default());
        signal.raise();
        let waiting = std::thread::spawn({
            let signal = Arc::clone(&signal);
            // Long enough for any machine: it ends with the second segment.
            move || signal.wait(Duration::from_secs(3_600))
        });
        while signal.lock().raised {
            std::thread::yield_now();
        }
        signal.raise();
        assert_eq!(waiting.join().unwrap(), Wake::Busy);
        assert_eq!(signal.wait(Duration::ZERO), Wake::Calm);
        signal.end();
        assert_eq!(signal.wait(Duration::from_secs(3_600)), Wake::End);
    }
}
