//! Keys of personal data: seals and opens [`Sensitive`] values.
//!
//! Every person (`SubjectId`) of an organization has a data key of their own. Keys live in `keys.redb`, never
//! in the log: whoever has the log alone reads no personal data, and without its key a value stays sealed
//! for ever while every hash over the stored bytes stays valid. Files may be encrypted besides, with a key of
//! the organization ([`at_rest`]). The keys in that file are wrapped by a
//! key-encryption key of the organization, which is kept elsewhere ([`kek`]).
//!
//! **Invariants**
//!
//! * A key is on stable storage before the first value sealed with it is returned.
//! * Sealed values do not move between organizations, persons, interactions or kinds of fields: all of them
//!   are part of the associated data ([`Binding`]).
//! * Subject ids are keyed hashes: they cannot be guessed from a phone number without the index key.
//! * A destroyed key is in no file of ours and in no memory of ours when [`KeyRing::destroy`] returns.
//! * Where there are standbys, they have a key before the first value sealed with it is returned ([`copy`]).

pub mod at_rest;
mod binding;
mod cache;
pub mod copy;
mod error;
mod keeping;
pub mod kek;
mod seal;
mod secret;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Builder;
use zeroize::Zeroizing;

pub use binding::{Binding, Purpose};
use cache::Cache;
pub use error::CryptError;
pub use keeping::{KeyStatus, Rotated};
use kek::{FileKeyring, KeyWrapper};
use seal::Owner;
use secret::Secret;
use store::{DataKey, Store};

