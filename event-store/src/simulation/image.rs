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
    let mut disk = OnDisk { live: base.to_vec(), durable: base.to_vec(), waiting: Vec::new() };
    for op in ops {
        match op {
            Op::Write { inode, offset, bytes } | Op::Reserve { inode, offset, bytes }
                if *inode == wanted =>
            {
                disk.write(*offset, bytes);
            }
            Op::SyncData { inode } if *inode == wanted => disk.sync(),
            Op::SyncFailed { inode } if *inode == wanted => disk.give_up(stale, random),
            _ => {}
        }
    }
    disk.power_cut(stale, random)
}

/// One file: what is shown, what is safe, and what is on its way.
struct OnDisk {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Places and lengths of the writes since the last sync, each with the bytes then shown.
    waiting: Vec<(usize, Vec<u8>)>,
}

impl OnDisk {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        put(&mut self.live, offset, bytes);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let first = start / SECTOR_BYTES * SECTOR_BYTES;
        let until = (start + bytes.len()).next_multiple_of(SECTOR_BYTES).min(self.live.len());
        if let Some(sectors) = self.live.get(first..until) {
            self.waiting.push((first, sectors.to_vec()));
        }
    }

    /// Everything that waits reaches the disk.
    fn sync(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.waiting) {
            put(&mut self.durable, at as u64, &bytes);
        }
    }

    /// Some of what waits reaches the disk; the rest is forgotten.
    fn give_up(&mut self, stale: &[u8], random: &mut Random) {
        let waiting = std::mem::take(&mut self.waiting);
        // The sectors that made it, each as it was in memory when it was written back.
        let kept = Kept::any(random);
        let mut sectors: Vec<(usize, &[u8])> = Vec::new();
        let mut length = self.durable.len();
        for (at, bytes) in &waiting {
            length = length.max(at + bytes.len());
            let whole = random.one_in(2);
            for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                let keep = match kept {
                    Kept::None => false,
                    Kept::All => true,
                    Kept::Writes => whole,
                    Kept::Sectors => random.one_in(2),
                };
                if keep {
                    sectors.push((at + number * SECTOR_BYTES, sector));
                }
            }
        }
        let grown = matches!(kept, Kept::All) || random.one_in(2);
        if grown && length > self.durable.len() {
            let from = self.durable.len();
            self.durable.resize(length, 0);
            if random.one_in(2) {
                overwrite(&mut self.durable, from, stale.get(from..).unwrap_or_default());
            }
        }
        for (from, bytes) in sectors {
            overwrite(&mut self.durable, from, bytes);
        }
    }

    fn power_cut(mut self, stale: &[u8], random: &mut Random) -> Vec<u8> {
        self.give_up(stale, random);
        self.durable
    }
}

/// Writes what fits without growing the file.
fn overwrite(file: &mut [u8], from: usize, bytes: &[u8]) {
    let length = bytes.len().min(file.len().saturating_sub(from));
    if let (Some(place), Some(bytes)) = (file.get_mut(from..from + length), bytes.get(..length)) {
        place.copy_from_slice(bytes);
    }
}
