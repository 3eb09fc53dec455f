//! Secret bytes in memory: wiped when they are let go.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::CryptError;

/// Bytes of a secret.
pub(super) const SECRET_BYTES: usize = 32;

/// 256 secret bits.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn random() -> Result<Self, CryptError> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| CryptError::Random)?;
        Ok(Self(bytes))
    }

    /// The secret in these bytes; `None` unless there are exactly 32.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut own = Zeroizing::new([0; SECRET_BYTES]);
        if bytes.len() != SECRET_BYTES {
            return None;
        }
        own.copy_from_slice(bytes);
        Some(Self(own))
    }

    pub(super) fn bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// HMAC-SHA-256 of the parts, one after the other, under this secret.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Result<[u8; SECRET_BYTES], CryptError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes())
            .map_err(|_| CryptError::Malformed { what: "secret" })?;
        for part in parts {
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }

    /// HKDF-Expand (RFC 5869) of one block. The extract step is left out as section 3.3 allows: the secret
    /// is uniformly random already.
    pub(super) fn derive(&self, info: &[&[u8]]) -> Result<Self, CryptError> {
        let mut parts = info.to_vec();
        parts.push(&[1]);
        self.mac(&parts).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}
