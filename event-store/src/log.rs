//! The log's contract: one writer side, one reader side, the same for every engine under it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{NewEvent, Position, Recorded, StreamId, Timestamp, Version};
use tokio::sync::{oneshot, watch};

use crate::capability::Capabilities;
use crate::vault::Damage;

/// What a stream's head must be for an append to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// The stream has no events.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// The stream's last event has this version.
    Exact(Version),
}

/// Events to be appended together: all of them or none, in this order, across streams.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// The events, 1 to [`ledgerline_schemas::limits::APPEND_EVENTS_MAX`].
    pub events: Vec<NewEvent>,
    /// What stream heads must be before the append. A stream may be checked without being written.
    pub expected: Vec<(StreamId, Expected)>,
}

/// Where an append ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event.
    pub first: Position,
    /// Position of the last event.
    pub last: Position,
    /// Version of each event in its stream, in the order of the append.
    pub versions: Vec<Version>,
    /// When the log took it.
    pub recorded_at: Timestamp,
    /// True when every event was already in the log (same ids): nothing was written again.
    pub duplicate: bool,
}

/// An append was not taken, or its outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A stream's head is not what was expected. Nothing was written.
    #[error("stream {stream} is at {actual:?}, expected {expected:?}")]
    WrongExpected {
        /// The stream.
        stream: StreamId,
        /// What the caller expected.
        expected: Expected,
        /// Its last version; `None` when it has no events.
        actual: Option<Version>,
    },
    /// Some, but not all, of the events are already in the log. Nothing was written.
    #[error("event {id} is already in the log, but the append as a whole is not")]
    PartialDuplicate {
        /// The event that is there.
        id: EventId,
    },
    /// A limit of `ledgerline_schemas::limits` is passed. Nothing was written.
    #[error("{what} is {actual}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// The append itself is not well formed. Nothing was written.
    #[error("{what} is not valid: {reason}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The log takes no writes now (disk full, closed). Nothing was written.
    #[error("the log takes no writes: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// Another process writes this log now: it claimed it, and this one is no longer heard. Nothing was
    /// written. The log has to be opened again.
    #[error("another process writes this log now, since epoch {epoch}; nothing was written")]
    Fenced {
        /// The epoch of the other one's claim.
        epoch: u64,
    },
    /// The outcome is unknown (the sync failed): the log is poisoned until it is reopened. Repeating the
    /// append with the same event ids after that cannot store it twice.
    #[error("the outcome of the append is unknown: {reason}")]
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Reading failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stored bytes are damaged.
    #[error("the log is damaged at {place}: {reason}")]
    Damaged {
        /// Segment and offset.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Input or output failed.
    #[error("reading the log failed: {0}")]
    Io(#[source] std::io::Error),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        match Damage::of(&error).cloned() {
            Some(Damage { file, reason }) => Self::Damaged { place: file, reason },
            None => Self::Io(error),
        }
    }
}

/// An append that has its place in the order and is on its way to stable storage.
///
/// As a future it resolves when the events are durable. Dropping it does not undo the append.
#[derive(Debug)]
pub struct Submitted {
    /// Positions and versions, fixed already.
    pub appended: Appended,
    durable: oneshot::Receiver<Result<(), AppendError>>,
    help: Option<Weak<dyn Help>>,
}

/// Brings what waits to stable storage on the calling thread, if nobody else does.
pub(crate) trait Help: fmt::Debug + Send + Sync {
    fn help(&self);
}

impl Submitted {
    /// Used by engines of the log.
    #[must_use]
    pub const fn new(
        appended: Appended,
        durable: oneshot::Receiver<Result<(), AppendError>>,
    ) -> Self {
        Self { appended, durable, help: None }
    }

    /// Whoever waits on a thread of its own may do the work itself.
    pub(crate) fn with_help(self, help: &Arc<dyn Help>) -> Self {
        Self { help: Some(Arc::downgrade(help)), ..self }
    }

