//! The index of one segment in memory: of the segment that is being written, and of sealed ones until their
//! index is on disk.

use ledgerline_schemas::{Timestamp, Version};

use super::ids::Ids;
use super::streams::{StreamEvents, StreamKey, Streams};

/// Distance between places, bytes of log. The rest of the way is walked frame by frame.
pub(crate) const SPACING_BYTES: u64 = 16 << 10;

/// Streams, event ids and places of one segment.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    /// Position of the segment's first event.
    pub(crate) base: u64,
    /// What is at this position or behind it is no part of the segment any more: it was on its way when the
    /// segment was sealed, and went into the next one.
    pub(crate) end: u64,
    /// Latest `recorded_at` of a durable frame.
    pub(crate) recorded_until: Timestamp,
    streams: Streams,
    ids: Ids,
    /// Positions of frames and their offsets, ascending.
    places: Vec<(u64, u64)>,
}

impl Recent {
    /// The index of a segment that begins with this position.
    pub(crate) fn new(base: u64) -> Self {
        Self {
            base,
            end: u64::MAX,
            recorded_until: Timestamp::EPOCH,
            streams: Streams::default(),
            ids: Ids::default(),
            places: Vec::new(),
        }
    }

    fn relative(&self, position: u64) -> u32 {
        // A segment takes its last append at the latest when it is full; that is far below 2³² events.
        u32::try_from(position.saturating_sub(self.base)).unwrap_or(u32::MAX)
    }

    /// What it has of a stream.
    pub(crate) fn stream(&self, hash: u64, name: &str) -> Option<&StreamEvents> {
        self.streams.get(self.streams.find(hash, name)?)
    }

    pub(crate) fn stream_of(&self, key: StreamKey) -> Option<&StreamEvents> {
        self.streams.get(key)
    }

    /// How many of these events are before a position, and before the end of the segment.
    pub(crate) fn count_before(&self, stream: &StreamEvents, position: u64) -> usize {
        let end = self.relative(position.min(self.end));
        stream.relative.partition_point(|relative| *relative < end)
    }

    /// The version that follows the stream's last event, if the stream is in here.
    pub(crate) fn next_version(&self, hash: u64, name: &str) -> Option<Version> {
        let stream = self.stream(hash, name)?;
        Some(Version(stream.first_version + self.count_before(stream, u64::MAX) as u64))
    }

    /// Adds an event to a stream that is in here; `None` when it is not.
    pub(crate) fn push_known(
        &mut self,
        hash: u64,
        name: &str,
        position: u64,
    ) -> Option<(StreamKey, Version)> {
        let relative = self.relative(position);
        let key = self.streams.find(hash, name)?;
        let stream = self.streams.get_mut(key)?;
        stream.relative.push(relative);
        Some((key, Version(stream.first_version + stream.relative.len() as u64 - 1)))
    }

    /// Adds an event to a stream. `first_version` is for a stream that is not in here yet.
    pub(crate) fn push(
        &mut self,
        hash: u64,
        name: &str,
        first_version: u64,
        position: u64,
    ) -> (StreamKey, Version) {
        if let Some(known) = self.push_known(hash, name, position) {
            return known;
        }
        let relative = self.relative(position);
        let key = self.streams.insert(hash, name, first_version);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.relative.push(relative);
        }
        (key, Version(first_version))
    }

    /// Takes the last event of a stream away again.
    pub(crate) fn pop(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.relative.pop();
            // An empty stream stays: keys are places. It says no more than what the indexes before it say.
        }
    }

    pub(crate) fn insert_id(&mut self, print: u64, position: u64) {
        let relative = self.relative(position);
        self.ids.insert(print, relative);
    }

    /// Forgets ids from a position on.
    pub(crate) fn forget_ids(&mut self, from: u64) {
        let relative = self.relative(from);
        self.ids.truncate(relative);
    }

    /// Positions that may hold an id with this fingerprint.
    pub(crate) fn ids(&self, print: u64) -> impl Iterator<Item = u64> + '_ {
        let positions = self.ids.find(print).map(|relative| self.base + u64::from(relative));
        positions.filter(|position| *position < self.end)
    }

    /// Takes note of a durable frame; frames come in order.
    pub(crate) fn note(&mut self, position: u64, offset: u64, recorded_at: Timestamp) {
        if self.places.last().is_none_or(|(_, last)| offset >= last + SPACING_BYTES) {
            self.places.push((position, offset));
        }
        self.recorded_until = self.recorded_until.max(recorded_at);
    }

    /// The last noted frame that begins at or before a position, with its offset.
    pub(crate) fn place(&self, position: u64) -> Option<(u64, u64)> {
        let after = self.places.partition_point(|(at, _)| *at <= position);
        self.places.get(after.checked_sub(1)?).copied()
    }

    pub(crate) fn places(&self) -> &[(u64, u64)] {
        &self.places
    }

    /// Streams by hash and name, with what the segment has of them.
    pub(crate) fn sorted_streams(&self) -> Vec<(&StreamEvents, &[u32])> {
        let mut streams: Vec<_> = self
            .streams
            .iter()
            .map(|stream| {
                let count = self.count_before(stream, u64::MAX);
                (stream, stream.relative.get(..count).unwrap_or_default())
            })
            .filter(|(_, relative)| !relative.is_empty())
            .collect();
        streams.sort_by(|(left, _), (right, _)| {
            left.hash.cmp(&right.hash).then_with(|| left.name.cmp(&right.name))
        });
        streams
    }

    /// Fingerprints with relative positions, ascending.
    pub(crate) fn sorted_ids(&self) -> Vec<(u64, u32)> {
        let end = self.relative(self.end);
        let mut ids: Vec<_> = self.ids.iter().filter(|(_, relative)| *relative < end).collect();
        ids.sort_unstable();
        ids
    }
}
