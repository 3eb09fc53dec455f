//! The head of an encrypted file of the log, and the keys that follow from it.
//!
//! ```text
//!  0 magic "LLVEIL\r\n"     8 format u32 LE = 1 (AES-256-XTS, data units of 512 bytes)   12 head bytes u32 LE = 512
//! 16 key id 16             32 salt 32            64 commitment to the key 32
//! 96 zeros                508 CRC32C of bytes 0..508 u32 LE
//! ```
//!
//! Two keys follow from the storage key and the first 64 bytes of the head: one for the content, one for the
//! tweaks (IEEE 1619 wants them independent). A third derived value is the commitment: it tells a key that only
//! has the right name from the right one. The name of the file is no part of it, for files of the log are
//! written under another name than the one they get.

use ledgerline_schemas::id::KeyId;
use uuid::Uuid;

use super::StorageKeys;
use super::error::FileCipherError;
use crate::crypt::CryptError;
use crate::crypt::secret::{SECRET_BYTES, Secret};
use crate::segment::Bytes;

/// Length of the head, bytes: one sector, so that no content shares a sector with it.
pub(crate) const HEAD_BYTES: usize = 512;
/// No other file of the log begins like this: segments, indexes and stubs have a magic of their own, and a packed
/// segment begins with that of zstd.
pub(crate) const MAGIC: [u8; 8] = *b"LLVEIL\r\n";
const FORMAT: u32 = 1;
const SALT_BYTES: usize = 32;
const DERIVED_FROM: usize = 64;
const CRC_AT: usize = HEAD_BYTES - 4;

/// The head of a file.
pub(crate) type Head = [u8; HEAD_BYTES];

/// The keys of one encrypted file of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogKeys {
    content: Secret,
    tweak: Secret,
    commitment: [u8; SECRET_BYTES],
}

impl LogKeys {
    fn derive(storage: &Secret, identity: &[u8]) -> Result<Self, CryptError> {
        let derive = |what: &'static [u8]| {
            storage.derive(&[b"ledgerline at rest v1\0", b"log", what, identity])
        };
        Ok(Self {
            content: derive(b"\0content\0")?,
            tweak: derive(b"\0tweak\0")?,
            commitment: *derive(b"\0commit\0")?.bytes(),
        })
    }

    /// The key that encrypts blocks.
    pub(crate) fn content(&self) -> &[u8; SECRET_BYTES] {
        self.content.bytes()
    }

    /// The key that encrypts the numbers of sectors.
    pub(crate) fn tweak(&self) -> &[u8; SECRET_BYTES] {
        self.tweak.bytes()
    }
}

/// The head of a new file under the key in force, with a random salt.
pub(crate) fn new(keys: &StorageKeys) -> Result<(Head, LogKeys), FileCipherError> {
    let mut salt = [0; SALT_BYTES];
    keys.fill_random(&mut salt)?;
    let key = keys.current()?;
    with_salt(key.id, &key.secret, salt)
}

/// The head of a file that is written once, with this content: the same one each time. Equal contents become equal
/// files, so that a copy which was interrupted is made again under the same name; different ones never share a salt.
pub(crate) fn of_content(
    keys: &StorageKeys,
    sha256: &[u8; 32],
) -> Result<(Head, LogKeys), FileCipherError> {
    let key = keys.current()?;
    let salt = key.secret.mac(&[b"ledgerline at rest v1\0log\0salt\0", sha256])?;
    with_salt(key.id, &key.secret, salt)
}

fn with_salt(
    key_id: KeyId,
    storage: &Secret,
    salt: [u8; SALT_BYTES],
) -> Result<(Head, LogKeys), FileCipherError> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&(HEAD_BYTES as u32).to_le_bytes());
    bytes.extend_from_slice(key_id.uuid().as_bytes());
    bytes.extend_from_slice(&salt);
    let keys = LogKeys::derive(storage, &bytes)?;
    bytes.extend_from_slice(&keys.commitment);
    bytes.resize(CRC_AT, 0);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    let head = bytes.try_into().map_err(|_| FileCipherError::Malformed("its head is too long"))?;
    Ok((head, keys))
}

/// The key that a head names; `None` if the file is in clear, which its first bytes decide.
pub(crate) fn key_id(start: &[u8]) -> Result<Option<KeyId>, &'static str> {
    if !start.starts_with(&MAGIC) {
        return Ok(None);
    }
    const SHORT: &str = "the head of the encrypted file is cut off";
    let covered = start.get(..CRC_AT).ok_or(SHORT)?;
    let crc = Bytes(start.get(CRC_AT..).unwrap_or_default()).u32().ok_or(SHORT)?;
    if crc32c::crc32c(covered) != crc {
        return Err("the checksum of the encrypted file's head does not match");
    }
    let mut rest = Bytes(covered.get(MAGIC.len()..).unwrap_or_default());
    if rest.u32() != Some(FORMAT) || rest.u32() != Some(HEAD_BYTES as u32) {
        return Err("the encrypted file has a format this version does not know");
    }
    let id = rest.array().ok_or(SHORT)?;
    Ok(Some(KeyId::new(Uuid::from_bytes(id))))
}

/// The keys of a file with this head.
pub(crate) fn keys_of(
    keys: Option<&StorageKeys>,
    key_id: KeyId,
    head: &Head,
) -> Result<LogKeys, FileCipherError> {
    let keys = keys.ok_or(FileCipherError::NoKeys { key_id })?;
    let (derived_from, rest) = head.split_at(DERIVED_FROM);
    let derived = LogKeys::derive(&keys.by_id(key_id)?, derived_from)?;
    // Public on both sides, so comparing needs no care about time.
    if rest.starts_with(&derived.commitment) {
        Ok(derived)
    } else {
        Err(FileCipherError::WrongKey { key_id })
    }
}
