//! RTP headers (RFC 3550): twelve bytes that we read and write ourselves.

/// Bytes of a header without contributing sources.
pub const HEADER_BYTES: usize = 12;

/// The fields of a header that the relay needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talk spurt.
    pub marker: bool,
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// Grows by one with each packet.
    pub sequence: u16,
    /// Sampling instant of the first sample, in clock ticks.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// Writes the header before its payload.
    #[must_use]
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.push(0x80);
        bytes.push(u8::from(self.marker) << 7 | self.payload_type & 0x7f);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }
}

/// Reads a packet: its header and payload without padding, extension and contributing sources.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, rest @ ..] = bytes else {
        return None;
    };
    if first >> 6 != 2 {
        return None;
    }
    let mut payload = rest.get(usize::from(first & 0x0f) * 4..)?;
    if first & 0x10 != 0 {
        let words = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]);
        payload = payload.get(4 + usize::from(words) * 4..)?;
    }
    if first & 0x20 != 0 {
        let padding = usize::from(*payload.last()?);
        payload = payload.get(..payload.len().checked_sub(padding)?)?;
    }
    let header = Header {
        marker: second & 0x80 != 0,
        payload_type: second & 0x7f,
        sequence: u16::from_be_bytes([*s0, *s1]),
        timestamp: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
        ssrc: u32::from_be_bytes([*c0, *c1, *c2, *c3]),
    };
    Some((header, payload))
}

/// Counts what one source sent and what went missing (RFC 3550, A.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    source: Option<Source>,
    received: u64,
    lost_before: u64,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    base: u64,
    highest: u64,
    received: u64,
}

impl Source {
    const fn lost(&self) -> u64 {
        (self.highest - self.base + 1).saturating_sub(self.received)
    }
}

impl Reception {
    /// Counts a packet.
    pub fn count(&mut self, header: &Header) {
        self.received += 1;
        let sequence = u64::from(header.sequence);
        match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => {
                let ahead = header.sequence.wrapping_sub(source.highest as u16);
                if ahead < 0x8000 {
                    source.highest += u64::from(ahead);
                }
                source.received += 1;
            }
            other => {
                // A cycle in front keeps the arithmetic above zero.
                let base = sequence + (1 << 16);
                self.lost_before += other.as_ref().map_or(0, Source::lost);
                *other = Some(Source { ssrc: header.ssrc, base, highest: base, received: 1 });
            }
        }
    }

    /// Packets received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets missing by sequence number.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }
}

/// The outgoing side of a leg: one source for the whole call, whatever plays or is relayed.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    ssrc: u32,
    next_sequence: u16,
    next_timestamp: u32,
    relayed: Option<Relayed>,
    inserted: Option<Inserted>,
    fresh: bool,
}

/// The instant of the key that was inserted last, in the far end's clock and in ours.
#[derive(Clone, Copy, Debug)]
struct Inserted {
    ssrc: u32,
    theirs: u32,
    ours: u32,
}

#[derive(Clone, Copy, Debug)]
struct Relayed {
    ssrc: u32,
    sequence_offset: u16,
    timestamp_offset: u32,
}

