//! The standby's side: taking what the leader's feed gives.

use std::collections::BTreeSet;

use ledgerline_schemas::id::{KeyId, OrgId};
use zeroize::Zeroizing;

use super::{Change, Contents, Delivery, SealedCopy};
use crate::crypt::KeyRing;
use crate::crypt::error::CryptError;
use crate::crypt::store::Destroy;

/// A file with secrets that came with a delivery, in clear.
#[derive(Debug)]
pub struct TakenFile {
    /// Its name in the data directory.
    pub name: String,
    /// What is in it.
    pub content: Zeroizing<Vec<u8>>,
}

/// What became of a delivery.
#[derive(Debug, Default)]
pub struct Taken {
    /// Files that came with it: the caller's to store.
    pub files: Vec<TakenFile>,
    /// Keys that are here and not at the leader: made while this directory led and its standby was away. They
    /// stay, unless the log says that they were destroyed ([`KeyRing::destroy_keys`]).
    pub only_here: usize,
}

impl KeyRing {
    /// Makes the key file hold what a delivery says, durably. When its files are stored too, and only then, the
    /// caller may ask with the delivery's place.
    ///
    /// # Errors
    /// [`CryptError::Wrap`] if a KEK is not here, [`CryptError::Malformed`] and others for what is no copy of
    /// keys. What was taken before the error stays.
    pub fn take(&self, delivery: &Delivery) -> Result<Taken, CryptError> {
        let mut taken = Taken::default();
        match &delivery.contents {
            Contents::Whole { rows, files } => {
                for sealed in files {
                    taken.files.push(self.taken(sealed)?);
                }
                taken.only_here = self.store.take_rows(rows)?;
            }
            Contents::Changes(changes) => {
                for change in changes {
                    match change {
                        Change::Put(rows) => self.store.put_rows(rows)?,
                        Change::Destroyed(persons) => {
                            let persons = persons.iter().copied().collect();
                            self.store.rewrite(&Destroy { persons, ..Destroy::default() })?;
                        }
                        Change::File(sealed) => taken.files.push(self.taken(sealed)?),
                    }
                }
            }
        }
        self.cache().forget();
        Ok(taken)
    }

    fn taken(&self, sealed: &SealedCopy) -> Result<TakenFile, CryptError> {
        Ok(TakenFile { name: sealed.name.clone(), content: self.open_file(sealed)? })
    }

    /// Destroys those of these data keys that are here, as [`KeyRing::destroy`] does; how many there were.
    /// For a standby: the log names keys that were destroyed.
    ///
    /// # Errors
    /// As [`KeyRing::destroy`].
    pub fn destroy_keys(&self, org: OrgId, keys: &BTreeSet<KeyId>) -> Result<usize, CryptError> {
        let wanted = keys.iter().map(|key| key.uuid().as_u128()).collect();
        let keys = self.store.present(org, &wanted)?;
        if keys.is_empty() {
            return Ok(0);
        }
        let count = keys.len();
        self.rewritten(&Destroy { keys, ..Destroy::default() })?;
        Ok(count)
    }
}
