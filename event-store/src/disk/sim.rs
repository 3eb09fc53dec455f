//! A disk in memory that writes down every operation, so that a crash can be put between any two of them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// One operation that changes something or makes it durable.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create {
        name: String,
        inode: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncDirectory,
    Write {
        inode: usize,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    /// Zeros written to get space.
    Reserve {
        inode: usize,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SyncData {
        inode: usize,
    },
    /// The system gave up on what was to be synced: it still shows it, and will not try again.
    SyncFailed {
        inode: usize,
    },
    /// A sync that was asked for and not made.
    Skipped,
}

/// Files by name; all of it durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

/// Kinds of operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Allocate,
    Write,
    SyncData,
    SyncDirectory,
}

/// One failure to come, or a disk that is broken from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    /// Operations that still go well.
    pub(crate) after: usize,
    pub(crate) error: io::ErrorKind,
    /// Whether every later operation that this can happen to fails as well.
    pub(crate) lasts: bool,
    /// How much of a failing write is done: of so many parts …
    pub(crate) parts: usize,
    /// … so many.
    pub(crate) done: usize,
}

impl Trouble {
    /// A full disk refuses new space only.
    fn concerns(&self, op: &Op) -> bool {
        match self.error {
            io::ErrorKind::StorageFull => matches!(op, Op::Create { .. } | Op::Reserve { .. }),
            _ => true,
        }
    }
}

/// Syncs this disk does not make.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Skips {
    pub(crate) data: bool,
    pub(crate) directory: bool,
}

/// What is called before every operation, with the number of operations before it.
pub(crate) type Observer = Box<dyn FnMut(usize) + Send>;

#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) base: Image,
    pub(crate) ops: Vec<Op>,
    pub(crate) inodes: Vec<Vec<u8>>,
    names: BTreeMap<String, usize>,
    skips: Skips,
    failing: Option<(Kind, io::ErrorKind)>,
    trouble: Option<Trouble>,
    /// Operations that failed.
    pub(crate) failures: u64,
}

/// A handle of the disk. Clones share it.
#[derive(Clone)]
pub(crate) struct SimDisk {
    contents: Arc<Mutex<Contents>>,
    observer: Arc<Mutex<Option<Observer>>>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl SimDisk {
    /// A disk on which `ops` happened after it held `base`, none of them made durable by anything else.
    pub(crate) fn new(base: Image, ops: &[Op], skips: Skips) -> Self {
        let mut contents = Contents { skips, ..Contents::default() };
        for (name, bytes) in &base.files {
            contents.names.insert(name.clone(), contents.inodes.len());
            contents.inodes.push(bytes.clone());
        }
        contents.base = base;
        for op in ops {
            contents.apply(op);
            contents.ops.push(op.clone());
        }
        Self { contents: Arc::new(Mutex::new(contents)), observer: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observe(&self, observer: Option<Observer>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = observer;
    }

    /// From now on every operation of this kind fails.
    #[cfg(test)]
    pub(crate) fn fail(&self, failing: Option<(Kind, io::ErrorKind)>) {
        self.lock().failing = failing;
    }

    /// What will go wrong.
    pub(crate) fn trouble(&self, trouble: Option<Trouble>) {
        self.lock().trouble = trouble;
    }

    /// What a reader of the disk sees now.
    pub(crate) fn live(&self) -> Image {
        let contents = self.lock();
        let file = |inode: &usize| contents.inodes.get(*inode).cloned().unwrap_or_default();
        let files = contents.names.iter().map(|(name, inode)| (name.clone(), file(inode)));
        Image { files: files.collect() }
    }

    fn change(
        &self,
        kind: Option<Kind>,
        op: impl FnOnce(&Contents) -> io::Result<Op>,
    ) -> io::Result<()> {
        let before = self.lock().ops.len();
        if let Some(observer) = &mut *self.observer.lock().unwrap_or_else(PoisonError::into_inner) {
            observer(before);
        }
        let mut contents = self.lock();
        if let Some((_, error)) = contents.failing.filter(|(failing, _)| Some(*failing) == kind) {
            return Err(error.into());
        }
        let op = op(&contents)?;
        if let Some(error) = contents.trouble(&op) {
            return Err(error.into());
        }
        contents.apply(&op);
        contents.ops.push(op);
        Ok(())
    }

    fn file(&self, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), inode })
    }
}

