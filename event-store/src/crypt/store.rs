//! Keys on disk.
//!
//! | table | key | value |
//! |---|---|---|
//! | `data_keys_v1` | key id 16 | organization 16, subject 16, wrapped key |
//! | `subjects_v1` | organization 16, subject 16 | key id 16 |
//! | `index_keys_v1` | organization 16 | wrapped key |
//!
//! A wrapped key is one byte "how" and its bytes; `0` is a plain key of 32 bytes.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition,
};
use uuid::Uuid;

use super::error::CryptError;

const DATA_KEYS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("data_keys_v1");
const SUBJECTS: TableDefinition<'_, (u128, u128), u128> = TableDefinition::new("subjects_v1");
const INDEX_KEYS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("index_keys_v1");

/// Key ids with the records stored under them.
type Records = Vec<(u128, Vec<u8>)>;

/// Wrapped by nothing but the mode of the file.
const PLAIN: u8 = 0;

/// 256 secret bits.
#[derive(Clone, Copy)]
pub(super) struct Secret(pub(super) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    fn random() -> Result<Self, CryptError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| CryptError::Random)?;
        Ok(Self(bytes))
    }

    fn wrapped(&self) -> Vec<u8> {
        let mut bytes = vec![PLAIN];
        bytes.extend_from_slice(&self.0);
        bytes
    }

    fn unwrapped(bytes: &[u8], what: &'static str) -> Result<Self, CryptError> {
        match bytes.split_first() {
            Some((&PLAIN, key)) => {
                key.try_into().map(Self).map_err(|_| CryptError::Malformed { what })
            }
            _ => Err(CryptError::Malformed { what }),
        }
    }
}

/// A data key and its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataKey {
    pub(super) id: KeyId,
    pub(super) secret: Secret,
}

/// The key file.
pub(super) struct Store {
    database: Database,
    path: PathBuf,
}

