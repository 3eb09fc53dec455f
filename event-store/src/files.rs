//! The segment files of a log, seen from outside the log: for archives, backups and lists.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ledgerline_schemas::Timestamp;

use crate::crypt::at_rest::StorageKeys;
use crate::disk::Disk as _;
use crate::disk::os::OsDisk;
use crate::disk::veil::{Unveiled, Veil, seal_object};
use crate::fault::Faults;
use crate::vault::disk::read_whole;
use crate::vault::{ArchiveReader, Damage, Form, Packed, Settings, Stub, Vault, pack_unsealed};

/// How a segment is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// As it was written.
    Raw,
    /// Packed.
    Packed,
    /// In the archive only.
    Archived {
        /// Name of the object.
        object: String,
        /// Since when.
        since: Timestamp,
    },
}

/// One segment of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Position of its first event.
    pub base_position: u64,
    /// How it is kept.
    pub kept: Kept,
    /// Bytes it takes in the log's folder.
    pub local_bytes: u64,
    /// Whether it is the last one, which is being written.
    pub active: bool,
}

/// The segment files of one log. Clones share them.
#[derive(Clone, Debug)]
pub struct LogFiles {
    vault: Arc<Vault>,
    keys: Option<StorageKeys>,
}

impl LogFiles {
    pub(crate) const fn new(vault: Arc<Vault>, keys: Option<StorageKeys>) -> Self {
        Self { vault, keys }
    }

    /// The files of a log that somebody else may have open and write to; nothing is changed. `keys` open those
    /// that are encrypted.
    ///
    /// # Errors
    /// [`io::Error`] if the folder cannot be opened, or a file of it is encrypted with a key that is not there.
    pub fn reading(
        folder: &Path,
        archive: Option<Arc<dyn ArchiveReader>>,
        keys: Option<StorageKeys>,
    ) -> io::Result<Self> {
        let archive = archive.map(|it| Arc::new(Unveiled::new(it, keys.clone())) as _);
        let settings = Settings { cache_bytes: 0, raw_segments: None, archive };
        let disk = Arc::new(OsDisk::open(folder)?);
        let disk = Veil::new(disk, keys.clone(), Faults::default());
        disk.check()?;
        let vault = Vault::reading(Arc::new(disk), settings, Faults::default());
        Ok(Self::new(Arc::new(vault), keys))
    }

    /// What goes to a store for a packed segment: encrypted if new files are, or if the segment is so here.
    pub(crate) fn object(&self, base: u64, packed: &Packed) -> io::Result<Vec<u8>> {
        match &self.keys {
            Some(keys) if keys.seals() || self.vault.is_encrypted(base)? => {
                seal_object(keys, &Form::Packed.name(base), &packed.bytes)
            }
            _ => Ok(packed.bytes.clone()),
        }
    }

    /// The keys that open what is encrypted.
    pub(crate) const fn keys(&self) -> Option<&StorageKeys> {
        self.keys.as_ref()
    }

    /// Every segment, oldest first.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn list(&self) -> io::Result<Vec<SegmentFile>> {
        let segments = self.vault.segments()?;
        let last = segments.last_key_value().map(|(base, _)| *base);
        segments
            .into_iter()
            .map(|(base, form)| {
                let local_bytes = self.vault.local_bytes(base, form)?;
                let kept = match form {
                    Form::Raw => Kept::Raw,
                    Form::Packed => Kept::Packed,
                    Form::Archived => {
                        let stub = self.vault.stub(base)?;
                        Kept::Archived { object: stub.object, since: stub.dropped_at }
                    }
                };
                let active = last == Some(base);
                Ok(SegmentFile { base_position: base, kept, local_bytes, active })
            })
            .collect()
    }

    /// Base positions of the segments with another one behind them, oldest first.
    pub(crate) fn sealed(&self) -> io::Result<Vec<u64>> {
        let mut bases: Vec<u64> = self.vault.segments()?.into_keys().collect();
        bases.pop();
        Ok(bases)
    }

    /// Base position of the segment that is being written; 1 if there is none.
    pub(crate) fn end_of_sealed(&self) -> io::Result<u64> {
        Ok(self.vault.segments()?.last_key_value().map_or(1, |(base, _)| *base))
    }

    pub(crate) fn is_archived(&self, base: u64) -> io::Result<bool> {
        Ok(self.vault.segments()?.get(&base) == Some(&Form::Archived))
    }

    /// SHA-256 of the object of a segment that is in the archive only.
    pub(crate) fn stub_sha256(&self, base: u64) -> io::Result<Option<[u8; 32]>> {
        if self.is_archived(base)? {
            self.vault.stub(base).map(|stub| Some(stub.sha256))
        } else {
            Ok(None)
        }
    }

    /// A sealed segment packed, however it is kept.
    pub(crate) fn packed(&self, base: u64) -> io::Result<Packed> {
        self.vault.packed(base)
    }

    /// The segment file, however it is kept, and the bytes it takes here.
    pub(crate) fn raw(&self, base: u64) -> io::Result<(u64, Vec<u8>)> {
        let form = self.vault.segments()?.get(&base).copied().unwrap_or(Form::Raw);
        let local_bytes = self.vault.local_bytes(base, form)?;
        Ok((local_bytes, read_whole(&*self.vault.open(&Form::Raw.name(base))?)?))
    }

    /// The durable part of a segment that may be written to just now, packed.
    ///
    /// What is read is synced before it is given out: it may be in the page cache only. A write that is
    /// under way ends it; an append is in it whole or not at all.
    pub(crate) fn packed_tail(&self, base: u64) -> io::Result<Packed> {
        let name = Form::Raw.name(base);
        let file = self.vault.open(&name)?;
        let read = || {
            let raw = read_whole(&*file)?;
            file.sync_data()?;
            pack_unsealed(&raw).map_err(|bad| {
                Damage::error(&name, format!("offset {}: {}", bad.offset, bad.reason))
            })
        };
        let packed = read()?;
        if !self.vault.is_encrypted(base)? {
            return Ok(packed);
        }
        // Another process may write: the block in which its last append ended is encrypted anew with the next one,
        // and read halfway through it hides that append, which was durable. Until a second look, with a sync in
        // between, those 16 bytes are written; the block that is written then is a later one. The worst that is left
        // is a copy that ends an append early.
        let again = read()?;
        let longer = again.layout.facts.next_position >= packed.layout.facts.next_position;
        Ok(if longer { again } else { packed })
    }

    pub(crate) fn drop_local(&self, stub: &Stub) -> io::Result<()> {
        self.vault.drop_local(stub)
    }

    /// Gives the stub of a segment that is in the archive only what stubs of this version hold.
    pub(crate) fn complete_stub(&self, base: u64) -> io::Result<()> {
        self.vault.complete_stub(base)
    }
}
