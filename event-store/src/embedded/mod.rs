//! The embedded log: segments in a directory of this machine.
//!
//! **What an acknowledgement means.** When an append's future resolves to `Ok`, its events were written and
//! `fdatasync` reported success: they survive a crash of the process, of the operating system and loss of
//! power, as far as the drive honours its flush commands. An append is in the log whole or not at all.
//! Nothing is shown to a reader before it is durable. After a failed sync the log takes no writes until it
//! is opened again. The log is never silently shortened: opening discards an unfinished last write, which
//! was never acknowledged, and refuses any other damage.
//!
//! **How.** [`EventWriter::submit`] fixes the order in memory under one lock; one thread at a time turns
//! what waits into one write and one sync. Reads are served from the files through the page cache, and verify
//! every frame they touch. The index of a sealed segment is written to a file by a second thread.

mod checkpoints;
pub(crate) mod commit;
mod directory;
mod drive;
pub(crate) mod error;
pub(crate) mod indexing;
pub(crate) mod open;
mod options;
pub(crate) mod outside;
pub(crate) mod read;
mod scan;
pub(crate) mod state;
mod submit;
mod verify;

use std::fmt;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Position, Recorded, StreamId, Version};
use tokio::sync::watch;

pub use error::OpenError;
pub use options::{Clock, Options, Salt};
pub use scan::Scan;
pub use verify::Verified;

use crate::capability::{Atomicity, Capabilities, ConcurrencyControl, Durability, Idempotence};
use crate::disk::os::OsDisk;
use crate::disk::veil::Veil;
use crate::engine::MirrorThread;
use crate::fault::Faults;
use crate::files::LogFiles;
use crate::log::{
    Append, AppendError, Direction, EventReader, EventWriter, Filter, Help, Page, ReadError,
    Submitted,
};
use crate::vault::{Keeper, Vault};
use checkpoints::Checkpoints;
use drive::Drive;
use error::At;
use open::Opened;
use state::Shared;

/// A handle of an open log. Clones share it; the log closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    drive: Option<Arc<Drive>>,
    checkpoints: Option<Checkpoints>,
    /// The writer and the indexer.
    threads: Vec<JoinHandle<()>>,
    /// Keeps the log equal to another system's; ends after the writer.
    mirror: OnceLock<MirrorThread>,
    files: Option<LogFiles>,
    _keeper: Option<Keeper>,
    /// Holds the lock on the directory; released after the threads have ended.
    _lock: Option<File>,
}

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be this machine's own.
    Everything,
    /// To follow another system's.
    Mirror,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shared, f)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(mirror) = self.mirror.get() {
            mirror.hurry();
        }
        self.shared.close();
        for thread in self.threads.drain(..) {
            // What is queued gets written before the lock goes. A thread that panicked has nothing to add.
            let _ = thread.join();
        }
        if let Some(mirror) = self.mirror.take() {
            mirror.end();
        }
    }
}

