//! The footer and block table codec of a packed segment. The format is drawn in [`crate::vault`].

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::segment::Bytes;

/// Length of the footer, bytes.
pub(crate) const FOOTER_BYTES: usize = 256;
/// Raw bytes in a block; the last one may have fewer.
pub(crate) const BLOCK_BYTES: u32 = 256 << 10;
/// Length of an entry of the block table, bytes.
pub(crate) const ENTRY_BYTES: usize = 48;
/// Most raw bytes of a packed file: the longest frame in a segment of its own, and the largest segment
/// size that makes sense, with room to spare. A length above it is damage.
const RAW_BYTES_MAX: u64 = 4 << 30;
/// Bounds of the raw bytes of a block that are read.
const BLOCK_BYTES_BOUNDS: std::ops::RangeInclusive<u32> = 512..=(16 << 20);
const MAGIC: [u8; 8] = *b"LLPACK\r\n";
const FORMAT: u32 = 1;
const CRC_AT: usize = FOOTER_BYTES - 4;
const SEALED: u32 = 1;

/// A SHA-256.
pub(crate) type Sha = [u8; 32];

/// SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// A hash as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a packed file says about the segment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) org_id: OrgId,
    /// Position of its first event.
    pub(crate) base_position: u64,
    /// Position after its last event.
    pub(crate) next_position: u64,
    /// Bytes of the segment file.
    pub(crate) raw_bytes: u64,
    /// Frames before the seal.
    pub(crate) frames: u64,
    /// Checksum over the checksums of the frames, as in the seal.
    pub(crate) chain: u32,
    pub(crate) salt: u32,
    pub(crate) epoch: u32,
    /// Whether it ends with a seal; only the copy of an active segment in a backup does not.
    pub(crate) sealed: bool,
    pub(crate) first_recorded_at: Timestamp,
    pub(crate) last_recorded_at: Timestamp,
    /// Name of the key the frames are encrypted under; zeros when they are not.
    pub(crate) key_id: [u8; 16],
    /// SHA-256 of the segment file.
    pub(crate) raw_sha256: Sha,
}

/// One block in a packed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins in the packed file.
    pub(crate) offset: u64,
    /// Its length there, bytes.
    pub(crate) bytes: u32,
    /// CRC32C of what is stored.
    pub(crate) crc: u32,
    /// SHA-256 of what is stored: what comes from elsewhere is held against it.
    pub(crate) sha256: Sha,
}

/// Footer and block table: all that is needed to read blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) facts: Facts,
    /// Raw bytes in a block but the last.
    pub(crate) block_bytes: u32,
    pub(crate) blocks: Vec<Block>,
}

impl Layout {
    /// Raw bytes of a block; 0 behind the last one.
    pub(crate) fn raw_len(&self, number: usize) -> usize {
        let start = number as u64 * u64::from(self.block_bytes);
        let bytes = self.facts.raw_bytes.saturating_sub(start).min(u64::from(self.block_bytes));
        usize::try_from(bytes).unwrap_or(0)
    }

    /// Where the blocks end and the table begins.
    fn table_offset(&self) -> u64 {
        self.blocks.last().map_or(0, |last| last.offset + u64::from(last.bytes))
    }

    /// Bytes of the whole packed file.
    pub(crate) fn packed_bytes(&self) -> u64 {
        self.table_offset() + (self.blocks.len() * ENTRY_BYTES + FOOTER_BYTES) as u64
    }

