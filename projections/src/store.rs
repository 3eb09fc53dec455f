//! The file system as the tables use it: a seam, so that tests can break it at any step.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::crypt::at_rest::{ClearFiles, FileCipher};

/// What the tables ask of a file system. Every call is durable when it returns, but for
/// [`Store::create`] and [`Store::rename`], whose names are durable after [`Store::sync_dir`].
pub(crate) trait Store: Send + Sync + fmt::Debug {
    /// Makes a folder and its parents; nothing happens if it is there.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Writes a new file and syncs its content. A crash may leave part of it.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Moves a file in one step, over an older one if there is one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file, or a folder with everything in it; nothing happens if it is not there.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder, sorted; none if it is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// At most the first so many bytes of a file.
    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>>;
    /// Size of a file, bytes.
    fn size(&self, path: &Path) -> io::Result<u64>;
}

/// The real file system.
#[derive(Debug)]
pub(crate) struct Disk;

fn absent_is<T>(outcome: io::Result<T>, absent: T) -> io::Result<T> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(absent),
        other => other,
    }
}

impl Store for Disk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(dir)?;
        dir.parent().map_or(Ok(()), |parent| self.sync_dir(parent))
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let is_dir = path.symlink_metadata().is_ok_and(|it| it.is_dir());
        absent_is(if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) }, ())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let Some(entries) = absent_is(fs::read_dir(dir).map(Some), None)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in entries {
            // Names that are not UTF-8 are none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_head(&self, path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(bytes);
        File::open(path)?.take(bytes as u64).read_to_end(&mut head)?;
        Ok(head)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|it| it.len())
    }
}

/// Where the tables are kept, and how their files are encrypted.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cipher: Arc<dyn FileCipher>,
}

impl From<Arc<dyn Store>> for Files {
    fn from(store: Arc<dyn Store>) -> Self {
        Self { store, cipher: Arc::new(ClearFiles) }
    }
}
