//! All runs of a log at one time, asked as one.

use std::ops::Range;
use std::sync::Arc;

use super::IndexError;
use super::run::Run;

/// Runs in order, without gaps, from the first position on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Vec<Arc<Run>>);

impl Runs {
    pub(crate) fn all(&self) -> &[Arc<Run>] {
        &self.0
    }

    /// The position after the last that is indexed here.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(1, |run| run.next())
    }

    /// Adds the run that follows.
    pub(crate) fn push(&mut self, run: Arc<Run>) {
        self.0.push(run);
    }

    /// Puts runs in the place of others that are about the same segments.
    pub(crate) fn replace(&mut self, range: Range<usize>, runs: Vec<Arc<Run>>) {
        self.0.splice(range, runs);
    }

    /// Bytes in memory.
    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.0.iter().map(|run| run.memory_bytes()).sum()
    }

    /// The first of so many neighbouring runs of the same size class that should become one. A run's class
    /// is how often its number of segments can be divided by `fan_in`, so an event is rewritten a
    /// logarithmic number of times.
    pub(crate) fn merge_due(&self, fan_in: usize) -> Option<Range<usize>> {
        let fan_in = fan_in.max(2);
        let class = |run: &Arc<Run>| run.facts.len().checked_ilog(fan_in).unwrap_or(0);
        let due = |window: &[Arc<Run>]| {
            let mut classes = window.iter().map(class);
            let first = classes.next()?;
            let span = window.last()?.next() - window.first()?.base();
            (classes.all(|class| class == first) && span <= u64::from(u32::MAX)).then_some(first)
        };
        self.0
            .windows(fan_in)
            .enumerate()
            .filter_map(|(at, window)| Some((due(window)?, at)))
            .min()
            .map(|(_, at)| at..at + fan_in)
    }

    /// The segment that holds a position, and a frame in it that begins at or before it, with its offset.
    pub(crate) fn place(&self, position: u64) -> Result<Option<Place>, IndexError> {
        let number = self.0.partition_point(|run| run.next() <= position);
        let Some(run) = self.0.get(number).filter(|run| run.base() <= position) else {
            return Ok(None);
        };
        let (position, offset) = run.place(position)?;
        let after = run.facts.partition_point(|facts| facts.base <= position);
        let facts = after.checked_sub(1).and_then(|at| run.facts.get(at));
        let segment = facts.ok_or_else(|| run.damaged("it has a place in no segment"))?.base;
        Ok(Some(Place { segment, position, offset }))
    }

    /// Positions that may hold an id with this fingerprint.
    pub(crate) fn ids(&self, print: u64) -> Result<Vec<u64>, IndexError> {
        let mut found = Vec::new();
        self.0.iter().try_for_each(|run| run.ids(print, &mut found))?;
        Ok(found)
    }

    /// The version that follows a stream's last event.
    pub(crate) fn next_version(&self, hash: u64, name: &str) -> Result<Option<u64>, IndexError> {
        for run in self.0.iter().rev() {
            if let Some(part) = run.stream(hash, name)? {
                return Ok(Some(part.next_version()));
            }
        }
        Ok(None)
    }

    /// Positions of a stream's events with these versions, as far as they are here, in order of version.
    pub(crate) fn positions(
        &self,
        hash: u64,
        name: &str,
        versions: Range<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        let mut parts = Vec::new();
        for run in self.0.iter().rev() {
            let Some(part) = run.stream(hash, name)? else { continue };
            if part.first_version < versions.end {
                parts.push((run, part));
            }
            if part.first_version <= versions.start {
                break;
            }
        }
        let mut positions = Vec::new();
        for (run, part) in parts.into_iter().rev() {
            let skip = versions.start.saturating_sub(part.first_version);
            let until = versions.end.saturating_sub(part.first_version);
            let max = usize::try_from(until.saturating_sub(skip)).unwrap_or(usize::MAX);
            positions.extend(run.positions(part, skip, max)?);
        }
        Ok(positions)
    }
}

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Base position of its segment.
    pub(crate) segment: u64,
    /// Position of the frame's first event.
    pub(crate) position: u64,
    /// Offset in the segment.
    pub(crate) offset: u64,
}
