//! Writing the key file anew: without the keys that are to be destroyed, every other one under the current
//! KEK of its organization.
//!
//! The database frees pages without overwriting them, so removing a record leaves its bytes in the file.
//! Therefore the file is replaced: a fresh one is filled and made durable, takes the name, and then the old
//! one, which nobody can open any more, is overwritten. A crash before the name is taken leaves the old file
//! in force; after it, the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::record::{Of, data_record, kek_of, key_id, parsed, unwrapped, wrapped};
use super::{
    DATA_KEYS, FACTS, INDEX_KEYS, KEKS, NO_PLAIN_KEYS, SUBJECTS, Store, file, other, owner, storage,
};
use crate::crypt::copy::Change;
use crate::crypt::error::CryptError;
use crate::crypt::kek::KekId;

/// Which keys to leave out.
#[derive(Debug, Default)]
pub(in crate::crypt) struct Destroy {
    /// All of these persons.
    pub(in crate::crypt) persons: BTreeSet<(OrgId, SubjectId)>,
    /// Single data keys, by id.
    pub(in crate::crypt) keys: BTreeSet<u128>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(in crate::crypt) struct Rewritten {
    /// Keys that are no more.
    pub(in crate::crypt) destroyed: Vec<(SubjectId, KeyId)>,
    /// Keys that were plain and are wrapped.
    pub(in crate::crypt) plain: u64,
    /// Keys that were under an older KEK.
    pub(in crate::crypt) rewrapped: u64,
}

impl Store {
    pub(in crate::crypt) fn rewrite(&self, destroy: &Destroy) -> Result<Rewritten, CryptError> {
        // Exclusive: a key made while the copy runs would not be in it.
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = match &self.path {
            Some(path) => file::aside(path)?,
            None => file::in_memory()?,
        };
        let done = self.copy(&database, &fresh, destroy)?;
        let replaced = self.path.as_deref().map(file::replace).transpose()?;
        drop(std::mem::replace(&mut *database, fresh));
        if let Some(hub) = self.hub() {
            let wrapped_anew = done.plain + done.rewrapped > 0;
            if wrapped_anew || destroy.persons.is_empty() || !destroy.keys.is_empty() {
                hub.renewed();
            } else {
                hub.publish(Change::Destroyed(destroy.persons.iter().copied().collect()));
            }
        }
        match (replaced, &self.path) {
            (Some(replaced), Some(path)) => replaced.finish(path).map(|()| done),
            _ => Ok(done),
        }
    }

    fn copy(
        &self,
        old: &Database,
        fresh: &Database,
        destroy: &Destroy,
    ) -> Result<Rewritten, CryptError> {
        let failed = |error| self.failed(&error);
        let mut done = Rewritten::default();
        let mut current = BTreeMap::new();
        let read = old.begin_read().map_err(other).map_err(failed)?;
        let write = fresh.begin_write().map_err(other).map_err(failed)?;
        {
            let mut keys = write.open_table(DATA_KEYS).map_err(other).map_err(failed)?;
            let old_keys = read.open_table(DATA_KEYS).map_err(other).map_err(failed)?;
            for row in old_keys.iter().map_err(other).map_err(failed)? {
                let (id, bytes) = row.map_err(other).map_err(failed)?;
                let (of, key) = parsed(id.value(), bytes.value())?;
                let Of::Data(org, subject, id) = of else { continue };
                if destroy.persons.contains(&(org, subject)) || destroy.keys.contains(&id) {
                    done.destroyed.push((subject, key_id(id)));
                    continue;
                }
                let key = self.renewed(of, key, &mut current, &mut done)?;
                let record = data_record(org, subject, &key);
                keys.insert(id, record.as_slice()).map_err(other).map_err(failed)?;
            }
            let mut indexes = write.open_table(INDEX_KEYS).map_err(other).map_err(failed)?;
            let old_indexes = read.open_table(INDEX_KEYS).map_err(other).map_err(failed)?;
            for row in old_indexes.iter().map_err(other).map_err(failed)? {
                let (id, key) = row.map_err(other).map_err(failed)?;
                let of = Of::Index(OrgId::from_u128(id.value()));
                let key = self.renewed(of, key.value(), &mut current, &mut done)?;
                indexes.insert(id.value(), key.as_slice()).map_err(other).map_err(failed)?;
            }
            storage::copy(&read, &write, |of, key| self.renewed(of, key, &mut current, &mut done))
                .map_err(|error| error.unless_crypt(failed))?;
            let gone: BTreeSet<(u128, u128)> =
                destroy.persons.iter().map(|(org, subject)| owner(*org, *subject)).collect();
            let mut subjects = write.open_table(SUBJECTS).map_err(other).map_err(failed)?;
            let old_subjects = read.open_table(SUBJECTS).map_err(other).map_err(failed)?;
            for row in old_subjects.iter().map_err(other).map_err(failed)? {
                let (subject, id) = row.map_err(other).map_err(failed)?;
                if !gone.contains(&subject.value()) && !destroy.keys.contains(&id.value()) {
                    subjects.insert(subject.value(), id.value()).map_err(other).map_err(failed)?;
                }
            }
            let mut keks = write.open_table(KEKS).map_err(other).map_err(failed)?;
            for (org, kek) in &current {
                let name = (org.uuid().as_u128(), kek.as_str());
                keks.insert(name, ()).map_err(other).map_err(failed)?;
            }
            let mut facts = write.open_table(FACTS).map_err(other).map_err(failed)?;
            facts.insert(NO_PLAIN_KEYS, ()).map_err(other).map_err(failed)?;
        }
        write.commit().map_err(other).map_err(failed)?;
        Ok(done)
    }

    /// A stored key, under the current KEK of its organization.
    fn renewed(
        &self,
        of: Of,
        key: &[u8],
        current: &mut BTreeMap<OrgId, KekId>,
        done: &mut Rewritten,
    ) -> Result<Vec<u8>, CryptError> {
        let kek = match current.get(&of.org()) {
            Some(kek) => kek.clone(),
            None => {
                let kek = self.wrapper.current(of.org())?;
                current.insert(of.org(), kek.clone());
                kek
            }
        };
        match kek_of(of, key)? {
            Some(by) if by == kek => return Ok(key.to_vec()),
            Some(_) => done.rewrapped += 1,
            None => done.plain += 1,
        }
        wrapped(&*self.wrapper, &kek, of, &unwrapped(&*self.wrapper, of, key)?)
    }
}
