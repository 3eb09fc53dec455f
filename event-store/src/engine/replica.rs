//! The local side of a mirror: what the engine has becomes the next append here, unchanged, or is compared with
//! what is here already.

use std::collections::BTreeMap;

use ledgerline_schemas::{Position, StreamId, Version};

use super::batch::Batch;
use super::error::EngineError;
use crate::embedded::EmbeddedLog;
use crate::embedded::read::Batches;
use crate::log::{Append, EventReader as _, Submitted};

/// Bytes on their way to the disk before a mirror waits for it.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Streams whose versions are remembered before a mirror waits for the disk.
const STREAMS_MAX: usize = 10_000;

/// A log that takes the appends of another one.
#[derive(Debug)]
pub(crate) struct Replica {
    log: EmbeddedLog,
    stored: Batches,
    next_position: u64,
    last_recorded_at_micros: i64,
    /// Versions of streams with events on their way.
    heads: BTreeMap<StreamId, Version>,
    last: Option<Submitted>,
    waiting_bytes: usize,
}

impl Replica {
    pub(crate) fn new(log: EmbeddedLog) -> Result<Self, EngineError> {
        let head = log.head();
        let mut stored = Batches::new(log.shared());
        let last_recorded_at_micros = match head {
            Position::START => i64::MIN,
            head => stored.holding(head.0)?.recorded_at_micros,
        };
        Ok(Self {
            log,
            stored,
            next_position: head.0 + 1,
            last_recorded_at_micros,
            heads: BTreeMap::new(),
            last: None,
            waiting_bytes: 0,
        })
    }

    /// The position that follows everything that was taken.
    pub(crate) const fn next_position(&self) -> u64 {
        self.next_position
    }

    /// The position that follows everything that is durable.
    pub(crate) fn next_durable(&self) -> u64 {
        self.log.head().0 + 1
    }

    /// Takes an append, or compares it with the one that is here.
    pub(crate) async fn apply(&mut self, batch: &Batch) -> Result<(), EngineError> {
        if batch.base_position < self.next_position {
            return self.compare(batch).await;
        }
        let misfit = |reason: String| EngineError::Misfit {
            position: Position(batch.base_position),
            reason,
        };
        if batch.base_position > self.next_position {
            return Err(misfit(format!("the log continues at position {}", self.next_position)));
        }
        if batch.recorded_at_micros < self.last_recorded_at_micros {
            return Err(misfit("it was recorded before the one before it".to_owned()));
        }
        let unpacked = batch.unpack().ok_or_else(|| {
            misfit("its bytes are not those of events of this version".to_owned())
        })?;
        for (event, version) in unpacked.events.iter().zip(&unpacked.versions) {
            let head = match self.heads.get(&event.stream) {
                Some(head) => Some(*head),
                None => self.log.stream_head(&event.stream)?,
            };
            let next = head.map_or(Version(0), |head| Version(head.0 + 1));
            if *version != next {
                let stream = &event.stream;
                return Err(misfit(format!("version {version} of stream {stream}, not {next}")));
            }
            self.heads.insert(event.stream.clone(), next);
        }
        let append = Append { events: unpacked.events, expected: Vec::new() };
        let submitted = self.log.replicate(append, batch.recorded_at())?;
        let appended = &submitted.appended;
        if appended.duplicate
            || appended.first.0 != batch.base_position
            || appended.versions != unpacked.versions
            || appended.recorded_at != batch.recorded_at()
        {
            return Err(misfit("an event of it is in the log already".to_owned()));
        }
        self.next_position = batch.next_position();
        self.last_recorded_at_micros = batch.recorded_at_micros;
        self.waiting_bytes += batch.body.len();
        self.last = Some(submitted);
        if self.waiting_bytes > WAITING_BYTES_MAX || self.heads.len() > STREAMS_MAX {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits until everything that was taken is durable.
    pub(crate) async fn settle(&mut self) -> Result<(), EngineError> {
        if let Some(last) = self.last.take() {
            last.await?;
        }
        self.heads.clear();
        self.waiting_bytes = 0;
        Ok(())
    }

    async fn compare(&mut self, theirs: &Batch) -> Result<(), EngineError> {
        if theirs.base_position >= self.next_durable() {
            self.settle().await?;
        }
        let ours = self.stored.holding(theirs.base_position)?;
        if ours == *theirs {
            return Ok(());
        }
        let position = Position(theirs.base_position);
        Err(EngineError::Diverged { position, ours: ours.hash(), theirs: theirs.hash() })
    }

    /// The durable append that begins at a position.
    pub(crate) fn batch_at(&mut self, position: u64) -> Result<Batch, EngineError> {
        let batch = self.stored.holding(position)?;
        if batch.base_position != position {
            let reason = format!("here an append begins at {}", batch.base_position);
            return Err(EngineError::Misfit { position: Position(position), reason });
        }
        Ok(batch)
    }

    pub(crate) const fn log(&self) -> &EmbeddedLog {
        &self.log
    }
}
