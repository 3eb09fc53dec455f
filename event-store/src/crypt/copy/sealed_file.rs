//! A file with secrets, encrypted for the way to a standby.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypt::KeyRing;
use crate::crypt::error::CryptError;
use crate::crypt::kek::KekId;
use crate::crypt::secret::Secret;

const NONCE_BYTES: usize = 24;

/// A file of the data directory, encrypted under a key of its own that a KEK wraps: a key service wraps keys,
/// not files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealedCopy {
    /// Its name in the data directory.
    pub name: String,
    /// The organization whose KEK wraps the key.
    org: OrgId,
    kek: String,
    wrapped: Vec<u8>,
    nonce: [u8; NONCE_BYTES],
    ciphertext: Vec<u8>,
}

fn context(name: &str) -> Vec<u8> {
    [b"ledgerline copied file v1\0", name.as_bytes()].concat()
}

impl KeyRing {
    /// Encrypts a file for whoever has the KEK of `org` that is in force.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn seal_file(
        &self,
        org: OrgId,
        name: &str,
        content: &[u8],
    ) -> Result<SealedCopy, CryptError> {
        let wrapper = self.store.wrapper();
        let kek = wrapper.current(org)?;
        let secret = Secret::random()?;
        let wrapped = wrapper.wrap(org, &kek, &context(name), secret.bytes())?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| CryptError::Random)?;
        let ciphertext = XChaCha20Poly1305::new(secret.bytes().into())
            .encrypt(&XNonce::from(nonce), Payload { msg: content, aad: &context(name) })
            .map_err(|_| CryptError::Encode("the file is too long to be sealed".to_owned()))?;
        let kek = kek.as_str().to_owned();
        Ok(SealedCopy { name: name.to_owned(), org, kek, wrapped, nonce, ciphertext })
    }

    /// Opens what [`KeyRing::seal_file`] gave somebody with the same KEK.
    ///
    /// # Errors
    /// [`CryptError::Wrap`] without the KEK, [`CryptError::Malformed`] if it is not what was sealed.
    pub fn open_file(&self, sealed: &SealedCopy) -> Result<Zeroizing<Vec<u8>>, CryptError> {
        let malformed = || CryptError::Malformed { what: "copy of a file" };
        let kek = KekId::new(sealed.kek.clone()).ok_or_else(malformed)?;
        let context = context(&sealed.name);
        let wrapper = self.store.wrapper();
        let secret = wrapper.unwrap_secret(sealed.org, &kek, &context, &sealed.wrapped)?;
        let secret = Secret::from_slice(&secret).ok_or_else(malformed)?;
        XChaCha20Poly1305::new(secret.bytes().into())
            .decrypt(
                &XNonce::from(sealed.nonce),
                Payload { msg: sealed.ciphertext.as_slice(), aad: &context },
            )
            .map(Zeroizing::new)
            .map_err(|_| malformed())
    }
}