    /// Waits on the calling thread until the events are durable. Not for async code.
    ///
    /// # Errors
    /// [`AppendError::Unknown`] if the sync failed or the log went away.
    pub fn wait_blocking(self) -> Result<Appended, AppendError> {
        // Nobody has answered yet.
        if self.durable.is_empty()
            && let Some(help) = self.help.as_ref().and_then(Weak::upgrade)
        {
            help.help();
        }
        match self.durable.blocking_recv() {
            Ok(Ok(())) => Ok(self.appended),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(gone()),
        }
    }
}

fn gone() -> AppendError {
    AppendError::Unknown { reason: "the log's writer is gone".to_owned() }
}

impl Future for Submitted {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.durable).poll(context).map(|outcome| match outcome {
            // A future that has resolved is not asked again.
            Ok(Ok(())) => {
                let versions = std::mem::take(&mut self.appended.versions);
                Ok(Appended { versions, ..self.appended })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(gone()),
        })
    }
}

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// Which events to read. Empty lists let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Stream names that begin with one of these.
    pub stream_prefixes: Vec<String>,
    /// Event types that begin with one of these.
    pub type_prefixes: Vec<String>,
}

impl Filter {
    /// Lets everything through.
    #[must_use]
    pub const fn all() -> Self {
        Self { stream_prefixes: Vec::new(), type_prefixes: Vec::new() }
    }

    /// Whether an event with this stream and type passes.
    #[must_use]
    pub fn passes(&self, stream: &str, event_type: &str) -> bool {
        fn any(prefixes: &[String], text: &str) -> bool {
            prefixes.is_empty() || prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
        }
        any(&self.stream_prefixes, stream) && any(&self.type_prefixes, event_type)
    }
}

/// The reading side of one organization's log. Everything it shows is durable.
///
/// Reads are served from memory and page cache and return at most `max` events, so they may be called
/// from async code with a small `max` (1,000 is fine).
pub trait EventReader: Send + Sync + fmt::Debug + 'static {
    /// The organization whose log this is.
    fn org_id(&self) -> OrgId;

    /// What this engine promises.
    fn capabilities(&self) -> Capabilities;

    /// Position of the last durable event; [`Position::START`] when there is none.
    fn head(&self) -> Position;

    /// A watch on [`EventReader::head`].
    fn watch_head(&self) -> watch::Receiver<Position>;

    /// Last durable version of a stream.
    ///
    /// # Errors
    /// [`ReadError`].
    fn stream_head(&self, stream: &StreamId) -> Result<Option<Version>, ReadError>;

    /// Events of a stream from `from` on (inclusive), in the direction given.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Recorded>, ReadError>;

    /// Events of the organization: forward those after `from` (exclusive), backward those at or before it.
    /// `max` counts events that pass the filter; `scanned_to` in the answer says how far it looked.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_all(
        &self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        max: usize,
    ) -> Result<Page, ReadError>;

    /// Everything after `after` up to the present head, in order; ends at the first error. For replays.
    fn scan(
        &self,
        after: Position,
    ) -> Box<dyn Iterator<Item = Result<Recorded, ReadError>> + Send + '_> {
        Box::new(crate::scan::Pages::new(self, after))
    }

    /// Where the durable event with this id is; `None` when the log has none.
    ///
    /// # Errors
    /// [`ReadError`].
    fn find_event(&self, id: EventId) -> Result<Option<Position>, ReadError>;

    /// The position a named consumer saved last.
    ///
    /// # Errors
    /// [`ReadError`].
    fn load_checkpoint(&self, consumer: &str) -> Result<Option<Position>, ReadError>;
}

/// Part of the log.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The events.
    pub events: Vec<Recorded>,
    /// Forward: everything up to here was looked at; continue from here. Backward: continue from here
    /// (0 when the beginning is reached).
    pub scanned_to: Position,
}

/// The writing side of one organization's log.
pub trait EventWriter: EventReader {
    /// Takes an append into the order at once: checks expectations and ids, fixes positions and versions,
    /// and hands it to the group commit. Appends are durable in the order of the calls.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was written then.
    fn submit(&self, append: Append) -> Result<Submitted, AppendError>;

    /// Saves a consumer's position, durably.
    ///
    /// # Errors
    /// [`AppendError::Unavailable`].
    fn save_checkpoint(&self, consumer: &str, position: Position) -> Result<(), AppendError>;
}
