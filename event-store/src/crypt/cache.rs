//! Keys in memory: sealing must not cost a database read per message.

use std::collections::BTreeMap;

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};

use super::secret::Secret;
use super::store::DataKey;

/// Data keys kept in memory; about 200 bytes each.
const DATA_KEYS_MAX: usize = 100_000;

/// Recently used keys. Dropped whole when full: a miss costs one read of the key file.
#[derive(Default)]
pub(super) struct Cache {
    epoch: u64,
    of_subject: BTreeMap<(OrgId, SubjectId), DataKey>,
    by_id: BTreeMap<(OrgId, KeyId), (SubjectId, Secret)>,
    index_keys: BTreeMap<OrgId, Secret>,
    storage_current: BTreeMap<OrgId, DataKey>,
    storage_keys: BTreeMap<(OrgId, KeyId), Secret>,
}

impl Cache {
    /// Changes whenever keys go away. Who reads the key file notes it first, so that a key that was
    /// destroyed meanwhile does not come back into memory.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn of_subject(&self, org: OrgId, subject: SubjectId) -> Option<DataKey> {
        self.of_subject.get(&(org, subject)).cloned()
    }

    pub(super) fn by_id(&self, org: OrgId, key_id: KeyId) -> Option<(SubjectId, Secret)> {
        self.by_id.get(&(org, key_id)).cloned()
    }

    pub(super) fn index_key(&self, org: OrgId) -> Option<Secret> {
        self.index_keys.get(&org).cloned()
    }

    /// Keeps the key that seals for a subject.
    pub(super) fn insert(&mut self, epoch: u64, org: OrgId, subject: SubjectId, key: DataKey) {
        if self.insert_opening(epoch, org, subject, &key) {
            self.of_subject.insert((org, subject), key);
        }
    }

    /// Keeps a key that opens, whether or not it still seals.
    pub(super) fn insert_opening(
        &mut self,
        epoch: u64,
        org: OrgId,
        subject: SubjectId,
        key: &DataKey,
    ) -> bool {
        if epoch != self.epoch {
            return false;
        }
        if self.by_id.len() >= DATA_KEYS_MAX {
            self.by_id.clear();
            self.of_subject.clear();
        }
        self.by_id.insert((org, key.id), (subject, key.secret.clone()));
        true
    }

    pub(super) fn insert_index_key(&mut self, org: OrgId, key: Secret) {
        self.index_keys.insert(org, key);
    }

    pub(super) fn storage_current(&self, org: OrgId) -> Option<DataKey> {
        self.storage_current.get(&org).cloned()
    }

    pub(super) fn storage_key(&self, org: OrgId, key_id: KeyId) -> Option<Secret> {
        self.storage_keys.get(&(org, key_id)).cloned()
    }

    /// Keeps the key that new files are sealed with.
    pub(super) fn insert_storage_current(&mut self, org: OrgId, key: DataKey) {
        self.insert_storage_key(org, &key);
        self.storage_current.insert(org, key);
    }

    pub(super) fn insert_storage_key(&mut self, org: OrgId, key: &DataKey) {
        self.storage_keys.insert((org, key.id), key.secret.clone());
    }

    /// Wipes every key; the next use reads the key file.
    pub(super) fn forget(&mut self) {
        self.forget_data_keys();
        self.index_keys.clear();
        self.storage_current.clear();
        self.storage_keys.clear();
    }

    /// Wipes every data key; the next use reads the key file.
    pub(super) fn forget_data_keys(&mut self) {
        self.epoch += 1;
        self.of_subject.clear();
        self.by_id.clear();
    }
}
