//! The index of sealed segments is written, and runs are merged, beside the commits.
//!
//! Like the committer, the indexer has no thread of its own: in the program a thread drives it, in the crash
//! simulation the simulation itself. A failure here costs memory and time, never events: the segment stays
//! indexed in memory, and the next one is a new try.

use std::sync::Arc;

use super::state::{Condition, Shared};
use crate::segment::recovery::Problem;

/// Writes and merges indexes.
#[derive(Debug)]
pub(crate) struct Indexer {
    shared: Arc<Shared>,
}

impl Indexer {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Works until the log closes; sealed segments get their index even then.
    pub(crate) fn run(self) {
        let mut seen = None;
        loop {
            let wanted = || self.shared.lock().condition == Condition::Open;
            while self.step(&wanted) {}
            seen = match self.shared.next_frozen(seen) {
                Some(last) => Some(last),
                None => return,
            };
        }
    }

    /// Does one piece of work; whether there was one and it succeeded. Merges are given up when they are
    /// not `wanted` any more.
    pub(crate) fn step(&self, wanted: &dyn Fn() -> bool) -> bool {
        match self.write_one() {
            Ok(false) => {}
            Ok(true) => return true,
            Err(problem) => {
                tracing::warn!(?problem, "the index of a sealed segment cannot be written");
                return false;
            }
        }
        wanted()
            && self.shared.sealed.merge(wanted).unwrap_or_else(|problem| {
                tracing::warn!(?problem, "indexes cannot be merged");
                false
            })
    }

    /// Writes the index of the oldest segment that has none; whether there was one.
    fn write_one(&self) -> Result<bool, Problem> {
        let sealed = &self.shared.sealed;
        let frozen = self.shared.lock().frozen.front().map(Arc::clone);
        let Some(frozen) = frozen else { return Ok(false) };
        let run = sealed
            .write(&frozen.recent, frozen.facts)
            .map_err(|error| Problem::Io(std::io::Error::other(error.to_string())))?;
        // Both at once: whoever holds the lock finds every event in exactly one of them.
        let mut state = self.shared.lock();
        sealed.push(run);
        state.thaw();
        Ok(true)
    }
}