impl EmbeddedLog {
    /// Opens the log of an organization in a directory, which is made if it is not there. Reads what has no
    /// index yet, at least the last segment; of the others header and seal. Damage inside a sealed segment
    /// is an error of the read that meets it, and of [`EmbeddedLog::verify`].
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Mirror`] when it is another system's copy.
    pub fn open(directory: &Path, org_id: OrgId, options: Options) -> Result<Self, OpenError> {
        Self::open_for(directory, org_id, options, Purpose::Everything)
    }

    /// Opens a log that takes no appends: the way to look at a mirror without the system it mirrors.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_to_read(
        directory: &Path,
        org_id: OrgId,
        options: Options,
    ) -> Result<Self, OpenError> {
        let log = Self::open_for(directory, org_id, options, Purpose::Mirror)?;
        log.inner.shared.outside.close_to_callers(
            "it was opened for reading only; a mirror takes appends through its engine",
        );
        Ok(log)
    }

    pub(crate) fn open_for(
        directory: &Path,
        org_id: OrgId,
        options: Options,
        purpose: Purpose,
    ) -> Result<Self, OpenError> {
        let at = At(directory.to_owned());
        make_directory(directory).map_err(at.io("making the directory"))?;
        let lock = File::open(directory).map_err(at.io("opening the directory"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::Locked { directory: directory.to_owned() },
            TryLockError::Error(error) => at.io("locking the directory")(error),
        })?;
        if purpose == Purpose::Everything
            && let Some(marker) = crate::engine::marker_in(directory)?
        {
            let engine = marker.engine;
            return Err(OpenError::Mirror { directory: directory.to_owned(), engine });
        }
        let disk = OsDisk::open(directory).map_err(at.io("opening the directory"))?;
        let disk = Veil::new(Arc::new(disk), options.keys.clone(), Faults::default());
        disk.check().map_err(at.io("looking for the keys of its files"))?;
        let vault = Vault::open(Arc::new(disk), options.vault(), Faults::default())
            .map_err(at.io("tidying the segments"))?;
        let vault = Arc::new(vault);
        let Opened { shared, committer, indexer } =
            open::open(vault.clone(), &at, org_id, &options, Faults::default())?;
        let checkpoints = Checkpoints::open(directory)
            .map_err(|reason| OpenError::Checkpoints { directory: directory.to_owned(), reason })?;
        let drive = Arc::new(Drive::new(Arc::clone(&shared), committer));
        let writer = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn({
                let drive = Arc::clone(&drive);
                move || drive.run()
            })
            .map_err(at.io("starting the writer"))?;
        let indexer = std::thread::Builder::new()
            .name("log-indexer".to_owned())
            .spawn(move || indexer.run())
            .map_err(at.io("starting the indexer"))?;
        let files = LogFiles::new(vault.clone(), options.keys.clone());
        let keeper = Keeper::start(vault).map_err(at.io("starting the keeper of segments"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                drive: Some(drive),
                checkpoints: Some(checkpoints),
                threads: vec![writer, indexer],
                mirror: OnceLock::new(),
                files: Some(files),
                _keeper: Some(keeper),
                _lock: Some(lock),
            }),
        })
    }

    /// A handle without a writer thread: whoever has the committer drives it.
    pub(crate) fn driven(shared: Arc<Shared>) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                drive: None,
                checkpoints: None,
                threads: Vec::new(),
                mirror: OnceLock::new(),
                files: None,
                _keeper: None,
                _lock: None,
            }),
        }
    }

    /// Ties a mirror's thread to the log: it ends when the last handle is dropped.
    pub(crate) fn keep(&self, mirror: MirrorThread) {
        // A log is mirrored by one thread.
        let _ = self.inner.mirror.set(mirror);
    }

    /// Reads through the log after a position up to its present head, in order, verifying every frame:
    /// the way for replays.
    #[must_use]
    pub fn scan(&self, after: Position) -> Scan {
        Scan::new(&self.inner.shared, after)
    }

    /// Reads every durable frame on all cores and verifies it: checksums, positions without holes, seals.
    ///
    /// # Errors
    /// [`ReadError`] naming the first bad place.
    pub fn verify(&self) -> Result<Verified, ReadError> {
        verify::verify(&self.inner.shared)
    }

    /// Its segment files; `None` of a log without a directory of its own.
    #[must_use]
    pub fn files(&self) -> Option<LogFiles> {
        self.inner.files.clone()
    }

    fn checkpoints(&self) -> Result<&Checkpoints, ReadError> {
        self.inner.checkpoints.as_ref().ok_or(ReadError::Closed)
    }
}

/// Makes the directory and its parents, durably, readable by the owner only.
fn make_directory(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut parent: Option<PathBuf> = directory.parent().map(Path::to_owned);
    while let Some(made) = parent.filter(|it| !it.as_os_str().is_empty()) {
        File::open(&made)?.sync_all()?;
        parent = made.parent().map(Path::to_owned);
    }
    Ok(())
}

impl EventReader for EmbeddedLog {
    fn org_id(&self) -> OrgId {
        self.inner.shared.org_id
    }

    fn capabilities(&self) -> Capabilities {
        if let Some(capabilities) = self.inner.shared.outside.capabilities() {
            return capabilities;
        }
        Capabilities {
            engine: "embedded",
            durability: Durability::FsyncBeforeAck,
            atomicity: Atomicity::Log,
            concurrency: ConcurrencyControl::Native,
            idempotence: Idempotence::Exact,
        }
    }

    fn head(&self) -> Position {
        *self.inner.shared.head.borrow()
    }

    fn watch_head(&self) -> watch::Receiver<Position> {
        self.inner.shared.head.subscribe()
    }

    fn stream_head(&self, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        read::stream_head(&self.inner.shared, stream)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        read::stream(&self.inner.shared, stream, from, direction, max)
    }

    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        max: usize,
    ) -> Result<Page, ReadError> {
        match direction {
            Direction::Forward => read::all_forward(&self.inner.shared, from, filter, max),
            Direction::Backward => read::all_backward(&self.inner.shared, from, filter, max),
        }
    }

    fn scan(
        &self,
        after: Position,
    ) -> Box<dyn Iterator<Item = Result<Recorded, ReadError>> + Send + '_> {
        Box::new(Self::scan(self, after))
    }

    fn find_event(&self, id: EventId) -> Result<Option<Position>, ReadError> {
        read::find_event(&self.inner.shared, id)
    }

    fn load_checkpoint(&self, consumer: &str) -> Result<Option<Position>, ReadError> {
        self.checkpoints()?.load(consumer)
    }
}

impl EventWriter for EmbeddedLog {
    fn submit(&self, append: Append) -> Result<Submitted, AppendError> {
        let submitted = submit::submit(&self.inner.shared, append)?;
        Ok(match &self.inner.drive {
            Some(drive) => {
                let drive: Arc<dyn Help> = Arc::clone(drive) as _;
                submitted.with_help(&drive)
            }
            None => submitted,
        })
    }

    fn save_checkpoint(&self, consumer: &str, position: Position) -> Result<(), AppendError> {
        self.checkpoints()
            .map_err(|error| AppendError::Unavailable { reason: error.to_string() })?
            .save(consumer, position)
    }
}

#[cfg(test)]
mod tests;
