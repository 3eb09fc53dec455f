//! Records on disk that follow each other: numbered from 1, each with the hash of the one before and a
//! checksum of its own. The hash makes a forged or lost record in the middle evident, the checksum a damaged
//! one at the end.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ProjectionError;
use crate::manifest::{publish, sha256};
use crate::store::Store;

/// A record of a chain.
pub(crate) trait Link: Serialize + DeserializeOwned {
    /// Its number, from 1.
    fn seq(&self) -> u64;
    /// Hash of the one before.
    fn prev_sha256(&self) -> Option<&str>;
    /// Its own checksum: SHA-256 of its JSON text with this field empty.
    fn checksum(&mut self) -> &mut String;
}

/// Name of the record of a number.
pub(crate) fn name(seq: u64) -> String {
    format!("{seq:010}.json")
}

/// What the checksum of a record has to be; its field is empty afterwards.
fn checksum_of<T: Link>(link: &mut T) -> serde_json::Result<String> {
    link.checksum().clear();
    Ok(sha256(&serde_json::to_vec(link)?))
}

/// Makes a record true; gives its hash.
///
/// # Errors
/// [`ProjectionError::Io`]; [`ProjectionError::Damaged`] if a record of this number is there.
pub(crate) fn append<T: Link>(
    store: &dyn Store,
    dir: &Path,
    link: &mut T,
) -> Result<String, ProjectionError> {
    let path = dir.join(name(link.seq()));
    let damaged = |reason: String| ProjectionError::Damaged { path: path.clone(), reason };
    *link.checksum() = checksum_of(link).map_err(|error| damaged(error.to_string()))?;
    let bytes = serde_json::to_vec_pretty(link).map_err(|error| damaged(error.to_string()))?;
    if store.size(&path).is_ok() {
        return Err(damaged(format!("record {} is there already", link.seq())));
    }
    publish(store, &path, &bytes)?;
    Ok(sha256(&bytes))
}

/// The records from the first on, as far as they follow each other without a break, with the hash of each.
///
/// # Errors
/// [`ProjectionError::Io`] when the folder or a record that is there cannot be read.
pub(crate) fn read<T: Link>(
    store: &dyn Store,
    dir: &Path,
) -> Result<Vec<(T, String)>, ProjectionError> {
    let names = store.list(dir).map_err(|error| ProjectionError::io(dir, &error))?;
    let mut chain: Vec<(T, String)> = Vec::new();
    for found in names {
        let seq = chain.len() as u64 + 1;
        if found != name(seq) {
            continue;
        }
        let path = dir.join(&found);
        let bytes = store.read(&path).map_err(|error| ProjectionError::io(&path, &error))?;
        let Ok(mut link) = serde_json::from_slice::<T>(&bytes) else { break };
        let said = link.checksum().clone();
        let is_whole = checksum_of(&mut link).is_ok_and(|sum| sum == said);
        *link.checksum() = said;
        let before = chain.last().map(|(_, hash)| hash.as_str());
        if !is_whole || link.seq() != seq || link.prev_sha256() != before {
            break;
        }
        chain.push((link, sha256(&bytes)));
    }
    Ok(chain)
}
