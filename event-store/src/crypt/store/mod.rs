//! Keys on disk.
//!
//! | table | key | value |
//! |---|---|---|
//! | `data_keys_v1` | key id 16 | organization 16, subject 16, wrapped key |
//! | `subjects_v1` | organization 16, subject 16 | key id 16: the one that seals |
//! | `index_keys_v1` | organization 16 | wrapped key |
//! | `storage_keys_v1` | key id 16 | organization 16, wrapped key |
//! | `storage_current_v1` | organization 16 | key id 16: the one that seals new files |
//! | `keks_v1` | organization 16, name of a KEK | nothing: keys wrapped by it may be in the file |
//! | `facts_v1` | name | `no_plain_keys`: every key in the file is wrapped |

mod copying;
mod file;
mod record;
mod rewrite;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};
use uuid::Uuid;

use super::copy::{Change, Hub, Row};
use super::error::CryptError;
use super::kek::{KekId, KeyWrapper};
use super::secret::Secret;
use record::{Of, data_record, parsed, unwrapped, wrapped};
pub(super) use rewrite::{Destroy, Rewritten};

const DATA_KEYS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("data_keys_v1");
const SUBJECTS: TableDefinition<'_, (u128, u128), u128> = TableDefinition::new("subjects_v1");
const INDEX_KEYS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("index_keys_v1");
const STORAGE_KEYS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("storage_keys_v1");
const STORAGE_CURRENT: TableDefinition<'_, u128, u128> = TableDefinition::new("storage_current_v1");
const KEKS: TableDefinition<'_, (u128, &str), ()> = TableDefinition::new("keks_v1");
const FACTS: TableDefinition<'_, &str, ()> = TableDefinition::new("facts_v1");
const NO_PLAIN_KEYS: &str = "no_plain_keys";

/// Key ids with the records stored under them.
type Records = Vec<(u128, Vec<u8>)>;

/// A data key and its id.
#[derive(Clone, Debug)]
pub(super) struct DataKey {
    pub(super) id: KeyId,
    pub(super) secret: Secret,
}

/// The key file and the keyring that wraps what is in it.
pub(super) struct Store {
    /// Swapped for a fresh file when keys are destroyed or wrapped anew.
    database: RwLock<Database>,
    /// `None` for a ring in memory.
    path: Option<PathBuf>,
    wrapper: Arc<dyn KeyWrapper>,
    /// Told of every change, if there are standbys.
    hub: OnceLock<Arc<Hub>>,
}

/// What the file holds of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) data_keys: u64,
    pub(super) subjects: u64,
    pub(super) plain: u64,
    pub(super) by_kek: BTreeMap<KekId, u64>,
}

fn owner(org: OrgId, subject: SubjectId) -> (u128, u128) {
    (org.uuid().as_u128(), subject.uuid().as_u128())
}

/// Anything that the database can fail with.
fn other(error: impl Into<redb::Error>) -> redb::Error {
    error.into()
}

impl Store {
    pub(super) fn open(directory: &Path, wrapper: Arc<dyn KeyWrapper>) -> Result<Self, CryptError> {
        let path = directory.join(file::NAME);
        let database = file::open(directory)?;
        Self::over(database, Some(path), wrapper).prepared()
    }

    pub(super) fn in_memory(wrapper: Arc<dyn KeyWrapper>) -> Result<Self, CryptError> {
        let database = file::in_memory()?;
        Self::over(database, None, wrapper).prepared()
    }

    fn over(database: Database, path: Option<PathBuf>, wrapper: Arc<dyn KeyWrapper>) -> Self {
        Self { database: RwLock::new(database), path, wrapper, hub: OnceLock::new() }
    }

