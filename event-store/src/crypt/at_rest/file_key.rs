//! The key of one file: derived from the organization's storage key, used for this file alone.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, Tag, UnboundKey};

use crate::crypt::CryptError;
use crate::crypt::secret::{SECRET_BYTES, Secret};

/// Bytes that sealing adds.
pub(crate) const TAG_BYTES: usize = MAX_TAG_LEN;
/// Bytes that tell which key a file was sealed with, without telling the key.
pub(super) const COMMITMENT_BYTES: usize = SECRET_BYTES;

/// AES-256-GCM (NIST SP 800-38D) under a key that belongs to one file. A nonce must never come twice.
pub(crate) struct FileKey {
    key: LessSafeKey,
    commitment: [u8; COMMITMENT_BYTES],
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey")
    }
}

/// The bytes are not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSealedHere;

impl FileKey {
    /// The key of the file that `identity` names: everything its head says, and its place. GCM does not commit to
    /// its key, so a second value is derived that does.
    pub(super) fn derive(
        storage: &Secret,
        purpose: &[u8],
        identity: &[&[u8]],
    ) -> Result<Self, CryptError> {
        let derive = |what: &'static [u8]| {
            let mut info: Vec<&[u8]> = vec![b"ledgerline at rest v1\0", purpose, what];
            info.extend_from_slice(identity);
            storage.derive(&info)
        };
        let unbound = UnboundKey::new(&AES_256_GCM, derive(b"\0encrypt\0")?.bytes())
            .map_err(|_| CryptError::Malformed { what: "storage key" })?;
        let commitment = *derive(b"\0commit\0")?.bytes();
        Ok(Self { key: LessSafeKey::new(unbound), commitment })
    }

    /// Goes into the head of the file.
    pub(super) const fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.commitment
    }

    /// Encrypts in place and gives the tag.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        associated: &[u8],
        bytes: &mut [u8],
    ) -> Result<Tag, CryptError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), bytes)
            .map_err(|_| CryptError::Encode("it is too long to be encrypted".to_owned()))
    }

    /// Decrypts in place; the plain bytes are the beginning of `sealed`, which ends with the tag.
    pub(super) fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotSealedHere> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.open_in_place(nonce, Aad::from(associated), sealed).map_err(|_| NotSealedHere)
    }
}
