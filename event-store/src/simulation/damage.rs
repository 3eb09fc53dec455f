//! Damage to stored bytes that no power cut explains: it must be refused, never cut away, never served.

use super::life::{self, Life, Plan};
use super::random::Random;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::embedded::{EmbeddedLog, OpenError};
use crate::segment::frame;
use crate::segment::header::HEADER_BYTES;

const SECTOR_BYTES: usize = 512;

/// Where the durable bytes of a segment are.
#[derive(Clone)]
struct Written {
    name: String,
    /// Where the last write to the log began; damage before it can be told from a tear.
    last_write: usize,
}

/// A kind of damage.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One bit is another.
    FlippedBit,
    /// A sector reads as zeros.
    ZeroedSector,
    /// A write went to another place: a sector holds what belongs into another one.
    MisdirectedSector,
    /// A write never arrived: a sector holds what an earlier log left there.
    LostSector,
    /// A segment with others behind it is gone.
    LostSegment,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::FlippedBit,
        Self::ZeroedSector,
        Self::MisdirectedSector,
        Self::LostSector,
        Self::LostSegment,
    ];
}

/// Damages the disk a life left behind in one place, and opens the log. `earlier` is what lay on the disk
/// before. False: the damage would have changed nothing.
pub(crate) fn strike(
    life: &Life,
    plan: &Plan,
    earlier: &[Vec<u8>],
    random: &mut Random,
) -> Result<bool, String> {
    let mut image = life.disk.live();
    let kind = Kind::ALL.get(random.index(Kind::ALL.len())).copied().unwrap_or(Kind::FlippedBit);
    let Some(what) = damage(&mut image, kind, earlier, random) else { return Ok(false) };
    match opened(image, plan) {
        Err(OpenError::Damaged { .. }) => Ok(true),
        Err(error) => Err(format!("{what} gave another error: {error}")),
        Ok(_) => Err(format!("{what} was not noticed")),
    }
}

/// Does the damage and says what it is; nothing if nothing would differ.
fn damage(
    image: &mut Image,
    kind: Kind,
    earlier: &[Vec<u8>],
    random: &mut Random,
) -> Option<String> {
    let segments: Vec<Written> = image
        .files
        .iter()
        .map(|(name, bytes)| {
            // All of a packed segment was durable once.
            let packed = !name.ends_with(".seg");
            let last_write = if packed { bytes.len() } else { last_write(bytes) };
            Written { name: name.clone(), last_write }
        })
        .collect();
    let number = random.index(segments.len());
    let target = segments.get(number)?.clone();
    let at = random.index(target.last_write);
    let sector = at / SECTOR_BYTES * SECTOR_BYTES;
    let end = (sector + SECTOR_BYTES).min(target.last_write);
    let what = format!("{kind:?} in {} at {at}", target.name);
    let replacement = match kind {
        Kind::FlippedBit => {
            *image.files.get_mut(&target.name)?.get_mut(at)? ^= 1 << random.below(8);
            return Some(what);
        }
        Kind::LostSegment => {
            // The last one is missed only by who remembers it: that is what signed checkpoints are for.
            (number + 1 < segments.len()).then_some(())?;
            image.files.remove(&target.name)?;
            return Some(what);
        }
        Kind::ZeroedSector => vec![0; end - sector],
        Kind::MisdirectedSector => {
            let source = segments.get(random.index(segments.len()))?;
            let from = random.index(source.last_write) / SECTOR_BYTES * SECTOR_BYTES;
            image.files.get(&source.name)?.get(from..from + end - sector)?.to_vec()
        }
        Kind::LostSector => earlier.get(number)?.get(sector..end)?.to_vec(),
    };
    let place = image.files.get_mut(&target.name)?.get_mut(sector..end)?;
    (*place != *replacement).then_some(())?;
    place.copy_from_slice(&replacement);
    Some(what)
}

fn opened(image: Image, plan: &Plan) -> Result<EmbeddedLog, OpenError> {
    let disk = SimDisk::new(image, &[], Skips::default());
    let vault = life::vault_on(&disk, plan)?;
    life::open_vault(&vault, plan).map(|(shared, _)| EmbeddedLog::driven(shared))
}

/// Walks the frames of a whole segment.
fn last_write(bytes: &[u8]) -> usize {
    let salt = bytes.get(40..44).and_then(|it| it.try_into().ok()).map_or(0, u32::from_le_bytes);
    let mut at = HEADER_BYTES;
    let mut last = HEADER_BYTES;
    while let Some(claimed) = bytes.get(at..).and_then(frame::claimed_bytes) {
        let Some(frame) = bytes
            .get(at..at + claimed)
            .and_then(|bytes| frame::verify(bytes, salt, crate::fault::Faults::default()).ok())
        else {
            break;
        };
        last = at.saturating_sub(frame.head.group_bytes as usize);
        at += claimed;
    }
    last
}
