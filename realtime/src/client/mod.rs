//! Clients of real time: the typed rows of a live dataset kept current, and the event stream, over a WebSocket.
//!
//! A connection that breaks is opened again, with waits that grow up to [`Options::wait_max`], and goes on where it
//! ended. What the server cannot go on with is read anew as a snapshot, so that the rows are those at
//! [`Live::position`] whatever happened in between.

mod connection;
mod replica;
mod rows;

use std::time::Duration;

use ledgerline_schemas::Position;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::frame::{ErrorCode, ServerFrame};
use crate::request::Subscribe;
use connection::Connection;

pub use replica::{Applied, Replica};
pub use rows::*;

/// A row of a live dataset, as the server sends it when no columns are chosen.
pub trait LiveRow: DeserializeOwned {
    /// Name of the dataset.
    const DATASET: &'static str;
}

/// Where to and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, `http://host:port`.
    pub base: String,
    /// A token that may subscribe.
    pub token: String,
    /// Which rows or events (docs/realtime.md); null for all.
    pub filter: Json,
    /// Most deltas a second, 0.1 to 50; the server's default when `None`. Not for events.
    pub max_hz: Option<f64>,
    /// Longest wait between two attempts to connect.
    pub wait_max: Duration,
    /// A connection on which nothing came for so long is given up; the server says something every second.
    pub silence_max: Duration,
}

impl Options {
    /// Everything there is, of this server.
    #[must_use]
    pub fn new(base: &str, token: &str) -> Self {
        Self {
            base: base.to_owned(),
            token: token.to_owned(),
            filter: Json::Null,
            max_hz: None,
            wait_max: Duration::from_secs(10),
            silence_max: Duration::from_secs(15),
        }
    }
}

/// A subscription cannot go on; trying again would not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address.
    #[error("{0}: must be http://host:port")]
    Base(String),
    /// The server cannot be reached for the first time.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The token is not accepted, has expired, or allows nothing here.
    #[error("the token is refused: {0}")]
    Token(String),
    /// The server refuses the subscription.
    #[error("{message}")]
    Refused {
        /// What kind of mistake.
        code: ErrorCode,
        /// The server's words.
        message: String,
    },
    /// What the server sent is not what the protocol says.
    #[error("the server does not keep the protocol: {0}")]
    Protocol(String),
}

/// The rows of a live dataset, kept current.
#[derive(Debug)]
pub struct Live<R> {
    connection: Connection,
    options: Options,
    replica: Replica<R>,
}

impl<R: LiveRow> Live<R> {
    /// Connects. The rows come with [`Self::next`].
    ///
    /// # Errors
    /// [`ClientError`]: also when the server cannot be reached.
    pub async fn open(options: Options) -> Result<Self, ClientError> {
        let connection = Connection::open(&options).await?;
        Ok(Self { connection, options, replica: Replica::default() })
    }

    /// Waits until the rows are those of another position and returns it. Dropped before it ends, nothing is lost.
    ///
    /// # Errors
    /// [`ClientError`]. A connection that breaks is none.
    pub async fn next(&mut self) -> Result<Position, ClientError> {
        loop {
            let wanted = Subscribe {
                dataset: R::DATASET.to_owned(),
                filter: self.options.filter.clone(),
                max_hz: self.options.max_hz,
                resume: self.replica.token().map(str::to_owned),
                ..Subscribe::default()
            };
            let frame = self.connection.frame(wanted, &self.options).await?;
            match self.replica.apply(frame)? {
                Applied::Position => return Ok(self.replica.position()),
                Applied::Part => {}
                Applied::Lost => self.connection.close(),
            }
        }
    }

    /// Waits until the rows are those at a position or after it.
    ///
    /// # Errors
    /// [`ClientError`]. A connection that breaks is none.
    pub async fn reach(&mut self, position: Position) -> Result<Position, ClientError> {
        while !self.replica.is_whole() || self.replica.position() < position {
            self.next().await?;
        }
        Ok(self.replica.position())
    }

    /// The rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.replica.rows()
    }

    /// The rows are those at this position.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.replica.position()
    }

    /// Gives up the connection, so that the next call opens another and goes on there.
    pub fn reconnect(&mut self) {
        self.connection.close();
    }
}

/// The event stream from a position on: every event once and in order.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
    options: Options,
    after: Option<Position>,
}

impl Events {
    /// Connects. Events after `after` follow, with `None` those that come from now on.
    ///
    /// # Errors
    /// [`ClientError`]: also when the server cannot be reached.
    pub async fn open(options: Options, after: Option<Position>) -> Result<Self, ClientError> {
        let connection = Connection::open(&options).await?;
        Ok(Self { connection, options, after })
    }

    /// The next events with their envelopes; none when [`Self::position`] moved without any. Dropped before it ends,
    /// nothing is lost.
    ///
    /// # Errors
    /// [`ClientError`]. A connection that breaks is none.
    pub async fn next(&mut self) -> Result<Vec<Json>, ClientError> {
        loop {
            let wanted = Subscribe {
                dataset: crate::events::DATASET.to_owned(),
                filter: self.options.filter.clone(),
                after: self.after,
                ..Subscribe::default()
            };
            match self.connection.frame(wanted, &self.options).await? {
                ServerFrame::Events { from, to, events, .. } => {
                    if self.after.is_some_and(|after| after != from) {
                        self.connection.close();
                        continue;
                    }
                    self.after = Some(to);
                    return Ok(events);
                }
                ServerFrame::Progress { position, .. } => {
                    self.after = Some(position);
                    return Ok(Vec::new());
                }
                // Rights changed: whether they still allow it is seen by asking again.
                ServerFrame::Resync { .. } => self.connection.close(),
                _ => {}
            }
        }
    }

    /// Every event up to here was given; `None` until the first frame when nothing was said to begin after.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.after
    }

    /// Gives up the connection, so that the next call opens another and goes on there.
    pub fn reconnect(&mut self) {
        self.connection.close();
    }
}
