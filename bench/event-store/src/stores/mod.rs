//! The stores that are compared, each as its users would use it.

pub(crate) mod kurrent;
pub(crate) mod ledgerline;
mod nats;
mod postgres;
mod sqlite;
mod umadb;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::load::{Batch, Load};
use crate::outcome::Outcome;

/// A store in one of its settings.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The embedded log, in this process.
    Ledgerline,
    /// The embedded log through its KurrentDB endpoint and the `kurrentdb` client.
    LedgerlineKurrent,
    /// UmaDB's server and its Rust client.
    Umadb,
    /// NATS JetStream that syncs before it acknowledges.
    NatsAlways,
    /// NATS JetStream as it comes: syncs every two minutes.
    NatsDefault,
    /// PostgreSQL with `synchronous_commit = on`.
    Postgres,
    /// PostgreSQL with `synchronous_commit = off`.
    PostgresAsync,
    /// SQLite, WAL and `synchronous = FULL`, in this process.
    Sqlite,
}

impl Kind {
    /// All, in the order of the tables.
    pub(crate) const ALL: [Self; 8] = [
        Self::Ledgerline,
        Self::LedgerlineKurrent,
        Self::Umadb,
        Self::NatsAlways,
        Self::Postgres,
        Self::Sqlite,
        Self::NatsDefault,
        Self::PostgresAsync,
    ];

    /// Name in the tables.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Ledgerline => "Ledgerline, in process",
            Self::LedgerlineKurrent => "Ledgerline, KurrentDB protocol",
            Self::Umadb => "UmaDB",
            Self::NatsAlways => "NATS JetStream, sync always",
            Self::NatsDefault => "NATS JetStream, default",
            Self::Postgres => "PostgreSQL",
            Self::PostgresAsync => "PostgreSQL, asynchronous commit",
            Self::Sqlite => "SQLite FULL, in process",
        }
    }

    /// Whether an acknowledgement means that the events were synced.
    pub(crate) const fn durable(self) -> bool {
        !matches!(self, Self::NatsDefault | Self::PostgresAsync)
    }

    /// Whether it is ours.
    pub(crate) const fn ours(self) -> bool {
        matches!(self, Self::Ledgerline | Self::LedgerlineKurrent)
    }

    /// Whether it is a process of its own.
    pub(crate) const fn networked(self) -> bool {
        !matches!(self, Self::Ledgerline | Self::Sqlite)
    }
}

/// Where a store is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Its directory, for stores of this process.
    pub(crate) directory: PathBuf,
    /// `127.0.0.1:PORT`, for the others.
    pub(crate) address: String,
}

/// Somebody who appends. Each waits for the acknowledgement before the next append.
pub(crate) enum Writer {
    /// Wants a thread of its own.
    Thread(Box<dyn ThreadWriter>),
    /// Lives on the runtime.
    Task(Box<dyn TaskWriter>),
}

/// A writer that blocks.
pub(crate) trait ThreadWriter: Send {
    /// Appends a batch, all of it or nothing, and waits until the store acknowledged it.
    fn append(&mut self, batch: Batch) -> Outcome<()>;
}

/// A writer that awaits.
pub(crate) trait TaskWriter: Send {
    /// Appends a batch, all of it or nothing, and waits until the store acknowledged it.
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>>;
}

/// What a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Every event.
    All,
    /// Events of the rare type.
    Rare,
}

/// What a log of ours holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Appends.
    pub(crate) frames: u64,
    /// Events.
    pub(crate) events: u64,
    /// Bytes of their records, without the heads of frames.
    pub(crate) bytes: u64,
}

/// An open store, or a connection to one.
pub(crate) trait Client: Send + Sync {
    /// Reads everything back, verifying it, where the log is in this process.
    fn stored(&self) -> Outcome<Option<Stored>> {
        Ok(None)
    }

    /// A writer of a load.
    fn writer(&self, load: &Load, index: u64) -> BoxFuture<'_, Outcome<Writer>>;

    /// Reads from the beginning in order, looking at every payload, until `expected` events came.
    fn read(&self, want: Want, expected: u64) -> BoxFuture<'_, Outcome<u64>>;

    /// Follows new events; yields [`Batch::due_ns`] of each. `None` where the store has no subscriptions.
    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>>;
}

/// Opens or connects.
pub(crate) async fn connect(kind: Kind, place: &Place, load: &Load) -> Outcome<Arc<dyn Client>> {
    Ok(match kind {
        Kind::Ledgerline => Arc::new(ledgerline::Embedded::open(&place.directory)?),
        Kind::LedgerlineKurrent => Arc::new(kurrent::Kurrent::connect(&place.address)?),
        Kind::Umadb => Arc::new(umadb::Uma::connect(&place.address).await?),
        Kind::NatsAlways | Kind::NatsDefault => {
            Arc::new(nats::Nats::connect(&place.address).await?)
        }
        Kind::Postgres | Kind::PostgresAsync => {
            let asynchronous = kind == Kind::PostgresAsync;
            Arc::new(postgres::Postgres::connect(&place.address, load.writers, asynchronous).await?)
        }
        Kind::Sqlite => Arc::new(sqlite::Sqlite::open(&place.directory)?),
    })
}

/// Whether a PostgreSQL server takes connections.
pub(crate) async fn postgres_answers(address: &str) -> bool {
    postgres::open(address).await.is_ok()
}
