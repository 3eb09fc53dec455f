//! The form of an encrypted file: a head, then chunks that open one by one.
//!
//! ```text
//! head     0 magic "LLSEAL\x01\n"     8 cipher u32 LE = 1 (AES-256-GCM)   12 chunk bytes u32 LE = 65,536
//!         16 key id 16               32 salt 32, random                  64 zeros 32
//!         96 commitment to the key 32
//! chunk   encrypted bytes, 65,536 of them but for the last | tag 16
//! ```
//!
//! The file's key is derived from the storage key, the first 96 bytes of the head and the file's place, so a
//! head that was changed and a file that was moved fit no key. The nonce of a chunk is its number and whether
//! it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015): chunks that were
//! cut off, left out or put in another order do not open. The length of the content follows from the length of
//! the file. No file is ever sealed under the key of another,
//! for the salt is fresh each time.

use std::ops::Range;
use std::sync::Arc;

use ledgerline_schemas::id::KeyId;
use uuid::Uuid;

use super::StorageKeys;
use super::error::FileCipherError;
use super::file_key::{COMMITMENT_BYTES, FileKey, TAG_BYTES};

/// Length of the head, bytes.
pub const SEALED_HEAD_BYTES: usize = 128;
const MAGIC: &[u8; 8] = b"LLSEAL\x01\n";
const CIPHER: u32 = 1;
/// Plain bytes of a chunk. Smaller ones cost more for whole reads, larger ones for a page of a table.
const CHUNK_BYTES: u32 = 64 << 10;
const SALT_BYTES: usize = 32;
const DERIVED_FROM: usize = SEALED_HEAD_BYTES - COMMITMENT_BYTES;

const CHUNK: u64 = CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = CHUNK + TAG_BYTES as u64;

/// An encrypted file whose key is at hand. Clones share it.
#[derive(Clone, Debug)]
pub struct SealedFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    key: FileKey,
    key_id: KeyId,
    plain_bytes: u64,
}

impl PartialEq for SealedFile {
    fn eq(&self, other: &Self) -> bool {
        self.inner.key.commitment() == other.inner.key.commitment()
    }
}

impl Eq for SealedFile {}

/// Chunks of so many plain bytes. An empty file has one, empty chunk.
const fn chunks(plain_bytes: u64) -> u64 {
    let whole = plain_bytes.div_ceil(CHUNK);
    if whole == 0 { 1 } else { whole }
}

/// Bytes of the content of a file of this length; `None`: no encrypted file has this length.
fn plain_bytes_of(stored_bytes: u64) -> Option<u64> {
    let body = stored_bytes.checked_sub(SEALED_HEAD_BYTES as u64)?;
    let chunks = body.div_ceil(SEALED_CHUNK);
    let last = body.checked_sub(chunks.checked_sub(1)? * SEALED_CHUNK)?;
    let content = last.checked_sub(TAG_BYTES as u64)?;
    (content > 0 || chunks == 1).then(|| body - chunks * TAG_BYTES as u64)
}

fn nonce(chunk: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (number, rest) = nonce.split_at_mut(8);
    number.copy_from_slice(&chunk.to_le_bytes());
    if let Some(flag) = rest.first_mut() {
        *flag = u8::from(last);
    }
    nonce
}