impl Outgoing {
    /// Starts at random places (RFC 3550, 5.1).
    #[must_use]
    pub const fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            next_sequence: sequence,
            next_timestamp: timestamp,
            relayed: None,
            inserted: None,
            fresh: true,
        }
    }

    /// The next packet of audio that we make ourselves.
    pub fn own(&mut self, payload_type: u8, samples: u32) -> Header {
        let marker = self.fresh || self.relayed.take().is_some();
        self.fresh = false;
        let header = Header {
            marker,
            payload_type,
            sequence: self.next_sequence,
            timestamp: self.next_timestamp,
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.next_timestamp = self.next_timestamp.wrapping_add(samples);
        header
    }

    /// Time passes while nothing is sent: the clock runs on, and the next packet begins a spurt.
    pub fn silence(&mut self, samples: u32) {
        if self.relayed.is_none() {
            self.next_timestamp = self.next_timestamp.wrapping_add(samples);
            self.fresh = true;
        }
    }

    /// A packet of a key, between packets of audio that we make ourselves: the clock is theirs and does not move. The
    /// packets of one key keep one instant (RFC 4733, 2.5.1).
    pub fn insert(&mut self, incoming: &Header, payload_type: u8) -> Header {
        let known = self.inserted.filter(|inserted| {
            inserted.ssrc == incoming.ssrc && inserted.theirs == incoming.timestamp
        });
        let inserted = known.unwrap_or(Inserted {
            ssrc: incoming.ssrc,
            theirs: incoming.timestamp,
            ours: self.next_timestamp,
        });
        self.inserted = Some(inserted);
        let header = Header {
            marker: known.is_none(),
            payload_type,
            sequence: self.next_sequence,
            timestamp: inserted.ours,
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        header
    }

    /// A packet of another leg in our numbering: gaps and order of the far end stay visible.
    pub fn relay(&mut self, incoming: &Header, payload_type: u8, samples: u32) -> Header {
        let known = self.relayed.filter(|relayed| relayed.ssrc == incoming.ssrc);
        let relayed = known.unwrap_or(Relayed {
            ssrc: incoming.ssrc,
            sequence_offset: self.next_sequence.wrapping_sub(incoming.sequence),
            timestamp_offset: self.next_timestamp.wrapping_sub(incoming.timestamp),
        });
        self.relayed = Some(relayed);
        self.fresh = false;
        let header = Header {
            marker: incoming.marker || known.is_none(),
            payload_type,
            sequence: incoming.sequence.wrapping_add(relayed.sequence_offset),
            timestamp: incoming.timestamp.wrapping_add(relayed.timestamp_offset),
            ssrc: self.ssrc,
        };
        let after = header.sequence.wrapping_add(1);
        if after.wrapping_sub(self.next_sequence) < 0x8000 {
            self.next_sequence = after;
            self.next_timestamp = header.timestamp.wrapping_add(samples);
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc }
    }

    #[test]
    fn padding_extension_and_sources_are_stripped() {
        let mut bytes = header(7, 1, 2).packet(&[]);
        bytes[0] = 0x80 | 0x20 | 0x10 | 1;
        bytes.extend_from_slice(&[0, 0, 0, 9]);
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend_from_slice(b"audio\0\0\x03");
        assert_eq!(parse(&bytes).unwrap().1, b"audio");
        for length in 0..bytes.len() - 8 {
            let _ = parse(&bytes[..length]);
        }
        assert_eq!(parse(&[0x40; 20]), None);
    }

    #[test]
    fn losses_are_counted_across_the_wrap_and_a_new_source() {
        let mut reception = Reception::default();
        for sequence in [65_533, 65_534, 1, 0, 5] {
            reception.count(&header(1, sequence, 0));
        }
        // Missing: 65535, 2, 3, 4.
        assert_eq!((reception.received(), reception.lost()), (5, 4));
        reception.count(&header(2, 100, 0));
        reception.count(&header(2, 102, 0));
        assert_eq!((reception.received(), reception.lost()), (7, 5));
    }

    #[test]
    fn one_stream_through_prompt_relay_and_prompt() {
        let mut out = Outgoing::new(9, 65_535, u32::MAX - 10);
        let first = out.own(0, 160);
        assert!(first.marker);
        let second = out.relay(&header(5, 1_000, 77), 8, 160);
        assert_eq!((second.sequence, second.marker), (0, true));
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));
        let late = out.relay(&header(5, 1_003, 77 + 480), 8, 160);
        let reordered = out.relay(&header(5, 1_002, 77 + 320), 8, 160);
        assert_eq!((late.sequence, reordered.sequence), (3, 2));
        let third = out.own(0, 160);
        assert_eq!((third.sequence, third.marker), (4, true));
        assert_eq!(third.timestamp, late.timestamp.wrapping_add(160));
        assert!([first, second, late, third].iter().all(|h| h.ssrc == 9));
    }

    #[test]
    fn keys_between_audio_keep_their_instant_and_the_numbering() {
        let mut out = Outgoing::new(9, 10, 1_000);
        assert_eq!(out.own(0, 160).sequence, 10);
        let first = out.insert(&header(5, 77, 5_000), 101);
        assert_eq!((first.sequence, first.timestamp, first.marker), (11, 1_160, true));
        assert_eq!(out.own(0, 160).sequence, 12);
        let second = out.insert(&header(5, 78, 5_000), 101);
        assert_eq!((second.sequence, second.timestamp, second.marker), (13, 1_160, false));
        let next = out.insert(&header(5, 79, 9_000), 101);
        assert_eq!((next.sequence, next.timestamp, next.marker), (14, 1_320, true));
        assert_eq!(out.own(0, 160).timestamp, 1_320);
    }

    proptest! {
        #[test]
        fn a_written_packet_is_read_back(
            marker: bool, pt in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let header = Header { marker, payload_type: pt, sequence, timestamp, ssrc };
            let bytes = header.packet(&payload);
            prop_assert_eq!(parse(&bytes), Some((header, payload.as_slice())));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
