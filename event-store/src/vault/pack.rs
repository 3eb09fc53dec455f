//! Packing and unpacking.

use super::contents::{Bad, Contents, inspect, inspect_sealed};
use super::layout::{BLOCK_BYTES, Block, Facts, Layout, sha256};

/// Level of compression: the library's default. Higher ones cost several times the time for some percent.
const LEVEL: i32 = 3;

/// A packed file in memory.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) layout: Layout,
}

/// Packs the bytes of a sealed segment file, every frame of which is verified before.
pub(crate) fn pack(raw: &[u8]) -> Result<Packed, Bad> {
    let contents = inspect_sealed(raw)?;
    packed(raw, &contents)
}

/// Packs the frames of a segment file that has no seal yet, up to the last one that is whole.
pub(crate) fn pack_unsealed(raw: &[u8]) -> Result<Packed, Bad> {
    let contents = inspect(raw, |_| true)?;
    packed(raw.get(..contents.tail).unwrap_or(raw), &contents)
}

fn packed(raw: &[u8], contents: &Contents) -> Result<Packed, Bad> {
    let mut bytes = Vec::with_capacity(raw.len() / 2);
    let mut blocks = Vec::new();
    for block in raw.chunks(BLOCK_BYTES as usize) {
        let offset = bytes.len() as u64;
        let stored = zstd::bulk::compress(block, LEVEL)
            .map_err(|error| Bad { offset, reason: format!("it cannot be compressed: {error}") })?;
        blocks.push(Block {
            offset,
            // Compression makes nothing longer than a little more than a block.
            bytes: u32::try_from(stored.len()).unwrap_or(u32::MAX),
            crc: crc32c::crc32c(&stored),
            sha256: sha256(&stored),
        });
        bytes.extend_from_slice(&stored);
    }
    let header = &contents.header;
    let facts = Facts {
        org_id: header.org_id,
        base_position: header.base_position,
        next_position: contents.next_position,
        raw_bytes: raw.len() as u64,
        frames: contents.frames,
        chain: contents.chain,
        salt: header.salt,
        epoch: contents.epoch,
        sealed: contents.sealed,
        first_recorded_at: contents.first_recorded_at,
        last_recorded_at: contents.last_recorded_at,
        key_id: [0; 16],
        raw_sha256: sha256(raw),
    };
    let layout = Layout { facts, block_bytes: BLOCK_BYTES, blocks };
    bytes.extend_from_slice(&layout.encode());
    Ok(Packed { bytes, layout })
}

/// Unpacks a block that must have this many raw bytes; takes no more memory than that, whatever it is given.
pub(crate) fn unpack(stored: &[u8], raw_bytes: usize) -> Result<Vec<u8>, &'static str> {
    let raw = zstd::bulk::decompress(stored, raw_bytes).map_err(|_| "it does not unpack")?;
    if raw.len() == raw_bytes { Ok(raw) } else { Err("it unpacks to another length") }
}

/// Unpacks a whole packed file and holds it against everything it says about itself, the frames included.
pub(crate) fn unpack_all(packed: &[u8]) -> Result<(Layout, Vec<u8>), String> {
    let stored = packed.to_vec();
    let layout = super::file::read_layout("it", &stored, packed.len() as u64)
        .map_err(|error| error.to_string())?;
    let mut raw = Vec::with_capacity(usize::try_from(layout.facts.raw_bytes).unwrap_or(0));
    for (number, block) in layout.blocks.iter().enumerate() {
        let start = usize::try_from(block.offset).unwrap_or(usize::MAX);
        let stored = packed.get(start..start.saturating_add(block.bytes as usize));
        let stored = stored.unwrap_or_default();
        if crc32c::crc32c(stored) != block.crc || sha256(stored) != block.sha256 {
            return Err(format!("block {number}: its checksum does not match"));
        }
        let unpacked = unpack(stored, layout.raw_len(number))
            .map_err(|reason| format!("block {number}: {reason}"))?;
        raw.extend_from_slice(&unpacked);
    }
    let facts = &layout.facts;
    if sha256(&raw) != facts.raw_sha256 {
        return Err("the SHA-256 of its contents does not match".to_owned());
    }
    let contents = inspect(&raw, |_| true)
        .map_err(|bad| format!("offset {} of the segment: {}", bad.offset, bad.reason))?;
    let header = &contents.header;
    let same = header.org_id == facts.org_id
        && header.base_position == facts.base_position
        && header.salt == facts.salt
        && contents.next_position == facts.next_position
        && contents.frames == facts.frames
        && contents.chain == facts.chain
        && contents.sealed == facts.sealed
        && contents.last_recorded_at == facts.last_recorded_at;
    if same { Ok((layout, raw)) } else { Err("its footer does not fit its contents".to_owned()) }
}
