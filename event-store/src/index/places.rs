//! Where positions are: one entry per stretch of the log; the rest of the way is walked frame by frame.

/// Distance between entries, bytes of log.
const SPACING_BYTES: u64 = 16 << 10;

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Position of the frame's first event.
    pub(crate) position: u64,
    /// Number of the segment, from 0.
    pub(crate) segment: u32,
    /// Offset in it.
    pub(crate) offset: u64,
}

/// Places in ascending order: 24 bytes for every 16 KiB of log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// Takes note of a frame; frames come in order.
    pub(crate) fn note(&mut self, place: Place) {
        let near = self.0.last().is_some_and(|last| {
            last.segment == place.segment && place.offset < last.offset + SPACING_BYTES
        });
        if !near {
            self.0.push(place);
        }
    }

    /// The last noted frame that begins at or before a position.
    pub(crate) fn at_or_before(&self, position: u64) -> Option<Place> {
        let after = self.0.partition_point(|place| place.position <= position);
        self.0.get(after.checked_sub(1)?).copied()
    }
}
