//! Snapshots on disk: written aside, synced, renamed; checked by hash when read.
//!
//! ```text
//! "LLSNAP01" | position u64 LE | sha-256 of the state bytes | state bytes
//! ```
//!
//! Where files are encrypted at rest, all of it is the content of an encrypted file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ledgerline_event_store::crypt::at_rest::FileCipher;
use ledgerline_routing_core::{State, snapshot};
use ledgerline_schemas::Position;

const MAGIC: &[u8; 8] = b"LLSNAP01";
const HEAD_BYTES: usize = 8 + 8 + 32;
/// Snapshots kept: the newest may be torn by a crash, the one before it is not.
const KEPT: usize = 2;

fn name(position: Position) -> String {
    format!("routing-{:020}.snapshot", position.0)
}

/// What a snapshot is called when it is encrypted.
fn place(name: &str) -> String {
    format!("snapshots/{name}")
}

/// Writes a snapshot that is true at `position`.
pub(super) fn write(
    dir: &Path,
    position: Position,
    state: &[u8],
    hash: [u8; 32],
    cipher: &dyn FileCipher,
) -> io::Result<()> {
    let name = name(position);
    let target = dir.join(&name);
    let aside = dir.join(format!("{name}.partial"));
    let content = [MAGIC.as_slice(), position.0.to_le_bytes().as_slice(), &hash, state].concat();
    let stored = cipher.seal(&place(&name), content)?;
    let mut file = File::create(&aside)?;
    file.write_all(&stored.bytes)?;
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
pub(super) fn newest(
    dir: &Path,
    head: Position,
    cipher: &dyn FileCipher,
) -> io::Result<Option<(Position, State)>> {
    if !dir.exists() {
        return Ok(None);
    }
    for path in list(dir)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let content = match cipher.open_whole(&place(name), fs::read(&path)?) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "snapshot is passed over");
                continue;
            }
        };
        match parse(&content) {
            Some((position, state)) if position <= head => return Ok(Some((position, state))),
            Some(_) => tracing::warn!(file = %path.display(), "snapshot is ahead of the log"),
            None => tracing::warn!(file = %path.display(), "snapshot is damaged"),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use ledgerline_event_store::crypt::KeyRing;
    use ledgerline_event_store::crypt::at_rest::{ClearFiles, StorageKeys};
    use ledgerline_schemas::id::OrgId;

    use super::*;

    const HEAD: Position = Position(9);

    #[test]
    fn an_encrypted_snapshot_is_read_with_its_key_and_passed_over_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let (state, org) = (State::new(), OrgId::from_u128(1));
        let (bytes, hash) = (snapshot::encode(&state), snapshot::hash(&state));
        let keys = |seals| StorageKeys::new(KeyRing::in_memory().unwrap(), org, seals);
        let on = keys(true);
        let write = |position, cipher: &dyn FileCipher| {
            write(dir.path(), Position(position), &bytes, hash, cipher).unwrap();
            let path = dir.path().join(name(Position(position)));
            (path.clone(), fs::read(path).unwrap())
        };
        let found = |cipher: &dyn FileCipher| {
            newest(dir.path(), HEAD, cipher).unwrap().map(|(position, _)| position.0)
        };
        let (_, clear) = write(1, &keys(false));
        assert!(clear.starts_with(MAGIC));
        let (path, sealed) = write(2, &on);
        assert!(!sealed.windows(MAGIC.len()).any(|window| window == MAGIC));
        assert_eq!(found(&on), Some(2));
        for other in [&ClearFiles as &dyn FileCipher, &keys(true)] {
            assert_eq!(found(other), Some(1), "{other:?}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, changed).unwrap();
            assert_eq!(found(&on), Some(1), "bit {bit}");
        }
    }
}
