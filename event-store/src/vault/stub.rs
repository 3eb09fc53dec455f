//! The stub codec: what stays of a segment whose file is in the archive only.
//!
//! ```text
//!  0 magic "LLSTUB\r\n"     8 format u32 = 1     12 name bytes u32
//! 16 dropped at i64 µs     24 bytes of the object u64
//! 32 SHA-256 of the object 32
//! 64 name of the object | block table | footer (both as in the object) | CRC32C of everything before
//! ```

use ledgerline_schemas::Timestamp;

use super::layout::{Layout, Sha};
use crate::segment::Bytes;

const MAGIC: [u8; 8] = *b"LLSTUB\r\n";
const FORMAT: u32 = 1;

/// What stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stub {
    pub(crate) dropped_at: Timestamp,
    /// Name of the object in the archive.
    pub(crate) object: String,
    /// SHA-256 of the object.
    pub(crate) sha256: Sha,
    pub(crate) layout: Layout,
}

impl Stub {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.object.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.dropped_at.micros().to_le_bytes());
        out.extend_from_slice(&self.layout.packed_bytes().to_le_bytes());
        out.extend_from_slice(&self.sha256);
        out.extend_from_slice(self.object.as_bytes());
        out.extend_from_slice(&self.layout.encode());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "it is shorter than a stub";
        let at = bytes.len().checked_sub(4).ok_or(SHORT)?;
        let (covered, crc) = bytes.split_at_checked(at).ok_or(SHORT)?;
        if Bytes(crc).u32() != Some(crc32c::crc32c(covered)) {
            return Err("its checksum does not match");
        }
        let mut rest = Bytes(covered);
        if rest.array() != Some(MAGIC) {
            return Err("it does not begin like a stub");
        }
        if rest.u32() != Some(FORMAT) {
            return Err("it has a format this version does not know");
        }
        let name_bytes = rest.u32().ok_or(SHORT)? as usize;
        let dropped_at = Timestamp::from_micros(rest.i64().ok_or(SHORT)?);
        let object_bytes = rest.u64().ok_or(SHORT)?;
        let sha256 = rest.array().ok_or(SHORT)?;
        let object = std::str::from_utf8(rest.take(name_bytes).ok_or(SHORT)?)
            .map_err(|_| "the name of its object is not UTF-8")?
            .to_owned();
        let layout = Layout::decode(rest.0)?;
        if layout.packed_bytes() != object_bytes {
            return Err("its block table is not that of the object");
        }
        Ok(Self { dropped_at, object, sha256, layout })
    }
}
