//! What survives a restart: the groups, their positions and what they parked, in one redb file.

use std::path::Path;

use ledgerline_schemas::id::OrgId;
use prost::Message;
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::kurrent::wire::persistent::create_req::Settings;

const GROUPS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("groups_v1");
const PARKED: TableDefinition<'_, (&[u8], u64), &str> = TableDefinition::new("parked_v1");

/// Names a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) org_id: OrgId,
    /// `None`: everything.
    pub(crate) stream: Option<String>,
    pub(crate) group: String,
}

impl Key {
    /// What the client calls the source.
    pub(crate) fn source(&self) -> &str {
        self.stream.as_deref().unwrap_or("$all")
    }

    fn bytes(&self) -> Vec<u8> {
        let wire = StoredKey {
            org_id: self.org_id.uuid().as_bytes().to_vec(),
            stream: self.stream.clone(),
            group: self.group.clone(),
        };
        wire.encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let wire = StoredKey::decode(bytes).ok()?;
        let org_id = OrgId::new(uuid::Uuid::from_slice(&wire.org_id).ok()?);
        Some(Self { org_id, stream: wire.stream, group: wire.group })
    }
}

#[derive(Clone, PartialEq, Message)]
struct StoredKey {
    #[prost(bytes = "vec", tag = "1")]
    org_id: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    stream: Option<String>,
    #[prost(string, tag = "3")]
    group: String,
}

/// A group as it is stored.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stored {
    /// As its creator said.
    #[prost(message, required, tag = "1")]
    pub(crate) settings: Settings,
    /// `FilterOptions` of the protocol, for groups over everything.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) filter: Option<Vec<u8>>,
    /// Where it starts: the first version or position it considers.
    #[prost(uint64, tag = "3")]
    pub(crate) start: u64,
    /// Everything before this version or position is settled; absent until something is.
    #[prost(uint64, optional, tag = "4")]
    pub(crate) next: Option<u64>,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file of persistent subscriptions cannot be used: {0}")]
pub(crate) struct StoreError(String);

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

/// The file. Every change is durable when it returns; calls block.
#[derive(Debug)]
pub(crate) struct Store(Database);

impl Store {
    /// Opens the file; without one, groups live as long as the server.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, StoreError> {
        let database = match file {
            Some(file) => Builder::new().create(file)?,
            None => Builder::new().create_with_backend(InMemoryBackend::new())?,
        };
        let write = database.begin_write()?;
        write.open_table(GROUPS)?;
        write.open_table(PARKED)?;
        write.commit()?;
        Ok(Self(database))
    }

    pub(crate) fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let groups = self.0.begin_read()?.open_table(GROUPS)?;
        let found = groups.get(key.bytes().as_slice())?;
        found.map(|bytes| decode(bytes.value())).transpose()
    }

    /// All groups of an organization.
    pub(crate) fn list(&self, org_id: OrgId) -> Result<Vec<Key>, StoreError> {
        let groups = self.0.begin_read()?.open_table(GROUPS)?;
        let mut keys = Vec::new();
        for entry in groups.iter()? {
            let (key, _) = entry?;
            keys.extend(Key::read(key.value()).filter(|key| key.org_id == org_id));
        }
        Ok(keys)
    }

    pub(crate) fn save(&self, key: &Key, stored: &Stored) -> Result<(), StoreError> {
        let write = self.0.begin_write()?;
        write
            .open_table(GROUPS)?
            .insert(key.bytes().as_slice(), stored.encode_to_vec().as_slice())?;
        Ok(write.commit()?)
    }

    /// Saves the position of a group that still exists.
    pub(crate) fn save_next(&self, key: &Key, next: u64) -> Result<(), StoreError> {
        let write = self.0.begin_write()?;
        {
            let mut groups = write.open_table(GROUPS)?;
            let bytes = key.bytes();
            let stored = groups.get(bytes.as_slice())?.map(|it| decode(it.value())).transpose()?;
            if let Some(mut stored) = stored {
                stored.next = Some(next);
                groups.insert(bytes.as_slice(), stored.encode_to_vec().as_slice())?;
            }
        }
        Ok(write.commit()?)
    }

    pub(crate) fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let write = self.0.begin_write()?;
        let bytes = key.bytes();
        write.open_table(GROUPS)?.remove(bytes.as_slice())?;
        write
            .open_table(PARKED)?
            .retain_in((bytes.as_slice(), 0)..=(bytes.as_slice(), u64::MAX), |_, _| false)?;
        Ok(write.commit()?)
    }

    /// Parks and unparks events, by version or position.
    pub(crate) fn park(
        &self,
        key: &Key,
        park: &[(u64, String)],
        unpark: &[u64],
    ) -> Result<(), StoreError> {
        let write = self.0.begin_write()?;
        {
            let mut parked = write.open_table(PARKED)?;
            let bytes = key.bytes();
            for (ordinal, reason) in park {
                parked.insert((bytes.as_slice(), *ordinal), reason.as_str())?;
            }
            for ordinal in unpark {
                parked.remove((bytes.as_slice(), *ordinal))?;
            }
        }
        Ok(write.commit()?)
    }

    /// What is parked, oldest first.
    pub(crate) fn parked(&self, key: &Key) -> Result<Vec<u64>, StoreError> {
        let parked = self.0.begin_read()?.open_table(PARKED)?;
        let bytes = key.bytes();
        let mut ordinals = Vec::new();
        for entry in parked.range((bytes.as_slice(), 0)..=(bytes.as_slice(), u64::MAX))? {
            let (at, _) = entry?;
            ordinals.push(at.value().1);
        }
        Ok(ordinals)
    }
}

fn decode(bytes: &[u8]) -> Result<Stored, StoreError> {
    Stored::decode(bytes).map_err(|error| StoreError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str) -> Key {
        let org_id = OrgId::from_u128(7);
        Key { org_id, stream: Some("external-a".to_owned()), group: group.to_owned() }
    }

    #[test]
    fn groups_and_what_they_parked_are_apart_and_survive() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("groups.redb");
        let stored = Stored { start: 3, next: None, ..Stored::default() };
        {
            let store = Store::open(Some(&file)).expect("opens");
            for name in ["a", "b"] {
                store.save(&key(name), &stored).expect("saves");
                let reason = "why".to_owned();
                store.park(&key(name), &[(5, reason.clone()), (2, reason)], &[]).expect("parks");
            }
            store.save_next(&key("a"), 9).expect("saves");
            store.save_next(&key("gone"), 9).expect("nothing to save");
            store.park(&key("a"), &[], &[5]).expect("unparks");
        }
        let store = Store::open(Some(&file)).expect("opens again");
        assert_eq!(store.load(&key("a")).expect("reads").expect("there").next, Some(9));
        assert_eq!(store.load(&key("gone")).expect("reads"), None);
        assert_eq!(store.parked(&key("a")).expect("reads"), [2]);
        store.remove(&key("a")).expect("removes");
        assert_eq!(store.parked(&key("a")).expect("reads"), Vec::<u64>::new());
        assert_eq!(store.parked(&key("b")).expect("reads"), [2, 5]);
        assert_eq!(store.list(OrgId::from_u128(7)).expect("reads"), [key("b")]);
        assert!(store.list(OrgId::from_u128(8)).expect("reads").is_empty());
    }
}