    /// Makes the tables, checks that every KEK is there, and wraps what is plain or under an older KEK.
    fn prepared(self) -> Result<Self, CryptError> {
        let created = || -> Result<(), redb::Error> {
            let database = self.database();
            let write = database.begin_write()?;
            write.open_table(DATA_KEYS)?;
            write.open_table(SUBJECTS)?;
            write.open_table(INDEX_KEYS)?;
            write.open_table(STORAGE_KEYS)?;
            write.open_table(STORAGE_CURRENT)?;
            write.open_table(KEKS)?;
            write.open_table(FACTS)?;
            write.commit()?;
            Ok(())
        };
        created().map_err(|error| self.failed(&error))?;
        let mut outdated = false;
        for (org, kek) in self.referenced()? {
            if !self.wrapper.keks(org)?.contains(&kek) {
                let place = self.wrapper.place();
                return Err(super::kek::WrapError::Missing { org, kek, place }.into());
            }
            outdated |= self.wrapper.current(org)? != kek;
        }
        if outdated || !self.all_wrapped()? {
            let done = self.rewrite(&Destroy::default())?;
            if done.plain + done.rewrapped > 0 {
                tracing::info!(
                    plain = done.plain,
                    rewrapped = done.rewrapped,
                    "stored keys were wrapped by the current key-encryption keys"
                );
            }
        }
        Ok(self)
    }

