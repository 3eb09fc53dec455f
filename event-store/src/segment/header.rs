//! The header codec of a segment. The format is drawn in [`crate::segment`].

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use uuid::Uuid;

use super::Bytes;

/// Length of the header, bytes: one sector, so that no frame shares a sector with it.
pub(crate) const HEADER_BYTES: usize = 512;
const MAGIC: [u8; 8] = *b"LLSEG\x01\r\n";
const FORMAT: u32 = 1;
const CRC_AT: usize = HEADER_BYTES - 4;

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) org_id: OrgId,
    pub(crate) base_position: u64,
    pub(crate) salt: u32,
    pub(crate) epoch: u32,
    pub(crate) created_at: Timestamp,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(self.org_id.uuid().as_bytes());
        bytes.extend_from_slice(&self.base_position.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.created_at.micros().to_le_bytes());
        bytes.resize(CRC_AT, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "the file is shorter than a segment header";
        let covered = bytes.get(..CRC_AT).ok_or(SHORT)?;
        let crc = Bytes(bytes.get(CRC_AT..).unwrap_or_default()).u32().ok_or(SHORT)?;
        let mut rest = Bytes(covered);
        if rest.array() != Some(MAGIC) {
            return Err("the file does not begin like a segment");
        }
        if crc32c::crc32c(covered) != crc {
            return Err("the segment header's checksum does not match");
        }
        if rest.u32() != Some(FORMAT) || rest.u32() != Some(HEADER_BYTES as u32) {
            return Err("the segment has a format this version does not know");
        }
        Ok(Self {
            org_id: OrgId::new(Uuid::from_bytes(rest.array().ok_or(SHORT)?)),
            base_position: rest.u64().ok_or(SHORT)?,
            salt: rest.u32().ok_or(SHORT)?,
            epoch: rest.u32().ok_or(SHORT)?,
            created_at: Timestamp::from_micros(rest.i64().ok_or(SHORT)?),
        })
    }
}
