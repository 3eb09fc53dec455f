//! Who commits: the writer thread, or a thread that waits for its append and finds the writer idle. Then
//! there is no hand-over between threads in the way of a single writer, and many share one sync as ever.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::commit::Committer;
use super::state::{Condition, Job, Shared};
use crate::log::{AppendError, Help};

/// The committer, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Drive {
    shared: Arc<Shared>,
    committer: Mutex<Committer>,
}

impl Drive {
    pub(crate) const fn new(shared: Arc<Shared>, committer: Committer) -> Self {
        Self { shared, committer: Mutex::new(committer) }
    }

    /// Commits groups until the log closes or is poisoned: the writer thread.
    pub(crate) fn run(&self) {
        let _end = End(&self.shared);
        while let Some(jobs) = self.shared.next_group() {
            self.commit(jobs);
        }
        self.committer.lock().unwrap_or_else(PoisonError::into_inner).finish();
    }

    /// Commits a group that was taken; the turn ends with it.
    fn commit(&self, jobs: VecDeque<Job>) {
        let _turn = Turn(&self.shared);
        self.committer.lock().unwrap_or_else(PoisonError::into_inner).commit(jobs);
    }
}

impl Help for Drive {
    fn help(&self) {
        if let Some(jobs) = self.shared.idle_group() {
            self.commit(jobs);
        }
    }
}

/// Tells the indexer that the writer thread is gone, however it went.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end_writer();
    }
}

/// The right to commit. One thread has it at a time.
struct Turn<'a>(&'a Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lost = VecDeque::new();
        let mut state = self.0.lock();
        if std::thread::panicking() {
            // What was being written may be anywhere; nobody waits for it in vain.
            state.condition = Condition::Poisoned("its writer panicked".to_owned());
            lost = std::mem::take(&mut state.queue);
        }
        let wake = state.end_turn();
        drop(state);
        if wake {
            self.0.wake_writer();
        }
        for mut job in lost {
            let reason = "the log's writer panicked".to_owned();
            job.answer(Err(AppendError::Unknown { reason }));
        }
    }
}
