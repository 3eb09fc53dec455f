//! Storage keys in the key file: one in force for each organization, older ones for files that were sealed
//! with them.

use ledgerline_schemas::id::{KeyId, OrgId};
use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use uuid::Uuid;

use super::record::{Of, key_id, parsed_storage, storage_record, unwrapped, wrapped};
use super::{DataKey, KEKS, STORAGE_CURRENT, STORAGE_KEYS, Store, random_id};
use crate::crypt::copy::Row;
use crate::crypt::error::CryptError;
use crate::crypt::secret::Secret;

/// Why copying stopped.
pub(super) enum CopyError {
    /// A key could not be wrapped.
    Crypt(CryptError),
    /// The database failed.
    Database(redb::Error),
}

impl CopyError {
    pub(super) fn unless_crypt(self, failed: impl Fn(redb::Error) -> CryptError) -> CryptError {
        match self {
            Self::Crypt(error) => error,
            Self::Database(error) => failed(error),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for CopyError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// Copies every storage key to another file, `renewed` on the way.
pub(super) fn copy(
    from: &ReadTransaction,
    to: &WriteTransaction,
    mut renewed: impl FnMut(Of, &[u8]) -> Result<Vec<u8>, CryptError>,
) -> Result<(), CopyError> {
    let mut keys = to.open_table(STORAGE_KEYS)?;
    for row in from.open_table(STORAGE_KEYS)?.iter()? {
        let (id, bytes) = row?;
        let (of, key) = parsed_storage(id.value(), bytes.value()).map_err(CopyError::Crypt)?;
        let key = renewed(of, key).map_err(CopyError::Crypt)?;
        keys.insert(id.value(), storage_record(of.org(), &key).as_slice())?;
    }
    let mut current = to.open_table(STORAGE_CURRENT)?;
    for row in from.open_table(STORAGE_CURRENT)?.iter()? {
        let (org, id) = row?;
        current.insert(org.value(), id.value())?;
    }
    Ok(())
}

impl Store {
    /// The storage key that seals new files of an organization, made durably if there is none.
    pub(in crate::crypt) fn storage_key(&self, org: OrgId) -> Result<DataKey, CryptError> {
        let read = || -> Result<Option<u128>, redb::Error> {
            let database = self.database();
            let current = database.begin_read()?.open_table(STORAGE_CURRENT)?;
            Ok(current.get(org.uuid().as_u128())?.map(|it| it.value()))
        };
        match read().map_err(|error| self.failed(&error))? {
            Some(id) => self
                .storage_key_by_id(org, key_id(id))?
                .ok_or(CryptError::NoKey { key_id: key_id(id) }),
            None => self.add_storage_key(org, true),
        }
    }

    /// A new storage key, in force for files that are written from now on.
    pub(in crate::crypt) fn next_storage_key(&self, org: OrgId) -> Result<DataKey, CryptError> {
        self.add_storage_key(org, false)
    }

    /// Makes a storage key; `unless_there`: none if another thread was first, whose key it is then.
    fn add_storage_key(&self, org: OrgId, unless_there: bool) -> Result<DataKey, CryptError> {
        let kek = self.wrapper.current(org)?;
        let (id, secret) = (random_id()?, Secret::random()?);
        let key = wrapped(&*self.wrapper, &kek, Of::Storage(org, id), &secret)?;
        let (owner, record) = (org.uuid().as_u128(), storage_record(org, &key));
        let made = || -> Result<Option<u128>, redb::Error> {
            let database = self.database();
            let write = database.begin_write()?;
            {
                let mut in_force = write.open_table(STORAGE_CURRENT)?;
                let there = in_force.get(owner)?.map(|it| it.value());
                if there.is_some() && unless_there {
                    return Ok(there);
                }
                write.open_table(KEKS)?.insert((owner, kek.as_str()), ())?;
                let mut keys = write.open_table(STORAGE_KEYS)?;
                keys.insert(id, record.as_slice())?;
                in_force.insert(owner, id)?;
            }
            let new = Row::Storage(Uuid::from_u128(id), record.clone());
            let in_force = Row::StorageCurrent(org.uuid(), Uuid::from_u128(id));
            self.commit(write, org, &kek, vec![new, in_force])?;
            Ok(None)
        };
        match made().map_err(|error| self.failed(&error))? {
            Some(there) => self
                .storage_key_by_id(org, key_id(there))?
                .ok_or(CryptError::NoKey { key_id: key_id(there) }),
            None => Ok(DataKey { id: key_id(id), secret }),
        }
    }

    /// A storage key of this organization, in force or older.
    pub(in crate::crypt) fn storage_key_by_id(
        &self,
        org: OrgId,
        key_id: KeyId,
    ) -> Result<Option<DataKey>, CryptError> {
        let id = key_id.uuid().as_u128();
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let database = self.database();
            let keys = database.begin_read()?.open_table(STORAGE_KEYS)?;
            Ok(keys.get(id)?.map(|it| it.value().to_vec()))
        };
        let Some(bytes) = read().map_err(|error| self.failed(&error))? else { return Ok(None) };
        let (of, key) = parsed_storage(id, &bytes)?;
        if of.org() != org {
            return Ok(None);
        }
        let secret = unwrapped(&*self.wrapper, of, key)?;
        Ok(Some(DataKey { id: key_id, secret }))
    }

    /// Ids of an organization's storage keys, the one in force last.
    pub(in crate::crypt) fn storage_key_ids(&self, org: OrgId) -> Result<Vec<KeyId>, CryptError> {
        let owner = org.uuid();
        let read = || -> Result<Vec<u128>, redb::Error> {
            let database = self.database();
            let read = database.begin_read()?;
            let current = read.open_table(STORAGE_CURRENT)?.get(owner.as_u128())?;
            let current = current.map(|it| it.value());
            let mut ids = Vec::new();
            for row in read.open_table(STORAGE_KEYS)?.iter()? {
                let (id, bytes) = row?;
                let ours = bytes.value().starts_with(owner.as_bytes());
                if ours && current != Some(id.value()) {
                    ids.push(id.value());
                }
            }
            ids.extend(current);
            Ok(ids)
        };
        let ids = read().map_err(|error| self.failed(&error))?;
        Ok(ids.into_iter().map(key_id).collect())
    }
}
