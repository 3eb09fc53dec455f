//! KurrentDB as a carrier: one stream per organization, appended with its expected revision.
//!
//! The client is the official crate. What it gets wrong (1.2.0) is worked around here:
//!
//! * Its connection task ends for good after a failed discovery, and after the loss of a node it keeps the
//!   address of the lost one. So every failure that may be the connection's throws the client away, and the
//!   next call makes another ([`link`]).
//! * A subscription that the server ends with OK is polled in a loop that never yields: no watchdog in the
//!   same process can end it. So followers read page after page instead, with a limit of time for each;
//!   when there is nothing new they ask again after 1 to 50 ms, and at once after an append of this process
//!   ([`follow`]).
//! * A call that ran into its deadline may have been done. Ids of events are derived from the stream, the
//!   place and the bytes, so that a repeated append is the same append; a refused revision is looked up
//!   before it counts as refused ([`append`]).
//! * Times are truncated to seconds. They are in the entries anyway.
//! * Its reading of stream metadata takes the oldest, and panics when there is none ([`retention`]).
//!
//! **Invariants**
//!
//! * An entry's offset is its revision in the stream.
//! * Followers see every revision once, in order; a missing one ends them with an error.
//! * A stream whose metadata would remove events is refused by name of the setting.

mod append;
mod follow;
mod link;
mod retention;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::watch;

use self::link::{Failure, Link};
use super::{Carried, Carrier, CarrierError, Offset};
use crate::capability::{Atomicity, Capabilities, ConcurrencyControl, Durability, Idempotence};

/// Most bytes of one append: KurrentDB's own default of `MaxAppendSize` (1 MiB).
pub const APPEND_BYTES_MAX: usize = 1 << 20;
/// Kept free in an append for ids, types and framing of its events, bytes: 256 for each of the most events
/// that one append has.
const APPEND_OVERHEAD_BYTES: usize = 64 << 10;
/// Most events of one append.
const APPEND_EVENTS_MAX: usize = 256;
/// Smallest [`Config::append_bytes_max`], bytes.
pub const APPEND_BYTES_MIN: usize = 128 << 10;

/// Where the log is and what its operator promises.
#[derive(Clone)]
pub struct Config {
    /// Connection string, such as `kurrentdb://user:password@a:2113,b:2113,c:2113?tls=true`. Never shown.
    pub connection: String,
    /// Name of the organization's stream, such as `org-…`; our own endpoint takes `external-…` only.
    pub stream: String,
    /// What an acknowledgement of this server means. A client cannot ask: a cluster flushes on a majority
    /// ([`Durability::QuorumFsync`]), a single node flushes ([`Durability::FsyncBeforeAck`]), and a node
    /// started with `UnsafeDisableFlushToDisk` does neither ([`Durability::PageCache`]).
    pub durability: Durability,
    /// Most bytes of one append, 128 KiB or more; the server's `MaxAppendSize` or less.
    pub append_bytes_max: usize,
    /// How long an append, a read of one page or the search for a server may take, with all repetitions.
    pub timeout: Duration,
}

impl Config {
    /// The defaults for a stream of a server. The durability follows from the connection string: several
    /// hosts, or discovery by name, are a cluster.
    #[must_use]
    pub fn new(connection: impl Into<String>, stream: impl Into<String>) -> Self {
        let connection = connection.into();
        let hosts = connection.split('?').next().unwrap_or_default();
        let cluster = hosts.contains(',') || hosts.contains("+discover");
        Self {
            durability: if cluster { Durability::QuorumFsync } else { Durability::FsyncBeforeAck },
            connection,
            stream: stream.into(),
            append_bytes_max: APPEND_BYTES_MAX,
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("stream", &self.stream)
            .field("durability", &self.durability)
            .field("append_bytes_max", &self.append_bytes_max)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What calls and followers share.
#[derive(Debug)]
struct Shared {
    config: Config,
    link: Link,
    /// Where this process knows the end to be; wakes its followers.
    end: watch::Sender<u64>,
}

/// A stream of a KurrentDB server, or of one that speaks its protocol.
#[derive(Clone, Debug)]
pub struct KurrentCarrier {
    shared: Arc<Shared>,
}

impl KurrentCarrier {
    /// Connects, and checks that nothing would remove events of the stream. Needs a tokio runtime, which
    /// has to live as long as the carrier.
    ///
    /// # Errors
    /// [`CarrierError::Refused`]: a connection string that cannot be read, missing rights, a stream that is
    /// deleted or whose metadata sets `$maxCount`, `$maxAge` or `$tb`, and `append_bytes_max` out of range.
    /// [`CarrierError::Unavailable`]: no server answered within the time limit.
    pub async fn open(config: Config) -> Result<Self, CarrierError> {
        if config.append_bytes_max < APPEND_BYTES_MIN {
            let reason = format!(
                "append_bytes_max is {}, it has to be {APPEND_BYTES_MIN} or more",
                config.append_bytes_max
            );
            return Err(CarrierError::Refused { reason });
        }
        let link = Link::new(&config.connection, config.timeout)?;
        let (end, _) = watch::channel(0);
        let carrier = Self { shared: Arc::new(Shared { config, link, end }) };
        retention::check(&carrier.shared).await?;
        carrier.end().await?;
        Ok(carrier)
    }
}

impl Shared {
    /// Most bytes of entries, one or several, in one append. Up to 256 of them are written all or none; more
    /// are more than one append.
    const fn entries_bytes_max(&self) -> usize {
        self.config.append_bytes_max.saturating_sub(APPEND_OVERHEAD_BYTES)
    }

    /// Revision behind the last event.
    async fn end(&self) -> Result<u64, CarrierError> {
        let options = eventstore::ReadStreamOptions::default()
            .position(eventstore::StreamPosition::End)
            .backwards()
            .max_count(1)
            .requires_leader(true);
        let last = self.link.read(&self.config.stream, &options).await;
        match last {
            Ok(events) => Ok(events.first().map_or(0, |event| event.revision.saturating_add(1))),
            Err(Failure::NoStream) => Ok(0),
            Err(failure) => Err(failure.into()),
        }
    }
}

#[async_trait]
impl Carrier for KurrentCarrier {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            engine: "kurrentdb",
            durability: self.shared.config.durability,
            atomicity: Atomicity::Stream,
            concurrency: ConcurrencyControl::Native,
            idempotence: Idempotence::Window,
        }
    }

    fn entry_bytes_max(&self) -> usize {
        self.shared.entries_bytes_max()
    }

    fn append_bytes_max(&self) -> usize {
        self.shared.entries_bytes_max()
    }

    async fn end(&self) -> Result<Offset, CarrierError> {
        self.shared.end().await.map(Offset)
    }

    async fn append(&self, entries: Vec<Bytes>, at: Offset) -> Result<(), CarrierError> {
        append::append(&self.shared, entries, at.0).await
    }

    fn follow(&self, from: Offset) -> BoxStream<'static, Result<Carried, CarrierError>> {
        follow::follow(Arc::clone(&self.shared), from.0)
    }
}
