//! The key file as rows, for copies of it at other processes.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use ledgerline_schemas::id::OrgId;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use uuid::Uuid;

use super::record::{Of, kek_of, parsed, parsed_storage, unwrapped};
use super::{
    DATA_KEYS, FACTS, INDEX_KEYS, KEKS, NO_PLAIN_KEYS, STORAGE_CURRENT, STORAGE_KEYS, SUBJECTS,
    Store, file, other,
};
use crate::crypt::copy::{Hub, Row};
use crate::crypt::error::CryptError;
use crate::crypt::kek::{KekId, WrapError};

fn id(uuid: Uuid) -> u128 {
    uuid.as_u128()
}

/// Every row, through a write transaction: nobody writes meanwhile.
fn all(write: &WriteTransaction) -> Result<Vec<Row>, redb::Error> {
    let uuid = Uuid::from_u128;
    let mut rows = Vec::new();
    for row in write.open_table(DATA_KEYS)?.iter()? {
        let (id, record) = row?;
        rows.push(Row::Data(uuid(id.value()), record.value().to_vec()));
    }
    for row in write.open_table(SUBJECTS)?.iter()? {
        let (owner, id) = row?;
        let (org, subject) = owner.value();
        rows.push(Row::Subject(uuid(org), uuid(subject), uuid(id.value())));
    }
    for row in write.open_table(INDEX_KEYS)?.iter()? {
        let (org, key) = row?;
        rows.push(Row::Index(uuid(org.value()), key.value().to_vec()));
    }
    for row in write.open_table(STORAGE_KEYS)?.iter()? {
        let (id, record) = row?;
        rows.push(Row::Storage(uuid(id.value()), record.value().to_vec()));
    }
    for row in write.open_table(STORAGE_CURRENT)?.iter()? {
        let (org, id) = row?;
        rows.push(Row::StorageCurrent(uuid(org.value()), uuid(id.value())));
    }
    for row in write.open_table(KEKS)?.iter()? {
        let (key, _) = row?;
        let (org, name) = key.value();
        rows.push(Row::Kek(uuid(org), name.to_owned()));
    }
    Ok(rows)
}

fn insert(write: &WriteTransaction, rows: &[Row]) -> Result<(), redb::Error> {
    let mut data = write.open_table(DATA_KEYS)?;
    let mut subjects = write.open_table(SUBJECTS)?;
    let mut indexes = write.open_table(INDEX_KEYS)?;
    let mut storage = write.open_table(STORAGE_KEYS)?;
    let mut current = write.open_table(STORAGE_CURRENT)?;
    let mut keks = write.open_table(KEKS)?;
    for row in rows {
        match row {
            Row::Data(key, record) => {
                data.insert(id(*key), record.as_slice())?;
            }
            Row::Subject(org, subject, key) => {
                subjects.insert((id(*org), id(*subject)), id(*key))?;
            }
            Row::Index(org, key) => {
                indexes.insert(id(*org), key.as_slice())?;
            }
            Row::Storage(key, record) => {
                storage.insert(id(*key), record.as_slice())?;
            }
            Row::StorageCurrent(org, key) => {
                current.insert(id(*org), id(*key))?;
            }
            Row::Kek(org, name) => {
                keks.insert((id(*org), name.as_str()), ())?;
            }
        }
    }
    // Rows are looked at before they come here: none is plain.
    write.open_table(FACTS)?.insert(NO_PLAIN_KEYS, ())?;
    Ok(())
}

fn key_of(row: &Row) -> Option<Uuid> {
    match row {
        Row::Data(key, _) | Row::Storage(key, _) => Some(*key),
        _ => None,
    }
}

fn person_of(row: &Row) -> Option<(Uuid, Uuid)> {
    match row {
        Row::Subject(org, person, _) => Some((*org, *person)),
        _ => None,
    }
}

fn organization_in_force(row: &Row) -> Option<Uuid> {
    match row {
        Row::StorageCurrent(org, _) => Some(*org),
        _ => None,
    }
}

impl Store {
    /// Tells a feed of every change from now on; gives it back if there is one already.
    pub(in crate::crypt) fn tell(&self, hub: Arc<Hub>) -> Result<(), Arc<Hub>> {
        self.hub.set(hub)
    }

    pub(super) fn hub(&self) -> Option<&Hub> {
        self.hub.get().map(|hub| &**hub)
    }

    /// Waits until the standbys in step have everything that was changed so far.
    pub(in crate::crypt) fn settle(&self) {
        if let Some(hub) = self.hub() {
            hub.settle();
        }
    }

    /// Every row, and the number of changes that are in them.
    pub(in crate::crypt) fn rows(&self, hub: &Hub) -> Result<(u64, Vec<Row>), CryptError> {
        let read = || -> Result<(u64, Vec<Row>), redb::Error> {
            let database = self.database();
            let write = database.begin_write()?;
            // Changes are published by whoever has a write transaction: what is counted is in the file.
            let changes = hub.changes();
            let rows = all(&write)?;
            write.abort()?;
            Ok((changes, rows))
        };
        read().map_err(|error| self.failed(&error))
    }

    /// Takes rows of somebody with the same KEKs.
    pub(in crate::crypt) fn put_rows(&self, rows: &[Row]) -> Result<(), CryptError> {
        self.check_rows(rows)?;
        let put = || -> Result<(), redb::Error> {
            let database = self.database();
            let write = database.begin_write()?;
            insert(&write, rows)?;
            write.commit()?;
            Ok(())
        };
        put().map_err(|error| self.failed(&error))
    }