impl Contents {
    /// Whether this operation fails now; what it still does is done.
    fn trouble(&mut self, op: &Op) -> Option<io::ErrorKind> {
        let mut trouble = self.trouble.take()?;
        if !trouble.concerns(op) {
            self.trouble = Some(trouble);
            return None;
        }
        if let Some(after) = trouble.after.checked_sub(1) {
            trouble.after = after;
            self.trouble = Some(trouble);
            return None;
        }
        self.trouble = trouble.lasts.then_some(trouble);
        self.failures += 1;
        let partial = match op {
            Op::SyncData { inode } => Some(Op::SyncFailed { inode: *inode }),
            Op::Write { inode, offset, bytes } => {
                let done = bytes.len() / trouble.parts.max(1) * trouble.done;
                let bytes = bytes.get(..done.min(bytes.len())).unwrap_or_default().into();
                Some(Op::Write { inode: *inode, offset: *offset, bytes })
            }
            _ => None,
        };
        if let Some(partial) = partial {
            self.apply(&partial);
            self.ops.push(partial);
        }
        Some(trouble.error)
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { name, inode } => {
                self.names.insert(name.clone(), *inode);
                self.inodes.push(Vec::new());
            }
            Op::Rename { from, to } => {
                if let Some(inode) = self.names.remove(from) {
                    self.names.insert(to.clone(), inode);
                }
            }
            Op::Remove { name } => {
                self.names.remove(name);
            }
            Op::Write { inode, offset, bytes } | Op::Reserve { inode, offset, bytes } => {
                if let Some(file) = self.inodes.get_mut(*inode) {
                    put(file, *offset, bytes);
                }
            }
            Op::SyncDirectory | Op::SyncData { .. } | Op::SyncFailed { .. } | Op::Skipped => {}
        }
    }
}

/// Writes into a file image, growing it with zeros.
pub(crate) fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(bytes.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    if let Some(place) = file.get_mut(start..end) {
        place.copy_from_slice(bytes);
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut made = 0;
        self.change(Some(Kind::Create), |contents| {
            if contents.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            made = contents.inodes.len();
            Ok(Op::Create { name: name.to_owned(), inode: made })
        })?;
        Ok(self.file(made))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.lock().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(None, |contents| {
            if !contents.names.contains_key(from) {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(Op::Rename { from: from.to_owned(), to: to.to_owned() })
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(None, |contents| {
            if !contents.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(Op::Remove { name: name.to_owned() })
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.change(Some(Kind::SyncDirectory), |contents| {
            Ok(if contents.skips.directory { Op::Skipped } else { Op::SyncDirectory })
        })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inodes.get(self.inode).map_or(0, |file| file.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let contents = self.disk.lock();
        let file = contents.inodes.get(self.inode).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
        let rest = file.get(start..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (inode, bytes) = (self.inode, bytes.into());
        self.disk.change(Some(Kind::Write), |_| Ok(Op::Write { inode, offset, bytes }))
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(bytes).unwrap_or(0)];
        let (inode, bytes) = (self.inode, zeros.into());
        self.disk.change(Some(Kind::Allocate), |_| Ok(Op::Reserve { inode, offset, bytes }))
    }

    fn sync_data(&self) -> io::Result<()> {
        let inode = self.inode;
        self.disk.change(Some(Kind::SyncData), |contents| {
            Ok(if contents.skips.data { Op::Skipped } else { Op::SyncData { inode } })
        })
    }
}
