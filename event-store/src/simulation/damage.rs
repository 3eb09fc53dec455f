//! Damage to stored bytes that no power cut explains. In a segment it must be refused, at opening or by
//! whoever reads it, never cut away, never served. In an index it must change nothing.

use super::life::{self, Life, Plan};
use super::random::Random;
use super::truth::Truth;
use crate::crypt::at_rest::StorageKeys;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::disk::veil;
use crate::embedded::commit::Committer;
use crate::embedded::{EmbeddedLog, OpenError};
use crate::index::layout;
use crate::log::ReadError;
use crate::segment::frame;
use crate::segment::header::HEADER_BYTES;

const SECTOR_BYTES: usize = 512;

/// Where the durable bytes of a file are.
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
    /// An index, or a segment with others behind it, is gone.
    LostFile,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::FlippedBit,
        Self::ZeroedSector,
        Self::MisdirectedSector,
        Self::LostSector,
        Self::LostFile,
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
    let keys = life::keys(plan);
    let struck = damage(&mut image, kind, earlier, keys.as_ref(), random);
    let Some(Struck { what, index }) = struck else {
        return Ok(false);
    };
    let outcome = match opened(image, plan) {
        // A log whose committer is gone takes nothing, not even what it has.
        Ok((log, _committer)) if index => whole(&log, &life.truth),
        Ok((log, _)) => noticed(&log, &life.truth),
        Err(OpenError::Damaged { .. }) if !index => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    outcome.map(|()| true).map_err(|reason| format!("{what}: {reason}"))
}

/// The log is as if nothing had happened.
fn whole(log: &EmbeddedLog, truth: &Truth) -> Result<(), String> {
    truth.clone().settle(log)?;
    truth.recognizes_all(log)?;
    log.verify().map(|_| ()).map_err(|error| error.to_string())
}

/// Verification finds the damage, and readers are served nothing wrong.
fn noticed(log: &EmbeddedLog, truth: &Truth) -> Result<(), String> {
    match log.verify() {
        Err(ReadError::Damaged { .. }) => truth.shows_nothing_else(log),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("it was not noticed".to_owned()),
    }
}

/// What was damaged.
struct Struck {
    what: String,
    /// Whether it is an index, which is never needed.
    index: bool,
}

/// Does the damage and says what it is; nothing if nothing would differ.
fn damage(
    image: &mut Image,
    kind: Kind,
    earlier: &[Vec<u8>],
    keys: Option<&StorageKeys>,
    random: &mut Random,
) -> Option<Struck> {
    let files: Vec<Written> = image
        .files
        .iter()
        .map(|(name, bytes)| Written {
            name: name.clone(),
            last_write: stored_last_write(name, bytes, keys),
        })
        .collect();
    let last = files.iter().rfind(|file| !is_index(&file.name))?.name.clone();
    let number = random.index(files.len());
    let target = files.get(number)?.clone();
    let at = random.index(target.last_write);
    let sector = at / SECTOR_BYTES * SECTOR_BYTES;
    let end = (sector + SECTOR_BYTES).min(target.last_write);
    let what = format!("{kind:?} in {} at {at}", target.name);
    let struck = Struck { what, index: is_index(&target.name) };
    let replacement = match kind {
        Kind::FlippedBit => {
            *image.files.get_mut(&target.name)?.get_mut(at)? ^= 1 << random.below(8);
            return Some(struck);
        }
        Kind::LostFile => {
            // The last one is missed only by who remembers it: that is what signed checkpoints are for.
            (target.name != last).then_some(())?;
            image.files.remove(&target.name)?;
            return Some(struck);
        }
        Kind::ZeroedSector => vec![0; end - sector],
        Kind::MisdirectedSector => {
            let source = files.get(random.index(files.len()))?;
            let from = random.index(source.last_write) / SECTOR_BYTES * SECTOR_BYTES;
            image.files.get(&source.name)?.get(from..from + end - sector)?.to_vec()
        }
        Kind::LostSector => earlier.get(number)?.get(sector..end)?.to_vec(),
    };
    let place = image.files.get_mut(&target.name)?.get_mut(sector..end)?;
    (*place != *replacement).then_some(())?;
    place.copy_from_slice(&replacement);
    Some(struck)
}

fn opened(image: Image, plan: &Plan) -> Result<(EmbeddedLog, Committer), OpenError> {
    let disk = SimDisk::new(image, &[], Skips::default());
    let vault = life::vault_on(&disk, plan)?;
    let opened = life::open_vault(&vault, plan)?;
    Ok((EmbeddedLog::driven(opened.shared), opened.committer))
}

fn is_index(name: &str) -> bool {
    layout::positions_of(name).is_some()
}

/// Where the last write to the log began in a file as it is stored. Of an encrypted one, the block that holds bytes
/// of the write before it as well belongs to it: a changed bit is noise in all of the block.
fn stored_last_write(name: &str, bytes: &[u8], keys: Option<&StorageKeys>) -> usize {
    const BLOCK_BYTES: usize = 16;
    match veil::unveil_object(keys, name, bytes.to_vec()) {
        Ok((content, true)) => {
            let at = last_write(name, &content);
            let whole = if at == content.len() { at.next_multiple_of(BLOCK_BYTES) } else { at };
            SECTOR_BYTES + whole / BLOCK_BYTES * BLOCK_BYTES
        }
        _ => last_write(name, bytes),
    }
}

/// Walks the frames of a whole segment. All of an index or of a packed segment was durable once.
fn last_write(name: &str, bytes: &[u8]) -> usize {
    if !name.ends_with(".seg") {
        return bytes.len();
    }
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
