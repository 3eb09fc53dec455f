//! Encryption at rest: files of an organization, under keys of the organization.
//!
//! ```text
//! file ── encrypted with ──▶ key of the file ── derived from ──▶ storage key ── wrapped by ──▶ KEK
//!                            (nowhere stored)                    keys.redb
//! ```
//!
//! One storage key of an organization is in force: new files are sealed with it. Each file names its key, so
//! older ones open what was written under them. This is another lock than the keys of persons: those make one
//! person unreadable for everybody, this one makes the whole directory unreadable for whoever has it without
//! the keys.

mod error;
mod file;
mod file_key;
pub(crate) mod log_head;
#[cfg(test)]
mod tests;

use std::fmt;
#[cfg(any(test, feature = "simulation"))]
use std::sync::Arc;
#[cfg(any(test, feature = "simulation"))]
use std::sync::atomic::{AtomicU64, Ordering};

use ledgerline_schemas::id::{KeyId, OrgId};

pub use error::FileCipherError;
pub use file::{SEALED_HEAD_BYTES, SealedFile};

use super::KeyRing;
use super::error::CryptError;
use super::secret::Secret;
use super::store::DataKey;

/// Bytes for a new file.
#[derive(Debug)]
pub struct Stored {
    /// What to write.
    pub bytes: Vec<u8>,
    /// How to read it back; `None`: it is in clear.
    pub sealed: Option<SealedFile>,
}

/// Encrypts new files and opens those that are encrypted: all that who keeps files needs to know of keys.
///
/// `place` names a file within its organization. It is part of the encryption: a file that was moved to
/// another place does not open.
pub trait FileCipher: Send + Sync + fmt::Debug {
    /// What to write for a content: encrypted, or as it is where encryption is off.
    ///
    /// # Errors
    /// [`FileCipherError::Keys`].
    fn seal(&self, place: &str, plain: Vec<u8>) -> Result<Stored, FileCipherError>;

    /// How to read a file of `stored_bytes` bytes that begins with `head` ([`SEALED_HEAD_BYTES`], fewer if the
    /// file is shorter); `None`: it is in clear.
    ///
    /// # Errors
    /// [`FileCipherError`], naming the key.
    fn open(
        &self,
        place: &str,
        head: &[u8],
        stored_bytes: u64,
    ) -> Result<Option<SealedFile>, FileCipherError>;

    /// The content of a file that was read whole.
    ///
    /// # Errors
    /// [`FileCipherError`], naming the key.
    fn open_whole(&self, place: &str, file: Vec<u8>) -> Result<Vec<u8>, FileCipherError> {
        let head = file.get(..SEALED_HEAD_BYTES).unwrap_or(&file);
        match self.open(place, head, file.len() as u64)? {
            Some(sealed) => sealed.open_whole(file),
            None => Ok(file),
        }
    }
}

/// No keys: files are written in clear, and encrypted ones are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClearFiles;

impl FileCipher for ClearFiles {
    fn seal(&self, _: &str, plain: Vec<u8>) -> Result<Stored, FileCipherError> {
        Ok(Stored { bytes: plain, sealed: None })
    }

    fn open(&self, _: &str, head: &[u8], _: u64) -> Result<Option<SealedFile>, FileCipherError> {
        if !file::is_sealed(head) {
            return Ok(None);
        }
        let key_id = file::key_id_of(head);
        let key_id = key_id.ok_or(FileCipherError::Malformed("its head is cut off"))?;
        Err(FileCipherError::NoKeys { key_id })
    }
}

/// The storage keys of one organization. Clones share them.
#[derive(Clone)]
pub struct StorageKeys {
    org: OrgId,
    source: Source,
    seals: bool,
}

#[derive(Clone)]
enum Source {
    Ring(KeyRing),
    /// One key and no key file, for simulations, and what the next random bytes are made of.
    #[cfg(any(test, feature = "simulation"))]
    Fixed(DataKey, Arc<AtomicU64>),
}

impl fmt::Debug for StorageKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageKeys")
            .field("org", &self.org)
            .field("seals", &self.seals)
            .finish_non_exhaustive()
    }
}

impl StorageKeys {
    /// The storage keys that a key ring holds for an organization. `seals`: new files are encrypted;
    /// otherwise only what is encrypted already is opened.
    #[must_use]
    pub const fn new(ring: KeyRing, org: OrgId, seals: bool) -> Self {
        Self { org, source: Source::Ring(ring), seals }
    }

    /// One key that is always the same.
    #[cfg(test)]
    pub(crate) fn fixed(org: OrgId, seals: bool) -> Option<Self> {
        Self::simulated(org, 7).map(|keys| keys.sealing(seals))
    }

    /// One key that is always the same, with random bytes that a seed decides.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn simulated(org: OrgId, seed: u64) -> Option<Self> {
        let secret = Secret::from_slice(&[7; 32])?;
        let key = DataKey { id: KeyId::from_u128(7), secret };
        let source = Source::Fixed(key, Arc::new(AtomicU64::new(seed)));
        Some(Self { org, source, seals: true })
    }

    /// The same keys, for a place where new files are, or are not, encrypted.
    #[must_use]
    pub fn sealing(self, seals: bool) -> Self {
        Self { seals, ..self }
    }

    /// Whether new files are encrypted.
    #[must_use]
    pub const fn seals(&self) -> bool {
        self.seals
    }

    /// The key for new files, made if there is none.
    fn current(&self) -> Result<DataKey, CryptError> {
        match &self.source {
            Source::Ring(ring) => ring.storage_key(self.org),
            #[cfg(any(test, feature = "simulation"))]
            Source::Fixed(key, _) => Ok(key.clone()),
        }
    }

    /// Random bytes of the operating system; always the same ones in a simulation, which must be repeatable.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), CryptError> {
        match &self.source {
            Source::Ring(_) => getrandom::fill(bytes).map_err(|_| CryptError::Random),
            #[cfg(any(test, feature = "simulation"))]
            Source::Fixed(_, next) => {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let mut random = crate::simulation::random::Random::new(seed);
                for part in bytes.chunks_mut(8) {
                    let word = random.next().to_le_bytes();
                    part.copy_from_slice(word.get(..part.len()).unwrap_or_default());
                }
                Ok(())
            }
        }
    }

    fn by_id(&self, key_id: KeyId) -> Result<Secret, CryptError> {
        match &self.source {
            Source::Ring(ring) => ring.storage_key_by_id(self.org, key_id),
            #[cfg(any(test, feature = "simulation"))]
            Source::Fixed(key, _) if key.id == key_id => Ok(key.secret.clone()),
            #[cfg(any(test, feature = "simulation"))]
            Source::Fixed(..) => Err(CryptError::NoKey { key_id }),
        }
    }
}

impl FileCipher for StorageKeys {
    fn seal(&self, place: &str, plain: Vec<u8>) -> Result<Stored, FileCipherError> {
        if !self.seals {
            return ClearFiles.seal(place, plain);
        }
        let (bytes, sealed) = file::seal(self, place, &plain)?;
        Ok(Stored { bytes, sealed: Some(sealed) })
    }

    fn open(
        &self,
        place: &str,
        head: &[u8],
        stored_bytes: u64,
    ) -> Result<Option<SealedFile>, FileCipherError> {
        file::is_sealed(head).then(|| file::open(self, place, head, stored_bytes)).transpose()
    }
}
