//! What is asked of a store: so many writers, batches, payloads and streams.

use ledgerline_schemas::StreamId;
use serde::{Deserialize, Serialize};

/// Streams of a spread load.
pub(crate) const SPREAD_STREAMS: u64 = 10_000;
/// Type of most events.
pub(crate) const COMMON_TYPE: &str = "queue.entered";
/// Type of every hundredth event: what filtered reads look for.
pub(crate) const RARE_TYPE: &str = "queue.left";
/// One event of so many is of the rare type.
pub(crate) const RARE_EVERY: u64 = 100;

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Streams {
    /// All writers append to one stream.
    Hot,
    /// Each writer goes round its share of [`SPREAD_STREAMS`].
    Spread,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Load {
    /// Writers that append and wait, each one append at a time.
    pub(crate) writers: u64,
    /// Events of an append.
    pub(crate) batch: u64,
    /// Bytes of an event's payload.
    pub(crate) payload_bytes: usize,
    /// Where events go.
    pub(crate) streams: Streams,
}

/// The events of one append: numbered, so that every store makes the same of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Number of the stream.
    pub(crate) stream: u64,
    /// Version that the first event will have, where the writer can know it: when nobody else writes the
    /// stream.
    pub(crate) version: Option<u64>,
    /// Number of the first event; no two events of a run have the same.
    pub(crate) first: u64,
    /// How many.
    pub(crate) events: u64,
    /// Bytes of a payload.
    pub(crate) payload_bytes: usize,
    /// When it was due, nanoseconds of the process; goes into the first payload.
    pub(crate) due_ns: u64,
}

/// One event of a [`Batch`].
#[derive(Debug)]
pub(crate) struct Event {
    /// Unique in the run.
    pub(crate) id: u128,
    /// Number of the event.
    pub(crate) number: u64,
    /// Its type.
    pub(crate) event_type: &'static str,
    /// Its payload: not compressible, the first 8 bytes are [`Batch::due_ns`], little-endian.
    pub(crate) payload: Vec<u8>,
}

impl Batch {
    /// The events.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let Self { first, events, payload_bytes, due_ns, .. } = *self;
        (first..first + events).map(move |number| {
            let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            Event {
                id: u128::from(mixed) << 64 | u128::from(number),
                number,
                event_type: if number.is_multiple_of(RARE_EVERY) { RARE_TYPE } else { COMMON_TYPE },
                payload: payload(number, payload_bytes, due_ns),
            }
        })
    }

    /// Name of the stream, as long as names of interactions are.
    pub(crate) fn stream_name(&self, prefix: &str) -> String {
        format!("{prefix}{:036}", self.stream)
    }

    /// As a stream of ours.
    pub(crate) fn stream_id(&self) -> StreamId {
        StreamId::new(self.stream_name("interaction-"))
    }
}

/// The time that [`Batch::due_ns`] put into a payload.
pub(crate) fn due_ns(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn payload(number: u64, bytes: usize, due_ns: u64) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes + 8);
    payload.extend_from_slice(&due_ns.to_le_bytes());
    let mut word = number | 1;
    while payload.len() < bytes {
        // xorshift64: no compression finds anything in it, and it costs next to nothing.
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        payload.extend_from_slice(&word.to_le_bytes());
    }
    payload.truncate(bytes);
    payload
}

/// What one writer appends, append after append.
#[derive(Debug)]
pub(crate) struct Sequence {
    load: Load,
    writer: u64,
    appends: u64,
    own_streams: u64,
}

impl Sequence {
    /// Of one of the load's writers, from 0.
    pub(crate) const fn new(load: Load, writer: u64) -> Self {
        // Streams writer, writer + writers, … below SPREAD_STREAMS.
        let own_streams = (SPREAD_STREAMS - writer).div_ceil(load.writers);
        Self { load, writer, appends: 0, own_streams }
    }

    /// The next append.
    pub(crate) const fn next(&mut self, due_ns: u64) -> Batch {
        let Load { writers, batch, payload_bytes, streams } = self.load;
        let n = self.appends;
        self.appends += 1;
        let (stream, version) = match streams {
            Streams::Hot => (0, if writers == 1 { Some(n * batch) } else { None }),
            Streams::Spread => {
                (self.writer + n % self.own_streams * writers, Some(n / self.own_streams * batch))
            }
        };
        let first = (n * writers + self.writer) * batch + 1;
        Batch { stream, version, first, events: batch, payload_bytes, due_ns }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn writers_share_no_stream_and_no_event_and_know_their_versions() {
        for (writers, batch, streams) in
            [(1, 3, Streams::Hot), (7, 2, Streams::Spread), (512, 1, Streams::Spread)]
        {
            let load = Load { writers, batch, payload_bytes: 16, streams };
            let (mut owners, mut heads) = (BTreeMap::new(), BTreeMap::new());
            let mut numbers = Vec::new();
            for writer in 0..writers {
                let mut sequence = Sequence::new(load, writer);
                for _ in 0..(3 * SPREAD_STREAMS / writers) {
                    let batch = sequence.next(0);
                    assert!(batch.stream < SPREAD_STREAMS);
                    assert_eq!(*owners.entry(batch.stream).or_insert(writer), writer);
                    let head = heads.entry(batch.stream).or_insert(0);
                    assert_eq!(batch.version, Some(*head));
                    *head += batch.events;
                    numbers.extend(batch.events().map(|event| event.number));
                }
            }
            let made = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!((numbers.len(), numbers[0]), (made, 1));
        }
    }

    #[test]
    fn payloads_have_their_length_and_carry_the_time() {
        let load = Load { writers: 2, batch: 4, payload_bytes: 64, streams: Streams::Hot };
        let batch = Sequence::new(load, 1).next(77);
        for event in batch.events() {
            assert_eq!((event.payload.len(), due_ns(&event.payload)), (64, 77));
        }
        assert_eq!(batch.version, None);
    }
}