    /// Table and footer as they end the packed file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.blocks.len() * ENTRY_BYTES + FOOTER_BYTES);
        for block in &self.blocks {
            out.extend_from_slice(&block.offset.to_le_bytes());
            out.extend_from_slice(&block.bytes.to_le_bytes());
            out.extend_from_slice(&block.crc.to_le_bytes());
            out.extend_from_slice(&block.sha256);
        }
        let table_crc = crc32c::crc32c(&out);
        let start = out.len();
        let facts = &self.facts;
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&(FOOTER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(facts.org_id.uuid().as_bytes());
        for number in
            [facts.base_position, facts.next_position, facts.raw_bytes, self.table_offset()]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.block_bytes.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.blocks.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&facts.frames.to_le_bytes());
        let flags = if facts.sealed { SEALED } else { 0 };
        for number in [facts.chain, facts.salt, facts.epoch, flags] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&facts.first_recorded_at.micros().to_le_bytes());
        out.extend_from_slice(&facts.last_recorded_at.micros().to_le_bytes());
        out.extend_from_slice(&facts.key_id);
        out.extend_from_slice(&facts.raw_sha256);
        out.extend_from_slice(&table_crc.to_le_bytes());
        out.resize(start + CRC_AT, 0);
        let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Bytes of the table before a footer; what an `encode`d layout is long without its footer.
    pub(crate) fn table_bytes(footer: &[u8]) -> Result<usize, &'static str> {
        Ok(Footer::decode(footer)?.blocks * ENTRY_BYTES)
    }

    /// Reads table and footer back; `bytes` ends with the footer and begins with the table.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let at = bytes.len().checked_sub(FOOTER_BYTES).ok_or("it is shorter than a footer")?;
        let (table, footer) = bytes.split_at_checked(at).ok_or("it is shorter than a footer")?;
        let footer = Footer::decode(footer)?;
        if table.len() != footer.blocks * ENTRY_BYTES {
            return Err("the block table is not as long as the footer says");
        }
        if crc32c::crc32c(table) != footer.table_crc {
            return Err("the block table's checksum does not match");
        }
        let mut rest = Bytes(table);
        let mut blocks = Vec::with_capacity(footer.blocks);
        let mut end = 0;
        while let Some(offset) = rest.u64() {
            let mut entry = || {
                Some(Block { offset, bytes: rest.u32()?, crc: rest.u32()?, sha256: rest.array()? })
            };
            let block = entry().ok_or("the block table is cut off")?;
            if block.offset != end {
                return Err("a block does not begin where the one before it ends");
            }
            end += u64::from(block.bytes);
            blocks.push(block);
        }
        if end != footer.table_offset {
            return Err("the blocks do not end where the table begins");
        }
        Ok(Self { facts: footer.facts, block_bytes: footer.block_bytes, blocks })
    }
}

struct Footer {
    facts: Facts,
    table_offset: u64,
    block_bytes: u32,
    blocks: usize,
    table_crc: u32,
}

impl Footer {
    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "it is shorter than a footer";
        let covered = bytes.get(..CRC_AT).ok_or(SHORT)?;
        let crc = Bytes(bytes.get(CRC_AT..).unwrap_or_default()).u32().ok_or(SHORT)?;
        let mut rest = Bytes(covered);
        if rest.array() != Some(MAGIC) {
            return Err("it does not end like a packed segment");
        }
        if crc32c::crc32c(covered) != crc {
            return Err("the footer's checksum does not match");
        }
        if rest.u32() != Some(FORMAT) || rest.u32() != Some(FOOTER_BYTES as u32) {
            return Err("it has a format this version does not know");
        }
        let mut read = || {
            let org_id = OrgId::new(Uuid::from_bytes(rest.array()?));
            let (base_position, next_position) = (rest.u64()?, rest.u64()?);
            let (raw_bytes, table_offset) = (rest.u64()?, rest.u64()?);
            let (block_bytes, blocks) = (rest.u32()?, rest.u32()? as usize);
            let facts = Facts {
                org_id,
                base_position,
                next_position,
                raw_bytes,
                frames: rest.u64()?,
                chain: rest.u32()?,
                salt: rest.u32()?,
                epoch: rest.u32()?,
                sealed: rest.u32()? & SEALED != 0,
                first_recorded_at: Timestamp::from_micros(rest.i64()?),
                last_recorded_at: Timestamp::from_micros(rest.i64()?),
                key_id: rest.array()?,
                raw_sha256: rest.array()?,
            };
            let table_crc = rest.u32()?;
            Some(Self { facts, table_offset, block_bytes, blocks, table_crc })
        };
        let footer = read().ok_or(SHORT)?;
        let raw_bytes = footer.facts.raw_bytes;
        let plausible = BLOCK_BYTES_BOUNDS.contains(&footer.block_bytes)
            && raw_bytes <= RAW_BYTES_MAX
            && raw_bytes.div_ceil(u64::from(footer.block_bytes)) == footer.blocks as u64;
        if plausible { Ok(footer) } else { Err("its lengths contradict each other") }
    }
}
