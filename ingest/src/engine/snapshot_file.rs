//! Snapshots on disk: written aside, synced, renamed; checked by hash when read.
//!
//! ```text
//! "LLSNAP01" | position u64 LE | sha-256 of the state bytes | state bytes
//! ```

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ledgerline_routing_core::{State, snapshot};
use ledgerline_schemas::Position;

const MAGIC: &[u8; 8] = b"LLSNAP01";
const HEAD_BYTES: usize = 8 + 8 + 32;
/// Snapshots kept: the newest may be torn by a crash, the one before it is not.
const KEPT: usize = 2;

fn name(position: Position) -> String {
    format!("routing-{:020}.snapshot", position.0)
}

/// Writes a snapshot that is true at `position`.
pub(super) fn write(
    dir: &Path,
    position: Position,
    state: &[u8],
    hash: [u8; 32],
) -> io::Result<()> {
    let target = dir.join(name(position));
    let aside = dir.join(format!("{}.partial", name(position)));
    let mut file = File::create(&aside)?;
    file.write_all(MAGIC)?;
    file.write_all(&position.0.to_le_bytes())?;
    file.write_all(&hash)?;
    file.write_all(state)?;
    file.sync_all()?;
    fs::rename(&aside, &target)?;
    File::open(dir)?.sync_all()?;
    for old in list(dir)?.into_iter().skip(KEPT) {
        fs::remove_file(old)?;
    }
    Ok(())
}

/// Snapshot files, newest first.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "snapshot"))
        .collect();
    files.sort_unstable_by(|left, right| right.cmp(left));
    Ok(files)
}

fn parse(bytes: &[u8]) -> Option<(Position, State)> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
    let (magic, rest) = head.split_at_checked(8)?;
    let (position, hash) = rest.split_at_checked(8)?;
    let position = Position(u64::from_le_bytes(position.try_into().ok()?));
    let state = snapshot::decode(body).ok()?;
    (magic == MAGIC && snapshot::hash(&state).as_slice() == hash).then_some((position, state))
}

/// The newest snapshot that is whole and not ahead of the log. Others are passed over: the log has it all.
pub(super) fn newest(dir: &Path, head: Position) -> io::Result<Option<(Position, State)>> {
    if !dir.exists() {
        return Ok(None);
    }
    for path in list(dir)? {
        match parse(&fs::read(&path)?) {
            Some((position, state)) if position <= head => return Ok(Some((position, state))),
            Some(_) => tracing::warn!(file = %path.display(), "snapshot is ahead of the log"),
            None => tracing::warn!(file = %path.display(), "snapshot is damaged"),
        }
    }
    Ok(None)
}
