//! Fluvio as a carrier: one topic with one partition per organization.
//!
//! Fluvio refuses nothing and promises little: it acknowledges from memory, does not know expected offsets,
//! and a repeated record is another record. What counts is decided from the entries (the rule of the
//! engines); this module sees to it that what was acknowledged is there, in order, once, or that somebody
//! hears of it. What it works around (client 0.50.1, servers 0.18):
//!
//! * Topics lose records after 7 days and beyond 100 GB when nobody said otherwise. Ours are made without
//!   these limits, and a topic that has them is refused by name of the setting ([`topic`]).
//! * A fetch that is cut within a batch skips the records of that batch silently. Fetches are larger than a
//!   segment, and every offset has to follow the one before ([`follow`]).
//! * A stream over several partitions resumes wrongly. There is one partition and one stream for it.
//! * The client's own retries can write twice and out of order. They are off; each append is one batch
//!   after the other, and only refusals that say that nothing was written are repeated ([`append`]).
//! * "Online" comes before replicas are loaded: *not the leader* is repeated, after `clear_errors`.
//! * Handles may hang after the controller or an SPU was lost, for `FLV_SOCKET_WAIT` (60 s when unset; set it
//!   to 3). Every call has a time limit of ours, after which the connection is made anew ([`session`]).
//! * A full queue of the producer spins. At most one batch is in flight.
//! * An SPU writes an answer in two pieces without `TCP_NODELAY`, and the second waits 40 ms for the delayed
//!   acknowledgement of the first: reading back one's own append took 49 ms. What this process appended, and
//!   the leader acknowledged with its offsets, followers get at once; when the same offsets come from the
//!   partition they have to be the same ([`acknowledged`]).
//!
//! **Invariants**
//!
//! * Followers see every offset once, in order; a missing one ends them with an error.
//! * Entries of one call are in the partition in their order.
//! * A topic whose settings lose records is refused, when it is opened and after every reconnection.

mod acknowledged;
mod append;
mod follow;
mod records;
mod session;
mod topic;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use self::acknowledged::Acknowledged;
use self::session::Sessions;
use super::{Carried, Carrier, CarrierError, Offset};
use crate::capability::{Atomicity, Capabilities, ConcurrencyControl, Durability, Idempotence};

/// Longest entry, bytes: with its framing it fits one batch of [`append::BATCH_BYTES`].
pub const ENTRY_BYTES_MAX: usize = append::BATCH_BYTES - (8 << 10);
/// Smallest segment of a topic that is made here, bytes: several batches.
pub const SEGMENT_BYTES_MIN: u32 = 4 << 20;
/// Largest segment of a topic that is taken, bytes: a follower holds one of them in memory.
pub const SEGMENT_BYTES_MAX: u32 = 256 << 20;

/// Where the topic is, and how it is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Public address of the streaming controller (SC), `host:port`. Clear text: the client's TLS would
    /// bring a second provider; keep it in a private network.
    pub endpoint: String,
    /// Name of the organization's topic: lower-case letters, digits, hyphens.
    pub topic: String,
    /// Makes the topic when it is not there.
    pub create: bool,
    /// Copies of a topic that is made here, 1 or more. An append is acknowledged when all of them have it in
    /// memory (the leader counts every replica of the topic; Fluvio's `min_in_sync_replicas` is read
    /// nowhere): with two or more, appends wait while an SPU of the topic is away.
    pub replication: u32,
    /// Segment size of a topic that is made here, bytes, 4 MiB to 256 MiB.
    pub segment_bytes: u32,
    /// How long an append, a connection or a look at the end may take.
    pub timeout: Duration,
}

impl Config {
    /// The defaults: one copy, segments of 16 MiB, 10 s.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            topic: topic.into(),
            create: true,
            replication: 1,
            segment_bytes: 16 << 20,
            timeout: Duration::from_secs(10),
        }
    }

    fn check(&self) -> Result<(), CarrierError> {
        let refused = |reason: String| Err(CarrierError::Refused { reason });
        if self.replication == 0 {
            return refused("replication is 0, it has to be 1 or more".to_owned());
        }
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return refused(format!(
                "segment_bytes is {}, it has to be {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}",
                self.segment_bytes
            ));
        }
        Ok(())
    }
}

/// What calls and followers share.
struct Shared {
    config: Config,
    sessions: Sessions,
    /// Appends one at a time: entries of two calls do not mix.
    appending: tokio::sync::Mutex<()>,
    /// What was acknowledged last, with its place.
    acknowledged: Acknowledged,
}

/// A topic of a Fluvio cluster.
#[derive(Clone)]
pub struct FluvioCarrier {
    shared: Arc<Shared>,
    durability: Durability,
}

impl fmt::Debug for FluvioCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FluvioCarrier").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl FluvioCarrier {
    /// Connects, makes the topic if it is to be made, and checks that it loses nothing by its settings.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`CarrierError::Refused`]: a setting out of range, a topic that is missing, has not exactly one
    /// partition, or would lose or change records. [`CarrierError::Unavailable`]: no answer in time.
    pub async fn open(config: Config) -> Result<Self, CarrierError> {
        config.check()?;
        let sessions = Sessions::new(config.clone());
        let session = sessions.get().await?;
        let durability = match session.replication {
            0 | 1 => Durability::PageCache,
            _ => Durability::ReplicaMemory,
        };
        let (appending, acknowledged) = (tokio::sync::Mutex::new(()), Acknowledged::default());
        let shared = Shared { config, sessions, appending, acknowledged };
        let carrier = Self { shared: Arc::new(shared), durability };
        carrier.end().await?;
        Ok(carrier)
    }
}

#[async_trait]
impl Carrier for FluvioCarrier {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            engine: "fluvio",
            durability: self.durability,
            atomicity: Atomicity::Record,
            concurrency: ConcurrencyControl::None,
            idempotence: Idempotence::None,
        }
    }

    fn entry_bytes_max(&self) -> usize {
        ENTRY_BYTES_MAX
    }

    fn append_bytes_max(&self) -> usize {
        // Nothing is atomic beyond a record; more than this is several batches one after the other.
        append::APPEND_BYTES_MAX
    }

    async fn end(&self) -> Result<Offset, CarrierError> {
        records::end(&self.shared).await.map(Offset)
    }

    async fn append(&self, entries: Vec<Bytes>, _at: Offset) -> Result<(), CarrierError> {
        append::append(&self.shared, entries).await
    }

    fn follow(&self, from: Offset) -> BoxStream<'static, Result<Carried, CarrierError>> {
        follow::follow(Arc::clone(&self.shared), from.0)
    }
}
