//! The key file: opened by one process at a time, readable by its owner only, replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError};

use crate::crypt::error::CryptError;

/// Name of the key file in the data directory.
pub(super) const NAME: &str = "keys.redb";
/// Name of a key file that is being written. One that is found was never put in place.
const ASIDE: &str = "keys.redb.partial";

/// Bytes overwritten at a time.
const WIPE_BYTES: usize = 64 * 1024;

fn refused(path: &Path, reason: impl ToString) -> CryptError {
    CryptError::Store { path: path.to_owned(), reason: reason.to_string() }
}

fn database(path: &Path, file: File) -> Result<Database, CryptError> {
    Builder::new().create_file(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => CryptError::Locked { path: path.to_owned() },
        other => refused(path, other),
    })
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Opens the key file of a directory, made if it is not there, and removes what an interrupted replacement
/// left beside it.
pub(super) fn open(directory: &Path) -> Result<Database, CryptError> {
    let path = directory.join(NAME);
    let failed = |error: io::Error| refused(&path, error);
    let file = private(&path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?.ino();
    let database = database(&path, file)?;
    // Another process may have replaced the file between opening and locking it.
    if fs::metadata(&path).map_err(failed)?.ino() != opened {
        return Err(CryptError::Locked { path });
    }
    // The name of a new key file must be durable before a value sealed with its keys is.
    sync_directory(directory).map_err(failed)?;
    let aside = directory.join(ASIDE);
    match wipe(&aside).and_then(|()| fs::remove_file(&aside)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&aside, error)),
        _ => Ok(database),
    }
}

/// A database without a file.
pub(super) fn in_memory() -> Result<Database, CryptError> {
    Builder::new()
        .create_with_backend(InMemoryBackend::new())
        .map_err(|error| refused(Path::new("(memory)"), error))
}

/// An empty database beside the key file.
pub(super) fn aside(path: &Path) -> Result<Database, CryptError> {
    let aside = path.with_file_name(ASIDE);
    match wipe(&aside).and_then(|()| fs::remove_file(&aside)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(refused(&aside, error));
        }
        _ => {}
    }
    let file = private(&aside).map_err(|error| refused(&aside, error))?;
    database(&aside, file)
}

/// What is left of the old key file after [`replace`].
pub(super) struct Replaced {
    old: File,
    /// Whether the new name is durable. If not, the old file may come back after a power cut and must
    /// stay what it was.
    durable: io::Result<()>,
}

/// Puts the file of [`aside`] in the place of the key file.
///
/// # Errors
/// The old file is in place then.
pub(super) fn replace(path: &Path) -> Result<Replaced, CryptError> {
    let put = || -> io::Result<Replaced> {
        let old = OpenOptions::new().write(true).open(path)?;
        fs::rename(path.with_file_name(ASIDE), path)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        Ok(Replaced { old, durable: sync_directory(directory) })
    };
    put().map_err(|error| refused(path, error))
}

impl Replaced {
    /// Overwrites the old file, which has no name any more. Its database has to be closed.
    pub(super) fn finish(self, path: &Path) -> Result<(), CryptError> {
        let Self { old, durable } = self;
        durable.and_then(|()| overwrite(old)).map_err(|error| refused(path, error))
    }
}

fn wipe(path: &Path) -> io::Result<()> {
    overwrite(OpenOptions::new().write(true).open(path)?)
}

/// Zeros from the first to the last byte, on the drive.
fn overwrite(mut file: File) -> io::Result<()> {
    let zeros = vec![0; WIPE_BYTES];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(WIPE_BYTES).min(WIPE_BYTES);
        file.write_all(zeros.get(..now).unwrap_or_default())?;
        left -= u64::try_from(now).unwrap_or(left);
    }
    file.sync_all()
}
