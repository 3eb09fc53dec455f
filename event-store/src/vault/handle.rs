//! A handle of a segment that stays good when the segment changes its form.
//!
//! Who has a segment open keeps the file that it opened, also when that lost its name: its space would not
//! be free before the log is opened anew. So a handle is given the new form, and lets go of the old one.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::disk::DiskFile;

/// An open segment, in whatever form it is now.
#[derive(Debug)]
pub(crate) struct Handle(RwLock<Arc<dyn DiskFile>>);

impl Handle {
    fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DiskFile for Handle {
    fn len(&self) -> io::Result<u64> {
        self.file().len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file().read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file().write_at(bytes, offset)
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.file().allocate(offset, bytes)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.file().reserve(offset, bytes)
    }

    fn will_read(&self) {
        self.file().will_read();
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file().sync_data()
    }
}

/// The handles that are open, by base position.
#[derive(Debug, Default)]
pub(crate) struct Handles(Mutex<BTreeMap<u64, Vec<Weak<Handle>>>>);

impl Handles {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Weak<Handle>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle over a file.
    pub(crate) fn add(&self, base: u64, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let handle = Arc::new(Handle(RwLock::new(file)));
        let mut open = self.lock();
        let of_base = open.entry(base).or_default();
        of_base.retain(|it| it.strong_count() > 0);
        of_base.push(Arc::downgrade(&handle));
        handle
    }

    /// Gives every handle of a segment its new form.
    pub(crate) fn replace(
        &self,
        base: u64,
        open: impl FnOnce() -> io::Result<Arc<dyn DiskFile>>,
    ) -> io::Result<()> {
        // One that is opened at this very moment may keep the old file, which reads as well.
        let mut handles = self.lock();
        let live: Vec<_> =
            handles.remove(&base).into_iter().flatten().filter_map(|it| it.upgrade()).collect();
        if live.is_empty() {
            return Ok(());
        }
        let file = open()?;
        for handle in &live {
            *handle.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&file);
        }
        handles.insert(base, live.iter().map(Arc::downgrade).collect());
        Ok(())
    }
}
