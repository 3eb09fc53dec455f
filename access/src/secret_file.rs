//! Files that hold secrets: owner only, complete or absent.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Reads a secret file; `None` when it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    let mode = file.metadata().map_err(|e| StoreError::io(path, e))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| StoreError::io(path, e))?;
    Ok(Some(bytes))
}

/// Creates a secret file unless it exists; whoever comes second reads what the first one wrote.
pub(crate) fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, StoreError>,
) -> Result<Vec<u8>, StoreError> {
    if let Some(bytes) = read(path)? {
        return Ok(bytes);
    }
    let made = make()?;
    let temporary = write_temporary(path, &made)?;
    // A hard link, unlike a rename, never replaces: two processes that start together agree on one key.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io(path, error)),
    }
    removed.map_err(|e| StoreError::io(&temporary, e))?;
    sync_folder(path)?;
    read(path)?.ok_or_else(|| StoreError::io(path, io::ErrorKind::NotFound.into()))
}

/// Replaces a secret file as a whole: after a crash it has the old or the new content.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = write_temporary(path, bytes)?;
    fs::rename(&temporary, path).map_err(|e| StoreError::io(path, e))?;
    sync_folder(path)
}

/// Opens (and creates) a lock file beside the secret, to be locked by the caller.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::io(path, e))
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Random(e.to_string()))?;
    Ok(bytes)
}

fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    let folder = folder(path);
    fs::create_dir_all(folder).map_err(|e| StoreError::io(folder, e))?;
    let suffix: [u8; 8] = random()?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.tmp", u64::from_be_bytes(suffix)));
    let temporary = folder.join(name);
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        // The mode given at creation is narrowed by the umask; this states it exactly.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| StoreError::io(&temporary, e))?;
    Ok(temporary)
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = folder(path);
    File::open(folder).and_then(|file| file.sync_all()).map_err(|e| StoreError::io(folder, e))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
