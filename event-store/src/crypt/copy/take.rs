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

impl KeyRing {
    /// Makes the key file what a delivery says, durably, and gives the files that came with it, which are the
    /// caller's to store. Only then may the caller ask with the delivery's place.
    ///
    /// A whole copy replaces the key file: keys that are not in it are destroyed here.
    ///
    /// # Errors
    /// [`CryptError::Wrap`] if a KEK is not here, [`CryptError::Malformed`] and others for what is no copy of
    /// keys. What was taken before the error stays.
    pub fn take(&self, delivery: &Delivery) -> Result<Vec<TakenFile>, CryptError> {
        let mut files = Vec::new();
        match &delivery.contents {
            Contents::Whole { rows, files: sealed } => {
                for sealed in sealed {
                    files.push(self.taken(sealed)?);
                }
                self.store.replace_rows(rows)?;
            }
            Contents::Changes(changes) => {
                for change in changes {
                    match change {
                        Change::Put(rows) => self.store.put_rows(rows)?,
                        Change::Destroyed(persons) => {
                            let persons = persons.iter().copied().collect();
                            self.store.rewrite(&Destroy { persons, ..Destroy::default() })?;
                        }
                        Change::File(sealed) => files.push(self.taken(sealed)?),
                    }
                }
            }
        }
        self.cache().forget();
        Ok(files)
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
