//! Destroying and rotating keys, and saying what there is.

use std::collections::BTreeMap;

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};

use super::KeyRing;
use super::error::CryptError;
use super::kek::KekId;
use super::store::{Destroy, Rewritten};

/// What became of a rotation of an organization's KEK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The KEK in force now.
    pub kek: KekId,
    /// Keys of all organizations that were wrapped anew.
    pub rewrapped: u64,
    /// Older KEKs of the organization; they are no more.
    pub destroyed: Vec<KekId>,
}

/// Keys of an organization, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Where the KEKs are.
    pub place: String,
    /// The KEK in force.
    pub current: KekId,
    /// Every KEK that is there, with the number of data keys it wraps.
    pub keks: BTreeMap<KekId, u64>,
    /// Data keys that no KEK wraps; 0 once the file was opened by this version.
    pub plain: u64,
    /// Data keys, older ones of a person included.
    pub data_keys: u64,
    /// Persons with at least one key.
    pub subjects: u64,
    /// Keys of encrypted files, the one for new files last; none while nothing was encrypted at rest.
    pub storage_keys: Vec<KeyId>,
}

impl KeyRing {
    /// Ids of every data key of these persons, those included that seal no more. Looks at each key of the
    /// file once.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn keys_of(
        &self,
        org: OrgId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, KeyId)>, CryptError> {
        self.store.keys_of(org, &subjects.iter().copied().collect())
    }

    /// Destroys every data key of these persons. What they sealed does not open ever again; what is sealed
    /// for them from now on has a fresh key. When this returns, the keys are neither in the key file, free
    /// pages included, nor in the memory of this ring. It writes the whole key file anew, so destroying many
    /// at once costs what destroying one does.
    ///
    /// Gives the ids of the destroyed keys; persons without keys are in order.
    ///
    /// # Errors
    /// [`CryptError`]. The keys are then either all there or all gone; repeating finishes it.
    pub fn destroy(
        &self,
        org: OrgId,
        subjects: &[SubjectId],
    ) -> Result<Vec<(SubjectId, KeyId)>, CryptError> {
        let persons = subjects.iter().map(|subject| (org, *subject)).collect();
        let destroy = Destroy { persons, ..Destroy::default() };
        self.rewritten(&destroy).map(|done| done.destroyed)
    }

    /// Gives a person a new data key for what is sealed from now on. Older keys stay and open what they
    /// sealed.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn rotate_subject(&self, org: OrgId, subject: SubjectId) -> Result<KeyId, CryptError> {
        let key = self.store.next_data_key(org, subject)?;
        self.store.settle();
        let mut cache = self.cache();
        // Whoever read the older key before this must not put it back as the one that seals.
        cache.forget_data_keys();
        let epoch = cache.epoch();
        let id = key.id;
        cache.insert(epoch, org, subject, key);
        Ok(id)
    }

    /// Gives an organization a new storage key: files that are written from now on are encrypted with it.
    /// Older keys stay and open what they encrypted.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn rotate_storage(&self, org: OrgId) -> Result<KeyId, CryptError> {
        let key = self.store.next_storage_key(org)?;
        self.store.settle();
        let id = key.id;
        self.cache().insert_storage_current(org, key);
        Ok(id)
    }

    /// Makes a new KEK for an organization, wraps its keys with it, and destroys the older KEKs once no key
    /// in the file refers to them. Copies of the key file made before are useless from then on.
    ///
    /// # Errors
    /// [`CryptError`]; repeating finishes it, and opening the ring wraps what was left.
    pub fn rotate_kek(&self, org: OrgId) -> Result<Rotated, CryptError> {
        let wrapper = self.store.wrapper();
        let kek = wrapper.rotate(org)?;
        let done = self.rewritten(&Destroy::default())?;
        let referenced = self.store.referenced()?;
        let mut destroyed = Vec::new();
        for old in wrapper.keks(org)? {
            let needed = referenced.iter().any(|(of, name)| (*of, name) == (org, &old));
            if old != kek && !needed {
                wrapper.destroy(org, &old)?;
                destroyed.push(old);
            }
        }
        Ok(Rotated { kek, rewrapped: done.rewrapped + done.plain, destroyed })
    }

    /// What there is of an organization's keys. Looks at each key of the file.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn status(&self, org: OrgId) -> Result<KeyStatus, CryptError> {
        let wrapper = self.store.wrapper();
        let counts = self.store.counts(org)?;
        let current = wrapper.current(org)?;
        let mut keks: BTreeMap<KekId, u64> =
            wrapper.keks(org)?.into_iter().map(|kek| (kek, 0)).collect();
        keks.extend(counts.by_kek);
        Ok(KeyStatus {
            place: wrapper.place(),
            current,
            keks,
            plain: counts.plain,
            data_keys: counts.data_keys,
            subjects: counts.subjects,
            storage_keys: self.store.storage_key_ids(org)?,
        })
    }

    /// Rewrites the key file, then wipes what this ring remembers, whatever came of it: a file that was
    /// replaced but could not be made durable has lost the keys already.
    pub(super) fn rewritten(&self, destroy: &Destroy) -> Result<Rewritten, CryptError> {
        let done = self.store.rewrite(destroy);
        self.cache().forget_data_keys();
        self.store.settle();
        done
    }
}
