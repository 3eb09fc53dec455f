//! One append as it is carried: what a stored frame says, without what belongs to one segment file.

use bytes::Bytes;
use ledgerline_schemas::{NewEvent, Timestamp, Version};

use crate::custody::Hash;
use crate::segment::frame::{self, FRAME_BYTES_MAX};
use crate::segment::record::{self, Records};

/// An append with its place in the order. The records are the stored bytes, unchanged: leaves of the custody
/// tree are the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Position of the first event.
    pub(crate) base_position: u64,
    /// When the log took it, µs since 1970 UTC.
    pub(crate) recorded_at_micros: i64,
    /// Number of events, at least 1.
    pub(crate) count: u16,
    /// The records, one behind the other.
    pub(crate) body: Bytes,
}

/// The events of a batch, read back.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) versions: Vec<Version>,
}

impl Batch {
    /// Packs events that have their versions.
    pub(crate) fn pack(
        base_position: u64,
        recorded_at: Timestamp,
        events: &[NewEvent],
        versions: &[Version],
    ) -> Self {
        let mut body = Vec::with_capacity(events.iter().map(record::record_bytes).sum());
        for (event, version) in events.iter().zip(versions) {
            record::encode(&mut body, event, *version);
        }
        Self {
            base_position,
            recorded_at_micros: recorded_at.micros(),
            // An append has at most 4,096 events.
            count: u16::try_from(events.len()).unwrap_or(u16::MAX),
            body: body.into(),
        }
    }

    /// The position that follows its last event.
    pub(crate) fn next_position(&self) -> u64 {
        self.base_position.saturating_add(u64::from(self.count))
    }

    /// Whether it can be stored at all. Every reader of a carrier decides this the same way.
    pub(crate) fn is_well_formed(&self) -> bool {
        let mut records = Records::new(&self.body);
        let whole = (0..self.count).all(|_| records.skip().is_some());
        self.count > 0
            && self.base_position > 0
            && self.base_position.checked_add(u64::from(self.count)).is_some()
            && frame::frame_bytes(self.body.len()) <= FRAME_BYTES_MAX
            && whole
            && records.is_empty()
    }

    /// Checksum that tells it from any other batch, for its parts.
    pub(crate) fn check(&self) -> u32 {
        let mut crc = crc32c::crc32c(&self.base_position.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &self.recorded_at_micros.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &self.count.to_le_bytes());
        crc32c::crc32c_append(crc, &self.body)
    }

    /// SHA-256 over its place, time and records: what two logs are compared by.
    pub(crate) fn hash(&self) -> Hash {
        let mut bytes = Vec::with_capacity(self.body.len() + 18);
        bytes.extend_from_slice(&self.base_position.to_be_bytes());
        bytes.extend_from_slice(&self.recorded_at_micros.to_be_bytes());
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.body);
        Hash::of(&bytes)
    }

    pub(crate) const fn recorded_at(&self) -> Timestamp {
        Timestamp::from_micros(self.recorded_at_micros)
    }

    /// The events. `None` when the bytes are not the ones this version would store for them.
    pub(crate) fn unpack(&self) -> Option<Unpacked> {
        let mut records = Records::new(&self.body);
        let mut unpacked = Unpacked { events: Vec::new(), versions: Vec::new() };
        for _ in 0..self.count {
            let record = records.read()?;
            unpacked.versions.push(record.version);
            unpacked.events.push(record.to_new_event());
        }
        let Unpacked { events, versions } = &unpacked;
        let again = Self::pack(self.base_position, self.recorded_at(), events, versions);
        (again == *self).then_some(unpacked)
    }
}
