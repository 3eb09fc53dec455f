//! The canonical bytes of an event that the tree is built over. They never change: a new layout gets a new
//! magic and applies to events from some position on.
//!
//! ```text
//!   0  4  "LLE1"
//!   4 16  organization id
//!  20  8  position                       u64
//!  28  8  version in the stream          u64
//!  36  8  time, µs since 1970 UTC        i64
//!  44  8  recorded at, µs since 1970 UTC i64
//!  52  8  config position                u64
//!  60 16  event id
//!  76 16  command id
//!  92 16  correlation id
//! 108  1  actor kind                     u8, the number of the binary header
//! 109  1  flags                          1 causation id, 2 traceparent, 4 data subject id
//! 110     [16  causation id]             if its flag is set
//!         [16  data subject id]          if its flag is set
//!          2+n stream                    u16 length, UTF-8
//!          2+n event type
//!          2+n actor id
//!         [2+n traceparent]              if its flag is set
//!          4  payload length, bytes      u32
//!         32  SHA-256 of the payload     as stored: ciphertext where a field is sealed
//! ```
//!
//! Numbers are big endian, ids are the 16 bytes of the UUID. The payload enters by its hash only, so a leaf
//! stays below the 65,535 bytes of an entry in a `tlog-tiles` bundle, and can be shown without the payload.

use ledgerline_schemas::{Header, Recorded};

use super::hash::Hash;

const MAGIC: [u8; 4] = *b"LLE1";
const CAUSATION: u8 = 1;
const TRACEPARENT: u8 = 2;
const SUBJECT: u8 = 4;

/// The leaf of an event.
#[must_use]
pub fn leaf(event: &Recorded) -> Vec<u8> {
    let header = &event.header;
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(header.org_id.uuid().as_bytes());
    out.extend_from_slice(&header.position.0.to_be_bytes());
    out.extend_from_slice(&header.version.0.to_be_bytes());
    out.extend_from_slice(&header.time.micros().to_be_bytes());
    out.extend_from_slice(&header.recorded_at.micros().to_be_bytes());
    out.extend_from_slice(&header.config_position.0.to_be_bytes());
    out.extend_from_slice(header.id.uuid().as_bytes());
    out.extend_from_slice(header.command_id.uuid().as_bytes());
    out.extend_from_slice(header.correlation_id.uuid().as_bytes());
    out.push(header.actor.kind.code());
    out.push(flags(header));
    if let Some(id) = header.causation_id {
        out.extend_from_slice(id.uuid().as_bytes());
    }
    if let Some(id) = header.data_subject_id {
        out.extend_from_slice(id.uuid().as_bytes());
    }
    text(&mut out, header.stream.as_str());
    text(&mut out, &header.event_type);
    text(&mut out, &header.actor.id);
    if let Some(traceparent) = &header.traceparent {
        text(&mut out, traceparent);
    }
    // The log takes no payload above 1 MiB.
    let bytes = u32::try_from(event.payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&bytes.to_be_bytes());
    out.extend_from_slice(&Hash::of(&event.payload).0);
    out
}

fn flags(header: &Header) -> u8 {
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    flag(header.causation_id.is_some(), CAUSATION)
        | flag(header.traceparent.is_some(), TRACEPARENT)
        | flag(header.data_subject_id.is_some(), SUBJECT)
}

fn text(out: &mut Vec<u8>, text: &str) {
    // The log takes no text of a header above 255 bytes.
    let bytes = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&bytes.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The leaf hash of an event.
#[must_use]
pub fn leaf_hash(event: &Recorded) -> Hash {
    Hash::leaf(&leaf(event))
}