    /// Makes the key file hold these rows, and of those it held before the keys that are not among them: they
    /// may have been made here and be nowhere else. How many those are.
    ///
    /// Keys that do not unwrap any more are dropped: their KEK is gone.
    pub(in crate::crypt) fn take_rows(&self, rows: &[Row]) -> Result<usize, CryptError> {
        self.check_rows(rows)?;
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let here = || -> Result<Vec<Row>, redb::Error> {
            let write = database.begin_write()?;
            let rows = all(&write)?;
            write.abort()?;
            Ok(rows)
        };
        let here = here().map_err(|error| self.failed(&error))?;
        let (mut wanted, only_here) = self.merged(rows, &here);
        wanted.sort();
        let mut present = here;
        present.sort();
        if wanted == present {
            return Ok(only_here);
        }
        let fresh = match &self.path {
            Some(path) => file::aside(path)?,
            None => file::in_memory()?,
        };
        let fill = |fresh: &Database| -> Result<(), redb::Error> {
            let write = fresh.begin_write()?;
            insert(&write, &wanted)?;
            write.commit()?;
            Ok(())
        };
        fill(&fresh).map_err(|error| self.failed(&error))?;
        let replaced = self.path.as_deref().map(file::replace).transpose()?;
        drop(std::mem::replace(&mut *database, fresh));
        if let (Some(replaced), Some(path)) = (replaced, &self.path) {
            replaced.finish(path)?;
        }
        Ok(only_here)
    }

    /// The rows of a copy, with those that are only here; and how many keys these are.
    fn merged(&self, rows: &[Row], here: &[Row]) -> (Vec<Row>, usize) {
        let keys: BTreeSet<Uuid> = rows.iter().filter_map(key_of).collect();
        let mut wanted: BTreeSet<Row> = rows.iter().cloned().collect();
        let mut kept = BTreeSet::new();
        for row in here {
            let of = match row {
                Row::Data(key, record) => parsed(id(*key), record),
                Row::Storage(key, record) => parsed_storage(id(*key), record),
                _ => continue,
            };
            let Some(key) = key_of(row).filter(|key| !keys.contains(key)) else { continue };
            let Ok((of, wrapped)) = of else { continue };
            if let (Ok(Some(kek)), Ok(())) = (kek_of(of, wrapped), self.check_key(of, wrapped)) {
                wanted.insert(Row::Kek(of.org().uuid(), kek.as_str().to_owned()));
                wanted.insert(row.clone());
                kept.insert(key);
            }
        }
        let persons: BTreeSet<(Uuid, Uuid)> = rows.iter().filter_map(person_of).collect();
        let in_force: BTreeSet<Uuid> = rows.iter().filter_map(organization_in_force).collect();
        for row in here {
            let keep = match row {
                Row::Subject(org, person, key) => {
                    kept.contains(key) && !persons.contains(&(*org, *person))
                }
                Row::StorageCurrent(org, key) => kept.contains(key) && !in_force.contains(org),
                _ => false,
            };
            if keep {
                wanted.insert(row.clone());
            }
        }
        (wanted.into_iter().collect(), kept.len())
    }

    /// Every key must be wrapped, and unwrap here: a copy that cannot be used must not pass for one.
    fn check_rows(&self, rows: &[Row]) -> Result<(), CryptError> {
        for row in rows {
            match row {
                Row::Data(key, record) => {
                    let (of, wrapped) = parsed(id(*key), record)?;
                    self.check_key(of, wrapped)?;
                }
                Row::Index(org, wrapped) => self.check_key(Of::Index(OrgId::new(*org)), wrapped)?,
                Row::Storage(key, record) => {
                    let (of, wrapped) = parsed_storage(id(*key), record)?;
                    self.check_key(of, wrapped)?;
                }
                Row::Kek(org, name) => {
                    let org = OrgId::new(*org);
                    let kek = KekId::new(name.as_str())
                        .ok_or(CryptError::Malformed { what: "name of a KEK" })?;
                    if !self.wrapper.keks(org)?.contains(&kek) {
                        let place = self.wrapper.place();
                        return Err(WrapError::Missing { org, kek, place }.into());
                    }
                }
                Row::Subject(..) | Row::StorageCurrent(..) => {}
            }
        }
        Ok(())
    }

    fn check_key(&self, of: Of, wrapped: &[u8]) -> Result<(), CryptError> {
        if kek_of(of, wrapped)?.is_none() {
            return Err(CryptError::Malformed { what: "copied key, which is not wrapped" });
        }
        unwrapped(&*self.wrapper, of, wrapped).map(|_| ())
    }

    /// Ids of these data keys of an organization that are in the file.
    pub(in crate::crypt) fn present(
        &self,
        org: OrgId,
        wanted: &BTreeSet<u128>,
    ) -> Result<BTreeSet<u128>, CryptError> {
        let failed = |error| self.failed(&error);
        let mut found = BTreeSet::new();
        let database = self.database();
        let read = database.begin_read().map_err(other).map_err(failed)?;
        let keys = read.open_table(DATA_KEYS).map_err(other).map_err(failed)?;
        for key in wanted {
            let Some(record) = keys.get(key).map_err(other).map_err(failed)? else { continue };
            if parsed(*key, record.value())?.0.org() == org {
                found.insert(*key);
            }
        }
        Ok(found)
    }
}
