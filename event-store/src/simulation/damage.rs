//! Damage to stored bytes that no power cut explains: it must be refused, never cut away.

use super::life::{self, Life, Plan};
use super::random::Random;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::embedded::{EmbeddedLog, OpenError};
use crate::segment::frame;
use crate::segment::header::HEADER_BYTES;

/// Where the durable bytes of a segment are.
struct Written {
    name: String,
    /// Where the last write to the log began; damage before it can be told from a tear.
    last_write: usize,
}

/// Damages the disk a life left behind in one place, and opens the log.
pub(crate) fn strike(life: &Life, plan: &Plan, random: &mut Random) -> Result<(), String> {
    let mut image = life.disk.live();
    let segments: Vec<Written> = image
        .files
        .iter()
        .map(|(name, bytes)| Written { name: name.clone(), last_write: last_write(bytes) })
        .collect();
    let Some(target) = segments.get(random.index(segments.len())) else { return Ok(()) };
    let Some(bytes) = image.files.get_mut(&target.name) else { return Ok(()) };
    let at = random.index(target.last_write);
    let what = if random.one_in(2) {
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
        format!("a flipped bit in {} at {at}", target.name)
    } else {
        let sector = at / 512 * 512;
        let end = (sector + 512).min(target.last_write);
        let hole = bytes.get_mut(sector..end).unwrap_or_default();
        if hole.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        hole.fill(0);
        format!("a zeroed sector in {} at {sector}", target.name)
    };
    match opened(image, plan) {
        Err(OpenError::Damaged { .. }) => Ok(()),
        Err(error) => Err(format!("{what} gave another error: {error}")),
        Ok(_) => Err(format!("{what} was not noticed")),
    }
}

fn opened(image: Image, plan: &Plan) -> Result<EmbeddedLog, OpenError> {
    let disk = SimDisk::new(image, &[], Skips::default());
    life::open_on(&disk, plan).map(|(shared, _)| EmbeddedLog::driven(shared))
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
