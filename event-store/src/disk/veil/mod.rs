//! The disk below the log that encrypts its files, as the encryption of a volume would, and under keys of the
//! organization.
//!
//! ```text
//! file   head 512 | content, AES-256-XTS | zeros 16
//! ```
//!
//! The head ([`log_head`]) names the storage key and holds the salt that makes the file's own keys. Byte *n* of the
//! content is byte *512 + n* of the file, and sectors stay sectors: what the log relies on ([`crate::disk`]) holds
//! here as it does below. That is why it is XTS and no authenticated cipher: the sector with the log's end is written
//! again and again, after a crash with other bytes, and has no room for a nonce or a tag that were written with it or
//! not at all. Whether bytes are the right ones is not asked here: frames, blocks of indexes and packed segments have
//! checksums, and custody has hashes. A changed bit makes noise of 16 bytes, and those are noticed there.
//!
//! **Invariants**
//!
//! * The first sector of a file says whether it is encrypted; files in clear are passed on as they are. Whether new
//!   ones are encrypted is what the keys say.
//! * The head is written when the file is made and is durable with its first sync, thus before anything in the
//!   file counts. A file that lost it to a power cut is one of which nothing was ever synced: it shows what is
//!   left, and the log takes that as it takes any unfinished file.
//! * No two files share keys, and no key encrypts anywhere but at its own offset.

mod edge;
mod file;
mod object;
#[cfg(test)]
mod tests;
mod xts;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub(crate) use object::{Unveiled, seal_object, unveil_object};

use super::{Disk, DiskFile};
use crate::crypt::at_rest::{FileCipherError, StorageKeys, log_head};
use crate::fault::Faults;
use crate::vault::Damage;
use file::{Shared, VeiledFile};
use log_head::{HEAD_BYTES, Head};

/// An encrypted file cannot be made or opened. Travels inside an [`io::Error`].
#[derive(Clone, Debug, thiserror::Error)]
#[error("{file}: {error}")]
pub(crate) struct NotOpened {
    file: String,
    error: FileCipherError,
}

impl NotOpened {
    pub(crate) fn error(file: &str, error: FileCipherError) -> io::Error {
        io::Error::other(Self { file: file.to_owned(), error })
    }
}

/// A disk whose new files are encrypted if its keys say so, and whose encrypted files read as if they were not.
#[derive(Debug)]
pub(crate) struct Veil {
    stored: Arc<dyn Disk>,
    keys: Option<StorageKeys>,
    faults: Faults,
    /// Encrypted files that are open, by head: their handles share what writers and readers agree on. Names change,
    /// heads do not.
    open: Mutex<BTreeMap<Head, Weak<Shared>>>,
}

impl Veil {
    pub(crate) fn new(stored: Arc<dyn Disk>, keys: Option<StorageKeys>, faults: Faults) -> Self {
        Self { stored, keys, faults, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Head, Weak<Shared>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self, head: Head, keys: &log_head::LogKeys) -> Arc<Shared> {
        let mut open = self.lock();
        if let Some(shared) = open.get(&head).and_then(Weak::upgrade) {
            return shared;
        }
        open.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared::new(head, keys));
        open.insert(head, Arc::downgrade(&shared));
        shared
    }

    fn veiled(&self, stored: Arc<dyn DiskFile>, shared: Arc<Shared>) -> Arc<dyn DiskFile> {
        Arc::new(VeiledFile { stored, shared, faults: self.faults })
    }

    /// Sees that the key of every file is there, and that it is the right one. Without this, a log could lose the
    /// files that it can do without before it meets one that it cannot.
    pub(crate) fn check(&self) -> io::Result<()> {
        for name in self.stored.list()? {
            // Unfinished files are removed unread.
            if name.ends_with(".tmp") {
                continue;
            }
            match self.open(&name) {
                Err(error) if error.get_ref().is_some_and(|it| it.is::<NotOpened>()) => {
                    return Err(error);
                }
                // Anything else is for who needs the file.
                _ => {}
            }
        }
        Ok(())
    }
}

impl Disk for Veil {
    fn list(&self) -> io::Result<Vec<String>> {
        self.stored.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let Some(keys) = self.keys.as_ref().filter(|keys| keys.seals()) else {
            return self.stored.create(name);
        };
        let (head, keys) = log_head::new(keys).map_err(|error| NotOpened::error(name, error))?;
        let file = self.stored.create(name)?;
        if !self.faults.head_after_sync()
            && let Err(error) = file.write_at(&head, 0)
        {
            // As if it had not been made.
            let _ = self.stored.remove(name);
            return Err(error);
        }
        Ok(self.veiled(file, self.share(head, &keys)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.stored.open(name)?;
        let mut head = [0; HEAD_BYTES];
        let read = file.read_at(&mut head, 0)?;
        let key_id = log_head::key_id(head.get(..read).unwrap_or_default())
            .map_err(|reason| Damage::error(name, reason))?;
        let Some(key_id) = key_id else { return Ok(file) };
        let known = self.lock().get(&head).and_then(Weak::upgrade);
        let shared = match known {
            Some(shared) => shared,
            None => {
                let keys = log_head::keys_of(self.keys.as_ref(), key_id, &head)
                    .map_err(|error| NotOpened::error(name, error))?;
                self.share(head, &keys)
            }
        };
        Ok(self.veiled(file, shared))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.stored.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.stored.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.stored.sync_directory()
    }
}