    /// The database, for as long as something is read from it: it must not be replaced meanwhile.
    fn database(&self) -> RwLockReadGuard<'_, Database> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wrapper(&self) -> &dyn KeyWrapper {
        &*self.wrapper
    }

    fn failed(&self, error: &redb::Error) -> CryptError {
        let path = self.path.clone().unwrap_or_else(|| PathBuf::from("(memory)"));
        CryptError::Store { path, reason: error.to_string() }
    }

    /// KEKs that keys in the file may be wrapped by.
    pub(super) fn referenced(&self) -> Result<Vec<(OrgId, KekId)>, CryptError> {
        let read = || -> Result<Vec<(u128, String)>, redb::Error> {
            let database = self.database();
            let keks = database.begin_read()?.open_table(KEKS)?;
            let mut found = Vec::new();
            for row in keks.iter()? {
                let (key, _) = row?;
                let (org, name) = key.value();
                found.push((org, name.to_owned()));
            }
            Ok(found)
        };
        let rows = read().map_err(|error| self.failed(&error))?;
        rows.into_iter()
            .map(|(org, name)| {
                let kek =
                    KekId::new(name).ok_or(CryptError::Malformed { what: "name of a KEK" })?;
                Ok((OrgId::from_u128(org), kek))
            })
            .collect()
    }

    fn all_wrapped(&self) -> Result<bool, CryptError> {
        let read = || -> Result<bool, redb::Error> {
            let database = self.database();
            let read = database.begin_read()?;
            Ok(read.open_table(FACTS)?.get(NO_PLAIN_KEYS)?.is_some())
        };
        read().map_err(|error| self.failed(&error))
    }

    /// The data keys of `subjects`, in order; missing ones are made, durably, in one transaction.
    pub(super) fn data_keys(
        &self,
        org: OrgId,
        subjects: &[SubjectId],
    ) -> Result<Vec<DataKey>, CryptError> {
        if let Some(keys) = self.existing(org, subjects)? {
            return Ok(keys);
        }
        self.made(org, subjects, false)
    }

    /// A new data key of a subject, in force for what is sealed from now on.
    pub(super) fn next_data_key(
        &self,
        org: OrgId,
        subject: SubjectId,
    ) -> Result<DataKey, CryptError> {
        let mut made = self.made(org, &[subject], true)?;
        made.pop().ok_or(CryptError::Malformed { what: "data key" })
    }

    fn made(
        &self,
        org: OrgId,
        subjects: &[SubjectId],
        replace: bool,
    ) -> Result<Vec<DataKey>, CryptError> {
        let kek = self.wrapper.current(org)?;
        let mut fresh = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let (id, secret) = (random_id()?, Secret::random()?);
            let key = wrapped(&*self.wrapper, &kek, Of::Data(org, *subject, id), &secret)?;
            fresh.push((id, data_record(org, *subject, &key)));
        }
        let made = || -> Result<Records, redb::Error> {
            let database = self.database();
            let write = database.begin_write()?;
            let mut found = Vec::with_capacity(subjects.len());
            let mut new = Vec::new();
            {
                let mut keys = write.open_table(DATA_KEYS)?;
                let mut of_subjects = write.open_table(SUBJECTS)?;
                write.open_table(KEKS)?.insert((org.uuid().as_u128(), kek.as_str()), ())?;
                for (subject, (id, record)) in subjects.iter().zip(&fresh) {
                    let owner = owner(org, *subject);
                    // Two callers may race for the same new subject: the first key stays.
                    let known = of_subjects.get(owner)?.map(|it| it.value());
                    let id = match known {
                        Some(known) if !replace => known,
                        _ => {
                            of_subjects.insert(owner, id)?;
                            keys.insert(id, record.as_slice())?;
                            let (key, (org, person)) = (Uuid::from_u128(*id), owner);
                            let person = Uuid::from_u128(person);
                            new.push(Row::Data(key, record.clone()));
                            new.push(Row::Subject(Uuid::from_u128(org), person, key));
                            *id
                        }
                    };
                    found.push((id, keys.get(id)?.map_or_else(Vec::new, |it| it.value().to_vec())));
                }
            }
            self.commit(write, org, &kek, new)?;
            Ok(found)
        };
        let records = made().map_err(|error| self.failed(&error))?;
        records.iter().map(|(id, bytes)| Ok(self.unwrapped(*id, bytes)?.1)).collect()
    }

    /// Commits what has these new rows in it. They are told before anybody can see them in the file, so that
    /// nobody uses one of them without knowing that standbys may not have it.
    fn commit(
        &self,
        write: WriteTransaction,
        org: OrgId,
        kek: &KekId,
        mut new: Vec<Row>,
    ) -> Result<(), redb::Error> {
        let hub = self.hub().filter(|_| !new.is_empty());
        if let Some(hub) = hub {
            new.push(Row::Kek(org.uuid(), kek.as_str().to_owned()));
            hub.publish(Change::Put(new));
        }
        let committed = write.commit();
        if let (Some(hub), Err(_)) = (hub, &committed) {
            // They were told and are not there.
            hub.renewed();
        }
        Ok(committed?)
    }

    fn unwrapped(&self, id: u128, bytes: &[u8]) -> Result<(Of, DataKey), CryptError> {
        let (of, key) = parsed(id, bytes)?;
        let secret = unwrapped(&*self.wrapper, of, key)?;
        Ok((of, DataKey { id: record::key_id(id), secret }))
    }

    /// All of them, or `None` if one is missing.
    fn existing(
        &self,
        org: OrgId,
        subjects: &[SubjectId],
    ) -> Result<Option<Vec<DataKey>>, CryptError> {
        let read = || -> Result<Option<Records>, redb::Error> {
            let database = self.database();
            let read = database.begin_read()?;
            let (keys, of_subjects) = (read.open_table(DATA_KEYS)?, read.open_table(SUBJECTS)?);
            let mut found = Vec::with_capacity(subjects.len());
            for subject in subjects {
                let Some(id) = of_subjects.get(owner(org, *subject))?.map(|it| it.value()) else {
                    return Ok(None);
                };
                found.push((id, keys.get(id)?.map_or_else(Vec::new, |it| it.value().to_vec())));
            }
            Ok(Some(found))
        };
        let Some(records) = read().map_err(|error| self.failed(&error))? else { return Ok(None) };
        let keys = records.iter().map(|(id, bytes)| Ok(self.unwrapped(*id, bytes)?.1));
        keys.collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn data_key_by_id(
        &self,
        org: OrgId,
        key_id: KeyId,
    ) -> Result<Option<(SubjectId, DataKey)>, CryptError> {
        let id = key_id.uuid().as_u128();
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let database = self.database();
            let keys = database.begin_read()?.open_table(DATA_KEYS)?;
            Ok(keys.get(id)?.map(|it| it.value().to_vec()))
        };
        let Some(bytes) = read().map_err(|error| self.failed(&error))? else { return Ok(None) };
        match parsed(id, &bytes)?.0 {
            Of::Data(owner, subject, _) if owner == org => {
                Ok(Some((subject, self.unwrapped(id, &bytes)?.1)))
            }
            _ => Ok(None),
        }
    }

    /// Ids of every data key of these subjects, those in force and all before them. Looks at each key of
    /// the file once.
    pub(super) fn keys_of(
        &self,
        org: OrgId,
        subjects: &BTreeSet<SubjectId>,
    ) -> Result<Vec<(SubjectId, KeyId)>, CryptError> {
        let mut found = Vec::new();
        self.each_data_key(|of, _| {
            if let Of::Data(of_org, of_subject, id) = of
                && of_org == org
                && subjects.contains(&of_subject)
            {
                found.push((of_subject, record::key_id(id)));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// What the file holds of an organization. Looks at each key of the file.
    pub(super) fn counts(&self, org: OrgId) -> Result<Counts, CryptError> {
        let mut counts = Counts::default();
        let mut subjects = BTreeSet::new();
        self.each_data_key(|of, key| {
            let Of::Data(of_org, subject, _) = of else { return Ok(()) };
            if of_org == org {
                counts.data_keys += 1;
                subjects.insert(subject);
                match record::kek_of(of, key)? {
                    Some(kek) => *counts.by_kek.entry(kek).or_default() += 1,
                    None => counts.plain += 1,
                }
            }
            Ok(())
        })?;
        counts.subjects = u64::try_from(subjects.len()).unwrap_or(u64::MAX);
        Ok(counts)
    }

    fn each_data_key(
        &self,
        mut look: impl FnMut(Of, &[u8]) -> Result<(), CryptError>,
    ) -> Result<(), CryptError> {
        let failed = |error| self.failed(&error);
        let database = self.database();
        let read = database.begin_read().map_err(other).map_err(failed)?;
        let keys = read.open_table(DATA_KEYS).map_err(other).map_err(failed)?;
        for row in keys.iter().map_err(other).map_err(failed)? {
            let (id, bytes) = row.map_err(other).map_err(failed)?;
            let (of, key) = parsed(id.value(), bytes.value())?;
            look(of, key)?;
        }
        Ok(())
    }

    /// Every wrapped data key as it is in the file.
    #[cfg(test)]
    pub(super) fn each_wrapped(
        &self,
        mut look: impl FnMut(SubjectId, &[u8]),
    ) -> Result<(), CryptError> {
        self.each_data_key(|of, key| {
            if let Of::Data(_, subject, _) = of {
                look(subject, key);
            }
            Ok(())
        })
    }

    /// The organization's index key, made durably if there is none.
    pub(super) fn index_key(&self, org: OrgId) -> Result<Secret, CryptError> {
        let of = Of::Index(org);
        let id = org.uuid().as_u128();
        let known = || -> Result<Option<Vec<u8>>, redb::Error> {
            let database = self.database();
            let keys = database.begin_read()?.open_table(INDEX_KEYS)?;
            Ok(keys.get(id)?.map(|it| it.value().to_vec()))
        };
        if let Some(bytes) = known().map_err(|error| self.failed(&error))? {
            return unwrapped(&*self.wrapper, of, &bytes);
        }
        let kek = self.wrapper.current(org)?;
        let fresh = wrapped(&*self.wrapper, &kek, of, &Secret::random()?)?;
        let made = || -> Result<Vec<u8>, redb::Error> {
            let database = self.database();
            let write = database.begin_write()?;
            let mut new = Vec::new();
            let bytes = {
                let mut keys = write.open_table(INDEX_KEYS)?;
                write.open_table(KEKS)?.insert((id, kek.as_str()), ())?;
                let known = keys.get(id)?.map(|it| it.value().to_vec());
                match known {
                    Some(bytes) => bytes,
                    None => {
                        keys.insert(id, fresh.as_slice())?;
                        new.push(Row::Index(org.uuid(), fresh.clone()));
                        fresh.clone()
                    }
                }
            };
            self.commit(write, org, &kek, new)?;
            Ok(bytes)
        };
        let bytes = made().map_err(|error| self.failed(&error))?;
        unwrapped(&*self.wrapper, of, &bytes)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

fn random_id() -> Result<u128, CryptError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| CryptError::Random)?;
    Ok(uuid::Builder::from_random_bytes(id).into_uuid().as_u128())
}
