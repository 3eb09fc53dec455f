//! Keys of personal data: seals and opens [`Sensitive`] values.
//!
//! Every person (`SubjectId`) of an organization has a data key of their own. Keys live in `keys.redb`, never
//! in the log: whoever has the log alone reads no personal data, and without its key a value stays sealed
//! for ever while every hash over the stored bytes stays valid.
//!
//! **Invariants**
//!
//! * A key is on stable storage before the first value sealed with it is returned.
//! * Sealed values do not move between organizations: the organization is part of the associated data.
//! * Subject ids are keyed hashes: they cannot be guessed from a phone number without the index key.
//!
//! A stored key begins with a byte that says how it is wrapped, so that keys wrapped by a master key can
//! stand beside the plain ones (file mode 0600) of today.

mod cache;
mod error;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use ledgerline_schemas::sensitive::SealScheme;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use uuid::Builder;

use cache::Cache;
pub use error::CryptError;
use store::{DataKey, Secret, Store};

const NONCE_BYTES: usize = 24;

/// The keys of all organizations of one data directory. Clones share it.
#[derive(Clone)]
pub struct KeyRing {
    store: Arc<Store>,
    cache: Arc<Mutex<Cache>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
    }
}

impl KeyRing {
    /// Opens `keys.redb` in `directory` (which must exist); creates it, readable by its owner only, if it
    /// is not there.
    ///
    /// # Errors
    /// [`CryptError::Locked`] if another process has it open, [`CryptError::Store`] if it cannot be opened.
    pub fn open_dir(directory: &Path) -> Result<Self, CryptError> {
        Ok(Self::over(Store::open(directory)?))
    }

    /// A key ring that lives as long as its handles, for tests.
    ///
    /// # Errors
    /// [`CryptError::Store`].
    pub fn in_memory() -> Result<Self, CryptError> {
        Ok(Self::over(Store::in_memory()?))
    }

    fn over(store: Store) -> Self {
        Self { store: Arc::new(store), cache: Arc::default() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals a value with the data key of `subject`, making the key first if there is none.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn seal<T: Serialize>(
        &self,
        org: OrgId,
        subject: SubjectId,
        value: &T,
    ) -> Result<Sensitive<T>, CryptError> {
        let key = self.data_key(org, subject)?;
        let plaintext = rmp_serde::to_vec_named(value)
            .map_err(|error| CryptError::Encode(error.to_string()))?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| CryptError::Random)?;
        let associated = associated_data(org, key.id);
        let payload = Payload { msg: &plaintext, aad: &associated };
        let ciphertext = XChaCha20Poly1305::new(&key.secret.0.into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| CryptError::Encode("the value is too long to be sealed".to_owned()))?;
        Ok(Sensitive::from_parts(
            key.id,
            SealScheme::XChaCha20Poly1305V1,
            nonce.to_vec(),
            ciphertext,
        ))
    }

    /// Opens a sealed value of `org`.
    ///
    /// # Errors
    /// [`CryptError::NoKey`] if its key does not exist (any more) or belongs to another organization,
    /// [`CryptError::Damaged`] if the bytes are not what was sealed.
    pub fn open<T: DeserializeOwned>(
        &self,
        org: OrgId,
        value: &Sensitive<T>,
    ) -> Result<T, CryptError> {
        let SealScheme::XChaCha20Poly1305V1 = value.scheme;
        let key_id = value.key_id;
        let cached = self.cache().by_id(org, key_id);
        let secret = match cached {
            Some(secret) => secret,
            None => self.stored_key(org, key_id)?,
        };
        let damaged = || CryptError::Damaged { key_id };
        let nonce =
            <[u8; NONCE_BYTES]>::try_from(value.nonce.0.as_slice()).map_err(|_| damaged())?;
        let associated = associated_data(org, key_id);
        let payload = Payload { msg: &value.ciphertext.0, aad: &associated };
        let plaintext = XChaCha20Poly1305::new(&secret.0.into())
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| damaged())?;
        rmp_serde::from_slice(&plaintext).map_err(|error| CryptError::Decode(error.to_string()))
    }

    /// Makes the data keys of many subjects in one durable step, for importers: one sync instead of one
    /// per subject.
    ///
    /// # Errors
    /// [`CryptError`]; no key was made then.
    pub fn prepare(
        &self,
        org: OrgId,
        subjects: impl IntoIterator<Item = SubjectId>,
    ) -> Result<(), CryptError> {
        let subjects: Vec<SubjectId> = {
            let cache = self.cache();
            subjects.into_iter().filter(|it| cache.of_subject(org, *it).is_none()).collect()
        };
        if subjects.is_empty() {
            return Ok(());
        }
        let keys = self.store.data_keys(org, &subjects)?;
        let mut cache = self.cache();
        for (subject, key) in subjects.into_iter().zip(keys) {
            cache.insert(org, subject, key);
        }
        Ok(())
    }

    /// The id of the person known by `value` (a phone number, an address) of a `kind` (`phone`, `email`):
    /// always the same for the same organization, not guessable without its index key.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn subject_id(&self, org: OrgId, kind: &str, value: &str) -> Result<SubjectId, CryptError> {
        let mut named = Vec::with_capacity(kind.len() + value.len() + 9);
        named.extend_from_slice(b"subject\0");
        named.extend_from_slice(kind.as_bytes());
        named.push(0);
        named.extend_from_slice(value.as_bytes());
        let hash = self.keyed_hash(org, &named)?;
        let (head, _) = hash.split_at(16);
        let bytes = <[u8; 16]>::try_from(head).unwrap_or_default();
        Ok(SubjectId::new(Builder::from_custom_bytes(bytes).into_uuid()))
    }

    /// HMAC-SHA256 of `bytes` under the organization's index key: equal values can be found again without
    /// being stored.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn keyed_hash(&self, org: OrgId, bytes: &[u8]) -> Result<[u8; 32], CryptError> {
        let key = self.index_key(org)?;
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&key.0)
            .map_err(|_| CryptError::Malformed { what: "index key" })?;
        mac.update(bytes);
        Ok(mac.finalize().into_bytes().into())
    }

    fn index_key(&self, org: OrgId) -> Result<Secret, CryptError> {
        let cached = self.cache().index_key(org);
        if let Some(key) = cached {
            return Ok(key);
        }
        let key = self.store.index_key(org)?;
        self.cache().insert_index_key(org, key);
        Ok(key)
    }

    fn data_key(&self, org: OrgId, subject: SubjectId) -> Result<DataKey, CryptError> {
        let cached = self.cache().of_subject(org, subject);
        if let Some(key) = cached {
            return Ok(key);
        }
        let keys = self.store.data_keys(org, &[subject])?;
        let key = *keys.first().ok_or(CryptError::Malformed { what: "data key" })?;
        self.cache().insert(org, subject, key);
        Ok(key)
    }

    fn stored_key(&self, org: OrgId, key_id: KeyId) -> Result<Secret, CryptError> {
        let Some((subject, key)) = self.store.data_key_by_id(org, key_id)? else {
            return Err(CryptError::NoKey { key_id });
        };
        self.cache().insert(org, subject, key);
        Ok(key.secret)
    }
}

fn associated_data(org: OrgId, key_id: KeyId) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (head, tail) = bytes.split_at_mut(16);
    head.copy_from_slice(org.uuid().as_bytes());
    tail.copy_from_slice(key_id.uuid().as_bytes());
    bytes
}

#[cfg(test)]
mod tests;
