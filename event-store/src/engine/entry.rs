//! The entries of a carrier. All numbers are little endian.
//!
//! ```text
//!  0 magic "LLCE"     4 format u8 = 1   5 kind u8 (1 claim, 2 part, 3 heartbeat, 4 release)   6 zeros
//!  8 organization 16 bytes             24 epoch u64             32 owner 16 bytes
//! 48 claim      node 16 bytes | lease u32 ms
//!    part       base position u64 | recorded at i64 µs | events u16 | part u16, from 0 | parts u16 | zero u16
//!               | check u32, the same in all parts of one append | bytes
//!    heartbeat, release: nothing
//! last 4        CRC32C u32 of everything before
//! ```
//!
//! An **owner** is one opening of a log by one process, a **node** is one directory with a mirror in it: it has
//! many owners, one after the other, never two at once.

use bytes::{BufMut as _, Bytes, BytesMut};
use ledgerline_schemas::id::OrgId;
use uuid::Uuid;

use super::batch::Batch;
use crate::segment::Bytes as Fields;

const MAGIC: [u8; 4] = *b"LLCE";
const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 48;
const PART_HEAD_BYTES: usize = 28;
const CRC_BYTES: usize = 4;
/// Bytes of an entry with a part, beside the part's own.
pub(crate) const PART_OVERHEAD_BYTES: usize = HEAD_BYTES + PART_HEAD_BYTES + CRC_BYTES;

/// Who writes: one opening of a log, and how often the log had been claimed when it was its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    /// From 1; higher claims win.
    pub(crate) epoch: u64,
    /// Drawn at random for each opening.
    pub(crate) owner: Uuid,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// "I write from here on."
    Claim {
        /// The directory that claims.
        node: Uuid,
        /// After this time without an entry of the writer others may claim, ms.
        lease_ms: u32,
    },
    /// A piece of an append.
    Part(Part),
    /// "I am still here."
    Heartbeat,
    /// "I write no more."
    Release,
}

/// A piece of an append. Most appends have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) base_position: u64,
    pub(crate) recorded_at_micros: i64,
    /// Events of the whole append.
    pub(crate) count: u16,
    /// Number of this part, from 0.
    pub(crate) part: u16,
    /// How many there are.
    pub(crate) parts: u16,
    /// Checksum of the whole append.
    pub(crate) check: u32,
    pub(crate) bytes: Bytes,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) org_id: OrgId,
    pub(crate) writer: Writer,
    pub(crate) body: Body,
}

impl Entry {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(PART_OVERHEAD_BYTES + self.extra_bytes());
        out.put_slice(&MAGIC);
        out.put_u8(FORMAT);
        out.put_u8(self.kind());
        out.put_u16_le(0);
        out.put_slice(self.org_id.uuid().as_bytes());
        out.put_u64_le(self.writer.epoch);
        out.put_slice(self.writer.owner.as_bytes());
        match &self.body {
            Body::Claim { node, lease_ms } => {
                out.put_slice(node.as_bytes());
                out.put_u32_le(*lease_ms);
            }
            Body::Part(part) => {
                out.put_u64_le(part.base_position);
                out.put_i64_le(part.recorded_at_micros);
                out.put_u16_le(part.count);
                out.put_u16_le(part.part);
                out.put_u16_le(part.parts);
                out.put_u16_le(0);
                out.put_u32_le(part.check);
                out.put_slice(&part.bytes);
            }
            Body::Heartbeat | Body::Release => {}
        }
        let crc = crc32c::crc32c(&out);
        out.put_u32_le(crc);
        out.freeze()
    }

    const fn kind(&self) -> u8 {
        match self.body {
            Body::Claim { .. } => 1,
            Body::Part(_) => 2,
            Body::Heartbeat => 3,
            Body::Release => 4,
        }
    }

    const fn extra_bytes(&self) -> usize {
        match &self.body {
            Body::Part(part) => part.bytes.len(),
            _ => 0,
        }
    }

    /// Reads an entry back. `None` when the bytes are none of ours, or damaged.
    pub(crate) fn decode(entry: &Bytes) -> Option<Self> {
        let covered = entry.get(..entry.len().checked_sub(CRC_BYTES)?)?;
        let crc = Fields(entry.get(covered.len()..)?).u32()?;
        let mut fields = Fields(covered);
        if fields.array() != Some(MAGIC) || fields.u8() != Some(FORMAT) {
            return None;
        }
        if crc32c::crc32c(covered) != crc {
            return None;
        }
        let kind = fields.u8()?;
        fields.u16()?;
        let org_id = OrgId::new(Uuid::from_bytes(fields.array()?));
        let writer = Writer { epoch: fields.u64()?, owner: Uuid::from_bytes(fields.array()?) };
        let body = match kind {
            1 => Body::Claim { node: Uuid::from_bytes(fields.array()?), lease_ms: fields.u32()? },
            2 => {
                let (base_position, recorded_at_micros) = (fields.u64()?, fields.i64()?);
                let (count, part, parts) = (fields.u16()?, fields.u16()?, fields.u16()?);
                fields.u16()?;
                let check = fields.u32()?;
                let bytes = entry.slice(HEAD_BYTES + PART_HEAD_BYTES..covered.len());
                fields.take(bytes.len())?;
                Body::Part(Part {
                    base_position,
                    recorded_at_micros,
                    count,
                    part,
                    parts,
                    check,
                    bytes,
                })
            }
            3 => Body::Heartbeat,
            4 => Body::Release,
            _ => return None,
        };
        fields.0.is_empty().then_some(Self { org_id, writer, body })
    }
}