impl Store {
    pub(super) fn open(directory: &Path) -> Result<Self, CryptError> {
        let path = directory.join("keys.redb");
        let refused = |reason: String| CryptError::Store { path: path.clone(), reason };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| refused(error.to_string()))?;
        let database = Builder::new().create_file(file).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => CryptError::Locked { path: path.clone() },
            other => refused(other.to_string()),
        })?;
        // The name of a new key file must be durable before a value sealed with its keys is.
        std::fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| refused(error.to_string()))?;
        Self { database, path: path.clone() }.with_tables()
    }

    pub(super) fn in_memory() -> Result<Self, CryptError> {
        let path = PathBuf::from("(memory)");
        let database = Builder::new()
            .create_with_backend(InMemoryBackend::new())
            .map_err(|error| CryptError::Store { path: path.clone(), reason: error.to_string() })?;
        Self { database, path }.with_tables()
    }

    fn with_tables(self) -> Result<Self, CryptError> {
        let created = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            write.open_table(DATA_KEYS)?;
            write.open_table(SUBJECTS)?;
            write.open_table(INDEX_KEYS)?;
            write.commit()?;
            Ok(())
        };
        created().map_err(|error| self.failed(&error))?;
        Ok(self)
    }

    fn failed(&self, error: &redb::Error) -> CryptError {
        CryptError::Store { path: self.path.clone(), reason: error.to_string() }
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
        let fresh: Vec<DataKey> = subjects.iter().map(|_| fresh_key()).collect::<Result<_, _>>()?;
        let made = || -> Result<Records, redb::Error> {
            let write = self.database.begin_write()?;
            let mut found = Vec::with_capacity(subjects.len());
            {
                let mut keys = write.open_table(DATA_KEYS)?;
                let mut of_subjects = write.open_table(SUBJECTS)?;
                for (subject, key) in subjects.iter().zip(&fresh) {
                    let owner = (org.uuid().as_u128(), subject.uuid().as_u128());
                    // Two callers may race for the same new subject: the first key stays.
                    let known = of_subjects.get(owner)?.map(|it| it.value());
                    let id = match known {
                        Some(id) => id,
                        None => {
                            let id = key.id.uuid().as_u128();
                            of_subjects.insert(owner, id)?;
                            keys.insert(id, record(org, *subject, &key.secret).as_slice())?;
                            id
                        }
                    };
                    found.push((id, keys.get(id)?.map_or_else(Vec::new, |it| it.value().to_vec())));
                }
            }
            write.commit()?;
            Ok(found)
        };
        let records = made().map_err(|error| self.failed(&error))?;
        records.iter().map(|(id, bytes)| Ok(parsed(*id, bytes)?.2)).collect()
    }

    /// All of them, or `None` if one is missing.
    fn existing(
        &self,
        org: OrgId,
        subjects: &[SubjectId],
    ) -> Result<Option<Vec<DataKey>>, CryptError> {
        let read = || -> Result<Option<Records>, redb::Error> {
            let read = self.database.begin_read()?;
            let (keys, of_subjects) = (read.open_table(DATA_KEYS)?, read.open_table(SUBJECTS)?);
            let mut found = Vec::with_capacity(subjects.len());
            for subject in subjects {
                let owner = (org.uuid().as_u128(), subject.uuid().as_u128());
                let Some(id) = of_subjects.get(owner)?.map(|it| it.value()) else {
                    return Ok(None);
                };
                found.push((id, keys.get(id)?.map_or_else(Vec::new, |it| it.value().to_vec())));
            }
            Ok(Some(found))
        };
        let Some(records) = read().map_err(|error| self.failed(&error))? else { return Ok(None) };
        records
            .iter()
            .map(|(id, bytes)| Ok(parsed(*id, bytes)?.2))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn data_key_by_id(
        &self,
        org: OrgId,
        key_id: KeyId,
    ) -> Result<Option<(SubjectId, DataKey)>, CryptError> {
        let id = key_id.uuid().as_u128();
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let keys = self.database.begin_read()?.open_table(DATA_KEYS)?;
            Ok(keys.get(id)?.map(|it| it.value().to_vec()))
        };
        let Some(bytes) = read().map_err(|error| self.failed(&error))? else { return Ok(None) };
        let (owner, subject, key) = parsed(id, &bytes)?;
        Ok((owner == org).then_some((subject, key)))
    }

    /// The organization's index key, made durably if there is none.
    pub(super) fn index_key(&self, org: OrgId) -> Result<Secret, CryptError> {
        let fresh = Secret::random()?;
        let id = org.uuid().as_u128();
        let made = || -> Result<Vec<u8>, redb::Error> {
            let keys = self.database.begin_read()?.open_table(INDEX_KEYS)?;
            if let Some(known) = keys.get(id)? {
                return Ok(known.value().to_vec());
            }
            let write = self.database.begin_write()?;
            let bytes = {
                let mut keys = write.open_table(INDEX_KEYS)?;
                let known = keys.get(id)?.map(|it| it.value().to_vec());
                match known {
                    Some(bytes) => bytes,
                    None => {
                        keys.insert(id, fresh.wrapped().as_slice())?;
                        fresh.wrapped()
                    }
                }
            };
            write.commit()?;
            Ok(bytes)
        };
        Secret::unwrapped(&made().map_err(|error| self.failed(&error))?, "index key")
    }
}

fn fresh_key() -> Result<DataKey, CryptError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| CryptError::Random)?;
    let id = KeyId::new(uuid::Builder::from_random_bytes(id).into_uuid());
    Ok(DataKey { id, secret: Secret::random()? })
}

fn record(org: OrgId, subject: SubjectId, secret: &Secret) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(65);
    bytes.extend_from_slice(org.uuid().as_bytes());
    bytes.extend_from_slice(subject.uuid().as_bytes());
    bytes.extend_from_slice(&secret.wrapped());
    bytes
}

fn parsed(id: u128, bytes: &[u8]) -> Result<(OrgId, SubjectId, DataKey), CryptError> {
    let malformed = || CryptError::Malformed { what: "data key" };
    let (org, rest) = bytes.split_at_checked(16).ok_or_else(malformed)?;
    let (subject, wrapped) = rest.split_at_checked(16).ok_or_else(malformed)?;
    let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| malformed());
    let secret = Secret::unwrapped(wrapped, "data key")?;
    let key = DataKey { id: KeyId::from_u128(id), secret };
    Ok((OrgId::new(uuid(org)?), SubjectId::new(uuid(subject)?), key))
}
