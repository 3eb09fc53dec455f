//! What a disk may hold after the power went away.
//!
//! Durable: every write before the last sync of its file, every name before the last sync of the directory.
//! Of the rest, any sector of 512 bytes may have reached the disk or not, whatever the order of the writes;
//! names reached it up to some point; a file may have its new length without its new bytes, and then shows
//! zeros or whatever lay there before.

use std::collections::BTreeMap;

use super::random::Random;
use crate::disk::sim::{Contents, Image, Op, put};

const SECTOR_BYTES: usize = 512;

/// Which of the writes that were not synced reach the disk.
#[derive(Clone, Copy, Debug)]
enum Kept {
    None,
    All,
    /// Each write whole or not.
    Writes,
    /// Each sector by itself.
    Sectors,
}

impl Kept {
    fn any(random: &mut Random) -> Self {
        match random.below(6) {
            0 => Self::None,
            1 => Self::All,
            2 => Self::Writes,
            _ => Self::Sectors,
        }
    }
}

/// The disk after a power cut behind the first `cut` operations. `stale` is what lay on it in an earlier
/// life, file by file in the order of their creation.
pub(crate) fn after_power_cut(
    contents: &Contents,
    cut: usize,
    stale: &[Vec<u8>],
    random: &mut Random,
) -> Image {
    let ops = contents.ops.get(..cut).unwrap_or(&contents.ops);
    let mut files = Vec::new();
    for (inode, bytes) in contents.base.files.values().enumerate() {
        files.push(file_after(ops, inode, bytes, &[], random));
    }
    let created = ops.iter().filter(|op| matches!(op, Op::Create { .. })).count();
    for number in 0..created {
        let stale = stale.get(number).map_or(&[][..], Vec::as_slice);
        files.push(file_after(ops, contents.base.files.len() + number, &[], stale, random));
    }
    let names = names_after(contents, ops, random);
    let named = names
        .into_iter()
        .filter_map(|(name, inode)| Some((name, files.get(inode).cloned()?)))
        .collect();
    Image { files: named }
}

fn names_after(contents: &Contents, ops: &[Op], random: &mut Random) -> BTreeMap<String, usize> {
    let synced = ops.iter().rposition(|op| matches!(op, Op::SyncDirectory)).map_or(0, |at| at + 1);
    let until = match random.below(3) {
        0 => synced,
        1 => ops.len(),
        _ => synced + random.index(ops.len() - synced + 1),
    };
    let mut names: BTreeMap<String, usize> = contents.base.files.keys().cloned().zip(0..).collect();
    for op in ops.iter().take(until) {
        match op {
            Op::Create { name, inode } => {
                names.insert(name.clone(), *inode);
            }
            Op::Rename { from, to } => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Op::Remove { name } => {
                names.remove(name);
            }
            _ => {}
        }
    }
    names
}

fn file_after(
    ops: &[Op],
    wanted: usize,
    base: &[u8],
    stale: &[u8],
    random: &mut Random,
) -> Vec<u8> {
    let is_sync = |op: &Op| matches!(op, Op::SyncData { inode } if *inode == wanted);
    let synced = ops.iter().rposition(is_sync).map_or(0, |at| at + 1);
    let mut live = base.to_vec();
    for op in ops.iter().take(synced) {
        if let Op::Write { inode, offset, bytes } = op
            && *inode == wanted
        {
            put(&mut live, *offset, bytes);
        }
    }
    let durable = live.clone();
    // The sectors that made it, each as it was in memory when it was written back.
    let kept = Kept::any(random);
    let mut sectors: Vec<(usize, Vec<u8>)> = Vec::new();
    for op in ops.iter().skip(synced) {
        let Op::Write { inode, offset, bytes } = op else { continue };
        if *inode != wanted {
            continue;
        }
        put(&mut live, *offset, bytes);
        let start = usize::try_from(*offset).unwrap_or(usize::MAX);
        let first = start / SECTOR_BYTES;
        let last = (start + bytes.len()).div_ceil(SECTOR_BYTES);
        let whole = random.one_in(2);
        for sector in first..last {
            let keep = match kept {
                Kept::None => false,
                Kept::All => true,
                Kept::Writes => whole,
                Kept::Sectors => random.one_in(2),
            };
            let from = sector * SECTOR_BYTES;
            let until = (from + SECTOR_BYTES).min(live.len());
            if let Some(bytes) = live.get(from..until).filter(|_| keep) {
                sectors.push((from, bytes.to_vec()));
            }
        }
    }
    let mut file = durable;
    let grown = matches!(kept, Kept::All) || random.one_in(2);
    if grown && live.len() > file.len() {
        let from = file.len();
        file.resize(live.len(), 0);
        if random.one_in(2) {
            overwrite(&mut file, from, stale.get(from..).unwrap_or_default());
        }
    }
    for (from, bytes) in sectors {
        overwrite(&mut file, from, &bytes);
    }
    file
}

/// Writes what fits without growing the file.
fn overwrite(file: &mut [u8], from: usize, bytes: &[u8]) {
    let length = bytes.len().min(file.len().saturating_sub(from));
    if let (Some(place), Some(bytes)) = (file.get_mut(from..from + length), bytes.get(..length)) {
        place.copy_from_slice(bytes);
    }
}