/// The entries of an append, none longer than `entry_bytes_max`, which leaves room for at least one byte.
pub(crate) fn parts(
    org_id: OrgId,
    writer: Writer,
    batch: &Batch,
    entry_bytes_max: usize,
) -> Vec<Bytes> {
    let room = entry_bytes_max.saturating_sub(PART_OVERHEAD_BYTES).max(1);
    let parts = batch.body.len().div_ceil(room).max(1);
    let check = batch.check();
    (0..parts)
        .map(|part| {
            let from = part * room;
            let until = (from + room).min(batch.body.len());
            let part = Part {
                base_position: batch.base_position,
                recorded_at_micros: batch.recorded_at_micros,
                count: batch.count,
                part: u16::try_from(part).unwrap_or(u16::MAX),
                parts: u16::try_from(parts).unwrap_or(u16::MAX),
                check,
                bytes: batch.body.slice(from..until),
            };
            Entry { org_id, writer, body: Body::Part(part) }.encode()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: Body) -> Entry {
        let writer = Writer { epoch: 0x0102, owner: Uuid::from_u128(0xABCD) };
        Entry { org_id: OrgId::from_u128(7), writer, body }
    }

    fn bodies() -> Vec<Body> {
        let part = Part {
            base_position: 0x1122,
            recorded_at_micros: -5,
            count: 3,
            part: 1,
            parts: 2,
            check: 0xDEAD_BEEF,
            bytes: Bytes::from_static(b"records"),
        };
        vec![
            Body::Claim { node: Uuid::from_u128(9), lease_ms: 10_000 },
            Body::Part(part),
            Body::Heartbeat,
            Body::Release,
        ]
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_bytes_never_change() {
        let head = |kind: &str| {
            format!(
                "4c4c434501{kind}0000{}0201000000000000{}",
                "00000000000000000000000000000007", "0000000000000000000000000000abcd"
            )
        };
        let golden = [
            head("01") + "00000000000000000000000000000009" + "10270000",
            head("02")
                + "2211000000000000"
                + "fbffffffffffffff"
                + "0300"
                + "0100"
                + "0200"
                + "0000"
                + "efbeadde"
                + "7265636f726473",
            head("03"),
            head("04"),
        ];
        for (body, golden) in bodies().into_iter().zip(golden) {
            let bytes = entry(body).encode();
            let (covered, crc) = bytes.split_at(bytes.len() - 4);
            assert_eq!(hex(covered), golden);
            assert_eq!(crc, crc32c::crc32c(covered).to_le_bytes());
        }
    }

    #[test]
    fn entries_come_back_and_every_flipped_bit_is_noticed() {
        for body in bodies() {
            let entry = entry(body);
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes), Some(entry));
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Entry::decode(&bad.into()), None, "bit {bit}");
            }
            for length in 0..bytes.len() {
                assert_eq!(Entry::decode(&bytes.slice(..length)), None, "length {length}");
            }
        }
        assert_eq!(Entry::decode(&Bytes::from_static(b"something else of somebody else")), None);
    }
}