/// Whether a file that begins like this is encrypted.
pub(super) fn is_sealed(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// The key that a head names.
pub(super) fn key_id_of(head: &[u8]) -> Option<KeyId> {
    let id = head.get(16..32)?;
    Uuid::from_slice(id).ok().map(KeyId::new)
}

/// The head of a new file, and its key.
pub(super) fn new_head(
    keys: &StorageKeys,
    place: &str,
) -> Result<(Vec<u8>, KeyId, FileKey), FileCipherError> {
    let key = keys.current()?;
    let mut salt = [0; SALT_BYTES];
    keys.fill_random(&mut salt)?;
    let mut head = Vec::with_capacity(SEALED_HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&CIPHER.to_le_bytes());
    head.extend_from_slice(&CHUNK_BYTES.to_le_bytes());
    head.extend_from_slice(key.id.uuid().as_bytes());
    head.extend_from_slice(&salt);
    head.resize(DERIVED_FROM, 0);
    let file_key = FileKey::derive(&key.secret, b"file", &[&head, place.as_bytes()])?;
    head.extend_from_slice(file_key.commitment());
    Ok((head, key.id, file_key))
}

/// Encrypts a chunk and appends it.
pub(super) fn seal_chunk(
    key: &FileKey,
    chunk: u64,
    last: bool,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FileCipherError> {
    let begin = out.len();
    out.extend_from_slice(plain);
    let here = out.get_mut(begin..).unwrap_or_default();
    let tag = key.seal(nonce(chunk, last), &[], here)?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Encrypts a file.
pub(super) fn seal(
    keys: &StorageKeys,
    place: &str,
    plain: &[u8],
) -> Result<(Vec<u8>, SealedFile), FileCipherError> {
    let (mut bytes, key_id, key) = new_head(keys, place)?;
    let plain_bytes = plain.len() as u64;
    bytes.reserve(plain.len() + TAG_BYTES * (plain.len() / CHUNK_BYTES as usize + 1));
    let last = chunks(plain_bytes) - 1;
    for chunk in 0..=last {
        let from = usize::try_from(chunk * CHUNK).unwrap_or(usize::MAX);
        let rest = plain.get(from..).unwrap_or_default();
        let part = rest.get(..CHUNK_BYTES as usize).unwrap_or(rest);
        seal_chunk(&key, chunk, chunk == last, part, &mut bytes)?;
    }
    Ok((bytes, SealedFile { inner: Arc::new(Inner { key, key_id, plain_bytes }) }))
}

/// Reads the head of an encrypted file of this length.
pub(super) fn open(
    keys: &StorageKeys,
    place: &str,
    head: &[u8],
    stored_bytes: u64,
) -> Result<SealedFile, FileCipherError> {
    use FileCipherError::Malformed;
    const SHORT: FileCipherError = Malformed("its head is cut off");
    let derived_from = head.get(..DERIVED_FROM).ok_or(SHORT)?;
    let commitment = head.get(DERIVED_FROM..SEALED_HEAD_BYTES).ok_or(SHORT)?;
    let number = |at: usize| {
        let bytes = head.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    if number(8) != Some(CIPHER) || number(12) != Some(CHUNK_BYTES) {
        return Err(Malformed("this version does not know its cipher"));
    }
    let key_id = key_id_of(head).ok_or(SHORT)?;
    let secret = keys.by_id(key_id)?;
    let key = FileKey::derive(&secret, b"file", &[derived_from, place.as_bytes()])?;
    // Public on both sides, so comparing needs no care about time.
    if key.commitment().as_slice() != commitment {
        return Err(FileCipherError::WrongKey { key_id });
    }
    let plain_bytes = plain_bytes_of(stored_bytes).ok_or(Malformed("it is cut off"))?;
    Ok(SealedFile { inner: Arc::new(Inner { key, key_id, plain_bytes }) })
}

impl SealedFile {
    /// The storage key it is encrypted with.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.inner.key_id
    }

    /// Bytes of its content.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.inner.plain_bytes
    }

    /// Bytes it has on disk.
    #[must_use]
    pub fn sealed_bytes(&self) -> u64 {
        let plain = self.inner.plain_bytes;
        SEALED_HEAD_BYTES as u64 + plain + chunks(plain) * TAG_BYTES as u64
    }

    fn last_chunk(&self) -> u64 {
        chunks(self.inner.plain_bytes) - 1
    }

    /// Which bytes of the file have to be read to open these bytes of the content; what is beyond its end
    /// is left out.
    #[must_use]
    pub fn stored_range(&self, plain: &Range<u64>) -> Range<u64> {
        let end = plain.end.min(self.inner.plain_bytes).max(plain.start);
        let first = (plain.start / CHUNK).min(self.last_chunk());
        let behind = end.div_ceil(CHUNK).clamp(first + 1, self.last_chunk() + 1);
        let at = |chunk: u64| SEALED_HEAD_BYTES as u64 + chunk * SEALED_CHUNK;
        at(first)..at(behind).min(self.sealed_bytes())
    }

    /// Opens bytes of the content; `stored` is what is in the file at [`SealedFile::stored_range`].
    ///
    /// # Errors
    /// [`FileCipherError::Damaged`] if a chunk is not what was sealed, [`FileCipherError::Malformed`] if
    /// bytes are missing.
    pub fn open_range(
        &self,
        plain: &Range<u64>,
        mut stored: Vec<u8>,
    ) -> Result<Vec<u8>, FileCipherError> {
        let range = self.stored_range(plain);
        if stored.len() as u64 != range.end - range.start {
            return Err(FileCipherError::Malformed("it is cut off"));
        }
        let first = (range.start - SEALED_HEAD_BYTES as u64) / SEALED_CHUNK;
        let (mut from, mut to) = (0, 0);
        for chunk in first.. {
            let rest = stored.len() - from;
            if rest == 0 {
                break;
            }
            let length = rest.min(SEALED_CHUNK as usize);
            let sealed = stored.get_mut(from..from + length).unwrap_or_default();
            let opened = self
                .inner
                .key
                .open(nonce(chunk, chunk == self.last_chunk()), &[], sealed)
                .map_err(|_| FileCipherError::Damaged { key_id: self.key_id(), chunk })?
                .len();
            // Plain bytes move together over the tags between them.
            stored.copy_within(from..from + opened, to);
            from += length;
            to += opened;
        }
        stored.truncate(to);
        let skip = usize::try_from(plain.start.saturating_sub(first * CHUNK)).unwrap_or(usize::MAX);
        let end = plain.end.min(self.inner.plain_bytes);
        let bytes = usize::try_from(end.saturating_sub(plain.start)).unwrap_or(usize::MAX);
        stored.drain(..skip.min(to));
        stored.truncate(bytes);
        Ok(stored)
    }

    /// Opens a whole file, head included.
    ///
    /// # Errors
    /// As [`SealedFile::open_range`].
    pub fn open_whole(&self, mut file: Vec<u8>) -> Result<Vec<u8>, FileCipherError> {
        if file.len() as u64 != self.sealed_bytes() {
            return Err(FileCipherError::Malformed("its length is not what it was opened with"));
        }
        file.drain(..SEALED_HEAD_BYTES);
        self.open_range(&(0..self.inner.plain_bytes), file)
    }
}