/// Name of the folder of KEKs beside the key file, unless another one is chosen.
pub const KEK_FOLDER: &str = "kek";

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
    /// Opens `keys.redb` in `directory` (which must exist), its keys wrapped by KEKs in the folder
    /// [`KEK_FOLDER`] beside it; creates both, readable by their owner only, if they are not there.
    ///
    /// # Errors
    /// As [`KeyRing::open_with`].
    pub fn open_dir(directory: &Path) -> Result<Self, CryptError> {
        let keyring = FileKeyring::in_directory(&directory.join(KEK_FOLDER));
        Self::open_with(directory, Arc::new(keyring))
    }

    /// Opens `keys.redb` in `directory`, its keys wrapped by `wrapper`. Keys that an earlier version left
    /// plain, or that an interrupted rotation left under an older KEK, are wrapped by the current one first.
    ///
    /// # Errors
    /// [`CryptError::Locked`] if another process has it open, [`CryptError::Store`] if it cannot be opened,
    /// [`CryptError::Wrap`] if a KEK that keys need is not there.
    pub fn open_with(directory: &Path, wrapper: Arc<dyn KeyWrapper>) -> Result<Self, CryptError> {
        Ok(Self::over(Store::open(directory, wrapper)?))
    }

    /// A key ring that lives as long as its handles, for tests.
    ///
    /// # Errors
    /// [`CryptError::Store`].
    pub fn in_memory() -> Result<Self, CryptError> {
        Ok(Self::over(Store::in_memory(Arc::new(FileKeyring::in_memory()))?))
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
        binding: Binding,
        value: &T,
    ) -> Result<Sensitive<T>, CryptError> {
        let key = self.data_key(org, subject)?;
        let plaintext = rmp_serde::to_vec_named(value)
            .map(Zeroizing::new)
            .map_err(|error| CryptError::Encode(error.to_string()))?;
        let owner = Owner { org, subject, key_id: key.id };
        seal::seal(owner, &key.secret, binding, &plaintext)
    }

    /// Opens a sealed value of `org` that was sealed for this place. Values of the first scheme know no
    /// place.
    ///
    /// # Errors
    /// [`CryptError::NoKey`] if its key does not exist (any more) or belongs to another organization,
    /// [`CryptError::Damaged`] if the bytes are not what was sealed, or were sealed for another place.
    pub fn open<T: DeserializeOwned>(
        &self,
        org: OrgId,
        binding: Binding,
        value: &Sensitive<T>,
    ) -> Result<T, CryptError> {
        let key_id = value.key_id;
        let (cached, epoch) = {
            let cache = self.cache();
            (cache.by_id(org, key_id), cache.epoch())
        };
        let (subject, secret) = match cached {
            Some(key) => key,
            None => self.stored_key(org, key_id, epoch)?,
        };
        let plaintext = seal::open(Owner { org, subject, key_id }, &secret, binding, value)?;
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
        let (subjects, epoch): (Vec<SubjectId>, u64) = {
            let cache = self.cache();
            let unknown = subjects.into_iter().filter(|it| cache.of_subject(org, *it).is_none());
            (unknown.collect(), cache.epoch())
        };
        if subjects.is_empty() {
            return Ok(());
        }
        let keys = self.store.data_keys(org, &subjects)?;
        self.store.settle();
        let mut cache = self.cache();
        for (subject, key) in subjects.into_iter().zip(keys) {
            cache.insert(epoch, org, subject, key);
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
    /// being stored. It outlives the erasure of a person: for what a person said, use
    /// [`KeyRing::subject_hash`].
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn keyed_hash(&self, org: OrgId, bytes: &[u8]) -> Result<[u8; 32], CryptError> {
        self.index_key(org)?.mac(&[bytes])
    }

    /// HMAC-SHA256 of `bytes` under a key derived from the data key of `subject`: once that key is
    /// destroyed, nobody can test a guessed text against it.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn subject_hash(
        &self,
        org: OrgId,
        subject: SubjectId,
        bytes: &[u8],
    ) -> Result<[u8; 32], CryptError> {
        let key = self.data_key(org, subject)?;
        key.secret.derive(&[b"ledgerline subject hash v1\0"])?.mac(&[bytes])
    }

    fn index_key(&self, org: OrgId) -> Result<Secret, CryptError> {
        let cached = self.cache().index_key(org);
        if let Some(key) = cached {
            return Ok(key);
        }
        let key = self.store.index_key(org)?;
        self.store.settle();
        self.cache().insert_index_key(org, key.clone());
        Ok(key)
    }

    fn data_key(&self, org: OrgId, subject: SubjectId) -> Result<DataKey, CryptError> {
        let (cached, epoch) = {
            let cache = self.cache();
            (cache.of_subject(org, subject), cache.epoch())
        };
        if let Some(key) = cached {
            return Ok(key);
        }
        let mut keys = self.store.data_keys(org, &[subject])?;
        // Also when somebody else has just made it: a key that is not in the cache may not be at the standby yet.
        self.store.settle();
        let key = keys.pop().ok_or(CryptError::Malformed { what: "data key" })?;
        self.cache().insert(epoch, org, subject, key.clone());
        Ok(key)
    }

    /// The key that new files of an organization are encrypted with, made durably if there is none.
    fn storage_key(&self, org: OrgId) -> Result<DataKey, CryptError> {
        let cached = self.cache().storage_current(org);
        if let Some(key) = cached {
            return Ok(key);
        }
        let key = self.store.storage_key(org)?;
        self.store.settle();
        self.cache().insert_storage_current(org, key.clone());
        Ok(key)
    }

    /// A key that files of an organization were encrypted with.
    fn storage_key_by_id(&self, org: OrgId, key_id: KeyId) -> Result<Secret, CryptError> {
        let cached = self.cache().storage_key(org, key_id);
        if let Some(secret) = cached {
            return Ok(secret);
        }
        let key = self.store.storage_key_by_id(org, key_id)?;
        let key = key.ok_or(CryptError::NoKey { key_id })?;
        self.cache().insert_storage_key(org, &key);
        Ok(key.secret)
    }

    fn stored_key(
        &self,
        org: OrgId,
        key_id: KeyId,
        epoch: u64,
    ) -> Result<(SubjectId, Secret), CryptError> {
        let Some((subject, key)) = self.store.data_key_by_id(org, key_id)? else {
            return Err(CryptError::NoKey { key_id });
        };
        self.cache().insert_opening(epoch, org, subject, &key);
        Ok((subject, key.secret))
    }
}

#[cfg(test)]
mod tests;
