//! The files of a commit, made from what is in memory.

use std::path::Path;

use ledgerline_event_store::crypt::at_rest::{FileCipher, SealedFile, Stored};

use crate::cold;
use crate::error::ProjectionError;
use crate::fold::{Final, Fold};
use crate::manifest::{FileEntry, Generation, sha256, state_place, table_place};
use crate::show::Schemas;
use crate::table::TableDef;

/// Final rows of a table: how many, and their Parquet file.
pub(crate) type FinalRows = (&'static TableDef, u64, Encoded);

/// A table and a number of its rows.
pub(crate) type Counted = (&'static TableDef, u64);

/// A file to be written.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    sha256: String,
    pub(crate) plain_bytes: u64,
    pub(crate) sealed: Option<SealedFile>,
}

impl Encoded {
    fn of(
        plain: Vec<u8>,
        path: &Path,
        place: &str,
        how: &Encoding<'_>,
    ) -> Result<Self, ProjectionError> {
        let plain_bytes = plain.len() as u64;
        let Stored { bytes, sealed } =
            how.cipher.seal(place, plain).map_err(ProjectionError::cipher(path))?;
        Ok(Self { sha256: sha256(&bytes), bytes, plain_bytes, sealed })
    }

    /// Its entry in the manifest.
    pub(crate) fn entry(&self, name: String, rows: u64) -> FileEntry {
        FileEntry {
            name,
            rows,
            bytes: self.bytes.len() as u64,
            sha256: self.sha256.clone(),
            key_id: self.sealed.as_ref().map(SealedFile::key_id),
        }
    }
}

/// What encoding the parts of a commit needs.
pub(crate) struct Encoding<'a> {
    pub(crate) schemas: &'a Schemas,
    pub(crate) cipher: &'a dyn FileCipher,
    pub(crate) generation: &'a Generation,
    /// Names of the tables' files, and of the state.
    pub(crate) names: (&'a str, &'a str),
}

/// What a commit has to encode.
pub(crate) enum Part<'a> {
    /// Rows of a table that are final.
    Final(Final),
    /// Everything the folds remember.
    State(&'a Fold),
}

impl Part<'_> {
    /// The file; with its table and rows unless it is the state.
    pub(crate) fn encoded(
        self,
        how: &Encoding<'_>,
    ) -> Result<(Option<Counted>, Encoded), ProjectionError> {
        let (file, state) = how.names;
        match self {
            Self::Final(Final { def, batch }) => {
                let batch = batch(&how.schemas.of(def))?;
                let bytes = cold::encode_batch(def, &batch)?;
                let path = how.generation.table(def.name).join(file);
                let encoded = Encoded::of(bytes, &path, &table_place(def.name, file), how)?;
                Ok((Some((def, batch.num_rows() as u64)), encoded))
            }
            Self::State(fold) => {
                let path = how.generation.states().join(state);
                let bytes = rmp_serde::to_vec(fold).map_err(|error| ProjectionError::Damaged {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                Ok((None, Encoded::of(bytes, &path, &state_place(state), how)?))
            }
        }
    }
}
