//! Carriers: what an engine that outgrows one machine has to give.
//!
//! A carrier is one ordered, append-only sequence of opaque entries, shared by all processes that serve an
//! organization. It need not know streams, versions or event ids, and it need not refuse anything: who may
//! write, and which entries count, is decided from the entries themselves, the same way by every reader.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::capability::Capabilities;

/// Place of an entry in a carrier, from 0, ascending. Not a position of the log: a carrier also holds entries
/// that are no events, and entries that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Where it is.
    pub offset: Offset,
    /// Its bytes, as they were appended.
    pub entry: Bytes,
}

/// A carrier did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// Somebody else appended meanwhile: the next free place is not the expected one. Nothing was written.
    /// Only carriers with native concurrency control say this.
    #[error("the next entry would be at {end}, not where it was expected")]
    Moved {
        /// Where the next entry would be.
        end: Offset,
    },
    /// Entries that were there are there no more (retention, truncation).
    #[error("entries from {from} on are gone, the first there is {first}")]
    Gone {
        /// What was asked for.
        from: Offset,
        /// The first entry there is.
        first: Offset,
    },
    /// It will not get better by itself: rights, a missing topic, a setting that loses events.
    #[error("the engine refuses: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The engine is not there, or did not answer. What was being appended may or may not be in it, in
    /// part too, and may still arrive later.
    #[error("the engine does not answer: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// An ordered sequence of entries kept by another system.
#[async_trait]
pub trait Carrier: Send + Sync + fmt::Debug + 'static {
    /// What this engine promises, truthfully.
    fn capabilities(&self) -> Capabilities;

    /// Longest entry it carries, bytes.
    fn entry_bytes_max(&self) -> usize;

    /// Most bytes of entries in one [`Carrier::append`], at least [`Carrier::entry_bytes_max`].
    fn append_bytes_max(&self) -> usize {
        self.entry_bytes_max()
    }

    /// Where the next entry would be.
    ///
    /// # Errors
    /// [`CarrierError::Refused`], [`CarrierError::Unavailable`].
    async fn end(&self) -> Result<Offset, CarrierError>;

    /// Appends entries one behind the other. `Ok` when the engine has acknowledged all of them, with what
    /// its durability means. With native concurrency control the first of them is at `at`, and all of them
    /// or none are written; other engines ignore `at`, and entries of other writers may come in between.
    ///
    /// One call at a time: entries of a call that was not answered may still arrive, and twice.
    ///
    /// # Errors
    /// [`CarrierError`].
    async fn append(&self, entries: Vec<Bytes>, at: Offset) -> Result<(), CarrierError>;

    /// All entries from a place on, in order, each once, and those that come, without end. Ends after an
    /// error; the caller begins again behind what it has got.
    ///
    /// A lost connection is an error ([`CarrierError::Unavailable`]), not something to go over silently: the
    /// caller then looks whether the entries it has read are still there, because an engine that acknowledges
    /// from memory may have lost them.
    fn follow(&self, from: Offset) -> BoxStream<'static, Result<Carried, CarrierError>>;
}
