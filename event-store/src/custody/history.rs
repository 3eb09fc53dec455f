//! The checkpoints that were signed, on disk.
//!
//! ```text
//! checkpoints   every checkpoint, oldest first: the signed note and an empty line
//! checkpoint    the newest one: what is published
//! ```
//!
//! A checkpoint is first appended to `checkpoints` and made durable, then moved into the place of
//! `checkpoint`. So a tail of `checkpoints` that is no checkpoint is an unfinished write exactly when the
//! published one is the last before it: it is cut off. Anything else that does not read is damage, and
//! nothing is signed on top of damage.

use std::io;
use std::sync::Arc;

use super::error::CustodyError;
use super::verify::{Checkpoint, PublicKey};
use crate::disk::{Disk, DiskFile};

const ALL: &str = "checkpoints";
const PUBLISHED: &str = "checkpoint";
/// Where a file is written before it is moved into its place.
const ASIDE: &str = "checkpoint.new";

/// The signed checkpoints of one log.
#[derive(Debug)]
pub(super) struct History {
    disk: Arc<dyn Disk>,
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes of [`ALL`] that are checkpoints.
    bytes: u64,
    checkpoints: Vec<Checkpoint>,
}

fn damaged(file: &str, reason: impl Into<String>) -> CustodyError {
    CustodyError::History { file: file.to_owned(), reason: reason.into() }
}

fn failed(file: &'static str) -> impl Fn(io::Error) -> CustodyError {
    move |error| damaged(file, error.to_string())
}

fn contents(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The first note of these bytes, with the empty line behind it: an empty line ends its text, another one
/// its signatures.
fn first_note(bytes: &[u8]) -> Option<&[u8]> {
    let empty = |from: usize| {
        let rest = bytes.get(from..)?;
        rest.windows(2).position(|pair| pair == b"\n\n").map(|at| from + at + 2)
    };
    bytes.get(..empty(empty(0)?)?)
}

impl History {
    pub(super) fn open(disk: Arc<dyn Disk>, key: &PublicKey) -> Result<Self, CustodyError> {
        let names = disk.list().map_err(failed(ALL))?;
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let mut this = Self { disk, file: None, bytes: 0, checkpoints: Vec::new() };
        let mut tail = Vec::new();
        if has(ALL) {
            let file = this.disk.open(ALL).map_err(failed(ALL))?;
            let bytes = contents(&*file).map_err(failed(ALL))?;
            let mut rest = bytes.as_slice();
            while let Some(checkpoint) = first_note(rest).and_then(|note| read(note, key)) {
                if this.newest().is_some_and(|newest| newest.size >= checkpoint.size) {
                    return Err(damaged(ALL, format!("size {} does not grow", checkpoint.size)));
                }
                rest = rest.get(checkpoint.note.len() + 1..).unwrap_or_default();
                this.checkpoints.push(checkpoint);
            }
            this.bytes = (bytes.len() - rest.len()) as u64;
            tail = rest.to_vec();
            this.file = Some(file);
        }
        let published = if has(PUBLISHED) { Some(this.published(key)?) } else { None };
        this.agree(published.as_deref(), &tail)?;
        if !tail.is_empty() {
            this.cut()?;
        }
        if let Some(newest) = this.newest().map(|it| it.note.clone())
            && published.as_ref() != Some(&newest)
        {
            // It was readable, which does not mean that it is durable.
            if let Some(file) = &this.file {
                file.sync_data().map_err(failed(ALL))?;
            }
            this.disk.sync_directory().map_err(failed(ALL))?;
            this.publish(&newest)?;
        }
        Ok(this)
    }

    fn published(&self, key: &PublicKey) -> Result<String, CustodyError> {
        let file = self.disk.open(PUBLISHED).map_err(failed(PUBLISHED))?;
        let bytes = contents(&*file).map_err(failed(PUBLISHED))?;
        let note = String::from_utf8(bytes).map_err(|_| damaged(PUBLISHED, "it is not text"))?;
        Checkpoint::open(&note, key).map_err(|error| damaged(PUBLISHED, error.to_string()))?;
        Ok(note)
    }

    /// What is published must be the last checkpoint, or the one before it when the last was made durable
    /// and then the power went away; and only what was never published may be unreadable.
    fn agree(&self, published: Option<&str>, tail: &[u8]) -> Result<(), CustodyError> {
        let at = published.map(|note| self.checkpoints.iter().rposition(|it| it.note == note));
        let behind = match at {
            None => self.checkpoints.len(),
            Some(None) => {
                return Err(damaged(
                    ALL,
                    format!("the published checkpoint is not in it{}", at_end(tail)),
                ));
            }
            Some(Some(at)) => self.checkpoints.len() - 1 - at,
        };
        if behind > 1 {
            let reason =
                "it is missing or older than the last but one in the file of all checkpoints";
            return Err(damaged(PUBLISHED, reason));
        }
        if !tail.is_empty() && behind > 0 {
            // One write is unfinished at a time: the good one before it would have been published.
            return Err(damaged(ALL, format!("there is damage after byte {}", self.bytes)));
        }
        Ok(())
    }

    /// Leaves out the unfinished write at the end.
    fn cut(&mut self) -> Result<(), CustodyError> {
        let mut good = Vec::new();
        for checkpoint in &self.checkpoints {
            good.extend_from_slice(checkpoint.note.as_bytes());
            good.push(b'\n');
        }
        self.replace(ALL, &good)?;
        self.file = Some(self.disk.open(ALL).map_err(failed(ALL))?);
        Ok(())
    }

    /// Gives a file other contents, durably: the old or the new ones are there at any time.
    fn replace(&self, name: &'static str, bytes: &[u8]) -> Result<(), CustodyError> {
        let write = || {
            match self.disk.remove(ASIDE) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = self.disk.create(ASIDE)?;
            file.write_at(bytes, 0)?;
            file.sync_data()?;
            self.disk.rename(ASIDE, name)?;
            self.disk.sync_directory()
        };
        write().map_err(failed(name))
    }

    fn publish(&self, note: &str) -> Result<(), CustodyError> {
        self.replace(PUBLISHED, note.as_bytes())
    }

    /// Every checkpoint, oldest first.
    pub(super) fn all(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    pub(super) fn newest(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// Makes a checkpoint durable, then publishes it. After an error the history must be opened anew.
    pub(super) fn append(&mut self, checkpoint: Checkpoint) -> Result<(), CustodyError> {
        let bytes = format!("{}\n", checkpoint.note);
        let made = self.file.is_none();
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => self.disk.create(ALL).map_err(failed(ALL))?,
        };
        file.write_at(bytes.as_bytes(), self.bytes).map_err(failed(ALL))?;
        file.sync_data().map_err(failed(ALL))?;
        if made {
            self.disk.sync_directory().map_err(failed(ALL))?;
        }
        self.file = Some(file);
        self.publish(&checkpoint.note)?;
        self.bytes += bytes.len() as u64;
        self.checkpoints.push(checkpoint);
        Ok(())
    }
}

fn read(note: &[u8], key: &PublicKey) -> Option<Checkpoint> {
    let note = std::str::from_utf8(note).ok()?.strip_suffix('\n')?;
    Checkpoint::open(note, key).ok()
}

fn at_end(tail: &[u8]) -> &'static str {
    if tail.is_empty() { "" } else { ", and it has a part that does not read" }
}

#[cfg(test)]
mod tests;
