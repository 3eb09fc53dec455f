//! Copies of the log in a store: an object is what the file would be, encrypted.
//!
//! A store is asked for ranges of an object and knows nothing of the disk. Objects are written once and whole, so
//! their salt may follow from their content: a copy that is made twice is the same.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::NotOpened;
use super::file::{BEGIN, BEHIND, around};
use super::xts::{BLOCK_BYTES, Xts};
use crate::crypt::at_rest::StorageKeys;
use crate::crypt::at_rest::log_head::{self, HEAD_BYTES, Head};
use crate::vault::layout::sha256;
use crate::vault::{ArchiveReader, Damage};

/// Objects whose keys are kept in memory.
const OBJECTS_MAX: usize = 1_024;

/// An object with this content, encrypted with the key in force.
pub(crate) fn seal_object(keys: &StorageKeys, name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let (head, keys) = log_head::of_content(keys, &sha256(content))
        .map_err(|error| NotOpened::error(name, error))?;
    let mut object = Vec::with_capacity(HEAD_BYTES + content.len() + 2 * BLOCK_BYTES);
    object.extend_from_slice(&head);
    object.extend_from_slice(content);
    object.resize(HEAD_BYTES + content.len().next_multiple_of(BLOCK_BYTES), 0);
    Xts::new(&keys).encrypt(0, object.get_mut(HEAD_BYTES..).unwrap_or_default());
    object.resize(HEAD_BYTES + content.len() + BLOCK_BYTES, 0);
    Ok(object)
}

/// The cipher of an object that begins like this; `None`: it is in clear.
fn cipher(keys: Option<&StorageKeys>, name: &str, start: &[u8]) -> io::Result<Option<Xts>> {
    let key_id = log_head::key_id(start).map_err(|reason| Damage::error(name, reason))?;
    let (Some(key_id), Some(head)) = (key_id, start.first_chunk::<HEAD_BYTES>()) else {
        return Ok(None);
    };
    let head: &Head = head;
    let keys = log_head::keys_of(keys, key_id, head);
    keys.map(|keys| Some(Xts::new(&keys))).map_err(|error| NotOpened::error(name, error))
}

/// The content of a whole object, and whether it was encrypted.
pub(crate) fn unveil_object(
    keys: Option<&StorageKeys>,
    name: &str,
    mut object: Vec<u8>,
) -> io::Result<(Vec<u8>, bool)> {
    let Some(xts) = cipher(keys, name, &object)? else { return Ok((object, false)) };
    let length = object.len().saturating_sub(HEAD_BYTES + BLOCK_BYTES);
    object.drain(..HEAD_BYTES);
    object.truncate(length.next_multiple_of(BLOCK_BYTES));
    xts.decrypt(0, &mut object);
    object.truncate(length);
    Ok((object, true))
}

/// Reads ranges of the contents of objects.
#[derive(Debug)]
pub(crate) struct Unveiled {
    stored: Arc<dyn ArchiveReader>,
    keys: Option<StorageKeys>,
    /// Ciphers by object; `None`: it is in clear. Objects never change.
    ciphers: Mutex<BTreeMap<String, Option<Arc<Xts>>>>,
}

impl Unveiled {
    pub(crate) fn new(stored: Arc<dyn ArchiveReader>, keys: Option<StorageKeys>) -> Self {
        Self { stored, keys, ciphers: Mutex::default() }
    }

    fn cipher(&self, object: &str) -> io::Result<Option<Arc<Xts>>> {
        let lock = || self.ciphers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(object).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        // No more than the magic first: an object in clear may be shorter than a head.
        let start = self.stored.read(object, 0..log_head::MAGIC.len() as u64)?;
        let found = if start == log_head::MAGIC {
            let start = self.stored.read(object, 0..BEGIN)?;
            cipher(self.keys.as_ref(), object, &start)?.map(Arc::new)
        } else {
            None
        };
        let mut ciphers = lock();
        if ciphers.len() >= OBJECTS_MAX {
            ciphers.clear();
        }
        ciphers.insert(object.to_owned(), found.clone());
        Ok(found)
    }
}

impl ArchiveReader for Unveiled {
    fn read(&self, object: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let Some(xts) = self.cipher(object)? else { return self.stored.read(object, range) };
        if range.is_empty() {
            return Ok(Vec::new());
        }
        // What lies within the content has whole blocks around it in the object, thanks to the zeros behind.
        let blocks = around(&range);
        debug_assert!(blocks.end < range.end + BEHIND, "less than a block more");
        let mut content = self.stored.read(object, BEGIN + blocks.start..BEGIN + blocks.end)?;
        content.truncate(content.len() / BLOCK_BYTES * BLOCK_BYTES);
        xts.decrypt(blocks.start / BLOCK_BYTES as u64, &mut content);
        let skipped = usize::try_from(range.start - blocks.start).unwrap_or(usize::MAX);
        content.drain(..skipped.min(content.len()));
        content.truncate(usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        Ok(content)
    }
}
