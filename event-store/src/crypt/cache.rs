//! Keys in memory: sealing must not cost a database read per message.

use std::collections::BTreeMap;

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};

use super::store::{DataKey, Secret};

/// Data keys kept in memory; about 150 bytes each.
const DATA_KEYS_MAX: usize = 100_000;

/// Recently used keys. Dropped whole when full: a miss costs one read of the key file.
#[derive(Default)]
pub(super) struct Cache {
    of_subject: BTreeMap<(OrgId, SubjectId), DataKey>,
    by_id: BTreeMap<(OrgId, KeyId), Secret>,
    index_keys: BTreeMap<OrgId, Secret>,
}

impl Cache {
    pub(super) fn of_subject(&self, org: OrgId, subject: SubjectId) -> Option<DataKey> {
        self.of_subject.get(&(org, subject)).copied()
    }

    pub(super) fn by_id(&self, org: OrgId, key_id: KeyId) -> Option<Secret> {
        self.by_id.get(&(org, key_id)).copied()
    }

    pub(super) fn index_key(&self, org: OrgId) -> Option<Secret> {
        self.index_keys.get(&org).copied()
    }

    pub(super) fn insert(&mut self, org: OrgId, subject: SubjectId, key: DataKey) {
        if self.by_id.len() >= DATA_KEYS_MAX {
            self.by_id.clear();
            self.of_subject.clear();
        }
        self.by_id.insert((org, key.id), key.secret);
        self.of_subject.insert((org, subject), key);
    }

    pub(super) fn insert_index_key(&mut self, org: OrgId, key: Secret) {
        self.index_keys.insert(org, key);
    }
}
